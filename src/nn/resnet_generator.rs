//! The residual generator of CycleGAN.
//! Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
//! 2017; architecture after Johnson et al. 2016.
//!
//! Deviations: up-sampling is nearest-neighbour resize and convolution, which leaves no
//! checkerboards (Odena et al. 2016); the output can be a correction added to the input
//! (`residual`), which starts as the identity and so keeps the geometry of small pictures.

use burn::module::Module;
use burn::nn::{InstanceNorm, InstanceNormConfig};
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conv_kernel::Border;
use super::convolution::PaddedConv;
use super::instance_norm::{Activation, normalise};

/// The shape of a [`ResnetGenerator`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GeneratorConfig {
    /// Channels after the first layer (`ngf`).
    pub channels: usize,
    /// Residual blocks at the lowest resolution.
    pub blocks: usize,
    /// How often the resolution is halved before the blocks.
    pub downsamplings: usize,
    /// Side of the first and last kernel, odd.
    pub kernel: usize,
    /// Add the output to the input instead of replacing it.
    pub residual: bool,
}

impl Default for GeneratorConfig {
    fn default() -> Self {
        GeneratorConfig {
            channels: 16,
            blocks: 3,
            downsamplings: 2,
            kernel: 5,
            residual: true,
        }
    }
}

/// Reflection padding, convolution, instance norm.
#[derive(Module, Debug)]
struct ConvNorm {
    conv: PaddedConv,
    norm: InstanceNorm,
}

impl ConvNorm {
    fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        ConvNorm {
            conv: PaddedConv::new(
                channels,
                kernel,
                stride,
                kernel / 2,
                Border::Reflect,
                false,
                device,
            ),
            norm: InstanceNormConfig::new(channels[1]).init(device),
        }
    }

    fn enlarging(self, times: usize) -> Self {
        ConvNorm {
            conv: self.conv.enlarging(times),
            norm: self.norm,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        normalise(&self.norm, self.conv.forward(x), Activation::None)
    }

    /// The same, then ReLU.
    fn rectified(&self, x: Tensor<4>) -> Tensor<4> {
        normalise(&self.norm, self.conv.forward(x), Activation::Relu)
    }
}

#[derive(Module, Debug)]
struct ResidualBlock {
    first: ConvNorm,
    second: ConvNorm,
}

impl ResidualBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = self.first.rectified(x.clone());
        x + self.second.forward(inner)
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
    residual: bool,
}

impl GeneratorConfig {
    /// A generator with burn's default weights; see [`crate::nn::init`].
    pub fn init(&self, device: &Device) -> ResnetGenerator {
        let at = |level: usize| self.channels << level;
        let deepest = at(self.downsamplings);
        ResnetGenerator {
            stem: ConvNorm::new([3, self.channels], self.kernel, 1, device),
            down: (0..self.downsamplings)
                .map(|level| ConvNorm::new([at(level), at(level + 1)], 3, 2, device))
                .collect(),
            blocks: (0..self.blocks)
                .map(|_| ResidualBlock {
                    first: ConvNorm::new([deepest, deepest], 3, 1, device),
                    second: ConvNorm::new([deepest, deepest], 3, 1, device),
                })
                .collect(),
            up: (0..self.downsamplings)
                .rev()
                .map(|level| ConvNorm::new([at(level + 1), at(level)], 3, 1, device).enlarging(2))
                .collect(),
            head: PaddedConv::new(
                [self.channels, 3],
                self.kernel,
                1,
                self.kernel / 2,
                Border::Reflect,
                true,
                device,
            ),
            residual: self.residual,
        }
    }

    /// # Errors
    /// What is out of range, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.channels == 0 || self.kernel.is_multiple_of(2) || self.downsamplings > 4 {
            return Err(
                "generator: `channels` must be at least 1, `kernel` odd, `downsamplings` at most 4"
                    .into(),
            );
        }
        Ok(())
    }
}

impl ResnetGenerator {
    /// `[batch, 3, height, width]` to the same shape, both in −1..1. Height and width must be
    /// multiples of 2 to the power of `downsamplings`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut x = self.stem.rectified(input.clone());
        for down in &self.down {
            x = down.rectified(x);
        }
        for block in &self.blocks {
            x = block.forward(x);
        }
        for up in &self.up {
            x = up.rectified(x);
        }
        let output = self.head.forward(x);
        if self.residual {
            // The input's 0.98 keeps atanh finite; tanh brings the sum back to −1..1.
            let logits = input.clamp(-0.98, 0.98);
            let logits = ((logits.clone() + 1.0) / (-logits + 1.0))
                .log()
                .mul_scalar(0.5);
            tanh(logits + output)
        } else {
            tanh(output)
        }
    }
}
