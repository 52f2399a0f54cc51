//! split: says which samples train and which validate.
//!
//! It goes by the render a sample began as, never by the sample, so that variants of one render do
//! not stand on both sides. Within each class the origins are sorted by a hash of the stage's seed
//! and their id, and the first share goes to `val`.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::artifact::{Artifact, Kind};
use crate::seed::Seed;
use crate::stage::{Context, Input, Stage, StageKind, parse};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "split",
    about: "train and val, by the render each sample began as",
    version: 1,
    inputs: &[Input::required(
        "samples",
        Kind::Samples,
        "samples to divide",
    )],
    output: Kind::Samples,
    parse: parse::<Split>,
    schema: || schemars::schema_for!(Split),
};

/// Configuration of `split`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Split {
    /// Share of each class's renders that goes to `val`, 0..1. A class of at least two renders has
    /// one or more on both sides, unless the share is 0 or 1.
    pub val: f64,
}

impl Default for Split {
    fn default() -> Self {
        Split { val: 0.15 }
    }
}

impl Stage for Split {
    fn check(&self) -> Result<(), String> {
        if (0.0..=1.0).contains(&self.val) {
            return Ok(());
        }
        Err("`val` is a share of the whole; give a number from 0 to 1".into())
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let input = context.input("samples")?;
        let origins = origins(context, input)?;
        let val = choose_val(&origins, self.val, &context.seed);
        context.map_samples(input, |mut sample| {
            let is_val = val.contains(&sample.provenance.origin);
            let split = if is_val { "val" } else { "train" };
            sample.provenance.split = Some(split.into());
            Ok(vec![sample])
        })?;
        Ok(serde_json::json!({
            "origins": { "train": origins.len() - val.len(), "val": val.len() }
        }))
    }
}

/// Every origin with its class. Where mirroring gave one origin two classes, the first in the
/// alphabet stands for both.
fn origins(context: &Context, input: &Artifact) -> Result<BTreeMap<String, Option<String>>> {
    let mut origins = BTreeMap::<String, Option<String>>::new();
    for sample in input.samples() {
        let sample = sample?;
        let class = sample.labels.class;
        let known = origins
            .entry(sample.provenance.origin)
            .or_insert_with(|| class.clone());
        if class < *known {
            *known = class;
        }
        context.check_interrupt()?;
    }
    Ok(origins)
}

/// The origins that go to `val`: the first `share` of each class, sorted by hash.
fn choose_val(
    origins: &BTreeMap<String, Option<String>>,
    share: f64,
    seed: &Seed,
) -> BTreeSet<String> {
    let mut classes = BTreeMap::<&Option<String>, Vec<(blake3::Hash, &String)>>::new();
    for (origin, class) in origins {
        let mut hasher = blake3::Hasher::new();
        hasher.update(seed.hex(0).as_bytes());
        hasher.update(origin.as_bytes());
        let ranked = (hasher.finalize(), origin);
        classes.entry(class).or_default().push(ranked);
    }
    let mut val = BTreeSet::new();
    for mut ranked in classes.into_values() {
        ranked.sort_by_key(|(hash, origin)| (*hash.as_bytes(), *origin));
        let chosen = val_count(ranked.len(), share);
        val.extend(ranked[..chosen].iter().map(|(_, origin)| (*origin).clone()));
    }
    val
}

/// How many of `count` origins go to `val`.
fn val_count(count: usize, share: f64) -> usize {
    let exact = (count as f64 * share).round() as usize;
    if share == 0.0 || share == 1.0 || count < 2 {
        return exact;
    }
    exact.clamp(1, count - 1)
}
