//! All that a run has to show, read from its record and its artifacts.

use std::collections::BTreeMap;

use crate::artifact::Artifact;
use crate::artifact::run::RunRecord;
use crate::stage::StageKind;
use crate::stage::exhibit::{Content, Evidence, Exhibit, Figure};

use super::lineage::{Archive, Lineage};

/// The record of a run and what could be read of its artifacts.
pub(super) struct Exhibition<'a> {
    pub record: &'a RunRecord,
    /// Each with the id of its stage, in the order of the run.
    pub exhibits: Vec<(&'a str, Exhibit)>,
    pub lineages: Vec<Lineage>,
    /// A line for everything that could not be read.
    pub left_out: Vec<String>,
}

impl<'a> Exhibition<'a> {
    /// Reads what it can.
    pub(super) fn of(record: &'a RunRecord, kinds: &[&StageKind]) -> Self {
        let mut left_out = Vec::new();
        let mut artifacts = BTreeMap::new();
        for stage in &record.stages {
            match Artifact::open(&stage.folder) {
                Ok(artifact) => {
                    artifacts.insert(stage.id.as_str(), artifact);
                }
                Err(error) => left_out.push(reason(&stage.id, &error)),
            }
        }
        let mut exhibits = Vec::new();
        for stage in &record.stages {
            let kind = kinds.iter().find(|kind| kind.name == stage.stage);
            let (Some(kind), Some(artifact)) = (kind, artifacts.get(stage.id.as_str())) else {
                continue;
            };
            let inputs = stage.from.iter();
            let inputs =
                inputs.filter_map(|(role, id)| Some((role.as_str(), artifacts.get(id.as_str())?)));
            let evidence = Evidence {
                artifact,
                inputs: inputs.collect(),
            };
            match (kind.exhibit)(&evidence) {
                Ok(shown) => exhibits.extend(shown.into_iter().map(|e| (stage.id.as_str(), e))),
                Err(error) => left_out.push(reason(&stage.id, &error)),
            }
        }
        let (mut lineages, archive) = (Vec::new(), Archive::new(record, kinds, &artifacts));
        for lineage in archive.lineages() {
            match lineage {
                Ok(lineage) => lineages.push(lineage),
                Err(error) => left_out.push(reason("pictures", &error)),
            }
        }
        Exhibition {
            record,
            exhibits,
            lineages,
            left_out,
        }
    }

    /// The figures of all stages, each with the id of its stage.
    pub(super) fn figures(&self) -> impl Iterator<Item = (&'a str, &Figure)> {
        self.exhibits.iter().flat_map(|(stage, exhibit)| {
            let figures = match &exhibit.content {
                Content::Figures { figures, .. } => &figures[..],
                _ => &[],
            };
            figures.iter().map(|figure| (*stage, figure))
        })
    }

    pub(super) fn into_figures(self) -> Vec<(String, Figure)> {
        let mut owned = Vec::new();
        for (stage, exhibit) in self.exhibits {
            if let Content::Figures { figures, .. } = exhibit.content {
                owned.extend(figures.into_iter().map(|figure| (stage.to_owned(), figure)));
            }
        }
        owned
    }
}

/// The first line of an error: the remedy is of no use in a report.
fn reason(subject: &str, error: &crate::Error) -> String {
    let text = error.to_string();
    format!("{subject}: {}", text.lines().next().unwrap_or_default())
}
