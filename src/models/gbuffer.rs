//! G-buffers tell the generator what it sees: translation with depth, normals, albedo and objects of the render.
//! Richter, AlHaija and Koltun, Enhancing Photorealism Enhancement, 2021. <https://arxiv.org/abs/2105.04619>
//!
//! Key idea: encoders of the G-buffers scale and shift the features of each layer
//! ([`crate::nn::gbuffer_generator`]); discriminators at several depths judge regions by themselves
//! ([`super::region_discriminator`]), on crops of renders and photos that show the same ([`super::matching`]), so that
//! the generator has nothing to invent; a perceptual loss holds the translation to its render.
//! Deviations: all networks that the paper takes from elsewhere (VGG for discriminators, matching and the perceptual
//! loss, a segmentation network for photos) are the task network, which learned from the renders alone. Without one,
//! windows match by their pixels, a photo's regions are not known, and the loss is L1. Crops are windows of a grid;
//! gradients are not penalised; discriminators are not switched off at random; averaged weights (EMA) translate. The
//! deviations of the networks stand in their files.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversarial::{Arena, Losses, Player};
use super::album::Album;
use super::critic::{Critic, Judge};
use super::kind::{self, LabelEffect, Model, ModelKind};
use super::label_safety::{LabelSafety, frozen, perceptual};
use super::learner::{Batch, Divisible, Learner, Passes, Setting, part_of};
use super::matching::{Grid, Matching};
use super::region_discriminator::RegionDiscriminator;
use super::settings::{Shared, check_weights};
use super::task_network::Layers;
use super::translator::Translator;
use super::weights::{load_weights, read_state, save_weights};
use crate::artifact::files::write_json;
use crate::nn::batch::{maps_to_tensor, to_pictures, to_tensor};
use crate::nn::device::Chosen;
use crate::nn::ema;
use crate::nn::gbuffer_generator::{Buffers, GBufferGenerator};
use crate::nn::generator::{GeneratorConfig, GeneratorKind};
use crate::nn::init::{Init, initialise};
use crate::nn::losses::l1;
use crate::sample::Extent;
use crate::sample::maps::{Decoded, MapKind, MapName, SURFACES, semantic};
use crate::seed::Stream;
use crate::{Error, Result};

/// The registry entry.
pub const MODEL: ModelKind = ModelKind {
    name: "gbuffer",
    about: "a generator that reads depth, normals, albedo and objects of the render beside its picture",
    labels: LabelEffect::Kept,
    maps: SURFACES,
    parse: kind::parse::<GBufferConfig>,
    schema: kind::schema::<GBufferConfig>,
    load,
};

/// Configuration of `gbuffer`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GBufferConfig {
    /// Weight of the change of what the task network sees, relative to the render; without a task network, of the
    /// mean absolute change of the pixels.
    pub perceptual: f64,
    /// Channels of the encoder of the maps.
    pub channels: usize,
    /// Sides of the windows that discriminators judge over those of the picture, 0..1; 1 judges whole pictures.
    pub window: f64,
    /// Windows of each render a step.
    pub windows: usize,
    /// A window is compared with one of this many windows of photos that show most nearly the same.
    pub nearest: usize,
    /// Photos whose windows are compared, at most.
    pub photos: usize,
}

impl Default for GBufferConfig {
    fn default() -> Self {
        GBufferConfig {
            perceptual: 0.1,
            channels: 8,
            window: 0.5,
            windows: 2,
            nearest: 8,
            photos: 500,
        }
    }
}

impl Model for GBufferConfig {
    fn check(&self) -> Result<(), String> {
        let counts = [self.channels, self.windows, self.nearest, self.photos];
        if counts.contains(&0) {
            return Err("`channels`, `windows`, `nearest` and `photos` must be at least 1".into());
        }
        if !(self.window > 0.0 && self.window <= 1.0) {
            return Err("`window` must be above 0 and at most 1".into());
        }
        check_weights([("perceptual", self.perceptual)])
    }

    fn check_extents(&self, shared: &Shared, whole: Extent, seen: Extent) -> Result<(), String> {
        if shared.generator.kind != GeneratorKind::Resnet {
            return Err("`gbuffer` has residual blocks: set `generator.kind` to \"resnet\"".into());
        }
        if whole != seen {
            return Err(
                "`gbuffer` cuts its own windows (`gbuffer.window`): leave out `crop` and `resize`"
                    .into(),
            );
        }
        shared.generator.check_size(seen)?;
        let window = Grid::new(seen, self.window).window;
        shared.discriminator.check_size(window).map_err(|problem| {
            format!("of the windows that `gbuffer.window` cuts out, {problem}, or raise it")
        })
    }

    fn against_collapse(&self) -> &'static str {
        "raise `gbuffer.perceptual`"
    }

    fn against_inversion(&self) -> &'static str {
        "raise `gbuffer.perceptual`, keep `generator.residual` true"
    }

    fn create(&self, shared: &Shared, setting: Setting) -> Result<Box<dyn Learner>> {
        Ok(Box::new(GBuffer::new(self, shared, setting)?))
    }
}

/// What a generator is made for, as it is saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Shape {
    generator: GeneratorConfig,
    channels: usize,
    /// The maps that it reads, in this order.
    maps: Vec<MapName>,
}

impl Shape {
    fn kinds(&self) -> Vec<&'static MapKind> {
        self.maps.iter().map(|name| name.entry()).collect()
    }

    fn init(&self, device: &Device) -> GBufferGenerator {
        let kinds = self.kinds();
        let place = kinds
            .iter()
            .position(|kind| kind.name == semantic::MAP.name);
        let planes = |kinds: &[&MapKind]| kinds.iter().map(|kind| kind.planes.count).sum();
        let buffers = Buffers {
            planes: planes(&kinds),
            objects: place.map(|place| planes(&kinds[..place])),
            channels: self.channels,
        };
        GBufferGenerator::new(&self.generator, &buffers, device)
    }
}

/// A generator that translates with maps.
struct Enhancer {
    network: GBufferGenerator,
    kinds: Vec<&'static MapKind>,
    device: Device,
}

impl Translator for Enhancer {
    fn translate(&self, renders: &[RgbImage], maps: &[Decoded], _: &mut [Stream]) -> Vec<RgbImage> {
        let Some(first) = renders.first() else {
            return Vec::new();
        };
        let extent: Extent = first.dimensions().into();
        let planes = maps_to_tensor(maps.iter(), &self.kinds, extent, &self.device);
        let renders = to_tensor(renders.iter(), &self.device);
        to_pictures(self.network.forward(renders, planes))
    }
}

const SHAPE: &str = "gbuffer.json";
const WEIGHTS: &str = "generator.bpk";

/// Loads what [`Learner::save`] wrote.
fn load(folder: &Path, device: &Chosen) -> Result<Box<dyn Translator>> {
    let shape: Shape = read_state(folder, SHAPE)?;
    let network = load_weights(shape.init(&device.device), &folder.join(WEIGHTS))?;
    Ok(Box::new(Enhancer {
        network,
        kinds: shape.kinds(),
        device: device.device.clone(),
    }))
}

/// The model in training.
struct GBuffer {
    config: GBufferConfig,
    shared: Shared,
    shape: Shape,
    arena: Arena,
    generator: Player<GBufferGenerator>,
    critic: Critic<RegionDiscriminator>,
    average: GBufferGenerator,
    safety: LabelSafety,
    matching: Matching,
    /// Frozen.
    task: Option<Layers>,
}

impl GBuffer {
    fn new(config: &GBufferConfig, shared: &Shared, setting: Setting) -> Result<Self> {
        if setting.maps.is_empty() {
            return Err(Error::usage(
                "gbuffer",
                "reads maps of the renders, and these have none",
                "write `maps = [\"normals\", \"albedo\", \"semantic\"]` into the stage that renders",
            ));
        }
        let arena = Arena::new(shared, &setting)?;
        let device = &arena.device;
        let stream = |number: u64| setting.seed.stream((1 << 40) + number);
        let name = |kind: &&MapKind| MapName::find(kind.name);
        let shape = Shape {
            generator: shared.generator.clone(),
            channels: config.channels,
            maps: setting.maps.iter().filter_map(name).collect(),
        };
        let init = Init::Normal(0.02);
        let mut generator = initialise(shape.init(device), init, &mut stream(0), 1);
        // Whose features are to matter from the first step on.
        generator.encoder = initialise(generator.encoder, Init::He, &mut stream(1), 1 << 19);
        let task = setting.task.map(|task| frozen(&task.layers, device));
        let grid = Grid::new(setting.extent, config.window);
        let critic =
            RegionDiscriminator::new(&shared.discriminator, task.clone(), grid.window, device);
        let critic = initialise(critic, init, &mut stream(2), 1 << 20);
        Ok(GBuffer {
            average: generator.valid(),
            generator: Player::new(generator, &shared.adversarial),
            critic: Critic::new(critic, shared, stream(3)),
            safety: LabelSafety::new(&shared.label_safety, &setting)?,
            matching: Matching::new(grid, task.clone(), device.clone(), stream(4)),
            config: config.clone(),
            shared: shared.clone(),
            shape,
            task,
            arena,
        })
    }
}

/// A batch with windows of its renders and as many of photos that show the same.
struct Matched {
    batch: Batch,
    /// `[batch, 1, height, width]`: what shows an object.
    regions: Tensor<4>,
    /// Numbers of a render and of a corner, as many for each render.
    windows: Vec<(usize, usize)>,
    /// `[windows, 4, height, width]`.
    real: Tensor<4>,
}

impl Divisible for Matched {
    fn count(&self) -> usize {
        self.batch.count()
    }

    fn together(&self) -> usize {
        self.batch.together()
    }

    fn part(&self, range: Range<usize>, device: &Device) -> Self {
        let each = self.windows.len() / self.count();
        let of = range.start * each..range.end * each;
        let windows = self.windows[of.clone()].iter();
        Matched {
            batch: self.batch.part(range.clone(), device),
            regions: part_of(&self.regions, &range, device),
            windows: windows
                .map(|(render, corner)| (render - range.start, *corner))
                .collect(),
            real: part_of(&self.real, &of, device),
        }
    }
}

/// What the generator minimises on one shard.
fn losses(
    config: &GBufferConfig,
    (judge, task, grid): (&Judge<RegionDiscriminator>, Option<&Layers>, &Grid),
    generator: &GBufferGenerator,
    matched: &Matched,
) -> Losses {
    let renders = &matched.batch.renders;
    let translation = generator.forward(renders.clone(), planes(&matched.batch));
    let whole = Tensor::cat(vec![translation.clone(), matched.regions.clone()], 1);
    let fake = grid.cut(&whole, &matched.windows);
    let adversarial = judge.loss(&matched.real, fake.clone());
    let change = match task {
        Some(task) => perceptual(
            &task.forward(renders.clone()),
            &task.forward(translation.clone()),
        ),
        None => l1(translation.clone(), renders.clone()),
    };
    Losses {
        total: adversarial.clone() + change.clone() * config.perceptual,
        named: vec![("adversarial", adversarial), ("change", change)],
        fakes: vec![translation, fake],
    }
}

/// The planes of a batch's maps. `train` gives them to a model that reads maps.
fn planes(batch: &Batch) -> Tensor<4> {
    let planes = batch.maps.clone();
    planes.expect("a model with maps in its entry is given them")
}

impl Learner for GBuffer {
    fn study(&mut self, photos: &Album) -> Result<bool> {
        self.matching.study(photos, self.config.photos)?;
        Ok(true)
    }

    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let GBufferConfig {
            windows, nearest, ..
        } = self.config;
        let (windows, real) = self.matching.draw(&batch.renders, windows, nearest);
        let matched = Matched {
            batch: batch.clone(),
            // As little is known of them as of the photos.
            regions: match self.task {
                Some(_) => batch.masks.clone(),
                None => Tensor::full_like(&batch.masks, 128.0 / 255.0),
            },
            windows,
            real,
        };
        let (arena, critic) = (&self.arena, &mut self.critic);
        let pace = critic.generator_pace(arena);
        let mut outcome =
            self.generator
                .learn(arena, &matched, rate * pace, |generator, matched| {
                    let judge = critic.judge(arena);
                    let others = (&judge, self.task.as_ref(), &self.matching.grid);
                    let losses = losses(&self.config, others, generator, matched);
                    self.safety.guard(&matched.batch, losses)
                });
        let average = self.average.clone();
        self.average = ema::update(average, &self.generator.network, self.shared.ema);
        if let Some(fake) = outcome.fakes.pop() {
            outcome
                .values
                .extend(critic.learn(arena, matched.real, fake, rate));
        }
        outcome.values
    }

    fn translator(&self) -> Box<dyn Translator> {
        Box::new(Enhancer {
            network: self.average.clone(),
            kinds: self.shape.kinds(),
            device: self.arena.device.clone().inner(),
        })
    }

    fn passes(&self) -> Passes {
        // The layers that scale and shift hold about as much as the others.
        Passes {
            generator: 2,
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
        self.matching.save(folder)
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.average = load_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.generator.load(folder, "generator")?;
        self.critic.load(folder, "critic", &self.arena)?;
        self.matching.load(folder)
    }
}

#[cfg(test)]
mod tests;
