//! What a transform is to the stage: an entry of the registry with a table of its own, which the entry
//! parses and describes, and what transforms share.

use std::ops::RangeInclusive;

use image::RgbImage;
use rand::RngExt;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use toml::de::ValueDeserializer;

use crate::Result;
use crate::sample::mapping::{Border, Mapping};
use crate::sample::maps::flow;
use crate::sample::{Domain, Extent, Labels};
use crate::seed::Stream;
use crate::stage::Resolved;

/// One entry of the registry of transforms.
pub struct TransformKind {
    /// The name of its table and of its random stream.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    /// Reads its table; an empty one gives the defaults. See [`parse`].
    pub parse: fn(ValueDeserializer) -> Result<Box<dyn Transform>, toml::de::Error>,
    /// Describes its table. See [`schema`].
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// A random change of a picture and its labels. Implemented by the struct of its table.
pub trait Transform: Resolved + Send + Sync {
    /// Probability of applying it, 0..1.
    fn probability(&self) -> f64;

    /// Checks the ranges.
    ///
    /// # Errors
    /// Returns the problem and its remedy as text.
    fn check(&self) -> Result<(), String>;

    /// Draws parameters from `stream`, applies them to picture and labels, and returns them for the
    /// provenance, e.g. `flip()`; `None` if it changed nothing.
    ///
    /// # Errors
    /// If an image-level map cannot be decoded.
    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>>;
}

/// The parser of a transform's table, for [`TransformKind::parse`].
pub(super) fn parse<T: Transform + DeserializeOwned + 'static>(
    value: ValueDeserializer,
) -> Result<Box<dyn Transform>, toml::de::Error> {
    Ok(Box::new(T::deserialize(value)?))
}

/// The schema of a transform's table, for [`TransformKind::schema`].
pub(super) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A picture and its labels while transforms are applied.
#[derive(Debug, Clone)]
pub struct View {
    /// The sample's id, for messages.
    pub name: String,
    /// The picture, changed in place by each transform.
    pub pixels: RgbImage,
    /// True for `pixels` at any time: a transform that moves pixels moves them too.
    pub labels: Labels,
    /// Where the pixels came from; some transforms treat photos differently.
    pub domain: Domain,
}

impl View {
    /// Current width and height of the picture in pixels.
    pub fn extent(&self) -> Extent {
        self.pixels.dimensions().into()
    }

    /// The labels of the mapped picture. Where its pixels go in the next frame of a clip is no longer known, since
    /// that is mapped in another way.
    ///
    /// # Errors
    /// If a map cannot be decoded.
    pub(super) fn mapped(&self, mapping: &Mapping, border: Border) -> Result<Labels> {
        let mut labels = self.labels.map(mapping, border, &self.name)?;
        labels.maps.remove(&flow::MAP);
        Ok(labels)
    }
}

/// Whether `after` still shows an object of the picture's class, if `before` did.
pub(super) fn keeps_class(before: &Labels, after: &Labels) -> bool {
    let shows = |labels: &Labels| {
        let class = before.class.as_deref();
        let mut objects = labels.objects().iter();
        objects.any(|object| Some(object.class.as_str()) == class)
    };
    !shows(before) || shows(after)
}

/// Draws uniformly from `low..=high`.
pub(super) fn draw(stream: &mut Stream, [low, high]: [f64; 2]) -> f64 {
    stream.random_range(low..=high)
}

/// Checks that `[low, high]` is in order and within `allowed`.
///
/// # Errors
/// Returns the problem of `key` as text.
pub(super) fn check_range(
    key: &str,
    [low, high]: [f64; 2],
    allowed: RangeInclusive<f64>,
) -> Result<(), String> {
    if low <= high && allowed.contains(&low) && allowed.contains(&high) {
        return Ok(());
    }
    let (start, end) = (allowed.start(), allowed.end());
    Err(format!(
        "`{key}` must be between {start} and {end}, with the lower bound first"
    ))
}
