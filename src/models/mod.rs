//! The trainable models, one file an architecture. Adding one means one new file and one line.

pub mod classifier;
pub mod config;
pub mod cyclegan;
pub mod recogniser;
pub mod task_network;

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Tensor;

use crate::nn::device::Chosen;
use crate::seed::Seed;
use crate::{Error, Result};
use config::TrainConfig;
use task_network::TaskNetwork;

/// What becomes of a picture's labels when a model has changed the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelEffect {
    /// They stay true, pixel by pixel.
    Kept,
}

/// One entry of the registry of adapters: models that learn to make renders look like photos.
pub struct ModelKind {
    /// What pipeline files call it.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    pub labels: LabelEffect,
    /// Makes an untrained model for square pictures of `size` pixels.
    pub create: fn(&TrainConfig, Setting) -> Result<Box<dyn Adapter>>,
    /// Loads what [`Adapter::save`] wrote, for translation.
    pub load: fn(&Path, &Chosen) -> Result<Box<dyn Translator>>,
}

/// Every model that `train` can train.
pub const MODELS: &[ModelKind] = &[cyclegan::MODEL];

/// What a model is made for.
pub struct Setting<'a> {
    pub device: &'a Chosen,
    /// Width and height in pixels.
    pub size: usize,
    pub seed: &'a Seed,
    /// The frozen network that knows the renders' labels, where the pipeline has one.
    pub task: Option<&'a TaskNetwork>,
}

/// What one step learns from: equally many renders and photos, unpaired.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, 3, size, size]` in −1..1.
    pub renders: Tensor<4>,
    /// `[batch, 1, size, size]`: 1 where an object of the render is visible, else 0.
    pub masks: Tensor<4>,
    /// The class of each render: its place in the task network's list, or 0 without one.
    pub classes: Vec<usize>,
    /// `[batch, 3, size, size]` in −1..1.
    pub photos: Tensor<4>,
}

/// A model in training. It owns its adversarial step: losses, optimisers, pools.
pub trait Adapter {
    /// One step at this learning rate; returns the losses by name. Whether they are finite is for
    /// the loop to see.
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64>;

    /// Renders made to look like photos, by the averaged weights.
    fn translate(&self, renders: Tensor<4>) -> Tensor<4>;

    /// Trainable numbers in all networks.
    fn parameters(&self) -> usize;

    /// Writes the checkpoint into `folder`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    fn save(&self, folder: &Path) -> Result<()>;
}

/// A trained model.
pub trait Translator: Send + Sync {
    /// Renders `[batch, 3, size, size]` in −1..1 made to look like photos.
    fn translate(&self, renders: Tensor<4>) -> Tensor<4>;
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
