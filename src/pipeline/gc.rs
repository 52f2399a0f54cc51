//! What the cache contains, which of it a kept run or dataset needs, and how the rest is removed.
//!
//! A run holds a shared lock on the cache for as long as it works, and removal holds an exclusive one: what
//! an active run uses is never removed. The system releases a lock when its process ends, for whatever
//! reason.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::lock::RESULTS;
use super::publish::versions;
use super::records::{self, Recorded, folders, name_and_version};
use crate::artifact::files::{remove_at_once, remove_temporary};
use crate::{Error, Result, artifact};

/// One result in the cache.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CachedResult {
    /// The folder's name: stage id and key.
    pub name: String,
    /// Size of all files in the folder.
    pub bytes: u64,
    #[serde(skip)]
    folder: PathBuf,
}

/// What the cache contains.
#[derive(Debug, Serialize)]
pub struct Holdings {
    /// Runs whose results are kept.
    pub runs: usize,
    /// Results that the kept runs used, which a collection leaves alone.
    pub needed: Vec<CachedResult>,
    /// Results that a collection removes.
    pub unneeded: Vec<CachedResult>,
}

/// Sums up the cache. Needed are the results of the newest `keep_runs` runs of each pipeline, and those of
/// the newest run that made each published version of a dataset.
///
/// # Errors
/// If a run's record cannot be read.
pub fn holdings(outputs: &Path, keep_runs: usize) -> Result<Holdings> {
    let recorded = records::all(outputs)?;
    let kept = kept(&recorded, outputs, keep_runs);
    let stages = kept.iter().flat_map(|run| &run.record.stages);
    let used: BTreeSet<OsString> = stages
        .filter_map(|stage| stage.folder.file_name().map(OsString::from))
        .collect();
    let mut holdings = Holdings {
        runs: kept.len(),
        needed: Vec::new(),
        unneeded: Vec::new(),
    };
    for folder in results(outputs) {
        let name = folder.file_name().unwrap_or_default();
        let list = match used.contains(name) {
            true => &mut holdings.needed,
            false => &mut holdings.unneeded,
        };
        list.push(CachedResult {
            name: name.to_string_lossy().into_owned(),
            bytes: size(&folder)?,
            folder,
        });
    }
    Ok(holdings)
}

/// Removes what [`holdings`] lists as unneeded, what dead processes left, and what stopped runs could resume
/// from; returns what the cache contained before.
///
/// # Errors
/// If a run is active, or a folder cannot be removed.
pub fn collect(outputs: &Path, keep_runs: usize) -> Result<Holdings> {
    let cache = outputs.join("cache");
    if !cache.exists() {
        return holdings(outputs, keep_runs);
    }
    let lock = open_lock(&cache)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Error::failed(
                cache.display(),
                "a run is using the cache; nothing was removed",
                "try again when it has finished",
            ));
        }
        Err(TryLockError::Error(e)) => return Err(Error::io(&cache.join(LOCK), e)),
    }
    remove_leftovers(outputs);
    let holdings = holdings(outputs, keep_runs)?;
    for entry in &holdings.unneeded {
        remove_at_once(&entry.folder)?;
    }
    // Parts shared with what was just removed take space until they are removed here too.
    artifact::resume::sweep(&cache)?;
    // No run is active, so nobody holds these.
    let _ = fs::remove_dir_all(outputs.join(RESULTS));
    Ok(holdings)
}

/// Locks the cache for a run: nothing is collected until the file is dropped. Waits for a collection in
/// progress. If no other run is active, removes what dead runs left.
///
/// # Errors
/// If the lock cannot be taken, except on file systems without locks.
pub fn hold(outputs: &Path) -> Result<File> {
    let cache = outputs.join("cache");
    let lock = open_lock(&cache)?;
    let wrong = |e| Error::io(&cache.join(LOCK), e);
    if lock.try_lock().is_ok() {
        remove_leftovers(outputs);
        lock.unlock().map_err(wrong)?;
    }
    match lock.lock_shared() {
        Err(e) if e.kind() != ErrorKind::Unsupported => Err(wrong(e)),
        _ => Ok(lock),
    }
}

/// Removes hidden work from every place that can contain some; no run may be active.
fn remove_leftovers(outputs: &Path) {
    let pipelines = folders(&outputs.join("runs"));
    let runs: Vec<PathBuf> = pipelines.iter().flat_map(|p| folders(p)).collect();
    let shelves = folders(&outputs.join("datasets"));
    let mut places = vec![outputs.to_path_buf(), outputs.join("cache")];
    places.extend(runs);
    places.extend(pipelines);
    places.extend(shelves);
    places.iter().for_each(|place| remove_temporary(place));
}

/// The cache's lock file; never removed, since another process may hold it.
const LOCK: &str = ".lock";

fn open_lock(cache: &Path) -> Result<File> {
    let path = cache.join(LOCK);
    let mut options = File::options();
    let opened = options.create(true).append(true).open(&path);
    opened.map_err(|e| Error::io(&path, e))
}

/// The runs whose results are needed.
fn kept<'r>(recorded: &'r [Recorded], outputs: &Path, keep_runs: usize) -> Vec<&'r Recorded> {
    let mut published: BTreeSet<PathBuf> = folders(&outputs.join("datasets"))
        .iter()
        .flat_map(|shelf| versions(shelf))
        .filter_map(|(_, folder)| name_and_version(&folder))
        .collect();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for run in recorded {
        let place = seen.entry(&run.record.pipeline).or_default();
        *place += 1;
        let made = run.record.datasets.values();
        let made: Vec<PathBuf> = made.filter_map(|folder| name_and_version(folder)).collect();
        // The newest run that made a version comes first; the version needs that one.
        let first = made.iter().filter(|version| published.remove(*version));
        if first.count() > 0 || *place <= keep_runs {
            kept.push(run);
        }
    }
    kept
}

/// The folders of results in the cache, `ID-KEY`; ignores anything else there.
fn results(outputs: &Path) -> Vec<PathBuf> {
    let is_result = |folder: &PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let key = name.rsplit_once('-').map(|(_, key)| key);
        key.is_some_and(|key| key.len() == 16 && key.chars().all(|c| c.is_ascii_hexdigit()))
    };
    let found = folders(&outputs.join("cache"));
    found.into_iter().filter(is_result).collect()
}

/// Total size in bytes of all files below a folder.
fn size(folder: &Path) -> Result<u64> {
    let length = |path: &PathBuf| fs::metadata(path).map(|meta| meta.len());
    let files = artifact::walk(folder)?;
    let sizes = files
        .iter()
        .map(|path| length(path).map_err(|e| Error::io(path, e)));
    sizes.sum()
}
