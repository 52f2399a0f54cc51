//! A checked pipeline: its stages, their configuration, and their inputs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::matrix::Setting;
use super::positions::Positions;
use super::require::Requirement;
use super::source::Source;
use super::variables;
use crate::stage::{Facts, Misfit, Stage, StageKind};
use crate::{Error, Result};

/// The keys of a stage's table that belong to the pipeline, not to the stage's configuration.
pub(super) const WIRING: [&str; 3] = ["use", "from", "like"];

/// A checked pipeline.
pub struct Spec {
    /// Where it was read from; messages name it.
    pub file: PathBuf,
    /// Names the folder of the pipeline's runs.
    pub name: String,
    /// All random streams of the stages derive from it.
    pub seed: u64,
    /// Samples per part.
    pub part_size: usize,
    /// In order of execution: each stage after its inputs, otherwise in the file's order.
    pub stages: Vec<StageSpec>,
    /// What must hold before a dataset is published.
    pub require: Vec<Requirement>,
    /// Versions of a dataset to keep; `None` keeps all.
    pub keep: Option<usize>,
    /// The settings that distinguish this point of a `[matrix]` from the others.
    pub point: Vec<Setting>,
    /// The texts that it was read from, for the positions of later errors.
    pub(super) source: Arc<Source>,
}

/// One stage of a pipeline.
pub struct StageSpec {
    /// Name of its table in the file; unique in the pipeline.
    pub id: String,
    /// The registry's entry that `use` names.
    pub kind: &'static StageKind,
    /// Role to stage id.
    pub from: BTreeMap<&'static str, String>,
    /// The stage whose settings are the defaults of this one.
    pub like: Option<String>,
    /// The configuration, read and checked, ready to run.
    pub stage: Box<dyn Stage>,
    /// What its result will be like.
    pub facts: Facts,
    /// Why it cannot work with what it will read.
    pub(super) misfit: Option<Misfit>,
    /// The positions of its settings: those at the top of its table by name, and every string.
    pub(super) positions: Positions,
    /// The position of its table in the file.
    pub(super) span: Range<usize>,
    /// The position of its `from`.
    pub(super) from_span: Range<usize>,
}

impl Spec {
    /// The stage with this id.
    pub fn stage(&self, id: &str) -> Option<&StageSpec> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    /// Removes every stage that the stage `id` does not depend on.
    pub fn keep_up_to(&mut self, id: &str) {
        let mut needed = std::collections::BTreeSet::from([id.to_owned()]);
        // In reverse order, a stage comes before its inputs.
        for stage in self.stages.iter().rev() {
            if needed.contains(&stage.id) {
                needed.extend(stage.from.values().cloned());
            }
        }
        self.stages.retain(|stage| needed.contains(&stage.id));
    }

    /// The pipeline as TOML with every default filled in.
    ///
    /// # Errors
    /// If a configuration contains values that TOML cannot represent.
    pub fn resolved_toml(&self) -> Result<String> {
        // In a pipeline file, `${` starts a variable.
        let escape = |text: String| variables::escaped(&text);
        let unsayable = |e: toml::ser::Error| {
            Error::failed(
                self.file.display(),
                format!("cannot be written with its defaults: {e}"),
                "use smaller numbers in the pipeline file",
            )
        };
        let mut head = serde_json::json!({
            "name": self.name, "seed": self.seed, "part_size": self.part_size,
        });
        if let Some(keep) = self.keep {
            head["keep"] = keep.into();
        }
        for requirement in &self.require {
            head["require"][&requirement.path] = requirement.condition.as_str().into();
        }
        let mut text = toml::to_string(&head).map_err(unsayable)?;
        for stage in &self.stages {
            let mut table = Map::new();
            table.insert("use".into(), stage.kind.name.into());
            if !stage.from.is_empty() {
                table.insert("from".into(), serde_json::json!(stage.from));
            }
            if let Value::Object(config) = without_nulls(stage.stage.resolved(), escape) {
                table.extend(config);
            }
            let stages = serde_json::json!({ "stages": { &stage.id: table } });
            text.push('\n');
            text.push_str(&toml::to_string(&stages).map_err(unsayable)?);
        }
        Ok(text)
    }
}

/// TOML has no null, so those keys are left out; `text` rewrites the strings.
pub(super) fn without_nulls(value: Value, text: fn(String) -> String) -> Value {
    let inside = |value| without_nulls(value, text);
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (k, inside(v)))
            .collect(),
        Value::Array(values) => values.into_iter().map(inside).collect(),
        Value::String(string) => text(string).into(),
        other => other,
    }
}
