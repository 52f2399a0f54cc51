//! split: assigns each sample to training or validation.
//!
//! The split depends on a sample's origin, never on the sample itself, so that variants of one render are
//! never on both sides. Within each class, origins are sorted by a hash of the stage's seed and their id, and
//! the first share goes to `val`. A sample that already has a split, such as `test`, keeps it.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::artifact::{Artifact, Kind, table};
use crate::seed::Seed;
use crate::stage::{
    Context, Effort, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, parse,
};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "split",
    about: "assigns train and val by each sample's original render",
    version: 3,
    inputs: &[Input::required(
        "samples",
        Kind::Samples,
        "samples to split",
    )],
    output: Kind::Samples,
    parse: parse::<Split>,
    schema: || schemars::schema_for!(Split),
    exhibit: crate::stage::exhibit::nothing,
};

/// Configuration of `split`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Split {
    /// Share of each class's renders that goes to `val`, 0..1. A class with at least two renders has at least
    /// one on each side, unless the share is 0 or 1. Samples that already have a split keep it.
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
        Err("`val` is a share; give a number from 0 to 1".into())
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        Ok(inputs.facts("samples"))
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let pixels = inputs.pixels("samples");
        Forecast::new(
            inputs.count("samples"),
            pixels.map(|pixels| Effort::pixels(pixels * 0.1)),
        )
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let input = context.input("samples")?;
        let origins = origins(context, input)?;
        let val = choose_val(&origins, self.val);
        context.map_samples(input, |mut sample| {
            if sample.provenance.split.is_none() {
                let is_val = val.contains(&rank(&sample.provenance.origin, &context.seed));
                let split = if is_val { "val" } else { "train" };
                sample.provenance.split = Some(split.into());
            }
            Ok(vec![sample])
        })?;
        Ok(serde_json::json!({
            "origins": { "train": origins.len() - val.len(), "val": val.len() }
        }))
    }
}

/// Every origin by its [`rank`], with its class's position in alphabetical order, 0 for none: only 16 bytes
/// each, since all are in memory at once.
type Origins = HashMap<u64, u32>;

/// The position of an origin among those of its class. If two share a rank, which has a chance of 1 in 10^9
/// for 200,000 origins, they go to the same side, which does no harm.
fn rank(origin: &str, seed: &Seed) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(seed.hex(0).as_bytes());
    hasher.update(origin.as_bytes());
    let hash = *hasher.finalize().as_bytes();
    u64::from_be_bytes(std::array::from_fn(|byte| hash[byte]))
}

/// The columns that determine a sample's split.
#[derive(Deserialize)]
struct Row {
    class: Option<String>,
    origin: String,
    split: Option<String>,
}

/// All origins of samples without a split. If mirroring gave one origin two classes, the first in
/// alphabetical order counts.
fn origins(context: &Context, input: &Artifact) -> Result<Origins> {
    let classes = input.manifest.classes.keys().map(String::as_str);
    let places: HashMap<&str, u32> = classes.zip(1..).collect();
    let (mut origins, mut done) = (Origins::new(), 0);
    for path in input.parts() {
        let rows: Vec<Row> = table::read(&path)?;
        for row in rows.iter().filter(|row| row.split.is_none()) {
            let place = row.class.as_deref().and_then(|class| places.get(class));
            let known = origins
                .entry(rank(&row.origin, &context.seed))
                .or_insert(u32::MAX);
            *known = place.copied().unwrap_or(0).min(*known);
        }
        done += rows.len() as u64;
        context.progress(done, input.manifest.count, "reading the origins")?;
    }
    Ok(origins)
}

/// The origins that go to `val`: the first `share` of each class, by rank.
fn choose_val(origins: &Origins, share: f64) -> HashSet<u64> {
    let mut ranked: Vec<(u32, u64)> = origins
        .iter()
        .map(|(rank, class)| (*class, *rank))
        .collect();
    ranked.sort_unstable();
    let classes = ranked.chunk_by(|(a, _), (b, _)| a == b);
    let chosen = classes.flat_map(|class| &class[..val_count(class.len(), share)]);
    chosen.map(|(_, rank)| *rank).collect()
}

/// How many of `count` origins go to `val`.
fn val_count(count: usize, share: f64) -> usize {
    let exact = (count as f64 * share).round() as usize;
    if share == 0.0 || share == 1.0 || count < 2 {
        return exact;
    }
    exact.clamp(1, count - 1)
}
