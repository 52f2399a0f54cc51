//! A pipeline file, read and checked: which stages, how they are configured, who reads whom.
//!
//! Everything wrong in the file is found here, before any work, with line and column.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::matrix::{self, Setting};
use super::reader::{Reader, explain};
use super::require::{self, Requirement};
use super::source::Source;
use super::{variables, wiring};
use crate::stage::{Stage, StageKind};
use crate::{Error, Result};

/// A checked pipeline.
pub struct Spec {
    pub file: PathBuf,
    pub name: String,
    pub seed: u64,
    /// Samples a part.
    pub part_size: usize,
    /// In an order of execution: after the stages they read; in the file's order otherwise.
    pub stages: Vec<StageSpec>,
    /// What must hold for a dataset to be published.
    pub require: Vec<Requirement>,
    /// Versions of a dataset to keep; all unless given.
    pub keep: Option<usize>,
    /// The settings by which this point of a `[matrix]` differs from the others.
    pub point: Vec<Setting>,
}

/// One stage of a pipeline.
pub struct StageSpec {
    pub id: String,
    pub kind: &'static StageKind,
    /// Role to stage id.
    pub from: BTreeMap<&'static str, String>,
    /// The stage whose settings are the defaults of this one.
    pub like: Option<String>,
    pub stage: Box<dyn Stage>,
    /// Where its table begins in the file.
    pub(super) span: Range<usize>,
    /// Where its `from` stands.
    pub(super) from_span: Range<usize>,
}

/// The keys of a pipeline file outside its stages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    name: Option<String>,
    #[serde(default = "default_seed")]
    seed: u64,
    #[serde(default = "default_part_size")]
    part_size: usize,
    keep: Option<usize>,
    #[serde(default)]
    stages: BTreeMap<String, IgnoredAny>,
    // Read elsewhere; here so that they are known keys.
    #[serde(rename = "extends")]
    _extends: Option<IgnoredAny>,
    #[serde(rename = "variables")]
    _variables: Option<IgnoredAny>,
    #[serde(rename = "require")]
    _require: Option<IgnoredAny>,
    #[serde(rename = "matrix")]
    _matrix: Option<IgnoredAny>,
}

fn default_seed() -> u64 {
    1
}

fn default_part_size() -> usize {
    256
}

impl Spec {
    /// Reads a pipeline file, `sets` being the `--set` arguments; its `[matrix]` is left aside.
    ///
    /// # Errors
    /// The first thing that is wrong, where it stands and the remedy.
    pub fn read(file: &Path, sets: &[String], registry: &'static [StageKind]) -> Result<Self> {
        Spec::from_source(&Source::read(file, sets)?, registry)
    }

    /// From a text in memory; `file` is what messages call it.
    ///
    /// # Errors
    /// The first thing that is wrong, where it stands and the remedy.
    pub fn parse(
        file: &Path,
        text: &str,
        sets: &[String],
        registry: &'static [StageKind],
    ) -> Result<Self> {
        Spec::from_source(&Source::new(file, text.to_owned(), sets)?, registry)
    }

    /// Reads a pipeline file once for every point of its `[matrix]`; once if it has none.
    ///
    /// # Errors
    /// The first thing that is wrong with any point, where it stands and the remedy.
    pub fn read_points(
        file: &Path,
        sets: &[String],
        registry: &'static [StageKind],
    ) -> Result<Vec<Self>> {
        Spec::points_from(&Source::read(file, sets)?, registry)
    }

    pub(super) fn points_from(
        source: &Source,
        registry: &'static [StageKind],
    ) -> Result<Vec<Self>> {
        let mut table = source.table()?;
        let axes = matrix::axes(source, &mut table)?;
        let read = |(settings, table)| {
            let mut spec = Spec::from_table(source, table, registry)?;
            spec.point = settings;
            Ok(spec)
        };
        let points = matrix::points(source, &table, &axes)?;
        points.into_iter().map(read).collect()
    }

    fn from_source(source: &Source, registry: &'static [StageKind]) -> Result<Self> {
        let mut table = source.table()?;
        table.remove("matrix");
        Spec::from_table(source, table, registry)
    }

    fn from_table(
        source: &Source,
        mut table: DeTable,
        registry: &'static [StageKind],
    ) -> Result<Self> {
        variables::substitute(source, &mut table)?;
        let head = read_head(source, &table)?;
        let reader = Reader::new(source, &table, registry)?;
        let mut stages = Vec::new();
        for id in &reader.ids {
            stages.push(reader.stage(id)?);
        }
        wiring::check(source, &stages)?;
        Ok(Spec {
            file: source.file().to_path_buf(),
            name: head.name.unwrap_or_default(),
            seed: head.seed,
            part_size: head.part_size,
            require: require::read(source, &table, &reader.ids)?,
            keep: head.keep,
            point: Vec::new(),
            stages: wiring::in_order(source, stages)?,
        })
    }

    /// The stage with this id.
    pub fn stage(&self, id: &str) -> Option<&StageSpec> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    /// Takes out every stage that the stage `id` does not follow from.
    pub fn keep_up_to(&mut self, id: &str) {
        let mut needed = std::collections::BTreeSet::from([id.to_owned()]);
        // Backwards, a stage comes before those that it reads.
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
    /// Where a configuration holds what TOML cannot say.
    pub fn resolved_toml(&self) -> Result<String> {
        // In a pipeline file `${` is a variable.
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

/// TOML has no null, an absent key says the same; `text` rewrites the strings.
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

fn read_head(source: &Source, table: &DeTable) -> Result<Head> {
    let whole = Spanned::new(0..0, DeValue::Table(table.clone()));
    let mut head = Head::deserialize(ValueDeserializer::from(whole))
        .map_err(|e| explain(source, &e, "the pipeline", &[], 0..0))?;
    if head.stages.is_empty() {
        return Err(source.error(
            0..0,
            "the pipeline has no stages",
            "add a table `[stages.ID]`; `verismo new NAME` writes a pipeline to start from",
        ));
    }
    if head.part_size == 0 {
        let span = table.get("part_size").map_or(0..0, Spanned::span);
        return Err(source.error(span, "`part_size` is 0", "give at least 1; 256 is usual"));
    }
    if head.keep == Some(0) {
        let span = table.get("keep").map_or(0..0, Spanned::span);
        let remedy = "give at least 1, or leave it out to keep every version";
        return Err(source.error(span, "`keep` is 0", remedy));
    }
    let stem = source.file().file_stem().unwrap_or_default();
    let name = head
        .name
        .take()
        .unwrap_or_else(|| stem.to_string_lossy().into_owned());
    if !is_folder_name(&name) {
        let span = table.get("name").map_or(0..0, Spanned::span);
        return Err(source.error(
            span,
            format!("`{name}` cannot be the name of a folder"),
            "use letters, digits, `-`, `_` and inner dots for `name`",
        ));
    }
    head.name = Some(name);
    Ok(head)
}

/// Whether a name is one plain, visible folder name on every system.
pub fn is_folder_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && !name.starts_with('.')
        && !name.ends_with('.')
        && name != "latest"
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
