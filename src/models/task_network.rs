//! The task network: what a translated render must still be read as.
//!
//! It learns class and mask of labelled renders, is then frozen, and judges: the semantic losses of
//! the adapters (Hoffman et al., CyCADA, 2018), the gate, and, by its features, distances between
//! sets of pictures. Group norm instead of batch norm, so that it reads a picture the same way
//! whatever else is in the batch and whether or not gradients flow through it.

mod encoder;

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::module::{avg_pool2d, interpolate};
use burn::tensor::ops::{AvgPoolOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};
use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::album::Example;
use super::weights::save_weights;
use crate::artifact::files::{read_json, write_json};
use crate::nn::batch;
use crate::nn::conv_kernel::Border;
use crate::nn::conv_layer::ConvLayer;
use crate::nn::convolution::{PaddedConv, stem};
use crate::nn::device::Chosen;
use crate::nn::init::{Init, initialise};
use crate::nn::projection_discriminator::{ProjectionDiscriminator, ProjectionShape};
use crate::sample::Extent;
use crate::seed::Stream;
use crate::{Error, Result};
use encoder::{Encoder, EncoderShape};

/// The weights: an encoder with a head for the class and one for the mask.
#[derive(Module, Debug)]
pub struct Layers {
    encoder: Encoder,
    class_head: Linear,
    mask_mix: ConvLayer,
    mask_head: PaddedConv,
}

/// What [`Layers::forward`] makes of pictures.
pub struct Reading {
    /// `[batch, classes]`.
    pub class_logits: Tensor<2>,
    /// `[batch, 1, height, width]` of [`TaskNetwork::mask_extent`]; above 0 is inside an object.
    pub mask_logits: Tensor<4>,
    /// `[batch, features]`: what the class is read from.
    pub features: Tensor<2>,
    /// `[batch, channels, height, width]` of every depth, the finest first.
    pub maps: Vec<Tensor<4>>,
}

/// What the weights were made for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Shape {
    classes: Vec<String>,
    size: Extent,
    channels: usize,
    encoder: EncoderShape,
}

/// A task network with the names of its classes.
#[derive(Debug, Clone)]
pub struct TaskNetwork {
    /// Encoder and heads; weights that were loaded are frozen.
    pub layers: Layers,
    /// Sorted; a class number is a place in this list.
    pub classes: Vec<String>,
    /// Of the pictures it reads.
    pub extent: Extent,
    channels: usize,
    encoder: EncoderShape,
}

impl TaskNetwork {
    /// An untrained network for pictures of this extent, both sides multiples of 4; `channels`, a
    /// multiple of 4 too, after its first layer.
    pub fn new(
        classes: Vec<String>,
        extent: Extent,
        channels: usize,
        stream: &mut Stream,
        device: &Device,
    ) -> Self {
        let encoder = EncoderShape::Own(channels);
        let layers = layers(classes.len(), extent, channels, &encoder, device);
        TaskNetwork {
            layers: initialise(layers, Init::He, stream, 1),
            classes,
            extent,
            channels,
            encoder,
        }
    }

    /// The same, whose encoder begins as this discriminator of this shape, which has channels of its own.
    ///
    /// # Errors
    /// If the discriminator has too few layers for pictures of this extent, in words.
    pub fn beginning_with(
        self,
        (shape, trunk): (&ProjectionShape, &ProjectionDiscriminator),
        stream: &mut Stream,
        device: &Device,
    ) -> Result<Self, String> {
        let encoder = EncoderShape::Given(shape.clone());
        encoder.check(self.extent)?;
        let layers = layers(
            self.classes.len(),
            self.extent,
            self.channels,
            &encoder,
            device,
        );
        let layers = initialise(layers, Init::He, stream, 1 << 20);
        Ok(TaskNetwork {
            layers: Layers {
                encoder: layers.encoder.beginning_with(trunk, device),
                ..layers
            },
            encoder,
            ..self
        })
    }

    /// Whether it reads pictures of this extent.
    ///
    /// # Errors
    /// If it does not: what it reads instead, in words.
    pub fn check_extent(&self, extent: Extent) -> Result<(), String> {
        if extent != self.extent {
            return Err(format!(
                "the task network reads pictures of {}, and these are {extent}",
                self.extent
            ));
        }
        Ok(())
    }

    /// How well it reads `pictures`, which go through it at once. Each shows what the example at its
    /// place does, beside which stands its class; mask and picture are of the network's extent.
    pub fn score(
        &self,
        pictures: &[&RgbImage],
        examples: &[(Arc<Example>, usize)],
        device: &Device,
    ) -> Score {
        let masks = examples.iter().map(|(example, _)| &example.mask);
        let masks = mask_targets(batch::masks_to_tensor(masks, device), self.mask_extent());
        let truth = masks.greater_elem(0.5).float();
        let pictures = batch::to_tensor(pictures.iter().copied(), device);
        let reading = self.layers.forward(pictures);
        let found = reading.mask_logits.greater_elem(0.0).float();
        let sum = |x: Tensor<4>| f64::from(x.sum().into_scalar::<f32>());
        let best = reading.class_logits.argmax(1).into_data_as::<i32>();
        let best = best.as_slice::<i32>().unwrap_or_default();
        let pairs = examples.iter().zip(best);
        Score {
            pictures: examples.len(),
            right: pairs
                .filter(|((_, class), best)| *class as i32 == **best)
                .count(),
            common: sum(truth.clone() * found.clone()),
            either: sum((truth + found).greater_elem(0.5).float()),
        }
    }

    /// Of the mask that it reads.
    pub fn mask_extent(&self) -> Extent {
        let cell = mask_cell(self.extent) as u32;
        Extent::new(self.extent.width / cell, self.extent.height / cell)
    }

    /// Writes `task.json` and `task.bpk`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let shape = Shape {
            classes: self.classes.clone(),
            size: self.extent,
            channels: self.channels,
            encoder: self.encoder.clone(),
        };
        write_json(&folder.join("task.json"), &shape)?;
        save_weights(self.layers.clone(), &folder.join("task.bpk"))
    }

    /// Loads what [`TaskNetwork::save`] wrote, to be used frozen.
    ///
    /// # Errors
    /// If the folder holds no task network.
    pub fn load(folder: &Path, device: &Chosen) -> Result<Self> {
        let remedy = "remove the folder and run again";
        let shape: Shape = read_json(&folder.join("task.json"), remedy)?;
        let path = folder.join("task.bpk");
        let layers = layers(
            shape.classes.len(),
            shape.size,
            shape.channels,
            &shape.encoder,
            &device.device,
        )
        .try_load_file(&path)
        .map_err(|e| Error::failed(path.display(), e, remedy))?;
        Ok(TaskNetwork {
            layers: layers.no_grad(),
            classes: shape.classes,
            extent: shape.size,
            channels: shape.channels,
            encoder: shape.encoder,
        })
    }
}

/// How well labelled pictures are read; scores of several sets add up to that of all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Score {
    pictures: usize,
    right: usize,
    common: f64,
    either: f64,
}

impl Score {
    /// Share of right classes, 0..1.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.pictures.max(1) as f64
    }

    /// Intersection over union of all masks taken together, 0..1.
    pub fn mask_iou(&self) -> f64 {
        self.common / f64::max(self.either, 1.0)
    }
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Score) {
        self.pictures += other.pictures;
        self.right += other.right;
        self.common += other.common;
        self.either += other.either;
    }
}

/// Sides in pixels of what a value of the mask stands for that a task network reads in pictures of this extent.
pub fn mask_cell(extent: Extent) -> usize {
    2 * stem(extent).1
}

/// Masks `[batch, 1, height, width]` of whole pictures as the task network is to read them, of
/// [`TaskNetwork::mask_extent`]: each value the covered share of its cell, 0..1.
pub fn mask_targets(masks: Tensor<4>, extent: Extent) -> Tensor<4> {
    let cell = masks.dims()[3] / extent.width as usize;
    avg_pool2d(masks, AvgPoolOptions::new([cell, cell]))
}

fn layers(
    classes: usize,
    extent: Extent,
    channels: usize,
    encoder: &EncoderShape,
    device: &Device,
) -> Layers {
    let [fine, coarse] = encoder.channels(extent);
    Layers {
        encoder: encoder.init(extent, device),
        class_head: LinearConfig::new(2 * coarse, classes).init(device),
        mask_mix: ConvLayer::new([fine + coarse, channels], 3, 1, device),
        mask_head: PaddedConv::new([channels, 1], 3, 1, 1, Border::Zeros, true, device),
    }
}

impl Layers {
    /// Reads pictures `[batch, 3, height, width]` in −1..1.
    pub fn forward(&self, pictures: Tensor<4>) -> Reading {
        let [fine, coarse] = self.encoder.forward(pictures);
        let [_, _, height, width] = fine.dims();
        let options = InterpolateOptions::new(InterpolateMode::Nearest);
        let wide = interpolate(coarse.clone(), options.with_output_size([height, width]));
        let mixed = self
            .mask_mix
            .forward(Tensor::cat(vec![fine.clone(), wide], 1));
        let maps = vec![fine, coarse.clone()];

        let [batch, channels, height, width] = coarse.dims();
        let places = coarse.reshape([batch, channels, height * width]);
        let mean = places.clone().mean_dim(2).reshape([batch, channels]);
        let max = places.max_dim(2).reshape([batch, channels]);
        let features = Tensor::cat(vec![mean, max], 1);
        Reading {
            class_logits: self.class_head.forward(features.clone()),
            mask_logits: self.mask_head.forward(mixed),
            features,
            maps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::device;
    use crate::seed::Seed;
    use crate::stage::DeviceChoice;
    use burn::tensor::Tolerance;

    #[test]
    fn a_saved_network_reads_as_before() {
        let chosen = device::choose(DeviceChoice::Cpu).unwrap();
        for extent in [[32, 32], [64, 64], [64, 48], [32, 60]] {
            let extent = Extent::new(extent[0], extent[1]);
            let [width, height] = [extent.width, extent.height].map(|side| side as usize);
            let mut stream = Seed::new(1, "task").stream(0);
            let classes = vec!["a".into(), "b".into()];
            let device = chosen.device.clone().autodiff();
            let mut network = TaskNetwork::new(classes, extent, 4, &mut stream, &device);
            network.layers = network.layers.valid();
            let folder = tempfile::tempdir().unwrap();
            network.save(folder.path()).unwrap();
            let loaded = TaskNetwork::load(folder.path(), &chosen).unwrap();
            let ramp = Tensor::arange(0..3 * extent.area() as i64, &chosen.device).float();
            let picture = (ramp.reshape([1, 3, height, width]) * 0.37).sin();
            let (a, b) = (
                network.layers.forward(picture.clone()),
                loaded.layers.forward(picture),
            );
            let mask = mask_targets(
                Tensor::ones([1, 1, height, width], &chosen.device),
                network.mask_extent(),
            );
            assert_eq!(a.mask_logits.dims(), mask.dims());
            a.class_logits
                .into_data()
                .assert_approx_eq::<f32>(&b.class_logits.into_data(), Tolerance::absolute(1e-6));
        }
    }
}
