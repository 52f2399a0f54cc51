//! train: learns to make renders look like photos, from unpaired pictures. No label of a photo is read;
//! classes and masks of the renders are, for the losses and checks that keep them true.

mod checkpoint;
mod chosen;
mod conditions;
mod config;
mod data;
mod enlarging;
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
use crate::artifact::resume::Resume;
use crate::models::condition::NO_TASK;
use crate::models::history;
use crate::models::task_network::TaskNetwork;
use crate::models::{LabelEffect, Setting};
use crate::nn::device;
use crate::sample::Extent;
use crate::sample::maps::{MAPS, NO_MAPS, flow};
use crate::seed::Seed;
use crate::stage::finding;
use crate::stage::{
    Context, DeviceChoice, Effort, Event, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind,
};
use crate::{Error, Result};

use chosen::Train;
use data::{Data, NO_MOTION, Wanted};
use training::Training;
use watch::Watch;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "train",
    about: "learns to make renders look like photos; no label of a photo is read",
    version: 5,
    inputs: &[
        Input::required("renders", Kind::Samples, "what to change"),
        Input::required("photos", Kind::Samples, "what its output should look like"),
        Input::optional(
            "task",
            Kind::Task,
            "the task network, for label-safe losses",
        ),
    ],
    output: Kind::Adapter,
    parse: chosen::parse,
    schema: || schemars::schema_for!(Train),
    exhibit: history::exhibit,
};

impl Stage for Train {
    fn check(&self) -> Result<(), String> {
        self.config.check()?;
        let name = self.config.model.entry().name;
        self.model
            .check()
            .map_err(|problem| format!("`{name}`: {problem}"))
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        let extent = self.extent(inputs)?;
        if let Some(extent) = extent {
            self.check_networks(extent)?;
            if inputs.get("task").is_some() {
                let seen = self.config.seen(extent);
                let mut read = [extent, seen].into_iter();
                let task = inputs.facts("task").extent;
                if let Some(other) = read.find(|&read| task.is_some_and(|task| task != read)) {
                    let task = task.unwrap_or(other);
                    return Err(Misfit::new(
                        format!("the task network reads pictures of {task}, and these are {other}"),
                        TASK_REMEDY,
                    ));
                }
            }
        }
        let known = inputs.facts("renders");
        self.check_labels([known.classes, known.objects].map(|known| known != Some(false)))?;
        self.check_objects(inputs)?;
        self.check_motion(inputs)?;
        let kind = self.config.model.entry();
        if let (Some(renders), false) = (inputs.get("renders"), kind.maps.is_empty())
            && renders.facts.maps == Some(NO_MAPS)
        {
            let name = kind.name;
            return Err(Misfit::new(
                format!(
                    "`{name}` reads maps of the renders, and those of `{}` have none",
                    renders.id
                ),
                "write `maps = [\"normals\", \"albedo\", \"semantic\"]` into the stage that renders, or choose another \
                 model",
            ));
        }
        let labels = kind.labels;
        let kept = (labels != LabelEffect::Lost)
            .then_some(true)
            .or(Some(false));
        Ok(Facts {
            extent: extent.map(|extent| extent.times(self.model.enlargement())),
            enlargement: Some(self.model.enlargement()),
            classes: kept,
            objects: kept,
            ..Facts::default()
        })
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let Ok(Some(extent)) = self.extent(inputs) else {
            return Forecast::default();
        };
        let effort = self.effort(extent);
        let photos = inputs.pixels("photos").unwrap_or(0.0);
        Forecast::new(
            None,
            effort.map(|effort| effort.and(Effort::pixels(0.5 * photos))),
        )
    }

    fn left_over(&self, resume: &Resume, _: &Givens) -> f64 {
        checkpoint::share_done(&self.config, resume)
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
        let wanted = Wanted {
            classes,
            maps: config.model.entry().maps,
            objects: self.model.reads_objects(),
            motion: config.label_safety.temporal > 0.0,
            cut: config.loose_cut(),
        };
        let mut data = Data::read(context, &wanted)?;
        if self.model.enlargement() > 1 {
            data.hold_out(self.model.enlargement());
        }
        self.check_sizes(context, data.extent, task.as_ref())?;
        self.check_labels([data.all_have_class, data.all_have_objects])
            .map_err(|misfit| Error::usage(context.id, misfit.problem, misfit.remedy))?;
        let differences = preflight::check(context, &data.renders, &data.photos)?;
        let setting = Setting {
            device: &chosen,
            extent: config.seen(data.extent),
            seed: &context.seed,
            task: task.as_ref(),
            maps: &data.maps,
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
            if let Some(text) = chosen.drawback(config.seen(data.extent)) {
                context.emit(Event::Note { text: text.into() });
            }
            let needed = memory::estimate(config, model.as_ref(), &data);
            memory::check(context, needed, &chosen, config)?;
        }
        let alike = conditions::tell(context, model.as_ref(), &data, (self.config.crop, &chosen))?;
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
            checkpoints: checkpoint::open(config, context, steps)?,
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
            "fidelity": enlarging::fidelity(&state),
            "faults": state.faults,
            "restarts": state.restarts,
        });
        if let Some(alike) = alike {
            summary["conditions"] = json!(alike);
        }
        let findings: Vec<_> = differences
            .into_iter()
            .chain(findings::findings(&summary))
            .collect();
        finding::record(&mut summary, &findings);
        Ok(summary)
    }
}

const TASK_REMEDY: &str =
    "train the task network on the same `size`, and leave out `crop` and `resize`";

impl Train {
    /// What the renders measure, as far as it is known, and the photos, too, unless cuts of one size are made of both.
    fn extent(&self, inputs: &Givens) -> Result<Option<Extent>, Misfit> {
        match self.config.loose_cut() {
            None => inputs.common_extent(&["renders", "photos"]),
            Some(_) => Ok(inputs.facts("renders").extent),
        }
    }

    /// The work of all steps, and of looking at the networks between them, with pictures of `extent`.
    fn effort(&self, extent: Extent) -> Option<Effort> {
        let config = &self.config;
        let (shared, seen) = (config.shared(), config.seen(extent));
        let device = device::choose(DeviceChoice::Cpu).ok()?;
        let seed = Seed::new(0, "effort");
        let task = self.model.reads_objects().then(|| {
            let (classes, on) = (vec![String::new()], device.device.clone().autodiff());
            TaskNetwork::new(classes, seen, 4, &mut seed.stream(0), &on)
        });
        let setting = Setting {
            device: &device,
            extent: seen,
            seed: &seed,
            task: task.as_ref(),
            maps: &config.model.entry().maps.iter().collect::<Vec<_>>(),
        };
        let passes = self.model.create(&shared, setting).ok()?.passes();
        let [generator, critic] = [passes.generator, passes.critic].map(|count| count as f64);
        let (generate, judge) = (
            config.generator.products(seen),
            config.discriminator.products(seen),
        );
        // Forwards, and twice as much for the gradients; critics judge for the generators, and learn from
        // real and generated pictures.
        let step = 3.0 * config.batch as f64 * (generator * generate + 3.0 * critic * judge);
        let looks = config.steps.checked_div(config.watch_every).unwrap_or(0);
        let look = config.watch_pictures as f64 * 2.0 * config.generator.products(extent);
        let trained = if generator > 0.0 { 1.0 } else { 0.0 };
        let products = trained * (config.steps as f64 * step + looks as f64 * look);
        Some(Effort::products(products))
    }

    /// Whether the losses that keep labels true find the labels that they read; `has` says whether the renders have
    /// classes, and objects.
    fn check_labels(&self, has: [bool; 2]) -> Result<(), Misfit> {
        match self.config.label_safety.reads_unknown(has) {
            None => Ok(()),
            Some((loss, labels)) => Err(Misfit::new(
                format!(
                    "`{loss}` of `label_safety` reads the {labels} of the renders, and not all have it"
                ),
                format!("set `{loss}` to 0, or give labelled pictures as `renders`"),
            )),
        }
    }

    /// Whether the model is given all it needs to know where objects are, if it reads that.
    fn check_objects(&self, inputs: &Givens) -> Result<(), Misfit> {
        if !self.model.reads_objects() {
            return Ok(());
        }
        let name = self.config.model.entry().name;
        if inputs.get("task").is_none() {
            let [problem, remedy] = NO_TASK;
            return Err(Misfit::new(format!("`{name}` {problem}"), remedy));
        }
        match inputs.get("renders") {
            Some(renders) if renders.facts.objects == Some(false) => Err(Misfit::new(
                format!(
                    "`{name}` reads where objects are, and those of `{}` are not known",
                    renders.id
                ),
                "use renders with labelled objects, or a model that reads none",
            )),
            _ => Ok(()),
        }
    }

    /// Whether the renders can have the motion that a loss reads.
    fn check_motion(&self, inputs: &Givens) -> Result<(), Misfit> {
        let place = MAPS.iter().position(|kind| kind.name == flow::MAP.name);
        match (inputs.get("renders"), place) {
            (Some(renders), Some(place))
                if self.config.label_safety.temporal > 0.0
                    && renders.facts.maps.is_some_and(|maps| !maps[place]) =>
            {
                let [problem, remedy] = NO_MOTION;
                let problem = format!(
                    "{problem}, and the renders of `{}` do not have it",
                    renders.id
                );
                Err(Misfit::new(problem, remedy))
            }
            _ => Ok(()),
        }
    }

    /// Whether all networks can read pictures of `extent` and what is cut from them.
    fn check_sizes(
        &self,
        context: &Context,
        extent: Extent,
        task: Option<&TaskNetwork>,
    ) -> Result<()> {
        self.check_networks(extent)
            .map_err(|misfit| Error::usage(context.id, misfit.problem, misfit.remedy))?;
        let seen = self.config.seen(extent);
        let read = task.map(|task| [extent, seen].map(|extent| task.check_extent(extent)));
        match read.into_iter().flatten().find_map(Result::err) {
            Some(problem) => Err(Error::usage(context.id, problem, TASK_REMEDY)),
            None => Ok(()),
        }
    }

    /// Whether the model's networks can read pictures of `extent` and what is cut from them.
    fn check_networks(&self, extent: Extent) -> Result<(), Misfit> {
        let config = &self.config;
        let (resized, seen) = (config.resized(extent), config.seen(extent));
        let pairs = seen.sides().into_iter().zip(resized.sides());
        for ((name, cut), (_, whole)) in pairs {
            if cut > whole {
                let problem = format!("`crop` cannot cut a {name} of {cut} pixels out of {whole}");
                return Err(Misfit::new(problem, "lower `crop`, or raise `resize`"));
            }
        }
        let readable = self.model.check_extents(&config.shared(), extent, seen);
        let remedy = "or change the `size` of `render` and `ingest`";
        readable.map_err(|problem| Misfit::new(problem, remedy))
    }
}
