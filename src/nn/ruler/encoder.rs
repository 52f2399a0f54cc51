//! An encoder of pictures, trained on the spot: it learns to tell renders from photos, and both from themselves
//! altered, and is then frozen. What it measures it has not learned from.
//!
//! An encoder that only tells renders from photos is blind to whatever else a translation may do; one that only
//! recognises alterations sees little of what sets the two apart. Half of each batch is as it is, half altered.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use image::RgbImage;
use rand::RngExt;

use super::alterations::ALTERATIONS;
use super::network::Network;
use super::pictures::Pictures;
use super::two_sample::drawn;
use crate::Result;
use crate::nn::device::Chosen;
use crate::sample::Extent;
use crate::seed::{Seed, Stream};

/// Optimiser steps of an encoder.
pub(super) const STEPS: u64 = 400;

/// Pictures as they are of each domain a step.
const PLAIN: usize = 18;

/// Pictures of each domain and alteration a step.
const ALTERED: usize = 3;

/// The features of one picture.
pub(super) type Features = Vec<f32>;

/// A frozen encoder.
pub(super) struct Encoder {
    network: Network,
    extent: Extent,
    chosen: Chosen,
}

impl Encoder {
    /// Learns from renders and photos, of which there must be some; `tick` is called before every step.
    ///
    /// # Errors
    /// Those of `tick`, or if there are no threads.
    pub(super) fn learn(
        domains: [&Pictures; 2],
        extent: Extent,
        seed: &Seed,
        chosen: &Chosen,
        tick: &dyn Fn() -> Result<()>,
    ) -> Result<Self> {
        let domains = domains.map(|pictures| pictures.clone().fitted(extent));
        let mut stream = seed.stream(0);
        let classes = domains.len() * (1 + ALTERATIONS.len());
        let device = chosen.device.clone().autodiff();
        let network = Network::new(classes, extent, &mut stream, &device);
        let draw = || draw(&domains, &mut stream);
        Ok(Encoder {
            network: network.learn(STEPS, chosen, draw, tick)?,
            extent,
            chosen: chosen.clone(),
        })
    }

    /// The features of pictures, in their order.
    ///
    /// # Errors
    /// If there are no threads.
    pub(super) fn features(&self, pictures: &Pictures) -> Result<Vec<Features>> {
        let readings = self
            .network
            .read(&pictures.clone().fitted(self.extent), &self.chosen)?;
        Ok(readings
            .into_iter()
            .map(|reading| reading.features)
            .collect())
    }

    /// Names it: the first 8 hexadecimal digits of its weights' hash.
    pub(super) fn hash(&self) -> String {
        let mut hash = Hash(blake3::Hasher::new());
        self.network.visit(&mut hash);
        hash.0.finalize().to_hex()[..8].to_owned()
    }
}

/// A batch with its classes: one for each domain as it is, and one for each alteration of it.
fn draw(domains: &[Pictures; 2], stream: &mut Stream) -> Vec<(RgbImage, usize)> {
    let mut batch = Vec::new();
    for (number, pictures) in domains.iter().enumerate() {
        let first = number * (1 + ALTERATIONS.len());
        for _ in 0..PLAIN {
            batch.push((drawn(pictures.members(), stream), first));
        }
        for (place, alter) in ALTERATIONS.iter().enumerate() {
            for _ in 0..ALTERED {
                let mut picture = drawn(pictures.members(), stream);
                alter(&mut picture, stream);
                batch.push((picture, first + 1 + place));
            }
        }
    }
    // The shards of a batch should be alike.
    let count = batch.len();
    for place in (1..count).rev() {
        batch.swap(place, stream.random_range(0..=place));
    }
    batch
}

/// The mean of each feature.
pub(super) fn mean(features: &[Features]) -> Vec<f64> {
    let mut sums = vec![0.0; features.first().map_or(0, Vec::len)];
    for row in features {
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.iter().map(|sum| sum / features.len() as f64).collect()
}

struct Hash(blake3::Hasher);

impl ModuleVisitor for Hash {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.val().into_data_as::<f32>();
        for value in data.as_slice::<f32>().unwrap_or_default() {
            self.0.update(&value.to_le_bytes());
        }
    }
}
