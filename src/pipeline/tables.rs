//! From the tables of a pipeline file to configured stages.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistakes::{explain, surplus};
use super::positions::Positions;
use super::source::{Source, overlay};
use super::spec::{StageSpec, WIRING};
use super::suggest;
use crate::stage::{Facts, StageKind};
use crate::{Error, Result};

/// The stages' tables before they become [`StageSpec`]s.
pub(super) struct Tables<'a> {
    source: &'a Source,
    registry: &'static [StageKind],
    /// In the order of the file.
    pub ids: Vec<&'a str>,
    tables: BTreeMap<&'a str, (Range<usize>, &'a DeTable<'a>)>,
}

impl<'a> Tables<'a> {
    /// # Errors
    /// If a stage is not a table, or its id is not a valid folder name.
    pub(super) fn new(
        source: &'a Source,
        table: &'a DeTable<'a>,
        registry: &'static [StageKind],
    ) -> Result<Self> {
        let mut tables = BTreeMap::new();
        let stages = table.get("stages").and_then(|s| s.get_ref().as_table());
        for (key, value) in stages.into_iter().flatten() {
            let id: &str = key.get_ref();
            let Some(stage) = value.get_ref().as_table() else {
                return Err(source.error(
                    value.span(),
                    format!("`stages.{id}` is not a table"),
                    format!("write `[stages.{id}]` and its settings below"),
                ));
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
                return Err(source.error(
                    key.span(),
                    format!("`{id}` is not a valid stage id"),
                    "use up to 64 letters, digits, `-` and `_`",
                ));
            }
            tables.insert(id, (key.span(), stage));
        }
        let mut ids: Vec<&str> = tables.keys().copied().collect();
        ids.sort_by_key(|id| tables[id].0.start);
        Ok(Tables {
            source,
            registry,
            ids,
            tables,
        })
    }

    /// Configures the stage `id`, one of [`Tables::ids`].
    ///
    /// # Errors
    /// The first mistake, with its position.
    pub(super) fn stage(&self, id: &str) -> Result<StageSpec> {
        let (span, table) = &self.tables[id];
        let kind = self.kind(id)?;
        let config = self.config(id, kind, &mut Vec::new())?;
        let keys: Vec<Range<usize>> = config.keys().map(Spanned::span).collect();
        let positions = Positions::of(&config);
        let value = Spanned::new(span.clone(), DeValue::Table(config));
        let subject = format!("stage `{id}`");
        let stage = (kind.parse)(value.clone())
            .map_err(|e| explain(self.source, &e, &subject, &positions, &keys, span.clone()))?;
        if let Some((span, read)) = surplus(&value, &stage.resolved()) {
            let (key, _) = positions.around(&span).unwrap_or(("a list", false));
            return Err(self.source.error(
                span,
                format!("{subject}: `{key}` has more than {read} values"),
                "take out those from here on, which would not be read",
            ));
        }
        stage.check().map_err(|problem| {
            self.source.error(
                positions.first_named(&problem).unwrap_or(span.clone()),
                format!("stage `{id}`: {problem}"),
                format!("fix the settings of `[stages.{id}]`"),
            )
        })?;
        Ok(StageSpec {
            id: id.to_owned(),
            kind,
            from: self.from(id, kind)?,
            like: self.string(id, "like")?.map(|(like, _)| like.to_owned()),
            stage,
            facts: Facts::default(),
            misfit: None,
            positions,
            span: span.clone(),
            from_span: table.get("from").map_or(span.clone(), Spanned::span),
        })
    }

    /// A wiring key that must be a string.
    fn string(&self, id: &str, key: &str) -> Result<Option<(&'a str, Range<usize>)>> {
        match self.tables[id].1.get(key) {
            None => Ok(None),
            Some(value) => match value.get_ref().as_str() {
                Some(text) => Ok(Some((text, value.span()))),
                None => Err(self.source.error(
                    value.span(),
                    format!("`{key}` of stage `{id}` is not a string"),
                    format!("write `{key} = \"…\"`"),
                )),
            },
        }
    }

    fn kind(&self, id: &str) -> Result<&'static StageKind> {
        let used = self.string(id, "use")?;
        let (name, span) = used.unwrap_or_else(|| (id, self.tables[id].0.clone()));
        self.registry
            .iter()
            .find(|k| k.name == name)
            .ok_or_else(|| {
                let known: Vec<&str> = self.registry.iter().map(|k| k.name).collect();
                let own_id = "; a stage with its own id names its kind: `use = \"STAGE\"`";
                self.source.error(
                    span,
                    format!("there is no stage `{name}`"),
                    suggest::remedy(name, "stages", &known) + own_id,
                )
            })
    }

    /// The stage's own settings over those of the stages it is `like`.
    fn config(&self, id: &str, kind: &StageKind, above: &mut Vec<String>) -> Result<DeTable<'a>> {
        let mut own = self.tables[id].1.clone();
        WIRING.iter().for_each(|key| drop(own.remove(*key)));
        let Some((like, span)) = self.string(id, "like")? else {
            return Ok(own);
        };
        above.push(id.to_owned());
        if !self.tables.contains_key(like) {
            return Err(self.unknown_id(like, span));
        }
        if above.iter().any(|seen| seen == like) {
            return Err(self.source.error(
                span,
                format!("`like` forms a cycle: {} -> {like}", above.join(" -> ")),
                "remove one of these `like`",
            ));
        }
        if self.kind(like)?.name != kind.name {
            return Err(self.source.error(
                span,
                format!("`{id}` cannot be like `{like}`, which is a different kind of stage"),
                format!("name a stage with `use = \"{}\"`", kind.name),
            ));
        }
        let mut merged = self.config(like, kind, above)?;
        overlay(&mut merged, own);
        Ok(merged)
    }

    fn from(&self, id: &str, kind: &'static StageKind) -> Result<BTreeMap<&'static str, String>> {
        let mut from = BTreeMap::new();
        let Some(value) = self.tables[id].1.get("from") else {
            return Ok(from);
        };
        let roles: Vec<&str> = kind.inputs.iter().map(|i| i.role).collect();
        let Some(wires) = value.get_ref().as_table() else {
            return Err(self.source.error(
                value.span(),
                format!("`from` of stage `{id}` is not a table"),
                format!(
                    "write `from = {{ ROLE = \"ID\" }}`; roles: {}",
                    roles.join(", ")
                ),
            ));
        };
        for (role, target) in wires {
            let Some(input) = kind.inputs.iter().find(|i| i.role == role.get_ref()) else {
                return Err(self.source.error(
                    role.span(),
                    format!(
                        "stage `{}` reads nothing as `{}`",
                        kind.name,
                        role.get_ref()
                    ),
                    suggest::remedy(role.get_ref(), "roles", &roles),
                ));
            };
            let Some(target_id) = target.get_ref().as_str() else {
                return Err(self.source.error(
                    target.span(),
                    format!("the input `{}` of stage `{id}` is not a string", input.role),
                    "give the id of one stage",
                ));
            };
            if !self.tables.contains_key(target_id) {
                return Err(self.unknown_id(target_id, target.span()));
            }
            from.insert(input.role, target_id.to_owned());
        }
        Ok(from)
    }

    fn unknown_id(&self, id: &str, span: Range<usize>) -> Error {
        self.source.error(
            span,
            format!("the pipeline has no stage with the id `{id}`"),
            suggest::remedy(id, "ids", &self.ids),
        )
    }
}
