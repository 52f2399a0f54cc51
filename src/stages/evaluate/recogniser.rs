//! One training of the recogniser, and its test.

use burn::module::Module;
use image::RgbImage;
use rand::seq::SliceRandom;

use super::Evaluate;
use crate::Result;
use crate::models::classifier::{Classifier, Training};
use crate::nn::batch;
use crate::nn::device::Chosen;
use crate::seed::Seed;

/// Labelled pictures of one size.
#[derive(Clone, Default)]
pub struct Examples {
    pub pictures: Vec<RgbImage>,
    pub classes: Vec<usize>,
}

impl Examples {
    pub fn push(&mut self, picture: RgbImage, class: usize) {
        self.pictures.push(picture);
        self.classes.push(class);
    }

    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// The side of the first picture, 0 if there is none.
    pub fn size(&self) -> u32 {
        self.pictures.first().map_or(0, RgbImage::width)
    }
}

/// What a trained recogniser made of the test photos.
pub struct Outcome {
    pub truths: Vec<usize>,
    pub predictions: Vec<usize>,
}

impl Outcome {
    /// Share of right predictions, 0..1.
    pub fn accuracy(&self) -> f64 {
        let pairs = self.truths.iter().zip(&self.predictions);
        pairs.filter(|(a, b)| a == b).count() as f64 / self.truths.len() as f64
    }
}

/// Trains one recogniser from fresh weights and tests it; `tick` hears of every step's loss.
#[allow(clippy::too_many_arguments)]
pub fn train(
    config: &Evaluate,
    chosen: &Chosen,
    set: &Examples,
    test: &Examples,
    classes: usize,
    seed: &Seed,
    number: u64,
    tick: impl Fn(f32) -> Result<()>,
) -> Result<Outcome> {
    let device = chosen.device.clone().autodiff();
    let mut stream = seed.stream(number);
    let size = set.size() as usize;
    let network = Classifier::new(classes, size, config.channels, &mut stream, &device);
    let mut training = Training::new(network, device.clone());
    let mut order: Vec<usize> = Vec::new();
    for step in 0..config.steps {
        if order.len() < config.batch {
            let mut fresh: Vec<usize> = (0..set.len()).collect();
            fresh.shuffle(&mut stream);
            order.extend(fresh);
        }
        let take = config.batch.min(order.len());
        let drawn: Vec<usize> = order.drain(..take).collect();
        let pictures: Vec<&RgbImage> = drawn.iter().map(|&i| &set.pictures[i]).collect();
        let truths: Vec<usize> = drawn.iter().map(|&i| set.classes[i]).collect();
        let progress = step as f64 / config.steps as f64;
        let rate = config.rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        let loss = training.step(
            batch::to_tensor(pictures.into_iter(), &device),
            &truths,
            rate,
        );
        tick(loss)?;
    }
    Ok(Outcome {
        truths: test.classes.clone(),
        predictions: predict(&training.network, &test.pictures, chosen),
    })
}

fn predict(network: &Classifier, pictures: &[RgbImage], chosen: &Chosen) -> Vec<usize> {
    let network = network.valid();
    pictures
        .chunks(64)
        .flat_map(|chunk| {
            let logits = network.forward(batch::to_tensor(chunk.iter(), &chosen.device));
            let best = logits.argmax(1).into_data_as::<i32>();
            let best = best.as_slice::<i32>().unwrap_or_default();
            best.iter().map(|&i| i as usize).collect::<Vec<_>>()
        })
        .collect()
}
