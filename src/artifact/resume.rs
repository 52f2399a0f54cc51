//! What a stage reuses from earlier runs: finished parts and interrupted training.
//!
//! `outputs/cache/resume` has one folder per scope. A scope covers everything that determines a result,
//! except settings that only change how much is made, such as the number of samples. Its files are hard links
//! shared with the artifacts, so they take no extra space; all of it may be deleted at any time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::hash_file;
use crate::{Error, Result};

/// The name of the folder in the cache.
pub const FOLDER: &str = "resume";

/// What earlier runs of one stage left behind.
pub struct Resume<'a> {
    folder: PathBuf,
    id: String,
    ingredients: Value,
    afresh: bool,
    /// Checks that the files that the stage reads still match the key.
    check: &'a (dyn Fn() -> Result<()> + Sync),
    taken_over: Mutex<f64>,
}

impl<'a> Resume<'a> {
    /// For the stage `id` of a cache; `ingredients` are those of its key. If it must run `afresh`, what
    /// earlier runs left is removed instead of reused. `check` fails if a file that the stage reads no longer
    /// matches the key.
    pub fn new(
        cache: &Path,
        id: &str,
        ingredients: Value,
        afresh: bool,
        check: &'a (dyn Fn() -> Result<()> + Sync),
    ) -> Self {
        Resume {
            folder: cache.join(FOLDER),
            id: id.to_owned(),
            ingredients,
            afresh,
            check,
            taken_over: Mutex::new(0.0),
        }
    }

    /// Must be called before anything is kept.
    ///
    /// # Errors
    /// If a file that the stage reads no longer matches the scopes.
    pub fn check(&self) -> Result<()> {
        (self.check)()
    }

    /// Records the share of the work that the stage can skip, 0..1.
    pub fn note(&self, taken_over: f64) {
        *self
            .taken_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = taken_over;
    }

    /// The share of the work that the stage can skip, 0..1.
    pub fn taken_over(&self) -> f64 {
        *self
            .taken_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder shared by all results that differ only in `except`, a list of JSON pointers such as
    /// `/config/count`. It is created when something is first stored in it.
    pub fn scope(&self, except: &[&str]) -> PathBuf {
        let folder = self.place(except);
        if self.afresh {
            // Leftovers are either found to be damaged or reused; both give the same result.
            let _ = fs::remove_dir_all(&folder);
        }
        folder
    }

    fn place(&self, except: &[&str]) -> PathBuf {
        let mut ingredients = self.ingredients.clone();
        for pointer in except {
            if let Some(value) = ingredients.pointer_mut(pointer) {
                *value = Value::Null;
            }
        }
        let hash = blake3::hash(ingredients.to_string().as_bytes()).to_hex();
        self.folder.join(format!("{}-{}", self.id, &hash[..16]))
    }

    /// Removes what only this result could reuse, once the result is in the cache.
    pub fn finished(&self) {
        // Best effort: leftovers only cost space.
        let _ = fs::remove_dir_all(self.place(&[]));
    }
}

/// The finished parts of a scope.
///
/// A part is named `KEY-UNITS-HASH.parquet`: what it was made of, how many units of it (samples to make, or
/// input samples), and the blake3 hash of its content. A part is reused only if the hash matches.
#[derive(Debug, Default)]
pub struct EarlierParts {
    folder: Option<PathBuf>,
    parts: Vec<EarlierPart>,
}

/// A part made by an earlier run.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierPart {
    /// The Parquet file, whose name holds key, units and hash.
    pub path: PathBuf,
    key: String,
    /// How many units it was made of.
    pub units: u64,
    hash: String,
}

impl EarlierParts {
    /// The parts in `folder`, which need not exist.
    pub fn open(folder: PathBuf) -> Self {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let part = |path: PathBuf| {
            let name = path.file_name()?.to_str()?.strip_suffix(".parquet")?;
            let [key, units, hash] = name.splitn(3, '-').collect::<Vec<_>>()[..] else {
                return None;
            };
            Some(EarlierPart {
                key: key.to_owned(),
                units: units.parse().ok()?,
                hash: hash.to_owned(),
                path,
            })
        };
        EarlierParts {
            parts: entries.filter_map(|entry| part(entry.path())).collect(),
            folder: Some(folder),
        }
    }

    /// The part with exactly this `key`, if there is one; give `units` if the key does not determine how many
    /// it was made of.
    pub fn whole(&self, key: &str, units: Option<u64>) -> Option<&EarlierPart> {
        self.parts
            .iter()
            .filter(|part| part.key == key && units.is_none_or(|units| part.units == units))
            .find(|part| part.is_intact())
    }

    /// The longest part of each key, as listed; whether they are intact is not checked.
    pub fn longest(&self) -> impl Iterator<Item = &EarlierPart> {
        let longer = |part: &EarlierPart, other: &EarlierPart| {
            other.key == part.key && (other.units, &other.hash) > (part.units, &part.hash)
        };
        let parts = self.parts.iter();
        parts.filter(move |part| !self.parts.iter().any(|other| longer(part, other)))
    }

    /// The part with exactly this `key`, as listed; whether it is intact is not checked.
    pub fn listed(&self, key: &str) -> Option<&EarlierPart> {
        self.parts.iter().find(|part| part.key == key)
    }

    /// The longest part made of the first units, if it is shorter than `below`; `key` returns the key of that
    /// many first units.
    ///
    /// # Errors
    /// The errors of `key`.
    pub fn beginning(
        &self,
        below: u64,
        key: impl Fn(u64) -> Result<String>,
    ) -> Result<Option<&EarlierPart>> {
        let mut lengths: Vec<u64> = self.parts.iter().map(|part| part.units).collect();
        lengths.retain(|units| (1..below).contains(units));
        lengths.sort_unstable();
        lengths.dedup();
        for units in lengths.into_iter().rev() {
            if let Some(part) = self.whole(&key(units)?, Some(units)) {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    /// Keeps the finished part at `path` for later runs.
    pub fn keep(&self, path: &Path, key: &str, units: u64) {
        let Some(folder) = &self.folder else {
            return;
        };
        // If it cannot be kept, a later run makes it again.
        let _ = fs::create_dir_all(folder);
        if let Ok(hash) = hash_file(path) {
            let kept = folder.join(format!("{key}-{units}-{hash}.parquet"));
            let _ = fs::hard_link(path, kept);
        }
    }
}

impl EarlierPart {
    /// Whether the content matches the hash; removes the part if it does not.
    fn is_intact(&self) -> bool {
        let sound = hash_file(&self.path).is_ok_and(|hash| hash == self.hash);
        if !sound {
            let _ = fs::remove_file(&self.path);
        }
        sound
    }
}

/// Removes from a cache that no run is using what no artifact shares: parts of stages that never finished or
/// whose artifacts are gone, and training checkpoints.
///
/// # Errors
/// If something cannot be removed.
pub fn sweep(cache: &Path) -> Result<()> {
    for scope in fs::read_dir(cache.join(FOLDER))
        .into_iter()
        .flatten()
        .flatten()
    {
        // A link leads out of the cache.
        if scope.file_type().is_ok_and(|kind| kind.is_symlink()) {
            let path = scope.path();
            fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
            continue;
        }
        for entry in fs::read_dir(scope.path()).into_iter().flatten().flatten() {
            let path = entry.path();
            let removed = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false if path.extension() == Some("parquet".as_ref()) && is_shared(&path) => Ok(()),
                false => fs::remove_file(&path),
            };
            removed.map_err(|e| Error::io(&path, e))?;
        }
        // This fails, and the folder stays, if something is left in it.
        let _ = fs::remove_dir(scope.path());
    }
    Ok(())
}

/// Whether the file has another name (hard link).
fn is_shared(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).is_ok_and(|meta| meta.nlink() > 1)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Makes `to` a hard link to `from`, or a copy if the file system has no hard links.
///
/// # Errors
/// If neither can be created.
pub fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map(drop).map_err(|e| Error::io(to, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scopes_differ_by_all_but_what_is_left_out() {
        let cache = Path::new("cache");
        let scope = |count: u64, size: u64| {
            let ingredients = json!({"config": {"count": count, "size": size}});
            Resume::new(cache, "render", ingredients, false, &|| Ok(())).scope(&["/config/count"])
        };
        assert_eq!(scope(1, 64), scope(2, 64));
        assert_ne!(scope(1, 64), scope(1, 32));
        assert!(scope(1, 64).starts_with("cache/resume"));
    }

    #[cfg(unix)]
    #[test]
    fn what_no_artifact_shares_is_swept() {
        let cache = tempfile::tempdir().unwrap();
        let scope = cache.path().join(FOLDER).join("render-1");
        let (part, artifact) = (cache.path().join("part"), cache.path().join("artifact"));
        fs::write(&part, "shared").unwrap();
        EarlierParts::open(scope.clone()).keep(&part, "k", 1);
        fs::rename(&part, &artifact).unwrap();
        fs::write(scope.join("k-2-x.parquet"), "alone").unwrap();
        fs::create_dir_all(cache.path().join(FOLDER).join("train-1/step-1")).unwrap();
        sweep(cache.path()).unwrap();
        assert_eq!(fs::read_dir(&scope).unwrap().count(), 1);
        assert_eq!(fs::read_dir(cache.path().join(FOLDER)).unwrap().count(), 1);
        fs::remove_file(&artifact).unwrap();
        sweep(cache.path()).unwrap();
        assert!(!scope.exists());
    }

    #[test]
    fn the_longest_sound_beginning_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let parts = EarlierParts::open(folder.path().join("scope"));
        let path = folder.path().join("part");
        for (units, text) in [(3, "aaa"), (5, "bbbbb"), (9, "ccccccccc")] {
            fs::write(&path, text).unwrap();
            parts.keep(&path, "k", units);
            fs::remove_file(&path).unwrap();
        }
        let open = || EarlierParts::open(folder.path().join("scope"));
        let beginning = |below| {
            let parts = open();
            let found = parts.beginning(below, |_| Ok("k".into())).unwrap();
            found.map(|part| part.units)
        };
        assert_eq!(beginning(9), Some(5));
        assert_eq!(beginning(3), None);
        let five = open().whole("k", Some(5)).unwrap().path.clone();
        fs::write(five, "edited").unwrap();
        assert_eq!(beginning(9), Some(3));
        assert_eq!(open().whole("k", Some(9)).unwrap().units, 9);
        assert_eq!(open().whole("other", Some(9)), None);
    }
}
