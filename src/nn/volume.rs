//! Networks of volumes: layers that draw a grid of voxels, and layers that judge one.
//! Wu et al., Learning a Probabilistic Latent Space of Object Shapes via 3D Generative-Adversarial Modeling, 2016,
//! <https://arxiv.org/abs/1610.07584>
//!
//! A volume is `[batch, depth, channels, height, width]`. A slice and its neighbours along the depth become the channels
//! of one picture, so that a convolution of volumes is one of pictures, by the same kernels.
//!
//! Deviations: voxels are repeated and then convolved instead of convolved with a fractional stride, the last ones drawn
//! eight at a time (sub-pixel convolution: Shi et al., 2016); group norm in place of batch norm in the generator, no norm
//! in the discriminator; both know the class, the generator by its norms and the discriminator by projection (Miyato and
//! Koyama, 2018).

use burn::module::Module;
use burn::nn::{Linear, LinearConfig, PixelShuffle};
use burn::tensor::activation::{leaky_relu, tanh};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::class_norm::ClassNorm;
use super::conv_kernel::Border;
use super::convolution::PaddedConv;
use super::discriminator::Verdict;
use super::norm::{Activation, NormKind};
use super::projection_discriminator::classes_of;

/// Voxels along a side where the resolution is lowest.
pub const LOWEST: usize = 4;

/// The norm of the generator's layers.
pub const NORM: NormKind = NormKind::Group;

/// The shape of both networks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VolumeShape {
    /// Numbers in a latent vector.
    pub latent: usize,
    /// Classes of volumes.
    pub classes: usize,
    /// Channels of the finest layer; coarser ones have up to eight times as many.
    pub channels: usize,
    /// Voxels along a side: [`LOWEST`], doubled some times.
    pub resolution: usize,
}

impl VolumeShape {
    /// How often the resolution is doubled.
    fn levels(&self) -> usize {
        (self.resolution / LOWEST).ilog2() as usize
    }

    fn at(&self, level: usize) -> usize {
        self.channels << level.min(3)
    }

    /// Multiplications with which a volume is drawn, roughly; it takes a quarter of them to judge it.
    pub fn products(&self) -> f64 {
        let voxels = |level: usize| (self.resolution >> level).pow(3) as f64;
        let layer =
            |level: usize| 27.0 * voxels(level) * self.at(level + 1) as f64 * self.at(level) as f64;
        27.0 * voxels(0) * self.at(1) as f64 + (1..self.levels()).map(layer).sum::<f64>()
    }
}

/// A convolution of volumes.
#[derive(Module, Debug)]
struct VolumeConv {
    conv: PaddedConv,
    halves: bool,
}

impl VolumeConv {
    /// With a kernel of 3 voxels, of the same resolution.
    fn same([from, to]: [usize; 2], device: &Device) -> Self {
        let conv = PaddedConv::new([3 * from, to], 3, 1, 1, Border::Zeros, true, device);
        VolumeConv {
            conv,
            halves: false,
        }
    }

    /// As [`VolumeConv::same`], of a volume whose voxels are first repeated twice in all directions.
    fn doubling(channels: [usize; 2], device: &Device) -> Self {
        let VolumeConv { conv, halves } = VolumeConv::same(channels, device);
        VolumeConv {
            conv: conv.enlarging(2),
            halves,
        }
    }

    /// With a kernel of 4 voxels and a stride of 2.
    fn halving([from, to]: [usize; 2], device: &Device) -> Self {
        let conv = PaddedConv::new([4 * from, to], 4, 2, 1, Border::Zeros, true, device);
        VolumeConv { conv, halves: true }
    }

    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let [batch, depth, channels, height, width] = x.dims();
        let edge = Tensor::zeros([batch, 1, channels, height, width], &x.device());
        let padded = Tensor::cat(vec![edge.clone(), x, edge], 1);
        let (depth, slices) = match self.halves {
            // Two slices are one of twice the channels.
            true => {
                let pairs = [batch, depth / 2 + 1, 2 * channels, height, width];
                (depth / 2, neighbours(padded.reshape(pairs), 2, depth / 2))
            }
            false => (depth, neighbours(padded, 3, depth)),
        };
        let [.., channels, height, width] = slices.dims();
        let slices = slices.reshape([batch * depth, channels, height, width]);
        let y = self.conv.forward(slices);
        let [_, channels, height, width] = y.dims();
        y.reshape([batch, depth, channels, height, width])
    }
}

/// Each of the first `depth` slices, with the `count` − 1 slices behind it as further channels.
fn neighbours(x: Tensor<5>, count: usize, depth: usize) -> Tensor<5> {
    let slices = (0..count).map(|first| x.clone().narrow(1, first, depth));
    Tensor::cat(slices.collect(), 2)
}

/// `[batch, depth, 8, height, width]` to `[batch, 2 depth, 2 height, 2 width]`: the eight channels are the octants of a
/// voxel.
fn spread_out(x: Tensor<5>) -> Tensor<4> {
    let [batch, depth, _, height, width] = x.dims();
    // Of the eight, four belong to the first slice.
    let slices = x.reshape([batch * 2 * depth, 4, height, width]);
    let shuffle = PixelShuffle { upscale_factor: 2 };
    shuffle
        .forward(slices)
        .reshape([batch, 2 * depth, 2 * height, 2 * width])
}

/// Every slice twice.
fn doubled(x: Tensor<5>) -> Tensor<5> {
    let [batch, depth, channels, height, width] = x.dims();
    let pairs = Tensor::cat(vec![x.clone(), x], 2);
    pairs.reshape([batch, 2 * depth, channels, height, width])
}

#[derive(Module, Debug)]
struct Layer {
    conv: VolumeConv,
    norm: ClassNorm,
}

/// Draws volumes.
#[derive(Module, Debug)]
pub struct VolumeDecoder {
    start: Linear,
    start_norm: ClassNorm,
    layers: Vec<Layer>,
    head: VolumeConv,
}

impl VolumeDecoder {
    /// A generator with burn's default weights; see [`crate::nn::init`].
    pub fn new(shape: &VolumeShape, device: &Device) -> Self {
        let norm = |channels, place| ClassNorm::new(NORM, [shape.classes, channels], place, device);
        let layer = |level: usize| Layer {
            conv: VolumeConv::doubling([shape.at(level + 1), shape.at(level)], device),
            norm: norm(shape.at(level), level + 1),
        };
        let deepest = shape.at(shape.levels());
        let start = LinearConfig::new(shape.latent + shape.classes, deepest * LOWEST.pow(3));
        VolumeDecoder {
            start: start.init(device),
            start_norm: norm(deepest, 0),
            layers: (1..shape.levels()).rev().map(layer).collect(),
            head: VolumeConv::same([shape.at(1), 8], device),
        }
    }

    /// Latent vectors `[batch, latent]` and classes `[batch, classes]`, a 1 in the place of each, to volumes
    /// `[batch, depth, height, width]` in −1..1; above 0 is inside.
    pub fn forward(&self, latents: Tensor<2>, classes: &Tensor<2>) -> Tensor<4> {
        let x = self
            .start
            .forward(Tensor::cat(vec![latents, classes.clone()], 1));
        let [batch, values] = x.dims();
        let x = x.reshape([batch, LOWEST, values / LOWEST.pow(3), LOWEST, LOWEST]);
        let mut x = normed(&self.start_norm, x, classes);
        for layer in &self.layers {
            x = normed(&layer.norm, layer.conv.forward(doubled(x)), classes);
        }
        tanh(spread_out(self.head.forward(x)))
    }
}

/// Norm and activation of volumes, over all slices.
fn normed(norm: &ClassNorm, x: Tensor<5>, classes: &Tensor<2>) -> Tensor<5> {
    let [batch, depth, channels, height, width] = x.dims();
    let stacked = x
        .swap_dims(1, 2)
        .reshape([batch, channels, depth * height, width]);
    norm.forward(stacked, classes, Activation::Relu)
        .reshape([batch, channels, depth, height, width])
        .swap_dims(1, 2)
}

/// Judges volumes.
#[derive(Module, Debug)]
pub struct VolumeDiscriminator {
    layers: Vec<VolumeConv>,
    head: Linear,
    classes: Linear,
    count: usize,
}

impl VolumeDiscriminator {
    /// A discriminator with burn's default weights; see [`crate::nn::init`].
    pub fn new(shape: &VolumeShape, device: &Device) -> Self {
        let layer = |level: usize| {
            let from = match level {
                0 => 1,
                level => shape.at(level - 1),
            };
            VolumeConv::halving([from, shape.at(level)], device)
        };
        let last = shape.at(shape.levels().saturating_sub(1)) * LOWEST.pow(3);
        VolumeDiscriminator {
            layers: (0..shape.levels()).map(layer).collect(),
            head: LinearConfig::new(last, 1).init(device),
            classes: LinearConfig::new(shape.classes, last).init(device),
            count: shape.classes,
        }
    }

    /// Judges `[batch, depth + 1, height, width]`: a volume in −1..1, and behind it the plane of its class. One score a
    /// volume.
    pub fn forward(&self, input: Tensor<4>) -> Verdict {
        let classes = classes_of(&input, self.count);
        let [batch, planes, height, width] = input.dims();
        let volume = input.narrow(1, 0, planes - 1);
        let mut x = volume.reshape([batch, planes - 1, 1, height, width]);
        let mut features = Vec::new();
        for layer in &self.layers {
            x = leaky_relu(layer.forward(x), 0.2);
            let [_, depth, channels, height, width] = x.dims();
            let stacked = [batch, depth * channels, height, width];
            features.push(x.clone().reshape(stacked));
        }
        let seen = x.reshape([batch as i32, -1]);
        let like_class = (self.classes.forward(classes) * seen.clone()).sum_dim(1);
        let score = self.head.forward(seen) + like_class;
        Verdict {
            scores: vec![score.reshape([batch, 1, 1, 1])],
            features,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Tolerance;
    use burn::tensor::module::conv3d;
    use burn::tensor::ops::ConvOptions;

    fn wave<const D: usize>(dims: [usize; D], device: &Device) -> Tensor<D> {
        let count: usize = dims.iter().product();
        let numbers = Tensor::arange(0..count as i64, device).float();
        (numbers * 0.37).sin().reshape(dims)
    }

    /// burn's convolution of `[batch, channels, depth, height, width]`, by the weights of `layer`.
    fn by_burn(layer: &VolumeConv, x: Tensor<5>, taps: usize, stride: usize) -> Tensor<5> {
        let weight = layer.conv.weight();
        let [to, from, height, width] = weight.dims();
        let weight = weight.reshape([to, taps, from / taps, height, width]);
        let options = ConvOptions::new([stride; 3], [1; 3], [1; 3], 1);
        conv3d(x.swap_dims(1, 2), weight.swap_dims(1, 2), None, options).swap_dims(1, 2)
    }

    #[test]
    fn convolutions_are_those_of_burn() {
        let device = Device::flex();
        let x = wave([2, 6, 3, 8, 10], &device);
        for (layer, taps, stride) in [
            (VolumeConv::same([3, 4], &device), 3, 1),
            (VolumeConv::halving([3, 4], &device), 4, 2),
        ] {
            let nothing = layer.forward(x.zeros_like());
            let found = layer.forward(x.clone()) - nothing;
            let wanted = by_burn(&layer, x.clone(), taps, stride);
            assert_eq!(found.dims(), wanted.dims());
            found
                .into_data()
                .assert_approx_eq::<f32>(&wanted.into_data(), Tolerance::absolute(1e-4));
        }
    }

    #[test]
    fn volumes_have_the_resolution_and_slices_are_repeated() {
        let device = Device::flex();
        for resolution in [8, 16] {
            let shape = VolumeShape {
                latent: 5,
                classes: 2,
                channels: 2,
                resolution,
            };
            let classes = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
            let generator = VolumeDecoder::new(&shape, &device);
            let volumes = generator.forward(wave([2, 5], &device), &classes);
            assert_eq!(volumes.dims(), [2, resolution, resolution, resolution]);
            let plane = Tensor::ones([2, 1, resolution, resolution], &device);
            let critic = VolumeDiscriminator::new(&shape, &device);
            let verdict = critic.forward(Tensor::cat(vec![volumes, plane], 1));
            assert_eq!(verdict.scores[0].dims(), [2, 1, 1, 1]);
        }
        let places = Tensor::arange(0..8, &device)
            .float()
            .reshape([1, 1, 8, 1, 1]);
        let whole: Vec<f32> = spread_out(places).into_data().try_to_vec().unwrap();
        assert_eq!(whole, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let x = wave([1, 3, 2, 2, 2], &device);
        let twice = doubled(x.clone());
        for slice in 0..6 {
            let (a, b) = (twice.clone().narrow(1, slice, 1), x.clone());
            let b = b.narrow(1, slice / 2, 1);
            a.into_data()
                .assert_approx_eq::<f32>(&b.into_data(), Tolerance::absolute(0.0));
        }
    }
}
