//! `verismo list`: what pipelines can use, from the registries.

use clap::{Args, ValueEnum};

use super::{columns, say};
use crate::Result;
use crate::formats::{FORMATS, Format};
use crate::models::{MODELS, ModelKind};
use crate::sample::maps::MAPS;
use crate::stage::{Need, StageKind};
use crate::stages::STAGES;
use crate::stages::augment::TRANSFORMS;

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
    Maps,
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
            Listing::Maps => named(MAPS.iter().map(|m| (m.name, m.about))),
            Listing::Formats => FORMATS.iter().map(format).collect(),
        }
    }
}

fn stage(kind: &StageKind) -> Vec<String> {
    let of_need = |need| {
        kind.inputs
            .iter()
            .filter(move |i| i.need == need)
            .map(|i| i.role)
    };
    let one_of = of_need(Need::OneOf).collect::<Vec<_>>().join(" or ");
    let optional = of_need(Need::Optional).map(|role| format!("[{role}]"));
    let always = of_need(Need::Required).map(str::to_owned);
    let roles: Vec<String> = std::iter::once(one_of)
        .filter(|roles| !roles.is_empty())
        .chain(always)
        .chain(optional)
        .collect();
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

fn format(format: &Format) -> Vec<String> {
    let words = [format.name, &format.holds.words(), format.about];
    words.map(str::to_owned).to_vec()
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
