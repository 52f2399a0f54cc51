//! The two generators of StackGAN: the first draws a small picture of what a caption says, the second makes a larger one
//! of it, reading the caption again.
//! Zhang et al., StackGAN: Text to Photo-realistic Image Synthesis with Stacked Generative Adversarial Networks, 2017.
//! <https://arxiv.org/abs/1612.03242>
//!
//! Deviations: a caption is the set of its words, and its meaning a learned sum of theirs, in place of a text encoder
//! that was trained on other data; the second generator corrects the enlargement of the small picture; group norm.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, tanh};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::conv_kernel::Border;
use super::convolution::PaddedConv;
use super::decoder::{Decoder, DecoderShape, with_planes};
use super::norm::{Activation, Norm, NormKind};
use super::resample::resample;
use crate::sample::Extent;

/// The shape of a [`Stack`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackShape {
    /// Words that are known.
    pub words: usize,
    /// Numbers in a latent vector.
    pub latent: usize,
    /// Numbers that a caption is summed up in.
    pub meaning: usize,
    /// Channels of the finest layers.
    pub channels: usize,
    /// How often the first generator doubles the resolution.
    pub levels: usize,
    /// Of the pictures, of which the first generator draws half in each direction.
    pub extent: Extent,
}

impl StackShape {
    /// Of the first generator's pictures.
    pub fn small(&self) -> Extent {
        Extent::new(self.extent.width / 2, self.extent.height / 2)
    }

    fn decoder(&self) -> DecoderShape {
        DecoderShape {
            latent: self.latent,
            classes: self.meaning,
            channels: self.channels,
            levels: self.levels,
            extent: self.small(),
            norm: NormKind::Group,
        }
    }

    /// Multiplications with which a picture is drawn, roughly.
    pub fn products(&self) -> f64 {
        let channels = self.channels as f64;
        let small = self.small().area() as f64;
        self.decoder().products() + 9.0 * small * channels * (7.0 * channels + self.meaning as f64)
    }
}

/// Sums a caption up, as a normal distribution from which what it means is drawn (conditioning augmentation).
#[derive(Module, Debug)]
struct Reading {
    words: Linear,
    head: Linear,
}

impl Reading {
    fn forward(&self, words: &Tensor<2>) -> [Tensor<2>; 2] {
        let read = self.head.forward(relu(self.words.forward(words.clone())));
        let [_, both] = read.dims();
        let half = |from| read.clone().narrow(1, from, both / 2);
        [half(0), half(both / 2).clamp(-8.0, 4.0)]
    }
}

/// Draws a small picture.
#[derive(Module, Debug)]
pub struct First {
    reading: Reading,
    decoder: Decoder,
    latent: usize,
}

/// What a first generator draws.
pub struct Sketch {
    /// `[batch, 3, height, width]` in −1..1.
    pub picture: Tensor<4>,
    /// Kullback-Leibler divergence of what captions mean from the normal distribution, in nats a number.
    pub divergence: Tensor<1>,
}

impl First {
    fn new(shape: &StackShape, device: &Device) -> Self {
        First {
            reading: reading(shape, device),
            decoder: Decoder::new(&shape.decoder(), device),
            latent: shape.latent,
        }
    }

    /// Draws from numbers `[batch, latent + meaning]` what captions with these words say, `[batch, words]`.
    pub fn forward(&self, numbers: &Tensor<2>, words: &Tensor<2>) -> Sketch {
        let [_, all] = numbers.dims();
        let part = |from, count| numbers.clone().narrow(1, from, count);
        let [mean, variance] = self.reading.forward(words);
        let noise = part(self.latent, all - self.latent);
        let meaning = mean.clone() + variance.clone().mul_scalar(0.5).exp() * noise;
        let divergence = mean.square() + variance.clone().exp() - variance - 1.0;
        Sketch {
            picture: self.decoder.forward(part(0, self.latent), &meaning),
            divergence: divergence.mean().mul_scalar(0.5),
        }
    }
}

fn reading(shape: &StackShape, device: &Device) -> Reading {
    let linear = |from, to| LinearConfig::new(from, to).init(device);
    Reading {
        words: linear(shape.words, 2 * shape.meaning),
        head: linear(2 * shape.meaning, 2 * shape.meaning),
    }
}

#[derive(Module, Debug)]
struct Layer {
    conv: PaddedConv,
    norm: Norm,
}

impl Layer {
    fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x), activation)
    }
}

/// Makes a small picture large.
#[derive(Module, Debug)]
pub struct Second {
    reading: Reading,
    stem: Layer,
    blocks: Vec<[Layer; 2]>,
    up: Layer,
    head: PaddedConv,
}

impl Second {
    fn new(shape: &StackShape, device: &Device) -> Self {
        let channels = shape.channels;
        let conv = |channels| PaddedConv::new(channels, 3, 1, 1, Border::Zeros, true, device);
        let layer = |from: usize| Layer {
            conv: conv([from, channels]),
            norm: NormKind::Group.init(channels, 0, device),
        };
        let up = Layer {
            conv: conv([channels, channels]).enlarging(2),
            ..layer(channels)
        };
        Second {
            reading: reading(shape, device),
            stem: layer(3 + shape.meaning),
            blocks: (0..2).map(|_| [layer(channels), layer(channels)]).collect(),
            up,
            head: conv([channels, 3]),
        }
    }

    /// Pictures twice as wide and high, of what captions with these words say, `[batch, words]`.
    pub fn forward(&self, small: Tensor<4>, words: &Tensor<2>) -> Tensor<4> {
        let [_, _, height, width] = small.dims();
        let [meaning, _] = self.reading.forward(words);
        let seen = with_planes(small.clone(), &meaning);
        let mut x = self.stem.forward(seen, Activation::Relu);
        for [first, second] in &self.blocks {
            let inner = first.forward(x.clone(), Activation::Relu);
            x = x + second.forward(inner, Activation::None);
        }
        let correction = self.head.forward(self.up.forward(x, Activation::Relu));
        resample(small, [2 * height, 2 * width]) + tanh(correction)
    }
}

/// Both generators.
#[derive(Module, Debug)]
pub struct Stack {
    /// Draws small pictures.
    pub first: First,
    /// Makes them large.
    pub second: Second,
}

impl Stack {
    /// With burn's default weights; see [`crate::nn::init`].
    pub fn new(shape: &StackShape, device: &Device) -> Self {
        Stack {
            first: First::new(shape, device),
            second: Second::new(shape, device),
        }
    }

    /// Large pictures from numbers `[batch, latent + meaning]` and words `[batch, words]`.
    pub fn forward(&self, numbers: &Tensor<2>, words: &Tensor<2>) -> Tensor<4> {
        let small = self.first.forward(numbers, words).picture;
        self.second.forward(small, words)
    }
}
