//! The cache: one folder per artifact, named by stage id and key, either complete or absent.
//!
//! Work is written to a hidden folder beside it, then described, flushed and renamed. A killed process leaves
//! only its hidden folder, which the next run removes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::contents::Listing;
use super::key::{Ingredients, Key};
use crate::artifact::files::{flush_folder, temporary, write_flushed};
use crate::artifact::{self, Artifact, Cost, Kind, MANIFEST, Manifest, SCHEMA, parts};
use crate::{Error, Result};

/// The file with the key's ingredients in a cached artifact's folder.
pub const KEY_FILE: &str = "key.json";

/// The file with the blake3 hash of [`MANIFEST`], which describes all other files.
const MANIFEST_HASH: &str = "artifact.blake3";

/// The file that lists the contents of the folders that a result was made from.
const LISTINGS_FILE: &str = "folders.json";

/// `outputs/cache`.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

/// What the cache has under a key.
pub enum Lookup {
    /// A complete result whose manifest and file sizes are right; contents are not hashed.
    Found(Box<Artifact>),
    /// The folder exists but is incomplete; holds the reason.
    Damaged(String),
    /// No folder exists for this key: the stage has to run.
    Missing,
}

impl Cache {
    /// The cache below `outputs`; creates nothing.
    pub fn new(outputs: &Path) -> Self {
        Cache {
            folder: outputs.join("cache"),
        }
    }

    /// Creates the folder.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn prepare(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(|e| Error::io(&self.folder, e))
    }

    /// Where the result of this stage under this key lies, or would lie.
    pub fn place(&self, id: &str, key: &Key) -> PathBuf {
        self.folder.join(format!("{id}-{}", key.short()))
    }

    /// What the cache has for this stage under this key.
    pub fn lookup(&self, id: &str, key: &Key) -> Lookup {
        let folder = self.place(id, key);
        if !folder.exists() {
            return Lookup::Missing;
        }
        let Ok(artifact) = Artifact::open(&folder) else {
            return Lookup::Damaged(format!("{MANIFEST} cannot be read"));
        };
        let expected = fs::read_to_string(folder.join(MANIFEST_HASH));
        let hash = artifact::hash_file(&folder.join(MANIFEST));
        if !matches!((expected, hash), (Ok(expected), Ok(hash)) if expected == hash) {
            return Lookup::Damaged(format!("{MANIFEST} has changed since it was written"));
        }
        // It becomes the name of a folder.
        if artifact.manifest.digest != artifact::digest(&artifact.manifest.files) {
            return Lookup::Damaged(format!("{MANIFEST} has another digest than its files"));
        }
        if artifact.manifest.schema != SCHEMA || artifact.manifest.key != key.hash {
            return Lookup::Damaged(format!("{MANIFEST} belongs to a different result"));
        }
        for entry in &artifact.manifest.files {
            match fs::metadata(folder.join(&entry.file)) {
                Err(_) => return Lookup::Damaged(format!("{} is missing", entry.file)),
                Ok(meta) if meta.len() != entry.bytes => {
                    return Lookup::Damaged(format!("{} has a different size", entry.file));
                }
                Ok(_) => {}
            }
        }
        Lookup::Found(Box::new(artifact))
    }

    /// The folder that contains the cache, runs and datasets.
    pub fn outputs(&self) -> &Path {
        self.folder.parent().unwrap_or(Path::new(""))
    }

    /// The folder of the cache.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folders of all results of this stage, for any key, newest first.
    pub fn results(&self, id: &str) -> Vec<PathBuf> {
        let prefix = format!("{id}-");
        self.newest_first(|name| {
            let key = name.strip_prefix(&prefix).unwrap_or_default();
            key.len() == 16 && key.chars().all(|c| c.is_ascii_hexdigit())
        })
    }

    /// The results whose folders have a name that is wanted, newest first.
    fn newest_first(&self, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let mut found: Vec<_> = fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| wanted(&entry.file_name().to_string_lossy()))
            .filter_map(|entry| {
                let written = fs::metadata(entry.path().join(KEY_FILE)).and_then(|m| m.modified());
                Some((written.ok()?, entry.path()))
            })
            .collect();
        found.sort();
        found.into_iter().rev().map(|(_, folder)| folder).collect()
    }

    /// The folders of the results of all stages, newest first.
    pub fn all_results(&self) -> Vec<PathBuf> {
        self.newest_first(|name| {
            let key = name.rsplit('-').next().unwrap_or_default();
            key.len() == 16 && key.chars().all(|c| c.is_ascii_hexdigit()) && !name.starts_with('.')
        })
    }

    /// Where the result that a run recorded in `folder` lies now, since the outputs may have been moved.
    pub fn place_of(&self, folder: &Path) -> PathBuf {
        self.folder.join(folder.file_name().unwrap_or_default())
    }

    /// The ingredients of the key of the result that a run recorded in `folder`, if it still exists.
    pub fn ingredients(&self, folder: &Path) -> Option<Ingredients> {
        let text = fs::read_to_string(self.place_of(folder).join(KEY_FILE)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// What the folder `name` contained when the result in `folder` was made from it.
    pub fn listing(folder: &Path, name: &str) -> Option<Listing> {
        let text = fs::read(folder.join(LISTINGS_FILE)).ok()?;
        let mut listings: BTreeMap<String, Listing> = serde_json::from_slice(&text).ok()?;
        listings.remove(name)
    }

    /// A fresh, empty folder to work in. It is removed again unless it is published.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn begin(&self, id: &str, key: &Key) -> Result<Work> {
        let name = format!("{id}-{}", key.short());
        let folder = self.folder.join(temporary(&name));
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        }
        fs::create_dir(&folder).map_err(|e| Error::io(&folder, e))?;
        Ok(Work {
            folder,
            place: self.place(id, key),
        })
    }
}

/// A folder in which a result is being made.
pub struct Work {
    folder: PathBuf,
    place: PathBuf,
}

impl Drop for Work {
    fn drop(&mut self) {
        // After publishing there is nothing left to remove.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Work {
    /// A temporary folder inside the cache, removed unless the result is published.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Describes what was written and moves it to its final place.
    ///
    /// # Errors
    /// If a file cannot be read or written; the cache is then unchanged.
    pub fn publish(self, key: &Key, kind: Kind, summary: Value, cost: Cost) -> Result<Artifact> {
        let files = artifact::list_own(&self.folder, kind)?;
        let (count, classes) = self.count(kind, &files)?;
        let manifest = Manifest {
            schema: SCHEMA,
            kind,
            stage: key.ingredients.stage.clone(),
            id: key.ingredients.id.clone(),
            key: key.hash.clone(),
            config: key.ingredients.config.clone(),
            digest: artifact::digest(&files),
            count,
            classes,
            files,
            summary,
            cost,
        };
        let text = serde_json::to_string_pretty(&manifest)
            .expect("a manifest has string keys and JSON values");
        if !key.listings.is_empty() {
            let listings: BTreeMap<&String, &Listing> =
                key.listings.iter().map(|(name, l)| (name, &**l)).collect();
            let text = serde_json::to_string(&listings).expect("names and hashes are strings");
            write_flushed(&self.folder.join(LISTINGS_FILE), &text)?;
        }
        write_flushed(&self.folder.join(KEY_FILE), &key.json)?;
        let hash = blake3::hash(text.as_bytes()).to_hex();
        write_flushed(&self.folder.join(MANIFEST_HASH), &hash)?;
        write_flushed(&self.folder.join(MANIFEST), &text)?;
        flush_folder(&self.folder);
        replace_folder(&self.folder, &self.place)?;
        Ok(Artifact {
            folder: self.place.clone(),
            manifest,
        })
    }

    /// The number of samples, in total and per class.
    fn count(
        &self,
        kind: Kind,
        files: &[artifact::FileEntry],
    ) -> Result<(u64, BTreeMap<String, u64>)> {
        let mut total = (0, BTreeMap::new());
        let counted = |file: &str| match kind {
            Kind::Samples | Kind::Judged => file.starts_with("part-"),
            // One row per image, as in a part.
            Kind::Dataset => file == artifact::DATASET_TABLE,
            Kind::Adapter
            | Kind::Task
            | Kind::Generator
            | Kind::Motion
            | Kind::Models
            | Kind::Metrics
            | Kind::Settings => false,
        };
        for entry in files.iter().filter(|entry| counted(&entry.file)) {
            count_classes(&self.folder.join(&entry.file), &mut total)?;
        }
        Ok(total)
    }
}

/// Adds the class counts of a part, reading only that column.
fn count_classes(path: &Path, total: &mut (u64, BTreeMap<String, u64>)) -> Result<()> {
    let classes = parts::read_classes(path)?;
    total.0 += classes.len() as u64;
    for class in classes.into_iter().flatten() {
        *total.1.entry(class).or_default() += 1;
    }
    Ok(())
}

/// Moves `new` to `place`, then removes what was there before.
fn replace_folder(new: &Path, place: &Path) -> Result<()> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let old = place.with_file_name(temporary(&format!("{name}-old")));
    if place.exists() {
        fs::rename(place, &old).map_err(|e| Error::io(place, e))?;
    }
    if let Err(error) = fs::rename(new, place) {
        // On failure, put back what was there, so that nothing is lost.
        let _ = fs::rename(&old, place);
        return Err(Error::io(place, error));
    }
    let _ = fs::remove_dir_all(&old);
    if let Some(parent) = place.parent() {
        flush_folder(parent);
    }
    Ok(())
}
