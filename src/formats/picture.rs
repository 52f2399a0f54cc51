//! A picture as a format reads it.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::sample::image::decode_rgb;
use crate::sample::input::{self, MOST_BYTES};
use crate::sample::{Extent, Labels, Provenance};

/// An image read from a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Path of the picture; if [`Picture::bytes`] holds it, the path of its archive, then its name in there.
    pub file: PathBuf,
    /// The encoded picture, if it is no file of its own.
    pub bytes: Option<Vec<u8>>,
    /// `None` if the dataset is not divided into splits.
    pub split: Option<String>,
    /// From the labels; `None` if they do not give it.
    pub extent: Option<Extent>,
    /// As far as the format can store them; see [`super::Holds`].
    pub labels: Labels,
    /// How the picture was made, if the format says so.
    pub provenance: Option<Provenance>,
}

impl Picture {
    /// A picture of which only the file and labels are known.
    pub fn new(file: PathBuf, labels: Labels) -> Self {
        Picture {
            file,
            bytes: None,
            split: None,
            extent: None,
            labels,
            provenance: None,
        }
    }

    /// The path of its file from `dataset`, the path that it was read from, or from the folder of that; with
    /// slashes.
    pub fn name_in(&self, dataset: &Path) -> String {
        let below = self.file.strip_prefix(dataset).ok();
        let beside = || self.file.strip_prefix(dataset.parent()?).ok();
        let name = below.or_else(beside).unwrap_or(&self.file);
        name.to_string_lossy().replace('\\', "/")
    }

    /// The encoded picture.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub fn encoded(&self) -> Result<std::borrow::Cow<'_, [u8]>> {
        Ok(match &self.bytes {
            Some(bytes) => bytes.into(),
            None => input::read(&self.file, MOST_BYTES)?.into(),
        })
    }

    /// The picture, decoded.
    ///
    /// # Errors
    /// If its file cannot be read, or is not a picture.
    pub fn pixels(&self) -> Result<image::RgbImage> {
        decode_rgb(&self.encoded()?, &self.file.display().to_string())
    }
}
