//! Dataset formats: one file each, which both writes and reads the format.
//!
//! To add one, write one file and add one line to [`FORMATS`]. A test writes random labels in every format,
//! reads them back and compares the labels that the format [holds](Format::holds).
//!
//! Beside them, [`spreadsheet`] reads the tables that users bring.

mod bop;
mod boxes_csv;
mod coco;
pub mod convert;
mod croissant;
mod cvat;
mod entry;
mod folders;
mod holds;
mod huggingface;
mod huggingface_parquet;
mod json;
mod kitti;
mod labelme;
mod manifest;
mod outline;
mod picture;
mod reader;
mod renderers;
mod shelf;
pub mod spreadsheet;
#[cfg(test)]
mod tests;
pub mod verify;
mod voc;
mod webdataset;
mod xml;
mod yolo;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use entry::{ImageEntry, Original};
pub use holds::Holds;
pub use picture::Picture;
pub use reader::{Findings, Flaw, Reader};
pub use shelf::Shelf;

use self::json::from_json;
use crate::registry::{Entry, Name};
use crate::sample::content::is_called_picture;
use crate::sample::input::stays_inside;
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
    /// Starts a dataset of this format; fails if its first files cannot be created. `None`: it is only read.
    pub write: Option<Write>,
    /// Whether a folder or file looks like a dataset of this format.
    pub detect: fn(&Path) -> bool,
    /// Hands the pictures of a dataset, with their labels and in the dataset's order, to the reader.
    pub read: fn(&Path, &mut Reader) -> Result<()>,
}

/// Starts a dataset.
pub type Write = for<'a> fn(&DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>>;

impl Format {
    /// Starts a dataset of this format.
    ///
    /// # Errors
    /// If it is only read, or its first files cannot be created.
    pub fn writer<'a>(&self, dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
        match self.write {
            Some(write) => write(dataset),
            None => Err(Error::usage(
                self.name,
                "is a format that is only read",
                format!("the formats that are written are {}", Self::written()),
            )),
        }
    }

    /// Whether the other format has the same files, with other labels in them.
    pub fn is_twin(&self, other: &Format) -> bool {
        std::ptr::fn_addr_eq(self.read, other.read)
    }

    /// The names of the formats that are written, separated by commas.
    pub fn written() -> String {
        let written = FORMATS.iter().filter(|format| format.write.is_some());
        let names: Vec<&str> = written.map(|format| format.name).collect();
        names.join(", ")
    }

    /// Reads a dataset picture by picture. What is wrong with single pictures or objects is left out and
    /// found in the [`Findings`], unless `strict`.
    ///
    /// # Errors
    /// If a file that holds many pictures cannot be read, if no picture can, with `strict` for whatever is
    /// wrong, and the errors of `each`.
    pub fn visit(
        &self,
        path: &Path,
        strict: bool,
        each: &mut dyn FnMut(Picture) -> Result<()>,
    ) -> Result<Findings> {
        let mut reader = Reader::new(strict, each);
        (self.read)(path, &mut reader)?;
        reader.finish()
    }

    /// The pictures of a dataset with their labels, all at once; what is wrong is left out.
    ///
    /// # Errors
    /// As [`Format::visit`].
    pub fn pictures(&self, path: &Path) -> Result<Vec<Picture>> {
        let mut pictures = Vec::new();
        self.visit(path, false, &mut |picture| {
            pictures.push(picture);
            Ok(())
        })?;
        Ok(pictures)
    }
}

/// Every format; a folder is read by the first that matches.
pub const FORMATS: &[Format] = &[
    manifest::FORMAT,
    coco::FORMAT,
    coco::POLYGONS,
    yolo::POSE,
    yolo::ORIENTED,
    yolo::SEGMENT,
    yolo::DETECT,
    bop::FORMAT,
    renderers::replicator::FORMAT,
    renderers::solo::FORMAT,
    renderers::blenderproc::FORMAT,
    voc::FORMAT,
    kitti::FORMAT,
    cvat::FORMAT,
    labelme::FORMAT,
    huggingface::FORMAT,
    huggingface_parquet::FORMAT,
    webdataset::FORMAT,
    croissant::FORMAT,
    boxes_csv::FORMAT,
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

/// What a writer knows before the first image.
#[derive(Clone, Copy)]
pub struct DatasetInfo<'a> {
    /// The dataset's folder.
    pub out: &'a Path,
    /// Name of the dataset, also shown in its data card.
    pub name: &'a str,
    /// As given in the pipeline; `None` if it is to be derived from the content.
    pub version: Option<&'a str>,
    /// What the user says about the dataset.
    pub about: About<'a>,
    /// Images by split and class; pictures without a single class count under the empty name.
    pub images: &'a BTreeMap<String, BTreeMap<String, u64>>,
    /// Every class of an image or object. Formats number them in this order.
    pub categories: &'a [Category],
    /// Categories that are classes of images even if no image shows them, so that the numbers of others are fixed.
    pub listed: &'a [String],
    /// Whether pictures lie in files of their own; otherwise only in those of formats that hold them.
    pub loose: bool,
    /// The most bytes of a shard, in formats that have them; a picture is never cut in two.
    pub shard_bytes: u64,
}

/// The most bytes of a shard unless another size is chosen.
pub const SHARD_BYTES: u64 = 1 << 30;

/// What a pipeline says about its dataset; `None` where it says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// What the dataset shows, in the user's words.
    pub description: Option<&'a str>,
    /// Identifier or address of the licence, e.g. `cc-by-4.0`.
    pub license: Option<&'a str>,
    /// The organisation or group that publishes it.
    pub creator: Option<&'a str>,
    /// Address of its page.
    pub url: Option<&'a str>,
    /// How to cite it, best as BibTeX.
    pub citation: Option<&'a str>,
    /// When it is published, as year-month-day.
    pub date: Option<&'a str>,
}

/// A class of images or objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Category {
    /// Unique in the dataset.
    pub name: String,
    /// The names of its keypoints, in order.
    pub keypoints: Vec<String>,
    /// Pairs of keypoints that a line joins when they are drawn, by position from 0.
    pub skeleton: Vec<[usize; 2]>,
}

/// Writes one format below [`DatasetInfo::out`].
pub trait Writer {
    /// Adds the next image, in the order of the input.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn add(&mut self, entry: &ImageEntry) -> Result<()>;

    /// What the manifest calls the last picture that was added, if this format [holds](Holds::pictures) pictures.
    fn placed(&self) -> Option<&str> {
        None
    }

    /// Writes what comes after the last image.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Detects the format of a folder or file.
///
/// ```no_run
/// use std::path::Path;
///
/// let path = Path::new("annotations.json");
/// for picture in verismo::formats::detect(path)?.pictures(path)? {
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

/// All formats of a dataset, which may have several; each can be read for all of its pictures.
///
/// # Errors
/// As [`detect`].
pub fn detect_all(path: &Path) -> Result<Vec<&'static Format>> {
    detect(path)?;
    let has_list = path.join(folders::CLASSES).is_file();
    let mut found: Vec<&Format> = Vec::new();
    for format in FORMATS.iter().filter(|format| (format.detect)(path)) {
        // Any folder with pictures in folders looks like class folders; with a list of classes it must be some.
        let is_guess = format.name == "folders" && !has_list;
        let is_twin = found.iter().any(|other| other.is_twin(format));
        if found.is_empty() || !is_guess && !is_twin {
            found.push(format);
        }
    }
    Ok(found)
}

/// The format of a dataset that has the most to tell a format with these labels.
///
/// # Errors
/// As [`detect`].
pub fn detect_for(path: &Path, holds: Holds) -> Result<&'static Format> {
    let mut best = detect(path)?;
    for format in detect_all(path)? {
        if format.holds.shared(holds) > best.holds.shared(holds) {
            best = format;
        }
    }
    Ok(best)
}

impl<'a> DatasetInfo<'a> {
    /// The classes of images, in the order of the categories.
    pub fn classes(&self) -> Vec<&'a str> {
        let shown = |name: &String| {
            self.images
                .values()
                .any(|classes| classes.contains_key(name))
        };
        let names = self.categories.iter().map(|category| &category.name);
        let classes = names.filter(|name| self.listed.contains(name) || shown(name));
        classes.map(String::as_str).collect()
    }

    /// Whether any object has keypoints.
    pub fn has_keypoints(&self) -> bool {
        let mut categories = self.categories.iter();
        categories.any(|category| !category.keypoints.is_empty())
    }

    /// The position of a class in [`DatasetInfo::categories`].
    pub fn class_id(&self, name: &str) -> Option<usize> {
        let mut categories = self.categories.iter();
        categories.position(|category| category.name == name)
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

/// The folders in a folder, sorted.
///
/// # Errors
/// If the folder cannot be listed.
fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = entries(folder)?;
    folders.retain(|path| path.is_dir());
    Ok(folders)
}

/// The last part of a path, as text.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The file `root/name`, where `name` comes from a file of the dataset and may have backslashes.
///
/// # Errors
/// If it lies outside `root`.
fn inside(root: &Path, name: &str) -> Result<PathBuf, String> {
    let whole = Path::new(name);
    if name.is_empty() || !stays_inside(whole) {
        return Err(format!("names `{name}`, which lies outside its folder"));
    }
    let path = root.join(whole);
    if name.contains('\\') && !path.exists() {
        let turned = name.replace('\\', "/");
        return match stays_inside(Path::new(&turned)) {
            true => Ok(root.join(turned)),
            false => Err(format!("names `{name}`, which lies outside its folder")),
        };
    }
    Ok(path)
}

/// The error for a file that does not match its format.
fn wrong(path: &Path, problem: impl std::fmt::Display) -> Error {
    let remedy = "check that the file is complete and in the format that its folder suggests";
    Error::failed(path.display(), problem, remedy)
}
