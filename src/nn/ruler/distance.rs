//! A kernel distance between two sets of pictures, over the features of an encoder: the maximum mean discrepancy
//! with a cubic polynomial kernel. Gretton et al., A Kernel Two-Sample Test, 2012; Bińkowski et al., Demystifying
//! MMD GANs, 2018 (the kernel inception distance). <https://arxiv.org/abs/1801.01401>
//!
//! Deviations from the latter: features are centred and of length 1, so that no picture outweighs others and the
//! kernel ((x·y + 1) / 2)³ lies in 0..1; all pairs are used, not blocks, but pairs of one group (crops of one photo)
//! are left out, because they are alike in one set and never occur between two; and the distance is the root of the
//! unbiased estimate, 0 where that is below. The root is a metric: a set of which half the pictures are photos lies half
//! way. Its interval comes from resampling whole groups; near 0 it is wide, since the estimate is of the square.

use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::encoder::Features;
use crate::seed::Seed;

/// Resamplings of an interval.
const DRAWS: usize = 200;

/// A distance, and between what it lies in 95 % of cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Distance {
    /// Near 0 for alike sets, at most about 1.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// How much of the way from the renders to the photos was made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// 0 as far from the photos as the renders, 1 as near as photos are to each other; below 0 farther away.
    pub share: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Features of a set, centred and of length 1, by group.
#[derive(Debug, Clone)]
pub(super) struct Embedded {
    groups: Vec<(u64, Vec<Features>)>,
}

impl Embedded {
    /// From features and their groups; `centre` is subtracted.
    pub(super) fn new(
        features: Vec<Features>,
        groups: impl Iterator<Item = u64>,
        centre: &[f64],
    ) -> Self {
        let mut rows: Vec<(u64, Features)> = groups.zip(features).collect();
        rows.sort_by_key(|(group, _)| *group);
        let mut embedded: Vec<(u64, Vec<Features>)> = Vec::new();
        for (group, features) in rows {
            let features = directed(&features, centre);
            match embedded.last_mut() {
                Some((last, members)) if *last == group => members.push(features),
                _ => embedded.push((group, vec![features])),
            }
        }
        Embedded { groups: embedded }
    }

    /// Two halves, group by group.
    pub(super) fn halves(&self) -> [Self; 2] {
        [0, 1].map(|side| Embedded {
            groups: self.groups.iter().skip(side).step_by(2).cloned().collect(),
        })
    }

    /// The features of all pictures.
    pub(super) fn members(&self) -> Vec<&Features> {
        self.groups
            .iter()
            .flat_map(|(_, members)| members)
            .collect()
    }

    /// How many pictures the groups have.
    fn counts(&self) -> Vec<f64> {
        self.groups
            .iter()
            .map(|(_, members)| members.len() as f64)
            .collect()
    }

    /// How often each group is drawn in every resampling. A group is drawn alike in every set, so that sets made
    /// from the same renders are compared on the same ones.
    fn draws(&self) -> Vec<Vec<f64>> {
        let seed = Seed::new(0, "bootstrap");
        let groups = self.groups.par_iter().map(|(group, _)| {
            let mut stream = seed.stream(*group);
            (0..DRAWS).map(|_| poisson(stream.random())).collect()
        });
        groups.collect()
    }
}

/// From the centre, of length 1.
fn directed(features: &[f32], centre: &[f64]) -> Features {
    let from_centre = features
        .iter()
        .zip(centre)
        .map(|(x, centre)| f64::from(*x) - centre);
    let direction: Vec<f64> = from_centre.collect();
    let length = direction
        .iter()
        .map(|x| x * x)
        .sum::<f64>()
        .sqrt()
        .max(1e-12);
    direction.iter().map(|x| (x / length) as f32).collect()
}

/// A draw of the Poisson distribution of mean 1, from one of the uniform distribution on 0..1.
fn poisson(mut uniform: f64) -> f64 {
    let (mut count, mut probability) = (0.0, (-1.0f64).exp());
    while uniform >= probability && count < 20.0 {
        uniform -= probability;
        count += 1.0;
        probability /= count;
    }
    count
}

/// A squared discrepancy, and the same of resampled groups.
#[derive(Debug, Clone)]
pub(super) struct Squared {
    value: f64,
    draws: Vec<f64>,
}

impl Squared {
    /// Between two sets of at least two groups each.
    pub(super) fn between(a: &Embedded, b: &Embedded) -> Squared {
        let sums = [kernel_sums(a, a), kernel_sums(b, b), kernel_sums(a, b)];
        let counts = [a.counts(), b.counts()];
        let once = counts.each_ref().map(|counts| vec![1.0; counts.len()]);
        let value = estimate(&sums, &counts, &once).unwrap_or(0.0);
        let drawn = [a.draws(), b.draws()];
        let draws = (0..DRAWS).into_par_iter().map(|number| {
            let weights = drawn
                .each_ref()
                .map(|groups| -> Vec<f64> { groups.iter().map(|draws| draws[number]).collect() });
            estimate(&sums, &counts, &weights).unwrap_or(value)
        });
        Squared {
            value,
            draws: draws.collect(),
        }
    }

    /// The mean of what several encoders measured.
    pub(super) fn mean(all: &[Squared]) -> Squared {
        let count = all.len().max(1) as f64;
        let draws = (0..DRAWS).map(|i| all.iter().map(|one| one.draws[i]).sum::<f64>() / count);
        Squared {
            value: all.iter().map(|one| one.value).sum::<f64>() / count,
            draws: draws.collect(),
        }
    }

    /// Its root with an interval.
    pub(super) fn distance(&self) -> Distance {
        let reach = 1.96 * deviation(&self.draws);
        let [value, low, high] =
            [0.0, -reach, reach].map(|more| (self.value + more).max(0.0).sqrt());
        Distance { value, low, high }
    }

    /// The share of the way from `renders` to `floor` that `self` has made: 1 − distance / distance of the
    /// renders, both above the floor. `None` where the renders are no farther from the photos than chance explains.
    pub(super) fn closed(&self, renders: &Squared, floor: &Squared) -> Option<Closed> {
        let gaps: Vec<f64> = renders
            .draws
            .iter()
            .zip(&floor.draws)
            .map(|(r, f)| r - f)
            .collect();
        if renders.value - floor.value <= 1.96 * deviation(&gaps) {
            return None;
        }
        let share = |own: f64, renders: f64, floor: f64| {
            1.0 - root(own - floor) / root((renders - floor).max(f64::MIN_POSITIVE))
        };
        let mut shares: Vec<f64> = (0..DRAWS)
            .map(|i| share(self.draws[i], renders.draws[i], floor.draws[i]))
            .collect();
        shares.sort_by(f64::total_cmp);
        let value = share(self.value, renders.value, floor.value);
        Some(Closed {
            share: value,
            low: shares[DRAWS / 40].min(value),
            high: shares[DRAWS - 1 - DRAWS / 40].max(value),
        })
    }
}

/// The kernel summed over the pairs of any two groups.
fn kernel_sums(a: &Embedded, b: &Embedded) -> Vec<Vec<f64>> {
    let row = |(_, members): &(u64, Vec<Features>)| -> Vec<f64> {
        let sum = |(_, others): &(u64, Vec<Features>)| -> f64 {
            let pairs = members
                .iter()
                .flat_map(|x| others.iter().map(move |y| (x, y)));
            pairs.map(|(x, y)| kernel(x, y)).sum()
        };
        b.groups.iter().map(sum).collect()
    };
    a.groups.par_iter().map(row).collect()
}

fn kernel(x: &[f32], y: &[f32]) -> f64 {
    // Eight sums side by side are one register's.
    let mut sums = [0.0f32; 8];
    for (x, y) in x.chunks(8).zip(y.chunks(8)) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    (f64::from(sums.iter().sum::<f32>()) / 2.0 + 0.5).powi(3)
}

/// The unbiased estimate of the squared discrepancy, each group counted `weights` times; `None` where too few
/// groups have a weight. `sums` are those within both sets and between them.
fn estimate(
    sums: &[Vec<Vec<f64>>; 3],
    counts: &[Vec<f64>; 2],
    weights: &[Vec<f64>; 2],
) -> Option<f64> {
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let total = |set: usize| dot(&weights[set], &counts[set]);
    let product = |sums: &[Vec<f64>], left: &[f64], right: &[f64]| -> f64 {
        let rows = sums.iter().zip(left).filter(|(_, weight)| **weight > 0.0);
        rows.map(|(row, weight)| weight * dot(row, right)).sum()
    };
    let within = |set: usize| -> Option<f64> {
        let (sums, weights) = (&sums[set], &weights[set]);
        let squares = weights.iter().map(|weight| weight * weight);
        let own = squares
            .clone()
            .enumerate()
            .map(|(group, square)| square * sums[group][group]);
        let own: f64 = own.sum();
        let own_pairs = squares
            .zip(&counts[set])
            .map(|(square, count)| square * count * count);
        let pairs = total(set).powi(2) - own_pairs.sum::<f64>();
        (pairs > 0.5).then(|| (product(sums, weights, weights) - own) / pairs)
    };
    let between = product(&sums[2], &weights[0], &weights[1]) / (total(0) * total(1));
    Some(within(0)? + within(1)? - 2.0 * between)
}

/// The root of the absolute value, with the sign.
fn root(squared: f64) -> f64 {
    squared.signum() * squared.abs().sqrt()
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let sum: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (sum / (count - 1.0).max(1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::standard_normal;

    /// `count` features in groups of `of_group`, each group with an offset of its own.
    fn draw(count: u64, shift: f64, seed: u64, of_group: u64) -> Embedded {
        let seed = Seed::new(seed, "features");
        let mut offset = [0.0; 16];
        let row = |index: u64| -> Features {
            let mut stream = seed.stream(index);
            if index.is_multiple_of(of_group) {
                offset = offset.map(|_| standard_normal(&mut stream));
            }
            let values =
                offset.map(|offset| (0.5 * standard_normal(&mut stream) + offset + shift) as f32);
            values.to_vec()
        };
        let features = (0..count).map(row).collect();
        Embedded::new(features, (0..count).map(|i| i / of_group), &[0.0; 16])
    }

    #[test]
    fn a_small_example_by_hand() {
        let set =
            |values: [[f32; 2]; 2]| Embedded::new(values.map(Vec::from).into(), 0..2, &[1.0, 1.0]);
        // Directions (1, 0) and (0, 1) against (−1, 0) and (1, 0).
        let (a, b) = (set([[3.0, 1.0], [1.0, 2.0]]), set([[0.0, 1.0], [9.0, 1.0]]));
        // Within a: 1/8, within b: 0, between: (0 + 1 + 1/8 + 1/8) / 4.
        let value = Squared::between(&a, &b).value;
        assert!((value - (0.125 - 2.0 * 1.25 / 4.0)).abs() < 1e-6, "{value}");
    }

    #[test]
    fn alike_sets_are_near_zero_and_others_far() {
        let base = draw(300, 0.0, 1, 1);
        let to = |shift, seed| Squared::between(&base, &draw(300, shift, seed, 1)).distance();
        let same = to(0.0, 2);
        assert!(
            same.low == 0.0 && same.value < 0.1 && same.high < 0.15,
            "{same:?}"
        );
        let (near, far) = (to(0.3, 3), to(0.9, 3));
        assert!(
            near.low > same.high && far.low > near.high,
            "{near:?} {far:?}"
        );
    }

    /// Whatever is in the groups: over many small sets of one distribution the mean is about zero.
    #[test]
    fn the_estimate_is_unbiased_even_in_groups() {
        for of_group in [1, 4] {
            let value = |i: u64| {
                let [a, b] = [0_u64, 1].map(|side| draw(24, 0.0, 2 * i + side + 10, of_group));
                Squared::between(&a, &b).value
            };
            let values: Vec<f64> = (0..150).map(value).collect();
            let mean = values.iter().sum::<f64>() / 150.0;
            let error = deviation(&values) / 150f64.sqrt();
            assert!(mean.abs() < 3.0 * error, "{mean} ± {error}");
        }
    }

    #[test]
    fn a_half_and_half_mixture_lies_half_way() {
        let photos = draw(400, 0.0, 1, 1);
        let renders = draw(400, 1.0, 2, 1);
        let mut mixed = draw(400, 0.0, 3, 1);
        let shifted = draw(400, 1.0, 4, 1);
        for place in (0..400).step_by(2) {
            mixed.groups[place] = shifted.groups[place].clone();
        }
        let [floor, other] = photos.halves();
        let floor = Squared::between(&floor, &other);
        let [far, half] = [&renders, &mixed].map(|set| Squared::between(set, &photos));
        let closed = half.closed(&far, &floor).unwrap();
        assert!((closed.share - 0.5).abs() < 0.06, "{closed:?}");
        assert!(
            closed.low < closed.share && closed.share < closed.high,
            "{closed:?}"
        );
        assert_eq!(far.closed(&far, &floor).unwrap().share, 0.0);
        // Photos are as near as photos are: there is no way to make.
        assert_eq!(half.closed(&floor, &floor), None);
    }

    #[test]
    fn draws_have_the_mean_and_the_spread_of_poissons() {
        let mut stream = Seed::new(1, "poisson").stream(0);
        let draws: Vec<f64> = (0..20_000).map(|_| poisson(stream.random())).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
        assert!((deviation(&draws) - 1.0).abs() < 0.03);
    }
}
