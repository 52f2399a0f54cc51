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
    pub pipeline: String,
    /// Name of the run's folder.
    pub run: String,
    pub status: Status,
    /// Seconds since 1970-01-01 UTC.
    pub started: u64,
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
    pub warnings: Vec<String>,
    /// The pipeline's requirements, as far as the run got to check them.
    #[serde(default)]
    pub requirements: Vec<Judgement>,
    /// Why the run failed or stopped.
    pub error: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Running,
    Done,
    Failed,
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
    pub id: String,
    /// The stage's name in the registry.
    pub stage: String,
    /// Role to stage id.
    pub from: BTreeMap<String, String>,
    pub cached: bool,
    /// What it cost to make, in this run or an earlier one.
    pub cost: Cost,
    pub key: String,
    /// The artifact's folder.
    pub folder: PathBuf,
    pub count: u64,
    pub classes: BTreeMap<String, u64>,
}
