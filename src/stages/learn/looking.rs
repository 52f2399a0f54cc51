//! Looking at a generator: sheets of what it draws, how far that is from the pictures that it learned from, and whether
//! it repeats them.

use std::cell::Cell;
use std::path::Path;

use image::RgbImage;
use rayon::prelude::*;
use serde::Serialize;

use super::config::LearnConfig;
use super::data::Data;
use super::told::{Told, told};
use crate::Result;
use crate::artifact::parts;
use crate::generators::{Generator, Learner, Trained, between, generate, kind};
use crate::nn::device::Chosen;
use crate::nn::ruler::{Figures, MOST, Pictures, Sets, measure};
use crate::sample::image::{contact_sheet, encode_png, resize};
use crate::stage::Context;
use crate::stage::exhibit::made_up;

/// Examples of each class that are shown.
pub(super) const SHOWN: usize = 6;

/// Pictures drawn at once.
const AT_ONCE: usize = 32;

/// Held-out pictures whose bits are measured at most.
const CODED: usize = 256;

/// What is known of a generator after its training.
pub(super) struct Looked {
    /// Of what it draws, as `renders`, and the pictures that it learned from, as `photos`.
    pub figures: Figures,
    pub repeated: Option<Repeated>,
    pub bits: Option<Bits>,
    pub told: Option<Told>,
}

/// Bits a value, of pictures that were learned from and of others.
#[derive(Debug, Serialize)]
pub(super) struct Bits {
    pub known: f64,
    pub held_out: Option<f64>,
}

/// How near drawn pictures are to those that were learned from.
#[derive(Debug, Serialize)]
pub(super) struct Repeated {
    /// The share of drawn pictures that are nearer to one that was learned from than nine tenths of the held-out
    /// pictures are; a tenth would be usual.
    pub share: f64,
    /// The median distance to the nearest picture that was learned from, of drawn ones and of held-out ones.
    pub median: [f64; 2],
}

/// Draws pictures of these classes, each from a stream of its own behind `first`.
fn drawn(
    context: &Context,
    trained: &Trained,
    generator: &dyn Generator,
    classes: &[usize],
    first: u64,
) -> Vec<RgbImage> {
    let mut pictures = Vec::with_capacity(classes.len());
    for (number, classes) in classes.chunks(AT_ONCE).enumerate() {
        let start = first + (number * AT_ONCE) as u64;
        let streams = start..start + classes.len() as u64;
        let mut streams: Vec<_> = streams.map(|number| context.seed.stream(number)).collect();
        let turns = classes.iter().zip(number * AT_ONCE..);
        let conditions: Vec<_> = turns
            .map(|(class, turn)| trained.condition(*class, trained.caption(*class, turn)))
            .collect();
        pictures.extend(generate(generator, &conditions, 1.0, &mut streams));
    }
    pictures
}

/// Streams of what is shown, and of what is measured.
const SHOW: u64 = 1 << 41;
const MEASURE: u64 = 1 << 42;

/// Writes a sheet of what the generator draws to `path`: a row for each class.
///
/// # Errors
/// If it cannot be written.
pub(super) fn sheet(
    context: &Context,
    data: &Data,
    learner: &dyn Learner,
    path: &Path,
) -> Result<()> {
    const COLUMNS: usize = 10;
    let classes = data.trained.classes.len().min(COLUMNS);
    let classes: Vec<usize> = (0..classes * COLUMNS)
        .map(|place| place / COLUMNS)
        .collect();
    let generator = learner.generator();
    let pictures = drawn(context, &data.trained, generator.as_ref(), &classes, SHOW);
    let side = data
        .trained
        .extent
        .width
        .max(data.trained.extent.height)
        .max(32);
    let sheet = contact_sheet(&pictures, COLUMNS as u32, side);
    let png = encode_png(&sheet)?;
    std::fs::write(path, png).map_err(|e| crate::Error::io(path, e))
}

/// Measures a trained generator, and writes what the report shows of it.
///
/// # Errors
/// If a picture cannot be read, a file cannot be written, or the run is interrupted.
pub(super) fn look(
    context: &Context,
    config: &LearnConfig,
    data: &Data,
    learner: &dyn Learner,
    chosen: &Chosen,
) -> Result<Looked> {
    let generator = learner.generator();
    let generator = generator.as_ref();
    // As many of each class as were learned from.
    let count = MOST.min(2 * data.known.len());
    let numbers = (0..count).map(|place| data.known[place * data.known.len() / count]);
    let classes: Vec<usize> = numbers.map(|number| data.class(number)).collect();
    let pictures = drawn(context, &data.trained, generator, &classes, MEASURE);
    let done = Cell::new(0);
    let tick = || {
        done.set(done.get() + 1);
        context.progress(done.get(), Figures::STEPS, "measures what it draws")
    };
    let sets = Sets {
        renders: Pictures::independent(&pictures),
        translations: None,
        photos: data.pictures(&data.known, 2 * MOST)?,
    };
    let seed = context.seed.attempt(1 << 32);
    let figures = measure(&sets, &seed, chosen, &tick)?;
    let known = Thumbnails::of(data, &data.known)?;
    let repeated = repeated(data, &known, &pictures)?;
    show(context, data, generator, &known)?;
    let bits = bits(config, data, learner, chosen)?;
    Ok(Looked {
        told: told(context, data, generator),
        figures,
        repeated,
        bits,
    })
}

fn bits(
    config: &LearnConfig,
    data: &Data,
    learner: &dyn Learner,
    chosen: &Chosen,
) -> Result<Option<Bits>> {
    let of = |numbers: &[usize]| -> Result<Option<f64>> {
        let count = numbers.len().min(CODED);
        let numbers: Vec<usize> = (0..count)
            .map(|n| numbers[n * numbers.len() / count])
            .collect();
        let (mut sum, mut coded) = (0.0, 0);
        for numbers in numbers.chunks(config.batch) {
            let pictures: Result<Vec<RgbImage>> =
                numbers.iter().map(|n| data.picture(*n)).collect();
            let batch = data.batch(&pictures?, numbers, &chosen.device);
            let Some(bits) = learner.bits(&batch) else {
                return Ok(None);
            };
            sum += bits * numbers.len() as f64;
            coded += numbers.len();
        }
        Ok((coded > 0).then(|| sum / coded as f64))
    };
    let held_out = of(&data.held_out)?;
    Ok(of(&data.known)?.map(|known| Bits { known, held_out }))
}

/// Small copies of pictures, to compare them with.
struct Thumbnails {
    numbers: Vec<usize>,
    values: Vec<Vec<u8>>,
}

/// The longer side of a small copy.
const SMALL: u32 = 16;

fn thumbnail(picture: &RgbImage) -> Vec<u8> {
    let longer = picture.width().max(picture.height()).max(1);
    let side = |side: u32| (side * SMALL / longer).max(1);
    let small = resize(picture, side(picture.width()), side(picture.height()));
    small.into_raw()
}

/// Root mean square difference, in levels of 0..255.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    let squares = a
        .iter()
        .zip(b)
        .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2));
    (squares.sum::<u64>() as f64 / a.len().max(1) as f64).sqrt()
}

impl Thumbnails {
    fn of(data: &Data, numbers: &[usize]) -> Result<Self> {
        let values = numbers.par_iter();
        let values: Result<_> = values
            .map(|number| Ok(thumbnail(&data.picture(*number)?)))
            .collect();
        Ok(Thumbnails {
            numbers: numbers.to_vec(),
            values: values?,
        })
    }

    /// The number of the nearest picture, and its difference.
    fn nearest(&self, picture: &[u8]) -> (usize, f64) {
        let all = self.numbers.iter().zip(&self.values);
        let all = all.map(|(number, values)| (*number, difference(values, picture)));
        all.fold((0, f64::INFINITY), |best, other| match other.1 < best.1 {
            true => other,
            false => best,
        })
    }
}

/// Whether drawn pictures repeat what was learned from; `None` with too few held-out pictures to compare with.
fn repeated(data: &Data, known: &Thumbnails, drawn: &[RgbImage]) -> Result<Option<Repeated>> {
    if data.held_out.len() < 10 || drawn.is_empty() {
        return Ok(None);
    }
    let sorted = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all
    };
    let others = Thumbnails::of(data, &data.held_out)?;
    let nearest = |values: &Vec<u8>| known.nearest(values).1;
    let usual = sorted(others.values.par_iter().map(nearest).collect());
    let found = sorted(drawn.par_iter().map(|p| nearest(&thumbnail(p))).collect());
    let limit = usual[usual.len() / 10];
    let near = found.iter().filter(|distance| **distance < limit).count();
    Ok(Some(Repeated {
        share: near as f64 / found.len() as f64,
        median: [found[found.len() / 2], usual[usual.len() / 2]],
    }))
}

/// What the report shows: examples of each class, on the way between the first two, and what was learned from that is
/// nearest to the first.
pub(super) const FILE: &str = "shown.parquet";

/// What a picture of [`FILE`] is, as its transform says.
pub(super) const DRAWN: &str = "drawn";
pub(super) const WAY: &str = "between";
pub(super) const NEAREST: &str = "nearest";

/// Pictures between two.
const STEPS: usize = 5;

fn show(
    context: &Context,
    data: &Data,
    generator: &dyn Generator,
    known: &Thumbnails,
) -> Result<()> {
    let mut samples = Vec::new();
    for (class, name) in data.trained.classes.iter().enumerate() {
        let first = SHOW + (class * SHOWN) as u64;
        let mut add = |what: &str, picture: &RgbImage| -> Result<()> {
            let index = samples.len() as u64;
            samples.push(made_up(index, name, what, picture)?);
            Ok(())
        };
        let examples = drawn(context, &data.trained, generator, &[class; SHOWN], first);
        for example in &examples {
            add(DRAWN, example)?;
        }
        let count = generator.numbers();
        if count > 0 {
            let [from, to] = [first, first + 1]
                .map(|number| kind::normal(count, &mut context.seed.stream(number)));
            let way = (0..STEPS).map(|step| between(&from, &to, step as f64 / (STEPS - 1) as f64));
            let way: Vec<Vec<f32>> = way.collect();
            let mut streams = vec![context.seed.stream(first); STEPS];
            let caption = data.trained.caption(class, 0);
            let conditions = vec![data.trained.condition(class, caption); STEPS];
            for picture in generator.draw(&conditions, &way, 1.0, &mut streams) {
                add(WAY, &picture)?;
            }
        }
        for example in &examples {
            let (number, _) = known.nearest(&thumbnail(example));
            add(NEAREST, &data.picture(number)?)?;
        }
    }
    parts::write_part(&context.out.join(FILE), &samples)
}
