//! What the run's record says: requirements, class counts, time and memory, further measurements.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use serde_json::Value as Json;

use crate::artifact::run::{RunRecord, StageRecord};
use crate::stage::exhibit::{Cell, Column, Table, Tone, Value};

use super::format::{count, duration, memory, number};
use super::table;

/// Classes shown at most.
const CLASSES: usize = 60;

/// What the pipeline requires of its results, and what was measured.
pub(super) fn requirements(record: &RunRecord) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "measured" } th.n { "value" } th { "required" } th {} } }
            tbody { @for judgement in &record.requirements { tr {
                th { code { (judgement.path) } }
                td.n { (judgement.measured()) }
                td { (judgement.condition) }
                td { @match judgement.met {
                    true => span.status.done { "met" },
                    false => span.status.failed { "not met" },
                } }
            } } }
        } }
    }
}

/// Samples of each class in every stage that has samples: classes as rows, stages as columns.
pub(super) fn class_counts(record: &RunRecord) -> Markup {
    let stages: Vec<&StageRecord> = record.stages.iter().filter(|s| s.count > 0).collect();
    let classes: BTreeSet<&String> = stages.iter().flat_map(|s| s.classes.keys()).collect();
    let most = stages.iter().flat_map(|s| s.classes.values()).max();
    let most = most.copied().unwrap_or(0).max(1);
    if stages.is_empty() {
        return html! { p.soft { "No stage made samples." } };
    }
    html! {
        div.scroll { table.counts {
            thead { tr {
                th { "class" }
                @for stage in &stages { th.n title=(stage.stage) { (stage.id) } }
            } }
            tbody {
                @for class in classes.iter().take(CLASSES) { tr {
                    th { (class) }
                    @for stage in &stages { (count_cell(stage.classes.get(*class).copied(), most)) }
                } }
                (unlabelled_row(&stages))
            }
            tfoot { tr {
                th { "all" }
                @for stage in &stages { td.n { (count(stage.count)) } }
            } }
        } }
        @if classes.len() > CLASSES {
            p.soft { "and " (count((classes.len() - CLASSES) as u64)) " more classes" }
        }
    }
}

fn count_cell(n: Option<u64>, most: u64) -> Markup {
    let Some(n) = n else {
        return html! { td.n.soft { "–" } };
    };
    let share = 100.0 * n as f64 / most as f64;
    html! { td.n.level style=(format!("--level:{share:.1}%")) { (count(n)) } }
}

fn unlabelled_row(stages: &[&StageRecord]) -> Markup {
    let unlabelled: Vec<u64> = stages
        .iter()
        .map(|s| s.count.saturating_sub(s.classes.values().sum()))
        .collect();
    html! {
        @if unlabelled.iter().any(|n| *n > 0) {
            tr title="samples without a class, such as photos whose labels are not read" {
                th.soft { "unlabelled" }
                @for n in unlabelled {
                    td.n.soft { @if n > 0 { (count(n)) } @else { "–" } }
                }
            }
        }
    }
}

/// Time and memory of each stage, with the totals.
pub(super) fn costs(record: &RunRecord) -> Markup {
    let stages = || record.stages.iter();
    let seconds = |s: &StageRecord| Some(s.cost.seconds).filter(|s| s.is_finite());
    let longest = stages().filter_map(seconds).fold(0.0, f64::max);
    let peak = stages().map(|s| s.cost.peak_memory).max().unwrap_or(0);
    let sum = |cached: bool| -> f64 {
        let stages = stages().filter(|s| s.cached == cached);
        stages.filter_map(seconds).sum()
    };
    let bar = |part: f64, whole: f64, text: String| Cell::Bar {
        share: part / whole,
        value: Value::Text(text),
    };
    let row = |stage: &StageRecord| {
        let cost = &stage.cost;
        vec![
            Cell::text(&stage.id),
            bar(cost.seconds, longest, duration(cost.seconds)),
            bar(
                cost.peak_memory as f64,
                peak as f64,
                memory(cost.peak_memory),
            ),
            Cell::text(if stage.cached { "cached" } else { "" }),
        ]
    };
    let heads = [("stage", 0), ("time", 0), ("peak memory", 6), ("", 0)];
    let table = Table {
        columns: heads
            .map(|(head, tone)| Column::new(head, Tone::Series(tone)))
            .into(),
        rows: stages().map(row).collect(),
    };
    html! {
        (table::draw(&table))
        p {
            "The run took " b { (duration(record.seconds)) } ", its stages " (duration(sum(false))) "."
            @if sum(true) > 0.0 { " The cache saved " (duration(sum(true))) "." }
            @if peak > 0 { " Peak memory was " b { (memory(peak)) } "." }
        }
    }
}

/// What stages measured besides the figures that they exhibit: the single values of the summaries of
/// all stages but those `shown` elsewhere.
pub(super) fn measurements(record: &RunRecord, shown: &BTreeSet<&str>) -> Option<Markup> {
    let mut rows = Vec::new();
    let metrics = record.metrics.iter();
    for (stage, summary) in metrics.filter(|(stage, _)| !shown.contains(stage.as_str())) {
        let mut values = BTreeMap::new();
        single_values("", summary, &mut values);
        for (i, (name, value)) in values.into_iter().take(40).enumerate() {
            let stage = if i == 0 { stage } else { "" };
            let value = Cell::Value(Value::Text(value));
            rows.push(vec![Cell::text(stage), Cell::text(name), value]);
        }
    }
    let columns = Column::plain(&["stage", "measure", "value"]);
    (!rows.is_empty()).then(|| table::draw(&Table { columns, rows }))
}

/// Flattens a summary to `outer.inner` → value; lists are left out.
fn single_values(name: &str, value: &Json, found: &mut BTreeMap<String, String>) {
    let text = match value {
        Json::Object(fields) => {
            for (key, value) in fields {
                let dot = if name.is_empty() { "" } else { "." };
                single_values(&format!("{name}{dot}{key}"), value, found);
            }
            return;
        }
        Json::Number(n) => n
            .as_u64()
            .map_or_else(|| number(n.as_f64().unwrap_or(f64::NAN)), count),
        Json::String(text) => text.clone(),
        Json::Bool(value) => value.to_string(),
        Json::Null | Json::Array(_) => return,
    };
    let name = if name.is_empty() { "value" } else { name };
    found.insert(name.to_owned(), text);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{bare_record, stage_record};

    #[test]
    fn summaries_flatten_to_single_values() {
        let mut found = BTreeMap::new();
        let summary = json!({"kept": 1200, "limits": {"low": 0.25}, "list": [1, 2], "none": null});
        single_values("", &summary, &mut found);
        let found: Vec<_> = found.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(found, ["kept=1\u{202f}200", "limits.low=0.25"]);
    }

    #[test]
    fn bars_of_no_time_and_no_memory_are_finite() {
        let mut record = bare_record();
        record.stages = vec![stage_record("a", "b", &[])];
        record.stages[0].cost.seconds = f64::NAN;
        let page = costs(&record).into_string();
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }
}
