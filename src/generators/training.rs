//! The training of a generator: batches, learning rate, sheets and checkpoints.
//!
//! What it is shown and how it is looked at, the stage says that trains it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::kind::{Batch, Trains};
use crate::artifact::files::{read_json, write_json};
use crate::artifact::resume::link_or_copy;
use crate::models::settings::check_rate;
use crate::seed::{Position, Stream};
use crate::stage::checkpoints::{self, AGAIN, Checkpoints};
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Steps between two points of the curves.
const POINT_EVERY: u64 = 10;

/// The largest batch.
const MOST_AT_ONCE: usize = 4096;

/// Checks the share that is held out.
///
/// # Errors
/// If it is out of range, in words.
pub fn check_held_out(share: f64) -> Result<(), String> {
    match (0.0..=0.5).contains(&share) {
        true => Ok(()),
        false => Err("`held_out` must lie in 0..0.5".into()),
    }
}

/// The numbers of what is learned from, and of this share of each class, which is held out: those first in the order of a
/// number that stands beside each.
pub fn divided(mut classes: Vec<Vec<(u64, usize)>>, share: f64) -> (Vec<usize>, Vec<usize>) {
    let (mut known, mut held_out) = (Vec::new(), Vec::new());
    for class in &mut classes {
        class.sort_unstable();
        // One at least is learned from.
        let count = (share * class.len() as f64).round() as usize;
        let count = count.min(class.len().saturating_sub(1));
        let number = |(_, number): &(u64, usize)| *number;
        held_out.extend(class[..count].iter().map(number));
        known.extend(class[count..].iter().map(number));
    }
    known.sort_unstable();
    held_out.sort_unstable();
    (known, held_out)
}

/// A point of the curves: losses are means since the point before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// Losses by name.
    pub values: BTreeMap<String, f64>,
}

/// What the loop knows beside the generator.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct LoopState {
    /// Steps done.
    step: u64,
    /// Where the stream that draws batches stands.
    stream: Position,
    history: Vec<Point>,
    /// Losses since the last point, and how many steps they are of.
    sums: BTreeMap<String, f64>,
    summed: u64,
}

/// How long a generator trains, and how often it is looked at and saved.
pub struct Schedule {
    /// Optimiser steps.
    pub steps: u64,
    /// Learning rate of Adam; it falls to zero in a line over the second half.
    pub rate: f64,
    /// Steps between two sheets of examples; 0 draws the last alone.
    pub watch_every: u64,
    /// Minutes between two checkpoints.
    pub checkpoint_minutes: f64,
}

impl Schedule {
    /// Checks it, and what else trainings of generators have in common.
    ///
    /// # Errors
    /// What is out of range, in words.
    pub fn check(&self, batch: usize, ema: f64) -> Result<(), String> {
        if self.steps == 0 {
            return Err("`steps` must be at least 1".into());
        }
        if !(2..=MOST_AT_ONCE).contains(&batch) {
            return Err(format!("`batch` must lie in 2..{MOST_AT_ONCE}"));
        }
        check_rate("rate", self.rate)?;
        if !(0.0..1.0).contains(&ema) {
            return Err("`ema` must be at least 0 and below 1".into());
        }
        if !(0.0..=1e9).contains(&self.checkpoint_minutes) {
            return Err("`checkpoint_minutes` must be at least 0".into());
        }
        Ok(())
    }

    /// The learning rate of a step, counted from 0.
    fn rate_at(&self, step: u64) -> f64 {
        let left = (self.steps - step) as f64 / self.steps as f64;
        self.rate * (2.0 * left).min(1.0)
    }
}

/// What a generator learns from, and how it is looked at.
pub trait TrainingData<L: Trains + ?Sized> {
    /// What one step learns from.
    ///
    /// # Errors
    /// If it cannot be read.
    fn batch(&self, stream: &mut Stream) -> Result<Batch>;

    /// Writes a sheet of what the generator draws, a PNG, to `path`.
    ///
    /// # Errors
    /// If it cannot be written.
    fn sheet(&self, learner: &L, path: &Path) -> Result<()>;
}

/// A training under way.
pub struct Training<'a> {
    /// How long it takes.
    pub schedule: Schedule,
    /// What earlier trainings may differ in and still be the beginning of this one. Not the number of steps, on which
    /// the rate depends.
    pub scopes: &'a [&'a [&'a str]],
    /// Of the stage that trains.
    pub context: &'a Context<'a>,
}

impl Training<'_> {
    /// Trains, or what is left of it after an earlier run; returns the curves.
    ///
    /// # Errors
    /// If losses are not numbers, the run is interrupted, or a file cannot be written.
    pub fn run<L: Trains + ?Sized>(
        &self,
        learner: &mut L,
        data: &impl TrainingData<L>,
    ) -> Result<Vec<Point>> {
        let (schedule, context) = (&self.schedule, self.context);
        let checkpoints = Checkpoints::open(context, self.scopes, schedule.steps)?;
        let mut state = self.begin(&checkpoints, learner)?;
        let mut stream = state.stream.stream();
        let mut saved = Instant::now();
        let every = Duration::from_secs_f64(60.0 * schedule.checkpoint_minutes);
        while state.step < schedule.steps {
            if context.check_interrupt().is_err() && checkpoints.lasting {
                state.stream = Position::of(&stream);
                save(&checkpoints, learner, &state)?;
            }
            context.check_interrupt()?;
            let batch = data.batch(&mut stream)?;
            let values = learner.step(&batch, schedule.rate_at(state.step));
            state.step += 1;
            self.take_in(&mut state, values)?;
            let at_end = state.step == schedule.steps;
            let watched =
                schedule.watch_every > 0 && state.step.is_multiple_of(schedule.watch_every);
            if watched || at_end {
                let name = format!("{SHEET}{:09}.png", state.step);
                data.sheet(learner, &checkpoints.folder().join(name))?;
            }
            if checkpoints.lasting && (at_end || saved.elapsed() >= every) {
                state.stream = Position::of(&stream);
                save(&checkpoints, learner, &state)?;
                saved = Instant::now();
            }
        }
        for name in sheets(&checkpoints) {
            link_or_copy(&checkpoints.folder().join(&name), &context.out.join(&name))?;
        }
        let path = context.out.join("history.json");
        write_json(&path, &json!({ "steps": state.history }))?;
        Ok(state.history)
    }

    /// The state to begin with: that of the newest checkpoint, if there is one.
    fn begin<L: Trains + ?Sized>(
        &self,
        checkpoints: &Checkpoints,
        learner: &mut L,
    ) -> Result<LoopState> {
        let Some(newest) = checkpoints.newest() else {
            return Ok(LoopState {
                step: 0,
                stream: Position::of(&self.context.seed.stream(0)),
                history: Vec::new(),
                sums: BTreeMap::new(),
                summed: 0,
            });
        };
        let load = |folder: &Path| {
            learner.load_state(folder)?;
            read_json::<LoopState>(&folder.join(FILE), AGAIN)
        };
        let state = checkpoints
            .read(&newest, load)
            .inspect_err(|_| checkpoints.discard())?;
        self.context
            .report_reused(state.step, self.schedule.steps, "steps");
        Ok(state)
    }

    /// Takes the losses of a step into the curves.
    fn take_in(&self, state: &mut LoopState, values: BTreeMap<String, f64>) -> Result<()> {
        if let Some((name, _)) = values.iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::failed(
                self.context.id,
                format!("step {}: the loss `{name}` is not a number", state.step),
                "lower `rate`",
            ));
        }
        for (name, value) in values {
            *state.sums.entry(name).or_default() += value;
        }
        state.summed += 1;
        if !state.step.is_multiple_of(POINT_EVERY) && state.step != self.schedule.steps {
            return Ok(());
        }
        let count = std::mem::take(&mut state.summed) as f64;
        let sums = std::mem::take(&mut state.sums).into_iter();
        let values: BTreeMap<_, _> = sums.map(|(name, sum)| (name, sum / count)).collect();
        let word =
            |(name, value): (&String, &f64)| format!("{} {value:.2}", name.replace('_', " "));
        self.context.emit(Event::Progress {
            done: state.step,
            total: self.schedule.steps,
            note: values.iter().map(word).collect::<Vec<_>>().join(", "),
        });
        self.context.emit(Event::Metric {
            step: state.step,
            values: values.clone(),
        });
        state.history.push(Point {
            step: state.step,
            values,
        });
        Ok(())
    }
}

/// Saves a checkpoint for a later run, and removes older ones.
fn save<L: Trains + ?Sized>(
    checkpoints: &Checkpoints,
    learner: &L,
    state: &LoopState,
) -> Result<()> {
    let name = checkpoints::name_of("step", 0, state.step);
    checkpoints.write(&name, |folder| {
        learner.save_state(folder)?;
        write_json(&folder.join(FILE), state)
    })?;
    let others = checkpoints.names();
    let mut old = others.filter(|other| other.starts_with("step-") && *other != name);
    old.try_for_each(|other| checkpoints.remove(&other))
}

/// Sheets are drawn again where a run resumes before them, with the same bytes.
fn sheets(checkpoints: &Checkpoints) -> impl Iterator<Item = PathBuf> {
    let names = checkpoints.names();
    names
        .filter(|name| name.starts_with(SHEET))
        .map(PathBuf::from)
}

/// How the names of sheets begin.
const SHEET: &str = "sheet-";

const FILE: &str = "training.json";
