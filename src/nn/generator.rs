//! Generators: what maps pictures of one domain to the other, whichever network does it.
//!
//! The output can be a correction added to the input (`residual`), which starts as the identity and
//! so keeps the geometry of small pictures.

use burn::module::Module;
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::convolution::Precision;
use super::norm::NormKind;
use super::resnet_generator::ResnetGenerator;
use super::unet_generator::UNetGenerator;
use crate::sample::Extent;

/// The shape of a [`Generator`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GeneratorConfig {
    /// Which network it is.
    pub kind: GeneratorKind,
    /// Channels after the first layer (`ngf`).
    pub channels: usize,
    /// Residual blocks at the lowest resolution; a U-Net has none.
    pub blocks: usize,
    /// How often the resolution is halved: at most 4 for `resnet`, 8 for `unet`.
    pub downsamplings: usize,
    /// Side of the first and last kernel, odd.
    pub kernel: usize,
    /// Add the output to the input instead of replacing it.
    pub residual: bool,
    /// The norm after every convolution but the last.
    pub norm: NormKind,
    /// What the convolutions compute in, those of SimGAN's refiner too.
    pub precision: Precision,
}

impl Default for GeneratorConfig {
    fn default() -> Self {
        GeneratorConfig {
            kind: GeneratorKind::Resnet,
            channels: 16,
            blocks: 3,
            downsamplings: 2,
            kernel: 5,
            residual: true,
            norm: NormKind::Instance,
            precision: Precision::F32,
        }
    }
}

/// Networks that can be a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GeneratorKind {
    /// Residual blocks at a low resolution; see [`crate::nn::resnet_generator`].
    Resnet,
    /// Skip connections at every resolution; see [`crate::nn::unet_generator`].
    UNet,
}

#[derive(Module, Debug)]
enum Network {
    Resnet(ResnetGenerator),
    UNet(UNetGenerator),
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
        if self.channels == 0 || self.kernel.is_multiple_of(2) {
            return Err("generator: `channels` must be at least 1 and `kernel` odd".into());
        }
        let most = match self.kind {
            GeneratorKind::Resnet => 4,
            GeneratorKind::UNet => 8,
        };
        if self.downsamplings > most {
            return Err(format!("generator: `downsamplings` must be at most {most}"));
        }
        Ok(())
    }

    /// As [`GeneratorConfig::check`], for pictures of this extent.
    ///
    /// # Errors
    /// If a side cannot be halved so often, or is too small for the mirrored border.
    pub fn check_size(&self, extent: Extent) -> Result<(), String> {
        let times = 1 << self.downsamplings;
        for (name, side) in extent.sides() {
            let pixels = side as usize;
            if !pixels.is_multiple_of(times) || pixels / times < 2 || pixels <= self.kernel / 2 {
                return Err(format!(
                    "pictures whose {name} is {side} pixels cannot be halved {} times: choose a \
                     {name} that is a multiple of {times}, at least {}, or lower \
                     `generator.downsamplings`",
                    self.downsamplings,
                    2 * times
                ));
            }
        }
        Ok(())
    }

    /// Numbers that all layers put out for a picture of this extent.
    pub fn outputs(&self, extent: Extent) -> usize {
        let pixels = extent.area();
        let output = if self.residual { 9 } else { 3 };
        let layers = match self.kind {
            GeneratorKind::Resnet => ResnetGenerator::outputs(self, pixels),
            GeneratorKind::UNet => UNetGenerator::outputs(self, pixels),
        };
        layers + output * pixels
    }

    /// Multiplications with which a picture of this extent goes through it, roughly.
    pub fn products(&self, extent: Extent) -> f64 {
        let pixels = extent.area() as f64;
        let at = |level: usize| (self.channels << level.min(3)) as f64;
        let ends = 2.0 * (self.kernel * self.kernel) as f64 * 3.0 * at(0) * pixels;
        // A U-Net joins what comes up with what it saw on the way down.
        let joined = match self.kind {
            GeneratorKind::Resnet => 1.0,
            GeneratorKind::UNet => 2.0,
        };
        let level = |level: usize| {
            let weights = 9.0 * at(level) * at(level + 1);
            let (fine, coarse) = (0.25_f64.powi(level as i32), 0.25_f64.powi(level as i32 + 1));
            weights * pixels * (coarse + joined * fine)
        };
        let levels: f64 = (0..self.downsamplings).map(level).sum();
        let blocks = match self.kind {
            GeneratorKind::Resnet => 2.0 * self.blocks as f64,
            GeneratorKind::UNet => 0.0,
        };
        let deepest = (self.channels << self.downsamplings) as f64;
        let block = 9.0 * deepest * deepest * pixels * 0.25_f64.powi(self.downsamplings as i32);
        ends + levels + blocks * block
    }

    /// A generator with burn's default weights; see [`crate::nn::init`].
    pub fn init(&self, device: &Device) -> Generator {
        Generator {
            network: match self.kind {
                GeneratorKind::Resnet => Network::Resnet(ResnetGenerator::new(self, device)),
                GeneratorKind::UNet => Network::UNet(UNetGenerator::new(self, [3, 3], device)),
            },
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
            Network::UNet(network) => network.forward(input.clone(), &[]),
        };
        match self.residual {
            true => corrected(input, output),
            false => tanh(output),
        }
    }

    /// What the encoding layers see of `[batch, 3, height, width]`, the finest first.
    pub fn features(&self, input: Tensor<4>) -> Vec<Tensor<4>> {
        match &self.network {
            Network::Resnet(network) => network.features(input),
            Network::UNet(network) => network.features(input),
        }
    }
}

/// Pictures in −1..1 with a correction added on an unbounded scale, of which 0 is none.
pub fn corrected(input: Tensor<4>, correction: Tensor<4>) -> Tensor<4> {
    // The input's 0.98 keeps atanh finite; tanh brings the sum back to −1..1.
    let logits = input.clamp(-0.98, 0.98);
    let logits = ((logits.clone() + 1.0) / (-logits + 1.0))
        .log()
        .mul_scalar(0.5);
    tanh(logits + correction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::init::{Init, initialise};
    use crate::seed::Seed;

    fn config(kind: GeneratorKind) -> GeneratorConfig {
        GeneratorConfig {
            kind,
            channels: 4,
            blocks: 2,
            ..GeneratorConfig::default()
        }
    }

    fn ramp(device: &Device) -> Tensor<4> {
        let values = Tensor::arange(0..2 * 3 * 16 * 16, device).float();
        values.reshape([2, 3, 16, 16]).mul_scalar(0.37).sin()
    }

    #[test]
    fn every_generator_keeps_the_shape_and_starts_near_the_identity() {
        let device = Device::flex().autodiff();
        for kind in [GeneratorKind::Resnet, GeneratorKind::UNet] {
            for norm in [
                NormKind::Instance,
                NormKind::Batch,
                NormKind::Group,
                NormKind::None,
            ] {
                for downsamplings in 0..=3 {
                    let config = GeneratorConfig {
                        norm,
                        downsamplings,
                        ..config(kind)
                    };
                    assert!(config.check().is_ok());
                    let mut stream = Seed::new(1, "x").stream(0);
                    let network = config.init(&device);
                    let network = initialise(network, Init::Normal(0.02), &mut stream, 1);
                    let x = ramp(&device);
                    let y = network.forward(x.clone());
                    assert_eq!(y.dims(), x.dims());
                    let change: f32 = (y - x.clone()).abs().mean().into_scalar();
                    assert!(change < 0.3, "{config:?}: {change}");
                    let finest = network.features(x)[0].dims();
                    assert_eq!(finest, [2, 4, 16, 16]);
                }
            }
        }
    }

    #[test]
    fn sizes_that_cannot_be_halved_are_refused() {
        let config = config(GeneratorKind::Resnet);
        assert!(config.check_size(Extent::square(64)).is_ok());
        assert!(config.check_size(Extent::new(64, 48)).is_ok());
        for side in [2, 4, 50] {
            let problem = config.check_size(Extent::square(side)).unwrap_err();
            assert!(problem.contains("downsamplings"), "{problem}");
            let problem = config.check_size(Extent::new(64, side)).unwrap_err();
            assert!(problem.contains("whose height is"), "{problem}");
        }
        let deep = |kind, downsamplings| GeneratorConfig {
            kind,
            downsamplings,
            ..config.clone()
        };
        assert!(deep(GeneratorKind::Resnet, 5).check().is_err());
        assert!(deep(GeneratorKind::UNet, 8).check().is_ok());
        assert!(deep(GeneratorKind::UNet, 9).check().is_err());
    }
}
