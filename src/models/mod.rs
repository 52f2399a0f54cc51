//! The models, one file each. Adding one means one new file and one line in [`MODELS`].

pub mod adversarial;
pub mod classifier;
pub mod critic;
pub mod cut;
pub mod cyclegan;
pub mod fda;
pub mod histogram;
pub mod kind;
pub mod label_safety;
pub mod recogniser;
pub mod settings;
pub mod simgan;
pub mod statistical;
pub mod task_network;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use image::RgbImage;

use crate::nn::batch;
use crate::nn::device::Chosen;
use crate::nn::generator::{Generator, GeneratorConfig};
use crate::sample::Extent;
use crate::seed::{Seed, Stream};
use crate::{Error, Result};
use task_network::TaskNetwork;

pub use kind::{LabelEffect, Load, Model, ModelKind};

/// Every model that `train` can train.
pub const MODELS: &[ModelKind] = &[
    cyclegan::MODEL,
    cut::MODEL,
    cut::FAST,
    simgan::MODEL,
    histogram::MODEL,
    fda::MODEL,
];

/// What a model is made for.
pub struct Setting<'a> {
    pub device: &'a Chosen,
    /// What its pictures measure.
    pub extent: Extent,
    pub seed: &'a Seed,
    /// The frozen network that knows the renders' labels, where the pipeline has one.
    pub task: Option<&'a TaskNetwork>,
}

/// What one step learns from: equally many renders and photos, unpaired.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, 3, height, width]` in −1..1.
    pub renders: Tensor<4>,
    /// `[batch, 1, height, width]`: 1 where an object of the render is visible, else 0.
    pub masks: Tensor<4>,
    /// The class of each render: its place in the task network's list, or 0 without one.
    pub classes: Vec<usize>,
    /// `[batch, 3, height, width]` in −1..1.
    pub photos: Tensor<4>,
}

impl Batch {
    /// Some pictures of each.
    pub fn part(&self, range: Range<usize>) -> Batch {
        let cut = |x: &Tensor<4>| x.clone().narrow(0, range.start, range.len());
        Batch {
            renders: cut(&self.renders),
            masks: cut(&self.masks),
            classes: self.classes[range.clone()].to_vec(),
            photos: cut(&self.photos),
        }
    }

    /// The same on another device.
    pub fn to_device(self, device: &Device) -> Batch {
        Batch {
            renders: self.renders.to_device(device),
            masks: self.masks.to_device(device),
            classes: self.classes,
            photos: self.photos.to_device(device),
        }
    }

    /// Real and fake pictures for a discriminator: `fake` as renders without labels.
    fn of_pair(real: Tensor<4>, fake: Tensor<4>) -> Batch {
        let [count, ..] = real.dims();
        Batch {
            masks: Tensor::zeros([count, 1, 1, 1], &fake.device()),
            classes: vec![0; count],
            renders: fake,
            photos: real,
        }
    }
}

/// How often a picture of a batch goes through networks whose activations are held at once, for the
/// estimate of memory.
#[derive(Debug, Clone, Copy)]
pub struct Passes {
    pub generator: usize,
    pub critic: usize,
}

/// A model in training. It owns its adversarial step: losses, optimisers, pools.
pub trait Adapter: Send {
    /// Sees all photos before the first step. Returns whether steps are to follow: a model that needs
    /// no training knows all it needs then.
    fn study(&mut self, _photos: &[RgbImage]) -> bool {
        true
    }

    /// One step at this learning rate; returns the losses by name. Whether they are finite is for
    /// the loop to see.
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64>;

    /// Renders made to look like photos, by the averaged weights.
    fn translate(&self, renders: Tensor<4>) -> Tensor<4>;

    /// Renders translated and brought back again, where the model can.
    fn reconstruct(&self, _renders: Tensor<4>) -> Option<Tensor<4>> {
        None
    }

    /// What a step holds in memory at once.
    fn passes(&self) -> Passes {
        Passes {
            generator: 1,
            critic: 1,
        }
    }

    /// Trainable numbers in all networks.
    fn parameters(&self) -> usize;

    /// Writes into `folder` what translation needs.
    ///
    /// # Errors
    /// Where a file cannot be written.
    fn save(&self, folder: &Path) -> Result<()>;

    /// Writes into `folder` all that the next step depends on: networks, averages, optimisers, pools
    /// and random streams.
    ///
    /// # Errors
    /// Where a file cannot be written.
    fn save_state(&self, folder: &Path) -> Result<()>;

    /// Goes on from what [`Adapter::save_state`] wrote, bit by bit the same on the CPU.
    ///
    /// # Errors
    /// Where the folder holds no state of this model.
    fn load_state(&mut self, folder: &Path) -> Result<()>;
}

/// A trained model.
pub trait Translator: Send + Sync {
    /// Renders made to look like photos, in order; `streams` holds one a render, for what is drawn.
    fn translate(&self, renders: &[RgbImage], streams: &mut [Stream]) -> Vec<RgbImage>;
}

/// Writes the weights of a network as burn's `.bpk`.
///
/// # Errors
/// Where the file cannot be written.
pub fn save_weights<M: Module>(module: M, path: &Path) -> Result<()> {
    module.save_file(path).map_err(|e| {
        Error::failed(
            path.display(),
            e,
            "check the free space and the permissions of the folder",
        )
    })
}

/// The module with the weights that [`save_weights`] wrote.
///
/// # Errors
/// Where the file is missing or holds another network.
pub fn load_weights<M: Module>(module: M, path: &Path) -> Result<M> {
    module
        .try_load_file(path)
        .map_err(|e| Error::failed(path.display(), e, "remove the folder and train again"))
}

/// Writes what [`load_generator`] reads: shape and weights.
///
/// # Errors
/// Where a file cannot be written.
pub fn save_generator(shape: &GeneratorConfig, network: &Generator, folder: &Path) -> Result<()> {
    let path = folder.join("generator.json");
    let text = serde_json::to_vec_pretty(shape)
        .map_err(|e| Error::failed(path.display(), e, "report this as a bug"))?;
    std::fs::write(&path, text).map_err(|e| Error::io(&path, e))?;
    save_weights(network.clone(), &folder.join("generator.bpk"))
}

/// A generator saved by [`save_generator`], for translation.
///
/// # Errors
/// Where the folder holds none.
pub fn load_generator(folder: &Path, device: &Chosen) -> Result<Generator> {
    let path = folder.join("generator.json");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    let remedy = "remove the folder and train again";
    let shape: GeneratorConfig =
        serde_json::from_str(&text).map_err(|e| Error::failed(path.display(), e, remedy))?;
    load_weights(shape.init(&device.device), &folder.join("generator.bpk"))
}

/// As [`load_generator`], for [`Load::Translator`].
///
/// # Errors
/// Where the folder holds none.
pub fn load_translator(folder: &Path, device: &Chosen) -> Result<Box<dyn Translator>> {
    Ok(Box::new(Trained {
        generator: load_generator(folder, device)?,
        device: device.device.clone(),
    }))
}

/// A trained generator on its device.
struct Trained {
    generator: Generator,
    device: Device,
}

impl Translator for Trained {
    fn translate(&self, renders: &[RgbImage], _: &mut [Stream]) -> Vec<RgbImage> {
        let renders = batch::to_tensor(renders.iter(), &self.device);
        batch::to_pictures(self.generator.forward(renders))
    }
}

#[cfg(test)]
mod options_tests;
#[cfg(test)]
mod tests;
