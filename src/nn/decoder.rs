//! Networks that draw a picture from a latent vector and a class, and read a picture back into numbers.
//!
//! The decoder is the generator of Radford, Metz and Chintala, Unsupervised Representation Learning with Deep
//! Convolutional Generative Adversarial Networks (DCGAN), 2016, <https://arxiv.org/abs/1511.06434>. Deviations: pixels
//! are repeated and then convolved instead of convolved with a fractional stride, which leaves no checkerboard (Odena et
//! al., Deconvolution and Checkerboard Artifacts, 2016); norms depend on the class.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{leaky_relu, tanh};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::class_norm::ClassNorm;
use super::conv_kernel::Border;
use super::convolution::PaddedConv;
use super::norm::{Activation, NormKind};
use crate::sample::Extent;

/// The shape of a [`Decoder`] or an [`Encoder`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DecoderShape {
    /// Numbers in a latent vector.
    pub latent: usize,
    /// Classes of pictures.
    pub classes: usize,
    /// Channels of the finest layer; coarser ones have up to eight times as many.
    pub channels: usize,
    /// How often the resolution is doubled.
    pub levels: usize,
    /// Of the pictures.
    pub extent: Extent,
    /// The norm of all layers but the last.
    pub norm: NormKind,
}

impl DecoderShape {
    fn at(&self, level: usize) -> usize {
        self.channels << level.min(3)
    }

    /// Height and width where the resolution is lowest.
    fn lowest(&self) -> [usize; 2] {
        [self.extent.height, self.extent.width].map(|side| side as usize >> self.levels)
    }

    /// Multiplications with which a picture is drawn or read, roughly.
    pub fn products(&self) -> f64 {
        let pixels = self.extent.area() as f64;
        let layer = |level: usize| {
            9.0 * (self.at(level + 1) * self.at(level)) as f64 * pixels
                / f64::from(1 << (2 * level))
        };
        27.0 * self.channels as f64 * pixels + (0..self.levels).map(layer).sum::<f64>()
    }
}

#[derive(Module, Debug)]
struct Layer {
    conv: PaddedConv,
    norm: ClassNorm,
}

/// Draws pictures.
#[derive(Module, Debug)]
pub struct Decoder {
    start: Linear,
    start_norm: ClassNorm,
    layers: Vec<Layer>,
    head: PaddedConv,
    lowest: [usize; 2],
}

impl Decoder {
    /// A decoder with burn's default weights; see [`crate::nn::init`].
    pub fn new(shape: &DecoderShape, device: &Device) -> Self {
        let (deepest, [height, width]) = (shape.at(shape.levels), shape.lowest());
        let norm =
            |channels, place| ClassNorm::new(shape.norm, [shape.classes, channels], place, device);
        let conv = |channels| PaddedConv::new(channels, 3, 1, 1, Border::Zeros, true, device);
        let layer = |level: usize| Layer {
            conv: conv([shape.at(level + 1), shape.at(level)]).enlarging(2),
            norm: norm(shape.at(level), level + 1),
        };
        let start = LinearConfig::new(shape.latent + shape.classes, deepest * height * width);
        Decoder {
            start: start.init(device),
            start_norm: norm(deepest, 0),
            layers: (0..shape.levels).rev().map(layer).collect(),
            head: conv([shape.channels, 3]),
            lowest: shape.lowest(),
        }
    }

    /// Latent vectors `[batch, latent]` and classes `[batch, classes]`, a 1 in the place of each, to pictures
    /// `[batch, 3, height, width]` in −1..1.
    pub fn forward(&self, latents: Tensor<2>, classes: &Tensor<2>) -> Tensor<4> {
        let start = Tensor::cat(vec![latents, classes.clone()], 1);
        let x = self.start.forward(start);
        let ([batch, values], [height, width]) = (x.dims(), self.lowest);
        let x = x.reshape([batch, values / (height * width), height, width]);
        let mut x = self.start_norm.forward(x, classes, Activation::Relu);
        for layer in &self.layers {
            x = layer
                .norm
                .forward(layer.conv.forward(x), classes, Activation::Relu);
        }
        tanh(self.head.forward(x))
    }
}

/// Reads a picture of a class into two vectors, such as the mean and the logarithm of the variance of its latent one.
#[derive(Module, Debug)]
pub struct Encoder {
    layers: Vec<PaddedConv>,
    head: Linear,
}

impl Encoder {
    /// The mirror image of a decoder of this shape.
    pub fn new(shape: &DecoderShape, device: &Device) -> Self {
        let layer = |level: usize| {
            let from = match level {
                0 => 3 + shape.classes,
                level => shape.at(level - 1),
            };
            let channels = [from, shape.at(level)];
            PaddedConv::new(channels, 4, 2, 1, Border::Zeros, true, device)
        };
        let [height, width] = shape.lowest();
        let last = shape.at(shape.levels.saturating_sub(1)) * height * width;
        Encoder {
            layers: (0..shape.levels).map(layer).collect(),
            head: LinearConfig::new(last, 2 * shape.latent).init(device),
        }
    }

    /// Two vectors `[batch, latent]` of each picture `[batch, 3, height, width]` in −1..1 of these classes.
    pub fn forward(&self, pictures: Tensor<4>, classes: &Tensor<2>) -> [Tensor<2>; 2] {
        let mut x = with_planes(pictures, classes);
        for layer in &self.layers {
            x = leaky_relu(layer.forward(x), 0.2);
        }
        let read = self.head.forward(x.flatten::<2>(1, 3));
        let [_, both] = read.dims();
        [0, both / 2].map(|from| read.clone().narrow(1, from, both / 2))
    }
}

/// Pictures `[batch, channels, height, width]` with a plane for each column of `values`, `[batch, columns]`.
pub fn with_planes(pictures: Tensor<4>, values: &Tensor<2>) -> Tensor<4> {
    let ([batch, _, height, width], [_, columns]) = (pictures.dims(), values.dims());
    let planes = values.clone().reshape([batch, columns, 1, 1]);
    Tensor::cat(
        vec![pictures, planes.expand([batch, columns, height, width])],
        1,
    )
}
