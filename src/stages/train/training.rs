//! The training loop: it knows batches, the schedule, looks and checkpoints, but no model.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::checkpoint::{self, Point, TrainingState};
use super::config::{Keep, OnFailure, TrainConfig};
use super::data::Data;
use super::faults::{self, Fault};
use super::watch::{Look, Watch};
use super::{memory, schedule};
use crate::models::{Learner, Model};
use crate::nn::device::Chosen;
use crate::seed::{Position, Stream};
use crate::stage::checkpoints::Checkpoints;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Steps between two points of the curves.
const POINT_EVERY: u64 = 10;

/// A training under way.
pub(super) struct Training<'a> {
    pub config: &'a TrainConfig,
    /// The model's own, for advice.
    pub settings: &'a dyn Model,
    pub context: &'a Context<'a>,
    pub data: &'a Data,
    pub device: &'a Chosen,
    pub model: &'a mut dyn Learner,
    /// Where nobody is to look, none.
    pub watch: Option<Watch<'a>>,
    pub checkpoints: Checkpoints,
    /// When the last checkpoint for a later run was saved.
    pub saved: Instant,
}

impl Training<'_> {
    /// Trains for `steps`, or what is left of them after an earlier run, and leaves the kept networks
    /// in the stage's folder.
    ///
    /// # Errors
    /// If it fails beyond its restarts, is interrupted, or a file cannot be written.
    pub(super) fn run(&mut self, steps: u64) -> Result<TrainingState> {
        let mut state = self.begin(steps)?;
        let mut stream = state.stream.stream();
        while state.step < steps || !state.looked {
            let mut seen = Vec::new();
            if state.looked {
                self.stop_if_asked(&mut state, &stream)?;
                state.step += 1;
                seen = self.step(&mut state, &mut stream)?;
                state.looked = false;
                if seen.is_empty() {
                    // Before the look, which at the end comes where a longer training has none.
                    self.save_if_due(&mut state, &stream, steps)?;
                }
            }
            let (finite, at_end) = (seen.is_empty(), state.step == steps);
            if finite && (state.step.is_multiple_of(POINT_EVERY) || at_end) {
                seen.extend(self.point(&mut state, steps));
            }
            let watched = self.config.watch_every > 0
                && (state.step.is_multiple_of(self.config.watch_every) || at_end);
            if finite && watched {
                seen.extend(self.look(&mut state)?);
            }
            state.looked = true;
            if finite && watched && seen.is_empty() {
                state.stream = Position::of(&stream);
                checkpoint::save_good(&self.checkpoints, self.model, &mut state)?;
            }
            if let Some(fault) = self.tell(&mut state, &seen) {
                stream = self.go_back(&mut state, fault)?;
            }
        }
        if steps == 0 {
            self.look(&mut state)?;
        }
        if state.kept.is_none() {
            checkpoint::keep(&self.checkpoints, self.model, state.step)?;
            state.kept = Some((state.step, f64::NAN));
        }
        checkpoint::hand_over(&self.checkpoints, &state, self.context.out)?;
        Ok(state)
    }

    /// The state that an earlier run left, or that before the first step.
    fn begin(&mut self, steps: u64) -> Result<TrainingState> {
        if let Some(state) = checkpoint::go_on(&self.checkpoints, self.model)? {
            self.context.report_reused(state.step, steps, "steps");
            for (step, fault) in &state.faults {
                self.warn(*step, *fault);
            }
            return Ok(state);
        }
        let mut state = TrainingState::new(Position::of(&self.context.seed.stream(0)));
        checkpoint::save_good(&self.checkpoints, self.model, &mut state)?;
        Ok(state)
    }

    /// Ends with a checkpoint after Ctrl-C.
    fn stop_if_asked(&self, state: &mut TrainingState, stream: &Stream) -> Result<()> {
        let asked = self.context.check_interrupt();
        if asked.is_err() && self.checkpoints.lasting {
            state.stream = Position::of(stream);
            checkpoint::save(&self.checkpoints, self.model, state)?;
        }
        asked
    }

    /// Saves a checkpoint for a later run, where it is time for one.
    fn save_if_due(
        &mut self,
        state: &mut TrainingState,
        stream: &Stream,
        steps: u64,
    ) -> Result<()> {
        let every = Duration::from_secs_f64(60.0 * self.config.checkpoint_minutes);
        let due = state.step == steps || self.saved.elapsed() >= every;
        if due && self.checkpoints.lasting {
            state.stream = Position::of(stream);
            checkpoint::save(&self.checkpoints, self.model, state)?;
            self.saved = Instant::now();
        }
        Ok(())
    }

    /// One step of the model.
    fn step(&mut self, state: &mut TrainingState, stream: &mut Stream) -> Result<Vec<Fault>> {
        let batch = self.data.draw(self.config, stream, &self.device.device)?;
        let rate = schedule::rate(self.config, state.step - 1, &state.plateau)
            * 0.5f64.powf(state.restarts as f64);
        let values = if self.device.cpu {
            self.model.step(&batch, rate)
        } else {
            let step = || self.model.step(&batch, rate);
            memory::guarded(self.context, self.config, step)?
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
    fn point(&self, state: &mut TrainingState, steps: u64) -> Option<Fault> {
        let count = std::mem::take(&mut state.summed);
        let sums = std::mem::take(&mut state.sums).into_iter();
        let values: BTreeMap<_, _> = sums.map(|(name, sum)| (name, sum / count as f64)).collect();
        state.saturated = faults::saturated_for(state.saturated, &values, count);
        // Ctrl-C is heard before the next step: here, half of what belongs to this one is done.
        self.context.emit(Event::Progress {
            done: state.step,
            total: steps,
            note: in_words(&values),
        });
        self.record(state, values);
        (state.saturated >= faults::LONG).then_some(Fault::Saturation)
    }

    /// Looks at the model, and keeps it where it is the best so far.
    fn look(&mut self, state: &mut TrainingState) -> Result<Vec<Fault>> {
        let Some(watch) = &self.watch else {
            return Ok(Vec::new());
        };
        let look = watch.look(self.model)?;
        watch.sheet(self.checkpoints.folder(), &look, state.step)?;
        self.record(state, look.values.clone());
        if let Some((distance, _)) = look.distance {
            state.plateau.take_in(distance.value, self.config.patience);
        }
        if look.faults.is_empty() {
            let score = score(self.config.keep, &look, state.step);
            if state.kept.is_none_or(|(_, best)| score > best) {
                checkpoint::keep(&self.checkpoints, self.model, state.step)?;
                state.kept = Some((state.step, score));
                state.reached = look.distance;
            }
        }
        Ok(look.faults)
    }

    /// Adds values to the curves.
    fn record(&self, state: &mut TrainingState, values: BTreeMap<String, f64>) {
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
    fn tell(&self, state: &mut TrainingState, seen: &[Fault]) -> Option<Fault> {
        let mut back = None;
        for fault in seen {
            if !state.faults.iter().any(|(_, known)| known == fault) {
                state.faults.push((state.step, *fault));
                self.warn(state.step, *fault);
            }
            if *fault == Fault::NotFinite || self.config.on_failure == OnFailure::Restart {
                back = Some(*fault);
            }
        }
        back
    }

    fn warn(&self, step: u64, fault: Fault) {
        let text = format!("step {step}: {}", fault.advice(self.settings));
        self.context.emit(Event::Warning { text });
    }

    /// Goes on from the last good checkpoint with another seed and half the rate.
    fn go_back(&mut self, state: &mut TrainingState, fault: Fault) -> Result<Stream> {
        if state.restarts >= self.config.restarts {
            return Err(self.gave_up(state, fault));
        }
        let good = checkpoint::load(&self.checkpoints, &state.good, self.model)?;
        let lost = std::mem::replace(state, good);
        state.restarts = lost.restarts + 1;
        (state.faults, state.kept, state.reached) = (lost.faults, lost.kept, lost.reached);
        self.context.emit(Event::Warning {
            text: format!(
                "step {}: back to step {} with another seed and half the rate (restart {} of {})",
                lost.step, state.step, state.restarts, self.config.restarts
            ),
        });
        Ok(self.context.seed.attempt(state.restarts).stream(0))
    }

    fn gave_up(&self, state: &TrainingState, fault: Fault) -> Error {
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
                        Keep::Kid if score < 1.0 =>
                            format!("at a distance of {:.3} from the photos", -score),
                        Keep::Agreement if score <= 1.0 =>
                            format!("with an agreement of {score:.2}"),
                        _ => "the last that looked right".to_owned(),
                    }
                );
            }
            None => story += "; it never looked right",
        }
        Error::failed(self.context.id, story, fault.advice(self.settings))
    }
}

/// How good a look is, higher for better, by the criterion of `keep`.
fn score(keep: Keep, look: &Look, step: u64) -> f64 {
    let measured = match keep {
        Keep::Last => None,
        Keep::Kid => look.distance.map(|(distance, _)| -distance.value),
        Keep::Agreement => look.agreement,
    };
    measured.unwrap_or(step as f64)
}

fn in_words(values: &BTreeMap<String, f64>) -> String {
    let word = |(name, value): (&String, &f64)| format!("{} {value:.2}", name.replace('_', " "));
    values.iter().map(word).collect::<Vec<_>>().join(", ")
}
