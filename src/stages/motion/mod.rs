//! motion: networks learn from clips of renders how pictures move with the key points of their object, so that `animate`
//! can move photos.
//!
//! Each step takes two frames of a clip, of which the points are known exactly: the second is to be painted from the
//! first. Some clips are held out, to measure how well others are animated.

mod data;
mod exhibit;
mod looking;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifact::Kind;
use crate::artifact::resume::Resume;
use crate::generators::animate::MotionShape;
use crate::generators::training::{Schedule, Training, check_held_out};
use crate::generators::{Setting, Trains};
use crate::nn::device;
use crate::sample::Extent;
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, checkpoints,
    finding, parse,
};
use crate::{Error, Result};
use data::Data;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "motion",
    about: "learns from clips how pictures move with the key points of their object",
    version: 1,
    inputs: &[Input::required(
        "clips",
        Kind::Samples,
        "clips of renders, one object with key points in each",
    )],
    output: Kind::Motion,
    parse: parse::<Motion>,
    schema: || schemars::schema_for!(Motion),
    exhibit: exhibit::exhibit,
};

/// Configuration of `motion`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Motion {
    /// Optimiser steps.
    pub steps: u64,
    /// Pairs of frames a step.
    pub batch: usize,
    /// Learning rate of Adam; it falls to zero in a line over the second half.
    pub rate: f64,
    /// Decay of the averaged weights, which animate, a step.
    pub ema: f64,
    /// Channels of the finest layers of both networks; coarser ones have up to eight times as many.
    pub channels: usize,
    /// How much colours of the pairs are changed at random, 0..1, so that other pictures than these can be animated.
    pub colours: f64,
    /// The share of the clips that is held out, to measure how well others are animated.
    pub held_out: f64,
    /// Steps between two sheets of examples; 0 draws the last alone.
    pub watch_every: u64,
    /// Minutes between two checkpoints, from which a run that was stopped resumes; 0 for one after every
    /// step. The result is the same, so it is not part of the cache key.
    #[serde(skip_serializing)]
    pub checkpoint_minutes: f64,
}

impl Default for Motion {
    fn default() -> Self {
        Motion {
            steps: 2000,
            batch: 16,
            rate: 1e-3,
            ema: 0.995,
            channels: 16,
            colours: 0.3,
            held_out: 0.2,
            watch_every: 500,
            checkpoint_minutes: 2.0,
        }
    }
}

/// More would not fit into memory.
const MOST_CHANNELS: usize = 1024;

/// What earlier trainings may differ in and still be the beginning of this one: nothing.
const SCOPES: &[&[&str]] = &[&[]];

const SIZE_REMEDY: &str = "change the `size` of the stages that make pictures, e.g. to 64";

impl Stage for Motion {
    fn check(&self) -> Result<(), String> {
        if !(1..=MOST_CHANNELS).contains(&self.channels) {
            return Err(format!("`channels` must lie in 1..{MOST_CHANNELS}"));
        }
        if !(0.0..=1.0).contains(&self.colours) {
            return Err("`colours` must lie in 0..1".into());
        }
        check_held_out(self.held_out)?;
        self.schedule().check(self.batch, self.ema)
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        inputs.need_objects("clips", "to follow their points")?;
        inputs.need_clips("clips")?;
        let facts = inputs.facts("clips");
        if let Some(extent) = facts.extent {
            let readable = self.shape(extent).check();
            readable.map_err(|problem| Misfit::new(problem, SIZE_REMEDY))?;
        }
        Ok(Facts {
            extent: facts.extent,
            class_names: facts.class_names,
            ..Facts::default()
        })
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let pictures = (self.steps * self.batch as u64) as f64;
        let effort = inputs.facts("clips").extent.map(|extent| {
            // Two networks, forwards, and twice as much for the gradients.
            Effort::products(3.0 * 2.0 * pictures * self.shape(extent).products())
        });
        Forecast::new(None, effort)
    }

    fn left_over(&self, resume: &Resume, _: &Givens) -> f64 {
        checkpoints::share_done(resume, SCOPES, self.steps)
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let chosen = device::choose(context.device)?;
        let data = Data::read(self, context, &chosen)?;
        let shape = self.shape(data.clips.extent);
        let readable = shape.check();
        readable.map_err(|problem| Error::usage(context.id, problem, SIZE_REMEDY))?;
        let mut learner = shape.create(&Setting {
            device: &chosen,
            extent: data.clips.extent,
            columns: 1,
            ema: self.ema,
            seed: &context.seed,
        })?;
        context.emit(Event::Note {
            text: format!(
                "two networks with {:.2} M parameters on {}, {} clips to learn from and {} held out",
                learner.parameters() as f64 / 1e6,
                chosen.name,
                data.known.len(),
                data.held_out.len()
            ),
        });
        let training = Training {
            schedule: self.schedule(),
            scopes: SCOPES,
            context,
        };
        let history = training.run(&mut learner, &data)?;
        learner.save(context.out)?;
        let mut summary = json!({
            "model": "animate",
            "device": chosen.name,
            "clips": { "known": data.known.len(), "held_out": data.held_out.len() },
            "extent": data.clips.extent,
            "steps": self.steps,
            "parameters": learner.parameters(),
            "last": history.last(),
        });
        let findings = looking::look(context, &data, &learner.animator(), &mut summary)?;
        finding::record(&mut summary, &findings);
        Ok(summary)
    }
}

impl Motion {
    fn shape(&self, extent: Extent) -> MotionShape {
        MotionShape {
            extent,
            channels: self.channels,
        }
    }

    fn schedule(&self) -> Schedule {
        Schedule {
            steps: self.steps,
            rate: self.rate,
            watch_every: self.watch_every,
            checkpoint_minutes: self.checkpoint_minutes,
        }
    }
}
