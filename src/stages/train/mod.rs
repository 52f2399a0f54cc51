//! train: learns to make renders look like photos, from unpaired pictures and without labels.

mod checkpoint;
mod data;
mod faults;
mod memory;
mod preflight;
mod schedule;
mod training;
mod watch;

#[cfg(test)]
mod tests;

use std::time::Instant;

use image::RgbImage;
use serde_json::json;

use crate::artifact::Kind;
use crate::models::config::{Keep, Model, Schedule, TrainConfig};
use crate::models::task_network::TaskNetwork;
use crate::models::{MODELS, ModelKind, Setting};
use crate::nn::device;
use crate::stage::{Context, Event, Input, Stage, StageKind, parse};
use crate::{Error, Result};
use checkpoint::Checkpoints;
use data::Data;
use training::Training;
use watch::Watch;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "train",
    about: "learns to make renders look like photos; labels are not read",
    version: 2,
    inputs: &[
        Input::required("renders", Kind::Samples, "what to change"),
        Input::required("photos", Kind::Samples, "what it shall look like"),
        Input::optional(
            "task",
            Kind::Task,
            "the task network, for label-safe losses",
        ),
    ],
    output: Kind::Adapter,
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
        if self.decay_every <= 0.0 || !(0.0..=1.0).contains(&self.decay_factor) {
            return Err("`decay_every` must be above 0 and `decay_factor` in 0..1".into());
        }
        if !(0.0..1.0).contains(&self.ema) {
            return Err("`ema` must be at least 0 and below 1".into());
        }
        if !(0.0..=1e9).contains(&self.checkpoint_minutes) {
            return Err("`checkpoint_minutes` must be at least 0".into());
        }
        if self.schedule == Schedule::Plateau && (self.watch_every == 0 || self.patience == 0) {
            return Err(
                "the schedule \"plateau\" needs `watch_every` and `patience` above 0".into(),
            );
        }
        if self.keep != Keep::Last && self.watch_every == 0 {
            return Err("set `keep` to \"last\" where `watch_every` is 0".into());
        }
        if self.watch_every > 0 && self.watch_pictures == 0 {
            return Err("`watch_pictures` must be at least 1".into());
        }
        self.adversarial.check()?;
        self.discriminator.check()?;
        self.cut.check()?;
        self.simgan.check()?;
        self.histogram.check()?;
        self.fda.check()?;
        self.label_safety.check()?;
        self.generator.check()
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let chosen = device::choose(context.device)?;
        let wanted = [self.generator.precision, self.discriminator.precision];
        if !wanted
            .iter()
            .all(|precision| precision.is_on(&chosen.device))
        {
            context.emit(Event::Warning {
                text: format!("{} has no bf16 here: it computes in 32 bits", chosen.name),
            });
        }
        let task = match context.inputs.get("task") {
            Some(artifact) => Some(TaskNetwork::load(&artifact.folder, &chosen)?),
            None => None,
        };
        let classes = task.as_ref().map_or(&[][..], |task| &task.classes);
        let data = Data::read(context, classes)?;
        self.check_sizes(context, data.size, task.as_ref())?;
        let renders: Vec<&RgbImage> = data.renders.iter().map(|r| &r.picture).collect();
        preflight::check(context, &renders, &data.photos)?;
        let kind = registered(self.model);
        let mut model = (kind.create)(
            self,
            Setting {
                device: &chosen,
                size: self.side(data.size),
                seed: &context.seed,
                task: task.as_ref(),
            },
        )?;
        let parameters = model.parameters();
        let steps = if model.study(&data.photos) {
            self.steps
        } else {
            0
        };
        context.emit(Event::Note {
            text: format!(
                "{} with {:.2} M parameters on {}",
                kind.name,
                parameters as f64 / 1e6,
                chosen.name
            ),
        });
        if steps > 0 {
            let needed = memory::estimate(self, model.as_ref(), &data);
            memory::check(context, needed, &chosen, self.batch)?;
        }
        let watch = (self.watch_every > 0).then(|| Watch::new(self, &data, task.as_ref(), &chosen));
        let measured = watch.as_ref().map(|watch| watch.tell(context));
        let state = Training {
            config: self,
            context,
            data: &data,
            device: &chosen,
            model: model.as_mut(),
            watch,
            checkpoints: Checkpoints::open(self, context, steps)?,
            saved: Instant::now(),
        }
        .run(steps)?;
        let path = context.out.join("history.json");
        std::fs::write(&path, json!({ "steps": state.history }).to_string())
            .map_err(|e| Error::io(&path, e))?;
        Ok(json!({
            "model": kind.name,
            "device": chosen.name,
            "steps": steps,
            "parameters": parameters,
            "last": state.history.last(),
            "kept_step": state.kept.map(|(step, _)| step),
            "kid": measured,
            "faults": state.faults,
            "restarts": state.restarts,
        }))
    }
}

impl TrainConfig {
    /// Whether all networks can read pictures of `size` pixels and what is cut from them.
    fn check_sizes(
        &self,
        context: &Context,
        size: usize,
        task: Option<&TaskNetwork>,
    ) -> Result<()> {
        let side = self.side(size);
        let wrong = |problem: String, remedy: &str| Err(Error::usage(context.id, problem, remedy));
        if self.crop > self.resized(size) {
            let problem = format!(
                "cannot cut {} pixels out of {}",
                self.crop,
                self.resized(size)
            );
            return wrong(problem, "lower `crop`, or raise `resize`");
        }
        let networks = [size, side].map(|size| self.generator.check_size(size));
        let networks = networks
            .into_iter()
            .chain([self.discriminator.check_size(side)]);
        if let Some(problem) = networks.into_iter().find_map(Result::err) {
            return wrong(problem, "or change the `size` of `render` and `ingest`");
        }
        match task {
            Some(task) if task.size != size || task.size != side => wrong(
                format!(
                    "the task network reads pictures of {} pixels, and they have {size}, cut to {side}",
                    task.size
                ),
                "train the task network on the same `size`, and leave out `crop` and `resize`",
            ),
            _ => Ok(()),
        }
    }
}

/// The registry's entry for `model`.
fn registered(model: Model) -> &'static ModelKind {
    let found = MODELS.iter().find(|kind| kind.name == model.name());
    found.expect("a test holds that every model is registered")
}
