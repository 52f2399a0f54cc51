//! What `train` can be told: one table for the loop, the networks that models share, and each model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversarial::AdversarialConfig;
use super::cyclegan::CycleGanConfig;
use crate::nn::discriminator::DiscriminatorConfig;
use crate::nn::generator::GeneratorConfig;

/// Configuration of `train`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// The architecture; see `verismo list models`.
    pub model: Model,
    /// Optimiser steps.
    pub steps: u64,
    /// Pictures of each domain a step.
    pub batch: usize,
    /// Learning rate of Adam; constant, then falling to zero in a line.
    pub rate: f64,
    /// The share of the steps after which the rate falls.
    pub decay_from: f64,
    /// Mirror pictures at random.
    pub flip: bool,
    /// Turn pictures by multiples of 90° at random.
    pub turn: bool,
    /// A sheet of examples is written every so many steps; 0 for never.
    pub sheet_every: u64,
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
}

/// The models that can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    CycleGan,
}

impl Model {
    /// What the registry calls it.
    pub fn name(self) -> &'static str {
        match self {
            Model::CycleGan => super::cyclegan::MODEL.name,
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
            decay_from: 0.5,
            flip: true,
            turn: false,
            sheet_every: 250,
            pool: 50,
            ema: 0.995,
            adversarial: AdversarialConfig::default(),
            generator: GeneratorConfig::default(),
            discriminator: DiscriminatorConfig::default(),
            cyclegan: CycleGanConfig::default(),
        }
    }
}
