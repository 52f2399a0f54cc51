//! Artifacts: immutable folders that stages hand to each other, described by `artifact.json`.

pub mod files;
pub mod parts;
pub mod resume;
pub mod run;
pub mod settings;
pub mod table;
pub mod verdicts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::sample::Sample;
use crate::{Error, Result};

/// What an artifact's folder holds. A role of a stage reads one kind, and is given no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Parts of samples.
    Samples,
    /// Parts of the samples that a gate kept, and its [`verdicts`] on all.
    Judged,
    /// A model that makes renders look like photos.
    // Of earlier versions, every checkpoint.
    #[serde(alias = "checkpoint")]
    Adapter,
    /// A network that reads labels from pictures.
    Task,
    /// A dataset to publish.
    Dataset,
    /// Measurements only.
    Metrics,
    /// Settings for another stage.
    Settings,
}

impl Kind {
    /// Whether there are parts of samples.
    pub fn has_samples(self) -> bool {
        matches!(self, Kind::Samples | Kind::Judged)
    }

    /// Whether it is something that was trained.
    pub fn is_checkpoint(self) -> bool {
        matches!(self, Kind::Adapter | Kind::Task)
    }

    /// Whether a role that reads the kind `wanted` can read this.
    pub fn serves_as(self, wanted: Kind) -> bool {
        self == wanted || (wanted == Kind::Samples && self.has_samples())
    }
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
    /// Every file of the folder but this one, by name; see [`list_own`] for what a dataset leaves out.
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
    /// Largest resident memory of the process while the stage ran, in bytes.
    pub peak_memory: u64,
    /// Where the system cannot tell a stage's own: `peak_memory` is since the process began.
    #[serde(default)]
    pub since_start: bool,
    /// The share of the work that earlier runs had done, 0..1; not in `seconds`.
    #[serde(default)]
    pub taken_over: f64,
}

/// The name of the description in every artifact's folder.
pub const MANIFEST: &str = "artifact.json";

/// The version of [`Manifest`] that this program reads and writes.
pub const SCHEMA: u32 = 1;

/// The table of a dataset's images, one row each.
pub const DATASET_TABLE: &str = "manifest.parquet";

/// The file of a dataset that lists the SHA-256 of all its others.
pub const CHECKSUMS: &str = "SHA256SUMS";

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
        let mut parts: Vec<_> = files.filter(|f| f.file.starts_with("part-")).collect();
        // By name alone, number 100000 would come before 99999.
        parts.sort_by_key(|f| f.file.len());
        parts.into_iter()
    }

    /// The sample of this id.
    ///
    /// # Errors
    /// Where a part cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<Sample>> {
        for path in self.parts() {
            if let Some(sample) = parts::find(&path, id)? {
                return Ok(Some(sample));
            }
        }
        Ok(None)
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
    list(folder, |_| true)
}

/// As [`list_files`], of an artifact that was just made. A dataset's pictures, and what lies beside each
/// of them, are left out if its [`CHECKSUMS`] list them: the hash of that file covers them, and they may
/// be millions. They are what lies two folders deep, as in `train/one/0.png`; a file of a whole split,
/// such as `train/metadata.jsonl`, does not.
///
/// # Errors
/// If a file cannot be read.
pub fn list_own(folder: &Path, kind: Kind) -> Result<Vec<FileEntry>> {
    let covered = kind == Kind::Dataset && folder.join(CHECKSUMS).exists();
    list(folder, |name| !covered || name.matches('/').count() < 2)
}

fn list(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    visit(folder, &mut |path| {
        let name = path.strip_prefix(folder).unwrap_or(path);
        let file = name.to_string_lossy().replace('\\', "/");
        if file != MANIFEST && wanted(&file) {
            let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
            files.push(FileEntry {
                file,
                bytes: meta.len(),
                blake3: hash_file(path)?,
            });
        }
        Ok(())
    })?;
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
    visit(folder, &mut |path| {
        found.push(path.to_path_buf());
        Ok(())
    })?;
    Ok(found)
}

/// Hands `each` the files that [`walk`] finds, with the names of one folder in memory at a time.
///
/// # Errors
/// Where a folder cannot be listed, and what `each` returns.
pub fn visit(folder: &Path, each: &mut impl FnMut(&Path) -> Result<()>) -> Result<()> {
    let unread = |e| Error::io(folder, e);
    if !std::fs::metadata(folder).map_err(unread)?.is_dir() {
        return each(folder);
    }
    let entries = std::fs::read_dir(folder).map_err(unread)?;
    let names: std::io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let mut names = names.map_err(unread)?;
    names.sort();
    names
        .iter()
        .try_for_each(|name| visit(&folder.join(name), each))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_say_what_a_checkpoint_is_and_earlier_ones_are_read() {
        assert_eq!(serde_json::to_string(&Kind::Task).unwrap(), "\"task\"");
        let kind = |text: &str| serde_json::from_str::<Kind>(text).unwrap();
        assert!(kind("\"checkpoint\"").is_checkpoint());
        assert_eq!(kind("\"adapter\""), Kind::Adapter);
    }

    #[test]
    fn what_a_gate_kept_is_samples_and_samples_are_not_judged() {
        assert!(Kind::Judged.serves_as(Kind::Samples));
        assert!(!Kind::Samples.serves_as(Kind::Judged));
        assert!(!Kind::Task.serves_as(Kind::Adapter));
    }

    #[test]
    fn parts_are_in_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let names = [99_999, 100_000, 8].map(part_name);
        for name in &names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let artifact = crate::testing::publish(folder.path(), &[], 1);
        let ordered: Vec<&str> = artifact.part_files().map(|f| f.file.as_str()).collect();
        assert_eq!(ordered, [&names[2], &names[0], &names[1]]);
    }
}
