//! Training the recogniser on labelled pictures, and reading pictures with it.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::activation::softmax;
use rand::seq::SliceRandom;

use super::album::{Album, Example};
use super::classifier::{Classifier, Training};
use crate::Result;
use crate::nn::batch;
use crate::nn::device::Chosen;
use crate::sample::Extent;
use crate::seed::Stream;

/// Pictures that are read at once.
const AT_ONCE: usize = 64;

/// The places 0..`count` over and over, each time in a new order.
pub struct Order {
    count: usize,
    left: Vec<usize>,
}

impl Order {
    pub fn new(count: usize) -> Self {
        Order {
            count,
            left: Vec::new(),
        }
    }

    /// The next `take` places; fewer where there are not so many.
    pub fn next(&mut self, take: usize, stream: &mut Stream) -> Vec<usize> {
        if self.left.len() < take {
            let mut fresh: Vec<usize> = (0..self.count).collect();
            fresh.shuffle(stream);
            self.left.extend(fresh);
        }
        let take = take.min(self.left.len());
        self.left.drain(..take).collect()
    }
}

/// How long and how fast a recogniser learns.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Optimiser steps.
    pub steps: u64,
    /// Learning rate of Adam at the start; it falls to zero along a cosine.
    pub rate: f64,
}

/// Continues `training` by a recipe, on the batches that `draw` gives; `tick` hears of every loss.
///
/// # Errors
/// Those of `draw` and `tick`.
pub fn train(
    training: &mut Training,
    recipe: Recipe,
    chosen: &Chosen,
    mut draw: impl FnMut() -> Result<Vec<(Arc<Example>, usize)>>,
    tick: impl Fn(f32) -> Result<()>,
) -> Result<()> {
    let device = chosen.device.clone().autodiff();
    for step in 0..recipe.steps {
        let (drawn, classes): (Vec<Arc<Example>>, Vec<usize>) = draw()?.into_iter().unzip();
        let progress = step as f64 / recipe.steps as f64;
        let rate = recipe.rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        let pictures = drawn.iter().map(|example| &example.picture);
        let pictures = batch::to_tensor(pictures, &device);
        tick(training.step(pictures, &classes, rate))?;
    }
    Ok(())
}

/// A recogniser with fresh weights, ready to be trained.
pub fn fresh(
    classes: usize,
    extent: Extent,
    channels: usize,
    stream: &mut Stream,
    chosen: &Chosen,
) -> Training {
    let device = chosen.device.clone().autodiff();
    let network = Classifier::new(classes, extent, channels, stream, &device);
    Training::new(network, device)
}

/// The probability of every class, for the examples of an album with these numbers.
///
/// # Errors
/// If one cannot be read.
pub fn probabilities(
    network: &Classifier,
    album: &Album,
    numbers: &[usize],
    chosen: &Chosen,
) -> Result<Vec<Vec<f32>>> {
    let network = network.valid();
    let mut read = Vec::with_capacity(numbers.len());
    for numbers in numbers.chunks(AT_ONCE) {
        let examples: Result<Vec<_>> = numbers.iter().map(|&number| album.get(number)).collect();
        let examples = examples?;
        let pictures = examples.iter().map(|example| &example.picture);
        let logits = network.forward(batch::to_tensor(pictures, &chosen.device));
        let classes = logits.dims()[1];
        let values = softmax(logits, 1).into_data_as::<f32>();
        let values = values.as_slice::<f32>().unwrap_or_default();
        read.extend(values.chunks_exact(classes).map(<[f32]>::to_vec));
    }
    Ok(read)
}

/// The place of the largest value; the first of equals.
pub fn best(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}
