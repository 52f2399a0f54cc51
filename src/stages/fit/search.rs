//! The search: Levenberg and Marquardt's method on the differences of quantiles.
//!
//! What is made small is, over all features, the distance of equal quantiles of renders and photos in
//! units of the photos' deviation (in one dimension the 2-Wasserstein distance), with Huber's loss in
//! place of the square, so that a feature that cannot be matched does not drown the others. It is
//! smooth where the two-sample test has long said 1.0. Candidates share their random streams, which
//! makes finite differences of few renders usable: each end of a range is moved once; a second time
//! from the best point so far; between, Broyden's update (1965) learns from every step. Of
//! an end's effect on a feature only what two halves of the pictures agree on is believed; an end
//! without any effect is left where it is.

use crate::Result;
use crate::appearance::features::{deviation, quantile_of_sorted};
use crate::appearance::linear::solve;
use crate::appearance::{FEATURES, Look, compare};

/// Quantiles that are matched, of each feature.
const QUANTILES: usize = 10;
/// How far an end is moved to see what it does, in widths.
const PROBE: f64 = 0.3;
/// Furthest that an end moves in one step, in widths.
const STEP: f64 = 0.6;
/// Least mean effect of an end, in deviations of the photos a width.
const LEAST: f64 = 0.02;
/// Steps without gain after which it ends.
const PATIENCE: usize = 5;
/// Narrowing a range costs so many times more than moving it.
const NARROWING: f64 = 10.0;

/// The photos' distributions.
pub(super) struct Target {
    quantiles: Vec<[f64; QUANTILES]>,
    scales: Vec<f64>,
}

impl Target {
    pub(super) fn new(photos: &[Look]) -> Self {
        let scale = |(i, feature): (usize, &crate::appearance::Feature)| {
            deviation(&compare::sorted(photos, i)).max(feature.grain)
        };
        Target {
            quantiles: quantiles(photos),
            scales: FEATURES.iter().enumerate().map(scale).collect(),
        }
    }

    /// Differences of quantiles in deviations of the photos, feature by feature.
    fn residuals(&self, looks: &[Look]) -> Vec<f64> {
        let pairs = quantiles(looks).into_iter().zip(&self.quantiles);
        pairs
            .zip(&self.scales)
            .flat_map(|((ours, theirs), scale)| {
                (0..QUANTILES).map(move |q| (ours[q] - theirs[q]) / scale)
            })
            .collect()
    }
}

fn quantiles(looks: &[Look]) -> Vec<[f64; QUANTILES]> {
    let of = |feature| {
        let sorted = compare::sorted(looks, feature);
        std::array::from_fn(|q| quantile_of_sorted(&sorted, (q as f64 + 0.5) / QUANTILES as f64))
    };
    (0..FEATURES.len()).map(of).collect()
}

/// Where the search ended.
pub(super) struct Found {
    /// Moves of all ends, in widths.
    pub x: Vec<f64>,
    /// Candidates rendered.
    pub candidates: usize,
}

/// A point of the search with what was measured there.
#[derive(Clone)]
struct Point {
    x: Vec<f64>,
    residuals: Vec<f64>,
    loss: f64,
}

/// The state of the search, and what it has learned of each end.
pub(super) struct Search {
    target: Target,
    caution: f64,
    /// By end: the sign of moves that narrow its range; 0 for a single number.
    inwards: Vec<f64>,
    /// By end: the change of all residuals a width; empty if it has no certain effect.
    pub effects: Vec<Vec<f64>>,
}

/// Clips moves to what the settings allow.
type Project<'a> = &'a dyn Fn(&[f64]) -> (serde_json::Value, Vec<f64>);
/// Renders and measures a candidate.
type Render<'a> = &'a mut dyn FnMut(&[f64]) -> Result<Vec<Look>>;
/// Candidates so far, and how it stands in words.
type Tell<'a> = &'a dyn Fn(usize, String) -> Result<()>;

/// Counts and tells of candidates.
struct Bench<'a> {
    project: Project<'a>,
    render: Render<'a>,
    tell: Tell<'a>,
    budget: usize,
    used: usize,
    first: Option<f64>,
    best: f64,
}

impl Bench<'_> {
    fn is_spent(&self) -> bool {
        self.used >= self.budget
    }

    fn looks(&mut self, x: &[f64]) -> Result<Vec<Look>> {
        let looks = (self.render)(x)?;
        self.used += 1;
        let first = self.first.unwrap_or(f64::NAN);
        let note = format!("distance {:.3}, at first {first:.3}", self.best);
        (self.tell)(self.used, note)?;
        Ok(looks)
    }
}

impl Search {
    pub(super) fn new(target: Target, caution: f64, inwards: Vec<f64>) -> Self {
        Search {
            target,
            caution,
            inwards,
            effects: Vec::new(),
        }
    }

    /// Searches from 0, the settings as they are, with at most `budget` candidates.
    ///
    /// # Errors
    /// The first error of a candidate, or an interruption.
    pub(super) fn run(
        &mut self,
        budget: usize,
        project: Project,
        render: Render,
        tell: Tell,
    ) -> Result<Found> {
        let mut bench = Bench {
            project,
            render,
            tell,
            budget,
            used: 0,
            first: None,
            best: f64::NAN,
        };
        let ends = self.inwards.len();
        let origin = vec![0.0; ends];
        let looks = bench.looks(&origin)?;
        let mut best = self.point(origin, &looks);
        (bench.first, bench.best) = (Some(best.loss), best.loss);
        self.effects = vec![Vec::new(); ends];
        self.probe(&looks, &best, (0..ends).collect(), &mut bench)?;
        best = self.descend(best, &mut bench)?;
        let certain: Vec<usize> = (0..ends)
            .filter(|&end| !self.effects[end].is_empty())
            .collect();
        if budget.saturating_sub(bench.used) > certain.len() + PATIENCE {
            let looks = bench.looks(&best.x)?;
            self.probe(&looks, &best, certain, &mut bench)?;
            best = self.descend(best, &mut bench)?;
        }
        Ok(Found {
            x: best.x,
            candidates: bench.used,
        })
    }

    /// By how many widths the range whose lower end is `end` is narrower in `x`; 0 if it is wider
    /// or `end` is not a lower end. A range that only moves is as wide as before.
    fn narrowing(&self, end: usize, x: &[f64]) -> f64 {
        match self.inwards[end] > 0.0 {
            true => (x[end] - x[end + 1]).max(0.0),
            false => 0.0,
        }
    }

    /// What the moves `x` cost.
    fn price(&self, x: &[f64]) -> f64 {
        let of = |end: usize| x[end].powi(2) + NARROWING * self.narrowing(end, x).powi(2);
        self.caution * (0..x.len()).map(of).sum::<f64>()
    }

    /// Enters the slope and the curvature of [`Search::price`] for the ends `certain`.
    fn add_price(&self, x: &[f64], certain: &[usize], matrix: &mut [f64], right: &mut [f64]) {
        let n = certain.len();
        let place = |end: usize| certain.iter().position(|&known| known == end);
        for (row, &end) in certain.iter().enumerate() {
            matrix[row * n + row] += 2.0 * self.caution;
            right[row] -= 2.0 * self.caution * x[end];
        }
        let dear = 2.0 * NARROWING * self.caution;
        for end in 0..x.len() {
            let narrowing = self.narrowing(end, x);
            if narrowing == 0.0 {
                continue;
            }
            let (low, high) = (place(end), place(end + 1));
            for (row, sign) in [(low, 1.0), (high, -1.0)] {
                if let Some(row) = row {
                    matrix[row * n + row] += dear;
                    right[row] -= sign * dear * narrowing;
                }
            }
            if let (Some(low), Some(high)) = (low, high) {
                matrix[low * n + high] -= dear;
                matrix[high * n + low] -= dear;
            }
        }
    }

    fn point(&self, x: Vec<f64>, looks: &[Look]) -> Point {
        let residuals = self.target.residuals(looks);
        let huber = |r: &f64| match r.abs() {
            size if size <= 1.0 => r * r / 2.0,
            size => size - 0.5,
        };
        let mean = residuals.iter().map(huber).sum::<f64>() / residuals.len() as f64;
        let price = self.price(&x);
        Point {
            x,
            residuals,
            loss: mean + price,
        }
    }

    /// Moves each of `ends` a little, and learns what that does.
    fn probe(
        &mut self,
        looks: &[Look],
        from: &Point,
        ends: Vec<usize>,
        bench: &mut Bench,
    ) -> Result<()> {
        let halves = |looks: &[Look]| {
            let half = |rest| {
                looks
                    .iter()
                    .skip(rest)
                    .step_by(2)
                    .cloned()
                    .collect::<Vec<_>>()
            };
            [0, 1].map(|rest| self.target.residuals(&half(rest)))
        };
        let before = halves(looks);
        let mut learned = Vec::new();
        for end in ends {
            if bench.is_spent() {
                break;
            }
            let mut effect = Vec::new();
            for way in [PROBE, -PROBE] {
                let mut x = from.x.clone();
                x[end] += way;
                let (_, x) = (bench.project)(&x);
                let moved = x[end] - from.x[end];
                if moved.abs() < PROBE / 4.0 {
                    continue;
                }
                let looks = bench.looks(&x)?;
                let after = halves(&looks);
                let change = |i: usize| difference(&after[i], &before[i]);
                let shares = agreement(&change(0), &change(1));
                effect = difference(&self.target.residuals(&looks), &from.residuals);
                for (of_feature, share) in effect.chunks_mut(QUANTILES).zip(shares) {
                    of_feature.iter_mut().for_each(|e| *e *= share / moved);
                }
                if mean_size(&effect) < LEAST {
                    effect.clear();
                }
                break;
            }
            learned.push((end, effect));
        }
        for (end, effect) in learned {
            self.effects[end] = effect;
        }
        Ok(())
    }

    /// Steps downhill until nothing is gained any more.
    fn descend(&mut self, mut best: Point, bench: &mut Bench) -> Result<Point> {
        let (mut damping, mut failures) = (0.1, 0);
        while failures < PATIENCE && !bench.is_spent() {
            let Some(step) = self.step(&best, damping) else {
                break;
            };
            let wish: Vec<f64> = best.x.iter().zip(&step).map(|(x, s)| x + s).collect();
            let (_, x) = (bench.project)(&wish);
            let went = difference(&x, &best.x);
            if went.iter().all(|s| s.abs() < 1e-3) {
                break;
            }
            let looks = bench.looks(&x)?;
            let next = self.point(x, &looks);
            self.learn(&best, &next, &went);
            let gain = best.loss - next.loss;
            if gain > 0.0 {
                failures = if gain > 0.01 * best.loss {
                    0
                } else {
                    failures + 1
                };
                best = next;
                bench.best = best.loss;
                damping = (damping / 3.0).max(1e-3);
            } else {
                failures += 1;
                damping *= 4.0;
            }
        }
        Ok(best)
    }

    /// The damped step that the effects promise most of; `None` where no end has any.
    fn step(&self, from: &Point, damping: f64) -> Option<Vec<f64>> {
        let certain: Vec<usize> = (0..from.x.len())
            .filter(|&end| !self.effects[end].is_empty())
            .collect();
        let count = from.residuals.len() as f64;
        // Huber's loss as weighted squares.
        let weights: Vec<f64> = from
            .residuals
            .iter()
            .map(|r| 1.0 / r.abs().max(1.0) / count)
            .collect();
        let product = |a: &[f64], b: &[f64]| -> f64 {
            weights
                .iter()
                .zip(a)
                .zip(b)
                .map(|((w, a), b)| w * a * b)
                .sum()
        };
        let n = certain.len();
        let (mut matrix, mut right) = (vec![0.0; n * n], vec![0.0; n]);
        for (row, &a) in certain.iter().enumerate() {
            for (column, &b) in certain.iter().enumerate() {
                matrix[row * n + column] = product(&self.effects[a], &self.effects[b]);
            }
            let diagonal = &mut matrix[row * n + row];
            *diagonal += damping * (*diagonal + 1e-3);
            right[row] = -product(&self.effects[a], &from.residuals);
        }
        if n == 0 {
            return None;
        }
        self.add_price(&from.x, &certain, &mut matrix, &mut right);
        let mut step = vec![0.0; from.x.len()];
        for (&end, length) in certain.iter().zip(solve(&matrix, &right)?) {
            step[end] = length.clamp(-STEP, STEP);
        }
        Some(step)
    }

    /// Broyden's update: the smallest change of the effects that explains the last step.
    fn learn(&mut self, from: &Point, to: &Point, went: &[f64]) {
        let certain = |end: usize| !self.effects[end].is_empty();
        let squares: f64 = (0..went.len())
            .filter(|&end| certain(end))
            .map(|end| went[end].powi(2))
            .sum();
        if squares < 1e-6 {
            return;
        }
        let mut surprise = difference(&to.residuals, &from.residuals);
        for (effect, step) in self.effects.iter().zip(went) {
            for (rest, effect) in surprise.iter_mut().zip(effect) {
                *rest -= step * effect;
            }
        }
        for (effect, step) in self.effects.iter_mut().zip(went) {
            for (effect, rest) in effect.iter_mut().zip(&surprise) {
                *effect += rest * step / squares;
            }
        }
    }

    /// How much the move of an end matters: mean change of all quantiles, in deviations.
    pub(super) fn weight(&self, end: usize, x: f64) -> f64 {
        x.abs() * mean_size(&self.effects[end])
    }

    /// How strongly an end moves a feature: mean change of its quantiles a width, in deviations.
    pub(super) fn strength(&self, end: usize, feature: usize) -> f64 {
        let of = self.effects[end].chunks(QUANTILES).nth(feature);
        let sum: f64 = of.into_iter().flatten().map(|e| e.abs()).sum();
        sum / QUANTILES as f64
    }
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn mean_size(values: &[f64]) -> f64 {
    values.iter().map(|v| v.abs()).sum::<f64>() / values.len().max(1) as f64
}

/// By feature, the share of a change that is not chance, from what two halves of the pictures say: 1
/// where they agree, 0 where they differ by as much as they have in common.
fn agreement(a: &[f64], b: &[f64]) -> Vec<f64> {
    let squares = |a: &[f64], b: &[f64], sign: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a + sign * b).powi(2)).sum()
    };
    let features = a.chunks(QUANTILES).zip(b.chunks(QUANTILES));
    features
        .map(|(a, b)| (1.0 - squares(a, b, -1.0) / squares(a, b, 1.0).max(1e-12)).max(0.0))
        .collect()
}
