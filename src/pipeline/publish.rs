//! Publishing a dataset: `outputs/datasets/NAME/VERSION` and `latest`, whole or untouched.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::cache::{flush_folder, temporary};
use super::records::folders;
use super::spec::is_folder_name;
use crate::artifact::{Artifact, CHECKSUMS, DATASET_TABLE};
use crate::{Error, Result};

/// A dataset that is there for others.
pub struct Published {
    pub name: String,
    /// `outputs/datasets/NAME/VERSION`.
    pub folder: PathBuf,
    /// Whether this run put it there.
    pub new: bool,
}

/// Copies a dataset out of the cache, unless this version is there, and points `latest` at it.
///
/// Copies rather than links: whoever edits a published file must not edit the cache. `progress` is
/// told how many pictures are copied, and of how many.
///
/// # Errors
/// Where a file cannot be written. The versions that were there, and `latest`, are untouched then.
pub fn publish(
    artifact: &Artifact,
    outputs: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<Published> {
    let summary = |key: &str| artifact.manifest.summary.get(key).and_then(|v| v.as_str());
    let name = summary("name").unwrap_or(&artifact.manifest.id);
    let version = summary("version").unwrap_or(&artifact.manifest.digest[..12]);
    for (what, text) in [("name", name), ("version", version)] {
        if !is_folder_name(text) {
            return Err(Error::failed(
                format!("stage `{}`", artifact.manifest.id),
                format!("the dataset's {what} `{text}` cannot be the name of a folder"),
                format!("use letters, digits, `-`, `_` and inner dots for `{what}`"),
            ));
        }
    }
    let shelf = outputs.join("datasets").join(name);
    fs::create_dir_all(&shelf).map_err(|e| Error::io(&shelf, e))?;
    let folder = shelf.join(version);
    let new = !folder.exists();
    if new {
        let work = shelf.join(temporary(version));
        let copied = copy(artifact, &work, progress)
            .and_then(|()| fs::rename(&work, &folder).map_err(|e| Error::io(&folder, e)));
        if let Err(error) = copied {
            // Hidden and never read; the error at hand says more than a failed clean-up.
            let _ = fs::remove_dir_all(&work);
            return Err(error);
        }
        flush_folder(&shelf);
    }
    point_latest(&shelf, version)?;
    Ok(Published {
        name: name.to_owned(),
        folder,
        new,
    })
}

/// Removes all but the newest `keep` versions of a dataset, and never the one that `latest` points
/// at; returns the names of those removed.
///
/// # Errors
/// Where one cannot be removed.
pub fn retain(shelf: &Path, keep: usize) -> Result<Vec<String>> {
    let latest = fs::read_link(shelf.join("latest")).unwrap_or_default();
    let mut versions = versions(shelf);
    // `latest` may be an old version that came back; it counts as the newest.
    versions.sort_by_key(|(made, path)| {
        let is_latest = path.file_name() == latest.file_name();
        std::cmp::Reverse((is_latest, *made))
    });
    let mut removed = Vec::new();
    for (_, path) in versions.into_iter().skip(keep.max(1)) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Out of sight first: a reader finds it whole or not at all.
        let hidden = shelf.join(temporary(&name));
        fs::rename(&path, &hidden).map_err(|e| Error::io(&path, e))?;
        fs::remove_dir_all(&hidden).map_err(|e| Error::io(&hidden, e))?;
        removed.push(name.into_owned());
    }
    Ok(removed)
}

/// The versions of a dataset with the time they were made: what `emit` wrote, no other folder.
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
        let bytes = copy_file(artifact, &entry.file, to)?;
        if bytes != entry.bytes {
            return Err(damaged(
                artifact,
                &entry.file,
                "has another size than when it was made",
            ));
        }
    }
    copy_covered(artifact, to, progress)
}

/// Copies the pictures that [`CHECKSUMS`] list and the artifact's description leaves out.
fn copy_covered(artifact: &Artifact, to: &Path, progress: &dyn Fn(u64, u64)) -> Result<()> {
    let list = artifact.folder.join(CHECKSUMS);
    let Ok(file) = fs::File::open(&list) else {
        return Ok(());
    };
    for (done, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(|e| Error::io(&list, e))?;
        let Some((_, name)) = line.split_once("  ") else {
            continue;
        };
        if artifact
            .manifest
            .files
            .iter()
            .all(|entry| entry.file != name)
        {
            copy_file(artifact, name, to)?;
            progress(done, artifact.manifest.count.max(done));
        }
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
        Err(_) if !source.exists() => Err(damaged(artifact, name, "is gone since it was made")),
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

/// Points `folder/latest` at `target` in one step: readers see the old or the new, never none.
///
/// # Errors
/// Where the link cannot be written.
pub fn point_latest(folder: &Path, target: &str) -> Result<()> {
    let latest = folder.join("latest");
    if fs::read_link(&latest).is_ok_and(|current| current == Path::new(target)) {
        return Ok(());
    }
    let link = folder.join(temporary("latest"));
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
