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
use crate::sample::maps::MapKind;
use crate::sample::{Extent, Labels, Mapping};
use crate::stage::Resolved;

/// One entry of the registry of models.
pub struct ModelKind {
    /// What pipeline files call it, and its table.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    /// What its translations mean for the labels of the renders.
    pub labels: LabelEffect,
    /// The maps of the renders that it reads, as far as they have them.
    pub maps: &'static [MapKind],
    /// Reads its table; an empty one gives the defaults. See [`parse`].
    pub parse: fn(ValueDeserializer) -> Result<Box<dyn Model>, toml::de::Error>,
    /// Describes its table. See [`schema`].
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Loads what [`Learner::save`] wrote.
    pub load: fn(&Path, &Chosen) -> Result<Box<dyn Translator>>,
}

/// A configured model. Implemented by the struct of its table.
pub trait Model: Resolved + Send + Sync {
    /// Checks what the types of the table cannot: ranges, exclusive options.
    ///
    /// # Errors
    /// What is wrong and the remedy, in words.
    fn check(&self) -> Result<(), String>;

    /// Checks whether its networks can read whole pictures of the extent `whole`, which they translate,
    /// and pictures of `seen`, on which they train. By default these are the shared generator and
    /// discriminator.
    ///
    /// # Errors
    /// What cannot be read and which setting to change, in words.
    fn check_extents(&self, shared: &Shared, whole: Extent, seen: Extent) -> Result<(), String> {
        shared.generator.check_size(whole)?;
        shared.generator.check_size(seen)?;
        shared.discriminator.check_size(seen)
    }

    /// How many times as wide and high its translations are as the renders: 1 for models that keep the size. Others
    /// learn from photos made so much smaller.
    fn enlargement(&self) -> u32 {
        1
    }

    /// Whether it reads where objects are: in renders by their labels, which then come with its maps as
    /// [`crate::sample::maps::objects::MAP`], in photos by the task network, without which it cannot be made.
    fn reads_objects(&self) -> bool {
        false
    }

    /// Which of its settings to change if translations of different renders are nearly alike; empty if
    /// none would help.
    fn against_collapse(&self) -> &'static str {
        ""
    }

    /// Which of its settings to change if translations are dark where renders are bright; empty if
    /// none would help.
    fn against_inversion(&self) -> &'static str {
        ""
    }

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
            LabelEffect::Kept => Ok(labels.clone()),
            LabelEffect::Mapped => labels.map(resized, Border::Replicate, name),
            LabelEffect::Lost => Ok(Labels::default()),
        }
    }
}

/// The parser of a model's table, for [`ModelKind::parse`].
///
/// # Errors
/// The first unknown key or wrong value, with its place.
pub fn parse<M: Model + DeserializeOwned + 'static>(
    value: ValueDeserializer,
) -> Result<Box<dyn Model>, toml::de::Error> {
    Ok(Box::new(M::deserialize(value)?))
}

/// The schema of a model's table, for [`ModelKind::schema`].
pub fn schema<M: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<M>()
}
