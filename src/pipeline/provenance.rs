//! Provenance: traces an image of a dataset back through every stage to its original model or photo.
//!
//! The record of the run that published the dataset names the stages and their artifacts; there, the sample
//! and its parents are found by id.

use std::fs;
use std::path::{Path, PathBuf};

use super::cache::KEY_FILE;
use super::key::Ingredients;
use super::records;
use crate::artifact::run::{RunRecord, StageRecord};
use crate::artifact::{Artifact, Kind};
use crate::sample::Sample;
use crate::stages::STAGES;
use crate::{Error, Result};

/// What is known about how an image was made.
pub struct Trail {
    /// The newest run that published the dataset.
    pub run: RunRecord,
    /// The run that published it first.
    pub first_run: String,
    /// The run's folder.
    pub folder: PathBuf,
    /// From the render or photo to the published image.
    pub steps: Vec<Step>,
    /// The stage that made the dataset, if the run's record names it.
    pub emit: Option<StageRecord>,
    /// Why the steps do not reach the beginning, if they do not.
    pub broken: Option<String>,
}

/// What one stage did for the image.
pub struct Step {
    /// The stage as the run recorded it.
    pub stage: StageRecord,
    /// The result in the cache that contains the sample.
    pub artifact: Artifact,
    /// What determined the result: configuration, seed, inputs and files.
    pub ingredients: Ingredients,
    /// What the stage made.
    pub sample: Sample,
    /// The role in which it read the sample of the previous step; `None` at the beginning.
    pub role: Option<&'static str>,
}

impl Step {
    /// Whether it changed the picture that the previous step made.
    pub fn changes(&self, before: Option<&Step>) -> bool {
        before.is_none_or(|before| before.sample.image != self.sample.image)
    }
}

impl Trail {
    /// Traces the sample `id` of the dataset in `folder` back through the stages below `outputs`.
    ///
    /// # Errors
    /// If no run there has published the dataset. A missing artifact is not an error: the trail records where
    /// it is broken.
    pub fn follow(outputs: &Path, folder: &Path, id: &str) -> Result<Self> {
        let runs = records::that_published(outputs, folder)?;
        let first_run = runs.last().map(|first| first.record.run.clone());
        let (Some(first_run), Some(newest)) = (first_run, runs.into_iter().next()) else {
            return Err(Error::failed(
                folder.display(),
                format!("no run in {} published it", outputs.join("runs").display()),
                "if the runs and the cache are elsewhere, give their folder: --outputs DIR",
            ));
        };
        let mut trail = Trail {
            run: newest.record,
            first_run,
            folder: newest.folder,
            steps: Vec::new(),
            emit: None,
            broken: None,
        };
        let version = version_of(folder);
        let publishes =
            |stage: &&StageRecord| is_dataset(stage) && trail.publishes(stage, &version);
        trail.emit = trail.run.stages.iter().find(publishes).cloned();
        match trail.emit.clone() {
            Some(emit) => trail.walk(outputs, emit, id),
            None => {
                trail.broken =
                    Some("the run's record does not name the stage that made it".to_owned());
            }
        }
        trail.steps.reverse();
        Ok(trail)
    }

    /// Whether `stage` made the version; true if the run published only one dataset.
    fn publishes(&self, stage: &StageRecord, version: &str) -> bool {
        let named = |name: &str| {
            let folder = self.run.datasets.get(name);
            folder.is_some_and(|folder| version_of(folder) == version)
        };
        let summary = self.run.metrics.get(&stage.id);
        let name = summary.and_then(|summary| summary["name"].as_str());
        self.run.datasets.len() == 1 || name.is_some_and(named)
    }

    /// Adds the steps before `stage`, last first.
    fn walk(&mut self, outputs: &Path, stage: StageRecord, id: &str) {
        let (mut stage, mut ids) = (stage, vec![id.to_owned()]);
        loop {
            match self.before(outputs, &stage, &ids) {
                Ok(Some((role, step))) => {
                    if let Some(after) = self.steps.last_mut() {
                        after.role = Some(role);
                    }
                    // A stage that passes samples through keeps their ids.
                    ids = vec![step.sample.id.clone()];
                    ids.extend(step.sample.provenance.parent.clone());
                    stage = step.stage.clone();
                    self.steps.push(step);
                }
                Ok(None) if ids.len() == 1 && !self.steps.is_empty() => return,
                Ok(None) => {
                    let id = ids.last().map_or("", String::as_str);
                    return self.stop(format!("no input of `{}` contains {id}", stage.id));
                }
                Err(problem) => return self.stop(problem),
            }
        }
    }

    fn stop(&mut self, problem: String) {
        self.broken = Some(problem);
    }

    /// The stage among the inputs of `stage` whose artifact contains one of `ids`, and its role.
    fn before(
        &self,
        outputs: &Path,
        stage: &StageRecord,
        ids: &[String],
    ) -> Result<Option<(&'static str, Step)>, String> {
        let kind = STAGES.iter().find(|kind| kind.name == stage.stage);
        let kind = kind.ok_or_else(|| format!("this version has no stage `{}`", stage.stage))?;
        let samples = kind.inputs.iter().filter(|i| i.kind == Kind::Samples);
        let inputs: Vec<(&str, &StageRecord)> = samples
            .filter_map(|input| Some((input.role, self.input(stage, input.role)?)))
            .collect();
        for id in ids {
            for (role, input) in &inputs {
                let artifact = open(outputs, input)?;
                if let Some(sample) = artifact.find(id).map_err(|e| e.to_string())? {
                    let step = Step {
                        stage: (*input).clone(),
                        ingredients: ingredients(&artifact)?,
                        artifact,
                        sample,
                        role: None,
                    };
                    return Ok(Some((role, step)));
                }
            }
        }
        Ok(None)
    }

    /// The stage that `stage` reads in `role`.
    pub fn input(&self, stage: &StageRecord, role: &str) -> Option<&StageRecord> {
        let id = stage.from.get(role)?;
        self.run.stages.iter().find(|stage| stage.id == *id)
    }
}

/// The artifact of a stage, in the cache below `outputs`.
///
/// # Errors
/// What is missing, as text.
pub fn open(outputs: &Path, stage: &StageRecord) -> Result<Artifact, String> {
    let name = stage.folder.file_name().unwrap_or_default();
    let folder = outputs.join("cache").join(name);
    if !folder.exists() {
        return Err(format!(
            "the result of `{}` is no longer in the cache: {}",
            stage.id,
            folder.display()
        ));
    }
    let artifact = Artifact::open(&folder).map_err(|e| e.to_string())?;
    match artifact.manifest.key == stage.key {
        true => Ok(artifact),
        false => Err(format!("{} contains a different result", folder.display())),
    }
}

fn ingredients(artifact: &Artifact) -> Result<Ingredients, String> {
    let path = artifact.folder.join(KEY_FILE);
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}

fn is_dataset(stage: &StageRecord) -> bool {
    let kind = STAGES.iter().find(|kind| kind.name == stage.stage);
    kind.is_some_and(|kind| kind.output == Kind::Dataset)
}

/// The last component of a dataset's folder, with `latest` resolved.
fn version_of(folder: &Path) -> String {
    let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
    real.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
