//! evaluate: the accuracy on real photos of a recogniser trained on what the pipeline made.
//!
//! The same network is trained, for each seed, on the raw renders (`source_only`), the emitted
//! dataset (`adapted`) and real labelled photos (`target_only`), and tested on real photos. On generated
//! pictures alone (`generated_only`), that is the classification accuracy score of their generator (Ravuri and
//! Vinyals, Classification Accuracy Score for Conditional Generative Models, 2019,
//! <https://arxiv.org/abs/1905.10887>); `with_generated` is trained on renders and generated pictures. This is
//! the only stage that reads labels of real photos, besides `ingest` where the pipeline file asks for it.

mod adapted;
mod exhibit;
mod findings;
mod labels;
mod quintiles;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::artifact::Kind;
use crate::generators::adversary::first_critic;
use crate::models::album::{Album, common_extent};
use crate::models::settings::check_rate;
use crate::nn::convolution::recogniser_products;
use crate::nn::device;
use crate::nn::workers::Workers;
use crate::registry::Name;
use crate::sample::Extent;
use crate::seed::Stream;
use crate::stage::finding;
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, parse,
};
use crate::tasks::{self, Order, Prediction, Recipe, Setting, TaskKind};
use crate::{Error, Result};

use labels::Labels;
use quintiles::Quintiles;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "evaluate",
    about: "accuracy on real photos of a recogniser trained on renders, on the dataset, on photos",
    version: 5,
    inputs: &[
        Input::one_of("adapted", Kind::Dataset, "the emitted dataset"),
        Input::one_of(
            "source",
            Kind::Samples,
            "renders, augmented alike, or any labelled samples",
        ),
        Input::one_of(
            "generated",
            Kind::Samples,
            "generated pictures, augmented alike",
        ),
        Input::optional(
            "target",
            Kind::Samples,
            "real train photos, augmented alike",
        ),
        Input::required("test", Kind::Samples, "real test photos"),
        Input::optional(
            "init",
            Kind::Generator,
            "whose discriminator all recognisers begin with",
        ),
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
    /// What the recognisers predict; see `verismo list tasks`.
    pub task: Name<TaskKind>,
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
    /// CSV with the classes of the `target` photos, a row a crop or whole photo; or the dataset that `ingest` read
    /// them from; or the folder that holds the photos in a folder a class.
    pub target_labels: Option<PathBuf>,
    /// CSV with the classes of the `test` photos, a row a crop or whole photo; or the dataset that `ingest` read
    /// them from; or the folder that holds the photos in a folder a class.
    pub test_labels: PathBuf,
    /// The CSV's column with the class; a number is the place in the list of classes.
    pub class_column: Option<String>,
    /// All classes, in the order by which the CSVs number them. None: those that `render` lists, else those of the
    /// dataset, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

impl Default for Evaluate {
    fn default() -> Self {
        Evaluate {
            task: Name::all()[0],
            seeds: 3,
            steps: 1200,
            batch: 24,
            rate: 8e-3,
            channels: 16,
            target_labels: None,
            test_labels: PathBuf::new(),
            class_column: None,
            classes: Vec::new(),
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
        check_rate("rate", self.rate)?;
        let column = self.class_column.as_deref();
        labels::check(&self.test_labels, column).map_err(|e| format!("`test_labels`: {e}"))?;
        match &self.target_labels {
            Some(path) => labels::check(path, column).map_err(|e| format!("`target_labels`: {e}")),
            None => Ok(()),
        }
    }

    fn take_classes(&mut self, classes: &[String]) {
        if self.classes.is_empty() {
            self.classes = classes.to_vec();
        }
    }

    fn check_files(&self, inputs: &Givens) -> Result<(), Misfit> {
        let classes = self.foreseen_classes(inputs);
        if classes.is_empty() {
            return Ok(());
        }
        let column = self.class_column.as_deref();
        let target = self.target_labels.iter();
        let target = target.filter(|_| inputs.get("target").is_some());
        for path in target.chain([&self.test_labels]) {
            labels::check_classes(path, column, &classes).map_err(|error| match error {
                // The subject is the line.
                Error::Failed {
                    subject,
                    problem,
                    remedy,
                } => Misfit::new(format!("{subject}: {problem}"), remedy).of_file(path),
                error => Misfit::of_error(error, "the labels", path),
            })?;
        }
        Ok(())
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        inputs.need_classes("source", "to learn from")?;
        inputs.common_extent(&["test", "source", "adapted", "generated", "target"])?;
        Ok(Facts {
            class_names: self.foreseen_classes(inputs),
            ..Facts::default()
        })
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let has = |role: &&str| inputs.get(role).is_some();
        let sets = ["source", "adapted", "target", "generated"]
            .iter()
            .filter(|role| has(role));
        let both = has(&"source") && has(&"generated");
        let sets = sets.count() as u64 + u64::from(both);
        let read = (sets * self.seeds * self.steps * self.batch as u64) as f64;
        let tested = inputs.count("test").unwrap_or(0) as f64 * (sets * self.seeds) as f64;
        let effort = inputs.facts("test").extent.map(|extent| {
            let products = recogniser_products(extent, self.channels);
            Effort::products((3.0 * read + tested) * products)
        });
        Forecast::new(None, effort)
    }

    fn run(&self, context: &Context) -> Result<Value> {
        let [source, adapted, generated] =
            ["source", "adapted", "generated"].map(|role| context.inputs.get(role));
        let classes = match adapted {
            _ if !self.classes.is_empty() => self.classes.clone(),
            Some(adapted) => adapted::classes(adapted)?,
            None => {
                let labelled = source
                    .or(generated)
                    .map(|artifact| &artifact.manifest.classes);
                labelled
                    .into_iter()
                    .flatten()
                    .map(|(class, _)| class.clone())
                    .collect()
            }
        };
        let read = |path| Labels::read(path, self.class_column.as_deref(), &classes);
        let test = photos(context, "test", &read(&self.test_labels)?)?;

        let (mut sets, mut real_labels) = (Vec::new(), 0);
        if let Some(source) = source {
            let set = Album::of_classes(context.out, source, &classes)?;
            sets.push(("source_only", set));
        }
        if let Some(generated) = generated {
            let set = Album::of_classes(context.out, generated, &classes)?;
            sets.push(("generated_only", set));
            if let Some(source) = source {
                let mut set = Album::of_classes(context.out, source, &classes)?;
                set.add_of_classes(generated, &classes)?;
                sets.push(("with_generated", set));
            }
        }
        if let Some(adapted) = adapted {
            let (set, labelled) = adapted::album(context, adapted, &classes)?;
            sets.push(("adapted", set));
            real_labels = labelled;
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
        let chosen = device::choose(context.device)?;
        let init = match context.inputs.get("init") {
            Some(artifact) => Some(first_critic(artifact, &chosen)?),
            None => None,
        };
        let setting = Setting {
            classes: classes.len(),
            extent,
            channels: self.channels,
            device: &chosen,
            init: init.as_ref(),
        };
        let outcomes = self.train_all(context, &sets, &test, &setting)?;
        let quintiles = quintiles::quintiles(&test)?;
        let task = self.task.entry();
        let mut table = table(task, &sets, &outcomes, &test, &quintiles, &classes);
        if real_labels > 0 {
            table["adapted"]["real_labels"] = real_labels.into();
        }
        let mut summary = Map::from_iter([(task.name.to_owned(), table)]).into();
        let findings = findings::findings(&summary);
        finding::record(&mut summary, &findings);
        Ok(summary)
    }
}

impl Evaluate {
    /// The classes that the recognisers will tell apart, or more; empty if they are not known.
    fn foreseen_classes(&self, inputs: &Givens) -> Vec<String> {
        match inputs.get("adapted") {
            _ if !self.classes.is_empty() => self.classes.clone(),
            Some(adapted) => adapted.facts.class_names.clone(),
            None => ["source", "generated"]
                .map(|role| inputs.facts(role).class_names)
                .into_iter()
                .find(|names| !names.is_empty())
                .unwrap_or_default(),
        }
    }

    /// Trains on every set with every seed; predictions for the test photos by set, then by seed.
    fn train_all(
        &self,
        context: &Context,
        sets: &[(&'static str, Album)],
        test: &Album,
        setting: &Setting,
    ) -> Result<Vec<Vec<Vec<Prediction>>>> {
        let workers = Workers::for_device(setting.device)?;
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
            self.train_one(
                setting,
                context.seed.stream(seed),
                (&sets[set].1, test),
                tick,
            )
        });
        let mut by_set: Vec<Vec<Vec<Prediction>>> = sets.iter().map(|_| Vec::new()).collect();
        for ((set, _), outcome) in trainings.into_iter().zip(outcomes) {
            by_set[set].push(outcome?);
        }
        Ok(by_set)
    }

    /// Trains one recogniser from fresh weights, and predicts the test photos; `tick` hears of every step's
    /// loss.
    fn train_one(
        &self,
        setting: &Setting,
        mut stream: Stream,
        (set, test): (&Album, &Album),
        tick: impl Fn(f32) -> Result<()>,
    ) -> Result<Vec<Prediction>> {
        let mut recogniser = (self.task.entry().create)(setting, &mut stream);
        let recipe = Recipe {
            steps: self.steps,
            rate: self.rate,
        };
        let mut order = Order::new(set.len());
        let draw = || set.examples(order.next(self.batch, &mut stream));
        tasks::train(recogniser.as_mut(), recipe, draw, tick)?;
        let all: Vec<usize> = (0..test.len()).collect();
        recogniser.predict(test, &all)
    }
}

/// The table of `run.json`: for each set mean, deviation and seeds, and the share of the gap closed.
fn table(
    task: &TaskKind,
    sets: &[(&'static str, Album)],
    outcomes: &[Vec<Vec<Prediction>>],
    test: &Album,
    quintiles: &Quintiles,
    classes: &[String],
) -> Value {
    let mut table = Map::new();
    let mut means = BTreeMap::new();
    let all: Vec<usize> = (0..test.len()).collect();
    table.insert("classes".into(), json!(classes));
    for ((name, set), outcomes) in sets.iter().zip(outcomes) {
        let score = |numbers: &[usize]| -> Option<Vec<f64>> {
            let outcomes = outcomes.iter();
            outcomes
                .map(|outcome| (task.score)(test, outcome, numbers))
                .collect()
        };
        let seeds = score(&all).unwrap_or_default();
        let (mean, std) = mean_and_deviation(&seeds);
        let mean_score = |numbers: &Vec<usize>| Some(mean_and_deviation(&score(numbers)?).0);
        let quintiles: BTreeMap<&str, Vec<Option<f64>>> = quintiles
            .iter()
            .map(|(measure, photos)| (*measure, photos.iter().map(mean_score).collect()))
            .collect();
        means.insert(*name, mean);
        let mut row = (task.details)(test, outcomes, classes);
        row.extend([
            ("mean".into(), mean.into()),
            ("std".into(), std.into()),
            ("seeds".into(), seeds.into()),
            ("n_train".into(), set.len().into()),
            ("n_test".into(), test.len().into()),
            ("quintiles".into(), json!(quintiles)),
        ]);
        table.insert((*name).into(), row.into());
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
    table.into()
}

/// Mean and sample standard deviation (0 for one value).
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
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
