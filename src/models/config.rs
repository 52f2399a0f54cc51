//! What `train` can be told: one table for the loop, the networks that models share, and each model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversarial::AdversarialConfig;
use super::cut::{CutConfig, FastCutConfig};
use super::cyclegan::CycleGanConfig;
use super::fda::FdaConfig;
use super::histogram::HistogramConfig;
use super::label_safety::LabelSafetyConfig;
use super::simgan::SimGanConfig;
use crate::nn::discriminator::DiscriminatorConfig;
use crate::nn::generator::GeneratorConfig;

/// Configuration of `train`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// The architecture; see `verismo list models`.
    pub model: Model,
    /// Optimiser steps. Raised later, a training with the schedule `constant` or `plateau` goes on from
    /// its last checkpoint; the other schedules depend on the number of steps, and start anew.
    pub steps: u64,
    /// Pictures of each domain a step.
    pub batch: usize,
    /// Learning rate of Adam.
    pub rate: f64,
    /// How the rate changes.
    pub schedule: Schedule,
    /// The share of the steps after which the rate falls (`linear`, `cosine`).
    pub decay_from: f64,
    /// The share of the steps between two falls (`step`).
    pub decay_every: f64,
    /// What the rate is multiplied by at a fall (`step`, `plateau`).
    pub decay_factor: f64,
    /// Looks without a better distance to the photos before a fall (`plateau`).
    pub patience: u64,
    /// Scale pictures to this side in pixels before anything is cut out; 0 leaves them as they are.
    pub resize: usize,
    /// Train on squares of this side in pixels, cut out at random places; 0 for whole pictures.
    pub crop: usize,
    /// Mirror pictures at random.
    pub flip: bool,
    /// Turn pictures by multiples of 90° at random.
    pub turn: bool,
    /// Look at the model every so many steps, 0 for never: a sheet of examples, its distance to the
    /// photos, its agreement with the labels, its faults.
    pub watch_every: u64,
    /// Renders to look at, and twice as many photos.
    pub watch_pictures: usize,
    /// Which networks are kept for translation. Where nothing can be measured, the last.
    pub keep: Keep,
    /// What follows when training has failed. Losses that are no number always lead to a restart.
    pub on_failure: OnFailure,
    /// Restarts at most, each with another seed and half the rate.
    pub restarts: u64,
    /// Minutes between two checkpoints, from which a run that was stopped goes on; 0 for one after every
    /// step. The result is the same, so that it is no part of the cache key.
    #[serde(skip_serializing)]
    pub checkpoint_minutes: f64,
    /// Fakes kept for the discriminators.
    pub pool: usize,
    /// Decay of the averaged weights, a step.
    pub ema: f64,
    /// The game of generator and discriminator.
    pub adversarial: AdversarialConfig,
    /// The generator's shape.
    pub generator: GeneratorConfig,
    /// The discriminator's shape.
    pub discriminator: DiscriminatorConfig,
    /// Settings of the model `cyclegan`.
    pub cyclegan: CycleGanConfig,
    /// Settings of the model `cut`.
    pub cut: CutConfig,
    /// Settings of the model `fastcut`.
    pub fastcut: FastCutConfig,
    /// Settings of the model `simgan`.
    pub simgan: SimGanConfig,
    /// Settings of the model `histogram`.
    pub histogram: HistogramConfig,
    /// Settings of the model `fda`.
    pub fda: FdaConfig,
    /// Losses that keep labels true, for every model that is trained.
    pub label_safety: LabelSafetyConfig,
}

/// The models that can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    CycleGan,
    Cut,
    FastCut,
    SimGan,
    Histogram,
    Fda,
}

/// How the learning rate changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Constant up to `decay_from`, then to zero in a line (Zhu et al. 2017).
    Linear,
    /// Falls by `decay_factor` every `decay_every`.
    Step,
    /// Constant up to `decay_from`, then to zero as half a cosine.
    Cosine,
    /// Falls by `decay_factor` after `patience` looks without a better distance to the photos.
    Plateau,
}

/// Which networks are kept for translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of the last step.
    Last,
    /// Those nearest to the photos, by the kernel distance.
    Kid,
    /// Those whose translations the task network most often reads as their class.
    Agreement,
}

/// What follows when training has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// A warning.
    Warn,
    /// Back to the last good checkpoint with another seed and half the rate.
    Restart,
}

impl TrainConfig {
    /// Side, in pixels, of pictures of `size` before anything is cut out of them.
    pub fn resized(&self, size: usize) -> usize {
        if self.resize == 0 { size } else { self.resize }
    }

    /// Side, in pixels, of what the networks train on where pictures have `size`.
    pub fn side(&self, size: usize) -> usize {
        if self.crop == 0 {
            self.resized(size)
        } else {
            self.crop
        }
    }
}

impl Model {
    /// What the registry calls it.
    pub fn name(self) -> &'static str {
        match self {
            Model::CycleGan => super::cyclegan::MODEL.name,
            Model::Cut => super::cut::MODEL.name,
            Model::FastCut => super::cut::FAST.name,
            Model::SimGan => super::simgan::MODEL.name,
            Model::Histogram => super::histogram::MODEL.name,
            Model::Fda => super::fda::MODEL.name,
        }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            model: Model::CycleGan,
            steps: 1000,
            batch: 4,
            rate: 2e-4,
            schedule: Schedule::Linear,
            decay_from: 0.5,
            decay_every: 0.25,
            decay_factor: 0.1,
            patience: 3,
            resize: 0,
            crop: 0,
            flip: true,
            turn: false,
            watch_every: 250,
            watch_pictures: 128,
            keep: Keep::Kid,
            on_failure: OnFailure::Warn,
            restarts: 2,
            checkpoint_minutes: 2.0,
            pool: 50,
            ema: 0.995,
            adversarial: AdversarialConfig::default(),
            generator: GeneratorConfig::default(),
            discriminator: DiscriminatorConfig::default(),
            cyclegan: CycleGanConfig::default(),
            cut: CutConfig::default(),
            fastcut: FastCutConfig::default(),
            simgan: SimGanConfig::default(),
            histogram: HistogramConfig::default(),
            fda: FdaConfig::default(),
            label_safety: LabelSafetyConfig::default(),
        }
    }
}
