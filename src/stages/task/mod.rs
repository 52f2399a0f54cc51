//! task: trains the network that later judges whether a translated render still shows its label.

mod training;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifact::{Artifact, Kind};
use crate::generators::adversary::discriminator_of;
use crate::models::album::{Album, class_of, common_extent};
use crate::models::settings::{check_rate, check_weights};
use crate::models::task_network::TaskNetwork;
use crate::nn::convolution::recogniser_products;
use crate::nn::device;
use crate::sample::Extent;
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, parse,
};
use crate::{Error, Result};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "task",
    about: "learns class and mask from labelled renders, to judge translations by",
    version: 4,
    inputs: &[
        Input::required("samples", Kind::Samples, "labelled renders, augmented best"),
        Input::optional(
            "init",
            Kind::Generator,
            "whose discriminator it begins with",
        ),
    ],
    output: Kind::Task,
    parse: parse::<Task>,
    schema: || schemars::schema_for!(Task),
    exhibit: crate::stage::exhibit::nothing,
};

/// Configuration of `task`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Task {
    /// Optimiser steps.
    pub steps: u64,
    /// Pictures a step.
    pub batch: usize,
    /// Learning rate of Adam at the start; falls to zero as a cosine.
    pub rate: f64,
    /// Channels of the first layer, a multiple of 4.
    pub channels: usize,
    /// Weight of the mask's loss beside the class's.
    pub mask: f64,
}

impl Default for Task {
    fn default() -> Self {
        Task {
            steps: 1000,
            batch: 32,
            rate: 4e-3,
            channels: 16,
            mask: 1.0,
        }
    }
}

/// One origin of so many is held out, to see how well the network learned.
const HELD_OUT: u8 = 10;

impl Stage for Task {
    fn check(&self) -> Result<(), String> {
        if self.steps == 0 || self.batch == 0 {
            return Err("`steps` and `batch` must be at least 1".into());
        }
        check_rate("rate", self.rate)?;
        check_weights([("mask", self.mask)])?;
        if self.channels == 0 || !self.channels.is_multiple_of(4) {
            return Err("`channels` must be a multiple of 4".into());
        }
        Ok(())
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        inputs.need_classes("samples", "to learn from")?;
        inputs.need_discriminator()?;
        let extent = inputs.facts("samples").extent;
        if let Some(problem) = extent.and_then(indivisible) {
            return Err(Misfit::new(problem, CELLS_REMEDY));
        }
        Ok(Facts {
            extent,
            ..Facts::default()
        })
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let read = (self.steps * self.batch as u64) as f64;
        let extent = inputs.facts("samples").extent;
        // Forwards, and twice as much for the gradients.
        let products = extent.map(|extent| 3.0 * read * recogniser_products(extent, self.channels));
        Forecast::new(None, products.map(Effort::products))
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let samples = context.input("samples")?;
        let classes: Vec<String> = samples.manifest.classes.keys().cloned().collect();
        let (train, test) = examples(context, samples, &classes)?;
        let extent = check(context, &train, &test)?;
        if classes.len() < 2 {
            context.emit(Event::Warning {
                text: "there is one class alone: the task network can judge masks, but no class"
                    .into(),
            });
        }
        let chosen = device::choose(context.device)?;
        let device = chosen.device.clone().autodiff();
        let mut stream = context.seed.stream(1 << 40);
        let mut network = TaskNetwork::new(classes, extent, self.channels, &mut stream, &device);
        if let Some(generator) = context.inputs.get("init") {
            let (shape, trunk) = discriminator_of(generator, &chosen)?;
            let begun = network.beginning_with((&shape, &trunk), &mut stream, &device);
            network = begun.map_err(|problem| {
                let remedy = "train a generator of larger pictures, or leave `init` out";
                Error::usage(context.id, problem, remedy)
            })?;
        }
        let network = training::train(self, context, &chosen, network, &train)?;
        network.save(context.out)?;
        // Few origins may leave none to test with: then nothing is known, which is not 0.
        let score = match test.is_empty() {
            true => None,
            false => Some(training::test(&network, &test, &chosen)?),
        };
        Ok(json!({
            "model": "task",
            "device": chosen.name,
            "classes": network.classes,
            "n_train": train.len(),
            "n_test": test.len(),
            "accuracy": score.map(|score| score.accuracy()),
            "mask_iou": score.map(|score| score.mask_iou()),
        }))
    }
}

/// Whether what began as the render `origin` is kept for the test.
fn is_held_out(origin: &str) -> bool {
    blake3::hash(origin.as_bytes()).as_bytes()[0].is_multiple_of(HELD_OUT)
}

/// The examples to learn from and to test with.
///
/// Examples of one origin are on one side, else copies would be tested on their own twins.
fn examples(context: &Context, samples: &Artifact, classes: &[String]) -> Result<(Album, Album)> {
    let (mut train, mut test) = (Album::new(context.out)?, Album::new(context.out)?);
    for sample in samples.samples() {
        let sample = sample?;
        if let Some(class) = class_of(&sample, classes) {
            let album = match is_held_out(&sample.provenance.origin) {
                true => &mut test,
                false => &mut train,
            };
            album.push_with_mask(&sample, class)?;
        }
    }
    Ok((train, test))
}

/// What the pictures measure, if the network can learn from them.
fn check(context: &Context, train: &Album, test: &Album) -> Result<Extent> {
    if train.is_empty() {
        return Err(Error::failed(
            context.id,
            "has no labelled pictures to learn from",
            "give the role `samples` renders with classes",
        ));
    }
    let extent = common_extent(context.id, &[("samples", train), ("samples", test)])?;
    match indivisible(extent) {
        Some(problem) => Err(Error::failed(context.id, problem, CELLS_REMEDY)),
        None => Ok(extent),
    }
}

const CELLS_REMEDY: &str = "give `render` and `ingest` a `size` that is a multiple of 4";

/// What is wrong with pictures whose mask cannot be divided into cells.
fn indivisible(extent: Extent) -> Option<String> {
    let mut sides = extent.sides().into_iter();
    let (name, side) = sides.find(|(_, side)| !side.is_multiple_of(4))?;
    Some(format!(
        "cannot divide a {name} of {side} pixels into the cells of its mask"
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::generators::{GENERATORS, Setting};
    use crate::nn::batch::to_tensor;
    use crate::nn::device;
    use crate::seed::Seed;
    use crate::stage::DeviceChoice;
    use crate::testing;

    #[test]
    fn it_learns_class_and_mask_and_can_be_loaded() {
        let task = Task {
            steps: 250,
            batch: 16,
            rate: 4e-3,
            channels: 8,
            mask: 1.0,
        };
        let out = tempfile::tempdir().unwrap();
        let samples = testing::shapes(300, 32, 1);
        let summary = testing::run_into(&task, "task", &samples, 64, out.path()).unwrap();
        assert!(summary["accuracy"].as_f64().unwrap() > 0.9, "{summary}");
        assert!(summary["mask_iou"].as_f64().unwrap() > 0.85, "{summary}");
        let chosen = device::choose(DeviceChoice::Cpu).unwrap();
        let loaded = TaskNetwork::load(out.path(), &chosen).unwrap();
        assert_eq!(loaded.classes, ["disc", "square"]);
    }

    #[test]
    fn it_begins_with_a_discriminator_and_can_be_loaded() {
        let folders = [(); 4].map(|()| tempfile::tempdir().unwrap());
        let chosen = device::choose(DeviceChoice::Cpu).unwrap();
        let kind = GENERATORS.iter().find(|kind| kind.name == "stylegan2");
        let generator = |folder: &Path, side: u32| {
            let table = toml::de::DeValue::parse("{ channels = 8 }").unwrap();
            let learner = (kind.unwrap().parse)(table.into())
                .unwrap()
                .create(&Setting {
                    device: &chosen,
                    extent: Extent::square(side),
                    columns: 2,
                    ema: 0.9,
                    seed: &Seed::new(1, "learn"),
                });
            let artifact = testing::publish(folder, &[], 16);
            learner.unwrap().save(folder).unwrap();
            artifact
        };
        let task = Task {
            steps: 200,
            batch: 16,
            channels: 8,
            ..Task::default()
        };
        let samples = testing::shapes(200, 32, 1);
        let samples = testing::publish(folders[0].path(), &samples, 64);
        let out = folders[1].path();
        let learned = |init: Artifact| {
            let inputs = vec![("samples", samples.clone()), ("init", init)];
            let work = |context: &Context| task.run(context);
            testing::in_context("task", inputs, 64, out, work).0
        };
        let shallow = learned(generator(folders[2].path(), 8)).unwrap_err();
        assert!(
            shallow.to_string().contains("halves pictures 1 times"),
            "{shallow}"
        );
        let summary = learned(generator(folders[3].path(), 32)).unwrap();
        assert!(summary["accuracy"].as_f64().unwrap() > 0.9, "{summary}");
        assert!(summary["mask_iou"].as_f64().unwrap() > 0.8, "{summary}");
        let loaded = TaskNetwork::load(out, &chosen).unwrap();
        let picture = testing::shapes(1, 32, 1)[0].pixels().unwrap();
        let picture = to_tensor([&picture].into_iter(), &chosen.device);
        let mask = loaded.layers.forward(picture).mask_logits;
        assert_eq!(mask.dims(), [1, 1, 16, 16]);
    }

    #[test]
    fn samples_without_classes_are_refused() {
        let mut samples = testing::shapes(20, 32, 1);
        for sample in &mut samples {
            sample.labels.class = None;
        }
        let out = tempfile::tempdir().unwrap();
        let error =
            testing::run_into(&Task::default(), "task", &samples, 64, out.path()).unwrap_err();
        assert!(
            error.to_string().contains("no labelled pictures"),
            "{error}"
        );
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for text in [
            "steps = 0",
            "batch = 0",
            "rate = 0.0",
            "rate = nan",
            "rate = inf",
            "channels = 6",
            "mask = -1.0",
            "mask = inf",
        ] {
            let task: Task = toml::from_str(text).unwrap();
            assert!(task.check().is_err(), "{text}");
        }
        assert_eq!(Task::default().check(), Ok(()));
    }

    #[test]
    fn sizes_that_the_mask_cannot_divide_are_refused() {
        let samples = testing::shapes(20, 50, 1);
        let out = tempfile::tempdir().unwrap();
        let error = testing::run_into(&Task::default(), "task", &samples, 64, out.path());
        assert!(error.unwrap_err().to_string().contains("multiple of 4"));
    }

    #[test]
    fn without_renders_to_test_with_the_score_is_unknown() {
        let task = Task {
            steps: 2,
            batch: 2,
            channels: 4,
            ..Task::default()
        };
        let mut samples = testing::shapes(2, 16, 1);
        for (number, sample) in samples.iter_mut().enumerate() {
            // Ids whose hash is on the side of the training.
            sample.provenance.origin = (0..)
                .map(|salt| format!("render-{number}-{salt}"))
                .find(|origin| !is_held_out(origin))
                .unwrap();
        }
        let out = tempfile::tempdir().unwrap();
        let summary = testing::run_into(&task, "task", &samples, 64, out.path()).unwrap();
        assert_eq!(summary["n_test"], 0);
        assert!(summary["accuracy"].is_null() && summary["mask_iou"].is_null());
    }
}
