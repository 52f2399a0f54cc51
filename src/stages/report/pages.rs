//! The page: head, table of contents, sections in the order a reader asks for them.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::artifact::run::{RunRecord, Status};

use super::charts::{self, Curve, Points};
use super::evaluation::Recogniser;
use super::evidence::{Evidence, History};
use super::words::{count, date, duration, percent};
use super::{believed, dag, gates, pictures, recognisers, tables};

/// A part of the page with its entry in the table of contents.
struct Section {
    anchor: &'static str,
    title: &'static str,
    body: Markup,
}

/// The whole document.
pub fn page(evidence: &Evidence) -> Markup {
    let record = evidence.record;
    let sections = sections(evidence);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (record.pipeline) " · " (record.run) " · verismo" }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                nav {
                    a.home href="#top" { (record.pipeline) }
                    @for section in &sections { a href={ "#" (section.anchor) } { (section.title) } }
                }
                main #top {
                    (header(evidence))
                    @for section in &sections {
                        section id=(section.anchor) {
                            h2 { (section.title) }
                            (section.body)
                        }
                    }
                    footer { "verismo " (env!("CARGO_PKG_VERSION")) ", run " (record.run) }
                }
            }
        }
    }
}

fn sections(evidence: &Evidence) -> Vec<Section> {
    let record = evidence.record;
    let mut sections = Vec::new();
    let mut add = |anchor, title, body| {
        sections.push(Section {
            anchor,
            title,
            body,
        });
    };
    if !record.requirements.is_empty() {
        add("requirements", "Requirements", tables::requirements(record));
    }
    if !evidence.tasks.is_empty() {
        let body = html! { @for task in &evidence.tasks { (recognisers::headline(task)) } };
        add("recognisers", "Recognisers", body);
    }
    if !record.stages.is_empty() {
        let body = html! { div.scroll { (dag::picture(&record.stages)) } };
        add("pipeline", "Pipeline", body);
    }
    if !evidence.sheets.is_empty() {
        let strips = html! {
            p.soft { "Each strip is one origin on its way through the pipeline. Hover for where it comes from." }
            @for sheet in &evidence.sheets { (pictures::strips(sheet)) }
        };
        add("pictures", "Pictures", strips);
        let labels = html! { @for sheet in &evidence.sheets { (pictures::labelled(sheet)) } };
        add("labels", "Labels", labels);
    }
    if !evidence.gates.is_empty() {
        let body = html! { @for gate in &evidence.gates { (gates::section(gate)) } };
        add("gate", "Gate", body);
    }
    if !evidence.believed.is_empty() {
        let body = html! { @for stage in &evidence.believed { (believed::section(stage)) } };
        add("believed", "Pseudo labels", body);
    }
    if !evidence.histories.is_empty() {
        add(
            "losses",
            "Losses",
            html! { @for history in &evidence.histories { (losses(history)) } },
        );
    }
    if !record.stages.is_empty() {
        add("classes", "Classes", tables::class_counts(record));
    }
    if !evidence.tasks.is_empty() {
        let body = html! { @for task in &evidence.tasks {
            (recognisers::per_class(task)) (recognisers::fifths(task))
            (recognisers::confusions(task))
        } };
        add("confusions", "Confusions", body);
    }
    let tasks = evidence.tasks.iter().map(|t| t.stage.as_str());
    let shown: Vec<&str> = tasks
        .chain(evidence.gates.iter().map(|g| g.stage.as_str()))
        .collect();
    if let Some(body) = tables::measurements(record, &shown) {
        add("measurements", "Measurements", body);
    }
    if !record.stages.is_empty() {
        add("cost", "Time and memory", tables::costs(record));
    }
    add("real-labels", "Real labels", real_labels(record));
    if !evidence.left_out.is_empty() {
        let body = html! { ul.left-out { @for line in &evidence.left_out { li { (line) } } } };
        add("left-out", "Left out", body);
    }
    sections
}

fn header(evidence: &Evidence) -> Markup {
    let record = evidence.record;
    let (class, status) = match record.status {
        Status::Running => ("running", "running"),
        Status::Done => ("done", "done"),
        Status::Failed => ("failed", "failed"),
        Status::Interrupted => ("interrupted", "interrupted"),
        Status::Unmet => ("failed", "requirements not met"),
    };
    html! {
        header {
            h1 { (record.pipeline) " " span class={ "status " (class) } { (status) } }
            p.facts {
                span { "run " code { (record.run) } }
                span { (date(record.started)) }
                span { (record.device) }
            }
            (tiles(evidence))
            @for (name, path) in &record.datasets {
                p.dataset { "Dataset " b { (name) } " " code { (path.display()) } }
            }
            @if let Some(error) = &record.error { pre.error { (error) } }
            @if !record.warnings.is_empty() {
                ul.warnings { @for warning in &record.warnings { li { (warning) } } }
            }
        }
    }
}

/// The few numbers that a reader came for.
fn tiles(evidence: &Evidence) -> Markup {
    let record = evidence.record;
    let emitted: u64 = {
        let stages = record.stages.iter().filter(|s| s.stage == "emit");
        stages.map(|s| s.count).sum()
    };
    let cached = record.stages.iter().filter(|s| s.cached).count();
    let task = evidence.tasks.first();
    let adapted = task.and_then(|t| t.row("adapted")).map(Recogniser::mean);
    let tile =
        |value: String, name: &str| html! { div.tile { strong { (value) } span { (name) } } };
    html! {
        div.tiles {
            @if emitted > 0 { (tile(count(emitted), "labelled pictures")) }
            @if let (Some(task), Some(mean)) = (task, adapted) {
                (tile(percent(mean), &format!("{} on real photos", task.score())))
            }
            @if let Some(gap) = task.and_then(|t| t.gap_closed) { (tile(percent(gap), "of the gap closed")) }
            (tile(duration(record.seconds), "total time"))
            (tile(format!("{cached} of {}", record.stages.len()), "stages from the cache"))
        }
    }
}

/// One chart a group of losses: those whose names begin alike, e.g. `cycle_a` and `cycle_b`.
fn losses(history: &History) -> Markup {
    let mut groups: BTreeMap<&str, BTreeMap<&str, Points>> = BTreeMap::new();
    for step in &history.steps {
        for (name, value) in &step.values {
            let group = name.split(['_', '/', '.']).next().unwrap_or(name);
            let curves = groups.entry(group).or_default();
            let points = curves.entry(name).or_default();
            points.push((step.step, value.unwrap_or(f64::NAN)));
        }
    }
    html! {
        h3 { (history.stage) small { " raw and smoothed, over training steps" } }
        @if groups.is_empty() { p.soft { "No steps were written." } }
        div.charts {
            @for (group, members) in groups {
                @let members: Vec<Curve> = members
                    .into_iter()
                    .map(|(name, points)| Curve { name: name.to_owned(), points })
                    .collect();
                (charts::curves(group, &members))
            }
        }
    }
}

fn real_labels(record: &RunRecord) -> Markup {
    let evaluating: Vec<&str> = {
        let stages = record.stages.iter().filter(|s| s.stage == "evaluate");
        stages.map(|s| s.id.as_str()).collect()
    };
    html! {
        p {
            "Labels of real photos are never read by training, translation, the gate or augmentation. "
            @if evaluating.is_empty() {
                "This run has no evaluate stage: no label of a real photo was read."
            } @else {
                "In this run they were read by " b { (evaluating.join(", ")) } " alone, to test the recognisers \
                and to train target_only, the recogniser that the others are compared with."
            }
        }
    }
}
