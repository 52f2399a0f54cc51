//! translate: every render through the trained generator; labels are carried over unchanged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifact::{self, Kind};
use crate::models::{LabelEffect, Load, MODELS, Translator};
use crate::nn::device;
use crate::nn::workers::Workers;
use crate::sample::{Domain, Sample};
use crate::stage::{Context, Input, Stage, StageKind, parse};
use crate::{Error, Result};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "translate",
    about: "makes renders look like photos with a trained model, labels carried over",
    version: 1,
    inputs: &[
        Input::required("renders", Kind::Samples, "labelled renders"),
        Input::required("model", Kind::Adapter, "what `train` learned"),
    ],
    output: Kind::Samples,
    parse: parse::<Translate>,
    schema: || schemars::schema_for!(Translate),
};

/// Configuration of `translate`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Translate {
    /// Pictures at once.
    pub batch: usize,
}

impl Default for Translate {
    fn default() -> Self {
        Translate { batch: 16 }
    }
}

impl Stage for Translate {
    fn check(&self) -> Result<(), String> {
        if self.batch == 0 {
            return Err("`batch` must be at least 1".into());
        }
        Ok(())
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let model = context.input("model")?;
        let name = model.manifest.summary["model"].as_str().unwrap_or_default();
        let kind = MODELS
            .iter()
            .find(|kind| kind.name == name)
            .ok_or_else(|| {
                Error::failed(
                    model.folder.display(),
                    format!("was made by the model `{name}`, which this version does not have"),
                    "train again",
                )
            })?;
        let LabelEffect::Kept = kind.labels;
        let chosen = device::choose(context.device)?;
        let Load::Translator(load) = kind.load;
        let network = load(&model.folder, &chosen)?;
        let workers = Workers::for_device(&chosen)?;
        context.map_parts("renders", self.batch, |samples| {
            let batches = samples.chunks(self.batch).collect();
            let translated: Result<Vec<Vec<Sample>>> = workers
                .run(batches, |samples| {
                    context.check_interrupt()?;
                    translate(context, network.as_ref(), samples, model)
                })
                .into_iter()
                .collect();
            Ok(translated?.concat())
        })?;
        Ok(json!({ "model": name, "checkpoint": model.manifest.digest, "device": chosen.name }))
    }
}

fn translate(
    context: &Context,
    network: &dyn Translator,
    samples: &[Sample],
    model: &artifact::Artifact,
) -> Result<Vec<Sample>> {
    let pictures: Vec<_> = samples.iter().map(Sample::pixels).collect::<Result<_>>()?;
    let mut streams: Vec<_> = samples
        .iter()
        .map(|sample| context.seed.stream(sample.index))
        .collect();
    let output = network.translate(&pictures, &mut streams);
    samples
        .iter()
        .zip(output)
        .map(|(sample, pixels)| {
            let id = format!("{}-{:06}", context.id, sample.index);
            let mut child = sample.child(id, sample.index, &pixels, sample.labels.clone())?;
            child.provenance.domain = Domain::Translated;
            child.provenance.checkpoint = Some(model.manifest.digest.clone());
            Ok(child)
        })
        .collect()
}
