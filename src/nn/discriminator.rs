//! The PatchGAN discriminator: scores overlapping patches, not the whole picture.
//! Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017; several
//! scales as in Wang et al., High-Resolution Image Synthesis (pix2pixHD), 2018.

use burn::module::Module;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conv_kernel::Border;
use super::convolution::{PaddedConv, Precision};
use super::norm::{Activation, Norm, NormKind};
use super::spectral_norm::SpectralConv;
use crate::sample::Extent;

/// The shape of a [`Discriminator`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiscriminatorConfig {
    /// What one score judges.
    pub kind: DiscriminatorKind,
    /// Channels after the first layer (`ndf`).
    pub channels: usize,
    /// Layers of stride 2: 3 sees patches of 70 pixels, 2 of 34, 1 of 16. 0 chooses by the shorter
    /// side of the picture, so that a patch is about a quarter of a large picture and half of a small.
    pub layers: usize,
    /// Discriminators in all, each on pictures of half the size of the one before.
    pub scales: usize,
    /// The norm of all layers but the first and the last.
    pub norm: NormKind,
    /// Divide every weight by its largest singular value (Miyato et al. 2018): a steadier game.
    pub spectral: bool,
    /// What becomes of values below zero between the layers.
    pub slope: Slope,
    /// What the convolutions compute in.
    pub precision: Precision,
}

/// What one score of a discriminator judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiscriminatorKind {
    /// A patch of pixels.
    Patch,
    /// A single pixel: colours, no shapes.
    Pixel,
}

/// What becomes of values below zero, of which a fifth is left either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Slope {
    /// LeakyReLU: a corner at zero.
    Leaky,
    /// 0.2 x + 0.2 log(1 + exp(4 x)): nearly the same without the corner, as the gradient penalty needs it.
    Smooth,
}

impl Slope {
    pub(super) fn activation(self) -> Activation {
        match self {
            Slope::Leaky => Activation::LeakyRelu(0.2),
            Slope::Smooth => Activation::SmoothLeakyRelu,
        }
    }
}

impl Default for DiscriminatorConfig {
    fn default() -> Self {
        DiscriminatorConfig {
            kind: DiscriminatorKind::Patch,
            channels: 32,
            layers: 0,
            scales: 1,
            norm: NormKind::Instance,
            spectral: false,
            slope: Slope::Leaky,
            precision: Precision::F32,
        }
    }
}

#[derive(Module, Debug)]
struct Layer {
    conv: SpectralConv,
    norm: Norm,
}

/// Scores the patches of a picture, or of what a network saw in one, at one scale.
#[derive(Module, Debug)]
pub struct PatchDiscriminator {
    layers: Vec<Layer>,
    head: SpectralConv,
    #[module(skip)]
    slope: Slope,
}

/// Scores patches of pictures: high for real, low for fake.
#[derive(Module, Debug)]
pub struct Discriminator {
    scales: Vec<PatchDiscriminator>,
}

/// What a discriminator says of a batch.
pub struct Verdict {
    /// One tensor a scale, `[batch, 1, rows, columns]`.
    pub scores: Vec<Tensor<4>>,
    /// What each layer of each scale saw, `[batch, channels, height, width]`.
    pub features: Vec<Tensor<4>>,
}

impl DiscriminatorConfig {
    /// # Errors
    /// What is out of range, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.channels == 0 || self.layers > 6 || !(1..=4).contains(&self.scales) {
            return Err(
                "discriminator: `channels` must be at least 1, `layers` at most 6, \
                        `scales` 1 to 4"
                    .into(),
            );
        }
        Ok(())
    }

    /// As [`DiscriminatorConfig::check`], for pictures of this extent.
    ///
    /// # Errors
    /// If the smallest scale would be left without a patch.
    pub fn check_size(&self, extent: Extent) -> Result<(), String> {
        let strided = match self.kind {
            DiscriminatorKind::Patch => self.strided(extent),
            DiscriminatorKind::Pixel => 0,
        };
        // Two layers of stride 1 at the end take a pixel each.
        let too_small = |side: u32| (side >> (self.scales - 1) >> strided) < 4;
        if let Some((name, side)) = extent
            .sides()
            .into_iter()
            .find(|(_, side)| too_small(*side))
        {
            return Err(format!(
                "pictures whose {name} is {side} pixels are too small for a discriminator of \
                 {strided} layers and {} scales: lower `discriminator.layers` or \
                 `discriminator.scales`",
                self.scales
            ));
        }
        Ok(())
    }

    /// A discriminator for pictures of this extent with burn's default weights.
    pub fn init(&self, extent: Extent, device: &Device) -> Discriminator {
        self.init_reading(3, extent, device)
    }

    /// The same for pictures with planes beside their colours, `channels` in all.
    pub fn init_reading(&self, channels: usize, extent: Extent, device: &Device) -> Discriminator {
        let scale = |_| self.scale([channels, 1], extent, device);
        Discriminator {
            scales: (0..self.scales).map(scale).collect(),
        }
    }

    /// One scale for pictures of this extent, from `channels[0]` of them to `channels[1]` scores a patch.
    pub fn scale(
        &self,
        channels: [usize; 2],
        extent: Extent,
        device: &Device,
    ) -> PatchDiscriminator {
        match self.kind {
            DiscriminatorKind::Patch => self.patch(channels, self.strided(extent), device),
            DiscriminatorKind::Pixel => self.pixel(channels, device),
        }
    }

    /// Numbers that all layers put out for a picture of this extent.
    pub fn outputs(&self, extent: Extent) -> usize {
        let strided = self.strided(extent);
        let at = |level: usize| self.channels << level.min(3);
        let scale = |scale: usize| {
            let pixels = Extent::new(extent.width >> scale, extent.height >> scale).area();
            match self.kind {
                DiscriminatorKind::Pixel => 3 * self.channels * pixels,
                DiscriminatorKind::Patch => (0..=strided)
                    .map(|level| at(level) * (pixels >> (2 * (level + 1).min(strided))))
                    .sum(),
            }
        };
        (0..self.scales).map(scale).sum()
    }

    /// Multiplications with which a picture of this extent goes through it, roughly.
    pub fn products(&self, extent: Extent) -> f64 {
        let strided = self.strided(extent);
        let at = |level: usize| (self.channels << level.min(3)) as f64;
        let share = |level: usize| 0.25_f64.powi(level.min(strided) as i32);
        let inner = (1..=strided).map(|level| 16.0 * at(level - 1) * at(level) * share(level + 1));
        let patch =
            48.0 * at(0) * share(1) + inner.sum::<f64>() + 16.0 * at(strided) * share(strided);
        let pixel = 3.0 * at(0) + 2.0 * at(0) * at(0) + 2.0 * at(0);
        let each = match self.kind {
            DiscriminatorKind::Patch => patch,
            DiscriminatorKind::Pixel => pixel,
        };
        let scales = (0..self.scales).map(|scale| 0.25_f64.powi(scale as i32));
        each * extent.area() as f64 * scales.sum::<f64>()
    }

    fn strided(&self, extent: Extent) -> usize {
        match (self.layers, extent.shorter()) {
            (0, ..=48) => 1,
            (0, ..=128) => 2,
            (0, _) => 3,
            (layers, _) => layers,
        }
    }

    fn conv(
        &self,
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        device: &Device,
    ) -> SpectralConv {
        let padding = usize::from(kernel > 1);
        let conv = PaddedConv::new(
            channels,
            kernel,
            stride,
            padding,
            Border::Zeros,
            true,
            device,
        )
        .computing_in(self.precision);
        SpectralConv::new(conv, self.spectral, device)
    }

    fn patch(
        &self,
        [inputs, outputs]: [usize; 2],
        strided: usize,
        device: &Device,
    ) -> PatchDiscriminator {
        let at = |level: usize| self.channels << level.min(3);
        let mut layers = vec![Layer {
            conv: self.conv([inputs, self.channels], 4, 2, device),
            norm: NormKind::None.init(self.channels, 0, device),
        }];
        for level in 1..=strided {
            let stride = if level < strided { 2 } else { 1 };
            layers.push(Layer {
                conv: self.conv([at(level - 1), at(level)], 4, stride, device),
                norm: self.norm.init(at(level), level, device),
            });
        }
        PatchDiscriminator {
            layers,
            head: self.conv([at(strided), outputs], 4, 1, device),
            slope: self.slope,
        }
    }

    /// Judges every place of `inputs` channels by itself, with `outputs` scores.
    pub fn pixel(&self, [inputs, outputs]: [usize; 2], device: &Device) -> PatchDiscriminator {
        let layer = |channels: [usize; 2], norm: NormKind| Layer {
            conv: self.conv(channels, 1, 1, device),
            norm: norm.init(channels[1], 0, device),
        };
        let (once, twice) = (self.channels, 2 * self.channels);
        PatchDiscriminator {
            layers: vec![
                layer([inputs, once], NormKind::None),
                layer([once, twice], self.norm),
            ],
            head: self.conv([twice, outputs], 1, 1, device),
            slope: self.slope,
        }
    }
}

impl Discriminator {
    /// Judges pictures `[batch, channels, height, width]` in −1..1, those it was made for.
    pub fn forward(&self, input: Tensor<4>) -> Verdict {
        let mut verdict = Verdict {
            scores: Vec::new(),
            features: Vec::new(),
        };
        let mut x = input;
        for (number, scale) in self.scales.iter().enumerate() {
            if number > 0 {
                x = avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_stride([2, 2]));
            }
            let features = &mut verdict.features;
            let score = scale.forward(x.clone(), |feature| features.push(feature));
            verdict.scores.push(score);
        }
        verdict
    }

    /// Takes the power iterations of spectral normalisation one step on.
    pub fn renew(self) -> Self {
        let scales = self.scales.into_iter();
        Discriminator {
            scales: scales.map(PatchDiscriminator::renew).collect(),
        }
    }
}

impl Layer {
    fn renew(self) -> Self {
        Layer {
            conv: self.conv.renew(),
            norm: self.norm,
        }
    }
}

impl PatchDiscriminator {
    /// Scores `[batch, channels, height, width]` as `[batch, outputs, rows, columns]`, and hands what each layer
    /// puts out to `seen`.
    pub fn forward(&self, input: Tensor<4>, mut seen: impl FnMut(Tensor<4>)) -> Tensor<4> {
        let mut x = input;
        for layer in &self.layers {
            x = layer
                .norm
                .forward(layer.conv.forward(x), self.slope.activation());
            seen(x.clone());
        }
        self.head.forward(x)
    }

    /// As [`Discriminator::renew`].
    pub fn renew(self) -> Self {
        PatchDiscriminator {
            layers: self.layers.into_iter().map(Layer::renew).collect(),
            head: self.head.renew(),
            slope: self.slope,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> DiscriminatorConfig {
        DiscriminatorConfig {
            channels: 4,
            ..DiscriminatorConfig::default()
        }
    }

    #[test]
    fn every_kind_scores_patches_of_its_size() {
        let device = Device::flex();
        let sides = |config: DiscriminatorConfig| -> Vec<usize> {
            let verdict = config
                .init(Extent::square(32), &device)
                .forward(Tensor::zeros([2, 3, 32, 32], &device));
            assert!(!verdict.features.is_empty());
            verdict.scores.iter().map(|s| s.dims()[3]).collect()
        };
        assert_eq!(sides(config()), [14]);
        assert_eq!(
            sides(DiscriminatorConfig {
                layers: 2,
                ..config()
            }),
            [6]
        );
        assert_eq!(
            sides(DiscriminatorConfig {
                scales: 2,
                ..config()
            }),
            [14, 6]
        );
        let kind = DiscriminatorKind::Pixel;
        assert_eq!(sides(DiscriminatorConfig { kind, ..config() }), [32]);
    }

    #[test]
    fn a_size_without_a_patch_is_refused() {
        let check = |config: &DiscriminatorConfig, [width, height]: [u32; 2]| {
            config.check_size(Extent::new(width, height))
        };
        assert!(check(&config(), [16, 16]).is_ok());
        let many = DiscriminatorConfig {
            layers: 3,
            scales: 3,
            ..config()
        };
        assert!(check(&many, [64, 64]).unwrap_err().contains("scales"));
        assert!(
            check(&many, [64, 256])
                .unwrap_err()
                .contains("whose width is 64")
        );
        assert!(check(&many, [256, 256]).is_ok());
    }

    /// With spectral norm no picture can be told from another by more than their distance allows.
    #[test]
    fn spectral_norm_bounds_the_scores() {
        let device = Device::flex().autodiff();
        let range = |spectral| {
            let config = DiscriminatorConfig {
                spectral,
                norm: NormKind::None,
                ..config()
            };
            let mut stream = crate::seed::Seed::new(1, "x").stream(0);
            let init = crate::nn::init::Init::Normal(1.0);
            let network = config.init(Extent::square(32), &device);
            let mut network = crate::nn::init::initialise(network, init, &mut stream, 1);
            for _ in 0..20 {
                network = network.renew();
            }
            let score = network
                .forward(Tensor::ones([1, 3, 32, 32], &device))
                .scores
                .remove(0);
            score.abs().max().into_scalar::<f32>()
        };
        assert!(range(false) > 100.0 * range(true));
    }
}
