//! The stage as it is configured: what all models are told, and the table of the one that is chosen.
//!
//! The table is read by the model's entry in the registry. It alone is part of the resolved
//! configuration, so that a new model changes no cache key of the others.

use std::borrow::Cow;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::config::{TrainConfig, default_model};
use crate::models::{MODELS, Model, ModelKind};
use crate::registry::Name;
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
/// The first key or value that is wrong, where it stands. So is the table of a model that is not the
/// chosen one, unless it stands before the choice: a file that extends another, `like`, `--set` and
/// `[matrix]` may choose another model than the tables that they find were written for.
pub(super) fn parse(value: Spanned<DeValue>) -> Result<Box<dyn Stage>, toml::de::Error> {
    let mut table = table::open(value)?;
    let (choice, chosen_at) = match table.get_ref().get("model") {
        Some(value) => {
            let choice = Name::<ModelKind>::deserialize(ValueDeserializer::from(value.clone()));
            let unknown = |e: toml::de::Error| error_at(value.span(), e.message().to_owned());
            (choice.map_err(unknown)?, value.span().start)
        }
        None => (default_model(), 0),
    };
    let kind = choice.entry();
    for other in MODELS.iter().filter(|other| other.name != kind.name) {
        if let Some((key, value)) = table.get_mut().remove_entry(other.name) {
            if latest(&key, &value) > chosen_at {
                return Err(of_another(key.span(), other, kind));
            }
            (other.parse)(value.into())?;
        }
    }
    let own = table::take(&mut table, kind.name);
    let config = table::rest(table, [kind.name])?;
    let model = (kind.parse)(own)?;
    Ok(Box::new(Train { config, model }))
}

/// Where the last of what a table holds was written.
fn latest(key: &Spanned<Cow<str>>, value: &Spanned<DeValue>) -> usize {
    let inner = value.get_ref().as_table().into_iter().flatten();
    let places = inner.map(|(key, _)| key.span().start);
    places.chain([key.span().start]).max().unwrap_or_default()
}

fn of_another(span: Range<usize>, other: &ModelKind, chosen: &ModelKind) -> toml::de::Error {
    let (other, chosen) = (other.name, chosen.name);
    error_at(
        span,
        format!(
            "`{other}` is the table of another model than `{chosen}`, which is trained\n\
             help: set `model = \"{other}\"`, or write the settings of `{chosen}` into a table of \
             that name"
        ),
    )
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
