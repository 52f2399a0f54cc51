//! dcgan: a deep convolutional generator against a discriminator that knows the class.
//! Radford, Metz and Chintala, Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
//! Networks, 2016, <https://arxiv.org/abs/1511.06434>; classes by conditional norms and projection, after Miyato and
//! Koyama, 2018, <https://arxiv.org/abs/1802.05637>.
//!
//! Deviations: those of [`crate::nn::decoder`] and [`crate::nn::projection_discriminator`]; the hinge loss and spectral
//! norm of the second paper; group norm in place of batch norm, so that a picture depends on no other; what the
//! discriminator sees is changed at random (DiffAugment, 2020), since pictures are few; averaged weights draw.

use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversary::{self, Adversary, Draws, stream_of};
use super::kind::{self, GeneratorKind, Learner, Model, Reads, Setting};
use crate::Result;
use crate::models::condition::{check_halvings, halvings};
use crate::models::discriminates::Discriminates;
use crate::models::settings::AdversarialConfig;
use crate::nn::decoder::{Decoder, DecoderShape};
use crate::nn::diff_augment::Change;
use crate::nn::discriminator::{Slope, Verdict};
use crate::nn::init::{Init, initialise};
use crate::nn::losses::AdversarialLoss;
use crate::nn::norm::NormKind;
use crate::nn::projection_discriminator::{ProjectionDiscriminator, ProjectionShape};
use crate::sample::Extent;

/// The registry entry.
pub const GENERATOR: GeneratorKind = GeneratorKind {
    name: "dcgan",
    about: "a convolutional generator and a discriminator that knows the class",
    reads: Reads::Class,
    leaves_discriminator: true,
    parse: kind::parse::<DcganConfig>,
    schema: kind::schema::<DcganConfig>,
    load: adversary::load::<Decoder>,
};

/// Configuration of `dcgan`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DcganConfig {
    /// Numbers in a latent vector.
    pub latent: usize,
    /// Channels of the finest layers of both networks; coarser ones have up to eight times as many.
    pub channels: usize,
    /// The norm of the generator's layers.
    pub norm: NormKind,
    /// Divide the weights of the discriminator by their largest singular values.
    pub spectral: bool,
    /// How the game of both networks is played.
    pub adversarial: AdversarialConfig,
}

impl Default for DcganConfig {
    fn default() -> Self {
        DcganConfig {
            latent: 64,
            channels: 32,
            norm: NormKind::Group,
            spectral: true,
            adversarial: game(),
        }
    }
}

/// How generators play by default: the hinge loss, and pictures changed before the discriminator sees them.
pub(super) fn game() -> AdversarialConfig {
    AdversarialConfig {
        loss: AdversarialLoss::Hinge,
        augment: vec![Change::Colour, Change::Translation],
        ..AdversarialConfig::default()
    }
}

/// Checks what generators with a discriminator have in common.
pub(super) fn check(
    latent: usize,
    channels: usize,
    slope: Slope,
    config: &AdversarialConfig,
) -> Result<(), String> {
    if latent == 0 || channels == 0 {
        return Err("`latent` and `channels` must be at least 1".into());
    }
    if config.r1 > 0.0 && slope != Slope::Smooth {
        return Err("adversarial: `r1` needs a smooth discriminator, as `stylegan2` has".into());
    }
    config.check()
}

impl Model for DcganConfig {
    fn check(&self) -> Result<(), String> {
        check(self.latent, self.channels, Slope::Leaky, &self.adversarial)
    }

    fn check_extent(&self, extent: Extent) -> Result<(), String> {
        check_halvings(extent, extent)
    }

    fn products(&self, classes: usize, extent: Extent) -> f64 {
        // Generator and discriminator for the one, the discriminator on both for the other, each with its gradients.
        3.0 * 5.0 * self.shape(classes, extent).products()
    }

    fn create(&self, setting: &Setting) -> Result<Box<dyn Learner>> {
        let device = setting.device.device.clone().autodiff();
        let shape = self.shape(setting.columns, setting.extent);
        let generator = Decoder::new(&shape, &device);
        let critic = ProjectionShape {
            classes: setting.columns,
            channels: self.channels,
            levels: shape.levels,
            spectral: self.spectral,
            slope: Slope::Leaky,
            spread: false,
        };
        let network = ProjectionDiscriminator::new(&critic, &device);
        let networks = (
            initialise(generator, Init::Normal(0.02), &mut stream_of(setting, 0), 1),
            initialise(network, Init::He, &mut stream_of(setting, 1), 1 << 20),
        );
        let (config, create) = (&self.adversarial, Adversary::new);
        let adversary = create(shape, self.norm, config, setting, networks)?;
        Ok(Box::new(adversary.keeping(critic)))
    }
}

impl DcganConfig {
    fn shape(&self, classes: usize, extent: Extent) -> DecoderShape {
        decoder([self.latent, classes, self.channels], self.norm, extent)
    }
}

/// The shape of a decoder of these latent numbers, classes and channels that starts from a few pixels.
pub(super) fn decoder(
    [latent, classes, channels]: [usize; 3],
    norm: NormKind,
    extent: Extent,
) -> DecoderShape {
    DecoderShape {
        latent,
        classes,
        channels,
        levels: halvings(extent),
        extent,
        norm,
    }
}

impl Draws for Decoder {
    type Shape = DecoderShape;

    fn of_shape(shape: &DecoderShape, device: &Device) -> Self {
        Decoder::new(shape, device)
    }

    fn numbers(shape: &DecoderShape) -> usize {
        shape.latent
    }

    fn pictures(&self, numbers: &Tensor<2>, classes: &Tensor<2>) -> Tensor<4> {
        self.forward(numbers.clone(), classes)
    }
}

impl Discriminates for ProjectionDiscriminator {
    fn judge(&self, pictures: Tensor<4>) -> Verdict {
        self.forward(pictures)
    }

    fn compares(&self) -> bool {
        self.has_spread()
    }

    fn renewed(self) -> Self {
        self.renew()
    }
}
