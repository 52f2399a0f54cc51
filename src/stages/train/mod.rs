//! train: learns to make renders look like photos, from unpaired pictures and without labels.

mod data;
mod preflight;
mod schedule;

use std::collections::BTreeMap;

use image::RgbImage;
use serde::Serialize;
use serde_json::json;

use crate::artifact::Kind;
use crate::models::config::{Model, TrainConfig};
use crate::models::task_network::TaskNetwork;
use crate::models::{Adapter, MODELS, ModelKind, Setting};
use crate::nn::{batch, device};
use crate::sample::image::contact_sheet;
use crate::stage::{Context, Event, Input, Stage, StageKind, parse};
use crate::{Error, Result};
use data::{Data, Render};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "train",
    about: "learns to make renders look like photos; labels are not read",
    version: 1,
    inputs: &[
        Input::required("renders", Kind::Samples, "what to change"),
        Input::required("photos", Kind::Samples, "what it shall look like"),
        Input::optional(
            "task",
            Kind::Checkpoint,
            "the task network, for label-safe losses",
        ),
    ],
    output: Kind::Checkpoint,
    parse: parse::<TrainConfig>,
    schema: || schemars::schema_for!(TrainConfig),
};

impl Stage for TrainConfig {
    fn check(&self) -> Result<(), String> {
        if self.steps == 0 || self.batch == 0 {
            return Err("`steps` and `batch` must be at least 1".into());
        }
        if !(0.0..=1.0).contains(&self.decay_from) || self.rate <= 0.0 {
            return Err("`decay_from` must lie in 0..1 and `rate` above 0".into());
        }
        self.generator.check()
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let chosen = device::choose(context.device)?;
        let task = match context.inputs.get("task") {
            Some(artifact) => Some(TaskNetwork::load(&artifact.folder, &chosen)?),
            None => None,
        };
        let classes = task.as_ref().map_or(&[][..], |task| &task.classes);
        let data = Data::read(context, classes)?;
        let renders: Vec<&RgbImage> = data.renders.iter().map(|r| &r.picture).collect();
        preflight::check(context, &renders, &data.photos)?;
        let kind = registered(self.model);
        let mut model = (kind.create)(
            self,
            Setting {
                device: &chosen,
                size: data.size,
                seed: &context.seed,
                task: task.as_ref(),
            },
        )?;
        context.emit(Event::Note {
            text: format!(
                "{} with {:.2} M parameters on {}",
                kind.name,
                model.parameters() as f64 / 1e6,
                chosen.name
            ),
        });
        let history = self.fit(context, model.as_mut(), &data, &chosen.device)?;
        model.save(context.out)?;
        let path = context.out.join("history.json");
        std::fs::write(&path, json!({ "steps": history }).to_string())
            .map_err(|e| Error::io(&path, e))?;
        Ok(json!({
            "model": kind.name,
            "device": chosen.name,
            "steps": self.steps,
            "parameters": model.parameters(),
            "last": history.last(),
        }))
    }
}

/// A point of the loss curves: the mean since the point before.
#[derive(Debug, Clone, Serialize)]
struct Point {
    step: u64,
    values: BTreeMap<String, f64>,
}

/// Steps between two points of the loss curves.
const HISTORY_EVERY: u64 = 10;

impl TrainConfig {
    /// The training loop. It knows batches, the schedule and the clock, but no model.
    fn fit(
        &self,
        context: &Context,
        model: &mut dyn Adapter,
        data: &Data,
        device: &burn::tensor::Device,
    ) -> Result<Vec<Point>> {
        let mut stream = context.seed.stream(0);
        let mut history = Vec::new();
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        let mut summed = 0;
        for step in 1..=self.steps {
            let batch = data.draw(self, &mut stream, device);
            let rate = schedule::linear(self.rate, self.decay_from, step - 1, self.steps);
            for (name, value) in model.step(&batch, rate) {
                if !value.is_finite() {
                    return Err(diverged(context, &name, step));
                }
                *sums.entry(name).or_default() += value;
            }
            summed += 1;
            if step % HISTORY_EVERY == 0 || step == self.steps {
                let mean = |(name, sum): (String, f64)| (name, sum / f64::from(summed));
                let values: BTreeMap<_, _> =
                    std::mem::take(&mut sums).into_iter().map(mean).collect();
                context.emit(Event::Metric {
                    step,
                    values: values.clone(),
                });
                context.progress(step, self.steps, losses_in_words(&values))?;
                history.push(Point { step, values });
                summed = 0;
            } else {
                context.check_interrupt()?;
            }
            if self.sheet_every > 0 && (step % self.sheet_every == 0 || step == self.steps) {
                sheet(context, model, &data.renders, device, step)?;
            }
        }
        Ok(history)
    }
}

/// The registry's entry for `model`.
fn registered(model: Model) -> &'static ModelKind {
    let found = MODELS.iter().find(|kind| kind.name == model.name());
    found.expect("a test holds that every model is registered")
}

fn diverged(context: &Context, loss: &str, step: u64) -> Error {
    Error::failed(
        context.id,
        format!("the {loss} loss is no longer finite at step {step}"),
        "lower `rate`, or choose another `seed`",
    )
}

fn losses_in_words(values: &BTreeMap<String, f64>) -> String {
    let word = |(name, value): (&String, &f64)| {
        let short: String = name.chars().take(3).collect();
        format!("{short} {value:.3}")
    };
    values.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Writes renders (upper rows) above their translations, eight pairs.
fn sheet(
    context: &Context,
    model: &dyn Adapter,
    renders: &[Render],
    device: &burn::tensor::Device,
    step: u64,
) -> Result<()> {
    let shown: Vec<&RgbImage> = renders.iter().take(16).map(|r| &r.picture).collect();
    let translated =
        batch::to_pictures(model.translate(batch::to_tensor(shown.iter().copied(), device)));
    let cells: Vec<RgbImage> = shown.into_iter().cloned().chain(translated).collect();
    let size = cells[0].width();
    let path = context.out.join(format!("sheet-{step:06}.png"));
    contact_sheet(&cells, 16, size).save(&path).map_err(|e| {
        Error::failed(
            path.display(),
            e,
            "check the free space and the permissions",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_that_can_be_named_is_registered() {
        use schemars::JsonSchema;
        let schema = Model::json_schema(&mut schemars::SchemaGenerator::default());
        let names = schema.as_value()["enum"].as_array().unwrap().clone();
        assert_eq!(names.len(), MODELS.len());
        for name in names {
            let model: Model = serde_json::from_value(name).unwrap();
            assert_eq!(registered(model).name, model.name());
        }
    }
}
