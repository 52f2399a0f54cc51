//! spade: pictures drawn from a semantic map and a style, learned from photos whose maps the task network tells.
//! Park, Liu, Wang and Zhu, Semantic Image Synthesis with Spatially-Adaptive Normalization (GauGAN), 2019.
//! <https://arxiv.org/abs/1903.07291>
//!
//! Key idea: the map of what each pixel shows scales and shifts every norm of the generator
//! ([`crate::nn::spade_generator`]); spectral norm, the hinge loss and discriminators at two scales, which see map and
//! picture together; features of the discriminators match those of the photo; an encoder reads the style of the photo.
//! Translations are drawn from the exact map of a render in a style drawn at random: one scene, many appearances.
//! Deviations: nobody drew the photos' maps, the task network tells them, with a plane of its own for objects whose
//! class it is not sure of; no perceptual loss of a VGG, since no pretrained network is used; averaged weights (EMA)
//! translate. Those of the networks stand in their file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversarial::{Arena, Losses, Player};
use super::condition::{Seer, check_halvings, halvings, in_colours, numbers, tensor_of};
use super::critic::{Critic, Judge};
use super::kind::{self, LabelEffect, Model, ModelKind};
use super::label_safety::LabelSafety;
use super::learner::{Batch, Divisible, Learner, Passes, Setting, part_of};
use super::settings::{AdversarialConfig, Shared, check_weights};
use super::translator::Translator;
use super::weights::{load_weights, read_state, save_weights};
use crate::Result;
use crate::artifact::files::write_json;
use crate::nn::batch::to_tensor;
use crate::nn::discriminator::DiscriminatorConfig;
use crate::nn::ema;
use crate::nn::init::{Init, initialise};
use crate::nn::losses::AdversarialLoss;
use crate::nn::spade_generator::{SpadeGenerator, SpadeShape, StyleEncoder};
use crate::sample::Extent;
use crate::sample::maps::Decoded;
use crate::seed::{Position, Stream};

mod drawing;

use drawing::{Drawer, SHAPE, Shape, WEIGHTS, draw, load, of_photos};

/// The registry entry.
pub const MODEL: ModelKind = ModelKind {
    name: "spade",
    about: "draws pictures from the map of the render's objects in drawn styles",
    labels: LabelEffect::Kept,
    maps: &[],
    parse: kind::parse::<SpadeConfig>,
    schema: kind::schema::<SpadeConfig>,
    load,
};

/// Configuration of `spade`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpadeConfig {
    /// Numbers in a style.
    pub style: usize,
    /// Weight of the Kullback-Leibler divergence of photos' styles from those that translations draw.
    pub kl: f64,
    /// Weight of the mean absolute difference of what the discriminators see in a photo and in its drawing.
    pub features: f64,
    /// A photo's class counts from this probability on; below it, its objects are of an unknown class. 0..1.
    pub confidence: f64,
    /// Discriminators, each on pictures of half the size of the one before.
    pub scales: usize,
    /// Divide the weights of generator and discriminators by their largest singular values.
    pub spectral: bool,
    /// How scores of the discriminators become losses.
    pub loss: AdversarialLoss,
}

impl Default for SpadeConfig {
    fn default() -> Self {
        SpadeConfig {
            style: 16,
            kl: 0.05,
            features: 10.0,
            confidence: 0.8,
            scales: 2,
            spectral: true,
            loss: AdversarialLoss::Hinge,
        }
    }
}

impl Model for SpadeConfig {
    fn check(&self) -> Result<(), String> {
        if self.style == 0 || !(1..=4).contains(&self.scales) {
            return Err("`style` must be at least 1, `scales` 1 to 4".into());
        }
        if !(0.0..=1.0).contains(&self.confidence) {
            return Err("`confidence` must lie in 0..1".into());
        }
        check_weights([("kl", self.kl), ("features", self.features)])
    }

    /// The generator is as deep as the pictures allow.
    fn check_extents(&self, shared: &Shared, whole: Extent, seen: Extent) -> Result<(), String> {
        check_halvings(whole, seen)?;
        let shared = self.shared(shared);
        let readable = shared.discriminator.check_size(seen);
        readable.map_err(|problem| problem.replace("discriminator.scales", "spade.scales"))
    }

    fn reads_objects(&self) -> bool {
        true
    }

    fn against_collapse(&self) -> &'static str {
        "raise `spade.features`"
    }

    fn against_inversion(&self) -> &'static str {
        self.against_collapse()
    }

    fn create(&self, shared: &Shared, setting: Setting) -> Result<Box<dyn Learner>> {
        Ok(Box::new(Spade::new(self, shared, setting)?))
    }
}

impl SpadeConfig {
    /// With the model's own loss, norm and scales.
    fn shared(&self, shared: &Shared) -> Shared {
        Shared {
            adversarial: AdversarialConfig {
                loss: self.loss,
                ..shared.adversarial.clone()
            },
            discriminator: DiscriminatorConfig {
                scales: self.scales,
                spectral: self.spectral,
                ..shared.discriminator.clone()
            },
            ..shared.clone()
        }
    }
}

/// Generator and encoder, in one module so that one set of gradients serves both.
#[derive(Module, Debug)]
struct Networks {
    generator: SpadeGenerator,
    encoder: StyleEncoder,
}

/// The model in training.
struct Spade {
    config: SpadeConfig,
    /// With the model's own loss, norm and scales.
    shared: Shared,
    shape: Shape,
    arena: Arena,
    networks: Player<Networks>,
    critic: Critic,
    average: SpadeGenerator,
    safety: LabelSafety,
    seer: Seer,
    /// Draws styles.
    stream: Stream,
    extent: Extent,
}

impl Spade {
    fn new(config: &SpadeConfig, shared: &Shared, setting: Setting) -> Result<Self> {
        let seer = Seer::new(MODEL.name, &setting)?;
        let classes = setting.task.map_or(Vec::new(), |task| task.classes.clone());
        let shared = config.shared(shared);
        let arena = Arena::new(&shared, &setting)?;
        let device = &arena.device;
        let stream = |number: u64| setting.seed.stream((1 << 40) + number);
        let shape = Shape {
            generator: SpadeShape {
                planes: classes.len() + 1,
                style: config.style,
                channels: shared.generator.channels,
                levels: halvings(setting.extent),
                norm: shared.generator.norm,
                spectral: config.spectral,
                precision: shared.generator.precision,
            },
            classes,
        };
        let generator = SpadeGenerator::new(&shape.generator, device);
        let encoder = StyleEncoder::new(&shape.generator, device);
        let networks = Networks {
            generator: generator.initialised(&mut stream(0), 1),
            encoder: initialise(encoder, Init::He, &mut stream(1), 1 << 19),
        };
        let channels = shape.generator.planes + 3;
        let critic = shared
            .discriminator
            .init_reading(channels, setting.extent, device);
        let critic = initialise(critic, Init::Normal(0.02), &mut stream(2), 1 << 20);
        Ok(Spade {
            average: networks.generator.valid(),
            networks: Player::new(networks, &shared.adversarial),
            critic: Critic::new(critic, &shared, stream(3)),
            safety: LabelSafety::new(&shared.label_safety, &setting)?,
            seer,
            stream: stream(4),
            extent: setting.extent,
            config: config.clone(),
            shared,
            shape,
            arena,
        })
    }

    /// What a step on `batch` is to draw, and from what.
    fn draw(&mut self, batch: &Batch) -> Drawn {
        let (count, style) = (batch.count(), self.config.style);
        let drawn = draw(count * style, &mut self.stream).into_iter();
        Drawn {
            map: of_photos(self.seer.see(&batch.photos), self.config.confidence),
            style: tensor_of(drawn, [count, style], &batch.photos.device()),
            renders: self.safety.is_on().then(|| {
                let none = || Tensor::zeros_like(&batch.masks);
                let numbers = batch.maps.clone().unwrap_or_else(none);
                self.shape.of_renders(&numbers)
            }),
            batch: batch.clone(),
        }
    }
}

/// A batch with the maps of its photos, and styles drawn from the normal distribution.
struct Drawn {
    batch: Batch,
    map: Tensor<4>,
    style: Tensor<2>,
    /// The maps of the renders, if losses ask for their translations.
    renders: Option<Tensor<4>>,
}

impl Divisible for Drawn {
    fn count(&self) -> usize {
        self.batch.count()
    }

    fn together(&self) -> usize {
        self.batch.together()
    }

    fn part(&self, range: Range<usize>, device: &Device) -> Self {
        let cut = |tensor| part_of(tensor, &range, device);
        let style = self.style.clone().narrow(0, range.start, range.len());
        Drawn {
            map: cut(&self.map),
            style: style.to_device(device),
            renders: self.renders.as_ref().map(cut),
            batch: self.batch.part(range.clone(), device),
        }
    }
}

/// What generator and encoder minimise on one shard.
fn losses(config: &SpadeConfig, judge: &Judge, networks: &Networks, drawn: &Drawn) -> Losses {
    let photos = &drawn.batch.photos;
    let [mean, variance] = networks.encoder.forward(photos.clone(), drawn.map.clone());
    let deviation = variance.clone().mul_scalar(0.5).exp();
    let style = mean.clone() + deviation * drawn.style.clone();
    let made = networks.generator.forward(drawn.map.clone(), &style);
    let pair = |pictures: &Tensor<4>| Tensor::cat(vec![pictures.clone(), drawn.map.clone()], 1);
    let fake = pair(&made);
    let [adversarial, features] = judge.paired_loss(&pair(photos), fake.clone());
    let divergence = mean.square() + variance.clone().exp() - variance - 1.0;
    let divergence = divergence.sum_dim(1).mean().mul_scalar(0.5);
    Losses {
        total: adversarial.clone()
            + features.clone() * config.features
            + divergence.clone() * config.kl,
        named: vec![
            ("adversarial", adversarial),
            ("features", features),
            ("kl", divergence),
        ],
        fakes: vec![fake],
    }
}

impl Learner for Spade {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let drawn = self.draw(batch);
        if self.config.spectral {
            let networks = self.networks.network.clone();
            self.networks.network = Networks {
                generator: networks.generator.renew(),
                ..networks
            };
        }
        let (arena, critic) = (&self.arena, &mut self.critic);
        let pace = critic.generator_pace(arena);
        let mut outcome = self
            .networks
            .learn(arena, &drawn, rate * pace, |networks, drawn| {
                let judge = critic.judge(arena);
                let mut losses = losses(&self.config, &judge, networks, drawn);
                let Some(renders) = &drawn.renders else {
                    return losses;
                };
                let translations = networks.generator.forward(renders.clone(), &drawn.style);
                losses.fakes.insert(0, translations);
                self.safety.guard(&drawn.batch, losses)
            });
        let average = self.average.clone();
        let live = &self.networks.network.generator;
        self.average = ema::update(average, live, self.shared.ema);
        if let Some(fake) = outcome.fakes.pop() {
            let real = Tensor::cat(vec![batch.photos.clone(), drawn.map], 1);
            outcome.values.extend(critic.learn(arena, real, fake, rate));
        }
        outcome.values
    }

    fn translator(&self) -> Box<dyn Translator> {
        Box::new(Drawer {
            network: self.average.clone(),
            shape: self.shape.clone(),
            device: self.arena.device.clone().inner(),
        })
    }

    fn condition(&self, pictures: &[RgbImage], maps: Option<&[Decoded]>) -> Option<Vec<RgbImage>> {
        let device = self.arena.device.clone().inner();
        Some(in_colours(match maps {
            Some(maps) => self.shape.of_renders(&numbers(pictures, maps, &device)),
            None => {
                let sight = self.seer.see(&to_tensor(pictures.iter(), &device));
                of_photos(sight, self.config.confidence)
            }
        }))
    }

    fn passes(&self) -> Passes {
        // The estimate counts in passes of the configured generator, which this one is not.
        let own = self.shape.generator.outputs(self.extent);
        let times = if self.safety.is_on() { 2 } else { 1 };
        Passes {
            generator: (times * own).div_ceil(self.shared.generator.outputs(self.extent)),
            // Of fakes and of photos, at up to two scales and a little more.
            critic: 3,
        }
    }

    fn parameters(&self) -> usize {
        self.networks.network.num_params() + self.critic.parameters()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(SHAPE), &self.shape)?;
        save_weights(self.average.clone(), &folder.join(WEIGHTS))
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        save_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.networks.save(folder, "networks")?;
        self.critic.save(folder, "critic")?;
        write_json(&folder.join("draws.json"), &Position::of(&self.stream))
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.average = load_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.networks.load(folder, "networks")?;
        self.critic.load(folder, "critic", &self.arena)?;
        self.stream = read_state::<Position>(folder, "draws.json")?.stream();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
