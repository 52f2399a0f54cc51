//! The state of a training on disk: all that the next step depends on, and what was kept so far.
//!
//! A later run resumes from `step-…`, a restart from `good-…`; `kept-…` holds the best
//! networks so far. The first two are renamed into place when they are whole, `kept-…` is whole before
//! a state names it; each is removed once a newer `step-…` needs it no longer, so that a kill at any
//! moment leaves one to resume from.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::faults::Fault;
use super::schedule::{self, Plateau};
use crate::artifact::files::{read_json, write_json};
use crate::artifact::resume::{Resume, link_or_copy};
use crate::artifact::soundness::{SEAL, check_seal, seal};
use crate::artifact::walk;
use crate::models::Learner;
use crate::nn::ruler::{Closed, Distance};
use crate::seed::Position;
use crate::stage::Context;
use crate::{Error, Result};

/// A point of the curves: losses are means since the point before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Point {
    pub step: u64,
    pub values: BTreeMap<String, f64>,
}

/// What the loop knows beside the model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TrainingState {
    /// Steps done.
    pub step: u64,
    /// Restarts so far.
    pub restarts: u64,
    /// Whether the last step has been looked at, as far as a look was due.
    pub looked: bool,
    /// Where the stream that draws batches stands.
    pub stream: Position,
    pub plateau: Plateau,
    /// Steps for which the discriminator has been always right.
    pub saturated: u64,
    pub history: Vec<Point>,
    /// Losses since the last point, and how many steps they are of.
    pub sums: BTreeMap<String, f64>,
    pub summed: u64,
    /// Every fault at the step at which it was first seen.
    pub faults: Vec<(u64, Fault)>,
    /// The checkpoint to go back to after a fault.
    pub good: String,
    /// The step whose networks are kept, and its score, higher for better.
    pub kept: Option<(u64, f64)>,
    /// How far their translations were from the photos.
    pub reached: Option<(Distance, Option<Closed>)>,
}

impl TrainingState {
    /// Before the first step.
    pub(super) fn new(stream: Position) -> Self {
        TrainingState {
            step: 0,
            restarts: 0,
            looked: true,
            stream,
            plateau: Plateau::default(),
            saturated: 0,
            history: Vec::new(),
            sums: BTreeMap::new(),
            summed: 0,
            faults: Vec::new(),
            good: String::new(),
            kept: None,
            reached: None,
        }
    }
}

/// What earlier trainings may differ in and still be the beginning of this one. A training of fewer steps is,
/// unless the rate depends on their number.
fn scopes(config: &TrainConfig) -> &'static [&'static [&'static str]] {
    if schedule::depends_on_steps(config) {
        &[&[]]
    } else {
        &[&["/config/steps"], &[]]
    }
}

/// The share of the steps that an earlier run has done and this one would resume after, 0..1.
pub(super) fn share_done(config: &TrainConfig, resume: &Resume) -> f64 {
    let reached = scopes(config).iter().map(|scope| {
        let names = fs::read_dir(resume.scope(scope))
            .into_iter()
            .flatten()
            .flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let steps = names.filter(|name| name.starts_with("step-"));
        steps
            .filter_map(|name| name.rsplit('-').next()?.parse::<u64>().ok())
            .max()
            .unwrap_or(0)
    });
    let reached = reached.filter(|reached| *reached <= config.steps).max();
    reached.unwrap_or(0) as f64 / config.steps.max(1) as f64
}

/// The checkpoints of one training.
pub(super) struct Checkpoints {
    folder: PathBuf,
    /// Whether later runs find them.
    pub lasting: bool,
    /// Held while they are written; the system frees it when the process ends, however it ends.
    _lock: Option<File>,
    _scratch: Option<tempfile::TempDir>,
}

impl Checkpoints {
    /// Where later runs find them, if there is a cache and no other process trains the same.
    ///
    /// # Errors
    /// If a folder cannot be created.
    pub(super) fn open(config: &TrainConfig, context: &Context, steps: u64) -> Result<Self> {
        let scopes = scopes(config);
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
    pub(super) fn in_folder(folder: PathBuf) -> Result<Option<Self>> {
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(|e| Error::io(&path, e))?;
        // A disk that knows no locks is no reason not to train.
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

    /// The folder, for sheets of examples.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The newest checkpoint to resume from.
    fn newest(&self) -> Option<String> {
        self.names().filter(|name| name.starts_with("step-")).max()
    }

    /// Steps done at the newest; 0 without any.
    fn reached(&self) -> u64 {
        let step = |name: String| name.rsplit('-').next()?.parse().ok();
        self.newest().and_then(step).unwrap_or(0)
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
    }

    /// Loads the newest checkpoint, where there is one, and removes the sheets that it does not know.
    ///
    /// # Errors
    /// If it cannot be read; it is removed then.
    pub(super) fn go_on(&self, model: &mut dyn Learner) -> Result<Option<TrainingState>> {
        let state = match self.newest() {
            Some(newest) => Some(self.load(&newest, model).inspect_err(|_| {
                // Best effort: the error tells the user where it lies.
                let _ = remove(&self.folder);
            })?),
            None => None,
        };
        let known = |step: u64| match &state {
            Some(state) => step < state.step || (step == state.step && state.looked),
            None => false,
        };
        for name in self.names().filter(|name| name.starts_with("sheet-")) {
            let step = name["sheet-".len()..].strip_suffix(".png");
            if !step.is_some_and(|step| step.parse().is_ok_and(known)) {
                let path = self.folder.join(&name);
                fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
            }
        }
        Ok(state)
    }

    /// Saves a checkpoint for a later run, and removes what is needed no longer.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn save(&self, model: &dyn Learner, state: &TrainingState) -> Result<()> {
        let name = name("step", state);
        self.write(&name, model, state)?;
        let kept = state.kept.map(|(step, _)| kept_name(step));
        for other in self.names() {
            let checkpoint = ["step-", "good-", "kept-"];
            let old = checkpoint.iter().any(|prefix| other.starts_with(prefix))
                && ![&name, &state.good].contains(&&other)
                && kept.as_ref() != Some(&other);
            if old {
                remove(&self.folder.join(other))?;
            }
        }
        Ok(())
    }

    /// Saves a checkpoint to go back to after a fault.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn save_good(&self, model: &dyn Learner, state: &mut TrainingState) -> Result<()> {
        state.good = name("good", state);
        self.write(&state.good, model, state)
    }

    /// Keeps the networks of this step for translation.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn keep(&self, model: &dyn Learner, step: u64) -> Result<()> {
        let folder = self.folder.join(kept_name(step));
        remove(&folder)?;
        fs::create_dir(&folder).map_err(|e| Error::io(&folder, e))?;
        model.save(&folder)?;
        seal(&folder)?;
        self.flush(&folder)
    }

    /// Puts the kept networks and the sheets into the stage's folder `out`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn hand_over(&self, state: &TrainingState, out: &Path) -> Result<()> {
        let sheets = self.names().filter(|name| name.starts_with("sheet-"));
        let mut files: Vec<PathBuf> = sheets.map(|name| self.folder.join(name)).collect();
        if let Some((step, _)) = state.kept {
            let kept = self.folder.join(kept_name(step));
            if let Err(error) = check_seal(&kept, AGAIN) {
                // Best effort: the error tells the user where it lies.
                let _ = remove(&self.folder);
                return Err(error);
            }
            let networks = walk(&kept)?.into_iter();
            files.extend(networks.filter(|path| !path.ends_with(SEAL)));
        }
        for file in files {
            link_or_copy(&file, &out.join(file.file_name().unwrap_or_default()))?;
        }
        Ok(())
    }

    /// Writes model and state under `name`, whole or not at all.
    fn write(&self, name: &str, model: &dyn Learner, state: &TrainingState) -> Result<()> {
        let (next, place) = (self.folder.join("next"), self.folder.join(name));
        if place.exists() {
            // The same step of the same attempt is the same state.
            return Ok(());
        }
        remove(&next)?;
        fs::create_dir(&next).map_err(|e| Error::io(&next, e))?;
        model.save_state(&next)?;
        write_json(&next.join(FILE), state)?;
        seal(&next)?;
        self.flush(&next)?;
        fs::rename(&next, &place).map_err(|e| Error::io(&place, e))
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

    /// Loads what was saved under `name`.
    ///
    /// # Errors
    /// If the folder holds no training of this model.
    pub(super) fn load(&self, name: &str, model: &mut dyn Learner) -> Result<TrainingState> {
        let folder = self.folder.join(name);
        check_seal(&folder, AGAIN)?;
        let state = read_json(&folder.join(FILE), AGAIN)?;
        model.load_state(&folder)?;
        Ok(state)
    }
}

const FILE: &str = "training.json";

/// What to do about a checkpoint that cannot be used; it is removed when this is said.
const AGAIN: &str = "run again: training starts anew";

/// In the order of their names, the checkpoints are in the order in which they were made.
fn name(kind: &str, state: &TrainingState) -> String {
    format!("{kind}-{:03}-{:09}", state.restarts, state.step)
}

fn kept_name(step: u64) -> String {
    format!("kept-{step:09}")
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Schedule;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_half_done_training_is_half_done_unless_the_rate_depends_on_its_steps() {
        let cache = tempfile::tempdir().unwrap();
        let done = |schedule, steps: u64| {
            let config = TrainConfig {
                schedule,
                steps,
                ..TrainConfig::default()
            };
            let ingredients = json!({ "config": { "steps": steps } });
            let resume = Resume::new(cache.path(), "train", ingredients, false, &|| Ok(()));
            share_done(&config, &resume)
        };
        assert_eq!(done(Schedule::Constant, 100), 0.0);
        let ingredients = json!({ "config": { "steps": 100 } });
        let resume = Resume::new(cache.path(), "train", ingredients, false, &|| Ok(()));
        for scope in [&["/config/steps"][..], &[]] {
            fs::create_dir_all(resume.scope(scope).join("step-000-000000050")).unwrap();
        }
        assert_eq!(done(Schedule::Constant, 100), 0.5);
        assert_eq!(done(Schedule::Constant, 200), 0.25);
        assert_eq!(done(Schedule::Linear, 100), 0.5);
        assert_eq!(done(Schedule::Linear, 200), 0.0);
    }
}
