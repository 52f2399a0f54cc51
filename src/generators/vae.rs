//! vae: a picture is read into a latent distribution and drawn again from it, both networks knowing the class.
//! Kingma and Welling, Auto-Encoding Variational Bayes, 2014. <https://arxiv.org/abs/1312.6114>
//!
//! What is minimised is the evidence lower bound in bits a value, an upper bound of what coding a picture takes, with a
//! larger weight of the divergence (Higgins et al., β-VAE, 2017): the bound counts values that are alike as if each told
//! something new, and latent distributions become so narrow that nothing but noise lies between them. Deviations: values
//! follow a logistic distribution around what is drawn, of one learned scale, summed over the width of a value of 8 bits,
//! so that the bound is comparable; averaged weights draw, and what they draw is the mean.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversary::{drawer, load, stream_of};
use super::dcgan::decoder;
use super::kind::{
    self, Batch, Generator, GeneratorKind, Learner, Model, Setting, Trains, normal, rows_of,
};
use super::{Reads, arena, load_average, matrix, save_average, save_network};
use crate::Result;
use crate::artifact::files::write_json;
use crate::models::adversarial::{Arena, Losses, Player};
use crate::models::condition::check_halvings;
use crate::models::learner::Divisible;
use crate::models::settings::{AdversarialConfig, check_weights};
use crate::models::weights::read_state;
use crate::nn::decoder::{Decoder, DecoderShape, Encoder};
use crate::nn::ema;
use crate::nn::init::{Init, initialise};
use crate::nn::likelihood::{BITS, log_probability};
use crate::nn::norm::NormKind;
use crate::sample::Extent;
use crate::seed::{Position, Stream};

/// The registry entry.
pub const GENERATOR: GeneratorKind = GeneratorKind {
    name: "vae",
    about: "reads pictures into a latent distribution and draws from it; smooth pictures",
    reads: Reads::Class,
    leaves_discriminator: false,
    parse: kind::parse::<VaeConfig>,
    schema: kind::schema::<VaeConfig>,
    load: load::<Decoder>,
};

/// Configuration of `vae`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VaeConfig {
    /// Numbers in a latent vector.
    pub latent: usize,
    /// Channels of the finest layers of both networks; coarser ones have up to eight times as many.
    pub channels: usize,
    /// The norm of the decoder's layers.
    pub norm: NormKind,
    /// Weight of the Kullback-Leibler divergence (Higgins et al., β-VAE, 2017). 1 is the bound itself; more draws pictures
    /// that are smoother, and more like their class.
    pub kl: f64,
}

impl Default for VaeConfig {
    fn default() -> Self {
        VaeConfig {
            latent: 32,
            channels: 32,
            norm: NormKind::Group,
            kl: 16.0,
        }
    }
}

impl VaeConfig {
    fn shape(&self, classes: usize, extent: Extent) -> DecoderShape {
        decoder([self.latent, classes, self.channels], self.norm, extent)
    }
}

impl Model for VaeConfig {
    fn check(&self) -> Result<(), String> {
        if self.latent == 0 || self.channels == 0 {
            return Err("`latent` and `channels` must be at least 1".into());
        }
        check_weights([("kl", self.kl)])
    }

    fn check_extent(&self, extent: Extent) -> Result<(), String> {
        check_halvings(extent, extent)
    }

    fn products(&self, classes: usize, extent: Extent) -> f64 {
        3.0 * 2.0 * self.shape(classes, extent).products()
    }

    fn create(&self, setting: &Setting) -> Result<Box<dyn Learner>> {
        let device = setting.device.device.clone().autodiff();
        let shape = self.shape(setting.columns, setting.extent);
        let networks = Networks {
            encoder: initialise(
                Encoder::new(&shape, &device),
                Init::He,
                &mut stream_of(setting, 1),
                1 << 20,
            ),
            decoder: initialise(
                Decoder::new(&shape, &device),
                Init::He,
                &mut stream_of(setting, 0),
                1,
            ),
            log_scale: Param::initialized(
                ((1 << 21) as u64).into(),
                Tensor::from_data([-2.0], &device).require_grad(),
            ),
        };
        let arena = arena(self.norm, &AdversarialConfig::default(), setting)?;
        Ok(Box::new(Vae {
            average: networks.valid(),
            player: Player::new(networks, &arena.config),
            kl: self.kl,
            ema: setting.ema,
            stream: stream_of(setting, 4),
            shape,
            arena,
        }))
    }
}

/// Both networks, in one module so that one set of gradients serves them.
#[derive(Module, Debug)]
struct Networks {
    encoder: Encoder,
    decoder: Decoder,
    /// Of the logistic distribution of all values, `[1]`.
    log_scale: Param<Tensor<1>>,
}

/// The generator in training.
struct Vae {
    shape: DecoderShape,
    kl: f64,
    arena: Arena,
    player: Player<Networks>,
    average: Networks,
    ema: f64,
    /// Draws from latent distributions.
    stream: Stream,
}

/// A batch with what is drawn for it.
struct Drawn {
    batch: Batch,
    noise: Tensor<2>,
}

impl Divisible for Drawn {
    fn count(&self) -> usize {
        self.batch.count()
    }

    fn part(&self, range: Range<usize>, device: &Device) -> Self {
        Drawn {
            noise: rows_of(&self.noise, &range, device),
            batch: self.batch.part(range, device),
        }
    }
}

impl Networks {
    /// Bits a value for what is drawn from the latent vectors, and for these themselves.
    fn bits(&self, drawn: &Drawn) -> [Tensor<1>; 2] {
        let Batch {
            pictures,
            conditions: classes,
        } = &drawn.batch;
        let [mean, variance] = self.encoder.forward(pictures.clone(), classes);
        let variance = variance.clamp(-8.0, 8.0);
        let deviation = variance.clone().mul_scalar(0.5).exp();
        let latents = mean.clone() + deviation * drawn.noise.clone();
        let made = self.decoder.forward(latents, classes);
        let scale = self
            .log_scale
            .val()
            .reshape([1, 1, 1, 1])
            .expand(made.dims());
        let [_, channels, height, width] = made.dims();
        let values = (channels * height * width) as f64;
        let coding = -log_probability(pictures.clone(), made, scale).mean();
        let divergence = mean.square() + variance.clone().exp() - variance - 1.0;
        let divergence = divergence.sum_dim(1).mean().mul_scalar(0.5 / values);
        [coding * BITS, divergence * BITS]
    }
}

impl Vae {
    fn drawn(&self, batch: &Batch, stream: &mut Stream) -> Drawn {
        let rows = (0..batch.count()).map(|_| normal(self.shape.latent, stream));
        let rows: Vec<Vec<f32>> = rows.collect();
        Drawn {
            noise: matrix(&rows, &batch.pictures.device()),
            batch: batch.clone(),
        }
    }
}

impl Trains for Vae {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let mut stream = self.stream.clone();
        let drawn = self.drawn(batch, &mut stream);
        self.stream = stream;
        let weight = self.kl;
        let outcome = self
            .player
            .learn(&self.arena, &drawn, rate, |networks, drawn| {
                let [coding, divergence] = networks.bits(drawn);
                Losses {
                    total: coding.clone() + divergence.clone() * weight,
                    named: vec![
                        ("bits", coding + divergence.clone()),
                        ("latent_bits", divergence),
                    ],
                    fakes: Vec::new(),
                }
            });
        self.average = ema::update(self.average.clone(), &self.player.network, self.ema);
        outcome.values
    }

    fn parameters(&self) -> usize {
        self.player.network.num_params()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        save_network(&self.shape, self.average.decoder.clone(), folder)
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        self.player.save(folder, "networks")?;
        save_average(self.average.clone(), folder)?;
        write_json(&folder.join(STREAM), &Position::of(&self.stream))
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.player.load(folder, "networks")?;
        self.average = load_average(self.average.clone(), folder)?;
        let position: Position = read_state(folder, STREAM)?;
        self.stream = position.stream();
        Ok(())
    }
}

impl Learner for Vae {
    fn generator(&self) -> Box<dyn Generator> {
        let device = self.arena.device.clone().inner();
        drawer(self.shape.clone(), self.average.decoder.clone(), device)
    }

    fn bits(&self, batch: &Batch) -> Option<f64> {
        let drawn = self.drawn(batch, &mut self.stream.clone());
        let [coding, divergence] = self.average.bits(&drawn);
        let bits: f32 = (coding + divergence).into_scalar();
        Some(f64::from(bits))
    }
}

const STREAM: &str = "stream.json";
