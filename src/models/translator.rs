//! Trained models that make a picture of a picture, and generators on the disk, which most of them are.

use std::path::Path;

use burn::tensor::Device;
use image::RgbImage;

use super::weights::{load_weights, read_state, save_weights};
use crate::Result;
use crate::artifact::files::write_json;
use crate::nn::batch;
use crate::nn::device::Chosen;
use crate::nn::generator::{Generator, GeneratorConfig};
use crate::sample::maps::Decoded;
use crate::seed::Stream;

/// Makes a picture of each picture.
pub trait Translator: Send + Sync {
    /// One picture for each of `renders`, in their order; `maps` holds those of each for models that read maps, and
    /// nothing for others, `streams` one for each, for what is drawn.
    ///
    /// `renders` share one extent. What is made of them may have another one, as far as the model's
    /// [`super::LabelEffect`] says so.
    fn translate(
        &self,
        renders: &[RgbImage],
        maps: &[Decoded],
        streams: &mut [Stream],
    ) -> Vec<RgbImage>;

    /// If it reads where the objects of renders are: the classes by which these are numbered in the map
    /// [`crate::sample::maps::objects::MAP`] that it is to be given of each.
    fn classes(&self) -> Option<&[String]> {
        None
    }

    /// Whether a part of a picture, translated by itself, looks as it does in the whole.
    fn is_local(&self) -> bool {
        true
    }
}

/// Generators on their device, which a picture passes one after another.
pub struct Chain {
    networks: Vec<Generator>,
    device: Device,
}

impl Chain {
    /// `networks` must lie on `device`, which has no autodiff.
    pub fn new(networks: Vec<Generator>, device: Device) -> Self {
        Chain { networks, device }
    }
}

impl Translator for Chain {
    fn translate(&self, renders: &[RgbImage], _: &[Decoded], _: &mut [Stream]) -> Vec<RgbImage> {
        let renders = batch::to_tensor(renders.iter(), &self.device);
        let pass = |x, network: &Generator| network.forward(x);
        batch::to_pictures(self.networks.iter().fold(renders, pass))
    }
}

/// Writes what [`load_translator`] reads: shape and weights.
///
/// # Errors
/// If a file cannot be written.
pub fn save_generator(shape: &GeneratorConfig, network: &Generator, folder: &Path) -> Result<()> {
    write_json(&folder.join("generator.json"), shape)?;
    save_weights(network.clone(), &folder.join("generator.bpk"))
}

fn load_generator(folder: &Path, device: &Chosen) -> Result<Generator> {
    let shape: GeneratorConfig = read_state(folder, "generator.json")?;
    load_weights(shape.init(&device.device), &folder.join("generator.bpk"))
}

/// What [`save_generator`] saved, for [`super::ModelKind::load`].
///
/// # Errors
/// If the folder holds no generator.
pub fn load_translator(folder: &Path, device: &Chosen) -> Result<Box<dyn Translator>> {
    let network = load_generator(folder, device)?;
    let device = device.device.clone();
    Ok(Box::new(Chain::new(vec![network], device)))
}
