//! The generator of StyleGAN2: a mapping network turns a latent vector into a style, which scales the weights of every
//! convolution.
//! Karras et al., Analyzing and Improving the Image Quality of StyleGAN, 2020. <https://arxiv.org/abs/1912.04958>
//!
//! Modulated convolution: scale the channels that go in, convolve with the weights of all, divide by the length of the
//! scaled weights. Noise at every pixel, and pictures of all resolutions that add up (skip connections). Deviations: the
//! mapping network sees the class beside the latent vector, embedded in as many numbers of the same size (Karras et al.,
//! Training Generative Adversarial Networks with Limited Data, 2020); pixels are repeated, not interpolated, before a
//! convolution; no path length regularisation, and the equalised learning rate is that of the mapping network alone.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::conv_kernel::Border;
use super::convolution::PaddedConv;
use super::init::{Init, initialise};
use super::resample::doubled;
use crate::sample::Extent;
use crate::seed::Stream;

/// The shape of a [`StyleGenerator`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StyleShape {
    /// Numbers in a latent vector, without the noise of the pixels.
    pub latent: usize,
    /// Classes of pictures.
    pub classes: usize,
    /// Numbers in a style.
    pub style: usize,
    /// Layers of the mapping network.
    pub mapping: usize,
    /// Channels of the finest layer; coarser ones have up to eight times as many.
    pub channels: usize,
    /// How often the resolution is doubled.
    pub levels: usize,
    /// Of the pictures.
    pub extent: Extent,
}

impl StyleShape {
    fn at(&self, level: usize) -> usize {
        self.channels << level.min(3)
    }

    /// Height and width at a level, 0 the finest.
    fn size(&self, level: usize) -> [usize; 2] {
        [self.extent.height, self.extent.width].map(|side| side as usize >> level)
    }

    /// Values of noise of every convolution, the coarsest first: one at the lowest resolution, two at the others.
    fn noise(&self) -> impl Iterator<Item = [usize; 2]> {
        let levels = (0..=self.levels).rev();
        levels.flat_map(|level| {
            let convolutions = if level == self.levels { 1 } else { 2 };
            vec![self.size(level); convolutions]
        })
    }

    /// Numbers that a picture is drawn from: latent vector and noise.
    pub fn numbers(&self) -> usize {
        self.latent
            + self
                .noise()
                .map(|[height, width]| height * width)
                .sum::<usize>()
    }

    /// Multiplications with which a picture is drawn, roughly.
    pub fn products(&self) -> f64 {
        let pixels = self.extent.area() as f64;
        let layer = |level: usize| {
            let (fine, coarse) = (self.at(level) as f64, self.at(level + 1) as f64);
            9.0 * (fine * fine + coarse * fine) * pixels / f64::from(1 << (2 * level))
        };
        (0..self.levels).map(layer).sum::<f64>()
            + 9.0 * (self.at(self.levels) as f64).powi(2) * 16.0
    }
}

/// A convolution whose weights are scaled by a style.
#[derive(Module, Debug)]
struct Modulated {
    scale: Linear,
    conv: PaddedConv,
    demodulate: bool,
}

impl Modulated {
    fn new(
        shape: &StyleShape,
        channels: [usize; 2],
        kernel: usize,
        enlarge: usize,
        device: &Device,
    ) -> Self {
        let conv = PaddedConv::new(
            channels,
            kernel,
            1,
            kernel / 2,
            Border::Zeros,
            false,
            device,
        );
        Modulated {
            scale: LinearConfig::new(shape.style, channels[0]).init(device),
            conv: conv.enlarging(enlarge),
            demodulate: kernel > 1,
        }
    }

    fn forward(&self, x: Tensor<4>, style: &Tensor<2>) -> Tensor<4> {
        let [batch, channels, ..] = x.dims();
        let scale = self.scale.forward(style.clone()) + 1.0;
        let x = self
            .conv
            .forward(x * scale.clone().reshape([batch, channels, 1, 1]));
        if !self.demodulate {
            return x;
        }
        let weight = self.conv.weight();
        let [out, inner, ..] = weight.dims();
        let squares = weight.square().sum_dim(2).sum_dim(3).reshape([out, inner]);
        let length = scale.square().matmul(squares.transpose()) + 1e-8;
        x / length.sqrt().reshape([batch, out, 1, 1])
    }
}

/// A modulated convolution with noise, bias and activation.
#[derive(Module, Debug)]
struct Layer {
    conv: Modulated,
    /// How much of the noise, `[1]`.
    strength: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
}

impl Layer {
    fn new(shape: &StyleShape, channels: [usize; 2], enlarge: usize, device: &Device) -> Self {
        let zeros = |count| Param::from_tensor(Tensor::zeros([count], device));
        Layer {
            conv: Modulated::new(shape, channels, 3, enlarge, device),
            strength: zeros(1),
            bias: zeros(channels[1]),
        }
    }

    fn forward(&self, x: Tensor<4>, style: &Tensor<2>, noise: Tensor<4>) -> Tensor<4> {
        let x = self.conv.forward(x, style);
        let [_, channels, ..] = x.dims();
        let noise = noise * self.strength.val().reshape([1, 1, 1, 1]);
        let bias = self.bias.val().reshape([1, channels, 1, 1]);
        leaky_relu(x + noise + bias, 0.2) * std::f64::consts::SQRT_2
    }
}

/// The learning rate of the mapping network as a share of the others', as in the paper. Its weights are kept as many times
/// larger, and what it computes is scaled down.
const MAPPING_RATE: f64 = 0.01;

/// Draws pictures.
#[derive(Module, Debug)]
pub struct StyleGenerator {
    /// Embeds the class.
    classes: Linear,
    mapping: Vec<Linear>,
    /// `[1, channels, height, width]` of the lowest resolution.
    start: Param<Tensor<4>>,
    layers: Vec<Layer>,
    /// One for each resolution, the lowest first.
    to_colours: Vec<Modulated>,
    #[module(skip)]
    shape: StyleShape,
}

impl StyleGenerator {
    /// A generator with burn's default weights; see [`crate::nn::init`].
    pub fn new(shape: &StyleShape, device: &Device) -> Self {
        let deepest = shape.at(shape.levels);
        let mut layers = vec![Layer::new(shape, [deepest, deepest], 1, device)];
        let mut to_colours = vec![Modulated::new(shape, [deepest, 3], 1, 1, device)];
        for level in (0..shape.levels).rev() {
            let (coarse, fine) = (shape.at(level + 1), shape.at(level));
            layers.push(Layer::new(shape, [coarse, fine], 2, device));
            layers.push(Layer::new(shape, [fine, fine], 1, device));
            to_colours.push(Modulated::new(shape, [fine, 3], 1, 1, device));
        }
        let linear = |place: usize| {
            let from = match place {
                0 => 2 * shape.latent,
                _ => shape.style,
            };
            LinearConfig::new(from, shape.style).init(device)
        };
        let [height, width] = shape.size(shape.levels);
        StyleGenerator {
            classes: LinearConfig::new(shape.classes, shape.latent).init(device),
            mapping: (0..shape.mapping).map(linear).collect(),
            start: Param::from_tensor(Tensor::zeros([1, deepest, height, width], device)),
            layers,
            to_colours,
            shape: shape.clone(),
        }
    }

    /// The same with weights drawn from `stream`, those that turn styles into scales small. Parameters are numbered from
    /// `first_id` on, within 2¹⁹.
    pub fn initialised(self, stream: &mut Stream, first_id: u64) -> Self {
        let network = initialise(self, Init::He, stream, first_id);
        let mut id = first_id + (1 << 18);
        let mut gentle = |conv: Modulated| {
            id += 8;
            Modulated {
                scale: initialise(conv.scale, Init::Normal(0.05), stream, id),
                ..conv
            }
        };
        let layers = network.layers.into_iter().map(|layer| Layer {
            conv: gentle(layer.conv),
            ..layer
        });
        let enlarged = |layer: Linear| Linear {
            weight: layer
                .weight
                .map(|weight| (weight / MAPPING_RATE).detach().require_grad()),
            ..layer
        };
        StyleGenerator {
            mapping: network.mapping.into_iter().map(enlarged).collect(),
            layers: layers.collect(),
            to_colours: network.to_colours.into_iter().map(&mut gentle).collect(),
            ..network
        }
    }

    /// The styles `[batch, style]` of latent vectors `[batch, latent]` of these classes, `[batch, classes]`.
    pub fn style(&self, latents: Tensor<2>, classes: &Tensor<2>) -> Tensor<2> {
        let classes = self.classes.forward(classes.clone());
        let mut style = Tensor::cat(vec![of_unit_size(latents), of_unit_size(classes)], 1);
        for layer in &self.mapping {
            style = leaky_relu(layer.forward(style) * MAPPING_RATE, 0.2);
        }
        style
    }

    /// Pictures `[batch, 3, height, width]`, about −1..1, in these styles, from the noise of all pixels, `[batch, values]`.
    pub fn picture(&self, style: &Tensor<2>, noise: &Tensor<2>) -> Tensor<4> {
        let ([batch, _], mut at) = (noise.dims(), 0);
        let noise: Vec<Tensor<4>> = (self.shape.noise())
            .map(|[height, width]| {
                let values = noise.clone().narrow(1, at, height * width);
                at += height * width;
                values.reshape([batch, 1, height, width])
            })
            .collect();
        let start = self.start.val();
        let [_, channels, height, width] = start.dims();
        let mut x = start.expand([batch, channels, height, width]);
        let mut picture: Option<Tensor<4>> = None;
        let mut layers = self.layers.iter().zip(noise);
        for (level, to_colours) in self.to_colours.iter().enumerate() {
            let convolutions = if level == 0 { 1 } else { 2 };
            for (layer, noise) in layers.by_ref().take(convolutions) {
                x = layer.forward(x, style, noise);
            }
            let colours = to_colours.forward(x.clone(), style);
            picture = Some(match picture {
                Some(coarse) => doubled(coarse) + colours,
                None => colours,
            });
        }
        picture.unwrap_or(x)
    }

    /// Numbers in a latent vector, without the noise behind it.
    pub fn latent(&self) -> usize {
        self.shape.latent
    }

    /// Pictures from latent vectors with the noise behind them, `[batch, numbers]`.
    pub fn forward(&self, numbers: &Tensor<2>, classes: &Tensor<2>) -> Tensor<4> {
        let [_, all] = numbers.dims();
        let latent = self.shape.latent;
        let style = self.style(numbers.clone().narrow(1, 0, latent), classes);
        self.picture(&style, &numbers.clone().narrow(1, latent, all - latent))
    }
}

/// Rows whose numbers have a mean square of 1.
fn of_unit_size(rows: Tensor<2>) -> Tensor<2> {
    let size = (rows.clone().square().mean_dim(1) + 1e-8).sqrt();
    rows / size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn shape() -> StyleShape {
        StyleShape {
            latent: 6,
            classes: 2,
            style: 8,
            mapping: 2,
            channels: 4,
            levels: 2,
            extent: Extent::new(24, 16),
        }
    }

    fn ramp<const D: usize>(dims: [usize; D], device: &Device) -> Tensor<D> {
        let count = dims.iter().product::<usize>() as i64;
        let values = Tensor::arange(0..count, device).float();
        values.reshape(dims).mul_scalar(0.37).sin()
    }

    #[test]
    fn latents_classes_and_noise_decide_what_is_drawn() {
        let device = Device::flex();
        let network = StyleGenerator::new(&shape(), &device.clone().autodiff());
        let mut network = network
            .initialised(&mut Seed::new(1, "x").stream(0), 1)
            .valid();
        for layer in &mut network.layers {
            layer.strength = Param::from_tensor(Tensor::ones([1], &device));
        }
        let numbers = shape().numbers();
        assert_eq!(numbers, 6 + 24 + 2 * 96 + 2 * 384);
        let latents = ramp([2, numbers], &device);
        let classes = Tensor::from_data([[1.0, 0.0], [0.0, 1.0]], &device);
        let picture = network.forward(&latents, &classes);
        assert_eq!(picture.dims(), [2, 3, 16, 24]);
        let change = |latents: Tensor<2>, classes: Tensor<2>| -> f32 {
            let other = network.forward(&latents, &classes);
            (other - picture.clone()).abs().mean().into_scalar()
        };
        let part = |from: usize, to: usize| {
            let place = Tensor::<1, burn::tensor::Int>::arange(0..numbers as i64, &device);
            let inside = place.clone().greater_equal_elem(from as i64).float()
                * place.lower_elem(to as i64).float();
            latents.clone() - inside.reshape([1, numbers])
        };
        assert_eq!(change(latents.clone(), classes.clone()), 0.0);
        assert!(change(part(0, 6), classes.clone()) > 1e-3);
        assert!(change(part(6, numbers), classes.clone()) > 1e-3);
        assert!(change(latents.clone(), classes.flip([1])) > 1e-3);
    }

    /// As if every picture were convolved with weights of its own.
    #[test]
    fn modulation_is_that_of_scaled_and_normalised_weights() {
        let device = Device::flex();
        let conv = Modulated::new(&shape(), [3, 4], 3, 1, &device);
        let (x, style) = (ramp([1, 3, 5, 6], &device), ramp([1, 8], &device));
        let found = conv.forward(x.clone(), &style);
        let scale = conv.scale.forward(style) + 1.0;
        let weight = conv.conv.weight() * scale.reshape([1, 3, 1, 1]);
        let squares = weight.clone().square().sum_dim(1).sum_dim(2).sum_dim(3);
        let weight = weight / (squares + 1e-8).sqrt();
        let expected = conv.conv.forward_with(x, weight);
        let difference: f32 = (found - expected).abs().max().into_scalar();
        assert!(difference < 1e-5, "{difference}");
    }
}
