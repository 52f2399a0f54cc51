//! pixelcnn: pictures value by value, each from its distribution given those before it.
//! Van den Oord et al., Conditional Image Generation with PixelCNN Decoders, 2016. <https://arxiv.org/abs/1606.05328>
//!
//! It knows the exact probability of a picture, so the bits that coding held-out pictures takes say how good it is, and
//! their difference to those of the pictures that it learned from, whether it learned these by heart. Deviations: those
//! of [`crate::nn::pixel_network`]; averaged weights draw.

use burn::tensor::{Device, Tensor};
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversary::stream_of;
use super::coder::{self, Coder, Codes};
use super::kind::{self, Batch, GeneratorKind, Learner, Model, Reads, Setting};
use crate::Result;
use crate::nn::pixel_network::{PixelNetwork, PixelShape};
use crate::sample::Extent;
use crate::seed::Stream;

/// The registry entry.
pub const GENERATOR: GeneratorKind = GeneratorKind {
    name: "pixelcnn",
    about: "value by value, by exact likelihood; for small pictures",
    reads: Reads::Class,
    leaves_discriminator: false,
    parse: kind::parse::<PixelcnnConfig>,
    schema: kind::schema::<PixelcnnConfig>,
    load: coder::load::<PixelNetwork>,
};

/// Configuration of `pixelcnn`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PixelcnnConfig {
    /// Channels of all layers.
    pub channels: usize,
    /// Gated layers; a pixel sees about as many others in each direction.
    pub layers: usize,
    /// Distributions that are mixed for every value.
    pub mixtures: usize,
}

impl Default for PixelcnnConfig {
    fn default() -> Self {
        PixelcnnConfig {
            channels: 32,
            layers: 7,
            mixtures: 5,
        }
    }
}

impl PixelcnnConfig {
    fn shape(&self, classes: usize, extent: Extent) -> PixelShape {
        PixelShape {
            classes,
            channels: self.channels,
            layers: self.layers,
            mixtures: self.mixtures,
            extent,
        }
    }
}

/// All layers see every pixel: with more of these, it would learn for days.
const MOST: usize = 64 * 64;

impl Model for PixelcnnConfig {
    fn check(&self) -> Result<(), String> {
        if self.channels == 0 || self.layers == 0 || self.mixtures == 0 {
            return Err("`channels`, `layers` and `mixtures` must be at least 1".into());
        }
        Ok(())
    }

    fn check_extent(&self, extent: Extent) -> Result<(), String> {
        match extent.area() {
            ..=MOST => Ok(()),
            _ => Err(format!(
                "learns and draws pixel by pixel, which takes too long for pictures of {extent}: choose pictures of at \
                 most 64×64"
            )),
        }
    }

    fn products(&self, classes: usize, extent: Extent) -> f64 {
        3.0 * self.shape(classes, extent).products()
    }

    fn create(&self, setting: &Setting) -> Result<Box<dyn Learner>> {
        let device = setting.device.device.clone().autodiff();
        let shape = self.shape(setting.columns, setting.extent);
        let network = PixelNetwork::new(&shape, &device);
        let network = network.initialised(&mut stream_of(setting, 0));
        Ok(Box::new(Coder::new(shape, network, setting)?))
    }
}

impl Codes for PixelNetwork {
    type Shape = PixelShape;

    fn of_shape(shape: &PixelShape, device: &Device) -> Self {
        PixelNetwork::new(shape, device)
    }

    fn log_probability(&self, batch: &Batch) -> Tensor<1> {
        let Batch {
            pictures,
            conditions,
        } = batch;
        self.log_probability(pictures.clone(), conditions).mean() / 3.0
    }

    fn picture(
        &self,
        shape: &PixelShape,
        class: &Tensor<2>,
        truncation: f64,
        stream: &mut Stream,
    ) -> RgbImage {
        self.draw(shape, class, truncation, stream)
    }
}
