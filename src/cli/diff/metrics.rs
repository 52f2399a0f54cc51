//! How the measurements of the runs that made two datasets differ.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::artifact::run::RunRecord;
use crate::cli::columns;
use crate::pipeline::records;

/// Numbers that differ, by path: before and after.
pub(super) type Metrics = BTreeMap<String, [Option<f64>; 2]>;

/// The numbers that differ; `None` if no record of one of the runs is found.
pub(super) fn changes(before: &Path, after: &Path) -> Option<Metrics> {
    let mut metrics = Metrics::new();
    for (side, folder) in [before, after].into_iter().enumerate() {
        for (id, measured) in run_of(folder)?.metrics {
            numbers(&id, &measured, side, &mut metrics);
        }
    }
    metrics.retain(|_, [before, after]| before != after);
    Some(metrics)
}

/// The newest run that published the dataset in `folder`, or made it in the cache.
fn run_of(folder: &Path) -> Option<RunRecord> {
    // outputs/datasets/NAME/VERSION or outputs/cache/ID-KEY
    let outputs = folder
        .ancestors()
        .find(|path| path.join("runs").is_dir() && path.join("cache").is_dir())?;
    let own = records::name_and_version(folder);
    let made = |record: &RunRecord| {
        let stages = record.stages.iter().map(|stage| &stage.folder);
        let mut places = record.datasets.values().chain(stages);
        places.any(|place| records::name_and_version(place) == own)
    };
    let runs = records::all(outputs).ok()?.into_iter();
    let runs = runs.map(|run| run.record).filter(made);
    runs.max_by_key(|record| record.started)
}

/// Collects every number below `value`, except those of single classes, which would be too many.
fn numbers(path: &str, value: &Value, side: usize, found: &mut Metrics) {
    match value {
        Value::Number(number) => {
            found.entry(path.to_owned()).or_default()[side] = number.as_f64();
        }
        Value::Object(map) => {
            for (name, inner) in map
                .iter()
                .filter(|(name, _)| !["per_class", "quintiles"].contains(&name.as_str()))
            {
                numbers(&format!("{path}.{name}"), inner, side, found);
            }
        }
        _ => {}
    }
}

/// A table: recogniser means first, then the shortest paths.
pub(super) fn format_changes(metrics: &Metrics) -> String {
    if metrics.is_empty() {
        return "metrics: no change".to_owned();
    }
    const SHOWN: usize = 25;
    let mut paths: Vec<&String> = metrics.keys().collect();
    let is_score = |path: &str| path.ends_with(".mean") || path.ends_with(".gap_closed");
    paths.sort_by_key(|path| (!is_score(path), path.matches('.').count()));
    let number = |value: Option<f64>| match value {
        None => "-".to_owned(),
        Some(value) if value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.4}"),
    };
    let row = |path: &String| {
        let [before, after] = metrics[path];
        let change = before.zip(after).map(|(before, after)| after - before);
        let change = change.map_or(String::new(), |change| match change.fract() == 0.0 {
            true => format!("{change:+.0}"),
            false => format!("{change:+.4}"),
        });
        vec![
            path.clone(),
            number(before),
            "->".into(),
            number(after),
            change,
        ]
    };
    let mut rows: Vec<Vec<String>> = paths.iter().take(SHOWN).map(|path| row(path)).collect();
    if paths.len() > SHOWN {
        rows.push(vec![format!("and {} more", paths.len() - SHOWN)]);
    }
    format!("metrics that changed:\n{}", columns(&rows))
}
