//! Drawing pictures from conditions: what a trained pix2pix does, and its training too.

use std::path::Path;

use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor};
use image::RgbImage;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::models::condition::{numbers, softened, tensor_of};
use crate::models::translator::Translator;
use crate::models::weights::{load_weights, read_state};
use crate::nn::batch::{to_pictures, to_tensor};
use crate::nn::device::Chosen;
use crate::nn::edge_map::{blurred, edge_map};
use crate::nn::generator::GeneratorConfig;
use crate::nn::unet_generator::UNetGenerator;
use crate::sample::Extent;
use crate::sample::maps::Decoded;
use crate::seed::Stream;

/// What a picture is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Its edges.
    Edges,
    /// Where its objects are: in photos as the task network sees it.
    Mask,
    /// Edges and mask.
    Both,
}

impl Condition {
    pub(super) fn has_edges(self) -> bool {
        self != Condition::Mask
    }

    pub(super) fn has_mask(self) -> bool {
        self != Condition::Edges
    }
}

/// What translation needs to know beside the weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Shape {
    pub generator: GeneratorConfig,
    pub condition: Condition,
    pub blur: f64,
    pub noise: f64,
}

impl Shape {
    /// Planes of the condition.
    pub(super) fn channels(&self) -> usize {
        usize::from(self.condition.has_edges()) + usize::from(self.condition.has_mask())
    }

    pub(super) fn init(&self, device: &Device) -> UNetGenerator {
        UNetGenerator::new(&self.generator, [self.channels(), 3], device)
    }

    /// The condition before it is blurred, `[batch, channels, height, width]` in 0..1. `mask` is there if it is read.
    pub(super) fn planes(&self, pictures: &Tensor<4>, mask: Option<Tensor<4>>) -> Tensor<4> {
        let edges = self.condition.has_edges().then(|| edge_map(pictures));
        Tensor::cat(edges.into_iter().chain(mask).collect(), 1)
    }

    /// Between sharp and the strongest blur, by the share `[batch, 1, 1, 1]`, 0..1, of each picture.
    pub(super) fn blurred(&self, planes: Tensor<4>, shares: Tensor<4>) -> Tensor<4> {
        let times = (1.5 * self.blur * self.blur).round() as usize;
        let soft = blurred(planes.clone(), times);
        planes.clone() + (soft - planes) * shares
    }

    /// The blur of translations.
    pub(super) fn half_blurred(&self, planes: Tensor<4>) -> Tensor<4> {
        let shares = Tensor::full([planes.dims()[0], 1, 1, 1], 0.5, &planes.device());
        self.blurred(planes, shares)
    }

    /// What renders are drawn from, given the numbers of their objects, `[batch, 1, height, width]`.
    pub(super) fn of_renders(&self, renders: &Tensor<4>, numbers: &Tensor<4>) -> Tensor<4> {
        let mask = || softened(numbers.clone().greater_elem(0.0).float());
        let mask = self.condition.has_mask().then(mask);
        self.half_blurred(self.planes(renders, mask))
    }

    /// Dropout of one picture, a layer after the other: what each feature is multiplied by.
    pub(super) fn draw_noise(&self, extent: Extent, stream: &mut Stream) -> Vec<f32> {
        if self.noise == 0.0 {
            return Vec::new();
        }
        let shapes = UNetGenerator::noise_shapes(&self.generator, extent);
        let count: usize = shapes
            .iter()
            .map(|shape| shape.iter().product::<usize>())
            .sum();
        let kept = 1.0 / (1.0 - self.noise as f32);
        let draw = |_| {
            if stream.random_bool(self.noise) {
                0.0
            } else {
                kept
            }
        };
        (0..count).map(draw).collect()
    }

    /// Dropout of several pictures, `[pictures, channels, height, width]` a layer; none for none.
    pub(super) fn layers(
        &self,
        extent: Extent,
        noise: &[Vec<f32>],
        device: &Device,
    ) -> Vec<Tensor<4>> {
        if self.noise == 0.0 {
            return Vec::new();
        }
        let mut from = 0;
        let layer = |[channels, height, width]: [usize; 3]| {
            let range = from..from + channels * height * width;
            from = range.end;
            let factors = noise
                .iter()
                .flat_map(|one| one[range.clone()].iter().copied());
            tensor_of(factors, [noise.len(), channels, height, width], device)
        };
        let shapes = UNetGenerator::noise_shapes(&self.generator, extent);
        shapes.into_iter().map(layer).collect()
    }
}

/// Pictures `[batch, 3, height, width]` in −1..1 of conditions in 0..1.
pub(super) fn drawing(
    network: &UNetGenerator,
    condition: Tensor<4>,
    noise: &[Tensor<4>],
) -> Tensor<4> {
    tanh(network.forward(condition * 2.0 - 1.0, noise))
}

/// A network that draws pictures from the conditions of renders.
pub(super) struct Drawer {
    pub network: UNetGenerator,
    pub shape: Shape,
    pub device: Device,
}

impl Translator for Drawer {
    fn translate(
        &self,
        renders: &[RgbImage],
        maps: &[Decoded],
        streams: &mut [Stream],
    ) -> Vec<RgbImage> {
        let Some(first) = renders.first() else {
            return Vec::new();
        };
        let extent = first.dimensions().into();
        let numbers = numbers(renders, maps, &self.device);
        let pictures = to_tensor(renders.iter(), &self.device);
        let condition = self.shape.of_renders(&pictures, &numbers);
        let streams = streams.iter_mut();
        let noise: Vec<_> = streams
            .map(|stream| self.shape.draw_noise(extent, stream))
            .collect();
        let noise = self.shape.layers(extent, &noise, &self.device);
        to_pictures(drawing(&self.network, condition, &noise))
    }

    /// None has a number of its own: a mask is of whatever object there is.
    fn classes(&self) -> Option<&[String]> {
        self.shape.condition.has_mask().then_some(&[])
    }
}

pub(super) const SHAPE: &str = "pix2pix.json";
pub(super) const WEIGHTS: &str = "generator.bpk";

/// Loads shape and weights.
pub(super) fn load(folder: &Path, device: &Chosen) -> Result<Box<dyn Translator>> {
    let shape: Shape = read_state(folder, SHAPE)?;
    Ok(Box::new(Drawer {
        network: load_weights(shape.init(&device.device), &folder.join(WEIGHTS))?,
        shape,
        device: device.device.clone(),
    }))
}
