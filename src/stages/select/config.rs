//! What `select` can be told: its own settings, and a range for each measure that is to be looked at.

use std::borrow::Cow;

use glob::Pattern;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::appearance::features::{FEATURES, Feature};
use crate::sample::{Domain, Sample};
use crate::stage::{Stage, table};

/// The configured stage.
pub(super) struct Select {
    pub config: SelectConfig,
    /// The measures that have a range, in the order of [`FEATURES`].
    pub ranges: Vec<(&'static Feature, [f64; 2])>,
    /// Those of the configuration, to match with.
    patterns: Vec<Pattern>,
}

/// Configuration of `select`, but for the ranges.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SelectConfig {
    /// What the ranges are of.
    pub by: By,
    /// Classes, or pseudo labels, of the samples to take; empty for any.
    pub class: Vec<String>,
    /// What the samples to take are: `render`, `photo` or `translated`; empty for any.
    pub domain: Vec<Domain>,
    /// Patterns of the file that a sample was made from, such as `*night*`; one has to fit. Empty for any.
    pub source: Vec<String>,
}

/// What a range is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    /// What was measured, both ends included.
    #[default]
    Value,
    /// The place among all that is measured, from 0 for the least to 1 for the most: `[0.0, 0.2]` is the lowest
    /// fifth. Ranges that meet have nothing in common.
    Rank,
}

/// Reads the stage's table, for [`crate::stage::StageKind::parse`].
///
/// # Errors
/// The first key or value that is wrong, where it stands.
pub(super) fn parse(value: Spanned<DeValue>) -> Result<Box<dyn Stage>, toml::de::Error> {
    let mut table = table::open(value)?;
    let (mut ranges, mut patterns) = (Vec::new(), Vec::new());
    for feature in FEATURES {
        if let Some(range) = table.get_mut().remove(feature.name) {
            ranges.push((
                feature,
                Deserialize::deserialize(ValueDeserializer::from(range))?,
            ));
        }
    }
    let sources = table.get_ref().get("source").map(Spanned::span);
    let config: SelectConfig = table::rest(table, FEATURES.iter().map(|feature| feature.name))?;
    for text in &config.source {
        let pattern = Pattern::new(text).map_err(|e| {
            table::error_at(
                sources.clone().unwrap_or_default(),
                format!("`{text}` is not a pattern: {e}"),
            )
        })?;
        patterns.push(pattern);
    }
    Ok(Box::new(Select {
        config,
        ranges,
        patterns,
    }))
}

impl Select {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// The condition that is wrong, and the remedy.
    pub(super) fn check_conditions(&self) -> Result<(), String> {
        let config = &self.config;
        let lists = [config.class.len(), config.domain.len(), config.source.len()];
        if self.ranges.is_empty() && lists == [0; 3] {
            return Err(
                "takes every sample: write a range such as `brightness = [0.0, 0.3]`, or `class`, `domain` or `source`"
                    .into(),
            );
        }
        if config.by == By::Rank && self.ranges.is_empty() {
            return Err(
                "`by` says what ranges are of, and there are no ranges; add one or remove `by`"
                    .into(),
            );
        }
        for (feature, [low, high]) in &self.ranges {
            let name = feature.name;
            if !(low.is_finite() && high.is_finite() && low < high) {
                return Err(format!(
                    "`{name}` is [LEAST, MOST], and holds nothing unless LEAST is below MOST"
                ));
            }
            if config.by == By::Rank && (*low < 0.0 || *high > 1.0) {
                return Err(format!(
                    "`{name}` is a range of ranks, 0..1: the lowest fifth is [0.0, 0.2], the highest [0.8, 1.0]"
                ));
            }
        }
        Ok(())
    }

    /// Whether a sample meets all conditions but the ranges.
    pub(super) fn matches(&self, sample: &Sample) -> bool {
        let config = &self.config;
        let class = sample.labels.class.as_ref();
        let is_of_class = || class.is_some_and(|class| config.class.contains(class));
        // Of a crop, the number of its row follows the name of its file.
        let source = sample.provenance.source.as_str();
        let file = source.rsplit_once('#').map_or(source, |(file, _)| file);
        let fits = |pattern: &Pattern| pattern.matches(source) || pattern.matches(file);
        (config.class.is_empty() || is_of_class())
            && (config.domain.is_empty() || config.domain.contains(&sample.provenance.domain))
            && (self.patterns.is_empty() || self.patterns.iter().any(fits))
    }

    /// The conditions but the ranges, in words; empty if there is none.
    pub(super) fn words(&self) -> String {
        let config = &self.config;
        let domains: Vec<&str> = config.domain.iter().map(|domain| domain.name()).collect();
        let lists = [
            ("class", config.class.join(" or ")),
            ("domain", domains.join(" or ")),
            ("source", config.source.join(" or ")),
        ];
        let given = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let given: Vec<String> = given.map(|(name, list)| format!("{name} {list}")).collect();
        given.join(", ")
    }
}

impl Serialize for Select {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut resolved = serde_json::to_value(&self.config).map_err(S::Error::custom)?;
        // Only those that are given, so that a new measure changes no key.
        for (feature, range) in &self.ranges {
            resolved[feature.name] = (*range).into();
        }
        resolved.serialize(to)
    }
}

impl JsonSchema for Select {
    fn schema_name() -> Cow<'static, str> {
        "Select".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = SelectConfig::json_schema(generator);
        for feature in FEATURES {
            let range = json_schema!({
                "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2
            });
            let about = format!("Least and most: {}.", feature.about);
            table::describe(&mut schema, feature.name, range, &about);
        }
        schema
    }
}
