//! What was measured of each origin, its rank among the others, and how the measures spread.

use serde::{Deserialize, Serialize};

use crate::appearance::features::{Look, quantile};

/// The table of all origins that were measured, beside the parts.
pub(super) const FILE: &str = "selection.parquet";

/// An origin that meets all conditions but the ranges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Judged {
    /// See [`crate::sample::Provenance::origin`].
    pub origin: String,
    /// How many samples it has.
    pub samples: u64,
    /// Whether they are taken.
    pub taken: bool,
    /// Of each measure that has a range, the median of its samples.
    pub values: Vec<f64>,
    /// Of each such measure, its rank among all origins, 0..1.
    pub ranks: Vec<f64>,
}

impl Judged {
    /// From the looks of its samples, each with as many measures; not yet ranked.
    pub(super) fn new(origin: String, looks: &[Look], measures: usize) -> Self {
        let median = |place: usize| {
            let values: Vec<f64> = looks.iter().map(|look| look[place]).collect();
            quantile(&values, 0.5)
        };
        Judged {
            origin,
            samples: looks.len() as u64,
            taken: false,
            values: (0..measures).map(median).collect(),
            ranks: vec![0.0; measures],
        }
    }
}

/// Ranks all origins in each of the measures. The lowest of `n` has rank 0.5 / n, the highest 1 − 0.5 / n; equal ones
/// stand in the order of their names.
pub(super) fn rank(judged: &mut [Judged], measures: usize) {
    let count = judged.len() as f64;
    for place in 0..measures {
        let mut order: Vec<usize> = (0..judged.len()).collect();
        order.sort_by(|&a, &b| {
            let [a, b] = [&judged[a], &judged[b]];
            let by_value = a.values[place].total_cmp(&b.values[place]);
            by_value.then_with(|| a.origin.cmp(&b.origin))
        });
        for (number, origin) in order.into_iter().enumerate() {
            judged[origin].ranks[place] = (number as f64 + 0.5) / count;
        }
    }
}

/// How a measure spreads over all origins, and what a range takes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    /// Its name.
    pub measure: String,
    /// What it is.
    pub about: String,
    /// The condition.
    pub range: [f64; 2],
    /// The least, the median and the greatest value.
    pub measured: [f64; 3],
    /// Origins that meet this condition.
    pub within: usize,
}

impl Spread {
    /// What was measured and what was asked for, in a line.
    pub(super) fn in_words(&self) -> String {
        let [least, median, most] = self.measured;
        let [low, high] = self.range;
        format!(
            "`{}` is {least:.3} to {most:.3} (median {median:.3}), and [{low}, {high}] takes {}",
            self.measure, self.within
        )
    }
}

/// The least, the median and the greatest of some values.
pub(super) fn ends(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let values: Vec<f64> = values.collect();
    [0.0, 0.5, 1.0].map(|share| quantile(&values, share))
}
