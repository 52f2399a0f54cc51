//! Publishing a dataset to `outputs/datasets/NAME/VERSION` and `latest`: completely or not at all.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::records::folders;
use crate::artifact::files::{LATEST, flush_folder, remove_at_once, temporary};
use crate::artifact::{Artifact, CHECKSUMS, DATASET_TABLE, hash_file};
use crate::sample::input::stays_inside;
use crate::stage::DatasetName;
use crate::{Error, Result};

/// A published dataset.
pub struct Published {
    /// As in the configuration of the stage that made it.
    pub name: String,
    /// `outputs/datasets/NAME/VERSION`.
    pub folder: PathBuf,
    /// Whether this run published it.
    pub new: bool,
}

/// What to do if a version exists with other content.
pub(super) const ANOTHER_VERSION: &str =
    "give the dataset another `version`, or omit it to derive it from the content";

/// The folder that holds all versions of the dataset `name`.
fn shelf(outputs: &Path, name: &str) -> PathBuf {
    outputs.join("datasets").join(name)
}

/// Checks that versions of the dataset `name` can be published below `outputs`, as far as possible before it
/// is made.
///
/// # Errors
/// If `latest` exists and is a file or folder of the user's.
pub fn check(outputs: &Path, name: &str) -> Result<()> {
    check_latest(&shelf(outputs, name))
}

/// The folder of the version that the dataset would have.
fn place(artifact: &Artifact, dataset: DatasetName, outputs: &Path) -> PathBuf {
    let digest = &artifact.manifest.digest;
    let version = digest.get(..12).unwrap_or(digest);
    shelf(outputs, dataset.name).join(dataset.version.unwrap_or(version))
}

/// The folder of a version that the user has named; `None` if it does not exist yet.
pub(super) fn existing(outputs: &Path, dataset: DatasetName) -> Option<PathBuf> {
    let folder = shelf(outputs, dataset.name).join(dataset.version?);
    folder.exists().then_some(folder)
}

/// Whether this version exists already.
pub fn is_published(artifact: &Artifact, dataset: DatasetName, outputs: &Path) -> bool {
    place(artifact, dataset, outputs).exists()
}

/// Copies a dataset out of the cache, unless this version exists, and points `latest` to it.
///
/// Copies instead of linking, so that editing a published file does not edit the cache. `progress` gets the
/// number of pictures, and files beside them, that are copied so far, and the total.
///
/// # Errors
/// If a file cannot be written, or the version chosen by the user exists with different content. The existing
/// versions and `latest` are then unchanged.
pub fn publish(
    artifact: &Artifact,
    dataset: DatasetName,
    outputs: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<Published> {
    let shelf = shelf(outputs, dataset.name);
    fs::create_dir_all(&shelf).map_err(|e| Error::io(&shelf, e))?;
    let folder = place(artifact, dataset, outputs);
    let version = folder.file_name().unwrap_or_default().to_string_lossy();
    let version = version.as_ref();
    let mut new = !folder.exists();
    if !new && dataset.version.is_some() && !holds(&folder, artifact) {
        return Err(Error::failed(
            folder.display(),
            "this version is already published with different content, and was left unchanged",
            ANOTHER_VERSION,
        ));
    }
    if new {
        let work = shelf.join(temporary(version));
        let copied = copy(artifact, &work, progress)
            .and_then(|()| fs::rename(&work, &folder).map_err(|e| Error::io(&folder, e)));
        if let Err(error) = copied {
            // Leftovers are hidden and never read; the original error matters more than a failed clean-up.
            let _ = fs::remove_dir_all(&work);
            // Another run may have published the same version meanwhile.
            if !(folder.exists() && holds(&folder, artifact)) {
                return Err(error);
            }
            new = false;
        }
        flush_folder(&shelf);
    }
    point_latest(&shelf, version)?;
    Ok(Published {
        name: dataset.name.to_owned(),
        folder,
        new,
    })
}

/// Whether the published `folder` lists the same files as `artifact`, with the same content.
pub(super) fn holds(folder: &Path, artifact: &Artifact) -> bool {
    let mut files = artifact.manifest.files.iter();
    let list = files.find(|entry| entry.file == CHECKSUMS);
    list.is_none_or(|list| hash_file(&folder.join(CHECKSUMS)).is_ok_and(|hash| hash == list.blake3))
}

/// Removes all but the newest `keep` versions of a dataset, but never the one that `latest` points to;
/// returns the names of the removed versions.
///
/// # Errors
/// If a version cannot be removed.
pub fn retain(shelf: &Path, keep: usize) -> Result<Vec<String>> {
    let latest = fs::read_link(shelf.join(LATEST)).unwrap_or_default();
    let mut versions = versions(shelf);
    // `latest` may point to an older version that was published again; it counts as the newest.
    versions.sort_by_key(|(made, path)| {
        let is_latest = path.file_name() == latest.file_name();
        std::cmp::Reverse((is_latest, *made))
    });
    let mut removed = Vec::new();
    for (_, path) in versions.into_iter().skip(keep.max(1)) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        remove_at_once(&path)?;
        removed.push(name.into_owned());
    }
    Ok(removed)
}

/// The versions of a dataset with their time of creation: only folders that `emit` wrote.
pub fn versions(shelf: &Path) -> Vec<(SystemTime, PathBuf)> {
    let dataset = |path: &PathBuf| path.join(DATASET_TABLE).exists();
    let made = |path: PathBuf| Some((fs::metadata(&path).ok()?.modified().ok()?, path));
    let folders = folders(shelf).into_iter().filter(dataset);
    folders.filter_map(made).collect()
}

fn copy(artifact: &Artifact, to: &Path, progress: &dyn Fn(u64, u64)) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).map_err(|e| Error::io(to, e))?;
    }
    fs::create_dir(to).map_err(|e| Error::io(to, e))?;
    for entry in &artifact.manifest.files {
        if !stays_inside(Path::new(&entry.file)) {
            return Err(damaged(artifact, &entry.file, "is not below the folder"));
        }
        let bytes = copy_file(artifact, &entry.file, to)?;
        if bytes != entry.bytes {
            return Err(damaged(
                artifact,
                &entry.file,
                "has changed in size since it was made",
            ));
        }
    }
    copy_covered(artifact, to, progress)
}

/// Copies the files that [`CHECKSUMS`] lists and the artifact's description leaves out.
fn copy_covered(artifact: &Artifact, to: &Path, progress: &dyn Fn(u64, u64)) -> Result<()> {
    let list = artifact.folder.join(CHECKSUMS);
    let Ok(file) = fs::File::open(&list) else {
        return Ok(());
    };
    let described = artifact.manifest.files.iter();
    let described: HashSet<&str> = described.map(|entry| entry.file.as_str()).collect();
    let mut covered = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|e| Error::io(&list, e))?;
        let name = line.split_once("  ").map(|(_, name)| name);
        let name = name.filter(|name| stays_inside(Path::new(name)) && !described.contains(name));
        covered.extend(name.map(String::from));
    }
    for (done, name) in (1..).zip(&covered) {
        copy_file(artifact, name, to)?;
        progress(done, covered.len() as u64);
    }
    Ok(())
}

/// Copies one file; returns its size in bytes.
fn copy_file(artifact: &Artifact, name: &str, to: &Path) -> Result<u64> {
    let (source, target) = (artifact.folder.join(name), to.join(name));
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
    }
    match fs::copy(&source, &target) {
        Err(_) if !source.exists() => Err(damaged(artifact, name, "was deleted after it was made")),
        copied => copied.map_err(|e| Error::io(&target, e)),
    }
}

fn damaged(artifact: &Artifact, name: &str, problem: &str) -> Error {
    Error::failed(
        artifact.folder.join(name).display(),
        problem,
        format!("run again with --force {}", artifact.manifest.id),
    )
}

/// Checks that [`LATEST`] in `folder` is a link, or does not exist.
///
/// # Errors
/// If it is a file or folder, as in a copy that followed links: its contents are not ours to remove.
fn check_latest(folder: &Path) -> Result<()> {
    let latest = folder.join(LATEST);
    match fs::symlink_metadata(&latest) {
        Ok(meta) if !meta.is_symlink() => Err(Error::failed(
            latest.display(),
            "is not a link, so it cannot point to the newest version",
            "move it away, or choose another folder with --outputs",
        )),
        _ => Ok(()),
    }
}

/// Points `folder/latest` to `target` in one step: readers always see the old or the new version.
///
/// # Errors
/// If the link cannot be written.
pub fn point_latest(folder: &Path, target: &str) -> Result<()> {
    let latest = folder.join(LATEST);
    if fs::read_link(&latest).is_ok_and(|current| current == Path::new(target)) {
        return Ok(());
    }
    check_latest(folder)?;
    let link = folder.join(temporary(LATEST));
    let _ = fs::remove_file(&link);
    #[cfg(unix)]
    std::os::unix::fs::symlink(target, &link).map_err(|e| Error::io(&link, e))?;
    #[cfg(windows)]
    std::os::windows::fs::symlink_dir(target, &link).map_err(|e| Error::io(&link, e))?;
    fs::rename(&link, &latest).map_err(|e| {
        let _ = fs::remove_file(&link);
        Error::io(&latest, e)
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::artifact::{Kind, digest, list_own, walk};
    use crate::testing;

    #[test]
    fn what_lies_beside_the_pictures_is_published_with_them() {
        let made = tempfile::tempdir().unwrap();
        let names = [
            "README.md",
            "train/metadata.jsonl",
            "train/one/0.png",
            "train/one/0.txt",
        ];
        fs::create_dir_all(made.path().join("train/one")).unwrap();
        for name in names {
            fs::write(made.path().join(name), name).unwrap();
        }
        let sums: String = names.iter().map(|name| format!("0123  {name}\n")).collect();
        fs::write(made.path().join(CHECKSUMS), sums).unwrap();
        let mut artifact = testing::publish(made.path(), &[], 1);
        artifact.manifest.files = list_own(made.path(), Kind::Dataset).unwrap();
        artifact.manifest.digest = digest(&artifact.manifest.files);
        let described = artifact
            .manifest
            .files
            .iter()
            .map(|entry| entry.file.as_str());
        assert_eq!(
            described.collect::<Vec<_>>(),
            ["README.md", CHECKSUMS, "train/metadata.jsonl"]
        );

        let outputs = tempfile::tempdir().unwrap();
        let dataset = DatasetName {
            name: "dice",
            version: None,
        };
        let copied = RefCell::new(Vec::new());
        let progress = |done, total| copied.borrow_mut().push((done, total));
        let published = publish(&artifact, dataset, outputs.path(), &progress).unwrap();
        assert_eq!(
            copied.into_inner(),
            [(1, 2), (2, 2)],
            "the two that the description leaves out"
        );
        for path in walk(made.path()).unwrap() {
            let name = path.strip_prefix(made.path()).unwrap();
            let copy = fs::read(published.folder.join(name)).unwrap();
            assert_eq!(copy, fs::read(&path).unwrap());
        }
        assert_eq!(walk(&published.folder).unwrap().len(), names.len() + 1);
    }
}
