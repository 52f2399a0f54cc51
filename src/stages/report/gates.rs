//! The gate's section: kept and rejected by class, reasons, histograms of the scores, pictures.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::gate::{Criterion, Example, Gate};
use super::pictures;
use super::words::{count, number, percent, plural};

/// Classes shown at most.
const CLASSES: usize = 60;

/// All that is said of one gate.
pub fn section(gate: &Gate) -> Markup {
    let kept = gate.verdicts.iter().filter(|v| v.is_kept()).count();
    let all = gate.verdicts.len();
    html! {
        h3 {
            (gate.stage)
            small { " kept " (count(kept as u64)) " of " (plural(all as u64, "sample"))
                " (" (percent(kept as f64 / all as f64)) ")" }
        }
        (by_class(gate))
        h3 { "Reasons" small { " a sample may have several" } }
        (by_reason(gate))
        h3 { "Scores" small { " blue is kept, red rejected by this criterion; the dashed line is the limit" } }
        div.charts { @for criterion in &gate.criteria { (histogram(gate, criterion)) } }
        @for (title, examples) in &gate.groups {
            @if !examples.is_empty() {
                h3 { "The " (title) small { " render and translation" } }
                div.pairs { @for example in examples { (pair(example, &gate.criteria)) } }
            }
        }
    }
}

fn by_class(gate: &Gate) -> Markup {
    let mut classes: BTreeMap<Option<&str>, [u64; 2]> = BTreeMap::new();
    for verdict in &gate.verdicts {
        let counts = classes.entry(verdict.class.as_deref()).or_default();
        counts[usize::from(!verdict.is_kept())] += 1;
    }
    html! {
        div.scroll { table.bars {
            thead { tr { th { "class" } th.n { "kept" } th.n { "rejected" } th { "share rejected" } } }
            tbody { @for (class, [kept, rejected]) in classes.iter().take(CLASSES) { tr {
                th { (class.unwrap_or("no class")) }
                td.n { (count(*kept)) }
                td.n { (count(*rejected)) }
                td { (bar(*rejected as f64 / (kept + rejected) as f64)) }
            } } }
        } }
        @if classes.len() > CLASSES {
            p.soft { "and " (count((classes.len() - CLASSES) as u64)) " more classes" }
        }
    }
}

fn by_reason(gate: &Gate) -> Markup {
    let failed = |name: &str| {
        let rows = gate.verdicts.iter();
        rows.filter(|v| v.reasons.iter().any(|r| r == name)).count()
    };
    html! {
        div.scroll { table.bars {
            thead { tr {
                th { "reason" } th { "meaning" } th.n { "limit" } th.n { "rejected" } th { "of all" }
            } }
            tbody { @for criterion in &gate.criteria { tr {
                @let rejected = failed(&criterion.name);
                th { (criterion.name) }
                td.soft { (criterion.about) }
                td.n { (if criterion.rejects_above { "≤ " } else { "≥ " }) (number(criterion.limit)) }
                td.n { (count(rejected as u64)) }
                td { (bar(rejected as f64 / gate.verdicts.len() as f64)) }
            } } }
        } }
    }
}

fn bar(share: f64) -> Markup {
    let width = if share.is_finite() {
        100.0 * share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    html! {
        div.cell {
            div.track { div.fill.lost style=(format!("width:{width:.1}%")) {} }
            span { (percent(share)) }
        }
    }
}

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 130.0;
const BINS: usize = 40;

/// Scores of one criterion, stacked: rejected by it in red, all others in blue.
fn histogram(gate: &Gate, criterion: &Criterion) -> Markup {
    let scores = gate.verdicts.iter().filter_map(|verdict| {
        let score = f64::from(*verdict.scores.get(&criterion.name)?);
        let rejected = verdict.reasons.contains(&criterion.name);
        score.is_finite().then_some((score, rejected))
    });
    let scores: Vec<(f64, bool)> = scores.collect();
    let (low, high) = span(&scores, criterion.limit);
    let mut bins = [[0u64; 2]; BINS];
    for (score, rejected) in &scores {
        let share = ((score - low) / (high - low)).clamp(0.0, 1.0);
        let bin = ((share * BINS as f64) as usize).min(BINS - 1);
        bins[bin][usize::from(*rejected)] += 1;
    }
    let most = bins.iter().map(|[a, b]| a + b).max().unwrap_or(0).max(1) as f64;
    let (left, right, floor) = (8.0, WIDTH - 8.0, HEIGHT - 22.0);
    let x = |value: f64| left + (value - low) / (high - low) * (right - left);
    let step = (right - left) / BINS as f64;
    let px = |value: f64| format!("{value:.1}");
    html! {
        figure.chart.histogram {
            figcaption { (criterion.name) " " small.soft {
                @if scores.is_empty() { "not measured" } @else { (plural(scores.len() as u64, "sample")) }
            } }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(criterion.name) {
                @for (i, [kept, rejected]) in bins.iter().enumerate() {
                    @let [kept, rejected] = [kept, rejected].map(|n| *n as f64 / most * (floor - 6.0));
                    @let at = left + i as f64 * step;
                    @if kept > 0.0 { rect.kept x=(px(at)) y=(px(floor - kept)) width=(px(step - 1.0)) height=(px(kept)) {} }
                    @if rejected > 0.0 {
                        rect.rejected x=(px(at)) y=(px(floor - kept - rejected)) width=(px(step - 1.0)) height=(px(rejected)) {}
                    }
                }
                line.axis x1=(px(left)) x2=(px(right)) y1=(px(floor)) y2=(px(floor)) {}
                @if (low..=high).contains(&criterion.limit) {
                    line.limit x1=(px(x(criterion.limit))) x2=(px(x(criterion.limit))) y1="2" y2=(px(floor)) {
                        title { "limit " (number(criterion.limit)) }
                    }
                }
                text.tick x=(px(left)) y=(px(floor + 16.0)) { (number(low)) }
                text.tick x=(px(right)) y=(px(floor + 16.0)) text-anchor="end" { (number(high)) }
            }
        }
    }
}

/// From the lowest to the highest score, the limit included; far outliers stand in the last bin.
fn span(scores: &[(f64, bool)], limit: f64) -> (f64, f64) {
    let mut values: Vec<f64> = scores.iter().map(|s| s.0).collect();
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return (0.0, 1.0);
    };
    let limit = if limit.is_finite() { limit } else { values[0] };
    let low = values[last / 200].min(limit);
    let high = values[last - last / 200].max(limit);
    if high - low > 1e-9 * high.abs().max(1.0) {
        (low, high)
    } else {
        (low - 0.5, high + 0.5)
    }
}

fn pair(example: &Example, criteria: &[Criterion]) -> Markup {
    let verdict = &example.verdict;
    let scores = criteria.iter().filter_map(|criterion| {
        let score = verdict.scores.get(&criterion.name)?;
        Some(format!("{} {}", criterion.name, number(f64::from(*score))))
    });
    let scores: Vec<String> = scores.collect();
    html! {
        figure title=(scores.join("\n")) {
            div.row {
                @for (sample, name) in [(&example.render, "render"), (&example.output, "translation")] {
                    @match sample {
                        Some(sample) => (pictures::picture(sample, name)),
                        None => span.none title="not at hand" { "–" },
                    }
                }
            }
            figcaption {
                (verdict.class.as_deref().unwrap_or("no class")) " "
                @if !verdict.is_kept() { span.why { (verdict.reasons.join(", ")) } }
            }
        }
    }
}
