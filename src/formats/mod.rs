//! Dataset formats: one file each, which both writes and reads the format.
//!
//! To add one, write one file and add one line to [`FORMATS`]. A test writes random labels in every format,
//! reads them back and compares the labels that the format [holds](Format::holds).
//!
//! Beside them, [`spreadsheet`] reads the tables that users bring.

mod coco;
mod folders;
mod huggingface;
mod manifest;
pub mod spreadsheet;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::registry::{Entry, Name};
use crate::sample::{Extent, Labels, Sample};
use crate::{Error, Result};

/// One entry of the registry of dataset formats.
pub struct Format {
    /// The name used in pipeline files.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    /// Whether every dataset includes it, because other formats refer to its files.
    pub required: bool,
    /// The labels that survive writing and reading; all others are dropped.
    pub holds: Holds,
    /// Starts a dataset of this format; fails if its first files cannot be created.
    pub write: for<'a> fn(&DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>>,
    /// Whether a folder or file looks like a dataset of this format.
    pub detect: fn(&Path) -> bool,
    /// The pictures of a dataset with their labels, in the dataset's order.
    pub read: fn(&Path) -> Result<Vec<Picture>>,
}

/// Every format; a folder is read by the first that matches.
pub const FORMATS: &[Format] = &[
    manifest::FORMAT,
    coco::FORMAT,
    huggingface::FORMAT,
    folders::FORMAT,
];

impl Entry for Format {
    const ALL: &'static [Format] = FORMATS;
    const NOUN: &'static str = "format";

    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

/// A format in a configuration.
pub type FormatName = Name<Format>;

/// The labels that a format can store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    /// The class of a picture.
    pub class: bool,
    /// Classes and boxes of objects.
    pub objects: bool,
    /// The visible pixels of each object.
    pub masks: bool,
    /// Named points of objects with their visibility.
    pub keypoints: bool,
    /// The object-to-camera transform of each object.
    pub poses: bool,
    /// The pinhole intrinsics of each picture.
    pub camera: bool,
    /// The share of each object that is neither hidden nor cut off; read as 1 where it is missing.
    pub visible_fraction: bool,
    /// Pictures whose objects are unknown.
    pub unknown_objects: bool,
}

impl Holds {
    /// No labels.
    pub const NOTHING: Holds = Holds {
        class: false,
        objects: false,
        masks: false,
        keypoints: false,
        poses: false,
        camera: false,
        visible_fraction: false,
        unknown_objects: false,
    };

    /// The names of the labels, separated by commas, for `verismo list`.
    pub fn names(self) -> String {
        let all = [
            ("class", self.class),
            ("boxes", self.objects),
            ("masks", self.masks),
            ("keypoints", self.keypoints),
            ("poses", self.poses),
            ("camera", self.camera),
        ];
        let present = all.into_iter().filter(|(_, present)| *present);
        present.map(|(name, _)| name).collect::<Vec<_>>().join(", ")
    }
}

/// What a writer knows before the first image.
#[derive(Clone, Copy)]
pub struct DatasetInfo<'a> {
    /// The dataset's folder.
    pub out: &'a Path,
    /// Name of the dataset, also shown in its data card.
    pub name: &'a str,
    /// As given in the pipeline; `None` if it is to be derived from the content.
    pub version: Option<&'a str>,
    /// What the dataset shows, in the user's words; `None` if the pipeline does not say.
    pub description: Option<&'a str>,
    /// Identifier of the licence, e.g. `cc-by-4.0`; `None` if the pipeline names none.
    pub license: Option<&'a str>,
    /// Images by split and class; pictures without a single class count under the empty name.
    pub images: &'a BTreeMap<String, BTreeMap<String, u64>>,
    /// Every class of an image or object, with the names of its keypoints.
    pub categories: &'a BTreeMap<String, Vec<String>>,
}

/// An image to write.
pub struct ImageEntry<'a> {
    /// The picture as a PNG, its labels and its provenance.
    pub sample: &'a Sample,
    /// `None` for a picture without a single class.
    pub class: Option<&'a str>,
    /// Name of the split, e.g. `train`.
    pub split: &'a str,
    /// Relative to the dataset's folder, e.g. `train/one/augment-000012.png`.
    pub file: String,
}

/// Writes one format below [`DatasetInfo::out`].
pub trait Writer {
    /// Adds the next image, in the order of the input.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn add(&mut self, entry: &ImageEntry) -> Result<()>;

    /// Writes what comes after the last image.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// An image read from a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Path of the picture.
    pub file: PathBuf,
    /// `None` if the dataset is not divided into splits.
    pub split: Option<String>,
    /// From the labels; `None` if they do not give it.
    pub extent: Option<Extent>,
    /// As far as the format can store them; see [`Holds`].
    pub labels: Labels,
}

/// Detects the format of a folder or file.
///
/// ```no_run
/// use std::path::Path;
///
/// let path = Path::new("annotations.json");
/// for picture in (verismo::formats::detect(path)?.read)(path)? {
///     println!("{}: {} objects", picture.file.display(), picture.labels.objects().len());
/// }
/// # Ok::<(), verismo::Error>(())
/// ```
///
/// # Errors
/// If no format matches; the message lists the known ones.
pub fn detect(path: &Path) -> Result<&'static Format> {
    std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    let found = FORMATS.iter().find(|format| (format.detect)(path));
    found.ok_or_else(|| {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        Error::usage(
            path.display(),
            "is not a dataset of a known format",
            format!(
                "the formats are {}; see `verismo list formats`",
                names.join(", ")
            ),
        )
    })
}

impl DatasetInfo<'_> {
    /// The classes of images, sorted, so that positions match those of the class folders.
    pub fn classes(&self) -> std::collections::BTreeSet<&str> {
        let classes = self.images.values().flat_map(BTreeMap::keys);
        classes
            .map(String::as_str)
            .filter(|class| !class.is_empty())
            .collect()
    }

    /// Whether any object has keypoints.
    pub fn has_keypoints(&self) -> bool {
        self.categories.values().any(|names| !names.is_empty())
    }
}

/// Creates `path` and the folders above it.
///
/// # Errors
/// If it cannot be created; the message names it.
pub fn create(path: &Path) -> Result<std::io::BufWriter<std::fs::File>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    let file = std::fs::File::create(path).map_err(|e| Error::io(path, e))?;
    Ok(std::io::BufWriter::new(file))
}

/// Whether a file name is that of a picture.
fn is_picture(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    matches!(&*extension.to_lowercase(), "png" | "jpg" | "jpeg")
}

/// Paths in a folder, sorted, without hidden files and those of operating systems.
///
/// # Errors
/// If the folder cannot be listed.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::io(folder, e);
    let listed = std::fs::read_dir(folder).map_err(failed)?;
    let paths: std::io::Result<Vec<PathBuf>> = listed.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && name != "__MACOSX" && name != "@eaDir"
    });
    paths.sort();
    Ok(paths)
}

/// The error for a file that does not match its format.
fn wrong(path: &Path, problem: impl std::fmt::Display) -> Error {
    let remedy = "check that the file is complete and in the format that its folder suggests";
    Error::failed(path.display(), problem, remedy)
}
