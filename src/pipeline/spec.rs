//! A pipeline file, read and checked: which stages, how they are configured, who reads whom.
//!
//! Everything wrong in the file is found here, before any work, with line and column.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::source::Source;
use super::suggest;
use crate::artifact::Kind;
use crate::stage::{Input, Stage, StageKind};
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
    from_span: Range<usize>,
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
    #[serde(default)]
    stages: BTreeMap<String, serde::de::IgnoredAny>,
}

fn default_seed() -> u64 {
    1
}

fn default_part_size() -> usize {
    256
}

/// The keys of a stage that belong to the pipeline, not to the stage's configuration.
const WIRING: [&str; 3] = ["use", "from", "like"];

impl Spec {
    /// Reads a pipeline file, `sets` being the `--set` arguments.
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

    fn from_source(source: &Source, registry: &'static [StageKind]) -> Result<Self> {
        let table = source.table()?;
        let head = read_head(source, &table)?;
        let reader = Reader::new(source, &table, registry)?;
        let mut stages = Vec::new();
        for id in &reader.ids {
            stages.push(reader.stage(id)?);
        }
        reader.check_wiring(&stages)?;
        Ok(Spec {
            file: source.file().to_path_buf(),
            name: head.name.unwrap_or_default(),
            seed: head.seed,
            part_size: head.part_size,
            stages: in_order(source, stages)?,
        })
    }

    /// The stage with this id.
    pub fn stage(&self, id: &str) -> Option<&StageSpec> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    /// The pipeline as TOML with every default filled in.
    ///
    /// # Errors
    /// Where a configuration holds what TOML cannot say.
    pub fn resolved_toml(&self) -> Result<String> {
        let unsayable = |e: toml::ser::Error| {
            Error::failed(
                self.file.display(),
                format!("cannot be written with its defaults: {e}"),
                "use smaller numbers in the pipeline file",
            )
        };
        let head = serde_json::json!({
            "name": self.name, "seed": self.seed, "part_size": self.part_size,
        });
        let mut text = toml::to_string(&head).map_err(unsayable)?;
        for stage in &self.stages {
            let mut table = Map::new();
            table.insert("use".into(), stage.kind.name.into());
            if !stage.from.is_empty() {
                table.insert("from".into(), serde_json::json!(stage.from));
            }
            if let Value::Object(config) = without_nulls(stage.stage.resolved()) {
                table.extend(config);
            }
            let stages = serde_json::json!({ "stages": { &stage.id: table } });
            text.push('\n');
            text.push_str(&toml::to_string(&stages).map_err(unsayable)?);
        }
        Ok(text)
    }
}

/// TOML has no null: an absent key says the same.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (k, without_nulls(v)))
            .collect(),
        Value::Array(values) => values.into_iter().map(without_nulls).collect(),
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

/// The stages' tables on their way to [`StageSpec`]s.
struct Reader<'a> {
    source: &'a Source,
    registry: &'static [StageKind],
    /// In the order of the file.
    ids: Vec<&'a str>,
    tables: BTreeMap<&'a str, (Range<usize>, &'a DeTable<'a>)>,
}

impl<'a> Reader<'a> {
    fn new(
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
                    format!("`stages.{id}` is no table"),
                    format!("write `[stages.{id}]` and its settings below"),
                ));
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
                return Err(source.error(
                    key.span(),
                    format!("`{id}` cannot be the id of a stage"),
                    "use up to 64 letters, digits, `-` and `_`",
                ));
            }
            tables.insert(id, (key.span(), stage));
        }
        let mut ids: Vec<&str> = tables.keys().copied().collect();
        ids.sort_by_key(|id| tables[id].0.start);
        Ok(Reader {
            source,
            registry,
            ids,
            tables,
        })
    }

    fn stage(&self, id: &str) -> Result<StageSpec> {
        let (span, table) = &self.tables[id];
        let kind = self.kind(id)?;
        let config = self.config(id, kind, &mut Vec::new())?;
        let keys: Vec<Range<usize>> = config.keys().map(Spanned::span).collect();
        let value = Spanned::new(span.clone(), DeValue::Table(config));
        let subject = format!("stage `{id}`");
        let stage = (kind.parse)(ValueDeserializer::from(value))
            .map_err(|e| explain(self.source, &e, &subject, &keys, span.clone()))?;
        stage.check().map_err(|problem| {
            self.source.error(
                span.clone(),
                format!("stage `{id}`: {problem}"),
                format!("correct the settings of `[stages.{id}]`"),
            )
        })?;
        Ok(StageSpec {
            id: id.to_owned(),
            kind,
            from: self.from(id, kind)?,
            like: self.string(id, "like")?.map(|(like, _)| like.to_owned()),
            stage,
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
                    format!("`{key}` of stage `{id}` is no string"),
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
                let own_id = "; a stage with an id of its own says which it is: `use = \"STAGE\"`";
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
                format!("`like` goes round: {} -> {like}", above.join(" -> ")),
                "take out one of these `like`",
            ));
        }
        if self.kind(like)?.name != kind.name {
            return Err(self.source.error(
                span,
                format!("`{id}` cannot be like `{like}`, which is another kind of stage"),
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
                format!("`from` of stage `{id}` is no table"),
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
                    format!("the input `{}` of stage `{id}` is no string", input.role),
                    "name one stage by its id",
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

    /// Every required role is given, and every input is of the kind its role reads.
    fn check_wiring(&self, stages: &[StageSpec]) -> Result<()> {
        let giving = |kind: Kind| {
            let ids = stages.iter().filter(|s| s.kind.output == kind);
            let ids: Vec<&str> = ids.map(|s| s.id.as_str()).collect();
            match &ids[..] {
                [] => format!("no stage here gives {}", noun(kind)),
                _ => format!("stages that give {}: {}", noun(kind), ids.join(", ")),
            }
        };
        for stage in stages {
            for Input {
                role,
                kind,
                optional,
                about,
            } in stage.kind.inputs
            {
                let Some(target) = stage.from.get(role) else {
                    if *optional {
                        continue;
                    }
                    return Err(self.source.error(
                        self.tables[stage.id.as_str()].0.clone(),
                        format!("stage `{}` needs an input `{role}`: {about}", stage.id),
                        format!("add `from = {{ {role} = \"ID\" }}`; {}", giving(*kind)),
                    ));
                };
                let given = stages.iter().find(|s| s.id == *target);
                if let Some(given) = given.filter(|g| g.kind.output != *kind) {
                    return Err(self.source.error(
                        stage.from_span.clone(),
                        format!(
                            "`{role}` of stage `{}` reads {}, but `{target}` gives {}",
                            stage.id,
                            noun(*kind),
                            noun(given.kind.output)
                        ),
                        giving(*kind),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// What an artifact of a kind is called in messages.
fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Samples => "samples",
        Kind::Checkpoint => "a checkpoint",
        Kind::Dataset => "a dataset",
        Kind::Metrics => "measurements",
    }
}

/// Lays `over` on `base`: tables key by key, anything else as a whole.
fn overlay<'a>(base: &mut DeTable<'a>, over: DeTable<'a>) {
    for (key, value) in over {
        let name = key.get_ref().to_string();
        if let DeValue::Table(inner) = value.get_ref()
            && let Some(DeValue::Table(under)) = base.get_mut(name.as_str()).map(Spanned::get_mut)
        {
            overlay(under, inner.clone());
            continue;
        }
        // An equal key would keep the place of the old one.
        base.remove(name.as_str());
        base.insert(key, value);
    }
}

/// Stages after those they read; in the file's order among the ready.
fn in_order(source: &Source, mut waiting: Vec<StageSpec>) -> Result<Vec<StageSpec>> {
    let mut ordered: Vec<StageSpec> = Vec::new();
    let mut done = BTreeSet::new();
    while !waiting.is_empty() {
        let ready = |stage: &StageSpec| stage.from.values().all(|id| done.contains(id));
        let Some(next) = waiting.iter().position(ready) else {
            return Err(cycle(source, &waiting));
        };
        let stage = waiting.remove(next);
        done.insert(stage.id.clone());
        ordered.push(stage);
    }
    Ok(ordered)
}

/// The error for stages that read each other; every one of `waiting` reads another of them.
fn cycle(source: &Source, waiting: &[StageSpec]) -> Error {
    let find = |id: &str| waiting.iter().find(|stage| stage.id == id);
    let mut path: Vec<&StageSpec> = Vec::new();
    let mut next = waiting.first();
    while let Some(stage) = next {
        if let Some(start) = path.iter().position(|seen| seen.id == stage.id) {
            path.drain(..start);
            path.push(stage);
            break;
        }
        path.push(stage);
        next = stage.from.values().find_map(|id| find(id));
    }
    let ids: Vec<&str> = path.iter().map(|stage| stage.id.as_str()).collect();
    source.error(
        path.first().map_or(0..0, |stage| stage.from_span.clone()),
        format!(
            "the stages read each other in a circle: {}",
            ids.join(" <- ")
        ),
        "let one of them read a stage outside the circle",
    )
}

/// A parse error of serde in our words: what is unknown, and what is known.
fn explain(
    source: &Source,
    error: &toml::de::Error,
    subject: &str,
    top_keys: &[Range<usize>],
    fallback: Range<usize>,
) -> Error {
    let span = error.span().unwrap_or(fallback);
    let message = error.message().lines().collect::<Vec<_>>().join("; ");
    // "unknown field `a`, expected one of `b`, `c`": every second piece between backticks is a name.
    let mut words = message.split(['`', ' ']);
    if let (Some("unknown"), Some(what)) = (words.next(), words.next()) {
        let mut names = message.split('`').skip(1).step_by(2);
        let name = names.next().unwrap_or_default().to_owned();
        let mut known: Vec<&str> = names.collect();
        let what = match what {
            "field" => "key",
            "variant" => "value",
            other => other,
        };
        if top_keys.contains(&span) {
            known.extend(WIRING);
        }
        return source.error(
            span,
            format!("{subject} has an unknown {what} `{name}`"),
            suggest::remedy(&name, "known", &known),
        );
    }
    source.error(
        span,
        format!("{subject}: {message}"),
        "`verismo schema` prints every key with its type; `verismo new NAME` shows examples",
    )
}
