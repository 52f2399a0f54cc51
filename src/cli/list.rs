//! `verismo list`: the registered parts that pipelines can use.

use clap::{Args, ValueEnum};

use super::{columns, print_line};
use crate::Result;
use crate::formats::{FORMATS, Format};
use crate::generators::GENERATORS;
use crate::models::{MODELS, ModelKind};
use crate::sample::maps::MAPS;
use crate::stage::{Need, StageKind};
use crate::stages::STAGES;
use crate::stages::augment::TRANSFORMS;
use crate::tasks::TASKS;

/// Arguments of `list`.
#[derive(Args)]
#[command(after_help = "Example:\n  verismo list stages")]
pub(super) struct List {
    /// What to list [default: everything].
    what: Option<Listing>,
}

/// What can be listed: each registry has a variant here and an arm in [`Listing::rows`].
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Listing {
    Stages,
    Models,
    Generators,
    Tasks,
    Transforms,
    Formats,
    Maps,
}

impl List {
    pub(super) fn execute(self) -> Result<()> {
        let all = Listing::value_variants().iter();
        for listing in all.filter(|listing| self.what.is_none_or(|what| what == **listing)) {
            let name = listing.to_possible_value();
            let name = name.as_ref().map_or("", |value| value.get_name());
            print_line(format!("{name}:\n{}\n", columns(&listing.rows())));
        }
        Ok(())
    }
}

impl Listing {
    fn rows(self) -> Vec<Vec<String>> {
        match self {
            Listing::Stages => STAGES.iter().map(stage).collect(),
            Listing::Models => MODELS.iter().map(model).collect(),
            Listing::Generators => named(GENERATORS.iter().map(|g| (g.name, g.about))),
            Listing::Tasks => named(TASKS.iter().map(|t| (t.name, t.about))),
            Listing::Transforms => named(TRANSFORMS.iter().map(|t| (t.name, t.about))),
            Listing::Maps => named(MAPS.iter().map(|m| (m.name, m.about))),
            Listing::Formats => FORMATS.iter().map(format).collect(),
        }
    }
}

fn stage(kind: &StageKind) -> Vec<String> {
    let roles_with = |need| {
        kind.inputs
            .iter()
            .filter(move |i| i.need == need)
            .map(|i| i.role)
    };
    let one_of = roles_with(Need::OneOf).collect::<Vec<_>>().join(" or ");
    let optional = roles_with(Need::Optional).map(|role| format!("[{role}]"));
    let required = roles_with(Need::Required).map(str::to_owned);
    let roles: Vec<String> = std::iter::once(one_of)
        .filter(|roles| !roles.is_empty())
        .chain(required)
        .chain(optional)
        .collect();
    let signature = match roles.is_empty() {
        true => format!("-> {:?}", kind.output),
        false => format!("{} -> {:?}", roles.join(", "), kind.output),
    };
    vec![
        kind.name.to_owned(),
        signature.to_lowercase(),
        kind.about.to_owned(),
    ]
}

fn format(format: &Format) -> Vec<String> {
    let cells = [format.name, &format.holds.names(), format.about];
    cells.map(str::to_owned).to_vec()
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
