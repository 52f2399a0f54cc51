//! gan3d: a generator of volumes against a discriminator, which learns only while it is right in less than four of five
//! cases.
//! Wu et al., Learning a Probabilistic Latent Space of Object Shapes via 3D Generative-Adversarial Modeling, 2016,
//! <https://arxiv.org/abs/1610.07584>
//!
//! Deviations: those of [`crate::nn::volume`]; latent numbers from the normal distribution; averaged weights draw. It
//! makes shapes, not pictures, so it is not an entry of [`super::GENERATORS`]: the stage `sculpt` trains it.

use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversary::{Adversary, Draws, stream_of};
use super::dcgan::check;
use super::kind::{Batch, Setting};
use super::matrix;
use crate::Result;
use crate::models::discriminates::Discriminates;
use crate::models::settings::{AdversarialConfig, Balance};
use crate::nn::discriminator::{Slope, Verdict};
use crate::nn::init::{Init, initialise};
use crate::nn::losses::AdversarialLoss;
use crate::nn::volume::{NORM, VolumeDecoder, VolumeDiscriminator, VolumeShape};

/// Settings of the networks.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gan3dConfig {
    /// Numbers in a latent vector.
    pub latent: usize,
    /// Channels of the finest layers of both networks; coarser ones have up to eight times as many.
    pub channels: usize,
    /// How the game of both networks is played.
    pub adversarial: AdversarialConfig,
}

impl Default for Gan3dConfig {
    fn default() -> Self {
        Gan3dConfig {
            latent: 32,
            channels: 8,
            adversarial: AdversarialConfig {
                loss: AdversarialLoss::Bce,
                balance: Balance::Skip,
                balance_at: 0.8,
                ..AdversarialConfig::default()
            },
        }
    }
}

/// More would not fit into memory.
const MOST_CHANNELS: usize = 1024;

/// Both networks in training. Its volumes are `[batch, depth, height, width]`: [`draw`] draws them, not the generator of
/// pictures that every learner gives.
pub type Sculptor = Adversary<VolumeDecoder, VolumeDiscriminator>;

impl Gan3dConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// What is wrong and the remedy, in words.
    pub fn check(&self) -> Result<(), String> {
        let config = &self.adversarial;
        check(self.latent, self.channels, Slope::Leaky, config)?;
        if self.channels > MOST_CHANNELS || self.latent > MOST_CHANNELS {
            return Err(format!(
                "`latent` and `channels` must be {MOST_CHANNELS} at most"
            ));
        }
        match config.augment.is_empty() {
            true => Ok(()),
            false => {
                Err("adversarial: `augment` changes pictures, not volumes; leave it out".into())
            }
        }
    }

    /// The shape of networks for so many classes and this resolution.
    fn shape(&self, classes: usize, resolution: usize) -> VolumeShape {
        VolumeShape {
            latent: self.latent,
            classes,
            channels: self.channels,
            resolution,
        }
    }

    /// Multiplications of a step for each volume, with those of all gradients.
    pub fn products(&self, resolution: usize) -> f64 {
        // The generator, and three passes of the discriminator (real, fake, and fake again for the generator), each a
        // quarter as much; gradients make it three times as much.
        3.0 * 1.75 * self.shape(1, resolution).products()
    }

    /// Makes both networks, untrained, for volumes that are as deep as wide.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    pub fn create(&self, setting: &Setting) -> Result<Sculptor> {
        let device = setting.device.device.clone().autodiff();
        let shape = self.shape(setting.columns, setting.extent.width as usize);
        let networks = (
            initialise(
                VolumeDecoder::new(&shape, &device),
                Init::He,
                &mut stream_of(setting, 0),
                1,
            ),
            initialise(
                VolumeDiscriminator::new(&shape, &device),
                Init::He,
                &mut stream_of(setting, 1),
                1 << 20,
            ),
        );
        Adversary::new(shape, NORM, &self.adversarial, setting, networks)
    }
}

/// Volumes of `resolution` voxels along each side, x fastest, then y, then z, each with its class, as a batch: 1 inside,
/// −1 outside.
pub fn batch(
    volumes: &[(&[bool], usize)],
    classes: usize,
    resolution: usize,
    device: &Device,
) -> Batch {
    let value = |inside: &bool| if *inside { 1.0 } else { -1.0 };
    let values: Vec<f32> = volumes
        .iter()
        .flat_map(|(volume, _)| volume.iter().map(value))
        .collect();
    let numbers: Vec<usize> = volumes.iter().map(|(_, class)| *class).collect();
    let flat = Tensor::<1>::from_floats(values.as_slice(), device);
    let sides = [volumes.len(), resolution, resolution, resolution];
    Batch {
        pictures: flat.reshape(sides),
        conditions: matrix(&conditions(&numbers, classes), device),
    }
}

/// A row for each class number: a 1 in its place.
fn conditions(numbers: &[usize], classes: usize) -> Vec<Vec<f32>> {
    let row = |number: &usize| {
        let mut row = vec![0.0; classes];
        row[*number] = 1.0;
        row
    };
    numbers.iter().map(row).collect()
}

/// Volumes of these classes, one from each row of latent numbers, with values in −1..1; above 0 is inside.
pub fn draw(
    sculptor: &Sculptor,
    numbers: &[usize],
    latents: &[Vec<f32>],
    classes: usize,
) -> Vec<Vec<f32>> {
    let device = sculptor.device();
    let classes = matrix(&conditions(numbers, classes), &device);
    let volumes = sculptor
        .average()
        .pictures(&matrix(latents, &device), &classes);
    let data = volumes.into_data_as::<f32>();
    let values = data.as_slice::<f32>().unwrap_or_default();
    let each = values.len() / numbers.len().max(1);
    values.chunks(each.max(1)).map(<[f32]>::to_vec).collect()
}

impl Draws for VolumeDecoder {
    type Shape = VolumeShape;

    fn of_shape(shape: &VolumeShape, device: &Device) -> Self {
        VolumeDecoder::new(shape, device)
    }

    fn numbers(shape: &VolumeShape) -> usize {
        shape.latent
    }

    fn pictures(&self, numbers: &Tensor<2>, classes: &Tensor<2>) -> Tensor<4> {
        self.forward(numbers.clone(), classes)
    }
}

impl Discriminates for VolumeDiscriminator {
    fn judge(&self, pictures: Tensor<4>) -> Verdict {
        self.forward(pictures)
    }

    fn renewed(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generators::kind::Trains;
    use crate::generators::tests::same_step_elsewhere;
    use crate::nn::device::Chosen;
    use crate::sample::Extent;
    use crate::seed::Seed;

    #[test]
    fn another_device_gives_the_same_losses() {
        const SIDE: usize = 16;
        let box_of = |side: usize| -> Vec<bool> {
            let inside = |place: usize| {
                let coordinates = [place % SIDE, place / SIDE % SIDE, place / SIDE / SIDE];
                coordinates.iter().all(|c| c.abs_diff(SIDE / 2) <= side)
            };
            (0..SIDE.pow(3)).map(inside).collect()
        };
        let volumes: Vec<Vec<bool>> = (2..6).map(box_of).collect();
        let volumes: Vec<(&[bool], usize)> = (volumes.iter().enumerate())
            .map(|(number, volume)| (volume.as_slice(), number % 2))
            .collect();
        let config = Gan3dConfig {
            channels: 4,
            ..Gan3dConfig::default()
        };
        let step = |device: &Chosen, batch: &Batch| {
            let setting = Setting {
                device,
                extent: Extent::square(SIDE as u32),
                columns: 2,
                ema: 0.9,
                seed: &Seed::new(1, "boxes"),
            };
            config.create(&setting).unwrap().step(batch, 2e-4)
        };
        let batch = batch(&volumes, 2, SIDE, &Device::flex());
        same_step_elsewhere("gan3d", &batch, step);
    }
}
