//! Tasks: what a recogniser predicts from a picture, and how well it does so.
//!
//! Stages that train recognisers ask the task, and know no network. To add a task, write one file and add one
//! line to [`TASKS`].

pub mod classification;

use std::sync::Arc;

use rand::seq::SliceRandom;
use serde_json::{Map, Value};

use crate::Result;
use crate::models::album::{Album, Example};
use crate::nn::device::Chosen;
use crate::nn::projection_discriminator::ProjectionDiscriminator;
use crate::registry::Entry;
use crate::sample::Extent;
use crate::seed::Stream;

/// One entry of the registry of tasks.
pub struct TaskKind {
    /// The name used in pipeline files.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    /// An untrained recogniser with weights drawn from the stream.
    pub create: fn(&Setting, &mut Stream) -> Box<dyn Recogniser>,
    /// The main metric of `predictions`, one for each example of the album, over the examples with these
    /// numbers: 0..1; `None` without examples.
    pub score: fn(&Album, &[Prediction], &[usize]) -> Option<f64>,
    /// Further metrics over the predictions of several recognisers, for the record of a run; the texts are the
    /// names of the classes.
    pub details: fn(&Album, &[Vec<Prediction>], &[String]) -> Details,
}

/// Metrics by name.
pub type Details = Map<String, Value>;

/// Every task that recognisers can be trained for.
pub const TASKS: &[TaskKind] = &[classification::TASK];

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
    /// Size of all pictures.
    pub extent: Extent,
    /// Channels of the first stage of its network.
    pub channels: usize,
    /// Where it runs.
    pub device: &'a Chosen,
    /// What a recogniser of classes begins with, in place of random weights; on the device with autodiff.
    pub init: Option<&'a ProjectionDiscriminator>,
}

/// A network that predicts labels, in training or trained.
pub trait Recogniser: Send + Sync {
    /// One optimiser step on examples with their classes; returns the loss.
    fn step(&mut self, examples: &[(Arc<Example>, usize)], rate: f64) -> f32;

    /// Predictions for the examples of an album with these numbers.
    ///
    /// # Errors
    /// If one cannot be read.
    fn predict(&self, album: &Album, numbers: &[usize]) -> Result<Vec<Prediction>>;
}

/// What a recogniser predicts for one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The probability of every class, adding up to 1.
    pub probabilities: Vec<f32>,
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
        let mut album = Album::new(folder.path()).unwrap();
        for (number, sample) in testing::shapes(60, 16, 1).iter().enumerate() {
            album.push_with_mask(sample, number % 2).unwrap();
        }
        let all: Vec<usize> = (0..album.len()).collect();
        let setting = Setting {
            classes: 2,
            extent: Extent::square(16),
            channels: 4,
            device: &device,
            init: None,
        };
        for task in TASKS {
            let mut stream = Seed::new(1, task.name).stream(0);
            let mut recogniser = (task.create)(&setting, &mut stream);
            let recipe = Recipe {
                steps: 60,
                rate: 8e-3,
            };
            let mut order = Order::new(album.len());
            let draw = || album.examples(order.next(16, &mut stream));
            train(recogniser.as_mut(), recipe, draw, |_| Ok(())).unwrap();
            let predictions = recogniser.predict(&album, &all).unwrap();
            let score = (task.score)(&album, &predictions, &all).unwrap();
            assert!(score > 0.9, "{}: {score}", task.name);
            let classes = ["disc", "square"].map(String::from);
            assert!(!(task.details)(&album, &[predictions], &classes).is_empty());
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
