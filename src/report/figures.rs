//! Figures: tiles, and scores with their spread as bars and a table.

use maud::{Markup, html};

use crate::stage::exhibit::{Figure, Spread, Value};

use super::format::{count, percent, value};
use super::scale::{Scale, px};
use super::table::class;

/// Means as bars and a table, beside the headlines in large: those of other figures, or else of the means.
/// Figures without either are tiles.
pub(super) fn draw(title: &str, figures: &[Figure], chance: Option<f64>) -> Markup {
    let bars: Vec<Bar> = figures.iter().filter_map(bar).collect();
    if bars.is_empty() {
        return tiles(figures.iter());
    }
    let others = || figures.iter().filter(|figure| bar(figure).is_none());
    let mut headlines: Vec<_> = others().filter_map(with_headline).collect();
    if headlines.is_empty() {
        headlines.extend(figures.iter().filter_map(with_headline));
    }
    html! {
        div.headline {
            div { @for (figure, words) in headlines { (callout(figure, words)) } }
            div.scroll { (scores(title, &bars, chance)) }
        }
        div.scroll { (details(&bars)) }
        (tiles(others().filter(|figure| figure.headline.is_none())))
    }
}

fn with_headline(figure: &Figure) -> Option<(&Figure, &'static str)> {
    Some((figure, figure.headline?))
}

fn tiles<'a>(figures: impl Iterator<Item = &'a Figure>) -> Markup {
    let mut figures = figures.peekable();
    html! {
        @if figures.peek().is_some() {
            div.tiles { @for figure in figures { (tile(&value(&figure.value), &figure.about)) } }
        }
    }
}

/// A value in a box with the words that it is followed by.
pub(super) fn tile(value: &str, words: &str) -> Markup {
    html! { div.tile { strong { (value) } span { (words) } } }
}

fn callout(figure: &Figure, headline: &str) -> Markup {
    let (tone, words) = match figure.value {
        _ if figure.spread.is_some() => ("", headline),
        Value::Share(share) if share < 0.0 => ("bad", figure.about.as_str()),
        _ => ("good", figure.about.as_str()),
    };
    html! { div.callout { strong class=(tone) { (value(&figure.value)) } span { (words) } } }
}

/// A figure that is a mean, 0..1, with its mean and spread.
type Bar<'a> = (&'a Figure, f64, &'a Spread);

fn bar(figure: &Figure) -> Option<Bar<'_>> {
    match (&figure.value, &figure.spread) {
        (Value::Share(mean), Some(spread)) => Some((figure, *mean, spread)),
        _ => None,
    }
}

fn details(bars: &[Bar]) -> Markup {
    let counts = bars.first().map_or(&[][..], |(figure, ..)| &figure.counts);
    html! {
        table {
            thead { tr {
                th {} th.meaning {} th.n { "mean ± std" } th.n { "single results" }
                @for (name, _) in counts { th.n { (name) } }
            } }
            tbody { @for (figure, mean, spread) in bars { tr {
                th { span class={ "key " (class(figure.tone)) } {} (figure.name) }
                td.soft.meaning { (figure.about) }
                td.n { b { (percent(*mean)) } " ± " (percent(spread.std)) }
                td.n.soft { @for result in &spread.results { (percent(*result)) "  " } }
                @for (_, n) in &figure.counts { td.n { (count(*n)) } }
            } } }
        }
    }
}

/// Horizontal bars on an axis of 0..100 % with whiskers of one standard deviation and a dot for every
/// single result. `chance` is drawn as a dashed line.
fn scores(title: &str, bars: &[Bar], chance: Option<f64>) -> Markup {
    const ROW: f64 = 44.0;
    let bottom = 8.0 + ROW * bars.len() as f64;
    let x = Scale {
        low: 0.0,
        high: 1.0,
        from: 124.0,
        to: 640.0,
    };
    html! {
        svg.scores viewBox={ "0 0 710 " (px(bottom + 24.0)) } role="img" aria-label=(title) {
            @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                @let at = px(x.at(tick));
                line.grid x1=(at) x2=(at) y1="6" y2=(px(bottom)) {}
                text.tick x=(at) y=(px(bottom + 16.0)) text-anchor="middle" {
                    (format!("{:.0} %", 100.0 * tick))
                }
            }
            @if let Some(chance) = chance {
                @let at = px(x.at(chance));
                line.chance x1=(at) x2=(at) y1="6" y2=(px(bottom)) {
                    title { "guessing: " (percent(chance)) }
                }
            }
            @for (i, bar) in bars.iter().enumerate() {
                (score(*bar, &x, 8.0 + ROW * i as f64 + ROW / 2.0))
            }
        }
    }
}

fn score((figure, mean, spread): Bar, x: &Scale, middle: f64) -> Markup {
    let end = x.at(mean);
    let std = Some(spread.std)
        .filter(|std| std.is_finite())
        .unwrap_or(0.0);
    let (low, high) = (x.at(mean - std), x.at(mean + std));
    html! {
        text.name x=(px(x.from - 10.0)) y=(px(middle)) dy="0.32em" text-anchor="end" { (figure.name) }
        rect class={ "bar " (class(figure.tone)) } x=(px(x.from)) y=(px(middle - 13.0))
            width=(px(end - x.from)) height="26" rx="3" {
            title { (figure.name) ": " (percent(mean)) " ± " (percent(spread.std)) }
        }
        line.whisker x1=(px(low)) x2=(px(high)) y1=(px(middle)) y2=(px(middle)) {}
        @for result in spread.results.iter().filter(|result| result.is_finite()) {
            circle.seed cx=(px(x.at(*result))) cy=(px(middle)) r="3" { title { (percent(*result)) } }
        }
        text.value x=(px(high.max(end) + 9.0)) y=(px(middle)) dy="0.32em" { (percent(mean)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_finite_whatever_the_scores() {
        for mean in [f64::NAN, f64::INFINITY, -3.0, 0.0, 0.5, 7.0] {
            let mut figure = Figure::new("adapted", Value::Share(mean), "");
            figure.spread = Some(Spread {
                std: f64::NAN,
                results: vec![mean],
            });
            let drawn = draw("scores", &[figure], Some(0.1)).into_string();
            for wrong in ["NaN", "inf", "\"-\""] {
                assert!(!drawn.contains(wrong), "{wrong} in {drawn}");
            }
        }
        draw("nothing", &[], Some(0.1));
    }

    #[test]
    fn no_figure_is_lost_beside_the_bars() {
        let spread = || Spread {
            std: 0.01,
            results: Vec::new(),
        };
        let mean = Figure {
            spread: Some(spread()),
            headline: Some("accuracy"),
            ..Figure::new("adapted", Value::Share(0.875), "")
        };
        let gap = Figure {
            headline: Some("of the gap closed"),
            ..Figure::new("gap closed", Value::Share(0.5), "of the gap is closed")
        };
        let plain = Figure::new("photos", Value::Count(308), "photos were read");
        let loss = Figure {
            spread: Some(spread()),
            ..Figure::new("loss", Value::Number(0.25), "mean loss")
        };
        let figures = [mean, gap, plain, loss];
        let drawn = draw("scores", &figures, None).into_string();
        for shown in ["of the gap is closed", "photos were read", "mean loss"] {
            assert_eq!(drawn.matches(shown).count(), 1, "{shown} in {drawn}");
        }
        let (_, tiles) = drawn.split_once("class=\"tiles\"").unwrap();
        assert!(tiles.contains("308") && tiles.contains("0.25"), "{drawn}");
        let bars_alone = draw("scores", &figures[..1], None).into_string();
        assert!(!bars_alone.contains("tiles") && bars_alone.contains("callout"));
    }
}
