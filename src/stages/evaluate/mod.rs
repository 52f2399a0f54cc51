//! evaluate: the accuracy on real photos of a recogniser trained on what the pipeline made.
//!
//! The same network is trained, for each seed, on the raw renders (`source_only`), the emitted
//! dataset (`adapted`) and real labelled photos (`target_only`), and tested on real photos. This is
//! the only stage that reads labels of real photos.

mod exhibit;
mod labels;
mod quintiles;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::artifact::{Artifact, DATASET_TABLE, Kind, table};
use crate::models::album::{Album, common_extent};
use crate::models::recogniser::{self, Order, Recipe};
use crate::nn::device::{self, Chosen};
use crate::nn::workers::Workers;
use crate::sample::Extent;
use crate::stage::{Context, Event, Input, Stage, StageKind, parse};
use crate::{Error, Result};

use labels::Labels;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "evaluate",
    about: "accuracy on real photos of a recogniser trained on renders, on the dataset, on photos",
    version: 3,
    inputs: &[
        Input::one_of("adapted", Kind::Dataset, "the emitted dataset"),
        Input::one_of(
            "source",
            Kind::Samples,
            "renders, augmented alike, or any labelled samples",
        ),
        Input::optional(
            "target",
            Kind::Samples,
            "real train photos, augmented alike",
        ),
        Input::required("test", Kind::Samples, "real test photos"),
    ],
    output: Kind::Metrics,
    parse: parse::<Evaluate>,
    schema: || schemars::schema_for!(Evaluate),
    exhibit: exhibit::exhibit,
};

/// Configuration of `evaluate`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluate {
    /// Trainings of each kind, each from other weights and in another order.
    pub seeds: u64,
    /// Optimiser steps of each training, whatever the size of its set.
    pub steps: u64,
    /// Pictures a step.
    pub batch: usize,
    /// Learning rate of Adam at the start; it falls to zero along a cosine.
    pub rate: f64,
    /// Channels of the recogniser's first stage.
    pub channels: usize,
    /// CSV with the classes of the `target` photos, a row a crop; or the folder that holds the
    /// photos in a folder a class.
    pub target_labels: Option<PathBuf>,
    /// CSV with the classes of the `test` photos, a row a crop; or the folder that holds the photos
    /// in a folder a class.
    pub test_labels: PathBuf,
    /// The CSV's column with the class; a number is the place in the sorted list of classes.
    pub class_column: Option<String>,
}

impl Default for Evaluate {
    fn default() -> Self {
        Evaluate {
            seeds: 3,
            steps: 1200,
            batch: 24,
            rate: 8e-3,
            channels: 16,
            target_labels: None,
            test_labels: PathBuf::new(),
            class_column: None,
        }
    }
}

impl Stage for Evaluate {
    fn files(&self) -> Vec<PathBuf> {
        let target = self.target_labels.iter().cloned();
        target.chain([self.test_labels.clone()]).collect()
    }

    fn check(&self) -> Result<(), String> {
        if self.test_labels.as_os_str().is_empty() {
            return Err(
                "`test_labels` must name the CSV with the classes of the test photos, or their folder"
                    .into(),
            );
        }
        if self.seeds == 0 || self.steps == 0 || self.batch < 2 || self.channels == 0 {
            return Err("`seeds`, `steps` and `channels` must be at least 1, `batch` 2".into());
        }
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return Err("`rate` must be above 0".into());
        }
        Ok(())
    }

    fn run(&self, context: &Context) -> Result<Value> {
        let (source, adapted) = (context.inputs.get("source"), context.inputs.get("adapted"));
        let classes = match adapted {
            Some(adapted) => dataset_classes(adapted)?,
            None => {
                let source = &context.input("source")?.manifest;
                source.classes.keys().cloned().collect()
            }
        };
        let read = |path| Labels::read(path, self.class_column.as_deref(), &classes);
        let test = photos(context, "test", &read(&self.test_labels)?)?;

        let mut sets = Vec::new();
        if let Some(source) = source {
            let set = Album::of_classes(context.out, source, &classes)?;
            sets.push(("source_only", set));
        }
        if let Some(adapted) = adapted {
            sets.push(("adapted", dataset(context, adapted, &classes)?));
        }
        match (context.inputs.get("target"), &self.target_labels) {
            (Some(_), Some(path)) => {
                sets.push(("target_only", photos(context, "target", &read(path)?)?));
            }
            (Some(_), None) => context.emit(Event::Warning {
                text: "`target` is left out: its classes are not known; set `target_labels`".into(),
            }),
            (None, Some(_)) => context.emit(Event::Warning {
                text: "`target_labels` is not read: there is no input `target`".into(),
            }),
            (None, None) => {}
        }
        let extent = check_sets(context, &sets, &test)?;
        let outcomes = self.train_all(context, &sets, &test, (classes.len(), extent))?;
        let quintiles = quintiles::quintiles(&test)?;
        Ok(json!({ "classification": table(&sets, &outcomes, test.len(), &quintiles, &classes) }))
    }
}

impl Evaluate {
    /// Trains every set with every seed; outcomes by set, then by seed.
    fn train_all(
        &self,
        context: &Context,
        sets: &[(&'static str, Album)],
        test: &Album,
        shape: (usize, Extent),
    ) -> Result<Vec<Vec<Outcome>>> {
        let chosen = device::choose(context.device)?;
        let workers = Workers::for_device(&chosen)?;
        let total = sets.len() as u64 * self.seeds * self.steps;
        let done = std::sync::atomic::AtomicU64::new(0);
        let trainings: Vec<(usize, u64)> = (0..self.seeds)
            .flat_map(|seed| (0..sets.len()).map(move |set| (set, seed)))
            .collect();
        let outcomes = workers.run(trainings.clone(), |(set, seed)| {
            let tick = |loss: f32| {
                let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                context.progress(done, total, format!("{} {loss:.3}", sets[set].0))
            };
            // The same seeds for every set, so that they start from the same weights.
            self.train_one(context, &chosen, (&sets[set].1, test), shape, seed, tick)
        });
        let mut by_set: Vec<Vec<Outcome>> = sets.iter().map(|_| Vec::new()).collect();
        for ((set, _), outcome) in trainings.into_iter().zip(outcomes) {
            by_set[set].push(outcome?);
        }
        Ok(by_set)
    }

    /// Trains one recogniser from fresh weights and tests it; `tick` hears of every step's loss.
    fn train_one(
        &self,
        context: &Context,
        chosen: &Chosen,
        (set, test): (&Album, &Album),
        (classes, extent): (usize, Extent),
        seed: u64,
        tick: impl Fn(f32) -> Result<()>,
    ) -> Result<Outcome> {
        let mut stream = context.seed.stream(seed);
        let mut training = recogniser::fresh(classes, extent, self.channels, &mut stream, chosen);
        let recipe = Recipe {
            steps: self.steps,
            rate: self.rate,
        };
        let mut order = Order::new(set.len());
        let draw = || {
            let drawn = order.next(self.batch, &mut stream).into_iter();
            drawn.map(|i| Ok((set.get(i)?, set.class(i)))).collect()
        };
        recogniser::train(&mut training, recipe, chosen, draw, tick)?;
        let all: Vec<usize> = (0..test.len()).collect();
        let read = recogniser::probabilities(&training.network, test, &all, chosen)?;
        Ok(Outcome {
            truths: test.classes(),
            predictions: read.iter().map(|row| recogniser::best(row)).collect(),
        })
    }
}

/// What a trained recogniser made of the test photos.
struct Outcome {
    truths: Vec<usize>,
    predictions: Vec<usize>,
}

impl Outcome {
    /// Share of right predictions, 0..1.
    fn accuracy(&self) -> f64 {
        let pairs = self.truths.iter().zip(&self.predictions);
        pairs.filter(|(a, b)| a == b).count() as f64 / self.truths.len() as f64
    }
}

/// The table of `run.json`: for each set mean, deviation and seeds, and the share of the gap closed.
fn table(
    sets: &[(&'static str, Album)],
    outcomes: &[Vec<Outcome>],
    n_test: usize,
    quintiles: &BTreeMap<&'static str, Vec<usize>>,
    classes: &[String],
) -> Value {
    let mut table = serde_json::Map::new();
    let mut means = BTreeMap::new();
    table.insert("classes".into(), json!(classes));
    for ((name, set), outcomes) in sets.iter().zip(outcomes) {
        let accuracies: Vec<f64> = outcomes.iter().map(Outcome::accuracy).collect();
        let (mean, std) = mean_and_deviation(&accuracies);
        let confusion = sum_confusions(outcomes, classes.len());
        let per_class: BTreeMap<&String, f64> = classes
            .iter()
            .zip(&confusion)
            .enumerate()
            .map(|(i, (class, row))| {
                let all: u64 = row.iter().sum();
                (class, row[i] as f64 / all.max(1) as f64)
            })
            .collect();
        let quintiles: BTreeMap<&str, _> = quintiles
            .iter()
            .map(|(measure, quintile)| (*measure, quintiles::accuracies(quintile, outcomes)))
            .collect();
        means.insert(*name, mean);
        let row = json!({
            "mean": mean, "std": std, "seeds": accuracies,
            "n_train": set.len(), "n_test": n_test,
            "per_class": per_class, "confusion": confusion, "quintiles": quintiles,
        });
        table.insert((*name).into(), row);
    }
    if let (Some(source), Some(adapted), Some(target)) = (
        means.get("source_only"),
        means.get("adapted"),
        means.get("target_only"),
    ) {
        // Without a gap there is nothing to close.
        if target > source {
            table.insert(
                "gap_closed".into(),
                json!((adapted - source) / (target - source)),
            );
        }
    }
    Value::Object(table)
}

/// Mean and sample standard deviation (0 for one value).
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

fn sum_confusions(outcomes: &[Outcome], classes: usize) -> Vec<Vec<u64>> {
    let mut sum = vec![vec![0; classes]; classes];
    for outcome in outcomes {
        for (&truth, &predicted) in outcome.truths.iter().zip(&outcome.predictions) {
            sum[truth][predicted] += 1;
        }
    }
    sum
}

/// What all pictures measure; no set may be empty.
fn check_sets(context: &Context, sets: &[(&'static str, Album)], test: &Album) -> Result<Extent> {
    let sets = sets.iter().map(|(name, set)| (*name, set));
    let all: Vec<(&str, &Album)> = std::iter::once(("test", test)).chain(sets).collect();
    if let Some((name, _)) = all.iter().find(|(_, set)| set.is_empty()) {
        return Err(Error::failed(
            context.id,
            format!("the set `{name}` has no labelled pictures"),
            "check that the labels belong to the photos",
        ));
    }
    common_extent(context.id, &all)
}

/// Photos, or what was augmented from them, with their classes.
fn photos(context: &Context, role: &str, labels: &Labels) -> Result<Album> {
    let mut album = Album::new(context.out)?;
    for sample in context.input(role)?.samples() {
        let sample = sample?;
        let class = labels.class_of(&sample.provenance.source)?;
        album.push(&sample.id, &sample.image, class)?;
    }
    Ok(album)
}

/// The columns of a dataset's table that a recogniser needs.
#[derive(Deserialize)]
struct Image {
    file: String,
    split: String,
    class: String,
}

fn images(dataset: &Artifact) -> Result<Vec<Image>> {
    table::read(&dataset.folder.join(DATASET_TABLE))
}

/// The classes of a dataset, sorted.
fn dataset_classes(artifact: &Artifact) -> Result<Vec<String>> {
    let images = images(artifact)?.into_iter();
    let mut classes: Vec<String> = images.map(|image| image.class).collect();
    classes.sort();
    classes.dedup();
    Ok(classes)
}

/// The training split of an emitted dataset.
fn dataset(context: &Context, artifact: &Artifact, classes: &[String]) -> Result<Album> {
    let mut album = Album::new(context.out)?;
    for image in images(artifact)? {
        if image.split == "train"
            && let Some(class) = classes.iter().position(|c| *c == image.class)
        {
            let path = artifact.folder.join(&image.file);
            let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
            album.push(&image.file, &bytes, class)?;
        }
    }
    Ok(album)
}
