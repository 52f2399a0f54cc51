//! Drawing pictures from maps and styles: what a trained spade does, and its training too.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::models::condition::{Sight, numbers, softened, tensor_of};
use crate::models::translator::Translator;
use crate::models::weights::{load_weights, read_state};
use crate::nn::batch::to_pictures;
use crate::nn::device::Chosen;
use crate::nn::spade_generator::{SpadeGenerator, SpadeShape};
use crate::sample::maps::Decoded;
use crate::seed::{Stream, standard_normal};

/// What is saved beside the weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Shape {
    pub generator: SpadeShape,
    /// In the order of their planes; behind them is one for objects of an unknown class.
    pub classes: Vec<String>,
}

impl Shape {
    /// Planes of renders, given the numbers of their objects, `[batch, 1, height, width]`.
    pub(super) fn of_renders(&self, numbers: &Tensor<4>) -> Tensor<4> {
        let plane = |number: usize| numbers.clone().equal_elem(number as f32).float();
        let planes = (1..=self.classes.len() + 1).map(plane);
        softened(Tensor::cat(planes.collect(), 1))
    }
}

/// Planes of photos: their mask in the plane of the class, if that is at least so probable, else in the last one.
pub(super) fn of_photos(sight: Sight, confidence: f64) -> Tensor<4> {
    let best = sight.classes.clone().max_dim(1);
    let sure = best.clone().greater_equal_elem(confidence as f32).float();
    let chosen = sight.classes.greater_equal(best).float() * sure.clone();
    let planes = Tensor::cat(vec![chosen, -sure + 1.0], 1);
    let [batch, count] = planes.dims();
    sight.mask * planes.reshape([batch, count, 1, 1])
}

/// A generator that draws the maps of renders.
pub(super) struct Drawer {
    pub network: SpadeGenerator,
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
        if renders.is_empty() {
            return Vec::new();
        }
        let map = self.shape.of_renders(&numbers(renders, maps, &self.device));
        let size = self.shape.generator.style;
        let drawn = streams.iter_mut().flat_map(|stream| draw(size, stream));
        let style = tensor_of(drawn, [renders.len(), size], &self.device);
        to_pictures(self.network.forward(map, &style))
    }

    fn classes(&self) -> Option<&[String]> {
        Some(&self.shape.classes)
    }
}

/// So many numbers from the normal distribution.
pub(super) fn draw(count: usize, stream: &mut Stream) -> Vec<f32> {
    (0..count).map(|_| standard_normal(stream) as f32).collect()
}

pub(super) const SHAPE: &str = "spade.json";
pub(super) const WEIGHTS: &str = "generator.bpk";

/// Loads shape and weights.
pub(super) fn load(folder: &Path, device: &Chosen) -> Result<Box<dyn Translator>> {
    let shape: Shape = read_state(folder, SHAPE)?;
    let network = SpadeGenerator::new(&shape.generator, &device.device);
    Ok(Box::new(Drawer {
        network: load_weights(network, &folder.join(WEIGHTS))?,
        shape,
        device: device.device.clone(),
    }))
}
