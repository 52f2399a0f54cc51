//! Makes one image again: each of its stages runs for that one sample, with its recorded configuration.
//!
//! The first stage makes the sample with the recorded index ([`Share::One`]); each later stage that changed
//! the picture reads an artifact that contains only the sample made before. Stages that pass pictures through
//! do not run; what they recorded about the sample is used.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use toml::de::DeValue;

use super::contents::Contents;
use super::provenance::{Step, Trail, open};
use super::spec::without_nulls;
use crate::artifact::{self, Artifact, Manifest, parts};
use crate::sample::Sample;
use crate::seed::Seed;
use crate::stage::{Context, DeviceChoice, Share, Stage, StageKind};
use crate::stages::STAGES;
use crate::{Error, Result};

/// A step of the trail, made again.
pub struct Rerendered {
    /// The stage's id.
    pub stage: String,
    /// Whether it ran; a stage that passes pictures through does not.
    pub ran: bool,
    /// The sample with the new picture.
    pub sample: Sample,
    /// Whether the picture has the same bytes as the recorded one.
    pub same: bool,
}

/// A step that can run again, with its checked inputs.
struct Ready<'a> {
    step: &'a Step,
    stage: Box<dyn Stage>,
    inputs: BTreeMap<&'static str, Artifact>,
}

/// Makes the image at the end of `trail` again.
///
/// # Errors
/// The outer error is the first error of a stage; the inner one lists everything that is missing.
pub fn rerender(
    trail: &Trail,
    outputs: &Path,
    device: DeviceChoice,
) -> Result<Result<Vec<Rerendered>, Vec<String>>> {
    let mut missing: Vec<String> = trail.broken.iter().cloned().collect();
    let mut contents = Contents::default();
    let (mut plan, mut before) = (Vec::new(), None);
    for step in &trail.steps {
        let ready = match step.changes(before) {
            true => Some(ready(trail, outputs, step, &mut contents, &mut missing)),
            false => None,
        };
        before = Some(step);
        plan.push((step, ready.flatten()));
    }
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    let mut made: Vec<Rerendered> = Vec::new();
    for (step, ready) in plan {
        let before = made.last().map(|last| &last.sample);
        let sample = match (&ready, before) {
            (Some(ready), before) => ready.run(before, device)?,
            (None, before) => Sample {
                image: before.map_or_else(Vec::new, |before| before.image.clone()),
                ..step.sample.clone()
            },
        };
        made.push(Rerendered {
            stage: step.stage.id.clone(),
            ran: ready.is_some(),
            same: sample.image == step.sample.image,
            sample,
        });
    }
    Ok(Ok(made))
}

/// The step with everything that it needs; `None` if something is missing, which is added to `missing`.
fn ready<'a>(
    trail: &Trail,
    outputs: &Path,
    step: &'a Step,
    contents: &mut Contents,
    missing: &mut Vec<String>,
) -> Option<Ready<'a>> {
    let before = missing.len();
    let ingredients = &step.ingredients;
    for (file, hash) in &ingredients.files {
        match contents.of(Path::new(file)) {
            Ok(now) if now.hash == *hash => {}
            Ok(_) => missing.push(format!(
                "{file} has changed since `{}` read it",
                step.stage.id
            )),
            Err(_) => missing.push(format!(
                "{file}, which `{}` read, no longer exists",
                step.stage.id
            )),
        }
    }
    let kind = STAGES.iter().find(|kind| kind.name == ingredients.stage);
    let stage = match kind.filter(|kind| kind.version == ingredients.version) {
        Some(kind) => match configured(kind, &ingredients.config) {
            Ok(stage) => Some((kind, stage)),
            Err(problem) => {
                missing.push(format!("the settings of `{}`: {problem}", step.stage.id));
                None
            }
        },
        None => {
            missing.push(format!(
                "`{}` was made by version {} of `{}`, which this verismo does not have",
                step.stage.id, ingredients.version, ingredients.stage
            ));
            None
        }
    };
    let (kind, stage) = stage?;
    let mut inputs = BTreeMap::new();
    for input in kind.inputs {
        let Some(record) = trail.input(&step.stage, input.role) else {
            continue;
        };
        let digest = ingredients.inputs.get(input.role);
        let is_sample = step.role == Some(input.role);
        match open(outputs, record).and_then(|found| unchanged(found, digest, !is_sample)) {
            Ok(artifact) => drop(inputs.insert(input.role, artifact)),
            Err(problem) => missing.push(problem),
        }
    }
    (missing.len() == before).then_some(Ready {
        step,
        stage,
        inputs,
    })
}

/// The artifact, if it is unchanged; `files` says whether to hash its files again.
fn unchanged(artifact: Artifact, digest: Option<&String>, files: bool) -> Result<Artifact, String> {
    let folder = artifact.folder.display();
    if digest != Some(&artifact.manifest.digest) {
        return Err(format!("{folder} is not the artifact that was read"));
    }
    for entry in artifact.manifest.files.iter().filter(|_| files) {
        let path = artifact.folder.join(&entry.file);
        match artifact::hash_file(&path) {
            Ok(hash) if hash == entry.blake3 => {}
            Ok(_) => return Err(format!("{} has changed since it was made", path.display())),
            Err(_) => return Err(format!("{} no longer exists", path.display())),
        }
    }
    Ok(artifact)
}

/// The stage with the resolved configuration `config`.
fn configured(kind: &StageKind, config: &serde_json::Value) -> Result<Box<dyn Stage>, String> {
    let value = toml::Value::try_from(without_nulls(config.clone(), |text| text))
        .map_err(|e| e.to_string())?;
    let text = value.to_string();
    let value = DeValue::parse(&text).map_err(|e| e.to_string())?;
    let stage = (kind.parse)(value).map_err(|e| e.message().to_owned())?;
    match stage.resolved() == *config {
        true => Ok(stage),
        false => Err("this version of verismo interprets them differently".to_owned()),
    }
}

impl Ready<'_> {
    /// Runs the stage for the one sample; `before` is the sample that it reads, made again.
    fn run(&self, before: Option<&Sample>, device: DeviceChoice) -> Result<Sample> {
        let (step, ingredients) = (self.step, &self.step.ingredients);
        let (out, given) = (temporary()?, temporary()?);
        let mut inputs = self.inputs.clone();
        if let (Some(role), Some(sample)) = (step.role, before)
            && let Some((role, recorded)) = inputs.remove_entry(role)
        {
            inputs.insert(role, alone(recorded, sample, given.path())?);
        }
        let context = Context {
            id: &ingredients.id,
            seed: Seed::new(ingredients.seed, &ingredients.id),
            inputs,
            share: match before {
                Some(_) => Share::All,
                None => Share::One(step.sample.index),
            },
            out: out.path(),
            resume: None,
            part_size: 1,
            device,
            events: &|_| (),
            interrupted: &AtomicBool::new(false),
        };
        tracing::debug!(stage = step.stage.id, sample = step.sample.id, "runs again");
        self.stage.run(&context)?;
        for path in artifact::walk(out.path())? {
            let is_part = path.extension().is_some_and(|e| e == "parquet");
            if is_part && let Some(sample) = parts::find(&path, &step.sample.id)? {
                return Ok(sample);
            }
        }
        Err(Error::failed(
            format!("stage `{}`", step.stage.id),
            format!("did not make sample {} when it ran again", step.sample.id),
            "this is a bug in the stage; please report it with the pipeline file",
        ))
    }
}

/// An artifact like `recorded` that contains only `sample`.
fn alone(recorded: Artifact, sample: &Sample, folder: &Path) -> Result<Artifact> {
    let part = folder.join(artifact::part_name(0));
    parts::write_part(&part, std::slice::from_ref(sample))?;
    Ok(Artifact {
        manifest: Manifest {
            files: artifact::list_files(folder)?,
            count: 1,
            ..recorded.manifest
        },
        folder: folder.to_path_buf(),
    })
}

fn temporary() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(|e| Error::io(&std::env::temp_dir(), e))
}
