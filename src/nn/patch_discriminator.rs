//! The PatchGAN discriminator: scores overlapping patches, not the whole picture.
//! Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017.

use burn::module::Module;
use burn::nn::{InstanceNorm, InstanceNormConfig};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conv_kernel::Border;
use super::convolution::PaddedConv;
use super::instance_norm::{Activation, normalise};

/// The shape of a [`PatchDiscriminator`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiscriminatorConfig {
    /// Channels after the first layer (`ndf`).
    pub channels: usize,
    /// Layers of stride 2: 3 sees patches of 70 pixels, 2 of 34, 1 of 16. 0 chooses by the size
    /// of the picture, so that a patch is about a quarter of a large picture and half of a small.
    pub layers: usize,
}

impl Default for DiscriminatorConfig {
    fn default() -> Self {
        DiscriminatorConfig {
            channels: 32,
            layers: 0,
        }
    }
}

#[derive(Module, Debug)]
struct Layer {
    conv: PaddedConv,
    norm: Option<InstanceNorm>,
}

/// Scores patches of a picture: about 1 for real, 0 for fake.
#[derive(Module, Debug)]
pub struct PatchDiscriminator {
    layers: Vec<Layer>,
    head: PaddedConv,
}

impl DiscriminatorConfig {
    /// A discriminator for pictures of `size` pixels with burn's default weights.
    pub fn init(&self, size: usize, device: &Device) -> PatchDiscriminator {
        let strided = match (self.layers, size) {
            (0, ..=48) => 1,
            (0, ..=128) => 2,
            (0, _) => 3,
            (layers, _) => layers,
        };
        let conv =
            |channels, stride| PaddedConv::new(channels, 4, stride, 1, Border::Zeros, true, device);
        let at = |level: usize| self.channels << level.min(3);
        let mut layers = vec![Layer {
            conv: conv([3, self.channels], 2),
            norm: None,
        }];
        for level in 1..=strided {
            let stride = if level < strided { 2 } else { 1 };
            layers.push(Layer {
                conv: conv([at(level - 1), at(level)], stride),
                norm: Some(InstanceNormConfig::new(at(level)).init(device)),
            });
        }
        PatchDiscriminator {
            layers,
            head: conv([at(strided), 1], 1),
        }
    }
}

impl PatchDiscriminator {
    /// `[batch, 3, height, width]` in −1..1 to scores `[batch, 1, rows, columns]`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut x = input;
        for layer in &self.layers {
            x = layer.conv.forward(x);
            x = match &layer.norm {
                Some(norm) => normalise(norm, x, Activation::LeakyRelu(0.2)),
                None => leaky_relu(x, 0.2),
            };
        }
        self.head.forward(x)
    }
}
