//! augment: random variants of every sample, with exactly mapped labels.
//!
//! Each transform draws its parameters once, from the variant's own random stream, and applies them to the
//! picture, masks, boxes, keypoints, maps, camera and poses. The provenance records what was applied. To add
//! a transform, write one file with its entry, and add one line to [`TRANSFORMS`].

mod colour;
mod erase;
mod geometry;
mod kind;
mod sensor;
mod shadow;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use rand::RngExt;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use toml::Spanned;
use toml::de::DeValue;

use crate::Result;
use crate::artifact::Kind;
use crate::artifact::resume::Resume;
use crate::sample::{Provenance, Sample};
use crate::seed::{Stream, number};
use crate::stage::{
    Context, Effort, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, mapped, table,
};
use kind::check_range;
pub use kind::{Transform, TransformKind, View};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "augment",
    about: "random variants of every sample, with exactly mapped labels",
    version: 5,
    inputs: &[Input::required(
        "samples",
        Kind::Samples,
        "pictures to vary, labelled or not",
    )],
    output: Kind::Samples,
    parse: |value| Ok(Box::new(Augment::read(value)?)),
    schema: || schemars::schema_for!(Augment),
    exhibit: crate::stage::exhibit::nothing,
};

/// Every transform, in the order in which they are applied: in front of the lens, in the light, and in the
/// camera.
pub const TRANSFORMS: &[TransformKind] = &[
    geometry::FLIP,
    geometry::AFFINE,
    erase::ERASE,
    shadow::SHADOW,
    colour::BRIGHTNESS,
    colour::CONTRAST,
    colour::GAMMA,
    colour::SATURATION,
    colour::HUE,
    sensor::MOTION_BLUR,
    sensor::BLUR,
    sensor::DOWNSCALE,
    sensor::NOISE,
    sensor::JPEG,
];

/// The configured stage.
pub struct Augment {
    config: AugmentConfig,
    /// All of [`TRANSFORMS`] with their tables, in the same order.
    transforms: Vec<Box<dyn Transform>>,
}

/// Configuration of `augment`: its own settings, beside one table per transform.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Number of augmented variants of every input.
    pub copies: u64,
    /// Also passes the unchanged input through, before its variants.
    pub keep_original: bool,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        AugmentConfig {
            copies: 2,
            keep_original: false,
        }
    }
}

impl Serialize for Augment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut resolved = serde_json::to_value(&self.config).map_err(S::Error::custom)?;
        for (kind, transform) in self.transforms() {
            resolved[kind.name] = transform.resolved();
        }
        resolved.serialize(to)
    }
}

impl JsonSchema for Augment {
    fn schema_name() -> Cow<'static, str> {
        "Augment".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = AugmentConfig::json_schema(generator);
        for kind in TRANSFORMS {
            let table = (kind.schema)(generator);
            table::describe(&mut schema, kind.name, table, kind.about);
        }
        schema
    }
}

/// More variants of one picture are a slip of the pen.
const MOST_COPIES: u64 = 10_000;

impl Stage for Augment {
    fn check(&self) -> Result<(), String> {
        if self.variants() == 0 {
            return Err("makes nothing: raise `copies`, or set `keep_original = true`".into());
        }
        if self.config.copies > MOST_COPIES {
            return Err(format!("`copies` must be at most {MOST_COPIES}"));
        }
        for (kind, transform) in self.transforms() {
            check_range("probability", [0.0, transform.probability()], 0.0..=1.0)
                .and_then(|()| transform.check())
                .map_err(|problem| format!("{}: {problem}", kind.name))?;
        }
        Ok(())
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        Ok(inputs.facts("samples"))
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let variants = self.variants() as f64;
        let pixels = inputs.pixels("samples");
        Forecast::new(
            inputs.count("samples").map(|count| count * self.variants()),
            pixels.map(|pixels| Effort::pixels(pixels * variants)),
        )
    }

    fn left_over(&self, resume: &Resume, inputs: &Givens) -> f64 {
        mapped(
            resume,
            inputs.get("samples").and_then(|given| given.artifact),
            "samples",
            false,
        )
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        context.map_each("samples", |sample| {
            (0..self.variants())
                .map(|variant| self.variant(context, &sample, variant))
                .collect()
        })?;
        Ok(serde_json::json!({ "variants": self.variants() }))
    }
}

impl Augment {
    /// Reads the stage's table.
    ///
    /// # Errors
    /// The first key or value that is wrong, where it stands.
    fn read(value: Spanned<DeValue>) -> Result<Self, toml::de::Error> {
        let mut table = table::open(value)?;
        let transforms = TRANSFORMS.iter();
        let transforms = transforms.map(|kind| (kind.parse)(table::take(&mut table, kind.name)));
        let transforms = transforms.collect::<Result<_, _>>()?;
        let config = table::rest(table, TRANSFORMS.iter().map(|kind| kind.name))?;
        Ok(Augment { config, transforms })
    }

    /// Every transform with its entry, in the order in which they are applied.
    fn transforms(&self) -> impl Iterator<Item = (&'static TransformKind, &dyn Transform)> {
        TRANSFORMS
            .iter()
            .zip(self.transforms.iter().map(Box::as_ref))
    }

    /// Number of samples made from each input.
    fn variants(&self) -> u64 {
        self.config.copies + u64::from(self.config.keep_original)
    }

    /// Makes the `variant`-th child of `sample`; the first is the original if that is kept.
    fn variant(&self, context: &Context, sample: &Sample, variant: u64) -> Result<Sample> {
        let index = sample.index * self.variants() + variant;
        let id = format!("{}-{index:06}", context.id);
        if self.config.keep_original && variant == 0 {
            return Ok(Sample {
                id,
                index,
                provenance: Provenance {
                    parent: Some(sample.id.clone()),
                    ..sample.provenance.clone()
                },
                ..sample.clone()
            });
        }
        let mut view = View {
            name: sample.id.clone(),
            pixels: sample.pixels()?,
            labels: sample.labels.clone(),
            domain: sample.provenance.domain,
        };
        let applied = self.apply(&mut view, &context.seed.stream(index))?;
        let mut child = sample.child(id, index, &view.pixels, view.labels)?;
        child.provenance.transforms.extend(applied);
        Ok(child)
    }

    /// Applies the transforms in order, and returns those applied with their parameters.
    ///
    /// Each transform has its own stream, named after it, so that adding or disabling one does not change
    /// what the others draw.
    fn apply(&self, view: &mut View, stream: &Stream) -> Result<Vec<String>> {
        let mut applied = Vec::new();
        for (kind, transform) in self.transforms() {
            let mut own = stream.clone();
            own.set_stream(number(kind.name));
            if own.random::<f64>() < transform.probability() {
                applied.extend(transform.apply(view, &mut own)?);
            }
        }
        Ok(applied)
    }
}
