//! Checkpoints of a training on the disk, from which a run that was stopped resumes.
//!
//! Each is a folder that is renamed into place when it is whole, so that a kill at any moment leaves one to resume
//! from. What they hold, the stage that trains decides. `step-AAA-NNNNNNNNN` is the state after step N of attempt A,
//! so that in the order of their names they are in the order in which they were made.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::Context;
use crate::artifact::resume::Resume;
use crate::artifact::soundness::{SEAL, check_seal, seal};
use crate::artifact::walk;
use crate::{Error, Result};

/// What to do about a checkpoint that cannot be used; it is removed when this is said.
pub const AGAIN: &str = "run again: the training starts from the beginning";

/// The share of `steps` that an earlier run has done and this one would resume after, 0..1; `scopes` as in
/// [`Checkpoints::open`].
pub fn share_done(resume: &Resume, scopes: &[&[&str]], steps: u64) -> f64 {
    let reached = scopes.iter().map(|scope| {
        let entries = fs::read_dir(resume.scope(scope));
        let entries = entries.into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter_map(|name| step_of(&name)).max().unwrap_or(0)
    });
    let reached = reached.filter(|reached| *reached <= steps).max();
    reached.unwrap_or(0) as f64 / steps.max(1) as f64
}

/// The name of the checkpoint after this step of this attempt.
pub fn name_of(kind: &str, attempt: u64, step: u64) -> String {
    format!("{kind}-{attempt:03}-{step:09}")
}

/// The step of a checkpoint to resume from.
fn step_of(name: &str) -> Option<u64> {
    name.strip_prefix("step-")?.rsplit('-').next()?.parse().ok()
}

/// The checkpoints of one training.
pub struct Checkpoints {
    folder: PathBuf,
    /// Whether later runs find them.
    pub lasting: bool,
    /// Held while they are written; the system frees it when the process ends, however it ends.
    _lock: Option<File>,
    _scratch: Option<tempfile::TempDir>,
}

impl Checkpoints {
    /// Where later runs find them, if there is a cache and no other process trains the same. `scopes` are what earlier
    /// trainings may differ in and still be the beginning of this one, which has `steps`; the best comes first.
    ///
    /// # Errors
    /// If a folder cannot be created.
    pub fn open(context: &Context, scopes: &[&[&str]], steps: u64) -> Result<Self> {
        if let Some(resume) = context.resume.filter(|_| steps > 0) {
            for scope in scopes {
                let found = Checkpoints::in_folder(resume.scope(scope))?;
                if let Some(found) = found.filter(|found| found.reached() <= steps) {
                    return Ok(found);
                }
            }
        }
        let scratch = tempfile::tempdir_in(context.out).map_err(|e| Error::io(context.out, e))?;
        Ok(Checkpoints {
            folder: scratch.path().to_path_buf(),
            lasting: false,
            _lock: None,
            _scratch: Some(scratch),
        })
    }

    /// Those in `folder`; `None` where another process trains there.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn in_folder(folder: PathBuf) -> Result<Option<Self>> {
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(|e| Error::io(&path, e))?;
        // A disk that knows no locks is not a reason not to train.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Ok(None);
        }
        Ok(Some(Checkpoints {
            folder,
            lasting: true,
            _lock: Some(lock),
            _scratch: None,
        }))
    }

    /// The folder, for files beside the checkpoints.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The newest checkpoint to resume from.
    pub fn newest(&self) -> Option<String> {
        self.names().filter(|name| step_of(name).is_some()).max()
    }

    /// Steps done at the newest; 0 without any.
    fn reached(&self) -> u64 {
        let step = |name: String| step_of(&name);
        self.newest().and_then(step).unwrap_or(0)
    }

    /// Of everything in the folder.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
    }

    /// Writes a checkpoint of this name, whole or not at all; `fill` puts its files into a folder. One that is there
    /// stays: the same step of the same attempt is the same state.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let (next, place) = (self.folder.join("next"), self.folder.join(name));
        if place.exists() {
            return Ok(());
        }
        self.fill("next", fill)?;
        fs::rename(&next, &place).map_err(|e| Error::io(&place, e))
    }

    /// Fills the folder of this name anew, in place.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn fill(&self, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let folder = self.folder.join(name);
        remove(&folder)?;
        fs::create_dir(&folder).map_err(|e| Error::io(&folder, e))?;
        fill(&folder)?;
        seal(&folder)?;
        self.flush(&folder)
    }

    /// Reads a checkpoint with `read`, if it is what was written.
    ///
    /// # Errors
    /// If it is not, and those of `read`.
    pub fn read<T>(&self, name: &str, read: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let folder = self.folder.join(name);
        check_seal(&folder, AGAIN)?;
        read(&folder)
    }

    /// The files of a checkpoint, if it is what was written; it is removed otherwise.
    ///
    /// # Errors
    /// If it is not.
    pub fn files(&self, name: &str) -> Result<Vec<PathBuf>> {
        let files = self.read(name, walk).inspect_err(|_| self.discard())?;
        Ok(files
            .into_iter()
            .filter(|path| !path.ends_with(SEAL))
            .collect())
    }

    /// Removes all of them, because they cannot be used; the error that is returned then says where they lay.
    pub fn discard(&self) {
        // Best effort.
        let _ = remove(&self.folder);
    }

    /// Removes a checkpoint, if it is there.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<()> {
        remove(&self.folder.join(name))
    }

    /// Waits until what later runs are to find is on the disk.
    fn flush(&self, folder: &Path) -> Result<()> {
        if !self.lasting {
            return Ok(());
        }
        for path in walk(folder)? {
            let flushed = File::open(&path).and_then(|file| file.sync_all());
            flushed.map_err(|e| Error::io(&path, e))?;
        }
        Ok(())
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder, e)),
        _ => Ok(()),
    }
}
