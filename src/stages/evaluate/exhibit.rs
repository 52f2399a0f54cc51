//! What an evaluation shows: the scores of the recognisers, by class, by size and by the looks of the photos,
//! what they confuse, and what they find in photos.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::artifact::{Artifact, MANIFEST};
use crate::stage::exhibit::{
    Cell, Column, Confusion, Content, Evidence, Exhibit, Figure, Place, Section, Spread, Table,
    Tone, Value,
};
use crate::tasks::detection::SURE;
use crate::tasks::{TASKS, Truth, classification};
use crate::{Error, Result};

use super::box_style::BoxStyle;
use super::{frames, misread};

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
    map50: Option<f64>,
    map75: Option<f64>,
    /// Of the boxes, where the others are of masks.
    box_map: Option<f64>,
    by_size: BTreeMap<String, Option<f64>>,
    missed: Option<u64>,
    invented: Option<u64>,
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
    // Beside the tasks, the summary has findings, its own and earlier ones.
    let is_task = |name: &str| TASKS.iter().any(|task| task.name == name);
    for (name, task) in tasks.filter(|(name, _)| is_task(name)) {
        let task = Task::deserialize(task).map_err(|e| unreadable(evidence.artifact, name, &e))?;
        let rows = task.rows();
        if rows.is_empty() {
            continue;
        }
        let measure = Measure::of(name);
        let chance = 1.0 / task.classes.len() as f64;
        let figures = Content::Figures {
            figures: task.figures(&rows, measure),
            chance: (task.classes.len() > 1 && measure.truth == Truth::Class).then_some(chance),
        };
        let on_photos = format!(
            "{} on real test photos, by {}",
            measure.name, evidence.artifact.manifest.id
        );
        exhibits.push(Exhibit::new(SECTION, name, figures).with_note(on_photos));
        exhibits.extend(objects(name, &rows));
        exhibits.extend(by_class(name, measure, &task, &rows));
        exhibits.extend(by_size(name, measure, &rows));
        exhibits.extend(by_looks(name, measure, &rows));
        exhibits.extend(confusions(name, measure, &task, &rows));
    }
    exhibits.extend(frames::exhibit(evidence)?);
    exhibits.extend(misread::exhibit(evidence)?);
    if !exhibits.is_empty() {
        let mut text = "to test the recognisers and, if there is one, to train target_only, the recogniser that the \
                        others are compared with."
            .to_owned();
        let config = evidence.artifact.manifest.config["test_boxes"].clone();
        if let Ok(style) = serde_json::from_value::<BoxStyle>(config) {
            text += &style.told();
        }
        let content = Content::Text(text);
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

/// What the scores of a task are.
#[derive(Clone, Copy)]
struct Measure {
    name: &'static str,
    truth: Truth,
    headline: &'static str,
}

impl Measure {
    fn of(task: &str) -> Self {
        let known = TASKS.iter().find(|known| known.name == task);
        let known = known.unwrap_or(&classification::TASK);
        Measure {
            name: known.metric,
            truth: known.truth,
            headline: match known.truth {
                Truth::Class => "accuracy on real photos",
                Truth::Objects if known.masks => "mask mAP50–95 on real photos",
                Truth::Objects => "mAP50–95 on real photos",
            },
        }
    }
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

    fn figures(&self, rows: &[Row], measure: Measure) -> Vec<Figure> {
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
                headline: (row.name == "adapted").then_some(measure.headline),
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

/// How well objects are found and how well their boxes fit, one row per recogniser.
fn objects(task_name: &str, rows: &[Row]) -> Option<Exhibit> {
    if rows.iter().all(|row| row.results.map50.is_none()) {
        return None;
    }
    let share = |value: Option<f64>| Cell::share(value.unwrap_or(f64::NAN));
    // Counts are of all seeds together.
    let each = |count: Option<u64>, row: &Row| {
        let seeds = row.results.seeds.len().max(1) as f64;
        Cell::Value(Value::Number(count.unwrap_or(0) as f64 / seeds))
    };
    let by_masks = rows.iter().any(|row| row.results.box_map.is_some());
    let line = |row: &Row| {
        let results = row.results;
        let mut line = vec![
            Cell::text(row.name),
            share(results.map50),
            share(results.map75),
            share(results.mean),
        ];
        line.extend(by_masks.then(|| share(results.box_map)));
        line.push(each(results.missed, row));
        line.push(each(results.invented, row));
        line
    };
    let mut columns = vec!["recogniser", "mAP50", "mAP75", "mAP50–95"];
    columns.extend(by_masks.then_some("of boxes"));
    columns.extend(["missed", "invented"]);
    let content = Content::Table(Table {
        columns: Column::plain(&columns),
        rows: rows.iter().map(line).collect(),
    });
    let note = format!(
        "missed and invented: objects per training, found with a confidence of at least {:.0} % and half of the box",
        100.0 * SURE
    );
    Some(Exhibit::new(SECTION, task_name, content).with_note(note))
}

/// The score by the size of the objects, a column a recogniser.
fn by_size(task_name: &str, measure: Measure, rows: &[Row]) -> Option<Exhibit> {
    let sizes: BTreeSet<&String> = rows.iter().flat_map(|r| r.results.by_size.keys()).collect();
    let lines = sizes.iter().map(|size| {
        let score = |row: &Row| row.results.by_size.get(*size).copied().flatten();
        (size.as_str(), rows.iter().map(score).collect())
    });
    let content = scores("size", rows, lines);
    let note = format!("{} by the size of the object in the photo", measure.name);
    (!sizes.is_empty()).then(|| Exhibit::new(DETAILS, task_name, content).with_note(note))
}

/// The score by class, a column a recogniser.
fn by_class(task_name: &str, measure: Measure, task: &Task, rows: &[Row]) -> Option<Exhibit> {
    if rows.iter().all(|row| row.results.per_class.is_empty()) {
        return None;
    }
    let classes = task.classes.iter().map(|class| {
        let score = |row: &Row| row.results.per_class.get(class).copied().flatten();
        (class.as_str(), rows.iter().map(score).collect())
    });
    let content = scores("class", rows, classes);
    Some(Exhibit::new(DETAILS, task_name, content).with_note(format!("{} by class", measure.name)))
}

/// The score by the looks of the photos, a column a recogniser.
fn by_looks(task_name: &str, measure: Measure, rows: &[Row]) -> Vec<Exhibit> {
    let all: BTreeSet<&String> = rows
        .iter()
        .flat_map(|r| r.results.quintiles.keys())
        .collect();
    let table = |looks: &String| {
        let quintiles = QUINTILES.iter().enumerate().map(|(place, name)| {
            let score = |row: &Row| *row.results.quintiles.get(looks)?.get(place)?;
            (*name, rows.iter().map(score).collect())
        });
        let note = format!("{} by the {looks} of the photo", measure.name);
        Exhibit::new(DETAILS, task_name, scores("quintile", rows, quintiles)).with_note(note)
    };
    all.into_iter().map(table).collect()
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

fn confusions(task_name: &str, measure: Measure, task: &Task, rows: &[Row]) -> Option<Exhibit> {
    let nothing = (measure.truth == Truth::Objects).then(|| "nothing".to_owned());
    let classes: Vec<String> = task.classes.iter().cloned().chain(nothing).collect();
    let rows = rows.iter().filter(|row| !row.results.confusion.is_empty());
    let confusions: Vec<Confusion> = rows
        .map(|row| Confusion {
            name: row.name.into(),
            tone: row.tone,
            classes: classes.clone(),
            counts: row.results.confusion.clone(),
        })
        .collect();
    let note = match measure.truth {
        Truth::Class => "how often each class was read as each other, over all seeds",
        Truth::Objects => {
            "how often objects of each class were found as each other, over all seeds; what was \
                           invented is in the row of nothing, what was missed in its column"
        }
    };
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
    fn findings_of_this_stage_and_of_earlier_ones_are_no_tasks() {
        let found =
            json!([{ "level": "note", "about": "a", "number": "1", "text": "b", "advice": "" }]);
        let shown = exhibits(json!({
            "classification": { "classes": ["a", "b"], "adapted": { "mean": 0.5 } },
            "findings": found, "earlier_findings": found,
        }));
        assert_eq!(shown.unwrap().len(), 2);
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
