//! Tasks: what a recogniser predicts from a picture, and how well it does so.
//!
//! Stages that train recognisers ask the task, and know no network. To add a task, write one file and add one
//! line to [`TASKS`].

pub mod classification;
pub mod detection;
pub mod segmentation;

use std::sync::Arc;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Result;
use crate::models::album::{Album, Example};
use crate::nn::device::Chosen;
use crate::nn::projection_discriminator::ProjectionDiscriminator;
use crate::registry::Entry;
use crate::sample::{Extent, Mask};
use crate::seed::Stream;

/// One entry of the registry of tasks.
pub struct TaskKind {
    /// The name used in pipeline files.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    /// What it learns from, and what its predictions are compared with.
    pub truth: Truth,
    /// Whether it is about the masks of objects, too.
    pub masks: bool,
    /// What its score is called.
    pub metric: &'static str,
    /// An untrained recogniser with weights drawn from the stream.
    pub create: fn(&Setting, &mut Stream) -> Box<dyn Recogniser>,
    /// Work with which a picture goes through it with so many channels, in multiplications of larger networks.
    pub products: fn(Extent, usize) -> f64,
    /// The main metric of `predictions`, one for each example of the album, over the examples with these
    /// numbers: 0..1; `None` without examples.
    pub score: fn(&Album, &[Prediction], &[usize]) -> Option<f64>,
    /// Further metrics over the predictions of several recognisers, for the record of a run; the texts are the
    /// names of the classes.
    pub details: fn(&Album, &[Vec<Prediction>], &[String]) -> Details,
}

/// The labels that a task is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// The class of the whole picture. All pictures are of one size.
    Class,
    /// The class and the box of every object in it, [`Example::objects`]; pictures may differ in size.
    Objects,
}

/// Metrics by name.
pub type Details = Map<String, Value>;

/// Every task that recognisers can be trained for.
pub const TASKS: &[TaskKind] = &[classification::TASK, detection::TASK, segmentation::TASK];

impl Entry for TaskKind {
    const ALL: &'static [TaskKind] = TASKS;
    const NOUN: &'static str = "task";

    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

/// What a recogniser is made for.
pub struct Setting<'a> {
    /// Number of classes.
    pub classes: usize,
    /// Size of all pictures; where they differ, the least that holds each.
    pub extent: Extent,
    /// The side in pixels of the squares that are cut from pictures of objects to learn from; `None`: whole pictures.
    pub crop: Option<u32>,
    /// Channels of the first stage of its network.
    pub channels: usize,
    /// Where it runs.
    pub device: &'a Chosen,
    /// What a recogniser of classes begins with, in place of random weights; on the device with autodiff.
    pub init: Option<&'a ProjectionDiscriminator>,
}

/// A network that predicts labels, in training or trained.
pub trait Recogniser: Send + Sync {
    /// One optimiser step on examples with their classes, or with their objects if these are the task's truth;
    /// returns the loss.
    fn step(&mut self, examples: &[(Arc<Example>, usize)], rate: f64) -> f32;

    /// Predictions for the examples of an album with these numbers.
    ///
    /// # Errors
    /// If one cannot be read.
    fn predict(&self, album: &Album, numbers: &[usize]) -> Result<Vec<Prediction>>;
}

/// What a recogniser predicts for one picture: a class, or objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prediction {
    /// The probability of every class, adding up to 1; empty where objects are predicted.
    pub probabilities: Vec<f32>,
    /// The objects, the surest first; empty where a class is predicted.
    pub detections: Vec<Detection>,
    /// The mask of each of them; empty where none are predicted.
    pub masks: Vec<Mask>,
}

/// An object that a recogniser found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Its place in the list of classes.
    pub class: usize,
    /// x, y, width, height in pixels of the picture.
    pub bbox_xywh: [f32; 4],
    /// How sure the recogniser is, 0..1.
    pub score: f32,
}

/// The numbers 0..`count` over and over, each time in a new order.
pub struct Order {
    count: usize,
    left: Vec<usize>,
}

impl Order {
    /// An order of the numbers below `count`.
    pub fn new(count: usize) -> Self {
        Order {
            count,
            left: Vec::new(),
        }
    }

    /// The next `take` numbers; fewer if there are not as many.
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

impl Recipe {
    /// The learning rate of a step, counted from 0.
    pub fn rate_at(self, step: u64) -> f64 {
        let progress = step as f64 / self.steps as f64;
        self.rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
    }
}

/// Trains a recogniser by a recipe on the batches that `draw` gives, and calls `tick` with every loss.
///
/// # Errors
/// Those of `draw` and `tick`.
pub fn train(
    recogniser: &mut dyn Recogniser,
    recipe: Recipe,
    mut draw: impl FnMut() -> Result<Vec<(Arc<Example>, usize)>>,
    tick: impl Fn(f32) -> Result<()>,
) -> Result<()> {
    for step in 0..recipe.steps {
        tick(recogniser.step(&draw()?, recipe.rate_at(step)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::device;
    use crate::seed::Seed;
    use crate::stage::DeviceChoice;
    use crate::testing;

    #[test]
    fn every_task_learns_and_is_scored() {
        let device = device::choose(DeviceChoice::Cpu).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [mut classes, mut objects] = [(); 2].map(|()| Album::new(folder.path()).unwrap());
        for (number, sample) in testing::shapes(60, 16, 1).iter().enumerate() {
            classes.push_with_mask(sample, number % 2).unwrap();
            let own = testing::object_boxes(sample, &["disc", "square"]);
            let masks = sample.labels.objects().iter().map(|o| o.mask.clone());
            let masks: Vec<_> = masks.collect();
            objects
                .push_objects(&sample.id, &sample.image, own, &masks)
                .unwrap();
        }
        let all: Vec<usize> = (0..classes.len()).collect();
        let setting = Setting {
            classes: 2,
            extent: Extent::square(16),
            crop: None,
            channels: 4,
            device: &device,
            init: None,
        };
        for task in TASKS {
            let (album, least) = match task.truth {
                Truth::Class => (&classes, 0.9),
                Truth::Objects => (&objects, 0.15),
            };
            let mut stream = Seed::new(1, task.name).stream(0);
            let mut recogniser = (task.create)(&setting, &mut stream);
            let recipe = Recipe {
                steps: 60,
                rate: 8e-3,
            };
            let mut order = Order::new(album.len());
            let draw = || album.examples(order.next(16, &mut stream));
            train(recogniser.as_mut(), recipe, draw, |_| Ok(())).unwrap();
            let predictions = recogniser.predict(album, &all).unwrap();
            let score = (task.score)(album, &predictions, &all).unwrap();
            assert!(score > least, "{}: {score}", task.name);
            let classes = ["disc", "square"].map(String::from);
            assert!(!(task.details)(album, &[predictions], &classes).is_empty());
        }
    }

    #[test]
    fn an_order_draws_everything_before_anything_again() {
        let mut stream = Seed::new(1, "order").stream(0);
        let mut order = Order::new(6);
        let mut drawn = [order.next(4, &mut stream), order.next(2, &mut stream)].concat();
        drawn.sort_unstable();
        assert_eq!(drawn, [0, 1, 2, 3, 4, 5]);
        assert_eq!(order.next(9, &mut stream).len(), 6);
    }
}
