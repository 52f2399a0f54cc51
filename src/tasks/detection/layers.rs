//! Layers of a detector's networks: convolution, batch norm and ReLU.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::nn::conv_kernel::Border;
use crate::nn::convolution::PaddedConv;
use crate::nn::norm::{Activation, Norm, NormKind};

/// One of them.
#[derive(Module, Debug)]
pub(super) struct Layer {
    conv: PaddedConv,
    norm: Norm,
}

impl Layer {
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x), Activation::Relu)
    }
}

/// Counts the layers, so that their norms are numbered.
pub(super) struct Layers<'a> {
    made: usize,
    pub device: &'a Device,
}

impl<'a> Layers<'a> {
    pub(super) fn new(device: &'a Device) -> Self {
        Layers { made: 0, device }
    }

    pub(super) fn layer(&mut self, channels: [usize; 2], kernel: usize, stride: usize) -> Layer {
        let place = self.made;
        self.made += 1;
        Layer {
            conv: convolution(channels, kernel, stride, false, self.device),
            norm: NormKind::Batch.init(channels[1], place, self.device),
        }
    }
}

/// With zeros beyond the borders, as many as keep the size at a stride of 1.
pub(super) fn convolution(
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    bias: bool,
    device: &Device,
) -> PaddedConv {
    let (padding, border) = (kernel / 2, Border::Zeros);
    PaddedConv::new(channels, kernel, stride, padding, border, bias, device)
}
