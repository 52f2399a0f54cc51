//! Class folders: `train/one/ID.png`, as read by torchvision's `ImageFolder` and Keras, and `classes.txt`,
//! which lists the classes in the order of the folders, one per line.
//! Reads folders with or without a split level above them.

use std::path::{Path, PathBuf};

use super::{DatasetInfo, Format, Holds, ImageEntry, Picture, Writer, entries, is_picture};
use crate::sample::Labels;
use crate::{Error, Result};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
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

/// Names of folders that denote a split even if they hold no folders; any other folder with folders in it does
/// as well.
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
    for folder in folders(root)? {
        let (name, inner) = (file_name(&folder), folders(&folder)?);
        if inner.is_empty() && !SPLITS.contains(&&*name) {
            add(&folder, None, Some(name), &mut found)?;
            continue;
        }
        add(&folder, Some(&name), None, &mut found)?;
        for class in inner {
            add(&class, Some(&name), Some(file_name(&class)), &mut found)?;
        }
    }
    Ok(found)
}

fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = entries(root)?;
    folders.retain(|path| path.is_dir());
    Ok(folders)
}

/// Adds the pictures that lie directly in a folder.
fn add(
    folder: &Path,
    split: Option<&str>,
    class: Option<String>,
    found: &mut Vec<Picture>,
) -> Result<()> {
    for file in entries(folder)?.into_iter().filter(|file| is_picture(file)) {
        found.push(Picture {
            file,
            split: split.map(str::to_owned),
            extent: None,
            labels: Labels {
                class: class.clone(),
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
