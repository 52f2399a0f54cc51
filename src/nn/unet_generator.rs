//! The U-Net generator of pix2pix.
//! Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017;
//! Ronneberger et al., U-Net, 2015.
//!
//! Deviations: the first layer keeps the full resolution, so that the finest skip connection carries
//! single pixels; kernels of 3 instead of 4, reflected borders, and nearest-neighbour resize and
//! convolution upwards (Odena et al. 2016), as in our residual generator. Dropout, the paper's noise, is drawn by the
//! caller.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::conv_kernel::Border;
use super::convolution::PaddedConv;
use super::generator::GeneratorConfig;
use super::norm::Activation;
use super::resnet_generator::ConvNorm;
use crate::sample::Extent;

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

fn channels_at(config: &GeneratorConfig, level: usize) -> usize {
    config.channels * (1 << level).min(WIDEST)
}

impl UNetGenerator {
    /// A generator of so many planes from so many, with burn's default weights; see [`crate::nn::init`].
    pub fn new(config: &GeneratorConfig, [inputs, outputs]: [usize; 2], device: &Device) -> Self {
        let at = |level: usize| channels_at(config, level);
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
            stem: layer([inputs, at(0)], config.kernel, 1),
            down: (0..levels)
                .map(|level| layer([at(level), at(level + 1)], 3, 2))
                .collect(),
            up: (0..levels)
                .rev()
                .map(|level| layer([below(level), at(level)], 3, 1).enlarging(2))
                .collect(),
            head: PaddedConv::new(
                [if levels == 0 { 1 } else { 2 } * at(0), outputs],
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

    /// As [`super::resnet_generator::ResnetGenerator::forward`], from `[batch, inputs, height, width]`. What the layers
    /// upwards put out, from the deepest on, is multiplied by the tensors of `noise`; see
    /// [`UNetGenerator::noise_shapes`].
    pub fn forward(&self, input: Tensor<4>, noise: &[Tensor<4>]) -> Tensor<4> {
        let mut levels = self.features(input);
        let mut x = levels.pop().expect("the first layer is always there");
        let layers = self.up.iter().zip(levels.into_iter().rev());
        for (number, (up, skip)) in layers.enumerate() {
            let mut higher = up.forward(x, Activation::Relu);
            if let Some(noise) = noise.get(number) {
                higher = higher * noise.clone();
            }
            x = Tensor::cat(vec![higher, skip], 1);
        }
        self.head.forward(x)
    }

    /// Channels, height and width of the layers upwards that features are dropped of: the deepest, and up to two more
    /// of an eighth of the picture's sides or less. In finer ones noise would be speckle.
    pub fn noise_shapes(config: &GeneratorConfig, extent: Extent) -> Vec<[usize; 3]> {
        let [width, height] = [extent.width, extent.height].map(|side| side as usize);
        let levels = (1..config.downsamplings).rev().take(3);
        levels
            .filter(|level| *level >= 3 || level + 1 == config.downsamplings)
            .map(|level| [channels_at(config, level), height >> level, width >> level])
            .collect()
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
        let at = |level: usize| channels_at(config, level) * (pixels >> (2 * level));
        // Down and up, the enlarged input and the joined output of each way up.
        let levels = 0..config.downsamplings;
        at(0)
            + levels
                .map(|level| at(level + 1) * 5 + at(level) * 3)
                .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::init::{Init, initialise};
    use crate::seed::Seed;

    #[test]
    fn noise_has_the_shape_of_the_deep_layers_and_changes_what_they_put_out() {
        let device = Device::flex().autodiff();
        let config = GeneratorConfig {
            channels: 4,
            downsamplings: 5,
            ..GeneratorConfig::default()
        };
        let shapes = UNetGenerator::noise_shapes(&config, Extent::new(64, 32));
        assert_eq!(shapes, [[32, 2, 4], [32, 4, 8]]);
        let network = UNetGenerator::new(&config, [2, 3], &device);
        let mut stream = Seed::new(1, "x").stream(0);
        let network = initialise(network, Init::He, &mut stream, 1);
        let input: Tensor<4> = Tensor::arange(0..2 * 2 * 32 * 64, &device)
            .float()
            .reshape([2, 2, 32, 64])
            .sin();
        let factors = |factor: f32| -> Vec<Tensor<4>> {
            let shapes = shapes.iter();
            shapes
                .map(|[c, h, w]| Tensor::full([2, *c, *h, *w], factor, &device))
                .collect()
        };
        let output = |noise: &[Tensor<4>]| network.forward(input.clone(), noise);
        let plain = output(&[]);
        assert_eq!(plain.dims(), [2, 3, 32, 64]);
        let change = |noise: &[Tensor<4>]| -> f32 {
            (output(noise) - plain.clone()).abs().max().into_scalar()
        };
        assert_eq!(change(&factors(1.0)), 0.0);
        assert!(change(&factors(0.0)) > 1e-3);
    }
}
