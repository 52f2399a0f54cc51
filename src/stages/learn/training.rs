//! The training of a generator: batches, learning rate, sheets and checkpoints.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::config::LearnConfig;
use super::data::Data;
use super::looking;
use crate::artifact::files::{read_json, write_json};
use crate::artifact::resume::link_or_copy;
use crate::generators::Learner;
use crate::nn::device::Chosen;
use crate::seed::Position;
use crate::stage::checkpoints::{self, AGAIN, Checkpoints};
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Steps between two points of the curves.
const POINT_EVERY: u64 = 10;

/// What earlier trainings may differ in and still be the beginning of this one: nothing, since the rate depends on the
/// number of steps.
pub(super) const SCOPES: &[&[&str]] = &[&[]];

/// A point of the curves: losses are means since the point before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Point {
    pub step: u64,
    pub values: BTreeMap<String, f64>,
}

/// What the loop knows beside the generator.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    /// Steps done.
    step: u64,
    /// Where the stream that draws batches stands.
    stream: Position,
    history: Vec<Point>,
    /// Losses since the last point, and how many steps they are of.
    sums: BTreeMap<String, f64>,
    summed: u64,
}

/// A training under way.
pub(super) struct Training<'a> {
    pub config: &'a LearnConfig,
    pub context: &'a Context<'a>,
    pub data: &'a Data,
    pub device: &'a Chosen,
}

impl Training<'_> {
    /// Trains, or what is left of it after an earlier run; returns the curves.
    ///
    /// # Errors
    /// If losses are no numbers, the run is interrupted, or a file cannot be written.
    pub(super) fn run(&self, learner: &mut dyn Learner) -> Result<Vec<Point>> {
        let (config, context) = (self.config, self.context);
        let checkpoints = Checkpoints::open(context, SCOPES, config.steps)?;
        let mut state = self.begin(&checkpoints, learner)?;
        let (by_class, mut stream) = (self.data.by_class(), state.stream.stream());
        let mut saved = Instant::now();
        let every = Duration::from_secs_f64(60.0 * config.checkpoint_minutes);
        while state.step < config.steps {
            if context.check_interrupt().is_err() && checkpoints.lasting {
                state.stream = Position::of(&stream);
                save(&checkpoints, learner, &state)?;
            }
            context.check_interrupt()?;
            let batch = self
                .data
                .draw(config, &by_class, &mut stream, &self.device.device)?;
            let values = learner.step(&batch, config.rate_at(state.step));
            state.step += 1;
            self.take_in(&mut state, values)?;
            let at_end = state.step == config.steps;
            let watched = config.watch_every > 0 && state.step.is_multiple_of(config.watch_every);
            if watched || at_end {
                looking::sheet(
                    context,
                    self.data,
                    learner,
                    checkpoints.folder(),
                    state.step,
                )?;
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
    fn begin(&self, checkpoints: &Checkpoints, learner: &mut dyn Learner) -> Result<State> {
        let Some(newest) = checkpoints.newest() else {
            return Ok(State {
                step: 0,
                stream: Position::of(&self.context.seed.stream(0)),
                history: Vec::new(),
                sums: BTreeMap::new(),
                summed: 0,
            });
        };
        let load = |folder: &Path| {
            learner.load_state(folder)?;
            read_json::<State>(&folder.join(FILE), AGAIN)
        };
        let state = checkpoints
            .read(&newest, load)
            .inspect_err(|_| checkpoints.discard())?;
        self.context
            .report_reused(state.step, self.config.steps, "steps");
        Ok(state)
    }

    /// Takes the losses of a step into the curves.
    fn take_in(&self, state: &mut State, values: BTreeMap<String, f64>) -> Result<()> {
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
        if !state.step.is_multiple_of(POINT_EVERY) && state.step != self.config.steps {
            return Ok(());
        }
        let count = std::mem::take(&mut state.summed) as f64;
        let sums = std::mem::take(&mut state.sums).into_iter();
        let values: BTreeMap<_, _> = sums.map(|(name, sum)| (name, sum / count)).collect();
        let word =
            |(name, value): (&String, &f64)| format!("{} {value:.2}", name.replace('_', " "));
        self.context.emit(Event::Progress {
            done: state.step,
            total: self.config.steps,
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
fn save(checkpoints: &Checkpoints, learner: &dyn Learner, state: &State) -> Result<()> {
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
        .filter(|name| name.starts_with("sheet-"))
        .map(PathBuf::from)
}

const FILE: &str = "training.json";
