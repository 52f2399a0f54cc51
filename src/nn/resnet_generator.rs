//! The residual generator of CycleGAN.
//! Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
//! 2017; architecture after Johnson et al. 2016.
//!
//! Deviation: up-sampling is nearest-neighbour resize and convolution, which leaves no checkerboards
//! (Odena et al. 2016).

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::conv_kernel::Border;
use super::convolution::{PaddedConv, Precision};
use super::generator::GeneratorConfig;
use super::norm::{Activation, Norm, NormKind};

/// Reflection padding, convolution, norm.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: PaddedConv,
    norm: Norm,
}

impl ConvNorm {
    /// `norm` comes with its number in the network.
    pub fn new(
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        (norm, place): (NormKind, usize),
        device: &Device,
    ) -> Self {
        ConvNorm {
            conv: PaddedConv::new(
                channels,
                kernel,
                stride,
                kernel / 2,
                Border::Reflect,
                norm.wants_bias(),
                device,
            ),
            norm: norm.init(channels[1], place, device),
        }
    }

    /// The same, on features enlarged so many times first.
    pub fn enlarging(self, times: usize) -> Self {
        ConvNorm {
            conv: self.conv.enlarging(times),
            norm: self.norm,
        }
    }

    /// The same, with the convolution in this precision.
    pub fn computing_in(self, precision: Precision) -> Self {
        ConvNorm {
            conv: self.conv.computing_in(precision),
            norm: self.norm,
        }
    }

    /// Convolution, norm and `activation`: `[batch, in, height, width]` to `[batch, out, height_out, width_out]`.
    pub fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x), activation)
    }
}

#[derive(Module, Debug)]
struct ResidualBlock {
    first: ConvNorm,
    second: ConvNorm,
}

impl ResidualBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = self.first.forward(x.clone(), Activation::Relu);
        x + self.second.forward(inner, Activation::None)
    }
}

/// Maps pictures of one domain to the other.
#[derive(Module, Debug)]
pub struct ResnetGenerator {
    stem: ConvNorm,
    down: Vec<ConvNorm>,
    blocks: Vec<ResidualBlock>,
    up: Vec<ConvNorm>,
    head: PaddedConv,
}

impl ResnetGenerator {
    /// A generator with burn's default weights; see [`crate::nn::init`].
    pub fn new(config: &GeneratorConfig, device: &Device) -> Self {
        let at = |level: usize| config.channels << level;
        let levels = config.downsamplings;
        let deepest = at(levels);
        let mut place = 0;
        let mut layer = |channels, kernel, stride| {
            place += 1;
            let norm = (config.norm, place);
            ConvNorm::new(channels, kernel, stride, norm, device).computing_in(config.precision)
        };
        ResnetGenerator {
            stem: layer([3, config.channels], config.kernel, 1),
            down: (0..levels)
                .map(|level| layer([at(level), at(level + 1)], 3, 2))
                .collect(),
            blocks: (0..config.blocks)
                .map(|_| ResidualBlock {
                    first: layer([deepest, deepest], 3, 1),
                    second: layer([deepest, deepest], 3, 1),
                })
                .collect(),
            up: (0..levels)
                .rev()
                .map(|level| layer([at(level + 1), at(level)], 3, 1).enlarging(2))
                .collect(),
            head: PaddedConv::new(
                [config.channels, 3],
                config.kernel,
                1,
                config.kernel / 2,
                Border::Reflect,
                true,
                device,
            )
            .computing_in(config.precision),
        }
    }

    /// Pictures `[batch, 3, height, width]` to as many values before the last activation. Height and
    /// width must be multiples of 2 to the power of `downsamplings`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut x = self.stem.forward(input, Activation::Relu);
        for down in &self.down {
            x = down.forward(x, Activation::Relu);
        }
        for block in &self.blocks {
            x = block.forward(x);
        }
        for up in &self.up {
            x = up.forward(x, Activation::Relu);
        }
        self.head.forward(x)
    }

    /// What the first layer, each halving, and the middle and last block see, the finest first.
    pub fn features(&self, input: Tensor<4>) -> Vec<Tensor<4>> {
        let mut seen = vec![self.stem.forward(input, Activation::Relu)];
        for down in &self.down {
            let x = seen[seen.len() - 1].clone();
            seen.push(down.forward(x, Activation::Relu));
        }
        let mut x = seen[seen.len() - 1].clone();
        for (number, block) in (1..).zip(&self.blocks) {
            x = block.forward(x);
            if number == self.blocks.len().div_ceil(2) || number == self.blocks.len() {
                seen.push(x.clone());
            }
        }
        seen
    }

    /// Numbers that the layers put out for a picture of `pixels`.
    pub fn outputs(config: &GeneratorConfig, pixels: usize) -> usize {
        let at = |level: usize| (config.channels << level) * (pixels >> (2 * level));
        let blocks = 2 * config.blocks * at(config.downsamplings);
        // Down and up, and the enlarged input of each way up.
        let levels = 0..config.downsamplings;
        at(0)
            + blocks
            + levels
                .map(|level| at(level + 1) * 5 + at(level))
                .sum::<usize>()
    }
}
