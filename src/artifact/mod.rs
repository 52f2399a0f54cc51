//! Artifacts: immutable folders passed between stages, described by `artifact.json`.

pub mod files;
pub mod parts;
pub mod resume;
pub mod run;
pub mod settings;
pub mod soundness;
pub mod table;
pub mod verdicts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::sample::Sample;
use crate::sample::content::is_called_picture;
use crate::sample::input::check_regular;
use crate::{Error, Result};

/// What an artifact's folder holds. Each role of a stage reads exactly one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Parts of samples.
    Samples,
    /// Parts of the samples that a gate kept, and its [`verdicts`] on all samples.
    Judged,
    /// A model that makes renders look like photos.
    // Earlier versions called every checkpoint this.
    #[serde(alias = "checkpoint")]
    Adapter,
    /// A network that predicts labels from pictures.
    Task,
    /// A network that draws pictures of classes.
    Generator,
    /// Networks that animate pictures.
    Motion,
    /// 3D models, `models/CLASS/NAME.obj`.
    Models,
    /// A dataset to publish.
    Dataset,
    /// Measurements only.
    Metrics,
    /// Settings for another stage.
    Settings,
}

impl Kind {
    /// Whether it contains parts of samples.
    pub fn has_samples(self) -> bool {
        matches!(self, Kind::Samples | Kind::Judged)
    }

    /// Whether a role that reads the kind `role_kind` accepts this kind.
    pub fn serves_as(self, role_kind: Kind) -> bool {
        self == role_kind || (role_kind == Kind::Samples && self.has_samples())
    }
}

/// The content of `artifact.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this file's format.
    pub schema: u32,
    /// Decides which roles of later stages may read the artifact.
    pub kind: Kind,
    /// The stage's name, e.g. `render`.
    pub stage: String,
    /// The stage's id in the pipeline, e.g. `augment_source`.
    pub id: String,
    /// The cache key of the result.
    pub key: String,
    /// The stage's resolved configuration.
    pub config: serde_json::Value,
    /// blake3 over the names and hashes of `files`.
    pub digest: String,
    /// Number of samples in all parts.
    pub count: u64,
    /// Number of samples of each class.
    pub classes: BTreeMap<String, u64>,
    /// Every file in the folder except this one, by name; see [`list_own`] for what a dataset leaves out.
    pub files: Vec<FileEntry>,
    /// What the stage measured.
    pub summary: serde_json::Value,
    /// Time and memory used; not part of the digest.
    pub cost: Cost,
}

/// One file of an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the folder, with forward slashes.
    pub file: String,
    /// Size of the file, checked whenever the artifact is looked up in the cache.
    pub bytes: u64,
    /// The blake3 hash of the content, 64 hexadecimal digits.
    pub blake3: String,
}

/// Time and memory that a stage used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Wall-clock time that making the result took.
    pub seconds: f64,
    /// Peak resident memory of the process while the stage ran, in bytes.
    pub peak_memory: u64,
    /// Whether `peak_memory` covers the whole process, because the system cannot measure one stage.
    #[serde(default)]
    pub since_start: bool,
    /// The share of the work carried over from earlier runs, 0..1; `seconds` does not include it.
    #[serde(default)]
    pub taken_over: f64,
    /// Seconds that all of the work takes on a machine of reference; 0 if that is not known.
    #[serde(default)]
    pub effort: f64,
}

/// The file in every artifact's folder that describes it.
pub const MANIFEST: &str = "artifact.json";

/// The version of [`Manifest`] that this program reads and writes.
pub const SCHEMA: u32 = 1;

/// The table of a dataset's images, one row per image.
pub const DATASET_TABLE: &str = "manifest.parquet";

/// The file in a dataset that lists the SHA-256 of all other files.
pub const CHECKSUMS: &str = "SHA256SUMS";

/// A finished artifact on disk.
///
/// ```no_run
/// use std::path::Path;
/// use verismo::artifact::Artifact;
///
/// let renders = Artifact::open(Path::new("outputs/cache/render-0123456789ab"))?;
/// for sample in renders.samples() {
///     let sample = sample?;
///     println!("{}: {:?}", sample.id, sample.labels.class);
/// }
/// # Ok::<(), verismo::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Where the files are: in the cache, or in a published dataset.
    pub folder: PathBuf,
    /// The content of the folder's `artifact.json`.
    pub manifest: Manifest,
}

impl Artifact {
    /// Opens the artifact in `folder`.
    ///
    /// # Errors
    /// If there is no artifact, or an incompatible version wrote it.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        let manifest: Manifest = serde_json::from_str(&text).map_err(|e| {
            Error::failed(
                path.display(),
                format!("is not a valid artifact description: {e}"),
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
        // By name alone, part 100000 would come before 99999.
        parts.sort_by_key(|f| f.file.len());
        parts.into_iter()
    }

    /// The sample with this id, if there is one.
    ///
    /// # Errors
    /// If a part cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<Sample>> {
        for path in self.parts() {
            if let Some(sample) = parts::find(&path, id)? {
                return Ok(Some(sample));
            }
        }
        Ok(None)
    }

    /// The classes of all objects in the samples, sorted.
    ///
    /// # Errors
    /// If a part cannot be read.
    pub fn object_classes(&self) -> Result<Vec<String>> {
        let mut classes = BTreeSet::new();
        for sample in self.samples() {
            let objects = sample?.labels.objects.unwrap_or_default();
            classes.extend(objects.into_iter().map(|object| object.class));
        }
        Ok(classes.into_iter().collect())
    }

    /// All samples, with one part in memory at a time.
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

/// Every file under `folder` except the description, sorted by name, with its hash.
///
/// # Errors
/// If a file cannot be read.
pub fn list_files(folder: &Path) -> Result<Vec<FileEntry>> {
    list(folder, |_| true)
}

/// Like [`list_files`], for an artifact that was just made. If a dataset has [`CHECKSUMS`], its pictures and
/// the files beside each of them are left out: there may be millions, and the hash of the checksum file
/// covers them. These are all pictures, such as `train/0.png` of one without a class, and all files two
/// folders deep, such as `train/one/0.txt`; files of a whole split, such as `train/metadata.jsonl`, are
/// listed.
///
/// # Errors
/// If a file cannot be read.
pub fn list_own(folder: &Path, kind: Kind) -> Result<Vec<FileEntry>> {
    let covered = kind == Kind::Dataset && folder.join(CHECKSUMS).exists();
    let is_covered =
        |name: &str| name.matches('/').count() >= 2 || is_called_picture(Path::new(name));
    list(folder, |name| !covered || !is_covered(name))
}

fn list(folder: &Path, include: impl Fn(&str) -> bool) -> Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    visit(folder, &mut |path| {
        let name = path.strip_prefix(folder).unwrap_or(path);
        let file = name.to_string_lossy().replace('\\', "/");
        if file != MANIFEST && include(&file) {
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

/// The digest of a list of files: covers only their names and contents.
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
/// If the file cannot be read.
pub fn hash_file(path: &Path) -> Result<String> {
    // A device or a pipe may never end.
    check_regular(path)?;
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
/// If a folder cannot be listed.
pub fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    visit(folder, &mut |path| {
        found.push(path.to_path_buf());
        Ok(())
    })?;
    Ok(found)
}

/// Calls `each` with every file that [`walk`] would find, holding the names of one folder in memory at a
/// time.
///
/// # Errors
/// If a folder cannot be listed or a link leads back to a folder above it, and the errors of `each`.
pub fn visit(folder: &Path, each: &mut impl FnMut(&Path) -> Result<()>) -> Result<()> {
    let start = folder.canonicalize().map_err(|e| Error::io(folder, e))?;
    visit_below(folder, &mut vec![start], each)
}

/// As [`visit`]; `above` holds where the walk began and where the links on its way lead.
fn visit_below(
    folder: &Path,
    above: &mut Vec<PathBuf>,
    each: &mut impl FnMut(&Path) -> Result<()>,
) -> Result<()> {
    let unread = |e| Error::io(folder, e);
    if !std::fs::metadata(folder).map_err(unread)?.is_dir() {
        return each(folder);
    }
    let entries = std::fs::read_dir(folder).map_err(unread)?;
    let names: std::io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let mut names = names.map_err(unread)?;
    names.sort();
    for path in names.iter().map(|name| folder.join(name)) {
        let is_link = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
        if !is_link {
            visit_below(&path, above, each)?;
            continue;
        }
        let target = path.canonicalize().map_err(|e| Error::io(&path, e))?;
        if above.iter().any(|folder| folder.starts_with(&target)) {
            return Err(Error::failed(
                path.display(),
                "is a link to a folder above it",
                "remove the link",
            ));
        }
        above.push(target);
        visit_below(&path, above, each)?;
        above.pop();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_say_what_a_checkpoint_is_and_earlier_ones_are_read() {
        assert_eq!(serde_json::to_string(&Kind::Task).unwrap(), "\"task\"");
        let kind = |text: &str| serde_json::from_str::<Kind>(text).unwrap();
        assert_eq!(kind("\"checkpoint\""), Kind::Adapter);
        assert_eq!(kind("\"adapter\""), Kind::Adapter);
    }

    #[test]
    fn what_a_gate_kept_is_samples_and_samples_are_not_judged() {
        assert!(Kind::Judged.serves_as(Kind::Samples));
        assert!(!Kind::Samples.serves_as(Kind::Judged));
        assert!(!Kind::Task.serves_as(Kind::Adapter));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("photos/more")).unwrap();
        std::fs::create_dir(path("elsewhere")).unwrap();
        std::fs::write(path("elsewhere/a.png"), "a").unwrap();
        std::os::unix::fs::symlink(path("elsewhere"), path("photos/link")).unwrap();
        assert_eq!(walk(&path("photos")).unwrap(), [path("photos/link/a.png")]);
        std::os::unix::fs::symlink(path("photos"), path("elsewhere/back")).unwrap();
        let error = walk(&path("photos")).unwrap_err().to_string();
        assert!(
            error.contains("link/back: is a link to a folder above"),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_not_hashed() {
        for hash in [hash_file, soundness::sha256_file] {
            let error = hash(Path::new("/dev/zero")).unwrap_err();
            assert!(error.to_string().contains("device"), "{error}");
        }
    }

    #[test]
    fn a_dataset_with_checksums_does_not_list_its_pictures() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("train/one")).unwrap();
        let write = |name: &str| std::fs::write(folder.path().join(name), name).unwrap();
        let own = ["README.md", "train/metadata.jsonl"];
        let covered = ["train/0.png", "train/one/1.png", "train/one/1.txt"];
        own.into_iter().chain(covered).for_each(write);
        let listed = |kind| -> Vec<String> {
            let files = list_own(folder.path(), kind).unwrap().into_iter();
            files.map(|entry| entry.file).collect()
        };
        assert_eq!(listed(Kind::Dataset).len(), own.len() + covered.len());
        write(CHECKSUMS);
        assert_eq!(listed(Kind::Dataset), [own[0], CHECKSUMS, own[1]]);
        assert_eq!(listed(Kind::Samples).len(), 1 + own.len() + covered.len());
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
