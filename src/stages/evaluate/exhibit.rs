//! What an evaluation shows: the scores of the recognisers, by class and by the looks of the photos,
//! and what they confuse.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::artifact::{Artifact, MANIFEST};
use crate::stage::exhibit::{
    Cell, Column, Confusion, Content, Evidence, Exhibit, Figure, Place, Section, Spread, Table,
    Tone, Value,
};
use crate::stage::finding;
use crate::{Error, Result};

/// One task, as the stage's summary has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Task {
    classes: Vec<String>,
    source_only: Option<Recogniser>,
    generated_only: Option<Recogniser>,
    with_generated: Option<Recogniser>,
    adapted: Option<Recogniser>,
    target_only: Option<Recogniser>,
    gap_closed: Option<f64>,
}

/// One recogniser's results. Scores are 0..1; `None` is a score that was not a number.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Recogniser {
    mean: Option<f64>,
    std: Option<f64>,
    seeds: Vec<Option<f64>>,
    n_train: u64,
    n_test: u64,
    per_class: BTreeMap<String, Option<f64>>,
    confusion: Vec<Vec<f64>>,
    quintiles: BTreeMap<String, Vec<Option<f64>>>,
}

/// What a recogniser is called, what it was trained on, and its colour.
#[derive(Clone, Copy)]
struct Row<'a> {
    name: &'static str,
    about: &'static str,
    tone: Tone,
    results: &'a Recogniser,
}

const SECTION: Section = (Place::Results, "Recognisers");
const DETAILS: Section = (Place::Details, "Confusions");
const QUINTILES: [&str; 5] = ["lowest", "low", "middle", "high", "highest"];

/// The exhibits of every task that was measured.
///
/// # Errors
/// If a task of the summary cannot be read; what a task lacks is left out.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
    let mut exhibits = Vec::new();
    let tasks = evidence.summary().as_object().into_iter().flatten();
    for (name, task) in tasks.filter(|(name, _)| *name != finding::KEY) {
        let task = Task::deserialize(task).map_err(|e| unreadable(evidence.artifact, name, &e))?;
        let rows = task.rows();
        if rows.is_empty() {
            continue;
        }
        let figures = Content::Figures {
            figures: task.figures(&rows),
            chance: (task.classes.len() > 1).then(|| 1.0 / task.classes.len() as f64),
        };
        let on_photos = format!(
            "accuracy on real test photos, by {}",
            evidence.artifact.manifest.id
        );
        exhibits.push(Exhibit::new(SECTION, name, figures).with_note(on_photos));
        exhibits.extend(by_class(name, &task, &rows));
        exhibits.extend(by_looks(name, &rows));
        exhibits.extend(confusions(name, &task, &rows));
    }
    if !exhibits.is_empty() {
        let text = "to test the recognisers and, if there is one, to train target_only, the recogniser \
                    that the others are compared with.";
        let content = Content::Text(text.into());
        exhibits.push(Exhibit::new((Place::RealLabels, ""), "", content));
    }
    Ok(exhibits)
}

fn unreadable(artifact: &Artifact, task: &str, error: &serde_json::Error) -> Error {
    Error::failed(
        artifact.folder.join(MANIFEST).display(),
        format!("the results of `{task}` cannot be read: {error}"),
        format!("run again with --force {}", artifact.manifest.id),
    )
}

impl Task {
    /// The recognisers that were trained, worst data first.
    fn rows(&self) -> Vec<Row<'_>> {
        let all = [
            (
                "source_only",
                "trained on plain renders",
                1,
                &self.source_only,
            ),
            (
                "generated_only",
                "trained on generated pictures alone",
                2,
                &self.generated_only,
            ),
            (
                "with_generated",
                "trained on plain renders and generated pictures",
                3,
                &self.with_generated,
            ),
            ("adapted", "trained on this dataset", 0, &self.adapted),
            (
                "target_only",
                "trained on real photos with real labels",
                4,
                &self.target_only,
            ),
        ];
        let rows = all.into_iter().filter_map(|(name, about, tone, results)| {
            Some(Row {
                name,
                about,
                tone: Tone::Series(tone),
                results: results.as_ref()?,
            })
        });
        rows.collect()
    }

    fn figures(&self, rows: &[Row]) -> Vec<Figure> {
        let score = |row: &Row| {
            let results = row.results;
            let mean = Value::Share(results.mean.unwrap_or(f64::NAN));
            Figure {
                spread: Some(Spread {
                    std: results.std.unwrap_or(f64::NAN),
                    results: results.seeds.iter().flatten().copied().collect(),
                }),
                counts: vec![("n_train", results.n_train), ("n_test", results.n_test)],
                tone: row.tone,
                headline: (row.name == "adapted").then_some("accuracy on real photos"),
                ..Figure::new(row.name, mean, row.about)
            }
        };
        let mut figures: Vec<Figure> = rows.iter().map(score).collect();
        let gap = "of the gap between plain renders and real labels is closed";
        figures.extend(self.gap_closed.map(|share| Figure {
            headline: Some("of the gap closed"),
            ..Figure::new("gap closed", Value::Share(share), gap)
        }));
        figures
    }
}

/// Accuracy by class, a column a recogniser.
fn by_class(task_name: &str, task: &Task, rows: &[Row]) -> Option<Exhibit> {
    if rows.iter().all(|row| row.results.per_class.is_empty()) {
        return None;
    }
    let classes = task.classes.iter().map(|class| {
        let score = |row: &Row| row.results.per_class.get(class).copied().flatten();
        (class.as_str(), rows.iter().map(score).collect())
    });
    let content = scores("class", rows, classes);
    Some(Exhibit::new(DETAILS, task_name, content).with_note("accuracy by class"))
}

/// Accuracy by the looks of the photos, a column a recogniser.
fn by_looks(task_name: &str, rows: &[Row]) -> Vec<Exhibit> {
    let measures: BTreeSet<&String> = rows
        .iter()
        .flat_map(|r| r.results.quintiles.keys())
        .collect();
    let table = |measure: &String| {
        let quintiles = QUINTILES.iter().enumerate().map(|(place, name)| {
            let score = |row: &Row| *row.results.quintiles.get(measure)?.get(place)?;
            (*name, rows.iter().map(score).collect())
        });
        let note = format!("accuracy by the {measure} of the photo");
        Exhibit::new(DETAILS, task_name, scores("quintile", rows, quintiles)).with_note(note)
    };
    measures.into_iter().map(table).collect()
}

fn scores<'a>(
    head: &str,
    rows: &[Row],
    lines: impl Iterator<Item = (&'a str, Vec<Option<f64>>)>,
) -> Content {
    let line = |(name, scores): (&str, Vec<Option<f64>>)| {
        let scores = scores
            .into_iter()
            .map(|score| Cell::share(score.unwrap_or(f64::NAN)));
        [Cell::text(name)].into_iter().chain(scores).collect()
    };
    let mut columns = Column::plain(&[head]);
    columns.extend(rows.iter().map(|row| Column::new(row.name, row.tone)));
    Content::Table(Table {
        columns,
        rows: lines.map(line).collect(),
    })
}

fn confusions(task_name: &str, task: &Task, rows: &[Row]) -> Option<Exhibit> {
    let rows = rows.iter().filter(|row| !row.results.confusion.is_empty());
    let confusions: Vec<Confusion> = rows
        .map(|row| Confusion {
            name: row.name.into(),
            tone: row.tone,
            classes: task.classes.clone(),
            counts: row.results.confusion.clone(),
        })
        .collect();
    let note = "how often each class was read as each other, over all seeds";
    let exhibit = |confusions| Exhibit::new(DETAILS, task_name, Content::Confusions(confusions));
    (!confusions.is_empty()).then(|| exhibit(confusions).with_note(note))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    fn exhibits(summary: serde_json::Value) -> Result<Vec<Exhibit>> {
        let folder = tempfile::tempdir().unwrap();
        let mut artifact = testing::publish(folder.path(), &[], 16);
        artifact.manifest.summary = summary;
        let inputs = BTreeMap::new();
        exhibit(&Evidence {
            artifact: &artifact,
            inputs,
        })
    }

    #[test]
    fn recognisers_that_were_not_trained_and_scores_that_are_not_numbers_are_left_out() {
        let shown = exhibits(json!({ "classification": {
            "classes": ["a", "b"],
            "source_only": { "mean": null, "std": 0.1, "seeds": [0.5, null] },
        } }))
        .unwrap();
        let [scores, real_labels] = &shown[..] else {
            panic!("{} exhibits", shown.len());
        };
        let Content::Figures { figures, chance } = &scores.content else {
            panic!("no figures");
        };
        assert_eq!(*chance, Some(0.5));
        assert_eq!(figures.len(), 1);
        assert!(matches!(figures[0].value, Value::Share(mean) if mean.is_nan()));
        assert_eq!(figures[0].spread.as_ref().unwrap().results, [0.5]);
        assert_eq!(real_labels.section.0, Place::RealLabels);
        assert!(exhibits(json!({})).unwrap().is_empty());
    }

    #[test]
    fn results_of_another_form_are_an_error() {
        let shown = exhibits(json!({ "classification": { "adapted": { "mean": "high" } } }));
        let error = shown.err().unwrap().to_string();
        assert!(
            error.contains(MANIFEST) && error.contains("`classification`"),
            "{error}"
        );
    }

    #[test]
    fn what_the_dataset_is_worth_is_a_headline() {
        let row = |mean| json!({ "mean": mean, "per_class": { "a": mean }, "confusion": [[1]] });
        let shown = exhibits(json!({ "classification": {
            "classes": ["a"], "source_only": row(0.5), "adapted": row(0.75), "target_only": row(1.0),
            "gap_closed": 0.5,
        } }))
        .unwrap();
        assert_eq!(shown.len(), 4);
        let Content::Figures { figures, .. } = &shown[0].content else {
            panic!("no figures");
        };
        let headlines = figures.iter().filter(|f| f.headline.is_some());
        let values: Vec<_> = headlines.map(|f| f.value.clone()).collect();
        assert_eq!(values, [Value::Share(0.75), Value::Share(0.5)]);
    }
}
