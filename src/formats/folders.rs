//! Class folders: `train/one/ID.png`, as read by torchvision's `ImageFolder` and Keras, and `classes.txt`,
//! which lists the classes in the order of the folders, one per line.
//! Reads folders with or without a split level above them.

use std::path::{Path, PathBuf};

use super::{
    Category, DatasetInfo, Format, Holds, ImageEntry, Picture, Reader, Writer, entries, file_name,
    folders_in, is_called_picture,
};
use crate::sample::Labels;
use crate::{Error, Result};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "folders",
    about: "SPLIT/CLASS/ID.png and classes.txt, as read by torchvision's ImageFolder",
    required: false,
    holds: Holds {
        class: true,
        unknown_objects: true,
        ..Holds::NOTHING
    },
    write: Some(write),
    detect: |path| places(path).is_ok_and(|places| places.iter().any(Place::has_picture)),
    read,
};

/// Names of folders that denote a split even if they hold no folders; any other folder with folders in it does
/// as well.
const SPLITS: [&str; 6] = ["train", "val", "valid", "validation", "test", "testing"];

/// Lists the classes, one a line, in their order.
pub(super) const CLASSES: &str = "classes.txt";

struct Folders<'a> {
    dataset: DatasetInfo<'a>,
}

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    for (split, classes) in dataset.images {
        for class in classes.keys() {
            let folder: PathBuf = [dataset.out, split.as_ref(), class.as_ref()]
                .iter()
                .collect();
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        }
    }
    Ok(Box::new(Folders { dataset: *dataset }))
}

impl Writer for Folders<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        entry.place(self.dataset.out)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let path = self.dataset.out.join(CLASSES);
        let classes = self.dataset.classes();
        let lines: String = classes.iter().map(|class| format!("{class}\n")).collect();
        std::fs::write(&path, lines).map_err(|e| Error::io(&path, e))
    }
}

/// A folder whose pictures have one split and class.
struct Place {
    folder: PathBuf,
    split: Option<String>,
    class: Option<String>,
}

impl Place {
    fn has_picture(&self) -> bool {
        let files = std::fs::read_dir(&self.folder).into_iter().flatten();
        files.flatten().any(|file| is_called_picture(&file.path()))
    }
}

fn places(root: &Path) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for folder in folders_in(root)? {
        let (name, inner) = (file_name(&folder), folders_in(&folder)?);
        if inner.is_empty() && !SPLITS.contains(&&*name) {
            places.push(Place {
                folder,
                split: None,
                class: Some(name),
            });
            continue;
        }
        let place = |folder, class| Place {
            folder,
            split: Some(name.clone()),
            class,
        };
        places.push(place(folder, None));
        let classes = inner.into_iter().map(|class| {
            let name = file_name(&class);
            place(class, Some(name))
        });
        places.extend(classes);
    }
    Ok(places)
}

fn read(root: &Path, reader: &mut Reader) -> Result<()> {
    for place in places(root)? {
        let files = entries(&place.folder)?.into_iter();
        for file in files.filter(|file| is_called_picture(file)) {
            if let Some(name) = &place.class {
                reader.class(Category {
                    name: name.clone(),
                    ..Category::default()
                });
            }
            let labels = Labels {
                class: place.class.clone(),
                ..Labels::default()
            };
            let picture = Picture {
                split: place.split.clone(),
                ..Picture::new(file, labels)
            };
            reader.add(picture.file.clone().display(), picture)?;
        }
    }
    Ok(())
}
