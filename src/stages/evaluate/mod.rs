//! evaluate: the accuracy on real photos of a recogniser trained on what the pipeline made.
//!
//! The same network is trained, for each seed, on the raw renders (`source_only`), the emitted
//! dataset (`adapted`) and real labelled photos (`target_only`), and tested on real photos. On generated
//! pictures alone (`generated_only`), that is the classification accuracy score of their generator (Ravuri and
//! Vinyals, Classification Accuracy Score for Conditional Generative Models, 2019,
//! <https://arxiv.org/abs/1905.10887>); `with_generated` is trained on renders and generated pictures. This is
//! the only stage that reads labels of real photos, besides `ingest` where the pipeline file asks for it.

mod adapted;
mod box_style;
mod exhibit;
mod findings;
mod frames;
mod labels;
mod misread;
mod names;
mod quintiles;
mod sets;
mod shown;
mod table;
#[cfg(test)]
mod tests;
mod truths;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::artifact::Kind;
use crate::generators::adversary::discriminator_of;
use crate::models::album::Album;
use crate::models::features::Features;
use crate::models::settings::check_rate;
use crate::nn::device::{self, Chosen};
use crate::nn::projection_discriminator::ProjectionDiscriminator;
use crate::nn::workers::Workers;
use crate::registry::Name;
use crate::sample::Extent;
use crate::seed::Stream;
use crate::stage::finding;
use crate::stage::{
    Context, Effort, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, parse,
};
use crate::tasks::{self, Order, Prediction, Recipe, Setting, TaskKind, Truth};
use crate::{Error, Result};

use box_style::BoxStyle;
use misread::Misread;
use sets::{Sets, TARGET_ONLY};
use shown::Shown;
use table::Outcomes;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "evaluate",
    about: "accuracy on real photos of a recogniser trained on renders, on the dataset, on photos",
    version: 9,
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
    /// CSV with the classes of the `target` photos, one row per crop or whole photo; or the dataset that `ingest` read
    /// them from; or the folder that holds the photos in a folder a class.
    pub target_labels: Option<PathBuf>,
    /// CSV with the classes of the `test` photos, one row per crop or whole photo; or the dataset that `ingest` read
    /// them from; or the folder that holds the photos in a folder a class. None: labels that the samples have themselves,
    /// such as renders.
    pub test_labels: Option<PathBuf>,
    /// Of frames with objects: the side in pixels of the squares that are cut from them to learn from, half of them
    /// around objects; a multiple of 32 is best. Without it, whole frames are learned from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<u32>,
    /// How people drew the boxes of the test photos, if not tightly around what is seen. Boxes that are found by
    /// recognisers other than `target_only`, which learns that from its photos, are drawn alike before they are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_boxes: Option<BoxStyle>,
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
            test_labels: None,
            crop: None,
            test_boxes: None,
            class_column: None,
            classes: Vec::new(),
        }
    }
}

impl Stage for Evaluate {
    fn files(&self) -> Vec<PathBuf> {
        let files = [&self.target_labels, &self.test_labels].into_iter();
        files.flatten().cloned().collect()
    }

    fn check(&self) -> Result<(), String> {
        if self.seeds == 0 || self.steps == 0 || self.batch < 2 || self.channels == 0 {
            return Err("`seeds`, `steps` and `channels` must be at least 1, `batch` 2".into());
        }
        check_rate("rate", self.rate)?;
        let (truth, column) = (self.task.entry().truth, self.class_column.as_deref());
        match (truth, self.crop) {
            (Truth::Class, Some(_)) => {
                return Err("`crop` is of use for tasks of objects only; remove it".into());
            }
            (Truth::Objects, Some(side)) if !(32..=4096).contains(&side) => {
                return Err("`crop` must be between 32 and 4096 pixels".into());
            }
            _ => {}
        }
        match (truth, self.test_boxes) {
            (Truth::Class, Some(_)) => {
                return Err("`test_boxes` is of use for tasks of objects only; remove it".into());
            }
            (_, Some(style)) => style.check().map_err(|e| format!("`test_boxes`: {e}"))?,
            _ => {}
        }
        let masks = self.task.entry().masks;
        let check = |path: &PathBuf, column| match truth {
            Truth::Class => labels::check(path, column),
            Truth::Objects => truths::check(path, column, masks),
        };
        let files = [
            ("test_labels", &self.test_labels),
            ("target_labels", &self.target_labels),
        ];
        for (name, path) in files {
            if let Some(path) = path {
                check(path, column).map_err(|e| format!("`{name}`: {e}"))?;
            }
        }
        Ok(())
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
        for path in target.chain(&self.test_labels) {
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
        let truth = self.task.entry().truth;
        if self.test_labels.is_none() {
            let facts = inputs.facts("test");
            let labelled = match truth {
                Truth::Class => facts.classes,
                Truth::Objects => facts.objects,
            };
            if labelled == Some(false) {
                return Err(Misfit::new(
                    "the test photos have no labels to compare predictions with",
                    "set `test_labels` to a CSV with their labels, the dataset that they are of, or their folder",
                ));
            }
        }
        match truth {
            Truth::Class => {
                inputs.need_discriminator()?;
                for role in ["source", "generated"] {
                    inputs.need_classes(role, "to learn from")?;
                }
                inputs.common_extent(&["test", "source", "adapted", "generated", "target"])?;
            }
            Truth::Objects => {
                if inputs.get("init").is_some() {
                    return Err(Misfit::no_init_for_detectors());
                }
                for role in ["source", "adapted", "generated"] {
                    inputs.need_objects(role, "to learn from")?;
                }
            }
        }
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
        let products = |extent| (self.task.entry().products)(extent, self.channels);
        let effort = inputs.facts("test").extent.map(|extent| {
            let learned = self.crop.map_or(extent, Extent::square);
            Effort::products(3.0 * read * products(learned) + tested * products(extent))
        });
        Forecast::new(None, effort)
    }

    fn run(&self, context: &Context) -> Result<Value> {
        let task = self.task.entry();
        let sets = Sets::read(self, context)?;
        let chosen = device::choose(context.device)?;
        let init = context.inputs.get("init");
        let init = init.map(|generator| discriminator_of(generator, &chosen));
        let init = init.transpose()?;
        let setting = Setting {
            classes: sets.classes.len(),
            extent: sets.extent(context, task.truth)?,
            crop: self.crop,
            channels: self.channels,
            device: &chosen,
            init: init.as_ref().map(|(_, trunk)| trunk),
        };
        let outcomes = self.train_all(context, &sets, &setting)?;
        let quintiles = quintiles::quintiles(&sets.test)?;
        let mut table = table::table(task, &sets, &outcomes, &quintiles);
        match task.truth {
            Truth::Class => Misread::choose(&sets, &outcomes).write(context.out)?,
            Truth::Objects => Shown::choose(task, &sets, &outcomes)?.write(context.out)?,
        }
        let real_labels = sets.real_labels;
        if real_labels > 0 {
            table["adapted"]["real_labels"] = real_labels.into();
        }
        if let Some((_, trunk)) = &init {
            table["linear"] = json!(linear(context, &sets, trunk, &chosen)?);
        }
        let mut summary = Map::from_iter([(task.name.to_owned(), table)]).into();
        let findings = findings::findings(&summary);
        finding::record(&mut summary, &findings);
        Ok(summary)
    }
}

/// More pictures are not learned from by linear machines.
const LINEAR: usize = 5000;

/// The share of test photos that linear machines read right by what this discriminator sees, by what they learned from.
fn linear(
    context: &Context,
    sets: &Sets,
    trunk: &ProjectionDiscriminator,
    device: &Chosen,
) -> Result<BTreeMap<&'static str, f64>> {
    let seen = |album: &Album, most| {
        Features::of(album, most, trunk, device, || context.check_interrupt())
    };
    let test = seen(&sets.test, usize::MAX)?;
    let learned = sets.learned.iter();
    learned
        .map(|(name, album)| {
            let known = seen(album, LINEAR)?;
            Ok((*name, known.accuracy(&test, sets.classes.len())))
        })
        .collect()
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
        Sets { learned, test, .. }: &Sets,
        setting: &Setting,
    ) -> Result<Outcomes> {
        let sets = learned;
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
            let stream = context.seed.stream(seed);
            let mut found = self.train_one(setting, stream, (&sets[set].1, test), tick)?;
            if sets[set].0 != TARGET_ONLY {
                self.draw_boxes(&mut found, test)?;
            }
            Ok(found)
        });
        let mut by_set: Outcomes = sets.iter().map(|_| Vec::new()).collect();
        for ((set, _), outcome) in trainings.into_iter().zip(outcomes) {
            by_set[set].push(outcome?);
        }
        Ok(by_set)
    }

    /// Draws found boxes in the style of the test photos.
    fn draw_boxes(&self, found: &mut [Prediction], test: &Album) -> Result<()> {
        let Some(style) = self.test_boxes else {
            return Ok(());
        };
        for (number, prediction) in found.iter_mut().enumerate() {
            let picture: Extent = test.get(number)?.picture.dimensions().into();
            for one in &mut prediction.detections {
                one.bbox_xywh = style.draw(one.bbox_xywh, picture);
            }
        }
        Ok(())
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
