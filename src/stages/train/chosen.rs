//! The stage as it is configured: what all models are told, and the table of the one that is chosen.
//!
//! The table is read by the model's entry in the registry. It alone is part of the resolved
//! configuration, so that a new model changes no cache key of the others.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use toml::Spanned;
use toml::de::DeValue;

use super::config::{TrainConfig, default_model};
use crate::generators::GENERATORS;
use crate::models::{MODELS, Model};
use crate::stage::Stage;
use crate::stage::table::{self, error_at};

/// The configured stage.
pub(super) struct Train {
    pub config: TrainConfig,
    /// The chosen model with its table.
    pub model: Box<dyn Model>,
}

/// Reads the stage's table, for [`crate::stage::StageKind::parse`].
///
/// # Errors
/// The first key or value that is wrong, where it stands; see [`table::choose`].
pub(super) fn parse(value: Spanned<DeValue>) -> Result<Box<dyn Stage>, toml::de::Error> {
    let mut table = table::open(value)?;
    if let Some(value) = table.get_ref().get("model") {
        let name = value.get_ref().as_str().unwrap_or_default();
        if GENERATORS.iter().any(|kind| kind.name == name) {
            let problem = format!(
                "`{name}` is a generator, which draws pictures from nothing\n\
                 help: set `use = \"learn\"`, which trains generators"
            );
            return Err(error_at(value.span(), problem));
        }
    }
    let (choice, own) = table::choose(&mut table, "model", default_model())?;
    let kind = choice.entry();
    let config = table::rest(table, [kind.name])?;
    let model = (kind.parse)(own)?;
    Ok(Box::new(Train { config, model }))
}

impl Serialize for Train {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut resolved = serde_json::to_value(&self.config).map_err(S::Error::custom)?;
        resolved[self.config.model.entry().name] = self.model.resolved();
        resolved.serialize(to)
    }
}

impl JsonSchema for Train {
    fn schema_name() -> Cow<'static, str> {
        "Train".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = TrainConfig::json_schema(generator);
        for kind in MODELS {
            let table = (kind.schema)(generator);
            let about = format!("Settings of the model `{}`.", kind.name);
            table::describe(&mut schema, kind.name, table, &about);
        }
        schema
    }
}
