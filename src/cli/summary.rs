//! What is printed when a run has ended well: dataset, classes, recogniser, report, time.

use serde_json::Value;

use super::{columns, duration};
use crate::artifact::run::RunRecord;
use crate::pipeline::require::line;
use crate::pipeline::run::Outcome;

/// The lines that close a run.
pub fn summary(outcome: &Outcome) -> String {
    let record = &outcome.record;
    let mut blocks = Vec::new();
    for (name, folder) in &record.datasets {
        blocks.push(format!("dataset {name}: {}", folder.display()));
    }
    if let Some(classes) = classes(record) {
        blocks.push(format!("images a class:\n{classes}"));
    }
    if let Some(table) = recognisers(record) {
        blocks.push(format!("recogniser:\n{table}"));
    }
    if !record.requirements.is_empty() {
        let lines = record.requirements.iter().map(line);
        let lines: String = lines.map(|line| format!("\n  {line}")).collect();
        blocks.push(format!("required:{lines}"));
    }
    if let Some(times) = times(record) {
        blocks.push(format!(
            "time and memory (of what is cached, when it was made):\n{times}"
        ));
    }
    let report = outcome.folder.join("report.html");
    blocks.push(format!("report: {}", report.display()));
    let cached = record.stages.iter().filter(|stage| stage.cached).count();
    let total = duration(record.seconds);
    blocks.push(match record.stages.len() - cached {
        0 => format!("everything was in the cache; nothing had to run ({total})"),
        1 => format!("done in {total}: 1 stage ran, {cached} from the cache"),
        ran => format!("done in {total}: {ran} stages ran, {cached} from the cache"),
    });
    format!("\n{}", blocks.join("\n\n"))
}

/// Counts of the published datasets, else of the last stage that has any.
fn classes(record: &RunRecord) -> Option<String> {
    let counted = |stage: &&crate::artifact::run::StageRecord| !stage.classes.is_empty();
    let published = |stage: &&crate::artifact::run::StageRecord| {
        let summary = record.metrics.get(&stage.id);
        let name = summary.and_then(|s| s.get("name")).and_then(Value::as_str);
        name.is_some_and(|name| record.datasets.contains_key(name))
    };
    let stages = || record.stages.iter().filter(counted);
    let stage = stages().find(published).or_else(|| stages().next_back())?;
    const SHOWN: usize = 20;
    let row = |(class, count): (&String, &u64)| vec![class.clone(), count.to_string()];
    let mut rows: Vec<Vec<String>> = stage.classes.iter().take(SHOWN).map(row).collect();
    if stage.classes.len() > SHOWN {
        rows.push(vec![format!("and {} more", stage.classes.len() - SHOWN)]);
    }
    Some(columns(&rows))
}

/// The sets that a recogniser may have been trained on, by the names of their scores.
pub const SCORES: [&str; 3] = ["source_only", "adapted", "target_only"];

/// The recogniser's table: every object of the metrics that has one of the [`SCORES`].
fn recognisers(record: &RunRecord) -> Option<String> {
    let mut tasks = Vec::new();
    for (id, value) in &record.metrics {
        find_tasks(id, value, &mut tasks);
    }
    if tasks.is_empty() {
        return None;
    }
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(SCORES.map(String::from));
    rows[0].push("gap closed".to_owned());
    for (name, task) in tasks {
        let mut row = vec![name];
        row.extend(SCORES.map(|column| score(task, column)));
        let gap = task.get("gap_closed").and_then(Value::as_f64);
        row.push(gap.map_or("-".to_owned(), |gap| format!("{gap:.2}")));
        rows.push(row);
    }
    Some(columns(&rows))
}

/// A recogniser's accuracy as it was trained on one set: mean ± standard deviation.
pub fn score(task: &Value, column: &str) -> String {
    let number = |key: &str| task.get(column).and_then(|c| c.get(key)?.as_f64());
    match (number("mean"), number("std")) {
        (Some(mean), Some(std)) => format!("{mean:.3} ± {std:.3}"),
        (Some(mean), None) => format!("{mean:.3}"),
        (None, _) => "-".to_owned(),
    }
}

/// Enters every table of a recogniser within `value`, with its path.
pub fn find_tasks<'a>(name: &str, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    let has = |score| value[score].get("mean").is_some();
    if SCORES.into_iter().any(has) {
        found.push((name.to_owned(), value));
        return;
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        find_tasks(&format!("{name}.{key}"), inner, found);
    }
}

/// Every stage with time, rate and peak memory; of a cached one, what it took to make.
fn times(record: &RunRecord) -> Option<String> {
    let head = ["stage", "", "time", "samples/s", "peak memory"].map(String::from);
    let mut rows = vec![head.to_vec()];
    let mut since_start = false;
    for stage in &record.stages {
        let cost = &stage.cost;
        let rate = match stage.count {
            0 => "-".to_owned(),
            count => format!("{:.1}", count as f64 / cost.seconds.max(1e-3)),
        };
        since_start |= cost.since_start;
        let sign = if cost.since_start { " *" } else { "" };
        rows.push(vec![
            stage.id.clone(),
            if stage.cached { "cached" } else { "ran" }.to_owned(),
            duration(cost.seconds),
            rate,
            format!("{} MiB{sign}", cost.peak_memory >> 20),
        ]);
    }
    let note = match since_start {
        true => "\n  * of the whole process up to then: this system tells no more",
        false => "",
    };
    (rows.len() > 1).then(|| columns(&rows) + note)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_recogniser_is_found_whatever_it_was_trained_on() {
        let metrics = json!({
            "crops": 4,
            "classification": { "source_only": { "mean": 0.5 }, "classes": ["a"] },
            "deeper": { "classification": { "adapted": { "mean": 0.7, "std": 0.1 } } },
        });
        let mut tasks = Vec::new();
        find_tasks("evaluate", &metrics, &mut tasks);
        let names: Vec<&str> = tasks.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["evaluate.classification", "evaluate.deeper.classification"]
        );
        assert_eq!(score(tasks[0].1, "source_only"), "0.500");
        assert_eq!(score(tasks[1].1, "adapted"), "0.700 ± 0.100");
        assert_eq!(score(tasks[1].1, "target_only"), "-");
    }
}
