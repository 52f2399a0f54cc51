//! The generator of GauGAN: a map of what each pixel is to show scales and shifts what every layer puts out.
//! Park, Liu, Wang and Zhu, Semantic Image Synthesis with Spatially-Adaptive Normalization, 2019.
//! <https://arxiv.org/abs/1903.07291>
//!
//! Deviations: it starts from the map at its lowest resolution; the style, the paper's noise, scales and shifts beside
//! the map in every layer instead of being the start, since instance norm would take it out there; the norm's own scale
//! and shift stay, which adds nothing that the map could not say; one convolution of 3 × 3 turns the map into features,
//! of as many channels as the finest layer; the map is averaged where it is too fine, not sampled.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{leaky_relu, relu, tanh};
use burn::tensor::module::{adaptive_avg_pool2d, interpolate};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::conv_kernel::Border;
use super::convolution::{PaddedConv, Precision};
use super::init::{Init, initialise};
use super::norm::{Activation, Norm, NormKind};
use super::spectral_norm::SpectralConv;
use crate::sample::Extent;
use crate::seed::Stream;

/// The shape of a [`SpadeGenerator`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SpadeShape {
    /// Channels of the map.
    pub planes: usize,
    /// Numbers in a style.
    pub style: usize,
    /// Channels of the finest layer; coarser ones have up to eight times as many.
    pub channels: usize,
    /// How often the resolution is doubled.
    pub levels: usize,
    /// The norm that is scaled and shifted.
    pub norm: NormKind,
    /// Whether weights of the blocks are divided by their largest singular values.
    pub spectral: bool,
    /// What the convolutions compute in.
    pub precision: Precision,
}

impl SpadeShape {
    fn at(&self, level: usize) -> usize {
        self.channels << level.min(3)
    }

    fn conv(&self, channels: [usize; 2], kernel: usize, device: &Device) -> PaddedConv {
        let padding = kernel / 2;
        PaddedConv::new(channels, kernel, 1, padding, Border::Zeros, true, device)
            .computing_in(self.precision)
    }

    /// Numbers that all layers put out for a picture of this extent, roughly.
    pub fn outputs(&self, extent: Extent) -> usize {
        // Each modulated layer holds its norm, scale, shift, sum and activation, the features of the map, and what its
        // convolution puts out.
        let layer = |channels: usize, level: usize| {
            (6 * channels + 2 * self.channels) * (extent.area() >> (2 * level))
        };
        let levels = 0..self.levels;
        let up =
            levels.map(|level| 2 * layer(self.at(level + 1), level) + layer(self.at(level), level));
        2 * layer(self.at(self.levels), self.levels) + up.sum::<usize>()
    }
}

/// A norm whose scale and shift follow map and style.
#[derive(Module, Debug)]
struct Modulation {
    norm: Norm,
    of_map: PaddedConv,
    of_style: Linear,
    scale: PaddedConv,
    shift: PaddedConv,
}

impl Modulation {
    fn new(shape: &SpadeShape, channels: usize, place: usize, device: &Device) -> Self {
        let hidden = shape.channels;
        Modulation {
            norm: shape.norm.init(channels, place, device),
            of_map: shape.conv([shape.planes, hidden], 3, device),
            of_style: LinearConfig::new(shape.style, hidden).init(device),
            scale: shape.conv([hidden, channels], 3, device),
            shift: shape.conv([hidden, channels], 3, device),
        }
    }

    fn forward(&self, x: Tensor<4>, map: &Tensor<4>, style: &Tensor<2>) -> Tensor<4> {
        let style = self.of_style.forward(style.clone());
        let [batch, channels] = style.dims();
        let style = style.reshape([batch, channels, 1, 1]);
        let features = relu(self.of_map.forward(map.clone()) + style);
        let x = self.norm.forward(x, Activation::None);
        x * (self.scale.forward(features.clone()) + 1.0) + self.shift.forward(features)
    }
}

/// Two modulated convolutions, added to their input.
#[derive(Module, Debug)]
struct Block {
    modulations: Vec<Modulation>,
    convs: Vec<SpectralConv>,
    /// Where the number of channels changes: a modulation, and a convolution of single pixels.
    shortcut_modulation: Option<Modulation>,
    shortcut: Option<SpectralConv>,
}

impl Block {
    fn new(shape: &SpadeShape, [from, to]: [usize; 2], place: usize, device: &Device) -> Self {
        let modulation =
            |channels, offset| Modulation::new(shape, channels, 3 * place + offset, device);
        let conv = |channels, kernel| {
            SpectralConv::new(shape.conv(channels, kernel, device), shape.spectral, device)
        };
        let between = from.min(to);
        let changes = from != to;
        Block {
            modulations: vec![modulation(from, 0), modulation(between, 1)],
            convs: vec![conv([from, between], 3), conv([between, to], 3)],
            shortcut_modulation: changes.then(|| modulation(from, 2)),
            shortcut: changes.then(|| conv([from, to], 1)),
        }
    }

    fn forward(&self, x: Tensor<4>, map: &Tensor<4>, style: &Tensor<2>) -> Tensor<4> {
        let mut inner = x.clone();
        for (modulation, conv) in self.modulations.iter().zip(&self.convs) {
            inner = conv.forward(leaky_relu(modulation.forward(inner, map, style), 0.2));
        }
        let around = match (&self.shortcut_modulation, &self.shortcut) {
            (Some(modulation), Some(conv)) => conv.forward(modulation.forward(x, map, style)),
            _ => x,
        };
        around + inner
    }

    fn renew(self) -> Self {
        Block {
            convs: self.convs.into_iter().map(SpectralConv::renew).collect(),
            shortcut: self.shortcut.map(SpectralConv::renew),
            ..self
        }
    }
}

/// Draws pictures of what a map says, in a style.
#[derive(Module, Debug)]
pub struct SpadeGenerator {
    start: PaddedConv,
    /// The first at the lowest resolution, each other one at twice that of the one before.
    blocks: Vec<Block>,
    head: PaddedConv,
}

impl SpadeGenerator {
    /// A generator with burn's default weights; see [`crate::nn::init`].
    pub fn new(shape: &SpadeShape, device: &Device) -> Self {
        let deepest = shape.at(shape.levels);
        let mut blocks = vec![Block::new(shape, [deepest, deepest], 0, device)];
        for level in (0..shape.levels).rev() {
            let channels = [shape.at(level + 1), shape.at(level)];
            blocks.push(Block::new(shape, channels, level + 1, device));
        }
        SpadeGenerator {
            start: shape.conv([shape.planes, deepest], 3, device),
            blocks,
            head: shape.conv([shape.channels, 3], 3, device),
        }
    }

    /// The same with small weights, drawn from `stream`, but for those that read map and style, which are to matter from
    /// the first step on. Parameters are numbered from `first_id` on, within 2¹⁹.
    pub fn initialised(self, stream: &mut Stream, first_id: u64) -> Self {
        let network = initialise(self, Init::Normal(0.02), stream, first_id);
        let mut id = first_id + (1 << 18);
        let mut awake = |modulation: Modulation| {
            id += 16;
            Modulation {
                of_map: initialise(modulation.of_map, Init::He, stream, id),
                of_style: initialise(modulation.of_style, Init::He, stream, id + 8),
                ..modulation
            }
        };
        let blocks = network.blocks.into_iter().map(|block| Block {
            modulations: block.modulations.into_iter().map(&mut awake).collect(),
            shortcut_modulation: block.shortcut_modulation.map(&mut awake),
            ..block
        });
        SpadeGenerator {
            blocks: blocks.collect(),
            ..network
        }
    }

    /// A map `[batch, planes, height, width]` in 0..1 and styles `[batch, style]` to pictures
    /// `[batch, 3, height, width]` in −1..1. Height and width must be multiples of 2 to the power of `levels`.
    pub fn forward(&self, map: Tensor<4>, style: &Tensor<2>) -> Tensor<4> {
        let [_, _, height, width] = map.dims();
        let levels = self.blocks.len() - 1;
        let seen = |level: usize| match level {
            0 => map.clone(),
            level => adaptive_avg_pool2d(map.clone(), [height >> level, width >> level]),
        };
        let lowest = seen(levels);
        let mut x = self.start.forward(lowest.clone());
        x = self.blocks[0].forward(x, &lowest, style);
        for (block, level) in self.blocks[1..].iter().zip((0..levels).rev()) {
            let options = InterpolateOptions::new(InterpolateMode::Nearest);
            let size = [height >> level, width >> level];
            x = interpolate(x, options.with_output_size(size));
            x = block.forward(x, &seen(level), style);
        }
        tanh(self.head.forward(leaky_relu(x, 0.2)))
    }

    /// Takes the power iterations of spectral normalisation one step on.
    pub fn renew(self) -> Self {
        SpadeGenerator {
            blocks: self.blocks.into_iter().map(Block::renew).collect(),
            ..self
        }
    }
}

/// Reads the style of a picture, as a normal distribution: the paper's image encoder (Kingma and Welling,
/// Auto-Encoding Variational Bayes, 2014). It has no norms, which would take colour and light out.
#[derive(Module, Debug)]
pub struct StyleEncoder {
    layers: Vec<PaddedConv>,
    head: Linear,
}

impl StyleEncoder {
    /// For pictures with their maps; as deep as the generator.
    pub fn new(shape: &SpadeShape, device: &Device) -> Self {
        let layer = |level: usize| {
            let from = match level {
                0 => 3 + shape.planes,
                level => shape.at(level - 1),
            };
            PaddedConv::new(
                [from, shape.at(level)],
                3,
                2,
                1,
                Border::Zeros,
                true,
                device,
            )
            .computing_in(shape.precision)
        };
        let last = shape.levels.max(1);
        StyleEncoder {
            layers: (0..last).map(layer).collect(),
            head: LinearConfig::new(shape.at(last - 1), 2 * shape.style).init(device),
        }
    }

    /// Mean and logarithm of the variance, each `[batch, style]`, of pictures `[batch, 3, height, width]` in −1..1 with
    /// their maps `[batch, planes, height, width]`.
    pub fn forward(&self, pictures: Tensor<4>, map: Tensor<4>) -> [Tensor<2>; 2] {
        let mut x = Tensor::cat(vec![pictures, map], 1);
        for layer in &self.layers {
            x = leaky_relu(layer.forward(x), 0.2);
        }
        let [batch, channels, height, width] = x.dims();
        let places = x.reshape([batch, channels, height * width]);
        let mean = places.mean_dim(2).reshape([batch, channels]);
        let read = self.head.forward(mean);
        let [_, both] = read.dims();
        let half = both / 2;
        [
            read.clone().narrow(1, 0, half),
            read.narrow(1, half, half).clamp(-8.0, 8.0),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn shape() -> SpadeShape {
        SpadeShape {
            planes: 2,
            style: 3,
            channels: 4,
            levels: 2,
            norm: NormKind::Instance,
            spectral: true,
            precision: Precision::F32,
        }
    }

    fn ramp<const D: usize>(dims: [usize; D], device: &Device) -> Tensor<D> {
        let count = dims.iter().product::<usize>() as i64;
        let values = Tensor::arange(0..count, device).float();
        values.reshape(dims).mul_scalar(0.37).sin()
    }

    #[test]
    fn map_and_style_both_decide_what_is_drawn() {
        let device = Device::flex().autodiff();
        let network = SpadeGenerator::new(&shape(), &device);
        let mut stream = Seed::new(1, "x").stream(0);
        let network = network.initialised(&mut stream, 1).renew();
        let (map, style) = (ramp([2, 2, 8, 16], &device), ramp([2, 3], &device));
        let picture = network.forward(map.clone(), &style);
        assert_eq!(picture.dims(), [2, 3, 8, 16]);
        let change = |map: Tensor<4>, style: Tensor<2>| -> f32 {
            let other = network.forward(map, &style);
            (other - picture.clone()).abs().mean().into_scalar()
        };
        assert_eq!(change(map.clone(), style.clone()), 0.0);
        let other_map = change(map.clone() * -1.0, style.clone());
        let other_style = change(map, style * -1.0);
        assert!(
            other_map > 1e-3 && other_style > 1e-3,
            "{other_map} {other_style}"
        );
    }

    #[test]
    fn a_style_tells_dark_from_bright() {
        let device = Device::flex().autodiff();
        let encoder = StyleEncoder::new(&shape(), &device);
        let mut stream = Seed::new(1, "x").stream(0);
        let encoder = initialise(encoder, Init::He, &mut stream, 1);
        let map: Tensor<4> = Tensor::zeros([1, 2, 8, 8], &device);
        let read =
            |value: f32| encoder.forward(Tensor::full([1, 3, 8, 8], value, &device), map.clone());
        let [dark, variance] = read(-0.8);
        assert_eq!((dark.dims(), variance.dims()), ([1, 3], [1, 3]));
        let [bright, _] = read(0.8);
        let change: f32 = (dark - bright).abs().max().into_scalar();
        assert!(change > 0.1, "{change}");
    }
}
