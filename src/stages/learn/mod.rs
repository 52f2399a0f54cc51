//! learn: a generator learns what pictures of each class look like, so that `generate` can draw new ones.
//!
//! It learns from samples that have a class, such as renders or photos whose class `pseudo_label` believes. No label of
//! a photo is read that a pipeline did not put there.

mod config;
mod data;
mod exhibit;
mod findings;
mod looking;
mod told;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::artifact::Kind;
use crate::artifact::resume::Resume;
use crate::generators::training::{Training, TrainingData};
use crate::generators::{Batch, Learner, Setting};
use crate::nn::device::{self, Chosen};
use crate::nn::ruler::Figures;
use crate::seed::Stream;
use crate::stage::finding;
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, checkpoints,
};
use crate::{Error, Result};
use config::Learn;
use data::Data;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "learn",
    about: "a generator learns what pictures of each class look like",
    version: 11,
    inputs: &[Input::required(
        "samples",
        Kind::Samples,
        "pictures with classes, such as photos from `pseudo_label`",
    )],
    output: Kind::Generator,
    parse: config::parse,
    schema: || schemars::schema_for!(Learn),
    exhibit: exhibit::exhibit,
};

impl Stage for Learn {
    fn check(&self) -> Result<(), String> {
        self.config.check()?;
        let name = self.config.model.entry().name;
        let problem = |problem| format!("`{name}`: {problem}");
        let enough = || self.model.check_steps(self.config.steps);
        self.model.check().and_then(|()| enough()).map_err(problem)
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        inputs.need_classes("samples", "to learn")?;
        let facts = inputs.facts("samples");
        if let Some(extent) = facts.extent {
            let name = self.config.model.entry().name;
            let readable = self.model.check_extent(extent);
            readable.map_err(|problem| Misfit::new(format!("`{name}`: {problem}"), SIZE_REMEDY))?;
        }
        Ok(Facts {
            extent: facts.extent,
            classes: Some(true),
            objects: Some(false),
            discriminator: Some(self.config.model.entry().leaves_discriminator),
            ..Facts::default()
        })
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let facts = inputs.facts("samples");
        let classes = facts.class_names.len().max(1);
        let effort = facts.extent.map(|extent| {
            let pictures = (self.config.steps * self.config.batch as u64) as f64;
            let each = self.model.products(classes, extent);
            Effort::products(pictures * each + Figures::products(extent))
        });
        Forecast::new(None, effort)
    }

    fn left_over(&self, resume: &Resume, _: &Givens) -> f64 {
        checkpoints::share_done(resume, SCOPES, self.config.steps)
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let (config, chosen) = (&self.config, device::choose(context.device)?);
        let data = Data::read(config, context)?;
        let kind = config.model.entry();
        self.model
            .check_extent(data.trained.extent)
            .map_err(|problem| Error::usage(context.id, problem, SIZE_REMEDY))?;
        let mut learner = self.model.create(&Setting {
            device: &chosen,
            extent: data.trained.extent,
            columns: data.trained.columns(),
            ema: config.ema,
            seed: &context.seed,
        })?;
        let parameters = learner.parameters();
        context.emit(Event::Note {
            text: format!(
                "{} with {:.2} M parameters on {}, {} classes, {} pictures to learn from and {} held out",
                kind.name,
                parameters as f64 / 1e6,
                chosen.name,
                data.trained.classes.len(),
                data.known.len(),
                data.held_out.len()
            ),
        });
        if let Some(text) = chosen.drawback(data.trained.extent) {
            context.emit(Event::Note { text: text.into() });
        }
        let training = Training {
            schedule: config.schedule(),
            scopes: SCOPES,
            context,
        };
        let pictures = Pictures {
            config,
            context,
            by_class: data.by_class(),
            data: &data,
            device: &chosen,
        };
        let history = training.run(learner.as_mut(), &pictures)?;
        learner.save(context.out)?;
        data.trained.save(context.out)?;
        let looked = looking::look(context, config, &data, learner.as_ref(), &chosen)?;
        let counts = data.trained.classes.iter().zip(data.counts());
        let mut summary = json!({
            "model": kind.name,
            "device": chosen.name,
            "classes": counts.collect::<BTreeMap<_, _>>(),
            "extent": data.trained.extent,
            "steps": config.steps,
            "parameters": parameters,
            "last": history.last(),
            "figures": looked.figures,
            "repeated": looked.repeated,
            "bits": looked.bits,
            "told": looked.told,
        });
        let findings = findings::findings(&summary);
        finding::record(&mut summary, &findings);
        Ok(summary)
    }
}

/// What earlier trainings may differ in and still be the beginning of this one: nothing.
const SCOPES: &[&[&str]] = &[&[]];

/// What a generator of pictures learns from.
struct Pictures<'a> {
    config: &'a config::LearnConfig,
    context: &'a Context<'a>,
    data: &'a Data,
    /// The numbers of the pictures of each class.
    by_class: BTreeMap<usize, Vec<usize>>,
    device: &'a Chosen,
}

impl TrainingData<dyn Learner> for Pictures<'_> {
    fn batch(&self, stream: &mut Stream) -> Result<Batch> {
        let device = &self.device.device;
        self.data.draw(self.config, &self.by_class, stream, device)
    }

    fn sheet(&self, learner: &dyn Learner, path: &Path) -> Result<()> {
        looking::sheet(self.context, self.data, learner, path)
    }
}

const SIZE_REMEDY: &str = "change the `size` of `ingest` or `render`, or choose another generator";
