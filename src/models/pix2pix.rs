//! pix2pix without pairs: photos are drawn from a condition that can be computed of photos and of renders alike.
//! Isola, Zhu, Zhou and Efros, Image-to-Image Translation with Conditional Adversarial Networks, 2017.
//! <https://arxiv.org/abs/1611.07004>
//!
//! Key idea: a U-Net learns to draw each photo from its own condition, its edges and where its objects are, against a
//! discriminator that sees picture and condition together, with an L1 loss to the photo and dropout as noise.
//! Translations are drawn from the condition of a render, whose colours the network never sees and cannot copy.
//! Deviations: pairs are a photo and its condition, since no render has a photo; the condition is blurred and dropped
//! out at random, so that the network does not learn by which details a photo's differs from a render's; the depth of
//! the U-Net follows the size of the pictures; averaged weights (EMA) translate. Those of the network stand in its file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use burn::module::Module;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};
use image::RgbImage;
use rand::RngExt;
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
use crate::nn::ema;
use crate::nn::generator::{GeneratorConfig, GeneratorKind};
use crate::nn::init::{Init, initialise};
use crate::nn::losses::{AdversarialLoss, l1};
use crate::nn::unet_generator::UNetGenerator;
use crate::sample::Extent;
use crate::sample::maps::Decoded;
use crate::seed::{Position, Stream};

mod drawing;

pub use drawing::Condition;
use drawing::{Drawer, SHAPE, Shape, WEIGHTS, drawing, load};

/// The registry entry.
pub const MODEL: ModelKind = ModelKind {
    name: "pix2pix",
    about: "draws photos from edges and masks of the renders; never sees their colours",
    labels: LabelEffect::Kept,
    maps: &[],
    parse: kind::parse::<Pix2PixConfig>,
    schema: kind::schema::<Pix2PixConfig>,
    load,
};

/// Configuration of `pix2pix`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pix2PixConfig {
    /// What pictures are drawn from.
    pub condition: Condition,
    /// Deviation in pixels of the strongest blur of the condition. Training draws one up to it for each photo;
    /// translations are drawn from the middle between it and none.
    pub blur: f64,
    /// The share of a photo's edges that are left out in training, in patches, 0..1.
    pub dropout: f64,
    /// The share of the deep features that are left out at random, in training and in translating, 0..1.
    pub noise: f64,
    /// Weight of the mean absolute difference of photo and drawing.
    pub l1: f64,
    /// How scores of the discriminator become losses.
    pub loss: AdversarialLoss,
}

impl Default for Pix2PixConfig {
    fn default() -> Self {
        Pix2PixConfig {
            condition: Condition::Edges,
            blur: 1.0,
            dropout: 0.1,
            noise: 0.5,
            l1: 100.0,
            loss: AdversarialLoss::Bce,
        }
    }
}

impl Model for Pix2PixConfig {
    fn check(&self) -> Result<(), String> {
        for (name, share) in [("dropout", self.dropout), ("noise", self.noise)] {
            if !(0.0..1.0).contains(&share) {
                return Err(format!("`{name}` must be at least 0 and below 1"));
            }
        }
        if !(0.0..=16.0).contains(&self.blur) {
            return Err("`blur` must lie in 0..16".into());
        }
        check_weights([("l1", self.l1)])
    }

    /// The U-Net is as deep as the pictures allow.
    fn check_extents(&self, shared: &Shared, whole: Extent, seen: Extent) -> Result<(), String> {
        check_halvings(whole, seen)?;
        self.shape(shared, seen).generator.check_size(seen)?;
        shared.discriminator.check_size(seen)
    }

    fn reads_objects(&self) -> bool {
        self.condition.has_mask()
    }

    fn against_collapse(&self) -> &'static str {
        "raise `pix2pix.l1`"
    }

    fn against_inversion(&self) -> &'static str {
        self.against_collapse()
    }

    fn create(&self, shared: &Shared, setting: Setting) -> Result<Box<dyn Learner>> {
        Ok(Box::new(Pix2Pix::new(self, shared, setting)?))
    }
}

impl Pix2PixConfig {
    fn shape(&self, shared: &Shared, seen: Extent) -> Shape {
        Shape {
            generator: GeneratorConfig {
                kind: GeneratorKind::UNet,
                downsamplings: halvings(seen),
                residual: false,
                ..shared.generator.clone()
            },
            condition: self.condition,
            blur: self.blur,
            noise: self.noise,
        }
    }
}

/// The model in training.
struct Pix2Pix {
    config: Pix2PixConfig,
    /// With the model's own loss.
    shared: Shared,
    shape: Shape,
    arena: Arena,
    generator: Player<UNetGenerator>,
    critic: Critic,
    average: UNetGenerator,
    safety: LabelSafety,
    /// Where the condition has a mask.
    seer: Option<Seer>,
    /// Draws blurs, edges that are left out, and dropout.
    stream: Stream,
    extent: Extent,
}

impl Pix2Pix {
    fn new(config: &Pix2PixConfig, shared: &Shared, setting: Setting) -> Result<Self> {
        let shared = Shared {
            adversarial: AdversarialConfig {
                loss: config.loss,
                ..shared.adversarial.clone()
            },
            ..shared.clone()
        };
        let arena = Arena::new(&shared, &setting)?;
        let device = &arena.device;
        let stream = |number: u64| setting.seed.stream((1 << 40) + number);
        let init = Init::Normal(0.02);
        let shape = config.shape(&shared, setting.extent);
        let generator = initialise(shape.init(device), init, &mut stream(0), 1);
        let channels = shape.channels() + 3;
        let critic = shared
            .discriminator
            .init_reading(channels, setting.extent, device);
        let critic = initialise(critic, init, &mut stream(1), 1 << 20);
        Ok(Pix2Pix {
            average: generator.valid(),
            generator: Player::new(generator, &shared.adversarial),
            critic: Critic::new(critic, &shared, stream(2)),
            safety: LabelSafety::new(&shared.label_safety, &setting)?,
            seer: match config.condition.has_mask() {
                true => Some(Seer::new(MODEL.name, &setting)?),
                false => None,
            },
            stream: stream(3),
            extent: setting.extent,
            config: config.clone(),
            shared,
            shape,
            arena,
        })
    }

    /// The conditions of photos, before they are blurred.
    fn of_photos(&self, photos: &Tensor<4>) -> Tensor<4> {
        let mask = self.seer.as_ref().map(|seer| seer.see(photos).mask);
        self.shape.planes(photos, mask)
    }

    /// What a step on `batch` is to draw, and from what.
    fn draw(&mut self, batch: &Batch) -> Drawn {
        let (count, device) = (batch.count(), batch.photos.device());
        let planes = self.of_photos(&batch.photos);
        let (shape, stream) = (&self.shape, &mut self.stream);
        let shares = (0..count).map(|_| stream.random());
        let shares = tensor_of(shares, [count, 1, 1, 1], &device);
        let mut condition = shape.blurred(planes, shares);
        if shape.condition.has_edges() {
            condition = without_some_edges(condition, self.config.dropout, stream);
        }
        let noise: Vec<_> = (0..count)
            .map(|_| shape.draw_noise(self.extent, stream))
            .collect();
        let renders = self.safety.is_on().then(|| {
            let none = || Tensor::zeros_like(&batch.masks);
            let numbers = batch.maps.clone().unwrap_or_else(none);
            shape.of_renders(&batch.renders, &numbers)
        });
        Drawn {
            noise: shape.layers(self.extent, &noise, &device),
            batch: batch.clone(),
            condition,
            renders,
        }
    }
}

/// Squares that edges are left out of, along each side of a picture.
const PATCHES: usize = 8;

/// Conditions whose first plane is dark in some patches, a share of `dropout` of all.
fn without_some_edges(condition: Tensor<4>, dropout: f64, stream: &mut Stream) -> Tensor<4> {
    let [count, _, height, width] = condition.dims();
    let kept = (0..count * PATCHES * PATCHES).map(|_| f32::from(!stream.random_bool(dropout)));
    let kept = tensor_of(kept, [count, 1, PATCHES, PATCHES], &condition.device());
    let options = InterpolateOptions::new(InterpolateMode::Nearest);
    let kept = interpolate(kept, options.with_output_size([height, width]));
    let mut planes = condition.split(1, 1);
    planes[0] = planes[0].clone() * kept;
    Tensor::cat(planes, 1)
}

/// A batch with the conditions of its photos and the dropout of each picture.
struct Drawn {
    batch: Batch,
    condition: Tensor<4>,
    /// A layer each.
    noise: Vec<Tensor<4>>,
    /// The conditions of the renders, if losses ask for their translations.
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
        Drawn {
            condition: cut(&self.condition),
            noise: self.noise.iter().map(cut).collect(),
            renders: self.renders.as_ref().map(cut),
            batch: self.batch.part(range.clone(), device),
        }
    }
}

/// What the generator minimises on one shard.
fn losses(
    config: &Pix2PixConfig,
    judge: &Judge,
    generator: &UNetGenerator,
    drawn: &Drawn,
) -> Losses {
    let photos = &drawn.batch.photos;
    let made = drawing(generator, drawn.condition.clone(), &drawn.noise);
    let pair =
        |pictures: &Tensor<4>| Tensor::cat(vec![pictures.clone(), drawn.condition.clone()], 1);
    let fake = pair(&made);
    let adversarial = judge.loss(&pair(photos), fake.clone());
    let difference = l1(made, photos.clone());
    Losses {
        total: adversarial.clone() + difference.clone() * config.l1,
        named: vec![("adversarial", adversarial), ("l1", difference)],
        fakes: vec![fake],
    }
}

impl Learner for Pix2Pix {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let drawn = self.draw(batch);
        let (arena, critic) = (&self.arena, &mut self.critic);
        let pace = critic.generator_pace(arena);
        let mut outcome = self
            .generator
            .learn(arena, &drawn, rate * pace, |generator, drawn| {
                let judge = critic.judge(arena);
                let mut losses = losses(&self.config, &judge, generator, drawn);
                let Some(renders) = &drawn.renders else {
                    return losses;
                };
                let translations = drawing(generator, renders.clone(), &drawn.noise);
                losses.fakes.insert(0, translations);
                self.safety.guard(&drawn.batch, losses)
            });
        let average = self.average.clone();
        self.average = ema::update(average, &self.generator.network, self.shared.ema);
        if let Some(fake) = outcome.fakes.pop() {
            let real = Tensor::cat(vec![batch.photos.clone(), drawn.condition], 1);
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
        let tensor = to_tensor(pictures.iter(), &device);
        Some(in_colours(match maps {
            Some(maps) => {
                let numbers = numbers(pictures, maps, &device);
                self.shape.of_renders(&tensor, &numbers)
            }
            None => self.shape.half_blurred(self.of_photos(&tensor)),
        }))
    }

    fn passes(&self) -> Passes {
        // The estimate counts in passes of the configured generator, which this one is not.
        let own = self.shape.generator.outputs(self.extent);
        let times = if self.safety.is_on() { 2 } else { 1 };
        Passes {
            generator: (times * own).div_ceil(self.shared.generator.outputs(self.extent)),
            critic: 1,
        }
    }

    fn parameters(&self) -> usize {
        self.generator.network.num_params() + self.critic.parameters()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(SHAPE), &self.shape)?;
        save_weights(self.average.clone(), &folder.join(WEIGHTS))
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        save_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.generator.save(folder, "generator")?;
        self.critic.save(folder, "critic")?;
        write_json(&folder.join("draws.json"), &Position::of(&self.stream))
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.average = load_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.generator.load(folder, "generator")?;
        self.critic.load(folder, "critic", &self.arena)?;
        self.stream = read_state::<Position>(folder, "draws.json")?.stream();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
