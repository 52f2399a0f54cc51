//! Samples of the same origins in all stages that make or change pictures, beside real photos.
//!
//! No stage is known here: the way of the pictures follows the inputs of the run's stages, and what a
//! stage hands on unchanged is left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::Result;
use crate::artifact::run::{RunRecord, StageRecord};
use crate::artifact::{Artifact, Kind, parts};
use crate::sample::{Domain, Sample};
use crate::stage::exhibit::{Row, Sheet, ancestor, examples};
use crate::stage::{Need, StageKind};

/// Pictures on their way through a pipeline.
pub(super) struct Lineage {
    /// A column a stage, a row an origin.
    pub sheet: Sheet,
    /// The id of the stage that read the photos, and some of them.
    pub photos: Option<(String, Vec<Sample>)>,
}

/// Rows of a sheet, and photos beside it.
const ROWS: usize = 24;

/// Parts read of one artifact at most: keeps the report quick on large runs.
const PARTS: usize = 4;

/// Lineages at most, for pipelines that publish many datasets.
const LINEAGES: usize = 3;

/// A run's record with those of its artifacts that can be read.
pub(super) struct Archive<'a> {
    record: &'a RunRecord,
    kinds: &'a [&'a StageKind],
    artifacts: &'a BTreeMap<&'a str, Artifact>,
}

impl<'a> Archive<'a> {
    pub(super) fn new(
        record: &'a RunRecord,
        kinds: &'a [&'a StageKind],
        artifacts: &'a BTreeMap<&'a str, Artifact>,
    ) -> Self {
        Archive {
            record,
            kinds,
            artifacts,
        }
    }

    /// Of each dataset that has pictures behind it, or else of the longest way.
    pub(super) fn lineages(&self) -> Vec<Result<Lineage>> {
        let stages = self.record.stages.iter();
        let ways = stages.map(|stage| (self.is_dataset(stage), self.way(stage)));
        let (datasets, others): (Vec<_>, Vec<_>) = ways.partition(|(is_dataset, _)| *is_dataset);
        let mut ways: Vec<Vec<&StageRecord>> = datasets.into_iter().map(|(_, way)| way).collect();
        if ways.is_empty() {
            let others = others.into_iter().map(|(_, way)| way);
            ways.extend(others.max_by_key(Vec::len));
        }
        let mut known = BTreeSet::new();
        ways.retain(|way| {
            let ids: Vec<&str> = way.iter().map(|stage| stage.id.as_str()).collect();
            !ids.is_empty() && known.insert(ids)
        });
        ways.truncate(LINEAGES);
        let lineages = ways.iter().map(|way| self.lineage(way));
        let is_empty = |lineage: &Lineage| lineage.sheet.rows.is_empty();
        lineages
            .filter(|l| !l.as_ref().is_ok_and(is_empty))
            .collect()
    }

    fn stage(&self, id: &str) -> Option<&'a StageRecord> {
        self.record.stages.iter().find(|stage| stage.id == id)
    }

    fn is_dataset(&self, stage: &StageRecord) -> bool {
        let artifact = self.artifacts.get(stage.id.as_str());
        artifact.is_some_and(|artifact| artifact.manifest.kind == Kind::Dataset)
    }

    fn has_samples(&self, stage: &StageRecord) -> bool {
        let artifact = self.artifacts.get(stage.id.as_str());
        artifact.is_some_and(|artifact| artifact.parts().next().is_some())
    }

    /// The stage whose pictures `stage` continues: the first input that it must have.
    fn before(&self, stage: &StageRecord) -> Option<&'a StageRecord> {
        let kind = self.kinds.iter().find(|kind| kind.name == stage.stage)?;
        let needed = kind.inputs.iter();
        let mut needed = needed.filter(|input| matches!(input.need, Need::Required | Need::OneOf));
        needed.find_map(|input| self.stage(stage.from.get(input.role)?))
    }

    /// The stages with pictures on the way to `end`, in data-flow order.
    fn way(&self, end: &'a StageRecord) -> Vec<&'a StageRecord> {
        let mut way = Vec::new();
        let mut stage = Some(end);
        while let Some(s) = stage.filter(|_| way.len() <= self.record.stages.len()) {
            way.push(s);
            stage = self.before(s);
        }
        way.retain(|stage| self.has_samples(stage));
        way.reverse();
        way
    }

    /// Photos that the networks behind `way` learned from, or any others: pictures made of no others.
    fn photos_behind(&self, way: &[&'a StageRecord]) -> Result<Option<(String, Vec<Sample>)>> {
        let mut open = way.to_vec();
        let mut seen = BTreeSet::new();
        let mut sources = Vec::new();
        while let Some(stage) = open.pop() {
            if seen.insert(&stage.id) {
                sources.push(stage);
                open.extend(stage.from.values().filter_map(|id| self.stage(id)));
            }
        }
        sources.extend(&self.record.stages);
        sources.retain(|stage| stage.from.is_empty() && self.has_samples(stage));
        for stage in sources {
            let photos = self.examples(stage, |s| s.provenance.domain == Domain::Photo)?;
            if !photos.is_empty() {
                let photos = photos.into_iter().map(|(_, photo)| photo).collect();
                return Ok(Some((stage.id.clone(), photos)));
            }
        }
        Ok(None)
    }

    fn examples(
        &self,
        stage: &StageRecord,
        fit: impl Fn(&Sample) -> bool,
    ) -> Result<Vec<(usize, Sample)>> {
        let Some(artifact) = self.artifacts.get(stage.id.as_str()) else {
            return Ok(Vec::new());
        };
        let classes = artifact.manifest.classes.len();
        examples(artifact.parts().take(PARTS), ROWS, classes, fit)
    }

    fn lineage(&self, way: &[&'a StageRecord]) -> Result<Lineage> {
        let last = way.len().saturating_sub(1);
        let chosen = match way.last() {
            Some(stage) => self.examples(stage, |_| true)?,
            None => Vec::new(),
        };
        let numbers: Vec<usize> = chosen.iter().map(|(number, _)| *number).collect();
        let mut rows: Vec<Vec<Option<Sample>>> = Vec::new();
        for (_, sample) in chosen {
            let mut row = vec![None; last];
            row.push(Some(sample));
            rows.push(row);
        }
        for column in (0..last).rev() {
            self.fill(way[column], column, &mut rows, &numbers)?;
        }
        // What came in at the end, such as a photo that joined, shows nothing of the way.
        rows.retain(|row| last == 0 || row.iter().flatten().count() > 1);
        let mut columns: Vec<String> = way.iter().map(|stage| stage.id.clone()).collect();
        for column in (1..columns.len()).rev() {
            if are_unchanged(&rows, column) {
                columns.remove(column);
                for row in &mut rows {
                    let same = row.remove(column);
                    row[column - 1] = row[column - 1].take().or(same);
                }
            }
        }
        Ok(Lineage {
            sheet: Sheet {
                columns,
                rows: rows.into_iter().map(strip).collect(),
                labels: false,
            },
            photos: self.photos_behind(way)?,
        })
    }

    /// Finds in `stage` the ancestor of each row's next sample and puts it in `column`.
    ///
    /// Stages map part by part, so the part with the descendant's number is looked at first.
    fn fill(
        &self,
        stage: &StageRecord,
        column: usize,
        rows: &mut [Vec<Option<Sample>>],
        numbers: &[usize],
    ) -> Result<()> {
        let Some(artifact) = self.artifacts.get(stage.id.as_str()) else {
            return Ok(());
        };
        let paths: Vec<_> = artifact.parts().collect();
        let mut order: Vec<usize> = numbers.to_vec();
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
}

impl Lineage {
    /// The last pictures of the way, with their labels.
    pub(super) fn labelled(&self) -> Sheet {
        let last = self
            .sheet
            .rows
            .iter()
            .filter_map(|row| row.pictures.last()?.clone());
        Sheet {
            columns: self.sheet.columns.last().cloned().into_iter().collect(),
            rows: last.map(|sample| strip(vec![Some(sample)])).collect(),
            labels: true,
        }
    }
}

/// Whether the pictures of a column are those of the column before it, as far as both are at hand.
fn are_unchanged(rows: &[Vec<Option<Sample>>], column: usize) -> bool {
    let pairs = rows
        .iter()
        .map(|row| row[column - 1].as_ref().zip(row[column].as_ref()));
    let mut pairs = pairs.flatten().peekable();
    pairs.peek().is_some() && pairs.all(|(before, after)| before.image == after.image)
}

fn strip(pictures: Vec<Option<Sample>>) -> Row {
    let class = pictures
        .iter()
        .flatten()
        .find_map(|s| s.labels.class.clone());
    Row {
        caption: class.unwrap_or_else(|| "no class".into()),
        pictures,
        fault: String::new(),
        details: String::new(),
    }
}
