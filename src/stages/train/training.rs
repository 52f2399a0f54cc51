//! The training loop: it knows batches, the schedule, looks and checkpoints, but no model.

use std::collections::BTreeMap;
use std::path::Path;

use super::checkpoint::{self, Point, State};
use super::data::Data;
use super::faults::{self, Fault};
use super::watch::{Look, Watch};
use super::{memory, schedule};
use crate::models::Adapter;
use crate::models::config::{Keep, OnFailure, TrainConfig};
use crate::nn::device::Chosen;
use crate::seed::{Position, Stream};
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Steps between two points of the curves.
const POINT_EVERY: u64 = 10;

/// A training under way.
pub struct Training<'a> {
    pub config: &'a TrainConfig,
    pub context: &'a Context<'a>,
    pub data: &'a Data,
    pub device: &'a Chosen,
    pub model: &'a mut dyn Adapter,
    /// Where nobody is to look, none.
    pub watch: Option<Watch<'a>>,
    /// A folder for the last good checkpoint.
    pub good: &'a Path,
}

impl Training<'_> {
    /// Trains for `steps` and leaves the kept networks in the stage's folder.
    ///
    /// # Errors
    /// Where it fails beyond its restarts, is interrupted, or a file cannot be written.
    pub fn run(&mut self, steps: u64) -> Result<State> {
        let mut stream = self.context.seed.stream(0);
        let mut state = State::new(Position::of(&stream));
        checkpoint::save(self.good, self.model, &state)?;
        while state.step < steps {
            state.step += 1;
            let mut seen = self.step(&mut state, &mut stream)?;
            let (finite, at_end) = (seen.is_empty(), state.step == steps);
            if finite && (state.step.is_multiple_of(POINT_EVERY) || at_end) {
                seen.extend(self.point(&mut state, steps)?);
            }
            let watched = self.config.watch_every > 0
                && (state.step.is_multiple_of(self.config.watch_every) || at_end);
            if finite && watched {
                seen.extend(self.look(&mut state)?);
                if seen.is_empty() {
                    state.stream = Position::of(&stream);
                    checkpoint::save(self.good, self.model, &state)?;
                }
            }
            if let Some(fault) = self.tell(&mut state, &seen) {
                stream = self.go_back(&mut state, fault)?;
            }
        }
        if steps == 0 {
            self.look(&mut state)?;
        }
        if state.kept.is_none() {
            self.model.save(self.context.out)?;
            state.kept = Some((state.step, f64::NAN));
        }
        Ok(state)
    }

    /// One step of the model.
    fn step(&mut self, state: &mut State, stream: &mut Stream) -> Result<Vec<Fault>> {
        self.context.check_interrupt()?;
        let batch = self.data.draw(self.config, stream, &self.device.device);
        let rate = schedule::rate(self.config, state.step - 1, &state.plateau)
            * 0.5f64.powf(state.restarts as f64);
        let values = if self.device.cpu {
            self.model.step(&batch, rate)
        } else {
            let count = self.config.batch;
            memory::guarded(self.context, count, || self.model.step(&batch, rate))?
        };
        if values.values().any(|value| !value.is_finite()) {
            return Ok(vec![Fault::NotFinite]);
        }
        for (name, value) in values {
            *state.sums.entry(name).or_default() += value;
        }
        state.summed += 1;
        Ok(Vec::new())
    }

    /// A point of the curves: the means since the point before.
    fn point(&self, state: &mut State, steps: u64) -> Result<Option<Fault>> {
        let count = std::mem::take(&mut state.summed);
        let sums = std::mem::take(&mut state.sums).into_iter();
        let values: BTreeMap<_, _> = sums.map(|(name, sum)| (name, sum / count as f64)).collect();
        state.saturated = faults::saturated_for(state.saturated, &values, count);
        let words = in_words(&values);
        self.record(state, values);
        self.context.progress(state.step, steps, words)?;
        Ok((state.saturated >= faults::LONG).then_some(Fault::Saturation))
    }

    /// Looks at the model, and keeps it where it is the best so far.
    fn look(&mut self, state: &mut State) -> Result<Vec<Fault>> {
        let Some(watch) = &self.watch else {
            return Ok(Vec::new());
        };
        let look = watch.look(self.model);
        watch.sheet(self.context, self.model, &look, state.step)?;
        self.record(state, look.values.clone());
        if let Some(distance) = look.kid {
            state.plateau.take_in(distance, self.config.patience);
        }
        if look.faults.is_empty() {
            let score = score(self.config.keep, &look, state.step);
            if state.kept.is_none_or(|(_, best)| score > best) {
                self.model.save(self.context.out)?;
                state.kept = Some((state.step, score));
            }
        }
        Ok(look.faults)
    }

    /// Adds values to the curves.
    fn record(&self, state: &mut State, values: BTreeMap<String, f64>) {
        let step = state.step;
        self.context.emit(Event::Metric {
            step,
            values: values.clone(),
        });
        match state.history.last_mut() {
            Some(last) if last.step == step => last.values.extend(values),
            _ => state.history.push(Point { step, values }),
        }
    }

    /// Warns of new faults; returns the one to go back for.
    fn tell(&self, state: &mut State, seen: &[Fault]) -> Option<Fault> {
        let mut back = None;
        for fault in seen {
            if !state.faults.iter().any(|(_, known)| known == fault) {
                state.faults.push((state.step, *fault));
                let text = format!("step {}: {}", state.step, fault.advice());
                self.context.emit(Event::Warning { text });
            }
            if *fault == Fault::NotFinite || self.config.on_failure == OnFailure::Restart {
                back = Some(*fault);
            }
        }
        back
    }

    /// Goes on from the last good checkpoint with another seed and half the rate.
    fn go_back(&mut self, state: &mut State, fault: Fault) -> Result<Stream> {
        if state.restarts >= self.config.restarts {
            return Err(self.gave_up(state, fault));
        }
        let lost = std::mem::replace(state, checkpoint::load(self.good, self.model)?);
        state.restarts = lost.restarts + 1;
        (state.faults, state.kept) = (lost.faults, lost.kept);
        self.context.emit(Event::Warning {
            text: format!(
                "step {}: back to step {} with another seed and half the rate (restart {} of {})",
                lost.step, state.step, state.restarts, self.config.restarts
            ),
        });
        Ok(self.context.seed.attempt(state.restarts).stream(0))
    }

    fn gave_up(&self, state: &State, fault: Fault) -> Error {
        let mut story = format!("failed at step {}", state.step);
        if state.restarts > 0 {
            story += &format!(", after {} restarts", state.restarts);
        }
        match state.kept {
            Some((step, score)) => {
                let keep = self.config.keep;
                story += &format!(
                    "; its best networks were those of step {step}, {}",
                    match keep {
                        Keep::Kid if score < 0.0 => format!("with a KID of {:.4}", -score),
                        Keep::Agreement if score <= 1.0 =>
                            format!("with an agreement of {score:.2}"),
                        _ => "the last that looked right".to_owned(),
                    }
                );
            }
            None => story += "; no look at it showed it right",
        }
        Error::failed(self.context.id, story, fault.advice())
    }
}

/// How good a look is, higher for better, by the criterion of `keep`.
fn score(keep: Keep, look: &Look, step: u64) -> f64 {
    let measured = match keep {
        Keep::Last => None,
        Keep::Kid => look.kid.map(|kid| -kid),
        Keep::Agreement => look.agreement,
    };
    measured.unwrap_or(step as f64)
}

fn in_words(values: &BTreeMap<String, f64>) -> String {
    let word = |(name, value): (&String, &f64)| {
        let short: String = name.chars().take(3).collect();
        format!("{short} {value:.3}")
    };
    values.iter().map(word).collect::<Vec<_>>().join(" ")
}
