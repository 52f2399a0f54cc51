//! The table of `run.json`: for each set mean, deviation and seeds, and the share of the gap closed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::quintiles::Quintiles;
use super::sets::Sets;
use crate::tasks::{Prediction, TaskKind};

/// What every recogniser predicted of the test photos, by set, then by seed.
pub(super) type Outcomes = Vec<Vec<Vec<Prediction>>>;

/// The table, of the photos also in their quintiles.
pub(super) fn table(
    task: &TaskKind,
    sets: &Sets,
    outcomes: &Outcomes,
    quintiles: &Quintiles,
) -> Value {
    let Sets {
        classes,
        learned,
        test,
        ..
    } = sets;
    let mut table = Map::new();
    let mut means = BTreeMap::new();
    let all: Vec<usize> = (0..test.len()).collect();
    table.insert("classes".into(), json!(classes));
    for ((name, set), outcomes) in learned.iter().zip(outcomes) {
        let score = |numbers: &[usize]| -> Option<Vec<f64>> {
            let outcomes = outcomes.iter();
            outcomes
                .map(|outcome| (task.score)(test, outcome, numbers))
                .collect()
        };
        let seeds = score(&all).unwrap_or_default();
        let (mean, std) = mean_and_deviation(&seeds);
        let mean_score = |numbers: &Vec<usize>| Some(mean_and_deviation(&score(numbers)?).0);
        let quintiles: BTreeMap<&str, Vec<Option<f64>>> = quintiles
            .iter()
            .map(|(measure, photos)| (*measure, photos.iter().map(mean_score).collect()))
            .collect();
        means.insert(*name, mean);
        let mut row = (task.details)(test, outcomes, classes);
        row.extend([
            ("mean".into(), mean.into()),
            ("std".into(), std.into()),
            ("seeds".into(), seeds.into()),
            ("n_train".into(), set.len().into()),
            ("n_test".into(), test.len().into()),
            ("quintiles".into(), json!(quintiles)),
        ]);
        table.insert((*name).into(), row.into());
    }
    if let (Some(source), Some(adapted), Some(target)) = (
        means.get("source_only"),
        means.get("adapted"),
        means.get("target_only"),
    ) {
        // Without a gap there is nothing to close.
        if target > source {
            table.insert(
                "gap_closed".into(),
                json!((adapted - source) / (target - source)),
            );
        }
    }
    table.into()
}

/// Mean and sample standard deviation (0 for one value).
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}
