//! Generators: what maps pictures of one domain to the other, whichever network does it.
//!
//! The output can be a correction added to the input (`residual`), which starts as the identity and
//! so keeps the geometry of small pictures.

use burn::module::Module;
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::norm::NormKind;
use super::resnet_generator::ResnetGenerator;

/// The shape of a [`Generator`].
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
    /// The norm after every convolution but the last.
    pub norm: NormKind,
}

impl Default for GeneratorConfig {
    fn default() -> Self {
        GeneratorConfig {
            channels: 16,
            blocks: 3,
            downsamplings: 2,
            kernel: 5,
            residual: true,
            norm: NormKind::Instance,
        }
    }
}

#[derive(Module, Debug)]
enum Network {
    Resnet(ResnetGenerator),
}

/// Maps pictures of one domain to the other.
#[derive(Module, Debug)]
pub struct Generator {
    network: Network,
    residual: bool,
}

impl GeneratorConfig {
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

    /// A generator with burn's default weights; see [`crate::nn::init`].
    pub fn init(&self, device: &Device) -> Generator {
        Generator {
            network: Network::Resnet(ResnetGenerator::new(self, device)),
            residual: self.residual,
        }
    }
}

impl Generator {
    /// `[batch, 3, height, width]` to the same shape, both in −1..1. Height and width must be
    /// multiples of 2 to the power of `downsamplings`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let output = match &self.network {
            Network::Resnet(network) => network.forward(input.clone()),
        };
        if !self.residual {
            return tanh(output);
        }
        // The input's 0.98 keeps atanh finite; tanh brings the sum back to −1..1.
        let logits = input.clamp(-0.98, 0.98);
        let logits = ((logits.clone() + 1.0) / (-logits + 1.0))
            .log()
            .mul_scalar(0.5);
        tanh(logits + output)
    }
}
