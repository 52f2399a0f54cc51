//! animate: one picture moves as a clip of renders does, whose key points are known exactly.
//! After Siarohin et al., First Order Motion Model for Image Animation, 2019, <https://arxiv.org/abs/2003.00196>: points
//! that move give a dense motion, which carries the source's pixels along, and a network says where they serve and
//! paints the rest.
//!
//! Deviations: points come from the renderer, and a network that learned from them reads those of photos, where the
//! paper finds points without supervision; the motion between points is that of moving least squares, not a learned one;
//! the network is shown the object's mask in the driving render; pixels are mixed, not features; the loss is the absolute
//! difference at three resolutions, in place of a pretrained network's features. It animates pictures and does not draw
//! them from numbers, so it is not an entry of [`super::GENERATORS`]: the stage `motion` trains it, and `animate` applies it.

pub mod clips;
pub mod motion;

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::{sigmoid, softmax, tanh};
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor, TensorData};
use glam::DVec2;
use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::adversary::stream_of;
use super::kind::{Batch, Setting, Trains};
use super::{arena, load_average, load_network, matrix, save_average, save_network};
use crate::Result;
use crate::models::adversarial::{Arena, Losses, Player};
use crate::models::settings::AdversarialConfig;
use crate::nn::batch::{colours, to_pictures, to_tensor};
use crate::nn::device::Chosen;
use crate::nn::ema;
use crate::nn::generator::{GeneratorConfig, GeneratorKind};
use crate::nn::init::{Init, initialise};
use crate::nn::norm::NormKind;
use crate::nn::unet_generator::UNetGenerator;
use crate::sample::Extent;
use motion::Motion;

/// How often pictures are halved.
const HALVINGS: usize = 3;

/// Planes that a picture is painted from: the source, the source carried along by the motion, the points of both, and the
/// object's mask.
const SEEN: usize = 9;

/// The place of the points that are to be among them, and that of the mask.
const POINTS: usize = 7;
const MASK: usize = 8;

/// Planes of what is learned from: the same, and the picture that it should be.
const SHOWN: usize = SEEN + 3;

/// How much more pixels of the object weigh.
const OBJECT: f64 = 3.0;

/// How much more pixels at points weigh where points are read.
const POINT: f64 = 30.0;

/// From this value on a peak is a point, 0..1.
const PEAK: f32 = 0.3;

/// What both networks are made from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MotionShape {
    /// Of the pictures.
    pub extent: Extent,
    /// Channels of the finest layers; coarser ones have up to eight times as many.
    pub channels: usize,
}

impl MotionShape {
    fn network(&self) -> GeneratorConfig {
        GeneratorConfig {
            kind: GeneratorKind::UNet,
            channels: self.channels,
            downsamplings: HALVINGS,
            kernel: 3,
            residual: false,
            norm: NormKind::Group,
            ..GeneratorConfig::default()
        }
    }

    /// Checks whether pictures of this extent can be halved so often.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let times = 1 << HALVINGS;
        for (name, side) in self.extent.sides() {
            if !side.is_multiple_of(times) || side < 2 * times {
                return Err(format!(
                    "pictures whose {name} is {side} pixels cannot be animated: it must be a multiple of {times}, and at \
                     least {}",
                    2 * times
                ));
            }
        }
        Ok(())
    }

    /// Multiplications with which a picture is painted, roughly.
    pub fn products(&self) -> f64 {
        self.network().products(self.extent)
    }

    /// Makes both networks, untrained.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    pub fn create(&self, setting: &Setting) -> Result<Animation> {
        let device = setting.device.device.clone().autodiff();
        let mut stream = stream_of(setting, 0);
        let networks = initialise(Networks::new(self, &device), Init::He, &mut stream, 1);
        let arena = arena(NormKind::Group, &AdversarialConfig::default(), setting)?;
        Ok(Animation {
            shape: self.clone(),
            average: networks.valid(),
            player: Player::new(networks, &arena.config),
            ema: setting.ema,
            arena,
        })
    }
}

/// Both networks, in one module so that one set of gradients serves them.
#[derive(Module, Debug)]
struct Networks {
    /// Points and mask of a picture.
    reader: UNetGenerator,
    /// Colours, and how much of them, of the source as it is and of the source carried along is seen.
    painter: UNetGenerator,
}

impl Networks {
    fn new(shape: &MotionShape, device: &Device) -> Self {
        let network = shape.network();
        Networks {
            reader: UNetGenerator::new(&network, [3, 2], device),
            painter: UNetGenerator::new(&network, [SEEN, 6], device),
        }
    }

    /// Pictures from what is seen, `[batch, SEEN, height, width]`.
    fn paint(&self, seen: &Tensor<4>) -> Tensor<4> {
        let said = self.painter.forward(seen.clone(), &[]);
        let paint = tanh(said.clone().narrow(1, 0, 3));
        let shares = softmax(said.narrow(1, 3, 3), 1);
        let share = |place: usize| shares.clone().narrow(1, place, 1);
        seen.clone().narrow(1, 0, 3) * share(0)
            + seen.clone().narrow(1, 3, 3) * share(1)
            + paint * share(2)
    }

    /// Points and mask of pictures, two planes of 0..1.
    fn read(&self, pictures: Tensor<4>) -> Tensor<4> {
        sigmoid(self.reader.forward(pictures, &[]))
    }

    fn losses(&self, batch: &Batch) -> Losses {
        let plane = |place: usize, count: usize| batch.pictures.clone().narrow(1, place, count);
        let (truth, points, mask) = (plane(SEEN, 3), plane(POINTS, 1), plane(MASK, 1));
        let weight = mask.clone() * (OBJECT - 1.0) + 1.0;
        let difference = (self.paint(&plane(0, SEEN)) - truth.clone()) * weight;
        let half = |x: Tensor<4>| avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_stride([2, 2]));
        let coarse = half(difference.clone());
        let coarser = half(coarse.clone());
        let mean = |x: Tensor<4>| x.abs().mean();
        let picture = (mean(difference) + mean(coarse) + mean(coarser)) / 3.0;
        let read = self.read(truth);
        let found = read.clone().narrow(1, 0, 1) - points.clone();
        let found = (found.square() * (points * POINT + 1.0)).mean();
        let inside = (read.narrow(1, 1, 1) - mask).square().mean();
        Losses {
            total: picture.clone() + found.clone() + inside.clone(),
            named: vec![("picture", picture), ("points", found), ("mask", inside)],
            fakes: Vec::new(),
        }
    }
}

/// One picture to be made.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The picture that moves.
    pub source: &'a RgbImage,
    /// Points of its object, in pixels.
    pub from: &'a [DVec2],
    /// Where they are to be, in the same order.
    pub to: &'a [DVec2],
    /// Where the object is to be, row by row.
    pub mask: &'a [bool],
}

impl Scene<'_> {
    /// The planes that it is painted from.
    fn planes(&self) -> Vec<f32> {
        let extent: Extent = self.source.dimensions().into();
        let source: Vec<f32> = colours(self.source).collect();
        let mut planes = source.clone();
        planes.extend(carried(&source, extent, &Motion::new(self.from, self.to)));
        planes.extend(heat(self.from, extent));
        planes.extend(heat(self.to, extent));
        planes.extend(self.mask.iter().map(|inside| f32::from(u8::from(*inside))));
        planes
    }
}

/// Planes carried along by a motion, mixed bilinearly; at the edges as they are there.
fn carried(planes: &[f32], extent: Extent, motion: &Motion) -> Vec<f32> {
    let (width, height) = (extent.width as usize, extent.height as usize);
    let area = extent.area();
    let count = planes.len() / area;
    let mut moved = vec![0.0; planes.len()];
    for place in 0..area {
        let at = DVec2::new((place % width) as f64 + 0.5, (place / width) as f64 + 0.5);
        let at = motion.source_of(at) - 0.5;
        let limit = DVec2::new((width - 1) as f64, (height - 1) as f64);
        let at = at.clamp(DVec2::ZERO, limit);
        let (left, top) = (at.x as usize, at.y as usize);
        let (right, low) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
        let (x, y) = ((at.x - left as f64) as f32, (at.y - top as f64) as f32);
        for plane in 0..count {
            let value = |column: usize, row: usize| planes[plane * area + row * width + column];
            let upper = value(left, top) * (1.0 - x) + value(right, top) * x;
            let lower = value(left, low) * (1.0 - x) + value(right, low) * x;
            moved[plane * area + place] = upper * (1.0 - y) + lower * y;
        }
    }
    moved
}

/// A plane with a bump of height 1 at each point.
fn heat(points: &[DVec2], extent: Extent) -> Vec<f32> {
    let (width, height) = extent.dimensions();
    let deviation = (f64::from(width.min(height)) / 45.0).max(1.0);
    let value = |x: u32, y: u32| {
        let at = DVec2::new(f64::from(x) + 0.5, f64::from(y) + 0.5);
        let bumps = points
            .iter()
            .map(|point| (-point.distance_squared(at) / (2.0 * deviation * deviation)).exp());
        bumps.fold(0.0, f64::max) as f32
    };
    let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    rows.map(|(x, y)| value(x, y)).collect()
}

/// What one step learns from: scenes, each with the picture that it should be.
pub fn batch(scenes: &[(Scene, &RgbImage)], device: &Device) -> Batch {
    let (width, height) = scenes[0].1.dimensions();
    let values = scenes.iter().flat_map(|(scene, truth)| {
        let mut planes = scene.planes();
        planes.extend(colours(truth));
        planes
    });
    let shape = [scenes.len(), SHOWN, height as usize, width as usize];
    Batch {
        pictures: Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device),
        // Nothing is drawn from a class.
        conditions: matrix(&vec![vec![0.0]; scenes.len()], device),
    }
}

/// The networks in training.
pub struct Animation {
    shape: MotionShape,
    arena: Arena,
    player: Player<Networks>,
    average: Networks,
    ema: f64,
}

impl Animation {
    /// What it has learned so far, as [`Trains::save`] would write it.
    pub fn animator(&self) -> Animator {
        Animator {
            networks: self.average.clone(),
            extent: self.shape.extent,
            device: self.arena.device.clone().inner(),
        }
    }
}

impl Trains for Animation {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let (player, arena) = (&mut self.player, &self.arena);
        let outcome = player.learn(arena, batch, rate, Networks::losses);
        self.average = ema::update(self.average.clone(), &self.player.network, self.ema);
        outcome.values
    }

    fn parameters(&self) -> usize {
        self.player.network.num_params()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        save_network(&self.shape, self.average.clone(), folder)
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        self.player.save(folder, "networks")?;
        save_average(self.average.clone(), folder)
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.player.load(folder, "networks")?;
        self.average = load_average(self.average.clone(), folder)?;
        Ok(())
    }
}

/// Trained networks.
pub struct Animator {
    networks: Networks,
    /// Of the pictures that it reads and paints.
    pub extent: Extent,
    device: Device,
}

/// What is seen in a picture.
pub struct Reading {
    /// Places of points in pixels, with how sure they are, 0..1, the surest first.
    pub points: Vec<(DVec2, f32)>,
    /// Where the object is, row by row.
    pub mask: Vec<bool>,
}

impl Animator {
    /// Loads what [`Trains::save`] of an [`Animation`] wrote.
    ///
    /// # Errors
    /// If the folder holds no such networks.
    pub fn load(folder: &Path, device: &Chosen) -> Result<Self> {
        let device = device.device.clone();
        let (shape, networks): (MotionShape, _) =
            load_network(folder, |shape| Networks::new(shape, &device))?;
        Ok(Animator {
            networks,
            extent: shape.extent,
            device,
        })
    }

    /// What it sees in a picture of its extent.
    pub fn read(&self, picture: &RgbImage) -> Reading {
        let picture = to_tensor([picture].into_iter(), &self.device);
        let read = self.networks.read(picture);
        let values = read.into_data().try_to_vec::<f32>().unwrap_or_default();
        let (heat, mask) = values.split_at(self.extent.area());
        Reading {
            points: peaks(heat, self.extent),
            mask: mask.iter().map(|value| *value > 0.5).collect(),
        }
    }

    /// Paints pictures of its extent.
    pub fn paint(&self, scenes: &[Scene]) -> Vec<RgbImage> {
        let [width, height] = [self.extent.width, self.extent.height].map(|side| side as usize);
        let planes: Vec<f32> = scenes.iter().flat_map(Scene::planes).collect();
        let seen = TensorData::new(planes, [scenes.len(), SEEN, height, width]);
        to_pictures(self.networks.paint(&Tensor::from_data(seen, &self.device)))
    }
}

/// The peaks of a plane, by parts of a pixel, the highest first.
fn peaks(heat: &[f32], extent: Extent) -> Vec<(DVec2, f32)> {
    let (width, height) = (i64::from(extent.width), i64::from(extent.height));
    let around = |x: i64, y: i64| {
        let rows = (y - 1).max(0)..=(y + 1).min(height - 1);
        rows.flat_map(move |v| ((x - 1).max(0)..=(x + 1).min(width - 1)).map(move |u| (u, v)))
    };
    let at = |x: i64, y: i64| heat[(y * width + x) as usize];
    let mut found = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let value = at(x, y);
            // Of equal neighbours the first.
            let is_less = |(u, v): (i64, i64)| {
                let other = at(u, v);
                other < value || (other == value && (v, u) >= (y, x))
            };
            if value < PEAK || !around(x, y).all(is_less) {
                continue;
            }
            let (mut sum, mut total) = (DVec2::ZERO, 0.0);
            for (u, v) in around(x, y) {
                let weight = f64::from(at(u, v));
                sum += DVec2::new(u as f64 + 0.5, v as f64 + 0.5) * weight;
                total += weight;
            }
            found.push((sum / total, value));
        }
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found
}

#[cfg(test)]
mod tests;
