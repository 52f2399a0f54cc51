//! What the report shows besides the record: samples of one origin along the pipeline, photos, losses.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::Result;
use crate::artifact::run::{RunRecord, StageRecord};
use crate::artifact::{Artifact, parts};
use crate::sample::Sample;

use super::believed::Believed;
use super::evaluation::{self, Task};
use super::gate::Gate;

/// The record of a run and what could be read of its artifacts.
pub struct Evidence<'a> {
    pub record: &'a RunRecord,
    pub tasks: Vec<Task>,
    pub sheets: Vec<Sheet>,
    pub histories: Vec<History>,
    pub gates: Vec<Gate>,
    pub believed: Vec<Believed>,
    /// A line for everything that had to be left out.
    pub left_out: Vec<String>,
}

/// Samples of the same origins in the stages that make and change pictures.
pub struct Sheet {
    /// Stage ids, e.g. `render`, `translate`, `augment`.
    pub columns: Vec<String>,
    /// One row an origin; a column's sample is missing where its part was not at hand.
    pub rows: Vec<Vec<Option<Sample>>>,
    /// The id of the stage that read the photos, and some of them.
    pub photos: Option<(String, Vec<Sample>)>,
}

/// The losses of a training stage.
pub struct History {
    pub stage: String,
    pub steps: Vec<Step>,
}

/// Values at one step of a training; `None` is a value that was no number.
#[derive(Debug, Deserialize)]
pub struct Step {
    pub step: f64,
    pub values: BTreeMap<String, Option<f64>>,
}

/// Rows of a contact sheet, and photos beside it.
const ROWS: usize = 24;

/// Parts read of one artifact at most: keeps the report quick on large runs.
const PARTS: usize = 4;

/// Sheets at most, for pipelines that publish many datasets.
const SHEETS: usize = 3;

impl<'a> Evidence<'a> {
    /// Reads what it can.
    pub fn gather(record: &'a RunRecord) -> Self {
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
        let reader = Reader { record, artifacts };
        let mut sheets = Vec::new();
        for chain in reader.chains() {
            match reader.sheet(&chain) {
                Ok(sheet) if sheet.rows.is_empty() => {}
                Ok(sheet) => sheets.push(sheet),
                Err(error) => left_out.push(reason("contact sheet", &error)),
            }
        }
        let mut histories = Vec::new();
        for (id, artifact) in &reader.artifacts {
            match read_history(artifact) {
                Some(Ok(steps)) => histories.push(History {
                    stage: (*id).to_owned(),
                    steps,
                }),
                Some(Err(problem)) => left_out.push(format!("{id}: history.json {problem}")),
                None => {}
            }
        }
        let mut gates = Vec::new();
        for stage in record.stages.iter().filter(|s| s.stage == "gate") {
            let open = |role: &str| reader.artifacts.get(stage.from.get(role)?.as_str());
            let Some(artifact) = reader.artifacts.get(stage.id.as_str()) else {
                continue;
            };
            match Gate::read(artifact, open("samples"), open("renders")) {
                Ok(gate) => gates.push(gate),
                Err(error) => left_out.push(reason(&stage.id, &error)),
            }
        }
        let mut believed = Vec::new();
        for stage in record.stages.iter().filter(|s| s.stage == "pseudo_label") {
            match reader.artifacts.get(stage.id.as_str()).map(Believed::read) {
                Some(Ok(stage)) => believed.push(stage),
                Some(Err(error)) => left_out.push(reason(&stage.id, &error)),
                None => {}
            }
        }
        Evidence {
            record,
            tasks: evaluation::tasks(record),
            sheets,
            histories,
            gates,
            believed,
            left_out,
        }
    }
}

/// The first line of an error: the remedy is of no use in a report.
fn reason(subject: &str, error: &crate::Error) -> String {
    let text = error.to_string();
    format!("{subject}: {}", text.lines().next().unwrap_or_default())
}

/// The steps in an artifact's `history.json`, if it has one.
fn read_history(artifact: &Artifact) -> Option<Result<Vec<Step>, String>> {
    #[derive(Deserialize)]
    struct File {
        steps: Vec<Step>,
    }
    let named = artifact
        .manifest
        .files
        .iter()
        .any(|f| f.file == "history.json");
    if !named && !artifact.manifest.kind.is_checkpoint() {
        return None;
    }
    let text = match std::fs::read_to_string(artifact.folder.join("history.json")) {
        Ok(text) => text,
        Err(_) if !named => return None,
        Err(error) => return Some(Err(error.to_string())),
    };
    let file: Result<File, _> = serde_json::from_str(&text);
    Some(file.map(|f| f.steps).map_err(|e| e.to_string()))
}

/// The record with the artifacts that could be opened.
struct Reader<'a> {
    record: &'a RunRecord,
    artifacts: BTreeMap<&'a str, Artifact>,
}

impl<'a> Reader<'a> {
    fn stage(&self, id: &str) -> Option<&'a StageRecord> {
        self.record.stages.iter().find(|s| s.id == id)
    }

    fn has_samples(&self, id: &str) -> bool {
        let artifact = self.artifacts.get(id);
        artifact.is_some_and(|a| a.manifest.kind.has_samples() && a.parts().next().is_some())
    }

    /// The stage whose pictures `stage` goes on with.
    fn before(&self, stage: &StageRecord) -> Option<&'a StageRecord> {
        if stage.from.len() > 1 && stage.stage == "evaluate" {
            return None;
        }
        let named = ["samples", "renders", "conditions"];
        let role = named.iter().find_map(|role| stage.from.get(*role));
        let id = role.or_else(|| {
            let others = stage.from.iter().filter(|(role, _)| *role != "backgrounds");
            others.map(|(_, id)| id).find(|id| self.has_samples(id))
        })?;
        self.stage(id)
    }

    /// From each dataset (or else the longest way) back to the render; pictures unchanged left out.
    fn chains(&self) -> Vec<Vec<&'a StageRecord>> {
        let published: Vec<&StageRecord> = {
            let all = self.record.stages.iter();
            all.filter(|s| s.stage == "emit").collect()
        };
        let mut chains: Vec<Vec<&StageRecord>> = Vec::new();
        let ends = if published.is_empty() {
            let longest = self.record.stages.iter();
            longest
                .max_by_key(|s| self.way(s).len())
                .into_iter()
                .collect()
        } else {
            published
        };
        for end in ends {
            let chain = self.way(end);
            let known = chains.iter().any(|c| same(c, &chain));
            if !chain.is_empty() && !known && chains.len() < SHEETS {
                chains.push(chain);
            }
        }
        chains
    }

    /// The stages that make or change pictures on the way to `end`, in data-flow order.
    fn way(&self, end: &'a StageRecord) -> Vec<&'a StageRecord> {
        let mut way = Vec::new();
        let mut stage = Some(end);
        while let Some(s) = stage.filter(|_| way.len() <= self.record.stages.len()) {
            way.push(s);
            stage = self.before(s);
        }
        way.retain(|s| {
            !matches!(s.stage.as_str(), "gate" | "split" | "emit") && self.has_samples(&s.id)
        });
        way.reverse();
        way
    }

    /// The photos that the networks behind `chain` learnt from, or any other.
    fn photos_behind(&self, chain: &[&StageRecord]) -> Option<&'a StageRecord> {
        let mut open: Vec<&str> = chain.iter().map(|s| s.id.as_str()).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            let Some(stage) = self.stage(id).filter(|s| seen.insert(s.id.as_str())) else {
                continue;
            };
            if stage.stage == "ingest" && self.has_samples(id) {
                return Some(stage);
            }
            open.extend(stage.from.values().map(String::as_str));
        }
        let mut stages = self.record.stages.iter();
        stages.find(|s| s.stage == "ingest" && self.has_samples(&s.id))
    }

    fn sheet(&self, chain: &[&StageRecord]) -> Result<Sheet> {
        let columns: Vec<String> = chain.iter().map(|s| s.id.clone()).collect();
        let chosen = match chain.last() {
            Some(last) => self.spread(&last.id, ROWS)?,
            None => Vec::new(),
        };
        let first = chain.len().saturating_sub(1);
        let mut rows: Vec<Vec<Option<Sample>>> = Vec::new();
        for (_, sample) in &chosen {
            let mut row = vec![None; first];
            row.push(Some(sample.clone()));
            rows.push(row);
        }
        let part_numbers: Vec<usize> = chosen.iter().map(|(number, _)| *number).collect();
        for column in (0..first).rev() {
            self.fill(&columns[column], column, &mut rows, &part_numbers)?;
        }
        let photos = match self.photos_behind(chain) {
            Some(stage) => {
                let photos = self.spread(&stage.id, ROWS)?;
                Some((stage.id.clone(), photos.into_iter().map(|p| p.1).collect()))
            }
            None => None,
        };
        Ok(Sheet {
            columns,
            rows,
            photos,
        })
    }

    /// Finds in stage `id` the ancestor of each row's next sample and puts it in `column`.
    ///
    /// Stages map part by part, so the part with the descendant's number is looked at first.
    fn fill(
        &self,
        id: &str,
        column: usize,
        rows: &mut [Vec<Option<Sample>>],
        part_numbers: &[usize],
    ) -> Result<()> {
        let Some(artifact) = self.artifacts.get(id) else {
            return Ok(());
        };
        let paths: Vec<_> = artifact.parts().collect();
        let mut order: Vec<usize> = part_numbers.to_vec();
        order.sort_unstable();
        order.extend(0..paths.len());
        let mut read = BTreeSet::new();
        for number in order {
            let complete = rows.iter().all(|row| row[column].is_some());
            if complete || read.len() >= 2 * PARTS {
                break;
            }
            let Some(path) = paths.get(number).filter(|_| read.insert(number)) else {
                continue;
            };
            let samples = parts::read_part(path)?;
            for row in rows.iter_mut().filter(|row| row[column].is_none()) {
                let child = row[column + 1..].iter().flatten().next();
                row[column] = child.and_then(|child| ancestor(&samples, child)).cloned();
            }
        }
        Ok(())
    }

    /// Samples of different origins, evenly over the classes, with the number of their part.
    fn spread(&self, id: &str, wanted: usize) -> Result<Vec<(usize, Sample)>> {
        let Some(artifact) = self.artifacts.get(id) else {
            return Ok(Vec::new());
        };
        let mut by_class: BTreeMap<Option<String>, Vec<(usize, Sample)>> = BTreeMap::new();
        let mut origins = BTreeSet::new();
        for (number, path) in artifact.parts().enumerate().take(PARTS) {
            for sample in parts::read_part(&path)? {
                if origins.insert(sample.provenance.origin.clone()) {
                    let class = by_class.entry(sample.labels.class.clone()).or_default();
                    class.push((number, sample));
                }
            }
            if origins.len() >= wanted && by_class.len() >= artifact.manifest.classes.len() {
                break;
            }
        }
        let mut queues: Vec<_> = by_class.into_values().map(Vec::into_iter).collect();
        let mut chosen = Vec::new();
        while chosen.len() < wanted.max(queues.len().min(2 * wanted)) {
            let round: Vec<_> = queues.iter_mut().filter_map(Iterator::next).collect();
            if round.is_empty() {
                break;
            }
            chosen.extend(round);
        }
        chosen.truncate(2 * wanted);
        Ok(chosen)
    }
}

fn same(a: &[&StageRecord], b: &[&StageRecord]) -> bool {
    a.iter().map(|s| &s.id).eq(b.iter().map(|s| &s.id))
}

/// The sample that `child` was made from, else one of the same origin.
pub fn ancestor<'s>(samples: &'s [Sample], child: &Sample) -> Option<&'s Sample> {
    let parent = child.provenance.parent.as_deref();
    let exact = samples.iter().find(|s| Some(s.id.as_str()) == parent);
    let origin = &child.provenance.origin;
    exact.or_else(|| samples.iter().find(|s| &s.provenance.origin == origin))
}
