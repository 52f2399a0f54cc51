//! What a model is to the rest of the program: an entry of the registry with a table of its own, which
//! the entry parses, describes and checks, as the stages' entries do with theirs.

use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use toml::de::ValueDeserializer;

use super::learner::{Learner, Setting};
use super::settings::Shared;
use super::translator::Translator;
use crate::Result;
use crate::nn::device::Chosen;
use crate::sample::mapping::Border;
use crate::sample::{Labels, Mapping};
use crate::stage::Resolved;

/// One entry of the registry of models.
pub struct ModelKind {
    /// What pipeline files call it, and its table.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    pub labels: LabelEffect,
    /// Reads its table; an empty one gives the defaults. See [`parse`].
    pub parse: fn(ValueDeserializer) -> Result<Box<dyn Model>, toml::de::Error>,
    /// Describes its table. See [`schema`].
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    pub load: Load,
}

/// A configured model. Implemented by the struct of its table.
pub trait Model: Resolved + Send + Sync {
    /// Checks what the types of the table cannot: ranges, exclusive options.
    ///
    /// # Errors
    /// What is wrong and the remedy, in words.
    fn check(&self) -> Result<(), String>;

    /// Makes the model, untrained.
    ///
    /// # Errors
    /// If the settings do not fit what it is made for.
    fn create(&self, shared: &Shared, setting: Setting) -> Result<Box<dyn Learner>>;
}

/// What becomes of labels when a model has made another picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelEffect {
    /// They stay true, pixel by pixel.
    Kept,
    /// They stay true once they are scaled to the extent of the new picture.
    Mapped,
    /// The picture was made for them.
    Condition,
    /// Nothing is known of the new picture.
    Lost,
}

impl LabelEffect {
    /// The labels of the new picture; `resized` leads from the old one to it.
    ///
    /// # Errors
    /// If a map cannot be decoded; `name` is whose it is.
    pub fn apply(self, labels: &Labels, resized: &Mapping, name: &str) -> Result<Labels> {
        match self {
            LabelEffect::Kept | LabelEffect::Condition => Ok(labels.clone()),
            LabelEffect::Mapped => labels.map(resized, Border::Replicate, name),
            LabelEffect::Lost => Ok(Labels::default()),
        }
    }
}

/// Loads what [`Learner::save`] wrote, by what the model does.
pub enum Load {
    /// It makes a picture of a picture.
    Translator(fn(&Path, &Chosen) -> Result<Box<dyn Translator>>),
}

/// The parser of a model's table, for [`ModelKind::parse`].
pub fn parse<M: Model + DeserializeOwned + 'static>(
    value: ValueDeserializer,
) -> Result<Box<dyn Model>, toml::de::Error> {
    Ok(Box::new(M::deserialize(value)?))
}

/// Checks the weights of losses, each with its name.
///
/// # Errors
/// If one is below 0 or not finite.
pub fn check_weights(weights: &[(&str, f64)]) -> Result<(), String> {
    let wrong = |weight: f64| !weight.is_finite() || weight < 0.0;
    match weights.iter().find(|(_, weight)| wrong(*weight)) {
        Some((name, _)) => Err(format!("`{name}` must be at least 0")),
        None => Ok(()),
    }
}

/// The schema of a model's table, for [`ModelKind::schema`].
pub fn schema<M: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<M>()
}
