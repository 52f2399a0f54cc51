//! Curves over steps as inline SVG. Every coordinate written is finite.

use maud::{Markup, html};

use crate::stage::exhibit::{Chart, Curve, Tone};

use super::format::number;
use super::scale::{Scale, px};
use super::table::class;

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 216.0;
/// Room for the numbers and titles of the axes.
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 44.0;

/// A chart of curves over steps: each raw and faint, and smoothed on top. Single points are not curves: their
/// values stand in the legend alone.
pub(super) fn draw(chart: &Chart) -> Markup {
    let Chart {
        title,
        axes: [across, up],
        curves,
    } = chart;
    let steps = curves.iter().flat_map(|c| c.points.iter().map(|p| p.0));
    let x = Scale::over(steps, LEFT, WIDTH - 18.0);
    let y = Scale::over(curves.iter().flat_map(inner_range), HEIGHT - BOTTOM, 12.0);
    let colour = |place: usize| class(Tone::Series((place % 8) as u8));
    let smooth: Vec<_> = curves.iter().map(|c| smoothed(&c.points)).collect();
    html! {
        figure.chart {
            figcaption { (title) }
            @if smooth.iter().any(|points| points.len() > 1) {
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) {
                    (axes(&x, &y))
                    (titles(&x, &y, across, up))
                    @for (i, (curve, smooth)) in curves.iter().zip(&smooth).enumerate() {
                        path class={ "raw " (colour(i)) } d=(polyline(&thinned(&curve.points), &x, &y)) {}
                        path class={ "line " (colour(i)) } d=(polyline(&thinned(smooth), &x, &y)) {
                            title { (curve.name) ": ends at " (last_value(smooth)) }
                        }
                    }
                }
            } @else {
                p.soft { (up) ", measured once:" }
            }
            ul.legend {
                @for (i, (curve, smooth)) in curves.iter().zip(&smooth).enumerate() {
                    li {
                        span class={ "key " (colour(i)) } {}
                        (curve.name) " " b { (last_value(smooth)) }
                    }
                }
            }
        }
    }
}

fn axes(x: &Scale, y: &Scale) -> Markup {
    html! {
        @for tick in y.ticks(5) {
            @let at = px(y.at(tick));
            line.grid x1=(px(x.from)) x2=(px(x.to)) y1=(at) y2=(at) {}
            text.tick x=(px(x.from - 6.0)) y=(at) dy="0.32em" text-anchor="end" { (number(tick)) }
        }
        @for tick in x.ticks(6) {
            @let at = px(x.at(tick));
            line.mark x1=(at) x2=(at) y1=(px(y.from)) y2=(px(y.from + 4.0)) {}
            text.tick x=(at) y=(px(y.from + 17.0)) text-anchor="middle" { (number(tick)) }
        }
        line.axis x1=(px(x.from)) x2=(px(x.to)) y1=(px(y.from)) y2=(px(y.from)) {}
    }
}

/// What the axes are, below and beside the chart.
fn titles(x: &Scale, y: &Scale, across: &str, up: &str) -> Markup {
    let middle = [f64::midpoint(x.from, x.to), f64::midpoint(y.from, y.to)];
    let turned = format!("rotate(-90 14 {})", px(middle[1]));
    html! {
        text.tick x=(px(middle[0])) y=(px(HEIGHT - 5.0)) text-anchor="middle" { (across) }
        text.tick x="14" y=(px(middle[1])) text-anchor="middle" transform=(turned) { (up) }
    }
}

/// The span of a curve's values: far outliers are cut, for one spike must not flatten the rest.
fn inner_range(curve: &Curve) -> Vec<f64> {
    let mut values: Vec<f64> = curve.points.iter().map(|p| p.1).collect();
    values.retain(|v| v.is_finite());
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return values;
    };
    let (low, high) = (values[last / 100], values[last - last / 100]);
    let room = high - low;
    vec![values[0].max(low - room), values[last].min(high + room)]
}

/// The mean over a twentieth of the curve around each point.
fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let known: Vec<(f64, f64)> = points.iter().copied().filter(|p| p.1.is_finite()).collect();
    let half = known.len() / 40;
    (0..known.len())
        .map(|i| {
            let around = &known[i.saturating_sub(half)..(i + half + 1).min(known.len())];
            let sum: f64 = around.iter().map(|p| p.1 / around.len() as f64).sum();
            (known[i].0, sum)
        })
        .collect()
}

/// At most a few hundred points: of each stretch the lowest and the highest, in their order.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const STRETCHES: usize = 150;
    if points.len() <= 2 * STRETCHES {
        return points.to_vec();
    }
    points
        .chunks(points.len().div_ceil(STRETCHES))
        .flat_map(|stretch| {
            let indices = 0..stretch.len();
            let by_value = |a: &usize, b: &usize| stretch[*a].1.total_cmp(&stretch[*b].1);
            let low = indices.clone().min_by(by_value).unwrap_or(0);
            let high = indices.max_by(by_value).unwrap_or(0);
            [stretch[low.min(high)], stretch[low.max(high)]]
        })
        .collect()
}

/// Path data; a new stroke begins after each gap. A lone point becomes a dot.
fn polyline(points: &[(f64, f64)], x: &Scale, y: &Scale) -> String {
    let mut data = String::new();
    let mut drawing = false;
    for (i, &(step, value)) in points.iter().enumerate() {
        if !step.is_finite() || !value.is_finite() {
            drawing = false;
            continue;
        }
        let command = if drawing { 'L' } else { 'M' };
        data += &format!("{command}{:.1} {:.1}", x.at(step), y.at(value));
        let ends = points.get(i + 1).is_none_or(|next| !next.1.is_finite());
        if !drawing && ends {
            data += "h0.1";
        }
        drawing = true;
    }
    data
}

fn last_value(points: &[(f64, f64)]) -> String {
    number(points.last().map_or(f64::NAN, |p| p.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WILD: [&[(f64, f64)]; 9] = [
        &[],
        &[(1.0, 2.0)],
        &[(1.0, f64::NAN)],
        &[(0.0, 0.0), (1.0, 0.0)],
        &[(5.0, 1.0), (5.0, 3.0)],
        &[
            (0.0, 1.0),
            (1.0, f64::INFINITY),
            (2.0, f64::NAN),
            (3.0, 4.0),
        ],
        &[(0.0, f64::MIN), (1.0, f64::MAX)],
        &[(0.0, 1e-300), (1.0, 2e-300)],
        &[(f64::NAN, 1.0), (f64::INFINITY, 2.0)],
    ];

    fn chart(curves: Vec<Curve>) -> Markup {
        draw(&Chart {
            title: "Losses".into(),
            axes: ["training step", "loss <L>"].map(String::from),
            curves,
        })
    }

    #[test]
    fn axes_have_titles_and_a_single_point_is_no_chart() {
        let curve = |points: &[(f64, f64)]| Curve {
            name: "cycle".into(),
            points: points.to_vec(),
        };
        let drawn = chart(vec![curve(&[(10.0, 0.5), (20.0, 0.25)])]).into_string();
        assert!(
            drawn.contains(">training step<") && drawn.contains(">loss &lt;L&gt;<"),
            "{drawn}"
        );
        let single = chart(vec![curve(&[(10.0, 0.5)]), curve(&[(10.0, f64::NAN)])]).into_string();
        assert!(
            !single.contains("<svg") && single.contains("<b>0.5</b>"),
            "{single}"
        );
    }

    fn assert_finite(curves: Vec<Curve>) {
        let drawn = chart(curves).into_string();
        for wrong in ["NaN", "inf", "\"-\""] {
            assert!(!drawn.contains(wrong), "{wrong} in {drawn}");
        }
    }

    #[test]
    fn curves_are_finite_whatever_the_points() {
        for points in WILD {
            let curve = Curve {
                name: "loss".into(),
                points: points.to_vec(),
            };
            assert_finite(vec![curve]);
        }
        assert_finite(Vec::new());
    }

    #[test]
    fn a_gap_breaks_the_line_and_a_lone_point_is_a_dot() {
        let scale = Scale::over([0.0, 4.0].into_iter(), 0.0, 4.0);
        let points = [(0.0, 0.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 3.0)];
        assert_eq!(
            polyline(&points, &scale, &scale),
            "M0.0 0.0L1.0 1.0M3.0 3.0h0.1"
        );
    }

    #[test]
    fn smoothing_keeps_a_constant_and_thinning_keeps_extremes() {
        let points: Vec<(f64, f64)> = (0..1000).map(|i| (f64::from(i), 2.0)).collect();
        assert!(smoothed(&points).iter().all(|p| (p.1 - 2.0).abs() < 1e-9));
        let mut spiked = points;
        spiked[500].1 = 9.0;
        let thin = thinned(&spiked);
        assert!(thin.len() <= 300 && thin.contains(&(500.0, 9.0)));
    }
}
