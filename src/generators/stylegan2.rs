//! stylegan2: a style for each picture scales the weights of a generator, against a discriminator that knows the class.
//! Karras et al., Analyzing and Improving the Image Quality of StyleGAN, 2020, <https://arxiv.org/abs/1912.04958>, and
//! Training Generative Adversarial Networks with Limited Data, 2020, <https://arxiv.org/abs/2006.06676>.
//!
//! Deviations: those of [`crate::nn::style_generator`]; hinge loss, spectral norm and DiffAugment in place of the gradient
//! penalty and of adaptive augmentation, since gradients of gradients are not to be had; the penalty by finite differences
//! as an option (`adversarial.r1`), and so is the spread of a batch (`minibatch_stddev`), here that within a class; the
//! mode-seeking loss, without which each class was one shape in several shades.

use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversary::{self, Adversary, Draws, stream_of};
use super::dcgan::{check, game};
use super::kind::{self, GeneratorKind, Learner, Model, Reads, Setting, normal};
use super::matrix;
use crate::Result;
use crate::models::condition::{check_halvings, halvings};
use crate::models::settings::{AdversarialConfig, check_weights};
use crate::nn::discriminator::Slope;
use crate::nn::init::{Init, initialise};
use crate::nn::norm::NormKind;
use crate::nn::projection_discriminator::{ProjectionDiscriminator, ProjectionShape};
use crate::nn::style_generator::{StyleGenerator, StyleShape};
use crate::sample::Extent;
use crate::seed::Seed;

/// The registry entry.
pub const GENERATOR: GeneratorKind = GeneratorKind {
    name: "stylegan2",
    about: "a generator whose weights follow a style; for few pictures",
    reads: Reads::Class,
    leaves_discriminator: true,
    parse: kind::parse::<Stylegan2Config>,
    schema: kind::schema::<Stylegan2Config>,
    load: adversary::load::<StyleGenerator>,
};

/// Configuration of `stylegan2`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stylegan2Config {
    /// Numbers in a latent vector, without the noise of the pixels.
    pub latent: usize,
    /// Numbers in a style.
    pub style: usize,
    /// Layers that make a style of a latent vector.
    pub mapping: usize,
    /// Channels of the finest layers of both networks; coarser ones have up to eight times as many.
    pub channels: usize,
    /// Divide the weights of the discriminator by their largest singular values.
    pub spectral: bool,
    /// Weight of the loss that holds the pictures of a class apart (Mao et al. 2019); 0 for none.
    pub mode_seeking: f64,
    /// Show the discriminator how much the pictures of a class differ in a batch. Threads cannot part a batch then.
    pub minibatch_stddev: bool,
    /// How the game of both networks is played.
    pub adversarial: AdversarialConfig,
}

impl Default for Stylegan2Config {
    fn default() -> Self {
        Stylegan2Config {
            latent: 64,
            style: 64,
            mapping: 3,
            channels: 16,
            spectral: true,
            mode_seeking: 0.03,
            minibatch_stddev: false,
            adversarial: game(),
        }
    }
}

impl Stylegan2Config {
    fn shape(&self, classes: usize, extent: Extent) -> StyleShape {
        StyleShape {
            latent: self.latent,
            classes,
            style: self.style,
            mapping: self.mapping,
            channels: self.channels,
            levels: halvings(extent),
            extent,
        }
    }
}

impl Model for Stylegan2Config {
    fn check(&self) -> Result<(), String> {
        if self.style == 0 || self.mapping == 0 {
            return Err("`style` and `mapping` must be at least 1".into());
        }
        check_weights([("mode_seeking", self.mode_seeking)])?;
        if self.minibatch_stddev && self.adversarial.accumulate > 1 {
            return Err(
                "`minibatch_stddev` compares whole batches: leave `accumulate` at 1".into(),
            );
        }
        check(self.latent, self.channels, Slope::Smooth, &self.adversarial)
    }

    fn check_extent(&self, extent: Extent) -> Result<(), String> {
        check_halvings(extent, extent)
    }

    fn products(&self, classes: usize, extent: Extent) -> f64 {
        3.0 * 5.0 * self.shape(classes, extent).products()
    }

    fn create(&self, setting: &Setting) -> Result<Box<dyn Learner>> {
        let device = setting.device.device.clone().autodiff();
        let shape = self.shape(setting.columns, setting.extent);
        let generator = StyleGenerator::new(&shape, &device);
        // The penalty needs smooth slopes; without it, leaky ones came to sharper pictures.
        let slope = match self.adversarial.r1 > 0.0 {
            true => Slope::Smooth,
            false => Slope::Leaky,
        };
        let critic = ProjectionShape {
            classes: setting.columns,
            channels: self.channels,
            levels: shape.levels,
            spectral: self.spectral,
            slope,
            spread: self.minibatch_stddev,
        };
        let network = ProjectionDiscriminator::new(&critic, &device);
        let networks = (
            generator.initialised(&mut stream_of(setting, 0), 1),
            initialise(network, Init::He, &mut stream_of(setting, 1), 1 << 20),
        );
        let (config, create) = (&self.adversarial, Adversary::new);
        let adversary = create(shape, NormKind::None, config, setting, networks)?;
        let adversary = adversary.mode_seeking(self.mode_seeking);
        Ok(Box::new(adversary.keeping(critic)))
    }
}

/// Latent vectors whose mean style is that of a class.
const MEAN_OF: usize = 256;

impl Draws for StyleGenerator {
    type Shape = StyleShape;

    fn of_shape(shape: &StyleShape, device: &Device) -> Self {
        StyleGenerator::new(shape, device)
    }

    fn numbers(shape: &StyleShape) -> usize {
        shape.numbers()
    }

    fn latent(shape: &StyleShape) -> usize {
        shape.latent
    }

    fn pictures(&self, numbers: &Tensor<2>, classes: &Tensor<2>) -> Tensor<4> {
        self.forward(numbers, classes)
    }

    /// Styles are drawn towards the mean style of their class, as in the paper.
    fn truncated(&self, numbers: &Tensor<2>, classes: &Tensor<2>, truncation: f64) -> Tensor<4> {
        if truncation >= 1.0 {
            return self.forward(numbers, classes);
        }
        let [batch, all] = numbers.dims();
        let latent = self.latent();
        let mut stream = Seed::new(0, "mean style").stream(0);
        let rows: Vec<Vec<f32>> = (0..MEAN_OF).map(|_| normal(latent, &mut stream)).collect();
        let draws = matrix(&rows, &numbers.device());
        let [_, count] = classes.dims();
        let means = (0..batch).map(|row| {
            let class = classes.clone().narrow(0, row, 1).expand([MEAN_OF, count]);
            self.style(draws.clone(), &class).mean_dim(0)
        });
        let mean = Tensor::cat(means.collect(), 0);
        let style = self.style(numbers.clone().narrow(1, 0, latent), classes);
        let style = mean.clone() + (style - mean) * truncation;
        self.picture(&style, &numbers.clone().narrow(1, latent, all - latent))
    }
}
