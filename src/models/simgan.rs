//! SimGAN: a refiner makes renders realistic, and is held close to them pixel by pixel.
//! Shrivastava et al., Learning from Simulated and Unsupervised Images through Adversarial Training,
//! 2017. <https://arxiv.org/abs/1612.07828>
//!
//! Key idea: a fully convolutional refiner that never lowers the resolution, a discriminator that
//! judges patches, an L1 loss between render and refined picture, and a history of refined pictures
//! for the discriminator.
//! Deviations: the refiner puts out a correction of the render, so that it starts as the identity and
//! needs no warm-up; the refiner's steps and the discriminator's within one step share its batch; the
//! adversarial loss is that of `adversarial.loss`, the averaged weights (EMA) translate.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversarial::{Arena, Losses, Player};
use super::critic::{Critic, Judge};
use super::kind::{self, LabelEffect, Model, ModelKind};
use super::label_safety::LabelSafety;
use super::learner::{Batch, Learner, Passes, Setting};
use super::settings::{Shared, check_weights};
use super::translator::{Chain, Translator, load_translator, save_generator};
use super::weights::{load_weights, save_weights};
use crate::Result;
use crate::nn::ema;
use crate::nn::generator::{Generator, GeneratorConfig, GeneratorKind};
use crate::nn::init::{Init, initialise};
use crate::nn::losses::l1;
use crate::nn::norm::NormKind;
use crate::sample::Extent;

/// The registry entry.
pub const MODEL: ModelKind = ModelKind {
    name: "simgan",
    about: "a refiner of full resolution, held close to the render pixel by pixel",
    labels: LabelEffect::Kept,
    maps: &[],
    parse: kind::parse::<SimGanConfig>,
    schema: kind::schema::<SimGanConfig>,
    load: load_translator,
};

/// Configuration of a SimGAN.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimGanConfig {
    /// Weight of the mean absolute change of a render's pixels.
    pub self_regularisation: f64,
    /// Steps of the refiner before those of the discriminator (`K_g`).
    pub refiner_steps: usize,
    /// Steps of the discriminator (`K_d`).
    pub discriminator_steps: usize,
    /// Channels of the refiner.
    pub channels: usize,
    /// Residual blocks of the refiner.
    pub blocks: usize,
    /// The refiner's norm. Without one, as in the paper, it cannot see a picture's mean and spread.
    pub norm: NormKind,
}

impl Default for SimGanConfig {
    fn default() -> Self {
        SimGanConfig {
            self_regularisation: 2.0,
            refiner_steps: 2,
            discriminator_steps: 1,
            channels: 16,
            blocks: 4,
            norm: NormKind::Instance,
        }
    }
}

impl Model for SimGanConfig {
    fn check(&self) -> Result<(), String> {
        if self.refiner_steps == 0 || self.discriminator_steps == 0 || self.channels == 0 {
            return Err(
                "`refiner_steps`, `discriminator_steps` and `channels` must be at least 1".into(),
            );
        }
        check_weights([("self_regularisation", self.self_regularisation)])
    }

    /// The refiner has a shape of its own, and keeps the resolution.
    fn check_extents(&self, shared: &Shared, whole: Extent, seen: Extent) -> Result<(), String> {
        shared.discriminator.check_size(seen)?;
        let refiner = self.refiner(shared);
        refiner.check_size(whole)?;
        refiner.check_size(seen)
    }

    fn against_collapse(&self) -> &'static str {
        "raise `simgan.self_regularisation`"
    }

    fn against_inversion(&self) -> &'static str {
        self.against_collapse()
    }

    fn create(&self, shared: &Shared, setting: Setting) -> Result<Box<dyn Learner>> {
        Ok(Box::new(SimGan::new(self, shared, setting)?))
    }
}

impl SimGanConfig {
    /// The refiner's shape.
    fn refiner(&self, shared: &Shared) -> GeneratorConfig {
        GeneratorConfig {
            kind: GeneratorKind::Resnet,
            channels: self.channels,
            blocks: self.blocks,
            downsamplings: 0,
            kernel: 3,
            residual: true,
            norm: self.norm,
            precision: shared.generator.precision,
        }
    }
}

/// A SimGAN in training.
struct SimGan {
    config: SimGanConfig,
    shared: Shared,
    arena: Arena,
    refiner: Player<Generator>,
    critic: Critic,
    average: Generator,
    safety: LabelSafety,
    /// What its pictures measure.
    extent: Extent,
}

impl SimGan {
    fn new(config: &SimGanConfig, shared: &Shared, setting: Setting) -> Result<Self> {
        let arena = Arena::new(shared, &setting)?;
        let device = &arena.device;
        let stream = |number: u64| setting.seed.stream((1 << 40) + number);
        let init = Init::Normal(0.02);
        let refiner = config.refiner(shared).init(device);
        let refiner = initialise(refiner, init, &mut stream(0), 1);
        let critic = shared.discriminator.init(setting.extent, device);
        let critic = initialise(critic, init, &mut stream(1), 1 << 20);
        Ok(SimGan {
            average: refiner.valid(),
            refiner: Player::new(refiner, &shared.adversarial),
            critic: Critic::new(critic, shared, stream(2)),
            safety: LabelSafety::new(&shared.label_safety, &setting)?,
            extent: setting.extent,
            config: config.clone(),
            shared: shared.clone(),
            arena,
        })
    }
}

/// What the refiner minimises on one shard.
fn losses(config: &SimGanConfig, judge: &Judge, refiner: &Generator, batch: &Batch) -> Losses {
    let refined = refiner.forward(batch.renders.clone());
    let adversarial = judge.loss(&batch.photos, refined.clone());
    let regularisation = l1(refined.clone(), batch.renders.clone());
    Losses {
        total: adversarial.clone() + regularisation.clone() * config.self_regularisation,
        named: vec![
            ("adversarial", adversarial),
            ("self_regularisation", regularisation),
        ],
        fakes: vec![refined],
    }
}

impl Learner for SimGan {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let (arena, critic) = (&self.arena, &mut self.critic);
        let pace = critic.generator_pace(arena);
        let (mut values, mut fakes) = (BTreeMap::new(), Vec::new());
        for _ in 0..self.config.refiner_steps {
            let outcome = self
                .refiner
                .learn(arena, batch, rate * pace, |refiner, batch| {
                    let judge = critic.judge(arena);
                    let losses = losses(&self.config, &judge, refiner, batch);
                    self.safety.guard(batch, losses)
                });
            (values, fakes) = (outcome.values, outcome.fakes);
            let average = self.average.clone();
            self.average = ema::update(average, &self.refiner.network, self.shared.ema);
        }
        for fake in fakes {
            for _ in 0..self.config.discriminator_steps {
                values.extend(critic.learn(arena, batch.photos.clone(), fake.clone(), rate));
            }
        }
        values
    }

    fn translator(&self) -> Box<dyn Translator> {
        let device = self.arena.device.clone().inner();
        Box::new(Chain::new(vec![self.average.clone()], device))
    }

    fn passes(&self) -> Passes {
        // The estimate counts in passes of the configured generator, which the refiner is not.
        let refiner = self.config.refiner(&self.shared).outputs(self.extent);
        Passes {
            generator: refiner.div_ceil(self.shared.generator.outputs(self.extent)),
            critic: 1,
        }
    }

    fn parameters(&self) -> usize {
        self.refiner.network.num_params() + self.critic.parameters()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let shape = self.config.refiner(&self.shared);
        save_generator(&shape, &self.average, folder)
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        save_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.refiner.save(folder, "refiner")?;
        self.critic.save(folder, "critic")
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.average = load_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.refiner.load(folder, "refiner")?;
        self.critic.load(folder, "critic", &self.arena)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::{batch, count_gradients, setting, shared};

    fn model(config: SimGanConfig) -> SimGan {
        let small = SimGanConfig {
            channels: 4,
            blocks: 1,
            ..config
        };
        setting(|setting| SimGan::new(&small, &shared(), setting).unwrap())
    }

    #[test]
    fn gradients_arrive_at_the_whole_refiner() {
        let model = model(SimGanConfig::default());
        let refiner = model.refiner.network.clone();
        let judge = model.critic.judge(&model.arena);
        let losses = losses(&model.config, &judge, &refiner, &batch());
        let (arrived, all) = count_gradients(losses.total, &refiner);
        assert_eq!(arrived, all);
    }

    #[test]
    fn self_regularisation_keeps_the_render() {
        let change = |weight: f64| {
            let mut model = model(SimGanConfig {
                self_regularisation: weight,
                ..SimGanConfig::default()
            });
            for _ in 0..8 {
                model.step(&batch(), 3e-3);
            }
            let refined = model.refiner.network.valid().forward(batch().renders);
            l1(refined, batch().renders).into_scalar::<f32>()
        };
        let (free, held) = (change(0.0), change(100.0));
        assert!(held < 0.5 * free, "{held}, {free}");
    }
}
