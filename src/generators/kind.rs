//! What a generator is to the rest of the program: an entry of the registry with a table of its own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use image::{RgbImage, RgbaImage};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use toml::de::ValueDeserializer;

use super::guide::{Found, Search};
use crate::Result;
use crate::models::learner::{Divisible, part_of};
use crate::nn::device::Chosen;
use crate::sample::Extent;
use crate::seed::{Seed, Stream, standard_normal};
use crate::stage::Resolved;

/// One entry of the registry of generators.
pub struct GeneratorKind {
    /// What pipeline files call it, and its table.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    /// What it is told of a picture.
    pub reads: Reads,
    /// Whether its training leaves a discriminator for other networks to begin with.
    pub leaves_discriminator: bool,
    /// Reads its table; an empty one gives the defaults. See [`parse`].
    pub parse: fn(ValueDeserializer) -> Result<Box<dyn Model>, toml::de::Error>,
    /// Describes its table. See [`schema`].
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Loads what [`Trains::save`] wrote.
    pub load: fn(&Path, &Chosen) -> Result<Box<dyn Generator>>,
}

/// What the numbers of a condition say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// A 1 in the place of the class.
    Class,
    /// A 1 in the place of every word of the caption.
    Caption,
}

/// A configured generator. Implemented by the struct of its table.
pub trait Model: Resolved + Send + Sync {
    /// Checks what the types of the table cannot: ranges, exclusive options.
    ///
    /// # Errors
    /// What is wrong and the remedy, in words.
    fn check(&self) -> Result<(), String>;

    /// Checks whether so many steps are enough for all of its parts to learn.
    ///
    /// # Errors
    /// If they are not: what to change, in words.
    fn check_steps(&self, _steps: u64) -> Result<(), String> {
        Ok(())
    }

    /// Checks whether it can draw pictures of this extent.
    ///
    /// # Errors
    /// If it cannot: what to change, in words.
    fn check_extent(&self, extent: Extent) -> Result<(), String>;

    /// Multiplications of a step for each picture of this extent, with those of all gradients.
    fn products(&self, columns: usize, extent: Extent) -> f64;

    /// Makes the generator, untrained.
    ///
    /// # Errors
    /// If the settings do not fit what it is made for.
    fn create(&self, setting: &Setting) -> Result<Box<dyn Learner>>;
}

/// What a generator is made for.
pub struct Setting<'a> {
    /// Without autodiff, which training adds itself.
    pub device: &'a Chosen,
    /// What its pictures measure.
    pub extent: Extent,
    /// Numbers in a condition: classes, or words.
    pub columns: usize,
    /// Decay of the averaged weights, a step.
    pub ema: f64,
    /// Streams of initial weights and random draws derive from it.
    pub seed: &'a Seed,
}

/// What one step learns from.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[batch, channels, height, width]` in −1..1: pictures of 3 channels, volumes, whose slices are the channels, or
    /// the planes that a picture is painted from, with the picture.
    pub pictures: Tensor<4>,
    /// `[batch, columns]`: what each is drawn from, see [`Reads`].
    pub conditions: Tensor<2>,
}

/// Some rows of a matrix, on `device`.
pub fn rows_of(rows: &Tensor<2>, range: &Range<usize>, device: &Device) -> Tensor<2> {
    let part = rows.clone().narrow(0, range.start, range.len());
    part.to_device(device)
}

impl Divisible for Batch {
    fn count(&self) -> usize {
        self.pictures.dims()[0]
    }

    fn part(&self, range: Range<usize>, device: &Device) -> Self {
        Batch {
            pictures: part_of(&self.pictures, &range, device),
            conditions: rows_of(&self.conditions, &range, device),
        }
    }
}

/// Networks in training.
pub trait Trains: Send {
    /// One step at this learning rate; returns the losses by name.
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64>;

    /// Trainable numbers in all networks.
    fn parameters(&self) -> usize;

    /// Writes into `folder` what drawing needs.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn save(&self, folder: &Path) -> Result<()>;

    /// Writes into `folder` all that the next step depends on.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn save_state(&self, folder: &Path) -> Result<()>;

    /// Resumes from what [`Trains::save_state`] wrote, bit by bit the same on the CPU.
    ///
    /// # Errors
    /// If the folder holds no state of these networks.
    fn load_state(&mut self, folder: &Path) -> Result<()>;
}

/// A generator of pictures in training.
pub trait Learner: Trains {
    /// What it has learned so far, as [`Trains::save`] would write it.
    fn generator(&self) -> Box<dyn Generator>;

    /// How many bits a value of these pictures takes if they are coded by what it has learned, or an upper bound; `None`
    /// for those that know no probabilities.
    fn bits(&self, _batch: &Batch) -> Option<f64> {
        None
    }
}

/// Draws pictures from nothing but a condition and numbers from the normal distribution.
pub trait Generator: Send + Sync {
    /// Numbers that a picture is drawn from; 0 if it draws them one after another as it goes.
    fn numbers(&self) -> usize;

    /// One picture for each of `conditions`, from the row of `numbers` at its place. `truncation`, 0..1, draws them
    /// nearer to the mean: less varied, more usual. `streams`, one for each, are for what is drawn on the way.
    fn draw(
        &self,
        conditions: &[Vec<f32>],
        numbers: &[Vec<f32>],
        truncation: f64,
        streams: &mut [Stream],
    ) -> Vec<RgbImage>;

    /// The numbers of a picture of this condition that follows strokes on a transparent ground, which are as large as its
    /// pictures; `None` for generators whose pictures cannot be searched.
    fn follow(
        &self,
        _strokes: &RgbaImage,
        _condition: &[f32],
        _search: Search,
        _stream: &mut Stream,
    ) -> Option<Found> {
        None
    }
}

/// One picture for each condition, drawn from the stream at its place.
pub fn generate(
    generator: &dyn Generator,
    conditions: &[Vec<f32>],
    truncation: f64,
    streams: &mut [Stream],
) -> Vec<RgbImage> {
    let count = generator.numbers();
    let numbers = streams.iter_mut().map(|stream| normal(count, stream));
    let numbers: Vec<Vec<f32>> = numbers.collect();
    generator.draw(conditions, &numbers, truncation, streams)
}

/// So many numbers from the normal distribution.
pub fn normal(count: usize, stream: &mut Stream) -> Vec<f32> {
    (0..count).map(|_| standard_normal(stream) as f32).collect()
}

/// Numbers between `from` and `to`, 0..1 of the way, that are as likely as they are: along a circle, not a line
/// (White, Sampling Generative Networks, 2016).
pub fn between(from: &[f32], to: &[f32], way: f64) -> Vec<f32> {
    // Long random vectors are nearly at right angles.
    let angle = way * std::f64::consts::FRAC_PI_2;
    let (a, b) = (angle.cos() as f32, angle.sin() as f32);
    from.iter()
        .zip(to)
        .map(|(from, to)| a * from + b * to)
        .collect()
}

/// The parser of a generator's table, for [`GeneratorKind::parse`].
///
/// # Errors
/// The first unknown key or wrong value, with its place.
pub fn parse<M: Model + DeserializeOwned + 'static>(
    value: ValueDeserializer,
) -> Result<Box<dyn Model>, toml::de::Error> {
    Ok(Box::new(M::deserialize(value)?))
}

/// The schema of a generator's table, for [`GeneratorKind::schema`].
pub fn schema<M: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<M>()
}
