//! train: learns to make renders look like photos, from unpaired pictures. No label of a photo is read;
//! classes and masks of the renders are, for the losses and checks that keep them true.

mod checkpoint;
mod chosen;
mod config;
mod data;
mod exhibit;
mod faults;
mod findings;
mod memory;
mod preflight;
mod schedule;
mod training;
mod watch;

#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;

use std::time::Instant;

use serde_json::json;

use crate::artifact::Kind;
use crate::models::Setting;
use crate::models::task_network::TaskNetwork;
use crate::nn::device;
use crate::sample::Extent;
use crate::stage::finding;
use crate::stage::{Context, Event, Input, Stage, StageKind};
use crate::{Error, Result};
use checkpoint::Checkpoints;
use chosen::Train;
use data::Data;
use training::Training;
use watch::Watch;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "train",
    about: "learns to make renders look like photos; no label of a photo is read",
    version: 5,
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
    parse: chosen::parse,
    schema: || schemars::schema_for!(Train),
    exhibit: exhibit::exhibit,
};

impl Stage for Train {
    fn check(&self) -> Result<(), String> {
        self.config.check()?;
        let name = self.config.model.entry().name;
        self.model
            .check()
            .map_err(|problem| format!("`{name}`: {problem}"))
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let chosen = device::choose(context.device)?;
        let config = &self.config;
        let wanted = [config.generator.precision, config.discriminator.precision];
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
        self.check_sizes(context, data.extent, task.as_ref())?;
        preflight::check(context, &data.renders, &data.photos)?;
        let setting = Setting {
            device: &chosen,
            extent: config.seen(data.extent),
            seed: &context.seed,
            task: task.as_ref(),
        };
        let mut model = self.model.create(&config.shared(), setting)?;
        let name = config.model.entry().name;
        let parameters = model.parameters();
        let steps = if model.study(&data.photos)? {
            config.steps
        } else {
            0
        };
        context.emit(Event::Note {
            text: format!(
                "{} with {:.2} M parameters on {}",
                name,
                parameters as f64 / 1e6,
                chosen.name
            ),
        });
        if steps > 0 {
            let needed = memory::estimate(config, model.as_ref(), &data);
            memory::check(context, needed, &chosen, config)?;
        }
        let watch = match config.watch_every {
            0 => None,
            _ => Some(Watch::new(config, context, &data, task.as_ref(), &chosen)?),
        };
        let ends = watch.as_ref().and_then(|watch| watch.tell(context));
        let state = Training {
            config,
            settings: self.model.as_ref(),
            context,
            data: &data,
            device: &chosen,
            model: model.as_mut(),
            watch,
            checkpoints: Checkpoints::open(config, context, steps)?,
            saved: Instant::now(),
        }
        .run(steps)?;
        let path = context.out.join("history.json");
        std::fs::write(&path, json!({ "steps": state.history }).to_string())
            .map_err(|e| Error::io(&path, e))?;
        let mut summary = json!({
            "model": name,
            "device": chosen.name,
            "steps": steps,
            "parameters": parameters,
            "last": state.history.last(),
            "kept_step": state.kept.map(|(step, _)| step),
            "ruler": ends.map(|ends| ends.with(state.reached)),
            "faults": state.faults,
            "restarts": state.restarts,
        });
        let findings = findings::findings(&summary);
        finding::record(&mut summary, &findings);
        Ok(summary)
    }
}

impl Train {
    /// Whether all networks can read pictures of `extent` and what is cut from them.
    fn check_sizes(
        &self,
        context: &Context,
        extent: Extent,
        task: Option<&TaskNetwork>,
    ) -> Result<()> {
        let config = &self.config;
        let (resized, seen) = (config.resized(extent), config.seen(extent));
        let wrong = |problem: String, remedy: &str| Err(Error::usage(context.id, problem, remedy));
        let pairs = seen.sides().into_iter().zip(resized.sides());
        for ((name, cut), (_, whole)) in pairs {
            if cut > whole {
                let problem = format!("cannot cut a {name} of {cut} pixels out of {whole}");
                return wrong(problem, "lower `crop`, or raise `resize`");
            }
        }
        let readable = self.model.check_extents(&config.shared(), extent, seen);
        if let Err(problem) = readable {
            return wrong(problem, "or change the `size` of `render` and `ingest`");
        }
        let read = task.map(|task| [extent, seen].map(|extent| task.check_extent(extent)));
        match read.into_iter().flatten().find_map(Result::err) {
            Some(problem) => wrong(
                problem,
                "train the task network on the same `size`, and leave out `crop` and `resize`",
            ),
            None => Ok(()),
        }
    }
}
