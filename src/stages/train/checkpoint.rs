//! The state of a training on disk: all that the next step depends on, and what was kept so far.
//!
//! A later run resumes from `step-…`, a restart from `good-…`; `kept-…` holds the best
//! networks so far. The first two are renamed into place when they are whole, `kept-…` is whole before
//! a state names it; each is removed once a newer `step-…` needs it no longer, so that a kill at any
//! moment leaves one to resume from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::faults::Fault;
use super::schedule::{self, Plateau};
use crate::artifact::files::{read_json, write_json};
use crate::artifact::resume::{Resume, link_or_copy};
use crate::models::Learner;
use crate::nn::ruler::{Closed, Distance};
use crate::seed::Position;
use crate::stage::Context;
use crate::stage::checkpoints::{self, AGAIN, Checkpoints};
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
    checkpoints::share_done(resume, scopes(config), config.steps)
}

/// Where the checkpoints of a training lie.
///
/// # Errors
/// If a folder cannot be created.
pub(super) fn open(config: &TrainConfig, context: &Context, steps: u64) -> Result<Checkpoints> {
    Checkpoints::open(context, scopes(config), steps)
}

/// Loads the newest checkpoint, where there is one, and removes the sheets that it does not know.
///
/// # Errors
/// If it cannot be read; it is removed then.
pub(super) fn go_on(
    checkpoints: &Checkpoints,
    model: &mut dyn Learner,
) -> Result<Option<TrainingState>> {
    let state = match checkpoints.newest() {
        Some(newest) => {
            Some(load(checkpoints, &newest, model).inspect_err(|_| checkpoints.discard())?)
        }
        None => None,
    };
    let known = |step: u64| match &state {
        Some(state) => step < state.step || (step == state.step && state.looked),
        None => false,
    };
    for name in sheets(checkpoints) {
        let step = name["sheet-".len()..].strip_suffix(".png");
        if !step.is_some_and(|step| step.parse().is_ok_and(known)) {
            let path = checkpoints.folder().join(&name);
            fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
        }
    }
    Ok(state)
}

/// Saves a checkpoint for a later run, and removes what is needed no longer.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn save(
    checkpoints: &Checkpoints,
    model: &dyn Learner,
    state: &TrainingState,
) -> Result<()> {
    let name = checkpoints::name_of("step", state.restarts, state.step);
    write(checkpoints, &name, model, state)?;
    let kept = state.kept.map(|(step, _)| kept_name(step));
    for other in checkpoints.names() {
        let checkpoint = ["step-", "good-", "kept-"];
        let old = checkpoint.iter().any(|prefix| other.starts_with(prefix))
            && ![&name, &state.good].contains(&&other)
            && kept.as_ref() != Some(&other);
        if old {
            checkpoints.remove(&other)?;
        }
    }
    Ok(())
}

/// Saves a checkpoint to go back to after a fault.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn save_good(
    checkpoints: &Checkpoints,
    model: &dyn Learner,
    state: &mut TrainingState,
) -> Result<()> {
    state.good = checkpoints::name_of("good", state.restarts, state.step);
    write(checkpoints, &state.good, model, state)
}

/// Keeps the networks of this step for translation.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn keep(checkpoints: &Checkpoints, model: &dyn Learner, step: u64) -> Result<()> {
    checkpoints.fill(&kept_name(step), |folder| model.save(folder))
}

/// Puts the kept networks and the sheets into the stage's folder `out`.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn hand_over(
    checkpoints: &Checkpoints,
    state: &TrainingState,
    out: &Path,
) -> Result<()> {
    let sheet = |name: String| checkpoints.folder().join(name);
    let mut files: Vec<PathBuf> = sheets(checkpoints).map(sheet).collect();
    if let Some((step, _)) = state.kept {
        files.extend(checkpoints.files(&kept_name(step))?);
    }
    for file in files {
        link_or_copy(&file, &out.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

/// Loads what was saved under `name`.
///
/// # Errors
/// If the folder holds no training of this model.
pub(super) fn load(
    checkpoints: &Checkpoints,
    name: &str,
    model: &mut dyn Learner,
) -> Result<TrainingState> {
    checkpoints.read(name, |folder| {
        let state = read_json(&folder.join(FILE), AGAIN)?;
        model.load_state(folder)?;
        Ok(state)
    })
}

fn write(
    checkpoints: &Checkpoints,
    name: &str,
    model: &dyn Learner,
    state: &TrainingState,
) -> Result<()> {
    checkpoints.write(name, |folder| {
        model.save_state(folder)?;
        write_json(&folder.join(FILE), state)
    })
}

fn sheets(checkpoints: &Checkpoints) -> impl Iterator<Item = String> {
    checkpoints
        .names()
        .filter(|name| name.starts_with("sheet-"))
}

const FILE: &str = "training.json";

fn kept_name(step: u64) -> String {
    format!("kept-{step:09}")
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
