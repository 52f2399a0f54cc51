//! Tables of the stages: class counts, time and memory, further measurements.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use serde_json::Value;

use crate::artifact::run::{RunRecord, StageRecord};

use super::words::{count, duration, memory, number};

/// Classes shown at most.
const CLASSES: usize = 60;

/// What the pipeline requires of its results, and what was measured.
pub fn requirements(record: &RunRecord) -> Markup {
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
pub fn class_counts(record: &RunRecord) -> Markup {
    let stages: Vec<&StageRecord> = record.stages.iter().filter(|s| s.count > 0).collect();
    let classes: BTreeSet<&String> = stages.iter().flat_map(|s| s.classes.keys()).collect();
    let most = stages.iter().flat_map(|s| s.classes.values()).max();
    let most = most.copied().unwrap_or(0).max(1);
    if stages.is_empty() {
        return html! { p.soft { "No stage published samples." } };
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
            tr title="samples without a class, e.g. photos whose labels are not read" {
                th.soft { "unlabelled" }
                @for n in unlabelled {
                    td.n.soft { @if n > 0 { (count(n)) } @else { "–" } }
                }
            }
        }
    }
}

/// Time and memory of each stage, with the totals.
pub fn costs(record: &RunRecord) -> Markup {
    let seconds = |s: &StageRecord| Some(s.cost.seconds).filter(|s| s.is_finite());
    let longest = record.stages.iter().filter_map(seconds).fold(0.0, f64::max);
    let peak = record
        .stages
        .iter()
        .map(|s| s.cost.peak_memory)
        .max()
        .unwrap_or(0);
    let sum = |cached: bool| -> f64 {
        let stages = record.stages.iter().filter(|s| s.cached == cached);
        stages.filter_map(seconds).sum()
    };
    let share = |part: f64, whole: f64| {
        let share = if whole > 0.0 {
            100.0 * part / whole
        } else {
            0.0
        };
        format!(
            "width:{:.1}%",
            if share.is_finite() {
                share.clamp(0.0, 100.0)
            } else {
                0.0
            }
        )
    };
    html! {
        div.scroll { table.bars {
            thead { tr {
                th { "stage" } th { "time" }
                th title="largest resident memory of the program while the stage ran" { "peak memory" }
            } }
            tbody { @for stage in &record.stages {
                tr.cached[stage.cached] {
                    th { (stage.id) @if stage.cached { " " span.tag { "cached" } } }
                    td { div.cell {
                        div.track { div.fill.time style=(share(stage.cost.seconds, longest)) {} }
                        span { (duration(stage.cost.seconds)) }
                    } }
                    td { div.cell {
                        div.track { div.fill.memory style=(share(stage.cost.peak_memory as f64, peak as f64)) {} }
                        span { (memory(stage.cost.peak_memory)) }
                    } }
                }
            } }
        } }
        p {
            "This run took " b { (duration(record.seconds)) } ": its stages "
            (duration(sum(false)))
            @if sum(true) > 0.0 { ", and the cache saved " (duration(sum(true))) }
            "."
            @if peak > 0 { " Peak memory " b { (memory(peak)) } "." }
        }
    }
}

/// What stages measured besides the recognisers' scores: the single values of their summaries.
pub fn measurements(record: &RunRecord, shown_elsewhere: &[&str]) -> Option<Markup> {
    let mut rows = Vec::new();
    for (stage, summary) in &record.metrics {
        let mut values = BTreeMap::new();
        if !shown_elsewhere.contains(&stage.as_str()) {
            single_values("", summary, &mut values);
        }
        rows.extend(
            values
                .into_iter()
                .take(40)
                .map(|(name, value)| (stage, name, value)),
        );
    }
    (!rows.is_empty()).then(|| {
        html! {
            div.scroll { table {
                thead { tr { th { "stage" } th { "measure" } th.n { "value" } } }
                tbody { @for (i, (stage, name, value)) in rows.iter().enumerate() { tr {
                    th { @if i == 0 || rows[i - 1].0 != *stage { (stage) } }
                    td { (name) }
                    td.n { (value) }
                } } }
            } }
        }
    })
}

/// Flattens a summary to `outer.inner` → value; lists are left out.
fn single_values(name: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    let text = match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let dot = if name.is_empty() { "" } else { "." };
                single_values(&format!("{name}{dot}{key}"), value, found);
            }
            return;
        }
        Value::Number(n) => n
            .as_u64()
            .map_or_else(|| number(n.as_f64().unwrap_or(f64::NAN)), count),
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Null | Value::Array(_) => return,
    };
    found.insert(
        if name.is_empty() {
            "value".into()
        } else {
            name.into()
        },
        text,
    );
}

#[cfg(test)]
mod tests {
    use super::super::example::{bare_record, stage};
    use super::*;
    use serde_json::json;

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
        record.stages = vec![stage("a", "render", &[])];
        record.stages[0].cost.seconds = f64::NAN;
        let page = costs(&record).into_string();
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }
}
