//! Charts as inline SVG: curves of losses, bars of scores. Every coordinate written is finite.

use maud::{Markup, html};

use super::words::{number, percent};

/// Steps and values; values that are no number are gaps.
pub type Points = Vec<(f64, f64)>;

/// A named curve.
pub struct Curve {
    pub name: String,
    pub points: Points,
}

/// A bar of a score in 0..1.
pub struct Bar<'a> {
    pub name: &'a str,
    pub mean: f64,
    pub std: f64,
    /// The single results behind the mean, drawn as dots.
    pub seeds: Vec<f64>,
}

/// A linear map from values to pixels.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Spans the finite ones of `values`, a little room where they are all alike.
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if !(high - low).is_normal() {
            let room = 0.5 * low.abs().max(1e-3);
            (low, high) = (
                (low - room).max(f64::MIN / 4.0),
                (high + room).min(f64::MAX / 4.0),
            );
        }
        let limit = f64::MAX / 4.0;
        let (low, high) = (low.clamp(-limit, limit), high.clamp(-limit, limit));
        Scale {
            low,
            high,
            from,
            to,
        }
    }

    /// The pixel of `value`, held inside the chart; what is no number lies at the start.
    fn at(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        if share.is_nan() {
            return self.from;
        }
        self.from + share * (self.to - self.from)
    }

    /// About `wanted` round numbers inside the span, 1, 2 or 5 times a power of ten apart.
    fn ticks(&self, wanted: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / wanted.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let factor = [1.0, 2.0, 5.0, 10.0].into_iter();
        let step = factor.map(|f| f * power).find(|s| *s >= rough);
        let step = step.filter(|s| s.is_normal()).unwrap_or(rough);
        let first = (self.low / step).ceil();
        (0..=2 * wanted)
            .map(|i| (first + i as f64) * step)
            .take_while(|tick| *tick <= self.high + 1e-9 * step)
            .collect()
    }
}

/// A coordinate with a tenth of a pixel.
fn px(value: f64) -> String {
    format!("{value:.1}")
}

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 200.0;

/// A chart of curves over steps: each raw and faint, and smoothed on top.
pub fn curves(title: &str, curves: &[Curve]) -> Markup {
    let steps = curves.iter().flat_map(|c| c.points.iter().map(|p| p.0));
    let x = Scale::over(steps, 44.0, WIDTH - 18.0);
    let y = Scale::over(curves.iter().flat_map(inner_range), HEIGHT - 28.0, 12.0);
    html! {
        figure.chart {
            figcaption { (title) }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) {
                (axes(&x, &y))
                @for (i, curve) in curves.iter().enumerate() {
                    @let smooth = smoothed(&curve.points);
                    path class={ "raw k" (i % 8) } d=(polyline(&thinned(&curve.points), &x, &y)) {}
                    path class={ "line k" (i % 8) } d=(polyline(&thinned(&smooth), &x, &y)) {
                        title { (curve.name) ": ends at " (last_value(&smooth)) }
                    }
                }
            }
            ul.legend {
                @for (i, curve) in curves.iter().enumerate() {
                    li {
                        span class={ "key k" (i % 8) } {}
                        (curve.name) " " b { (last_value(&smoothed(&curve.points))) }
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
fn smoothed(points: &[(f64, f64)]) -> Points {
    let known: Points = points.iter().copied().filter(|p| p.1.is_finite()).collect();
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
fn thinned(points: &[(f64, f64)]) -> Points {
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

/// Horizontal bars on a 0..100 % axis with whiskers of one standard deviation and a dot a seed.
///
/// `chance` is drawn as a dashed line: what guessing would score.
pub fn scores(title: &str, bars: &[Bar], chance: Option<f64>) -> Markup {
    const ROW: f64 = 44.0;
    let (left, right) = (124.0, 640.0);
    let bottom = 8.0 + ROW * bars.len() as f64;
    let x = Scale {
        low: 0.0,
        high: 1.0,
        from: left,
        to: right,
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
                (score_bar(bar, &x, 8.0 + ROW * i as f64 + ROW / 2.0))
            }
        }
    }
}

fn score_bar(bar: &Bar, x: &Scale, middle: f64) -> Markup {
    let end = x.at(bar.mean);
    let spread = if bar.std.is_finite() { bar.std } else { 0.0 };
    let (low, high) = (x.at(bar.mean - spread), x.at(bar.mean + spread));
    html! {
        text.name x=(px(x.from - 10.0)) y=(px(middle)) dy="0.32em" text-anchor="end" { (bar.name) }
        rect class={ "bar " (bar.name) } x=(px(x.from)) y=(px(middle - 13.0))
            width=(px(end - x.from)) height="26" rx="3" {
            title { (bar.name) ": " (percent(bar.mean)) " ± " (percent(bar.std)) }
        }
        line.whisker x1=(px(low)) x2=(px(high)) y1=(px(middle)) y2=(px(middle)) {}
        @for seed in bar.seeds.iter().filter(|s| s.is_finite()) {
            circle.seed cx=(px(x.at(*seed))) cy=(px(middle)) r="3" { title { (percent(*seed)) } }
        }
        text.value x=(px(high.max(end) + 9.0)) y=(px(middle)) dy="0.32em" { (percent(bar.mean)) }
    }
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

    fn assert_finite(markup: &str) {
        for wrong in ["NaN", "inf", "\"-\""] {
            assert!(!markup.contains(wrong), "{wrong} in {markup}");
        }
    }

    #[test]
    fn curves_are_finite_whatever_the_points() {
        for points in WILD {
            let curve = Curve {
                name: "loss".into(),
                points: points.to_vec(),
            };
            assert_finite(&curves("loss", &[curve]).into_string());
        }
        assert_finite(&curves("nothing", &[]).into_string());
    }

    #[test]
    fn score_bars_are_finite_whatever_the_scores() {
        for mean in [f64::NAN, f64::INFINITY, -3.0, 0.0, 0.5, 7.0] {
            let bar = Bar {
                name: "adapted",
                mean,
                std: f64::NAN,
                seeds: vec![mean],
            };
            assert_finite(&scores("x", &[bar], None).into_string());
        }
        assert_finite(&scores("x", &[], Some(0.1)).into_string());
    }

    #[test]
    fn values_map_to_pixels_and_stay_inside() {
        let scale = Scale::over([2.0, 4.0].into_iter(), 100.0, 0.0);
        assert_eq!(
            [2.0, 3.0, 4.0, 9.0].map(|v| scale.at(v)),
            [100.0, 50.0, 0.0, 0.0]
        );
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let ticks = Scale::over([0.13, 1.07].into_iter(), 0.0, 1.0).ticks(5);
        let shown: Vec<String> = ticks.into_iter().map(number).collect();
        assert_eq!(shown, ["0.2", "0.4", "0.6", "0.8", "1"]);
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
