//! Histograms of scores as inline SVG, with the limit that they were held against.

use maud::{Markup, html};

use crate::stage::exhibit::Histogram;

use super::format::{number, plural};
use super::scale::{Scale, px};

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 130.0;
const BINS: usize = 40;

/// What passed in blue and, on top of it, what failed in red; scores that are not numbers are left out.
pub(super) fn draw(histogram: &Histogram) -> Markup {
    let finite = |values: &[f64]| values.iter().copied().filter(|v| v.is_finite()).collect();
    let sides: [Vec<f64>; 2] = [finite(&histogram.passed), finite(&histogram.failed)];
    let x = scale(&sides.concat(), histogram.limit);
    let width = (x.to - x.from) / BINS as f64;
    let mut bins = [[0u64; 2]; BINS];
    for (side, values) in sides.iter().enumerate() {
        for value in values {
            let bin = ((x.at(*value) - x.from) / width) as usize;
            bins[bin.min(BINS - 1)][side] += 1;
        }
    }
    let most = bins.iter().map(|[a, b]| a + b).max().unwrap_or(0).max(1) as f64;
    let floor = HEIGHT - 22.0;
    let count = sides.iter().map(Vec::len).sum::<usize>() as u64;
    html! {
        figure.chart.histogram {
            figcaption { (histogram.name) " " small.soft {
                @if count == 0 { "not measured" } @else { (plural(count, "sample")) }
            } }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(histogram.name) {
                @for (i, bin) in bins.iter().enumerate() {
                    @let [passed, failed] = bin.map(|n| n as f64 / most * (floor - 6.0));
                    @let at = x.from + i as f64 * width;
                    @for (class, top, height) in [("kept", passed, passed), ("rejected", passed + failed, failed)] {
                        @if height > 0.0 {
                            rect class=(class) x=(px(at)) y=(px(floor - top)) width=(px(width - 1.0)) height=(px(height)) {}
                        }
                    }
                }
                line.axis x1=(px(x.from)) x2=(px(x.to)) y1=(px(floor)) y2=(px(floor)) {}
                @if histogram.limit.is_finite() {
                    @let at = px(x.at(histogram.limit));
                    line.limit x1=(at) x2=(at) y1="2" y2=(px(floor)) { title { "limit " (number(histogram.limit)) } }
                }
                text.tick x=(px(x.from)) y=(px(floor + 16.0)) { (number(x.low)) }
                text.tick x=(px(x.to)) y=(px(floor + 16.0)) text-anchor="end" { (number(x.high)) }
            }
        }
    }
}

/// From the lowest to the highest score, the limit included; far outliers stand in the outer bins.
fn scale(values: &[f64], limit: f64) -> Scale {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let ends = [last / 200, last - last / 200].map(|place| values.get(place).copied());
    let limit = Some(limit).filter(|_| !values.is_empty());
    Scale::over(ends.into_iter().chain([limit]).flatten(), 8.0, WIDTH - 8.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_that_are_all_alike_or_not_numbers_draw_finite_charts() {
        for values in [
            vec![],
            vec![0.5; 9],
            vec![f64::NAN; 3],
            vec![f64::INFINITY, 1.0],
        ] {
            for limit in [0.5, f64::INFINITY, f64::NAN] {
                let chart = draw(&Histogram {
                    name: "edges".into(),
                    passed: values.clone(),
                    failed: values.clone(),
                    limit,
                });
                let chart = chart.into_string();
                assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
            }
        }
    }
}
