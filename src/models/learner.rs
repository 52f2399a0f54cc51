//! A model in training, as the training loop sees it, and what it learns from.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use image::RgbImage;

use super::album::Album;
use super::task_network::TaskNetwork;
use super::translator::Translator;
use crate::Result;
use crate::nn::device::Chosen;
use crate::sample::Extent;
use crate::sample::maps::{Decoded, MapKind};
use crate::seed::Seed;

/// What a model is made for.
pub struct Setting<'a> {
    /// Without autodiff, which training adds itself.
    pub device: &'a Chosen,
    /// What its pictures measure.
    pub extent: Extent,
    /// Streams of initial weights, pools and random draws derive from it.
    pub seed: &'a Seed,
    /// The frozen network that knows the renders' labels, if the pipeline has one.
    pub task: Option<&'a TaskNetwork>,
    /// The maps that some of its renders have, in the order of the registry; none for models that read none.
    pub maps: &'a [&'static MapKind],
}

/// A model in training. It owns its adversarial step: losses, optimisers, pools.
pub trait Learner: Send {
    /// Sees all photos before the first step. Returns whether steps are to follow: a model that needs
    /// no training knows all it needs then.
    ///
    /// # Errors
    /// If a photo cannot be read.
    fn study(&mut self, _photos: &Album) -> Result<bool> {
        Ok(true)
    }

    /// One step at this learning rate; returns the losses by name. Whether they are finite is for
    /// the loop to see.
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64>;

    /// What it has learned so far, as [`Learner::save`] would write it.
    fn translator(&self) -> Box<dyn Translator>;

    /// Renders translated and brought back again, if the model can.
    fn round_trip(&self) -> Option<Box<dyn Translator>> {
        None
    }

    /// What it reads of pictures instead of their colours, as pictures: of renders with these `maps`, of photos where
    /// there are none. `None` for models that see the pictures themselves.
    fn condition(
        &self,
        _pictures: &[RgbImage],
        _maps: Option<&[Decoded]>,
    ) -> Option<Vec<RgbImage>> {
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
    /// If a file cannot be written.
    fn save(&self, folder: &Path) -> Result<()>;

    /// Writes into `folder` all that the next step depends on: networks, averages, optimisers, pools
    /// and random streams.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn save_state(&self, folder: &Path) -> Result<()>;

    /// Resumes from what [`Learner::save_state`] wrote, bit by bit the same on the CPU.
    ///
    /// # Errors
    /// If the folder holds no state of this model.
    fn load_state(&mut self, folder: &Path) -> Result<()>;
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
    /// The planes of the renders' maps, `[batch, channels, height, width]`, see [`crate::nn::batch::maps_to_tensor`];
    /// none for models that read none.
    pub maps: Option<Tensor<4>>,
    /// Renders in pairs, each with the next frame of its clip: where every pixel of the first goes,
    /// `[batch, 3, height, width]`, x to the right and y down in pixels, and 1 where the second shows it, too, else 0;
    /// 0 for every second frame. None for renders that are drawn one by one.
    pub motion: Option<Tensor<4>>,
}

/// What a step learns from, so that it can be computed in parts.
pub trait Divisible: Send {
    /// Pictures of each kind.
    fn count(&self) -> usize;

    /// Pictures that belong together, one after the other, which parts must keep together.
    fn together(&self) -> usize {
        1
    }

    /// Some pictures of each kind, on `device`.
    fn part(&self, range: Range<usize>, device: &Device) -> Self;
}

/// Some pictures of a tensor `[batch, …]`, on `device`.
pub fn part_of(pictures: &Tensor<4>, range: &Range<usize>, device: &Device) -> Tensor<4> {
    let part = pictures.clone().narrow(0, range.start, range.len());
    part.to_device(device)
}

impl Divisible for Batch {
    fn count(&self) -> usize {
        self.classes.len()
    }

    fn together(&self) -> usize {
        if self.motion.is_some() { 2 } else { 1 }
    }

    fn part(&self, range: Range<usize>, device: &Device) -> Self {
        let cut = |pictures| part_of(pictures, &range, device);
        Batch {
            renders: cut(&self.renders),
            masks: cut(&self.masks),
            classes: self.classes[range.clone()].to_vec(),
            photos: cut(&self.photos),
            maps: self.maps.as_ref().map(cut),
            motion: self.motion.as_ref().map(cut),
        }
    }
}

/// How often a picture of a batch goes through networks whose activations are held at once, for the
/// estimate of memory.
#[derive(Debug, Clone, Copy)]
pub struct Passes {
    /// Passes of each picture through generators; some models count other networks in these units.
    pub generator: usize,
    /// Passes of each picture through discriminators.
    pub critic: usize,
}
