//! The U-Net generator of pix2pix.
//! Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017;
//! Ronneberger et al., U-Net, 2015.
//!
//! Deviations: the first layer keeps the full resolution, so that the finest skip connection carries
//! single pixels; kernels of 3 instead of 4, reflected borders, and nearest-neighbour resize and
//! convolution upwards (Odena et al. 2016), as in our residual generator; no dropout.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::conv_kernel::Border;
use super::convolution::PaddedConv;
use super::generator::GeneratorConfig;
use super::norm::Activation;
use super::resnet_generator::ConvNorm;

/// Levels of convolutions downwards and upwards, each upward one seeing its level on the way down.
#[derive(Module, Debug)]
pub struct UNetGenerator {
    stem: ConvNorm,
    down: Vec<ConvNorm>,
    up: Vec<ConvNorm>,
    head: PaddedConv,
}

/// Channels grow to at most so many times the first layer's.
const WIDEST: usize = 8;

impl UNetGenerator {
    /// A generator with burn's default weights; see [`crate::nn::init`].
    pub fn new(config: &GeneratorConfig, device: &Device) -> Self {
        let at = |level: usize| config.channels * (1 << level).min(WIDEST);
        let levels = config.downsamplings;
        let mut place = 0;
        let mut layer = |channels, kernel, stride| {
            place += 1;
            let norm = (config.norm, place);
            ConvNorm::new(channels, kernel, stride, norm, device).computing_in(config.precision)
        };
        // What comes from below has passed its own level's skip connection, but for the deepest.
        let below = |level: usize| at(level + 1) * if level + 1 == levels { 1 } else { 2 };
        UNetGenerator {
            stem: layer([3, at(0)], config.kernel, 1),
            down: (0..levels)
                .map(|level| layer([at(level), at(level + 1)], 3, 2))
                .collect(),
            up: (0..levels)
                .rev()
                .map(|level| layer([below(level), at(level)], 3, 1).enlarging(2))
                .collect(),
            head: PaddedConv::new(
                [if levels == 0 { 1 } else { 2 } * at(0), 3],
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

    /// As [`super::resnet_generator::ResnetGenerator::forward`].
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut levels = self.features(input);
        let mut x = levels.pop().expect("the first layer is always there");
        for (up, skip) in self.up.iter().zip(levels.into_iter().rev()) {
            let higher = up.forward(x, Activation::Relu);
            x = Tensor::cat(vec![higher, skip], 1);
        }
        self.head.forward(x)
    }

    /// What each level sees on the way down, the finest first.
    pub fn features(&self, input: Tensor<4>) -> Vec<Tensor<4>> {
        let mut levels = vec![self.stem.forward(input, Activation::Relu)];
        for down in &self.down {
            let x = levels[levels.len() - 1].clone();
            levels.push(down.forward(x, Activation::LeakyRelu(0.2)));
        }
        levels
    }

    /// Numbers that the layers put out for a picture of `pixels`.
    pub fn outputs(config: &GeneratorConfig, pixels: usize) -> usize {
        let at =
            |level: usize| config.channels * (1 << level).min(WIDEST) * (pixels >> (2 * level));
        // Down and up, the enlarged input and the joined output of each way up.
        let levels = 0..config.downsamplings;
        at(0)
            + levels
                .map(|level| at(level + 1) * 5 + at(level) * 3)
                .sum::<usize>()
    }
}
