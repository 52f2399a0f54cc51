//! Class folders: `train/one/ID.png`, as read by torchvision's `ImageFolder` and Keras, and `classes.txt`,
//! which lists the classes in the order of the folders, one per line.
//! Reads folders with or without a split level above them.
//! Folders with or without a split above them are read.

use std::path::{Path, PathBuf};

use super::{DatasetInfo, Format, Holds, ImageEntry, Picture, Writer, entries, is_picture};
use crate::sample::Labels;
use crate::{Error, Result};

/// The registry entry.
pub const FORMAT: Format = Format {
    name: "folders",
    about: "SPLIT/CLASS/ID.png and classes.txt, as read by torchvision's ImageFolder",
    required: true,
    holds: Holds {
        class: true,
        unknown_objects: true,
        ..Holds::NOTHING
    },
    write,
    detect: |path| pictures(path).is_ok_and(|found| !found.is_empty()),
    read: pictures,
};

/// Names of folders that denote a split, not a class.
const SPLITS: [&str; 6] = ["train", "val", "valid", "validation", "test", "testing"];

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
        let path = self.dataset.out.join(&entry.file);
        std::fs::write(&path, &entry.sample.image).map_err(|e| Error::io(&path, e))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let path = self.dataset.out.join("classes.txt");
        let classes = self.dataset.classes();
        let lines: String = classes.iter().map(|class| format!("{class}\n")).collect();
        std::fs::write(&path, lines).map_err(|e| Error::io(&path, e))
    }
}

fn pictures(root: &Path) -> Result<Vec<Picture>> {
    let mut found = Vec::new();
    for folder in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        let name = file_name(&folder);
        match SPLITS.contains(&&*name) {
            false => of_class(&folder, None, &mut found)?,
            true => {
                for class in entries(&folder)?.into_iter().filter(|path| path.is_dir()) {
                    of_class(&class, Some(&name), &mut found)?;
                }
            }
        }
    }
    Ok(found)
}

/// The pictures in one class folder.
fn of_class(folder: &Path, split: Option<&str>, found: &mut Vec<Picture>) -> Result<()> {
    for file in entries(folder)?.into_iter().filter(|file| is_picture(file)) {
        found.push(Picture {
            file,
            split: split.map(str::to_owned),
            extent: None,
            labels: Labels {
                class: Some(file_name(folder)),
                ..Labels::default()
            },
        });
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
