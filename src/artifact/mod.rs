//! Artifacts: immutable folders that stages hand to each other, described by `artifact.json`.

pub mod parts;
pub mod resume;
pub mod run;
pub mod settings;
pub mod verdicts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::sample::Sample;
use crate::{Error, Result};

/// What an artifact's folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Parts of samples.
    Samples,
    /// A trained model.
    Checkpoint,
    /// A dataset to publish.
    Dataset,
    /// Measurements only.
    Metrics,
    /// Settings for another stage.
    Settings,
}

/// The content of `artifact.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this file's format.
    pub schema: u32,
    pub kind: Kind,
    /// The stage's name, e.g. `render`.
    pub stage: String,
    /// Its place in the pipeline, e.g. `augment_source`.
    pub id: String,
    /// The cache key it was made under.
    pub key: String,
    /// The stage's resolved configuration.
    pub config: serde_json::Value,
    /// blake3 over the names and hashes of `files`.
    pub digest: String,
    /// Samples in all parts.
    pub count: u64,
    /// Samples of each class.
    pub classes: BTreeMap<String, u64>,
    /// Every file of the folder but this one, by name.
    pub files: Vec<FileEntry>,
    /// What the stage measured.
    pub summary: serde_json::Value,
    /// What it took to make; not part of the digest.
    pub cost: Cost,
}

/// One file of an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the folder, with forward slashes.
    pub file: String,
    pub bytes: u64,
    pub blake3: String,
}

/// Time and memory that a stage took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub seconds: f64,
    /// Largest resident memory of the process up to the end of the stage, in bytes.
    pub peak_memory: u64,
    /// The share of the work that earlier runs had done, 0..1; not in `seconds`.
    #[serde(default)]
    pub taken_over: f64,
}

/// The name of the description in every artifact's folder.
pub const MANIFEST: &str = "artifact.json";

/// The version of [`Manifest`] that this program reads and writes.
pub const SCHEMA: u32 = 1;

/// A finished artifact on the disk.
#[derive(Debug, Clone)]
pub struct Artifact {
    pub folder: PathBuf,
    pub manifest: Manifest,
}

impl Artifact {
    /// Opens the artifact in `folder`.
    ///
    /// # Errors
    /// Where there is none, or it was written by an incompatible version.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        let manifest: Manifest = serde_json::from_str(&text).map_err(|e| {
            Error::failed(
                path.display(),
                format!("is not an artifact's description: {e}"),
                "remove the folder and run again",
            )
        })?;
        Ok(Artifact {
            folder: folder.to_path_buf(),
            manifest,
        })
    }

    /// The paths of the parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.part_files().map(|f| self.folder.join(&f.file))
    }

    /// The entries of the parts, in order.
    pub fn part_files(&self) -> impl Iterator<Item = &FileEntry> + '_ {
        let files = self.manifest.files.iter();
        files.filter(|f| f.file.starts_with("part-"))
    }

    /// All samples, one part in memory at a time.
    pub fn samples(&self) -> impl Iterator<Item = Result<Sample>> + '_ {
        self.parts().flat_map(|path| match parts::read_part(&path) {
            Ok(samples) => samples.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }
}

/// The file name of part `number`.
pub fn part_name(number: usize) -> String {
    format!("part-{number:05}.parquet")
}

/// Every file under `folder` but the description, sorted by name, with its hash.
///
/// # Errors
/// Where a file cannot be read.
pub fn list_files(folder: &Path) -> Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    for path in walk(folder)? {
        let name = path.strip_prefix(folder).unwrap_or(&path);
        let file = name.to_string_lossy().replace('\\', "/");
        if file == MANIFEST {
            continue;
        }
        let bytes = std::fs::metadata(&path)
            .map_err(|e| Error::io(&path, e))?
            .len();
        files.push(FileEntry {
            file,
            bytes,
            blake3: hash_file(&path)?,
        });
    }
    Ok(files)
}

/// The digest over a list of files: their names and contents, nothing else.
pub fn digest(files: &[FileEntry]) -> String {
    let mut hasher = blake3::Hasher::new();
    for entry in files {
        hasher.update(entry.file.as_bytes());
        hasher.update(b"\0");
        hasher.update(entry.blake3.as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
}

/// blake3 of a file's content, in hexadecimal.
///
/// # Errors
/// Where the file cannot be read.
pub fn hash_file(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(&mut file)
        .map_err(|e| Error::io(path, e))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// All files under `folder` (or `folder` itself if it is a file), sorted.
///
/// # Errors
/// Where a folder cannot be listed.
pub fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        let meta = std::fs::metadata(&path).map_err(|e| Error::io(&path, e))?;
        if meta.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(|e| Error::io(&path, e))? {
                open.push(entry.map_err(|e| Error::io(&path, e))?.path());
            }
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
