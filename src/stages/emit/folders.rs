//! Class folders: `train/one/ID.png`, as torchvision's `ImageFolder` and Keras read them, and
//! `classes.txt`, the classes in the order of the folders, one a line.

use std::path::PathBuf;

use super::{Entry, Plan, Writer};
use crate::{Error, Result};

struct Folders<'a> {
    plan: Plan<'a>,
}

/// Makes a folder for every class of every split.
///
/// # Errors
/// Where a folder cannot be made.
pub fn open<'a>(plan: &Plan<'a>) -> Result<Box<dyn Writer + 'a>> {
    for (split, classes) in &plan.survey.images {
        for class in classes.keys() {
            let folder: PathBuf = [plan.out, split.as_ref(), class.as_ref()].iter().collect();
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        }
    }
    Ok(Box::new(Folders { plan: *plan }))
}

impl Writer for Folders<'_> {
    fn add(&mut self, entry: &Entry) -> Result<()> {
        let path = self.plan.out.join(&entry.file);
        std::fs::write(&path, &entry.sample.image).map_err(|e| Error::io(&path, e))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let path = self.plan.out.join("classes.txt");
        let classes = self.plan.survey.classes();
        let lines: String = classes.iter().map(|class| format!("{class}\n")).collect();
        std::fs::write(&path, lines).map_err(|e| Error::io(&path, e))
    }
}
