//! The generator of SRGAN (SRResNet): residual blocks at the size of the input, then pixel shuffles.
//! Ledig et al., Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network, 2017.
//!
//! Deviations: no batch norm, which makes a picture's contrast depend on others (Lim et al., EDSR, 2017); the output is
//! a correction of the bicubic enlargement, so that training starts there.

use burn::module::{Module, Param};
use burn::nn::PixelShuffle;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::conv_kernel::Border;
use super::convolution::{PaddedConv, Precision};
use super::init::{Init, initialise};
use super::resample::resample;
use crate::sample::Extent;
use crate::seed::Stream;

/// The shape of an [`Upscaler`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpscalerShape {
    /// How many times as wide and high the output is: a power of two.
    pub scale: usize,
    /// Channels of all layers but the last.
    pub channels: usize,
    /// Residual blocks.
    pub blocks: usize,
    /// What the convolutions compute in.
    pub precision: Precision,
}

/// Side of the first and the last kernel.
const OUTER: usize = 9;

/// A rectifier with a learned slope below zero, one a channel (He et al. 2015).
#[derive(Module, Debug)]
struct Prelu {
    /// The slope is a quarter of it, so that it begins at 1, as scales do, and the slope at the paper's 0.25.
    quarters: Param<Tensor<1>>,
}

impl Prelu {
    fn new(channels: usize, device: &Device) -> Self {
        Prelu {
            quarters: Param::from_tensor(Tensor::ones([channels], device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let channels = x.dims()[1];
        let slope = self.quarters.val().reshape([1, channels, 1, 1]) * 0.25;
        relu(x.clone()) - relu(-x) * slope
    }
}

#[derive(Module, Debug)]
struct Block {
    first: PaddedConv,
    activation: Prelu,
    second: PaddedConv,
}

/// Twice as wide and high.
#[derive(Module, Debug)]
struct Doubling {
    conv: PaddedConv,
    shuffle: PixelShuffle,
    activation: Prelu,
}

/// Enlarges pictures.
#[derive(Module, Debug)]
pub struct Upscaler {
    stem: PaddedConv,
    activation: Prelu,
    blocks: Vec<Block>,
    merge: PaddedConv,
    doublings: Vec<Doubling>,
    head: PaddedConv,
    scale: usize,
}

impl UpscalerShape {
    /// An upscaler with burn's default weights; see [`Upscaler::initialised`].
    pub fn init(&self, device: &Device) -> Upscaler {
        let channels = self.channels;
        let conv = |channels: [usize; 2], kernel: usize| {
            PaddedConv::new(
                channels,
                kernel,
                1,
                kernel / 2,
                Border::Reflect,
                true,
                device,
            )
            .computing_in(self.precision)
        };
        let inner = || conv([channels, channels], 3);
        Upscaler {
            stem: conv([3, channels], OUTER),
            activation: Prelu::new(channels, device),
            blocks: (0..self.blocks)
                .map(|_| Block {
                    first: inner(),
                    activation: Prelu::new(channels, device),
                    second: inner(),
                })
                .collect(),
            merge: inner(),
            doublings: (0..self.scale.ilog2())
                .map(|_| Doubling {
                    conv: conv([channels, 4 * channels], 3),
                    shuffle: PixelShuffle { upscale_factor: 2 },
                    activation: Prelu::new(channels, device),
                })
                .collect(),
            head: conv([channels, 3], OUTER),
            scale: self.scale,
        }
    }

    /// Numbers that all layers put out for an output of this extent.
    pub fn outputs(&self, enlarged: Extent) -> usize {
        let pixels = enlarged.area();
        let small = pixels / (self.scale * self.scale);
        // A rectifier keeps what it reads.
        let inner = self.channels * small * (3 + 4 * self.blocks + 1);
        let doublings =
            (1..=self.scale.ilog2()).map(|level| 2 * self.channels * (small << (2 * level)));
        inner + doublings.sum::<usize>() + 6 * pixels
    }
}

impl Upscaler {
    /// With weights of small deviation, of the head above all, so that it begins near the bicubic enlargement.
    pub fn initialised(self, stream: &mut Stream) -> Self {
        let network = initialise(self, Init::Normal(0.02), stream, 1);
        Upscaler {
            head: initialise(network.head, Init::Normal(0.001), stream, 1 << 19),
            ..network
        }
    }

    /// `[batch, 3, height, width]` in −1..1 to pictures so many times as high and wide; values may lie beyond.
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = pictures.dims();
        let first = self.activation.forward(self.stem.forward(pictures.clone()));
        let mut x = first.clone();
        for block in &self.blocks {
            let inner = block.activation.forward(block.first.forward(x.clone()));
            x = x + block.second.forward(inner);
        }
        x = self.merge.forward(x) + first;
        for doubling in &self.doublings {
            let shuffled = doubling.shuffle.forward(doubling.conv.forward(x));
            x = doubling.activation.forward(shuffled);
        }
        resample(pictures, [height, width].map(|side| side * self.scale)) + self.head.forward(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn it_starts_near_the_bicubic_enlargement() {
        let device = Device::flex().autodiff();
        for scale in [2, 4] {
            let shape = UpscalerShape {
                scale,
                channels: 4,
                blocks: 2,
                precision: Precision::F32,
            };
            let mut stream = Seed::new(1, "x").stream(0);
            let network = shape.init(&device).initialised(&mut stream);
            let ramp = Tensor::arange(0..2 * 3 * 8 * 12, &device).float();
            let small = ramp.reshape([2, 3, 8, 12]).mul_scalar(0.37).sin();
            let large = network.forward(small.clone());
            assert_eq!(large.dims(), [2, 3, 8 * scale, 12 * scale]);
            let change = (large - resample(small, [8 * scale, 12 * scale]))
                .abs()
                .mean();
            assert!(change.into_scalar::<f32>() < 0.01);
        }
    }

    #[test]
    fn rectifiers_start_with_a_slope_of_a_quarter() {
        let device = Device::flex().autodiff();
        let mut stream = Seed::new(1, "x").stream(0);
        let prelu = initialise(Prelu::new(1, &device), Init::He, &mut stream, 1);
        let x = Tensor::<1>::from_data([-2.0, 0.0, 3.0], &device).reshape([1, 1, 1, 3]);
        let y = prelu.forward(x).into_data_as::<f32>();
        assert_eq!(y.as_slice::<f32>().unwrap(), [-0.5, 0.0, 3.0]);
    }
}
