//! join: two streams of samples become one, such as renders and a few labelled photos.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact::{Artifact, Kind, part_name, parts};
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, parse,
};
use crate::{Error, Result};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "join",
    about: "two streams of samples as one, such as renders and a few labelled photos",
    version: 1,
    inputs: &[
        Input::required("samples", Kind::Samples, "samples"),
        Input::required("others", Kind::Samples, "samples that join them"),
    ],
    output: Kind::Samples,
    parse: parse::<Join>,
    schema: || schemars::schema_for!(Join),
    exhibit: crate::stage::exhibit::nothing,
};

/// Configuration of `join`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Join {
    /// How often each of the `others` joins, so that a few count among many. All copies have one origin; a later
    /// `augment` varies each in its own way.
    pub repeat: u64,
}

impl Default for Join {
    fn default() -> Self {
        Join { repeat: 1 }
    }
}

/// More copies of one picture are a slip of the pen.
const MOST_COPIES: u64 = 10_000;

impl Stage for Join {
    fn check(&self) -> Result<(), String> {
        match self.repeat {
            1..=MOST_COPIES => Ok(()),
            _ => Err(format!("`repeat` must be between 1 and {MOST_COPIES}")),
        }
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        let extent = inputs.common_extent(&["samples", "others"])?;
        let (samples, others) = (inputs.facts("samples"), inputs.facts("others"));
        if others.has_no_labels() && !samples.has_no_labels() {
            let id = inputs.get("others").map_or("others", |given| given.id);
            return Err(Misfit::new(
                format!("the pictures of `{id}`, which are to join labelled ones, have no labels"),
                "let `ingest` read them (`labelled = \"few\"`), or let `pseudo_label` add the photos",
            ));
        }
        Ok(Facts {
            extent,
            classes: samples
                .classes
                .filter(|_| samples.classes == others.classes),
            objects: samples
                .objects
                .filter(|_| samples.objects == others.objects),
            maps: samples.maps.filter(|_| samples.maps == others.maps),
            ..samples
        })
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let both = |of: &dyn Fn(&str) -> Option<f64>| {
            Some(of("samples")? + of("others")? * self.repeat as f64)
        };
        let count = both(&|role| inputs.count(role).map(|count| count as f64));
        let pixels = both(&|role| inputs.pixels(role));
        Forecast::new(
            count.map(|count| count as u64),
            pixels.map(|pixels| Effort::pixels(pixels * 0.1)),
        )
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let (samples, others) = (context.input("samples")?, context.input("others")?);
        if others.manifest.count == 0 {
            return Err(Error::failed(
                context.id,
                format!("`{}` has no samples to join", others.manifest.id),
                "find the earlier stage that dropped them, e.g. with `verismo inspect`",
            ));
        }
        warn_of_classes(context, samples, others);
        let total = samples.manifest.count + others.manifest.count * self.repeat;
        let (mut number, mut index) = (0, 0);
        for (input, copies) in [(samples, 1), (others, self.repeat)] {
            for path in input.parts() {
                let read = parts::read_part(&path)?;
                for _ in 0..copies {
                    let mut joined = read.clone();
                    for sample in &mut joined {
                        let id = format!("{}-{index:06}", context.id);
                        sample.provenance.parent = Some(std::mem::replace(&mut sample.id, id));
                        sample.index = index;
                        index += 1;
                    }
                    parts::write_part(&context.out.join(part_name(number)), &joined)?;
                    number += 1;
                    context.progress(index, total, "")?;
                }
            }
        }
        Ok(serde_json::json!({
            "samples": samples.manifest.count,
            "others": others.manifest.count,
            "repeat": self.repeat,
        }))
    }
}

/// Warns of classes that only the `others` have: they may be other names of the same classes.
fn warn_of_classes(context: &Context, samples: &Artifact, others: &Artifact) {
    let known = &samples.manifest.classes;
    let new = others
        .manifest
        .classes
        .keys()
        .filter(|class| !known.contains_key(*class));
    let new: Vec<&str> = new.map(String::as_str).collect();
    if known.is_empty() || new.is_empty() {
        return;
    }
    let text = format!(
        "`{}` has classes that `{}` does not have: {}; if they are other names of the same classes, rename them in \
         the labels",
        others.manifest.id,
        samples.manifest.id,
        new.join(", ")
    );
    context.emit(Event::Warning { text });
}
