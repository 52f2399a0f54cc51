//! Two domains side by side, feature by feature: Kolmogorov-Smirnov and Wasserstein distances.

use serde::Serialize;

use super::features::{FEATURES, Feature, Look, deviation, quantile_of_sorted};

/// Differences of the Kolmogorov-Smirnov distance above this are told of.
pub const NOTABLE: f64 = 0.3;

/// How the renders differ from the photos in one feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Name of the measure, as in [`FEATURES`], e.g. `brightness`.
    pub feature: &'static str,
    /// Largest distance of the two cumulative shares, 0 (alike) to 1 (they do not overlap).
    pub ks: f64,
    /// Mean distance of equal quantiles, in deviations of the photos.
    pub wasserstein: f64,
    /// Quantiles 10, 50 and 90 % of the renders.
    pub renders: [f64; 3],
    /// Quantiles 10, 50 and 90 % of the photos.
    pub photos: [f64; 3],
    /// What to change.
    pub advice: &'static str,
}

impl Difference {
    /// Whether it is large, and larger than chance makes it in sets of `counts` pictures.
    pub fn is_notable(&self, counts: [usize; 2]) -> bool {
        let [n, m] = counts.map(|count| count.max(1) as f64);
        // The level that two samples of one distribution pass once in a thousand.
        self.ks > NOTABLE.max(1.95 * ((n + m) / (n * m)).sqrt())
    }

    /// In a line: how much more or less, from what to what.
    pub fn in_words(&self) -> String {
        let [low, middle, high] = self.renders;
        let [photo_low, photo_middle, photo_high] = self.photos;
        format!(
            "{} {middle:.2} ({low:.2} to {high:.2}) in renders, {photo_middle:.2} ({photo_low:.2} \
             to {photo_high:.2}) in photos",
            self.feature
        )
    }
}

/// Every feature's difference, the largest Kolmogorov-Smirnov distance first.
pub fn compare(renders: &[Look], photos: &[Look]) -> Vec<Difference> {
    let feature = |(i, feature): (usize, &Feature)| {
        let (a, b) = (sorted(renders, i), sorted(photos, i));
        let three = |values: &[f64]| [0.1, 0.5, 0.9].map(|q| quantile_of_sorted(values, q));
        let shift = signed_distance(&a, &b);
        Difference {
            feature: feature.name,
            ks: kolmogorov_smirnov(&a, &b),
            wasserstein: wasserstein(&a, &b) / deviation(&b).max(feature.grain),
            renders: three(&a),
            photos: three(&b),
            advice: if shift > 0.0 {
                feature.if_more
            } else {
                feature.if_less
            },
        }
    };
    let mut all: Vec<Difference> = FEATURES.iter().enumerate().map(feature).collect();
    all.sort_by(|a, b| b.ks.total_cmp(&a.ks));
    all
}

/// One feature of all pictures, in order.
pub fn sorted(looks: &[Look], feature: usize) -> Vec<f64> {
    let mut values: Vec<f64> = looks.iter().map(|look| look[feature]).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The largest distance of the cumulative shares of two sets in order.
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> f64 {
    let (mut i, mut j, mut largest) = (0, 0, 0.0f64);
    while i < a.len() && j < b.len() {
        let value = a[i].min(b[j]);
        while i < a.len() && a[i] <= value {
            i += 1;
        }
        while j < b.len() && b[j] <= value {
            j += 1;
        }
        let shares = [i as f64 / a.len() as f64, j as f64 / b.len() as f64];
        largest = largest.max((shares[0] - shares[1]).abs());
    }
    largest
}

/// Quantiles that distributions are compared at.
const STEPS: usize = 50;

fn distances<'a>(a: &'a [f64], b: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    (0..STEPS).map(|step| {
        let q = (step as f64 + 0.5) / STEPS as f64;
        quantile_of_sorted(a, q) - quantile_of_sorted(b, q)
    })
}

/// The mean distance of equal quantiles (Wasserstein-1) of two sets in order.
pub fn wasserstein(a: &[f64], b: &[f64]) -> f64 {
    distances(a, b).map(f64::abs).sum::<f64>() / STEPS as f64
}

fn signed_distance(a: &[f64], b: &[f64]) -> f64 {
    distances(a, b).sum::<f64>() / STEPS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_known_sets() {
        let a: Vec<f64> = (0..100).map(f64::from).collect();
        let b: Vec<f64> = a.iter().map(|v| v + 25.0).collect();
        assert_eq!(kolmogorov_smirnov(&a, &a), 0.0);
        assert!((kolmogorov_smirnov(&a, &b) - 0.25).abs() < 1e-9);
        assert!((wasserstein(&a, &b) - 25.0).abs() < 1e-9);
        assert_eq!(kolmogorov_smirnov(&[0.0; 5], &[1.0; 3]), 1.0);
    }

    #[test]
    fn the_changed_feature_comes_first_with_its_advice() {
        let look = |shift: f64| {
            move |i: usize| {
                let mut look = vec![(i % 10) as f64; FEATURES.len()];
                look[0] += shift;
                look
            }
        };
        let photos: Vec<Look> = (0..100).map(look(0.0)).collect();
        let dark: Vec<Look> = (0..100).map(look(-8.0)).collect();
        let found = compare(&dark, &photos);
        assert_eq!(
            (found[0].feature, found[0].advice),
            (FEATURES[0].name, FEATURES[0].if_less)
        );
        assert!(found[0].is_notable([100, 100]));
        assert!(!found[1].is_notable([100, 100]));
        // Few pictures differ by chance.
        let few = compare(&dark[..3], &photos[..3]);
        assert!(!few[0].is_notable([3, 3]));
    }
}
