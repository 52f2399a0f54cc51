//! The recognisers' scores, as `evaluate` leaves them among the run's metrics.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::artifact::run::RunRecord;

/// One task of one evaluating stage: recognisers trained on different data, tested on real photos.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Task {
    #[serde(skip)]
    pub stage: String,
    #[serde(skip)]
    pub name: String,
    pub classes: Vec<String>,
    source_only: Option<Recogniser>,
    adapted: Option<Recogniser>,
    target_only: Option<Recogniser>,
    /// (adapted − source_only) / (target_only − source_only).
    pub gap_closed: Option<f64>,
}

/// One recogniser's results. Scores are 0..1; `None` is a score that was no number.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Recogniser {
    mean: Option<f64>,
    std: Option<f64>,
    pub seeds: Vec<Option<f64>>,
    pub n_train: u64,
    pub n_test: u64,
    pub per_class: BTreeMap<String, Option<f64>>,
    /// Rows are true classes, columns predicted ones, in the order of [`Task::classes`].
    pub confusion: Vec<Vec<f64>>,
    /// Accuracy in fifths of the test photos, by what they are ranked by, the lowest first.
    pub fifths: BTreeMap<String, Vec<Option<f64>>>,
}

/// A kind of mistake of a recogniser.
#[derive(Debug, PartialEq)]
pub struct Confusion<'a> {
    pub truth: &'a str,
    pub predicted: &'a str,
    pub count: f64,
    /// Of the photos that show `truth`.
    pub share: f64,
}

/// The tasks of every stage whose metrics have the form of `evaluate`'s summary.
pub fn tasks(record: &RunRecord) -> Vec<Task> {
    record
        .metrics
        .iter()
        .filter_map(|(stage, value)| Some((stage, value.as_object()?)))
        .flat_map(|(stage, tasks)| {
            tasks.iter().filter_map(move |(name, value)| {
                let task = Task::deserialize(value).ok()?;
                (task.rows().count() > 0).then(|| Task {
                    stage: stage.clone(),
                    name: name.clone(),
                    ..task
                })
            })
        })
        .collect()
}

impl Task {
    /// The recognisers that were trained, worst data first, with their names in `run.json`.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, &Recogniser)> {
        [
            ("source_only", &self.source_only),
            ("adapted", &self.adapted),
            ("target_only", &self.target_only),
        ]
        .into_iter()
        .filter_map(|(name, recogniser)| Some((name, recogniser.as_ref()?)))
    }

    /// The recogniser with this name.
    pub fn row(&self, name: &str) -> Option<&Recogniser> {
        self.rows().find(|row| row.0 == name).map(|row| row.1)
    }

    /// What the scores are called.
    pub fn score(&self) -> &'static str {
        match self.name.as_str() {
            "classification" => "accuracy",
            _ => "score",
        }
    }

    /// What guessing would score.
    pub fn chance(&self) -> Option<f64> {
        let guessing = self.name == "classification" && self.classes.len() > 1;
        guessing.then(|| 1.0 / self.classes.len() as f64)
    }
}

impl Recogniser {
    pub fn mean(&self) -> f64 {
        self.mean.unwrap_or(f64::NAN)
    }

    pub fn std(&self) -> f64 {
        self.std.unwrap_or(f64::NAN)
    }

    /// Row `truth` of the confusion matrix as shares of its sum; zeros where no photo shows it.
    pub fn shares(&self, truth: usize) -> Vec<f64> {
        let row = self.confusion.get(truth).map_or(&[][..], Vec::as_slice);
        let sum: f64 = row.iter().sum();
        let share = |&n: &f64| if sum > 0.0 { n / sum } else { 0.0 };
        row.iter().map(share).collect()
    }

    /// The most frequent mistakes, by their share of the true class.
    pub fn most_confused<'a>(&self, classes: &'a [String], top: usize) -> Vec<Confusion<'a>> {
        let mut found = Vec::new();
        for (i, truth) in classes.iter().enumerate() {
            for (j, share) in self.shares(i).into_iter().enumerate() {
                if let Some(predicted) = classes.get(j).filter(|_| i != j && share > 0.0) {
                    found.push(Confusion {
                        truth,
                        predicted,
                        count: self.confusion[i][j],
                        share,
                    });
                }
            }
        }
        found.sort_by(|a, b| b.share.total_cmp(&a.share));
        found.truncate(top);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(metrics: serde_json::Value) -> RunRecord {
        let mut record = super::super::example::bare_record();
        record.metrics = serde_json::from_value(metrics).unwrap();
        record
    }

    #[test]
    fn every_metrics_value_of_the_form_is_found_and_others_are_not() {
        let adapted = json!({"classification": {"adapted": {"mean": 0.5, "examples": [1]}}});
        let record = record(json!({
            "gate": {"kept": 12, "limits": {"score": 0.5}},
            "nightly_check": adapted,
            "evaluate": {"classification": {"source_only": {"mean": null}}, "seconds": 3},
        }));
        let found = tasks(&record);
        let stages: Vec<&str> = found.iter().map(|t| t.stage.as_str()).collect();
        assert_eq!(stages, ["evaluate", "nightly_check"]);
        assert!(found[0].row("source_only").unwrap().mean().is_nan());
    }

    #[test]
    fn confusions_are_sorted_by_share_and_ignore_the_diagonal() {
        let classes = ["a", "b"].map(String::from);
        let recogniser = Recogniser {
            confusion: vec![vec![90.0, 10.0], vec![4.0, 4.0]],
            ..Recogniser::default()
        };
        let worst = recogniser.most_confused(&classes, 9);
        let names: Vec<_> = worst.iter().map(|c| (c.truth, c.predicted)).collect();
        assert_eq!(names, [("b", "a"), ("a", "b")]);
        assert_eq!((worst[0].count, worst[0].share), (4.0, 0.5));
    }

    #[test]
    fn a_ragged_confusion_matrix_is_no_panic() {
        let classes = ["a", "b", "c"].map(String::from);
        let recogniser = Recogniser {
            confusion: vec![vec![0.0, 1.0, 2.0, 3.0], vec![]],
            ..Recogniser::default()
        };
        assert_eq!(recogniser.most_confused(&classes, 9).len(), 2);
    }
}
