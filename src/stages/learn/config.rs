//! The stage as it is configured: what all generators are told, and the table of the one that is chosen.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use toml::Spanned;
use toml::de::DeValue;

use crate::generators::training::{Schedule, check_held_out};
use crate::generators::{GENERATORS, GeneratorKind, Model};
use crate::registry::Name;
use crate::stage::Stage;
use crate::stage::table;

/// Configuration of `learn`, but for the table of the generator.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LearnConfig {
    /// What is trained; see `verismo list generators`. Its own settings stand in a table of its name.
    pub model: Name<GeneratorKind>,
    /// Optimiser steps.
    pub steps: u64,
    /// Pictures a step.
    pub batch: usize,
    /// Learning rate of Adam; it falls to zero in a line over the second half.
    pub rate: f64,
    /// Decay of the averaged weights, which draw, a step.
    pub ema: f64,
    /// Mirror pictures at random. Wrong where left and right matter, as for letters and signs.
    pub flip: bool,
    /// The share of what the pictures were made from that is held out, to see how well others are drawn.
    pub held_out: f64,
    /// Steps between two sheets of examples; 0 draws the last alone.
    pub watch_every: u64,
    /// Minutes between two checkpoints, from which a run that was stopped resumes; 0 for one after every
    /// step. The result is the same, so it is not part of the cache key.
    #[serde(skip_serializing)]
    pub checkpoint_minutes: f64,
}

impl Default for LearnConfig {
    fn default() -> Self {
        LearnConfig {
            model: default_model(),
            steps: 3000,
            batch: 16,
            rate: 4e-4,
            ema: 0.995,
            flip: false,
            held_out: 0.1,
            watch_every: 500,
            checkpoint_minutes: 2.0,
        }
    }
}

impl LearnConfig {
    /// # Errors
    /// What is out of range, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        self.schedule().check(self.batch, self.ema)?;
        check_held_out(self.held_out)
    }

    /// How long it trains.
    pub(super) fn schedule(&self) -> Schedule {
        Schedule {
            steps: self.steps,
            rate: self.rate,
            watch_every: self.watch_every,
            checkpoint_minutes: self.checkpoint_minutes,
        }
    }
}

/// The generator that is trained if none is chosen: the first of the registry.
fn default_model() -> Name<GeneratorKind> {
    Name::all()[0]
}

/// The configured stage.
pub(super) struct Learn {
    pub config: LearnConfig,
    /// The chosen generator with its table.
    pub model: Box<dyn Model>,
}

/// Reads the stage's table, for [`crate::stage::StageKind::parse`].
///
/// # Errors
/// The first key or value that is wrong, where it stands; see [`table::choose`].
pub(super) fn parse(value: Spanned<DeValue>) -> Result<Box<dyn Stage>, toml::de::Error> {
    let mut table = table::open(value)?;
    let (choice, own) = table::choose(&mut table, "model", default_model())?;
    let kind = choice.entry();
    let config = table::rest(table, [kind.name])?;
    let model = (kind.parse)(own)?;
    Ok(Box::new(Learn { config, model }))
}

impl Serialize for Learn {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut resolved = serde_json::to_value(&self.config).map_err(S::Error::custom)?;
        resolved[self.config.model.entry().name] = self.model.resolved();
        resolved.serialize(to)
    }
}

impl JsonSchema for Learn {
    fn schema_name() -> Cow<'static, str> {
        "Learn".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = LearnConfig::json_schema(generator);
        for kind in GENERATORS {
            let table = (kind.schema)(generator);
            let about = format!("Settings of the generator `{}`.", kind.name);
            table::describe(&mut schema, kind.name, table, &about);
        }
        schema
    }
}
