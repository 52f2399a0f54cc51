//! Reads and checks a pipeline file.
//!
//! Every mistake in the file is found here, before any work, with its line and column.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::mistakes::explain;
use super::positions::Positions;
use super::source::Source;
use super::spec::Spec;
use super::tables::Tables;
use super::{foresee, matrix, require, variables, wiring};
use crate::Result;
use crate::artifact::files::{FOLDER_NAME, is_folder_name};
use crate::stage::StageKind;

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
    // Read elsewhere; listed here so that they are known keys.
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
    /// Reads a pipeline file; `sets` are the `--set` arguments. Ignores its `[matrix]`.
    ///
    /// # Errors
    /// The first mistake, with its position and a remedy.
    pub fn read(file: &Path, sets: &[String], registry: &'static [StageKind]) -> Result<Self> {
        Spec::from_source(Source::read(file, sets)?, registry)
    }

    /// Like [`Spec::read`], from a string; messages call it `file`.
    ///
    /// # Errors
    /// The first mistake, with its position and a remedy.
    pub fn parse(
        file: &Path,
        text: &str,
        sets: &[String],
        registry: &'static [StageKind],
    ) -> Result<Self> {
        Spec::from_source(Source::new(file, text.to_owned(), sets)?, registry)
    }

    /// Reads a pipeline file once for every point of its `[matrix]`; once if it has none.
    ///
    /// # Errors
    /// The first mistake at any point, with its position and a remedy.
    pub fn read_points(
        file: &Path,
        sets: &[String],
        registry: &'static [StageKind],
    ) -> Result<Vec<Self>> {
        Spec::points_from(Source::read(file, sets)?, registry)
    }

    pub(super) fn points_from(source: Source, registry: &'static [StageKind]) -> Result<Vec<Self>> {
        let source = Arc::new(source);
        let mut table = source.table()?;
        let axes = matrix::axes(&source, &mut table)?;
        let read = |(settings, table)| {
            let mut spec = Spec::from_table(&source, table, registry)?;
            spec.point = settings;
            Ok(spec)
        };
        let points = matrix::points(&source, &table, &axes)?;
        points.into_iter().map(read).collect()
    }

    fn from_source(source: Source, registry: &'static [StageKind]) -> Result<Self> {
        let source = Arc::new(source);
        let mut table = source.table()?;
        table.remove("matrix");
        Spec::from_table(&source, table, registry)
    }

    fn from_table(
        source: &Arc<Source>,
        mut table: DeTable,
        registry: &'static [StageKind],
    ) -> Result<Self> {
        variables::substitute(source, &mut table)?;
        let head = read_head(source, &table)?;
        let tables = Tables::new(source, &table, registry)?;
        let mut stages = Vec::new();
        for id in &tables.ids {
            stages.push(tables.stage(id)?);
        }
        wiring::check(source, &stages)?;
        let mut stages = wiring::in_order(source, stages)?;
        foresee::foresee(&mut stages);
        Ok(Spec {
            file: source.file().to_path_buf(),
            name: head.name.unwrap_or_default(),
            seed: head.seed,
            part_size: head.part_size,
            require: require::read(source, &table, &tables.ids)?,
            keep: head.keep,
            point: Vec::new(),
            stages,
            source: source.clone(),
        })
    }
}

fn read_head(source: &Source, table: &DeTable) -> Result<Head> {
    let whole = Spanned::new(0..0, DeValue::Table(table.clone()));
    let mut head = Head::deserialize(ValueDeserializer::from(whole))
        .map_err(|e| explain(source, &e, "the pipeline", &Positions::of(table), &[], 0..0))?;
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
            format!("`{name}` is not a valid folder name"),
            format!("`name`: {FOLDER_NAME}"),
        ));
    }
    head.name = Some(name);
    Ok(head)
}
