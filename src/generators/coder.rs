//! What generators that know the probability of every picture share: their training, which raises it.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use image::RgbImage;
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::kind::{Batch, Generator, Learner, Setting, Trains};
use super::{arena, load_average, load_network, matrix, save_average, save_network};
use crate::Result;
use crate::models::adversarial::{Arena, Losses, Player};
use crate::models::settings::AdversarialConfig;
use crate::nn::device::Chosen;
use crate::nn::ema;
use crate::nn::likelihood::BITS;
use crate::nn::norm::NormKind;
use crate::seed::Stream;

/// A network that knows how probable a picture is.
pub trait Codes: Module + Sync {
    /// What it is made from.
    type Shape: Serialize + DeserializeOwned + Clone + Send + Sync;

    /// With burn's default weights.
    fn of_shape(shape: &Self::Shape, device: &Device) -> Self;

    /// The natural logarithm of the probability of these pictures, a mean over them and their values.
    fn log_probability(&self, batch: &Batch) -> Tensor<1>;

    /// Draws a picture of a class, `[1, classes]`; see [`Generator::draw`].
    fn picture(
        &self,
        shape: &Self::Shape,
        class: &Tensor<2>,
        truncation: f64,
        stream: &mut Stream,
    ) -> RgbImage;
}

/// A network in training.
pub struct Coder<N: Codes> {
    shape: N::Shape,
    arena: Arena,
    player: Player<N>,
    average: N,
    ema: f64,
}

impl<N: Codes> Coder<N> {
    /// With an initialised network on a device with autodiff.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    pub fn new(shape: N::Shape, network: N, setting: &Setting) -> Result<Self> {
        let arena = arena(NormKind::None, &AdversarialConfig::default(), setting)?;
        Ok(Coder {
            shape,
            average: network.valid(),
            player: Player::new(network, &arena.config),
            ema: setting.ema,
            arena,
        })
    }
}

impl<N: Codes + 'static> Trains for Coder<N> {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let outcome = self
            .player
            .learn(&self.arena, batch, rate, |network, batch| {
                let bits = -network.log_probability(batch) * BITS;
                Losses {
                    total: bits.clone(),
                    named: vec![("bits", bits)],
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
        save_network(&self.shape, self.average.clone(), folder)
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        self.player.save(folder, "network")?;
        save_average(self.average.clone(), folder)
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.player.load(folder, "network")?;
        self.average = load_average(self.average.clone(), folder)?;
        Ok(())
    }
}

impl<N: Codes + 'static> Learner for Coder<N> {
    fn generator(&self) -> Box<dyn Generator> {
        Box::new(Writer {
            network: self.average.clone(),
            shape: self.shape.clone(),
            device: self.arena.device.clone().inner(),
        })
    }

    fn bits(&self, batch: &Batch) -> Option<f64> {
        let nats: f32 = self.average.log_probability(batch).into_scalar();
        Some(-f64::from(nats) * BITS)
    }
}

/// A trained network that draws value by value.
struct Writer<N: Codes> {
    network: N,
    shape: N::Shape,
    device: Device,
}

impl<N: Codes> Generator for Writer<N> {
    fn numbers(&self) -> usize {
        0
    }

    fn draw(
        &self,
        conditions: &[Vec<f32>],
        _: &[Vec<f32>],
        truncation: f64,
        streams: &mut [Stream],
    ) -> Vec<RgbImage> {
        let pairs = conditions.par_iter().zip(streams);
        pairs
            .map(|(condition, stream)| {
                let condition = matrix(std::slice::from_ref(condition), &self.device);
                self.network
                    .picture(&self.shape, &condition, truncation, stream)
            })
            .collect()
    }
}

/// Loads what [`Trains::save`] of a [`Coder`] wrote.
///
/// # Errors
/// If the folder holds no such network.
pub fn load<N: Codes + 'static>(folder: &Path, device: &Chosen) -> Result<Box<dyn Generator>> {
    let device = device.device.clone();
    let (shape, network) = load_network(folder, |shape| N::of_shape(shape, &device))?;
    Ok(Box::new(Writer::<N> {
        network,
        shape,
        device,
    }))
}
