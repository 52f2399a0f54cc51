//! A layer of the networks that read pictures: convolution, group norm (Wu and He 2018), ReLU.
//!
//! Group norm instead of batch norm, so that a picture is read the same way whatever else is in the batch and
//! whether or not gradients flow. It scales and shifts whole groups, which makes it one operation; what a channel
//! needs of its own, the weights and the bias of the convolution before it give.

use burn::module::Module;
use burn::nn::{InstanceNorm, InstanceNormConfig};
use burn::tensor::{Device, Tensor};

use super::conv_kernel::Border;
use super::convolution::PaddedConv;
use super::instance_norm::{Activation, normalise};

/// Convolution, group norm, ReLU.
#[derive(Module, Debug)]
pub struct ConvLayer {
    conv: PaddedConv,
    norm: InstanceNorm,
}

/// Groups of channels that are normalised together.
const GROUPS: usize = 4;

impl ConvLayer {
    /// From `channels[0]` to `channels[1]`, a multiple of 4; kernel and stride in pixels.
    pub fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        ConvLayer {
            conv: PaddedConv::new(
                channels,
                kernel,
                stride,
                kernel / 2,
                Border::Zeros,
                true,
                device,
            ),
            norm: InstanceNormConfig::new(GROUPS).init(device),
        }
    }

    /// `[batch, in, height, width]` to `[batch, out, height_out, width_out]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.conv.forward(x);
        let [batch, channels, height, width] = x.dims();
        let groups = x.reshape([batch, GROUPS, channels / GROUPS * height, width]);
        normalise(&self.norm, groups, Activation::Relu).reshape([batch, channels, height, width])
    }
}
