//! How good the data is: the recognisers' scores, classes and confusions.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::charts::{self, Bar};
use super::evaluation::{Recogniser, Task};
use super::words::{count, number, percent};

/// What each recogniser was trained on.
fn meaning(name: &str) -> &'static str {
    match name {
        "source_only" => "trained on plain renders",
        "adapted" => "trained on this dataset",
        "target_only" => "trained on real photos with real labels",
        _ => "",
    }
}

/// The headline: scores as bars and a table, and how much of the gap is closed.
pub fn headline(task: &Task) -> Markup {
    let bars: Vec<Bar> = task
        .rows()
        .map(|(name, recogniser)| Bar {
            name,
            mean: recogniser.mean(),
            std: recogniser.std(),
            seeds: recogniser.seeds.iter().flatten().copied().collect(),
        })
        .collect();
    html! {
        h3 { (task.name) small { " " (task.score()) " on real test photos, by " code { (task.stage) } } }
        div.headline {
            (gap(task))
            div.scroll {
            (charts::scores(&format!("{} of the recognisers", task.score()), &bars, task.chance()))
            }
        }
        div.scroll { (scores_table(task)) }
    }
}

fn gap(task: &Task) -> Markup {
    html! {
        div.gap title="(adapted − source_only) / (target_only − source_only)" {
            @match task.gap_closed.filter(|gap| gap.is_finite()) {
                Some(gap) => {
                    strong class=(if gap < 0.0 { "bad" } else { "good" }) { (percent(gap)) }
                    span { "of the gap between plain renders and real labels is closed" }
                }
                None => {
                    @match task.row("adapted").map(Recogniser::mean).filter(|m| m.is_finite()) {
                        Some(mean) => strong { (percent(mean)) },
                        None => strong { "–" },
                    }
                    span { (task.score()) " of a recogniser trained on this dataset; without a target_only \
                            recogniser there is no gap to compare with" }
                }
            }
        }
    }
}

fn scores_table(task: &Task) -> Markup {
    html! {
        table {
            thead { tr {
                th { "recogniser" } th.meaning { } th.n { "mean ± std" } th.n { "seeds" }
                th.n title="training pictures" { "n_train" } th.n title="real test photos" { "n_test" }
            } }
            tbody { @for (name, recogniser) in task.rows() {
                tr {
                    th { span class={ "key " (name) } {} (name) }
                    td.soft.meaning { (meaning(name)) }
                    td.n { b { (percent(recogniser.mean())) } " ± " (percent(recogniser.std())) }
                    td.n.soft {
                        @for seed in &recogniser.seeds { (percent(seed.unwrap_or(f64::NAN))) "  " }
                    }
                    td.n { (count(recogniser.n_train)) }
                    td.n { (count(recogniser.n_test)) }
                }
            } }
        }
    }
}

/// Accuracy by class, one column a recogniser.
pub fn per_class(task: &Task) -> Markup {
    if task.rows().all(|(_, r)| r.per_class.is_empty()) {
        return html! {};
    }
    html! {
        h3 { (task.name) small { " " (task.score()) " by class" } }
        div.scroll { table.bars {
            thead { tr {
                th { "class" }
                @for (name, _) in task.rows() { th { (name) } }
            } }
            tbody { @for class in &task.classes { tr {
                th { (class) }
                @for (name, recogniser) in task.rows() {
                    (share_cell(name, recogniser.per_class.get(class).copied().flatten()))
                }
            } } }
        } }
    }
}

/// Accuracy by the photos' looks, one column a recogniser.
pub fn fifths(task: &Task) -> Markup {
    let ranked_by: BTreeSet<&String> = task.rows().flat_map(|(_, r)| r.fifths.keys()).collect();
    html! { @for measure in ranked_by {
        h3 { (task.name) small { " " (task.score()) " by " (measure) " of the photo" } }
        div.scroll { table.bars {
            thead { tr {
                th { "fifth" }
                @for (name, _) in task.rows() { th { (name) } }
            } }
            tbody { @for (fifth, words) in ["lowest", "low", "middle", "high", "highest"].iter().enumerate() { tr {
                th { (words) }
                @for (name, recogniser) in task.rows() {
                    (share_cell(name, recogniser.fifths.get(measure).and_then(|f| *f.get(fifth)?)))
                }
            } } }
        } }
    } }
}

fn share_cell(name: &str, share: Option<f64>) -> Markup {
    let share = share.unwrap_or(f64::NAN);
    let width = if share.is_finite() {
        100.0 * share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    html! {
        td { div.cell {
            div.track { div class={ "fill " (name) } style=(format!("width:{width:.1}%")) {} }
            span { (percent(share)) }
        } }
    }
}

/// The confusion matrices side by side, each with its most frequent mistakes.
pub fn confusions(task: &Task) -> Markup {
    html! {
        div.matrices {
            @for (name, recogniser) in task.rows().filter(|(_, r)| !r.confusion.is_empty()) {
                figure {
                    figcaption { span class={ "key " (name) } {} b { (name) } }
                    div.scroll { (matrix(task, recogniser)) }
                    (mistakes(task, recogniser))
                }
            }
        }
    }
}

/// Rows are true classes; the shade is the share of the row, the number the count.
fn matrix(task: &Task, recogniser: &Recogniser) -> Markup {
    let dense = task.classes.len() > 16;
    html! {
        table.matrix.dense[dense] {
            thead { tr {
                th.corner { "true ╲ predicted" }
                @for class in &task.classes { th.column { span { (class) } } }
            } }
            tbody { @for (i, truth) in task.classes.iter().enumerate() { tr {
                th { (truth) }
                @let shares = recogniser.shares(i);
                @for (j, predicted) in task.classes.iter().enumerate() {
                    @let share = shares.get(j).copied().unwrap_or(0.0).clamp(0.0, 1.0);
                    @let n = recogniser.confusion.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0.0);
                    td.right[i == j].strong[share > 0.55] style=(format!("--share:{share:.3}"))
                        title={ "true " (truth) ", predicted " (predicted) ": " (number(n)) " (" (percent(share)) ")" } {
                        @if !dense && n > 0.0 { (number(n)) }
                    }
                }
            } } }
        }
    }
}

fn mistakes(task: &Task, recogniser: &Recogniser) -> Markup {
    let worst = recogniser.most_confused(&task.classes, 4);
    html! {
        @if worst.is_empty() { p.soft { "No mistakes." } }
        @else {
            p.soft { "Most confused (true → predicted)" }
            ol.mistakes { @for mistake in worst { li {
                (mistake.truth) " → " (mistake.predicted) " "
                span.soft { (percent(mistake.share)) " (" (number(mistake.count)) ")" }
            } } }
        }
    }
}
