//! The network: a small convolutional classifier.
//!
//! Stem and four stages of convolution, batch norm (Ioffe and Szegedy 2015) and
//! ReLU, global average and maximum pooling, one linear layer.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::nn::conv_kernel::Border;
use crate::nn::convolution::{PaddedConv, stem};
use crate::nn::init::{Init, initialise};
use crate::sample::Extent;
use crate::seed::Stream;

#[derive(Module, Debug)]
struct Stage {
    conv: PaddedConv,
    norm: BatchNorm,
}

/// The network: `[batch, 3, height, width]` in −1..1 to logits `[batch, classes]`.
#[derive(Module, Debug)]
pub(in crate::tasks) struct Classifier {
    stages: Vec<Stage>,
    head: Linear,
}

impl Classifier {
    /// An untrained classifier for pictures of this extent, with weights drawn from `stream`;
    /// `channels` in the first stage.
    pub(in crate::tasks) fn new(
        classes: usize,
        extent: Extent,
        channels: usize,
        stream: &mut Stream,
        device: &Device,
    ) -> Self {
        let (kernel, stride) = stem(extent);
        let shapes = [
            ([3, channels], kernel, stride),
            ([channels, 2 * channels], 3, 2),
            ([2 * channels, 2 * channels], 3, 1),
            ([2 * channels, 4 * channels], 3, 2),
            ([4 * channels, 4 * channels], 3, 1),
        ];
        let stage = |(channels, kernel, stride): ([usize; 2], usize, usize)| Stage {
            conv: PaddedConv::new(
                channels,
                kernel,
                stride,
                kernel / 2,
                Border::Zeros,
                false,
                device,
            ),
            norm: BatchNormConfig::new(channels[1]).init(device),
        };
        let classifier = Classifier {
            stages: shapes.into_iter().map(stage).collect(),
            head: LinearConfig::new(8 * channels, classes).init(device),
        };
        initialise(classifier, Init::He, stream, 1)
    }

    /// Logits `[batch, classes]`.
    pub(in crate::tasks) fn forward(&self, input: Tensor<4>) -> Tensor<2> {
        let mut x = input;
        for stage in &self.stages {
            x = relu(stage.norm.forward(stage.conv.forward(x)));
        }
        let [batch, channels, height, width] = x.dims();
        let x = x.reshape([batch, channels, height * width]);
        let mean = x.clone().mean_dim(2).reshape([batch, channels]);
        let max = x.max_dim(2).reshape([batch, channels]);
        self.head.forward(Tensor::cat(vec![mean, max], 1))
    }
}
