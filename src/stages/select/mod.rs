//! select: passes on the samples that meet conditions, unchanged, and leaves the others out.
//!
//! Conditions are ranges of what is measured of a picture ([`crate::appearance::features::FEATURES`]: brightness,
//! contrast, colour, sharpness and more), classes, domains and source files. Two selections of one folder of photos,
//! bright ones and dark ones, are two domains that an adapter can learn to translate between.
//!
//! Measures are judged by origin, by the median of its samples, so that all frames of a track, and all that was made
//! from one render, are taken or left together. A class is only read where an earlier stage labelled the sample with
//! it; nothing is labelled here.

mod config;
mod exhibit;
mod judging;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde_json::json;

use crate::appearance::features::{Feature, Look, measure_some};
use crate::artifact::{Artifact, Kind, parts, table};
use crate::stage::{Context, Effort, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind};
use crate::{Error, Result};
use config::Select;
use judging::Judged;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "select",
    about: "passes on samples of some brightness, colour, sharpness, class, domain or source",
    version: 1,
    inputs: &[Input::required(
        "samples",
        Kind::Samples,
        "samples to choose from, labelled or not",
    )],
    output: Kind::Samples,
    parse: config::parse,
    schema: || schemars::schema_for!(Select),
    exhibit: exhibit::exhibit,
};

impl Stage for Select {
    fn check(&self) -> Result<(), String> {
        self.check_conditions()
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        let facts = inputs.facts("samples");
        if self.config.class.is_empty() {
            return Ok(facts);
        }
        inputs.need_classes("samples", "to select by `class`")?;
        let known = &facts.class_names;
        let is_unknown = |class: &&String| !known.is_empty() && !known.contains(class);
        match self.config.class.iter().find(is_unknown) {
            Some(unknown) => Err(Misfit::new(
                format!("`class` names `{unknown}`, which no sample will be"),
                format!("the classes are {}", known.join(", ")),
            )),
            None => Ok(facts),
        }
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        // How many are taken only the pictures say. To measure one is about as much work as to encode it.
        let share = if self.ranges.is_empty() { 0.1 } else { 1.0 };
        let pixels = inputs.pixels("samples");
        Forecast::new(None, pixels.map(|pixels| Effort::pixels(pixels * share)))
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let input = context.input("samples")?;
        let measured = self.measure(context, input)?;
        let matching = measured.values().map(Vec::len).sum::<usize>();
        if matching == 0 {
            let problem = format!(
                "takes none of {} samples: none is of {}",
                input.manifest.count,
                self.words()
            );
            let remedy =
                "`verismo inspect` shows classes and sources of samples; correct the conditions";
            return Err(Error::failed(context.id, problem, remedy));
        }
        let judged = self.judge(measured);
        let taken: Vec<&Judged> = judged.iter().filter(|origin| origin.taken).collect();
        let looks = self.spreads(&judged);
        if taken.is_empty() {
            let measured: Vec<String> = looks.iter().map(judging::Spread::in_words).collect();
            let problem = format!("takes none of {matching} samples: {}", measured.join("; "));
            let remedy =
                "widen the ranges, or write `by = \"rank\"` to take shares such as [0.0, 0.2]";
            return Err(Error::failed(context.id, problem, remedy));
        }
        table::write(&context.out.join(judging::FILE), &judged)?;
        let chosen: BTreeSet<&str> = taken.iter().map(|origin| origin.origin.as_str()).collect();
        let samples: u64 = taken.iter().map(|origin| origin.samples).sum();
        context.map_samples(input, |sample| {
            let takes = self.matches(&sample) && chosen.contains(sample.provenance.origin.as_str());
            Ok(takes.then_some(sample).into_iter().collect())
        })?;
        Ok(json!({
            "samples": { "read": input.manifest.count, "matching": matching, "taken": samples },
            "origins": { "matching": judged.len(), "taken": taken.len() },
            "conditions": self.words(),
            "by": self.config.by,
            "looks": looks,
        }))
    }
}

impl Select {
    /// The measures of all samples that meet the other conditions, by origin.
    fn measure(&self, context: &Context, input: &Artifact) -> Result<BTreeMap<String, Vec<Look>>> {
        let features: Vec<&Feature> = self.ranges.iter().map(|(feature, _)| *feature).collect();
        let mut measured: BTreeMap<String, Vec<Look>> = BTreeMap::new();
        let mut done = 0;
        for path in input.parts() {
            let mut samples = parts::read_part(&path)?;
            done += samples.len() as u64;
            samples.retain(|sample| self.matches(sample));
            let looks: Result<Vec<Look>> = samples
                .par_iter()
                .map(|sample| match features.is_empty() {
                    true => Ok(Look::new()),
                    false => Ok(measure_some(&sample.pixels()?, features.iter().copied())),
                })
                .collect();
            for (sample, look) in samples.into_iter().zip(looks?) {
                measured
                    .entry(sample.provenance.origin)
                    .or_default()
                    .push(look);
            }
            context.progress(done, input.manifest.count, "measures the pictures")?;
        }
        Ok(measured)
    }

    /// Which origins are taken.
    fn judge(&self, measured: BTreeMap<String, Vec<Look>>) -> Vec<Judged> {
        let mut judged: Vec<Judged> = measured
            .into_iter()
            .map(|(origin, looks)| Judged::new(origin, &looks, self.ranges.len()))
            .collect();
        judging::rank(&mut judged, self.ranges.len());
        for origin in &mut judged {
            let mut places = self.ranges.iter().enumerate();
            origin.taken = places.all(|(place, (_, range))| self.holds(origin, place, *range));
        }
        judged
    }

    /// The measures of all origins, condition by condition.
    fn spreads(&self, judged: &[Judged]) -> Vec<judging::Spread> {
        let spread = |(place, (feature, range)): (usize, &(&Feature, [f64; 2]))| judging::Spread {
            measure: feature.name.to_owned(),
            about: feature.about.to_owned(),
            range: *range,
            measured: judging::ends(judged.iter().map(|origin| origin.values[place])),
            within: judged
                .iter()
                .filter(|origin| self.holds(origin, place, *range))
                .count(),
        };
        self.ranges.iter().enumerate().map(spread).collect()
    }

    fn holds(&self, origin: &Judged, place: usize, [low, high]: [f64; 2]) -> bool {
        match self.config.by {
            config::By::Value => (low..=high).contains(&origin.values[place]),
            config::By::Rank => (low..high).contains(&origin.ranks[place]),
        }
    }
}
