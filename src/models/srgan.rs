//! SRGAN: enlarges pictures two or four times, and their labels with them. It learns from photos alone.
//! Ledig et al., Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, 2017.
//! <https://arxiv.org/abs/1609.04802>
//!
//! Key idea: photos are made smaller, and a network learns to bring back what they were; at first by the mean square
//! error, which blurs, then also by what a network sees in them and by a discriminator on pictures of full size.
//! Deviations: the task network, which learned from the renders alone, in place of VGG; the pixels' error stays beside
//! it; patches are judged, by the shared discriminator; averaged weights (EMA) enlarge. Losses that keep labels true are
//! of renders made smaller and enlarged again. The deviations of the network stand in [`crate::nn::upscaler`].

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversarial::{Arena, Losses, Player};
use super::critic::{Critic, Judge};
use super::kind::{self, LabelEffect, Model, ModelKind};
use super::label_safety::{LabelSafety, frozen, perceptual};
use super::learner::{Batch, Learner, Passes, Setting};
use super::settings::{Shared, check_weights};
use super::task_network::Layers;
use super::translator::Translator;
use super::weights::{load_weights, read_state, save_weights};
use crate::Result;
use crate::artifact::files::write_json;
use crate::nn::batch::{to_pictures, to_tensor};
use crate::nn::device::Chosen;
use crate::nn::ema;
use crate::nn::init::{Init, initialise};
use crate::nn::resample::resample;
use crate::nn::upscaler::{Upscaler, UpscalerShape};
use crate::sample::Extent;
use crate::sample::maps::Decoded;
use crate::seed::Stream;

/// The registry entry.
pub const MODEL: ModelKind = ModelKind {
    name: "srgan",
    about: "enlarges pictures two or four times, labels included; learns from photos alone",
    labels: LabelEffect::Mapped,
    maps: &[],
    parse: kind::parse::<SrganConfig>,
    schema: kind::schema::<SrganConfig>,
    load,
};

/// Configuration of `srgan`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SrganConfig {
    /// How many times as wide and high pictures become: 2 or 4.
    pub scale: u32,
    /// Steps in which only the pixels' error counts, before the others join.
    pub pretrain: u64,
    /// Weight of the mean square error of the pixels of enlarged photos.
    pub pixel: f64,
    /// Weight of the change of what the task network sees in them, relative to the photo; of use with one only.
    pub content: f64,
    /// Weight of the discriminator's judgement.
    pub adversarial: f64,
    /// Channels of the network.
    pub channels: usize,
    /// Residual blocks of the network.
    pub blocks: usize,
}

impl Default for SrganConfig {
    fn default() -> Self {
        SrganConfig {
            scale: 2,
            pretrain: 500,
            pixel: 1.0,
            content: 0.02,
            adversarial: 1e-3,
            channels: 32,
            blocks: 8,
        }
    }
}

/// What is left of a picture's shorter side when it is made smaller, at least.
const LEAST: u32 = 8;

impl Model for SrganConfig {
    fn check(&self) -> Result<(), String> {
        if ![2, 4].contains(&self.scale) {
            return Err("`scale` must be 2 or 4".into());
        }
        if self.channels == 0 {
            return Err("`channels` must be at least 1".into());
        }
        check_weights([
            ("pixel", self.pixel),
            ("content", self.content),
            ("adversarial", self.adversarial),
        ])?;
        if self.pixel == 0.0 {
            return Err(
                "`pixel` must be above 0: without it nothing is learned in `pretrain`".into(),
            );
        }
        Ok(())
    }

    /// The network has a shape of its own; pictures are made smaller for training and for looking.
    fn check_extents(&self, shared: &Shared, whole: Extent, seen: Extent) -> Result<(), String> {
        let scale = self.scale;
        for (name, side) in whole.sides().into_iter().chain(seen.sides()) {
            if !side.is_multiple_of(scale) || side / scale < LEAST {
                return Err(format!(
                    "pictures whose {name} is {side} pixels cannot be made {scale} times smaller to learn from: choose \
                     a {name} that is a multiple of {scale}, at least {}, or lower `srgan.scale`",
                    LEAST * scale
                ));
            }
        }
        shared.discriminator.check_size(seen)
    }

    fn enlargement(&self) -> u32 {
        self.scale
    }

    fn against_collapse(&self) -> &'static str {
        "raise `srgan.pixel`, lower `srgan.adversarial`"
    }

    fn against_inversion(&self) -> &'static str {
        self.against_collapse()
    }

    fn create(&self, shared: &Shared, setting: Setting) -> Result<Box<dyn Learner>> {
        Ok(Box::new(Srgan::new(self, shared, setting)?))
    }
}

/// A network that enlarges.
struct Enlarger {
    network: Upscaler,
    device: Device,
}

impl Translator for Enlarger {
    fn translate(&self, renders: &[RgbImage], _: &[Decoded], _: &mut [Stream]) -> Vec<RgbImage> {
        to_pictures(
            self.network
                .forward(to_tensor(renders.iter(), &self.device)),
        )
    }
}

const SHAPE: &str = "upscaler.json";
const WEIGHTS: &str = "upscaler.bpk";

/// Loads what [`Learner::save`] wrote.
fn load(folder: &Path, device: &Chosen) -> Result<Box<dyn Translator>> {
    let shape: UpscalerShape = read_state(folder, SHAPE)?;
    let network = load_weights(shape.init(&device.device), &folder.join(WEIGHTS))?;
    Ok(Box::new(Enlarger {
        network,
        device: device.device.clone(),
    }))
}

/// An SRGAN in training.
struct Srgan {
    config: SrganConfig,
    shared: Shared,
    shape: UpscalerShape,
    arena: Arena,
    upscaler: Player<Upscaler>,
    critic: Critic,
    average: Upscaler,
    safety: LabelSafety,
    /// Frozen.
    task: Option<Layers>,
    /// What its photos measure.
    extent: Extent,
    /// Steps taken.
    steps: u64,
}

impl Srgan {
    fn new(config: &SrganConfig, shared: &Shared, setting: Setting) -> Result<Self> {
        let arena = Arena::new(shared, &setting)?;
        let device = &arena.device;
        let stream = |number: u64| setting.seed.stream((1 << 40) + number);
        let shape = UpscalerShape {
            scale: config.scale as usize,
            channels: config.channels,
            blocks: config.blocks,
            precision: shared.generator.precision,
        };
        let upscaler = shape.init(device).initialised(&mut stream(0));
        let critic = shared.discriminator.init(setting.extent, device);
        let critic = initialise(critic, Init::Normal(0.02), &mut stream(1), 1 << 20);
        Ok(Srgan {
            average: upscaler.valid(),
            upscaler: Player::new(upscaler, &shared.adversarial),
            critic: Critic::new(critic, shared, stream(2)),
            safety: LabelSafety::new(&shared.label_safety, &setting)?,
            task: setting.task.map(|task| frozen(&task.layers, device)),
            extent: setting.extent,
            config: config.clone(),
            shared: shared.clone(),
            shape,
            arena,
            steps: 0,
        })
    }

    fn enlarger(&self) -> Enlarger {
        Enlarger {
            network: self.average.clone(),
            device: self.arena.device.clone().inner(),
        }
    }
}

/// `[batch, 3, height, width]`, made so many times smaller and enlarged again.
fn restored(network: &Upscaler, pictures: &Tensor<4>, scale: usize) -> Tensor<4> {
    let [_, _, height, width] = pictures.dims();
    network.forward(resample(pictures.clone(), [height / scale, width / scale]))
}

/// What the network minimises on one shard: the pixels' error alone while there is nothing that judges.
fn losses(
    config: &SrganConfig,
    (judge, task): (Option<&Judge>, Option<&Layers>),
    network: &Upscaler,
    photos: &Tensor<4>,
) -> Losses {
    let enlarged = restored(network, photos, config.scale as usize);
    let pixel = (enlarged.clone() - photos.clone()).square().mean();
    let mut total = pixel.clone() * config.pixel;
    let mut named = vec![("pixel", pixel)];
    if let Some(judge) = judge {
        let adversarial = judge.loss(photos, enlarged.clone());
        total = total + adversarial.clone() * config.adversarial;
        named.push(("adversarial", adversarial));
        if let Some(task) = task.filter(|_| config.content > 0.0) {
            let seen = [photos, &enlarged].map(|pictures| task.forward(pictures.clone()));
            let content = perceptual(&seen[0], &seen[1]);
            total = total + content.clone() * config.content;
            named.push(("content", content));
        }
    }
    Losses {
        total,
        named,
        fakes: vec![enlarged],
    }
}

impl Learner for Srgan {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let (arena, critic) = (&self.arena, &mut self.critic);
        let plays = self.steps >= self.config.pretrain;
        let pace = if plays {
            critic.generator_pace(arena)
        } else {
            1.0
        };
        let scale = self.config.scale as usize;
        let mut outcome =
            self.upscaler
                .learn(arena, batch, rate * pace, |network, batch: &Batch| {
                    let judge = plays.then(|| critic.judge(arena));
                    let others = (judge.as_ref(), self.task.as_ref());
                    let mut losses = losses(&self.config, others, network, &batch.photos);
                    if self.safety.is_on() {
                        losses
                            .fakes
                            .insert(0, restored(network, &batch.renders, scale));
                        losses = self.safety.guard(batch, losses);
                    }
                    losses
                });
        self.steps += 1;
        let average = self.average.clone();
        self.average = ema::update(average, &self.upscaler.network, self.shared.ema);
        if let Some(fake) = outcome.fakes.pop().filter(|_| plays) {
            outcome
                .values
                .extend(critic.learn(arena, batch.photos.clone(), fake, rate));
        }
        outcome.values
    }

    fn translator(&self) -> Box<dyn Translator> {
        Box::new(self.enlarger())
    }

    fn passes(&self) -> Passes {
        // The estimate counts in passes of the configured generator, which the network is not.
        let own = self.shape.outputs(self.extent);
        let passes = if self.safety.is_on() { 2 } else { 1 };
        Passes {
            generator: (passes * own).div_ceil(self.shared.generator.outputs(self.extent)),
            critic: 1,
        }
    }

    fn parameters(&self) -> usize {
        self.upscaler.network.num_params() + self.critic.parameters()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(SHAPE), &self.shape)?;
        save_weights(self.average.clone(), &folder.join(WEIGHTS))
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join("steps.json"), &self.steps)?;
        save_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.upscaler.save(folder, "upscaler")?;
        self.critic.save(folder, "critic")
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.steps = read_state(folder, "steps.json")?;
        self.average = load_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.upscaler.load(folder, "upscaler")?;
        self.critic.load(folder, "critic", &self.arena)
    }
}

#[cfg(test)]
mod tests;
