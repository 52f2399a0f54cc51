//! Hashes of file contents. A file whose size, times and inode match those of an earlier run is not read
//! again.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::artifact::files::temporary;
use crate::artifact::{self, FileEntry};
use crate::sample::listing;
use crate::{Error, Result};

/// The file with the remembered hashes, beside the cache.
const FILE: &str = "hashes.json";

/// A file that changed this shortly before it was read may change again with the same time stamp: file
/// systems count time in steps of up to two seconds.
const STEP: Duration = Duration::from_secs(2);

/// The files in a folder by name, each with the first 16 digits of its hash.
pub(super) type Listing = BTreeMap<String, String>;

/// The contents of files and folders, each read once.
#[derive(Default)]
pub struct Contents {
    /// The file of remembered hashes and the cache folder, if there is a cache.
    file: Option<(PathBuf, PathBuf)>,
    /// By absolute path.
    remembered: BTreeMap<String, Remembered>,
    looked_at: BTreeMap<PathBuf, Content>,
}

/// The content of a file or folder.
#[derive(Debug, Clone)]
pub struct Content {
    pub hash: String,
    /// Only for folders.
    pub listing: Option<Arc<Listing>>,
}

/// The stamp and hash of a file at the time when it was hashed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Remembered(Stamp, String);

/// What changes when a file is written, as far as the system reports it: size in bytes, times of the last
/// change of content and of metadata in nanoseconds since 1970, inode.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Stamp(u64, u64, u64, u64);

/// Size and hash of a file, and the name and stamp to remember it by.
type Hashed = (u64, String, Option<(String, Stamp)>);

impl Contents {
    /// Uses the hashes remembered beside the folder `cache`.
    pub fn open(cache: &Path) -> Self {
        let file = cache.with_file_name(FILE);
        // If the hashes cannot be read, the files themselves are.
        let text = fs::read(&file).unwrap_or_default();
        Contents {
            remembered: serde_json::from_slice(&text).unwrap_or_default(),
            file: Some((file, cache.to_path_buf())),
            looked_at: BTreeMap::new(),
        }
    }

    /// Forgets what was read in this run, so that it is checked again.
    pub fn look_again(&mut self) {
        self.looked_at.clear();
    }

    /// The content of the file or folder at `path`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(&mut self, path: &Path) -> Result<Content> {
        if let Some(known) = self.looked_at.get(path) {
            return Ok(known.clone());
        }
        let is_folder = fs::metadata(path).map_err(|e| Error::io(path, e))?.is_dir();
        let files = self.hash_all(path)?;
        let content = if is_folder {
            let listing = files
                .iter()
                .map(|f| (f.file.clone(), f.blake3.chars().take(16).collect()));
            Content {
                hash: artifact::digest(&files),
                listing: Some(Arc::new(listing.collect())),
            }
        } else {
            Content {
                hash: files.into_iter().map(|file| file.blake3).collect(),
                listing: None,
            }
        };
        self.looked_at.insert(path.to_path_buf(), content.clone());
        Ok(content)
    }

    /// Every file under `path`, in order; those that are not remembered are read, in all threads.
    fn hash_all(&mut self, path: &Path) -> Result<Vec<FileEntry>> {
        // Stages leave out the same names.
        let paths = listing::tree(path, &|| Ok(()))?.files;
        let hashed = paths
            .par_iter()
            .map(|file| self.hash_one(file))
            .collect::<Result<Vec<_>>>()?;
        let mut files = Vec::with_capacity(paths.len());
        let mut new = false;
        for (file, (bytes, hash, fresh)) in paths.iter().zip(hashed) {
            if let Some((name, stamp)) = fresh {
                self.remembered
                    .insert(name, Remembered(stamp, hash.clone()));
                new = true;
            }
            let name = file.strip_prefix(path).unwrap_or(file);
            files.push(FileEntry {
                file: name.to_string_lossy().replace('\\', "/"),
                bytes,
                blake3: hash,
            });
        }
        // A file with this name here belongs to no artifact and is like any other; folders of artifacts have
        // always been hashed without it.
        files.retain(|entry| entry.file != artifact::MANIFEST);
        if new {
            self.remember();
        }
        Ok(files)
    }

    /// Size and hash of a file, and what to remember of it.
    fn hash_one(&self, path: &Path) -> Result<Hashed> {
        let absolute = std::path::absolute(path).map_err(|e| Error::io(path, e))?;
        let name = absolute.to_string_lossy().into_owned();
        let begun = SystemTime::now();
        let meta = fs::metadata(path).map_err(|e| Error::io(path, e))?;
        let stamp = Stamp::of(&meta);
        let known = self.remembered.get(&name).zip(stamp);
        if let Some((Remembered(_, hash), _)) = known.filter(|(known, stamp)| known.0 == *stamp) {
            return Ok((meta.len(), hash.clone(), None));
        }
        let hash = artifact::hash_file(path)?;
        let settled = stamp.filter(|stamp| stamp.is_before(begun));
        Ok((meta.len(), hash, settled.map(|stamp| (name, stamp))))
    }

    /// Saves the known hashes for later runs.
    fn remember(&self) {
        let Some((file, cache)) = &self.file else {
            return;
        };
        // If there is no cache yet, or it cannot be written, only time is lost.
        if !cache.exists() {
            return;
        }
        let next = cache.with_file_name(temporary(FILE));
        let written = serde_json::to_vec(&self.remembered)
            .map_err(std::io::Error::from)
            .and_then(|text| fs::write(&next, text))
            .and_then(|()| fs::rename(&next, file));
        if written.is_err() {
            let _ = fs::remove_file(&next);
        }
    }
}

impl Stamp {
    /// `None` if the system does not report all of it.
    #[cfg(unix)]
    fn of(meta: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let time = |seconds: i64, nanos: i64| {
            let nanos = u64::try_from(nanos).ok()?;
            u64::try_from(seconds)
                .ok()?
                .checked_mul(1_000_000_000)?
                .checked_add(nanos)
        };
        Some(Stamp(
            meta.len(),
            time(meta.mtime(), meta.mtime_nsec())?,
            time(meta.ctime(), meta.ctime_nsec())?,
            meta.ino(),
        ))
    }

    /// `None` if the system does not report all of it.
    #[cfg(not(unix))]
    fn of(meta: &Metadata) -> Option<Self> {
        let nanos = meta
            .modified()
            .ok()?
            .duration_since(UNIX_EPOCH)
            .ok()?
            .as_nanos();
        let nanos = u64::try_from(nanos).ok()?;
        Some(Stamp(meta.len(), nanos, nanos, 0))
    }

    /// Whether the last change was long enough before `moment` that another change would get a different
    /// time.
    fn is_before(&self, moment: SystemTime) -> bool {
        let Stamp(_, content, entry, _) = *self;
        let changed = UNIX_EPOCH + Duration::from_nanos(content.max(entry));
        changed + STEP < moment
    }
}

/// Describes which files were added, removed and changed from `old` to `new`.
pub(super) fn differences(old: &Listing, new: &Listing) -> String {
    let list = |what: &str, names: Vec<&String>| {
        const MOST: usize = 3;
        let shown: Vec<&str> = names.iter().take(MOST).map(|name| name.as_str()).collect();
        let more = match names.len().saturating_sub(MOST) {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        (!names.is_empty()).then(|| format!("{what} {}{more}", shown.join(", ")))
    };
    let added = new.keys().filter(|name| !old.contains_key(*name));
    let removed = old.keys().filter(|name| !new.contains_key(*name));
    let other = |name: &&String| old.get(*name).is_some_and(|hash| hash != &new[*name]);
    let changed = new.keys().filter(other);
    let parts = [
        list("added", added.collect()),
        list("removed", removed.collect()),
        list("changed", changed.collect()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets a file's modification time.
    fn set_time(path: &Path, time: SystemTime) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(time).unwrap();
    }

    #[test]
    fn a_settled_file_is_remembered_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, file) = (folder.path().join("cache"), folder.path().join("a.txt"));
        fs::create_dir(&cache).unwrap();
        fs::write(&file, "one").unwrap();
        let hash = |path: &Path| Contents::open(&cache).of(path).unwrap().hash;
        assert_eq!(hash(&file), blake3::hash(b"one").to_hex().as_str());
        // Changed just now: it may change again within the same time step.
        assert!(Contents::open(&cache).remembered.is_empty());

        let meta = fs::metadata(&file).unwrap();
        let stamp = Stamp::of(&meta).unwrap();
        assert!(!stamp.is_before(SystemTime::now()));
        assert!(stamp.is_before(SystemTime::now() + 2 * STEP));
        let mut contents = Contents::open(&cache);
        let name = file.to_string_lossy().into_owned();
        contents
            .remembered
            .insert(name, Remembered(stamp, "known".into()));
        contents.remember();
        assert_eq!(hash(&file), "known");
        set_time(&file, meta.modified().unwrap() + Duration::from_nanos(1000));
        assert_eq!(hash(&file), blake3::hash(b"one").to_hex().as_str());
        fs::write(&file, "two").unwrap();
        set_time(&file, meta.modified().unwrap());
        assert_eq!(hash(&file), blake3::hash(b"two").to_hex().as_str());
    }

    #[test]
    fn a_folder_hashes_as_its_files_do_and_lists_them() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/a"), "1").unwrap();
        fs::write(folder.path().join("b"), "2").unwrap();
        let content = Contents::default().of(folder.path()).unwrap();
        let files = artifact::list_files(folder.path()).unwrap();
        assert_eq!(content.hash, artifact::digest(&files));
        let names: Vec<String> = content.listing.unwrap().keys().cloned().collect();
        assert_eq!(names, ["b", "sub/a"]);
    }

    #[test]
    fn differences_name_the_files() {
        let listing = |files: &[(&str, &str)]| -> Listing {
            let owned = |(name, hash): &(&str, &str)| (name.to_string(), hash.to_string());
            files.iter().map(owned).collect()
        };
        let old = listing(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let new = listing(&[
            ("b", "2"),
            ("c", "1"),
            ("d", "1"),
            ("e", "1"),
            ("f", "1"),
            ("g", "1"),
        ]);
        assert_eq!(
            differences(&old, &new),
            "added d, e, f and 1 more; removed a; changed b"
        );
    }
}
