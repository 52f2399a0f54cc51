//! What `train` can be told, whichever model it trains; see [`super::chosen`] for the model's own table.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::models::ModelKind;
use crate::models::settings::{AdversarialConfig, LabelSafetyConfig, Shared, check_rate, is_zero};
use crate::nn::discriminator::DiscriminatorConfig;
use crate::nn::generator::GeneratorConfig;
use crate::registry::Name;
use crate::sample::Extent;

/// Configuration of `train`, but for the table of the model.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TrainConfig {
    /// What is trained; see `verismo list models`. Its own settings stand in a table of its name.
    pub model: Name<ModelKind>,
    /// Optimiser steps. Raised later, a training with the schedule `constant` or `plateau` resumes from
    /// its last checkpoint; the other schedules depend on the number of steps, and start from the beginning.
    pub steps: u64,
    /// Pictures of each domain a step.
    pub batch: usize,
    /// Learning rate of Adam.
    pub rate: f64,
    /// How the rate changes.
    pub schedule: Schedule,
    /// The share of the steps after which the rate falls (`linear`, `cosine`).
    pub decay_from: f64,
    /// The share of the steps between two falls (`step`).
    pub decay_every: f64,
    /// What the rate is multiplied by at a fall (`step`, `plateau`).
    pub decay_factor: f64,
    /// Looks without a better distance to the photos before a fall (`plateau`).
    pub patience: u64,
    /// Scale pictures to this size before anything is cut out; 0 leaves them as they are.
    #[serde(serialize_with = "zero_for_none", deserialize_with = "extent_or_zero")]
    #[schemars(schema_with = "schema_of_extent_or_zero")]
    pub resize: Option<Extent>,
    /// Train on cuts of this size, taken at random places; 0 for whole pictures.
    #[serde(serialize_with = "zero_for_none", deserialize_with = "extent_or_zero")]
    #[schemars(schema_with = "schema_of_extent_or_zero")]
    pub crop: Option<Extent>,
    /// The share of the cuts that are taken where there is something to see, 0..1: in renders around an object, in
    /// photos, whose objects nobody knows, at the one of four places that has the most contrast.
    #[serde(skip_serializing_if = "is_zero")]
    pub crop_around: f64,
    /// Mirror pictures at random.
    pub flip: bool,
    /// Turn pictures by multiples of 90° at random, of 180° where they are not square.
    pub turn: bool,
    /// Steps between two looks at the model, 0 for none: a sheet of examples, its distance to the
    /// photos, its agreement with the labels, its faults.
    pub watch_every: u64,
    /// Renders to look at, and twice as many photos.
    pub watch_pictures: usize,
    /// Which networks are kept for translation. Where nothing can be measured, the last.
    pub keep: Keep,
    /// What follows when training has failed. Losses that are not finite always lead to a restart.
    pub on_failure: OnFailure,
    /// Restarts at most, each with another seed and half the rate.
    pub restarts: u64,
    /// Minutes between two checkpoints, from which a run that was stopped resumes; 0 for one after every
    /// step. The result is the same, so it is not part of the cache key.
    #[serde(skip_serializing)]
    pub checkpoint_minutes: f64,
    /// Fakes kept for the discriminators.
    pub pool: usize,
    /// Decay of the averaged weights, a step.
    pub ema: f64,
    /// The game of generator and discriminator.
    pub adversarial: AdversarialConfig,
    /// The generator's shape.
    pub generator: GeneratorConfig,
    /// The discriminator's shape.
    pub discriminator: DiscriminatorConfig,
    /// Losses that keep labels true, for every model that is trained.
    pub label_safety: LabelSafetyConfig,
}

/// How the learning rate changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Schedule {
    /// Not at all.
    Constant,
    /// Constant up to `decay_from`, then to zero in a line (Zhu et al. 2017).
    Linear,
    /// Falls by `decay_factor` every `decay_every`.
    Step,
    /// Constant up to `decay_from`, then to zero as half a cosine.
    Cosine,
    /// Falls by `decay_factor` after `patience` looks without a better distance to the photos.
    Plateau,
}

/// Which networks are kept for translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Keep {
    /// Those of the last step.
    Last,
    /// Those nearest to the photos, by the kernel distance.
    Kid,
    /// Those whose translations the task network most often reads as their class.
    Agreement,
}

/// What follows when training has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnFailure {
    /// A warning.
    Warn,
    /// Back to the last good checkpoint with another seed and half the rate.
    Restart,
}

impl TrainConfig {
    /// Checks what the types cannot: ranges, exclusive options.
    ///
    /// # Errors
    /// What is wrong and the remedy, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.steps == 0 || self.batch == 0 {
            return Err("`steps` and `batch` must be at least 1".into());
        }
        check_rate("rate", self.rate)?;
        for (name, share) in [
            ("decay_from", self.decay_from),
            ("decay_factor", self.decay_factor),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("`{name}` must lie in 0..1"));
            }
        }
        if !(0.0..=1.0).contains(&self.crop_around) {
            return Err("`crop_around` must lie in 0..1".into());
        }
        if self.crop_around > 0.0 && self.crop.is_none() {
            return Err(
                "`crop_around` is of use with `crop` only; add it or remove `crop_around`".into(),
            );
        }
        if self.label_safety.temporal > 0.0 && !self.batch.is_multiple_of(2) {
            return Err(
                "`label_safety.temporal` compares pairs of frames: `batch` must be even".into(),
            );
        }
        if self.decay_every.is_nan() || self.decay_every <= 0.0 {
            return Err("`decay_every` must be above 0".into());
        }
        for (name, extent) in [("resize", self.resize), ("crop", self.crop)] {
            if extent.is_some_and(|extent| extent.shorter() == 0) {
                return Err(format!(
                    "`{name}` must be at least 1 pixel wide and high, or 0"
                ));
            }
        }
        if !(0.0..=1e9).contains(&self.checkpoint_minutes) {
            return Err("`checkpoint_minutes` must be at least 0".into());
        }
        if self.schedule == Schedule::Plateau && (self.watch_every == 0 || self.patience == 0) {
            return Err(
                "the schedule \"plateau\" needs `watch_every` and `patience` above 0".into(),
            );
        }
        if self.keep != Keep::Last && self.watch_every == 0 {
            return Err("set `keep` to \"last\" where `watch_every` is 0".into());
        }
        if self.watch_every > 0 && self.watch_pictures == 0 {
            return Err("`watch_pictures` must be at least 1".into());
        }
        self.shared().check()
    }

    /// What every model is told.
    pub(super) fn shared(&self) -> Shared {
        Shared {
            pool: self.pool,
            ema: self.ema,
            adversarial: self.adversarial.clone(),
            generator: self.generator.clone(),
            discriminator: self.discriminator.clone(),
            label_safety: self.label_safety.clone(),
        }
    }

    /// What pictures of `extent` measure before anything is cut out of them.
    pub(super) fn resized(&self, extent: Extent) -> Extent {
        self.resize.unwrap_or(extent)
    }

    /// What is cut from pictures that may then be of different sizes.
    pub(super) fn loose_cut(&self) -> Option<Extent> {
        self.crop.filter(|_| self.resize.is_none())
    }

    /// What the networks train on where pictures measure `extent`.
    pub(super) fn seen(&self, extent: Extent) -> Extent {
        self.crop.unwrap_or(self.resized(extent))
    }
}

/// Reads an extent, or 0 for none.
fn extent_or_zero<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Extent>, D::Error> {
    let given = Option::<Extent>::deserialize(from)?;
    Ok(given.filter(|extent| *extent != Extent::square(0)))
}

/// Writes none as 0, as configurations do: a TOML file cannot hold null.
fn zero_for_none<S: Serializer>(extent: &Option<Extent>, to: S) -> Result<S::Ok, S::Error> {
    extent.unwrap_or(Extent::square(0)).serialize(to)
}

fn schema_of_extent_or_zero(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "const": 0 }, generator.subschema_for::<Extent>()] })
}

/// The model that is trained if none is chosen: the first of the registry.
pub(super) fn default_model() -> Name<ModelKind> {
    Name::all()[0]
}

impl Default for TrainConfig {
    fn default() -> Self {
        let shared = Shared::default();
        TrainConfig {
            model: default_model(),
            steps: 1000,
            batch: 4,
            rate: 2e-4,
            schedule: Schedule::Linear,
            decay_from: 0.5,
            decay_every: 0.25,
            decay_factor: 0.1,
            patience: 3,
            resize: None,
            crop: None,
            crop_around: 0.0,
            flip: true,
            turn: false,
            watch_every: 250,
            watch_pictures: 128,
            keep: Keep::Kid,
            on_failure: OnFailure::Warn,
            restarts: 2,
            checkpoint_minutes: 2.0,
            pool: shared.pool,
            ema: shared.ema,
            adversarial: shared.adversarial,
            generator: shared.generator,
            discriminator: shared.discriminator,
            label_safety: shared.label_safety,
        }
    }
}
