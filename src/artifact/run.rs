//! The record of one run of a pipeline: `run.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Cost;

/// The content of `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of this file's format.
    pub schema: u32,
    /// Name of the pipeline, as in its file.
    pub pipeline: String,
    /// Name of the run's folder.
    pub run: String,
    /// [`Status::Running`] until the run ends; it stays so if the process is killed.
    pub status: Status,
    /// Seconds since 1970-01-01 UTC.
    pub started: u64,
    /// Time from the start until this file was last written.
    pub seconds: f64,
    /// A description of the device that networks ran on.
    pub device: String,
    /// In order of execution.
    pub stages: Vec<StageRecord>,
    /// The summary of each stage that measures something, by stage id; `evaluate` holds the recogniser's
    /// table.
    pub metrics: BTreeMap<String, serde_json::Value>,
    /// The datasets that the run published, by name.
    pub datasets: BTreeMap<String, PathBuf>,
    /// The texts of all warnings, in the order in which the stages reported them.
    pub warnings: Vec<String>,
    /// The pipeline's requirements, as far as the run got to check them.
    #[serde(default)]
    pub requirements: Vec<Judgement>,
    /// Why the run failed or stopped.
    pub error: Option<String>,
    /// The stage that failed or was stopped, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedStage>,
}

/// A stage that a run could not finish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedStage {
    /// The stage's id in the pipeline.
    pub id: String,
    /// The stage's name in the registry.
    pub stage: String,
    /// Role to stage id.
    pub from: BTreeMap<String, String>,
    /// What was wrong, and the remedy.
    pub reason: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The run goes on, or its process was killed before it could record an end.
    Running,
    /// All stages finished and every requirement is met.
    Done,
    /// A stage or publishing failed; the record's `error` says why.
    Failed,
    /// Stopped by Ctrl-C; the next run resumes the work.
    Interrupted,
    /// All stages finished, but the results do not meet the pipeline's requirements.
    Unmet,
}

/// One requirement of a pipeline, checked against a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Stage id and path into its metrics, e.g. `evaluate.adapted.mean`.
    pub path: String,
    /// What is required, e.g. `>= 0.95`.
    pub condition: String,
    /// The measured value; `None` if the run left the stage out.
    pub value: Option<f64>,
    /// Whether `value` fulfils the condition.
    pub met: bool,
}

impl Judgement {
    /// The value with up to five decimals, so that a narrow miss does not look like a pass.
    pub fn measured(&self) -> String {
        let Some(value) = self.value else {
            return "not measured".to_owned();
        };
        let text = format!("{value:.5}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        text.to_owned()
    }
}

/// One stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// The stage's id in the pipeline, e.g. `augment_source`.
    pub id: String,
    /// The stage's name in the registry.
    pub stage: String,
    /// Role to stage id.
    pub from: BTreeMap<String, String>,
    /// Whether the result came from the cache instead of being made in this run.
    pub cached: bool,
    /// What it cost to make, in this run or an earlier one.
    pub cost: Cost,
    /// The cache key of the result, 64 hexadecimal digits.
    pub key: String,
    /// The artifact's folder.
    pub folder: PathBuf,
    /// Number of samples in the result; 0 if it holds none, e.g. for an adapter.
    pub count: u64,
    /// Number of samples of each class; samples without a class are left out.
    pub classes: BTreeMap<String, u64>,
}
