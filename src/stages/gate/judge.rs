//! The task network as a judge: what it takes pictures for.

use image::{GrayImage, RgbImage};

use crate::artifact::Artifact;
use crate::models::task_network::{TaskNetwork, mask_targets};
use crate::nn::batch;
use crate::nn::device::{self, Chosen};
use crate::nn::workers::Workers;
use crate::sample::Extent;
use crate::sample::mask;
use crate::stage::Context;
use crate::tasks::classification::best;
use crate::{Error, Result};

/// A frozen task network and where it runs.
pub(super) struct Judge {
    network: TaskNetwork,
    chosen: Chosen,
    workers: Workers,
}

/// What the network makes of a picture.
pub(super) struct Reading {
    /// By class, adding up to 1.
    pub probabilities: Vec<f32>,
    /// The cells in which it sees an object.
    pub mask: Vec<bool>,
    pub features: Vec<f32>,
}

impl Reading {
    /// The class that it takes the picture for.
    pub(super) fn best(&self) -> usize {
        best(&self.probabilities)
    }

    /// Overlap of the cells seen with those of a label, 0..1; 0 where neither has any.
    pub(super) fn overlap(&self, label: &[bool]) -> f32 {
        mask::overlap(&self.mask, label) as f32
    }
}

impl Judge {
    /// Pictures at once.
    const BATCH: usize = 16;

    /// Loads the network in `artifact`.
    ///
    /// # Errors
    /// If there is none, or no device.
    pub(super) fn load(context: &Context, artifact: &Artifact) -> Result<Self> {
        let chosen = device::choose(context.device)?;
        Ok(Judge {
            network: TaskNetwork::load(&artifact.folder, &chosen)?,
            workers: Workers::for_device(&chosen)?,
            chosen,
        })
    }

    /// The place of a class in the network's list.
    pub(super) fn class(&self, name: &str) -> Option<usize> {
        self.network.classes.iter().position(|class| class == name)
    }

    /// Reads pictures, in their order.
    ///
    /// # Errors
    /// If they are not of the size that the network was trained on.
    pub(super) fn read(&self, context: &Context, pictures: &[RgbImage]) -> Result<Vec<Reading>> {
        let mut extents = pictures.iter().map(|p| Extent::from(p.dimensions()));
        let wrong = |extent| self.network.check_extent(extent).err();
        if let Some(problem) = extents.find_map(wrong) {
            let remedy = "give `render`, `ingest` and the input of `task` the same `size`";
            return Err(Error::failed(context.id, problem, remedy));
        }
        let batches = pictures.chunks(Self::BATCH).collect();
        let read = self
            .workers
            .run(batches, |pictures| self.read_batch(pictures));
        Ok(read.into_iter().flatten().collect())
    }

    fn read_batch(&self, pictures: &[RgbImage]) -> Vec<Reading> {
        let tensor = batch::to_tensor(pictures.iter(), &self.chosen.device);
        let read = self.network.layers.forward(tensor);
        let rows = |values: burn::tensor::TensorData| -> Vec<Vec<f32>> {
            let values = values.as_slice::<f32>().unwrap_or_default();
            let length = (values.len() / pictures.len()).max(1);
            values.chunks(length).map(<[f32]>::to_vec).collect()
        };
        let logits = rows(read.class_logits.into_data_as::<f32>());
        let masks = rows(read.mask_logits.into_data_as::<f32>());
        let features = rows(read.features.into_data_as::<f32>());
        logits
            .iter()
            .zip(masks)
            .zip(features)
            .map(|((logits, mask), features)| Reading {
                probabilities: softmax(logits),
                mask: mask.iter().map(|&logit| logit > 0.0).collect(),
                features,
            })
            .collect()
    }

    /// The label's mask as the network is to see it: the cells covered by half or more.
    pub(super) fn cells(&self, mask: &GrayImage) -> Vec<bool> {
        let tensor = batch::masks_to_tensor([mask].into_iter(), &self.chosen.device);
        let cells = mask_targets(tensor, self.network.mask_extent()).into_data_as::<f32>();
        let cells = cells.as_slice::<f32>().unwrap_or_default();
        cells.iter().map(|&share| share > 0.5).collect()
    }
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|l| (l - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}
