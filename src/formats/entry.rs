//! What a writer gets for each image, and how it puts the picture where its format wants it.

use std::borrow::Cow;
use std::fs::{File, copy, create_dir_all, hard_link};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::sample::Sample;
use crate::sample::input::{self, MOST_BYTES};
use crate::{Error, Result};

/// An image to write.
pub struct ImageEntry<'a> {
    /// The picture, its labels and its provenance.
    pub sample: &'a Sample,
    /// `None` for a picture without a single class.
    pub class: Option<&'a str>,
    /// Name of the split, e.g. `train`.
    pub split: &'a str,
    /// Relative to the dataset's folder, e.g. `train/one/augment-000012.png`. Its last part is unique in the
    /// dataset.
    pub file: String,
    /// The picture's file, if the sample does not hold the picture.
    pub original: Option<Original<'a>>,
}

/// A picture that lies in a file.
#[derive(Clone, Copy)]
pub struct Original<'a> {
    /// The file.
    pub file: &'a Path,
    /// Whether the dataset may share it by a hard link; otherwise it is copied.
    pub link: bool,
}

impl ImageEntry<'_> {
    /// The picture's name without folders, e.g. `augment-000012.png`.
    pub fn name(&self) -> &str {
        let name = self.file.rsplit_once('/');
        name.map_or(self.file.as_str(), |(_, name)| name)
    }

    /// The picture's name without folders and ending, e.g. `augment-000012`.
    pub fn stem(&self) -> &str {
        let name = self.name();
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// The ending of the picture's name, e.g. `png`.
    pub fn ending(&self) -> &str {
        let parts = self.name().rsplit_once('.');
        parts.map_or("png", |(_, ending)| ending)
    }

    /// The encoded picture.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        Ok(match self.original {
            Some(original) => input::read(original.file, MOST_BYTES)?.into(),
            None => self.sample.image.as_slice().into(),
        })
    }

    /// Puts the picture at [`ImageEntry::file`], below the dataset's folder `out`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn place(&self, out: &Path) -> Result<()> {
        self.place_at(out, &self.file)
    }

    /// Puts the picture at `to`, below the dataset's folder `out`. If it already lies at
    /// [`ImageEntry::file`], both are one file by a hard link.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn place_at(&self, out: &Path, to: &str) -> Result<()> {
        let path = out.join(to);
        let failed = |e| Error::io(&path, e);
        match self.put(out, &path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                if let Some(folder) = path.parent() {
                    create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
                }
                self.put(out, &path).map_err(failed)
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other.map_err(failed),
        }
    }

    fn put(&self, out: &Path, path: &Path) -> std::io::Result<()> {
        let placed = out.join(&self.file);
        if placed != path && hard_link(&placed, path).is_ok() {
            return Ok(());
        }
        match self.original {
            Some(Original { file, link: true }) if hard_link(file, path).is_ok() => Ok(()),
            Some(_) if path.exists() => Ok(()),
            Some(Original { file, .. }) => copy(file, path).map(drop),
            None => File::create_new(path)?.write_all(&self.sample.image),
        }
    }
}
