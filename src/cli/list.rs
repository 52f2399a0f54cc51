//! `verismo list`: what pipelines can use, from the registries.

use clap::{Args, ValueEnum};

use super::{columns, say};
use crate::Result;
use crate::models::{MODELS, ModelKind};
use crate::stage::{Input, Need, StageKind};
use crate::stages::STAGES;
use crate::stages::augment::TRANSFORMS;
use crate::stages::emit::WRITERS;

/// Arguments of `list`.
#[derive(Args)]
#[command(after_help = "Example:\n  verismo list stages")]
pub struct List {
    /// Only these; everything unless given.
    what: Option<Listing>,
}

/// What can be listed: a line here and one in [`Listing::rows`] for each registry.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Listing {
    Stages,
    Models,
    Transforms,
    Formats,
}

impl List {
    pub fn execute(self) -> Result<()> {
        let all = Listing::value_variants().iter();
        for listing in all.filter(|listing| self.what.is_none_or(|what| what == **listing)) {
            let name = listing.to_possible_value();
            let name = name.as_ref().map_or("", |value| value.get_name());
            say(format!("{name}:\n{}\n", columns(&listing.rows())));
        }
        Ok(())
    }
}

impl Listing {
    fn rows(self) -> Vec<Vec<String>> {
        match self {
            Listing::Stages => STAGES.iter().map(stage).collect(),
            Listing::Models => MODELS.iter().map(model).collect(),
            Listing::Transforms => named(TRANSFORMS.iter().map(|t| (t.name, t.about))),
            Listing::Formats => named(WRITERS.iter().map(|w| (w.name, w.about))),
        }
    }
}

fn stage(kind: &StageKind) -> Vec<String> {
    let role = |input: &Input| match input.need {
        Need::Always => input.role.to_owned(),
        Need::OneOf | Need::Never => format!("[{}]", input.role),
    };
    let roles: Vec<String> = kind.inputs.iter().map(role).collect();
    let way = match roles.is_empty() {
        true => format!("-> {:?}", kind.output),
        false => format!("{} -> {:?}", roles.join(", "), kind.output),
    };
    vec![
        kind.name.to_owned(),
        way.to_lowercase(),
        kind.about.to_owned(),
    ]
}

fn model(kind: &ModelKind) -> Vec<String> {
    let labels = format!("labels {:?}", kind.labels).to_lowercase();
    vec![kind.name.to_owned(), labels, kind.about.to_owned()]
}

fn named(entries: impl Iterator<Item = (&'static str, &'static str)>) -> Vec<Vec<String>> {
    entries
        .map(|(name, about)| vec![name.to_owned(), about.to_owned()])
        .collect()
}
