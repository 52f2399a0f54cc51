//! What is printed when all stages of a run have finished: dataset, classes, figures, verdict, report, time.

use std::collections::BTreeMap;

use super::{columns, duration};
use crate::artifact::Kind;
use crate::artifact::run::{RunRecord, StageRecord};
use crate::pipeline::require::line;
use crate::pipeline::run::Outcome;
use crate::report::format;
use crate::stage::exhibit::Figure;
use crate::stage::finding::{self, Finding, Level};
use crate::stages::STAGES;

/// The lines that close a run.
pub(super) fn summary(outcome: &Outcome) -> String {
    let record = &outcome.record;
    let mut blocks = Vec::new();
    for (name, folder) in &record.datasets {
        blocks.push(format!("dataset {name}: {}", folder.display()));
    }
    blocks.extend(classes(record));
    if let Some(table) = measured(&outcome.figures) {
        blocks.push(format!("measured:\n{table}"));
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
    blocks.extend(verdict(&finding::of_run(record)));
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

/// What the stages found, and what to do next.
fn verdict(findings: &[Finding]) -> Option<String> {
    let mut lines = vec![format!("verdict: {}", finding::headline(findings)?)];
    let widest = |of: fn(&Finding) -> &str| {
        let widths = findings.iter().map(|f| console::measure_text_width(of(f)));
        widths.max().unwrap_or(0)
    };
    let (about, number) = (widest(|f| &f.about), widest(|f| &f.number));
    for finding in findings {
        let level = match finding.level {
            Level::Warning => "WARNING",
            other => other.name(),
        };
        let head = format!(
            "  {level:7}  {:about$}  {:number$}  ",
            finding.about, finding.number
        );
        lines.push(wrapped(&head, &finding.text));
    }
    let next = finding::next_steps(findings);
    if !next.is_empty() {
        lines.push("next:".to_owned());
        lines.extend(next.iter().map(|step| wrapped("  - ", step)));
    }
    Some(lines.join("\n"))
}

/// `text` behind `head`, in lines of about a hundred letters; all but the first begin below the text.
fn wrapped(head: &str, text: &str) -> String {
    const WIDTH: usize = 100;
    let indent = console::measure_text_width(head);
    let room = WIDTH.saturating_sub(indent).max(40);
    let mut wrapped = head.to_owned();
    let mut used = 0;
    for word in text.split(' ') {
        let width = console::measure_text_width(word);
        if used > 0 && used + 1 + width > room {
            wrapped += &format!("\n{:indent$}", "");
            used = 0;
        }
        if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped += word;
        used += width;
    }
    wrapped
}

/// Images of each class in the last dataset, else in the last stage that has any; and objects, where there are more.
fn classes(record: &RunRecord) -> Vec<String> {
    let is_dataset = |stage: &&StageRecord| {
        let mut kinds = STAGES.iter().filter(|kind| kind.output == Kind::Dataset);
        kinds.any(|kind| kind.name == stage.stage)
    };
    let mut stages = record.stages.iter().rev();
    let dataset = stages.clone().find(is_dataset);
    let Some(stage) = dataset.or_else(|| stages.find(|stage| !stage.classes.is_empty())) else {
        return Vec::new();
    };
    let metrics = record.metrics.get(&stage.id);
    let objects = metrics.and_then(|metrics| metrics["objects"].as_object());
    let objects: BTreeMap<String, u64> = (objects.into_iter().flatten())
        .filter_map(|(class, count)| Some((class.clone(), count.as_u64()?)))
        .collect();
    let several = objects.values().sum::<u64>() > stage.count;
    let images = counts("images per class", &stage.classes);
    let objects = several.then(|| counts("objects per class", &objects));
    images.into_iter().chain(objects.flatten()).collect()
}

fn counts(title: &str, counts: &BTreeMap<String, u64>) -> Option<String> {
    const SHOWN: usize = 20;
    let row = |(class, count): (&String, &u64)| vec![class.clone(), count.to_string()];
    let mut rows: Vec<Vec<String>> = counts.iter().take(SHOWN).map(row).collect();
    if counts.len() > SHOWN {
        rows.push(vec![format!("and {} more", counts.len() - SHOWN)]);
    }
    (!rows.is_empty()).then(|| format!("{title}:\n{}", columns(&rows)))
}

/// The figures of all stages, each stage's id before its first one.
fn measured(figures: &[(String, Figure)]) -> Option<String> {
    let row = |(place, (stage, figure)): (usize, &(String, Figure))| {
        let is_first = place == 0 || figures[place - 1].0 != *stage;
        vec![
            if is_first {
                stage.clone()
            } else {
                String::new()
            },
            figure.name.clone(),
            format::figure(figure),
            figure.about.clone(),
        ]
    };
    let rows: Vec<_> = figures.iter().enumerate().map(row).collect();
    (!rows.is_empty()).then(|| columns(&rows))
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
            format::memory(cost.peak_memory) + sign,
        ]);
    }
    let note = match since_start {
        true => "\n  * of the whole process up to then: this system does not say more",
        false => "",
    };
    (rows.len() > 1).then(|| columns(&rows) + note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::exhibit::{Spread, Value};

    #[test]
    fn the_verdict_names_what_is_wrong_and_what_to_do() {
        assert_eq!(verdict(&[]), None);
        let text = "the adapter closed 3 % of the distance between renders and photos; a classifier tells the \
                    translations from photos in 83 % of cases";
        let findings = [
            Finding::new(Level::Warning, "adapter", "3 %", text)
                .with_advice("raise `steps` of `train`"),
            Finding::new(
                Level::Good,
                "pseudo labels",
                "90 %",
                "1339 of 1487 photos joined",
            ),
        ];
        let shown = verdict(&findings).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "verdict: not good enough yet: adapter");
        assert!(
            lines[1].starts_with("  WARNING  adapter        3 %   the adapter closed"),
            "{shown}"
        );
        assert!(lines[2].starts_with(&" ".repeat(32)), "{shown}");
        assert!(lines.iter().all(|line| line.len() <= 102), "{shown}");
        assert!(
            shown.contains("  good     pseudo labels  90 %  1339 of 1487"),
            "{shown}"
        );
        assert!(
            shown.ends_with("next:\n  - raise `steps` of `train`"),
            "{shown}"
        );
    }

    #[test]
    fn figures_stand_by_their_stage_with_their_spread() {
        let kept = Figure::new("kept", Value::Count(1200), "samples kept");
        let adapted = Figure {
            spread: Some(Spread {
                std: 0.012,
                results: Vec::new(),
            }),
            ..Figure::new("adapted", Value::Share(0.889), "trained on this dataset")
        };
        let gap = Figure::new("gap closed", Value::Share(f64::NAN), "");
        let figures = [("gate", kept), ("test", adapted), ("test", gap)];
        let table = measured(&figures.map(|(stage, figure)| (stage.into(), figure))).unwrap();
        let lines: Vec<&str> = table.lines().map(str::trim).collect();
        assert!(
            lines[0].starts_with("gate") && lines[0].contains("1\u{202f}200"),
            "{table}"
        );
        assert!(
            lines[1].starts_with("test") && lines[1].contains("88.9 % ± 1.2 %"),
            "{table}"
        );
        assert!(
            lines[2].starts_with("gap closed") && lines[2].contains('–'),
            "{table}"
        );
        assert_eq!(measured(&[]), None);
    }
}
