//! The pictures that a generator learns from, and the batches that it is given.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;
use image::RgbImage;
use image::imageops::flip_horizontal;
use rand::RngExt;

use super::config::LearnConfig;
use crate::appearance::describe::Looks;
use crate::generators::{Batch, Reads, Trained, matrix, names_class, words};
use crate::models::album::{Album, class_of, common_extent};
use crate::nn::batch::to_tensor;
use crate::nn::ruler::{Groups, Pictures};
use crate::sample::Sample;
use crate::seed::{Stream, number};
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Fewer pictures of a class than this are learned by heart.
const FEWEST: usize = 10;

/// Pictures with their classes.
pub(super) struct Data {
    album: Album,
    groups: Vec<u64>,
    /// Whether all captions were made of what can be measured.
    pub described: bool,
    /// The condition of each picture.
    conditions: Vec<Vec<f32>>,
    /// What the generator will be: its classes and words.
    pub trained: Trained,
    /// Numbers of the pictures that batches are drawn from.
    pub known: Vec<usize>,
    /// Numbers of the others: what became of other renders, or other photos.
    pub held_out: Vec<usize>,
}

impl Data {
    /// Reads the pictures that have a class.
    ///
    /// # Errors
    /// If there are too few of a class, all are of one colour, or they are not of one size.
    pub(super) fn read(config: &LearnConfig, context: &Context) -> Result<Data> {
        let samples = context.input("samples")?;
        let classes: Vec<String> = samples.manifest.classes.keys().cloned().collect();
        let mut album = Album::new(context.out)?;
        let mut groups = Groups::default();
        let (mut known, mut held_out, mut without) = (Vec::new(), Vec::new(), 0);
        let kind = config.model.entry();
        let mut captions = Vec::new();
        let mut described = true;
        for sample in samples.samples() {
            let sample = sample?;
            let Some(class) = class_of(&sample, &classes) else {
                without += 1;
                continue;
            };
            match is_held_out(&sample.provenance.origin, config.held_out) {
                true => held_out.push(album.len()),
                false => known.push(album.len()),
            }
            if kind.reads == Reads::Caption {
                described &= sample.labels.caption.is_none();
                captions.push(caption_of(&sample, &classes[class])?);
            }
            groups.add(&sample);
            album.push(&sample.id, &sample.image, class)?;
        }
        if without > 0 {
            let text = format!("{without} pictures without a class are not learned from");
            context.emit(Event::Warning { text });
        }
        if album.is_empty() {
            return Err(Error::failed(
                context.id,
                "has no pictures with a class to learn from",
                "give the role `samples` renders, or photos from `pseudo_label`",
            ));
        }
        // What is held out, nothing is learned of.
        let said = (known.iter())
            .filter_map(|number| Some((album.class(*number), captions.get(*number)?.as_str())));
        let trained = Trained {
            model: kind.name.to_owned(),
            extent: common_extent(context.id, &[("samples", &album)])?,
            words: vocabulary(context, said.clone().map(|(_, caption)| caption), &classes)?,
            captions: by_class(said, &classes),
            classes,
        };
        let caption = |number: usize| captions.get(number).map_or("", String::as_str);
        let condition = |number| trained.condition(album.class(number), caption(number));
        let data = Data {
            described,
            conditions: (0..album.len()).map(condition).collect(),
            groups: groups.finish(),
            album,
            trained,
            known,
            held_out,
        };
        data.check(context)?;
        Ok(data)
    }

    fn check(&self, context: &Context) -> Result<()> {
        let few = self.trained.classes.iter().zip(self.counts());
        let few: Vec<String> = few
            .filter(|(_, count)| *count < FEWEST)
            .map(|(class, count)| format!("`{class}` ({count})"))
            .collect();
        if !few.is_empty() {
            return Err(Error::failed(
                context.id,
                format!(
                    "has fewer than {FEWEST} pictures to learn from of {}: a generator would learn them by heart",
                    few.join(", ")
                ),
                "give more pictures of these classes, or take them out with `select`",
            ));
        }
        let first = self.picture(self.known[0])?;
        let colour = first.get_pixel(0, 0);
        for &number in &self.known {
            let picture = self.picture(number)?;
            if picture.pixels().any(|pixel| pixel != colour) {
                return Ok(());
            }
        }
        Err(Error::failed(
            context.id,
            "has pictures of one single colour: there is nothing to learn",
            "look at them with `verismo inspect`, and check where they come from",
        ))
    }

    /// How many pictures of each class there are to learn from.
    pub(super) fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.trained.classes.len()];
        for &number in &self.known {
            counts[self.album.class(number)] += 1;
        }
        counts
    }

    /// One picture.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn picture(&self, number: usize) -> Result<RgbImage> {
        Ok(self.album.get(number)?.picture.clone())
    }

    /// The class of one picture.
    pub(super) fn class(&self, number: usize) -> usize {
        self.album.class(number)
    }

    /// At most so many of these pictures, with their groups.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(super) fn pictures(&self, numbers: &[usize], most: usize) -> Result<Pictures> {
        let (all, count) = (numbers.len(), numbers.len().min(most));
        Pictures::gather(count, |place| {
            let number = numbers[place * all / count];
            Ok((self.picture(number)?, self.groups[number]))
        })
    }

    /// Pictures to learn from, every class as often as the others.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(super) fn draw(
        &self,
        config: &LearnConfig,
        by_class: &BTreeMap<usize, Vec<usize>>,
        stream: &mut Stream,
        device: &Device,
    ) -> Result<Batch> {
        let (mut pictures, mut chosen) = (Vec::new(), Vec::new());
        for _ in 0..config.batch {
            let class = stream.random_range(0..self.trained.classes.len());
            let numbers = &by_class[&class];
            let number = numbers[stream.random_range(0..numbers.len())];
            let picture = self.picture(number)?;
            pictures.push(match config.flip && stream.random_bool(0.5) {
                true => flip_horizontal(&picture),
                false => picture,
            });
            chosen.push(number);
        }
        Ok(self.batch(&pictures, &chosen, device))
    }

    /// The numbers of the pictures of each class to learn from.
    pub(super) fn by_class(&self) -> BTreeMap<usize, Vec<usize>> {
        let mut by_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &number in &self.known {
            by_class.entry(self.class(number)).or_default().push(number);
        }
        by_class
    }

    /// Pictures, with the conditions of those of these numbers, as a generator reads them.
    pub(super) fn batch(&self, pictures: &[RgbImage], numbers: &[usize], device: &Device) -> Batch {
        let rows: Vec<Vec<f32>> = (numbers.iter())
            .map(|number| self.conditions[*number].clone())
            .collect();
        Batch {
            pictures: to_tensor(pictures.iter(), device),
            conditions: matrix(&rows, device),
        }
    }
}

/// The caption of a sample, with the name of its class, or if it has none, what can be measured of it.
fn caption_of(sample: &Sample, class: &str) -> Result<String> {
    match &sample.labels.caption {
        Some(caption) if names_class(caption, class) => Ok(caption.clone()),
        Some(caption) => Ok(format!("{class}, {caption}")),
        None => Ok(Looks::of(&sample.pixels()?).caption(class)),
    }
}

/// All words of captions that more than one has, sorted.
///
/// # Errors
/// If there are other words in them than names of classes, but none of those is in two captions.
fn vocabulary<'a>(
    context: &Context,
    captions: impl Iterator<Item = &'a str>,
    classes: &[String],
) -> Result<Vec<String>> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for caption in captions {
        let known: BTreeSet<String> = words(caption).collect();
        for word in known {
            *counts.entry(word).or_default() += 1;
        }
    }
    let names: BTreeSet<String> = classes.iter().flat_map(|class| words(class)).collect();
    let tells_more =
        |counts: &BTreeMap<String, usize>| counts.keys().any(|word| !names.contains(word));
    let told_more = tells_more(&counts);
    counts.retain(|_, count| *count > 1);
    if told_more && !tells_more(&counts) {
        return Err(Error::failed(
            context.id,
            "has captions without a word in common: nothing can be learned from words that occur once",
            "give captions that repeat a few words, or leave them out and have pictures described",
        ));
    }
    Ok(counts.into_keys().collect())
}

/// The captions of each class, sorted, without repetitions.
fn by_class<'a>(
    captions: impl Iterator<Item = (usize, &'a str)>,
    classes: &[String],
) -> BTreeMap<String, Vec<String>> {
    let mut sets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (class, caption) in captions {
        let captions = sets.entry(classes[class].clone()).or_default();
        captions.insert(caption.to_owned());
    }
    let list =
        |(class, captions): (String, BTreeSet<String>)| (class, captions.into_iter().collect());
    sets.into_iter().map(list).collect()
}

/// Whether what began as `origin` is held out.
fn is_held_out(origin: &str, share: f64) -> bool {
    (number(origin) as f64) < share * u64::MAX as f64
}
