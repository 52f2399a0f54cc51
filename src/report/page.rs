//! The page: head, table of contents, sections in the order in which a reader asks for them.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::artifact::run::{RunRecord, Status};
use crate::stage::exhibit::{Content, Exhibit, Place};
use crate::stage::finding;

use super::exhibition::Exhibition;
use super::format::{date, duration, value};
use super::lineage::Lineage;
use super::{dag, exhibits, figures, overview, pictures, verdict};

/// A part of the page with its entry in the table of contents.
struct Section {
    title: &'static str,
    body: Markup,
}

impl Section {
    /// The title as it stands in a link.
    fn anchor(&self) -> String {
        self.title.to_lowercase().replace(' ', "-")
    }
}

/// The whole document.
pub(super) fn page(exhibition: &Exhibition) -> Markup {
    let record = exhibition.record;
    let sections = sections(exhibition);
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
                    @for section in &sections { a href={ "#" (section.anchor()) } { (section.title) } }
                }
                main #top {
                    (header(exhibition))
                    @for section in &sections {
                        section id=(section.anchor()) {
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

fn sections(exhibition: &Exhibition) -> Vec<Section> {
    let Exhibition {
        record,
        lineages,
        left_out,
        ..
    } = exhibition;
    let mut sections = Vec::new();
    let mut add = |title, body| sections.push(Section { title, body });
    if let Some(verdict) = verdict::draw(&finding::of_run(record)) {
        add("Verdict", verdict);
    }
    if !record.requirements.is_empty() {
        add("Requirements", overview::requirements(record));
    }
    exhibited(exhibition, Place::Results, &mut add);
    if !record.warnings.is_empty() {
        let warnings = html! { ul.warnings { @for text in &record.warnings { li { (text) } } } };
        add("Warnings", warnings);
    }
    if !record.stages.is_empty() || record.failed.is_some() {
        add("Pipeline", pipeline(record));
    }
    if !lineages.is_empty() {
        let strips = html! {
            p.soft { "Each strip follows one sample through the pipeline. Hover over a picture to see where it comes from." }
            @for lineage in lineages { (strips(lineage)) }
        };
        add("Pictures", strips);
        let labels = html! { @for lineage in lineages { (pictures::sheet(&lineage.labelled())) } };
        add("Labels", labels);
    }
    exhibited(exhibition, Place::Work, &mut add);
    if !record.stages.is_empty() {
        add("Classes", overview::class_counts(record));
    }
    exhibited(exhibition, Place::Details, &mut add);
    // The head shows headlines alone, not all that a stage measured.
    let exhibits = exhibition.exhibits.iter();
    let shown = exhibits.filter(|(_, exhibit)| {
        let is_figures = matches!(exhibit.content, Content::Figures { .. });
        is_figures && exhibit.section.0 != Place::Head
    });
    let shown: BTreeSet<&str> = shown.map(|(stage, _)| *stage).collect();
    if let Some(body) = overview::measurements(record, &shown) {
        add("Measurements", body);
    }
    if !record.stages.is_empty() {
        add("Time and memory", overview::costs(record));
    }
    add("Real labels", real_labels(exhibition));
    if !left_out.is_empty() {
        let lines = html! {
            p.soft { "These results could not be read:" }
            ul.left-out { @for line in left_out { li { (line) } } }
        };
        add("Not shown", lines);
    }
    sections
}

/// The stages as a graph, with the one that failed and its reason.
fn pipeline(record: &RunRecord) -> Markup {
    html! {
        div.scroll { (dag::picture(&record.stages, record.failed.as_ref())) }
        @if let Some(failed) = &record.failed {
            p { b { (failed.id) } " did not finish:" }
            pre.error { (failed.reason) }
        }
    }
}

/// Adds the sections of this place, each with the exhibits of all stages that share it.
fn exhibited(exhibition: &Exhibition, place: Place, add: &mut impl FnMut(&'static str, Markup)) {
    let exhibits = || {
        exhibition
            .exhibits
            .iter()
            .filter(|(_, e)| e.section.0 == place)
    };
    let mut known = BTreeSet::new();
    for (_, Exhibit { section, .. }) in exhibits().filter(|(_, e)| known.insert(e.section.1)) {
        let own = exhibits().filter(|(_, exhibit)| exhibit.section == *section);
        add(
            section.1,
            html! { @for (stage, exhibit) in own { (exhibits::draw(stage, exhibit)) } },
        );
    }
}

fn header(exhibition: &Exhibition) -> Markup {
    let record = exhibition.record;
    let (class, status) = match record.status {
        Status::Running => ("running", "running"),
        Status::Done => ("done", "done"),
        Status::Failed => ("failed", "failed"),
        Status::Interrupted => ("interrupted", "interrupted"),
        Status::Unmet => ("failed", "requirements not met"),
    };
    let cached = record.stages.iter().filter(|s| s.cached).count();
    let headlines = exhibition.figures();
    let headlines = headlines.filter_map(|(_, figure)| Some((&figure.value, figure.headline?)));
    html! {
        header {
            h1 { (record.pipeline) " " span class={ "status " (class) } { (status) } }
            p.facts {
                span { "run " code { (record.run) } }
                span { (date(record.started)) }
                span { (record.device) }
            }
            div.tiles {
                @for (of, words) in headlines { (figures::tile(&value(of), words)) }
                (figures::tile(&duration(record.seconds), "total time"))
                (figures::tile(&format!("{cached} of {}", record.stages.len()), "stages from the cache"))
            }
            @for (name, path) in &record.datasets {
                p.dataset { "Dataset " b { (name) } " " code { (path.display()) } }
            }
            @if let Some(error) = &record.error { pre.error { (error) } }
        }
    }
}

/// Strips of one sample each beside a block of photos.
fn strips(lineage: &Lineage) -> Markup {
    html! {
        div.sheet {
            div {
                p.flow {
                    @for (i, column) in lineage.sheet.columns.iter().enumerate() {
                        @if i > 0 { span.to { "→" } }
                        span { (column) }
                    }
                }
                (pictures::sheet(&lineage.sheet))
            }
            @if let Some((id, photos)) = &lineage.photos {
                div.photos {
                    p.flow { span { (id) } small { "real photos" } }
                    div.block { @for photo in photos { (pictures::picture(photo, id)) } }
                }
            }
        }
    }
}

/// Which labels of real photos were read, and what for.
fn real_labels(exhibition: &Exhibition) -> Markup {
    let exhibits = exhibition.exhibits.iter();
    let texts =
        exhibits.filter_map(
            |(stage, exhibit)| match (&exhibit.content, exhibit.section.0) {
                (Content::Text(text), Place::RealLabels) => Some((stage, text)),
                _ => None,
            },
        );
    let texts: Vec<_> = texts.collect();
    html! {
        p { "The pictures of a dataset are made without the labels of real photos." }
        @if texts.is_empty() {
            p { "No stage of this run read any." }
        }
        @for (stage, text) in texts { p { "In this run, " b { (stage) } " read labels of real photos " (text) } }
    }
}
