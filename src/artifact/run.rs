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
    /// The device that networks ran on, in words.
    pub device: String,
    /// In the order of execution.
    pub stages: Vec<StageRecord>,
    /// The summary of each stage that measures, by its id; `evaluate` holds the recogniser's table.
    pub metrics: BTreeMap<String, serde_json::Value>,
    /// The datasets it published, by name.
    pub datasets: BTreeMap<String, PathBuf>,
    pub warnings: Vec<String>,
    /// What the pipeline requires of its results, as far as the run came to judge it.
    #[serde(default)]
    pub requirements: Vec<Judgement>,
    /// Why it did not end well.
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
    /// All stages ended well, but the results are not what the pipeline requires.
    Unmet,
}

/// One requirement of a pipeline, held against what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Stage id and path into its metrics, e.g. `evaluate.adapted.mean`.
    pub path: String,
    /// What is required, e.g. `>= 0.95`.
    pub condition: String,
    /// What was measured; `None` where the run left the stage out.
    pub value: Option<f64>,
    pub met: bool,
}

impl Judgement {
    /// The value with up to five decimals, so that it does not seem to meet what it just misses.
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
    /// What it took when it was made, in this run or an earlier one.
    pub cost: Cost,
    pub key: String,
    /// The artifact's folder.
    pub folder: PathBuf,
    pub count: u64,
    pub classes: BTreeMap<String, u64>,
}
