//! The trainable models, one file an architecture. Adding one means one new file and one line.

pub mod classifier;
pub mod cyclegan;

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Tensor;

use crate::Result;
use crate::nn::device::Chosen;
use crate::seed::Seed;

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
    pub create: fn(&cyclegan::CycleGanConfig, Setting) -> Result<Box<dyn Adapter>>,
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
}

/// A model in training. It owns its adversarial step: losses, optimisers, pools.
pub trait Adapter {
    /// One step on two unpaired batches `[batch, 3, size, size]` in −1..1, at this learning rate;
    /// returns the losses by name. Whether they are finite is for the loop to see.
    fn step(&mut self, renders: Tensor<4>, photos: Tensor<4>, rate: f64) -> BTreeMap<String, f64>;

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
