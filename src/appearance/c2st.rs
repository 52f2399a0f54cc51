//! The classifier two-sample test: how well a classifier that has never seen them tells renders from
//! photos (Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", 2017).
//!
//! Two small classifiers over the features, boosted stumps and a logistic regression on features and
//! their products, are trained and tested crosswise; the better one's share of right answers is the
//! score. 0.5 is guessing: the two sets cannot be told apart by how they look.

use serde::Serialize;

use super::features::{Look, deviation, mean};
use super::linear::solve;
use super::stumps;

/// Sets that are trained on all others and tested, in turn.
const FOLDS: usize = 5;

/// What the test found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Share of right answers on pictures not trained on.
    pub accuracy: f64,
    /// Half the width of its 95 % interval.
    pub plus_minus: f64,
    /// Probability that a photo is ranked above a render.
    pub auc: f64,
    /// The better classifier.
    pub classifier: &'static str,
    /// Pictures of each set; the larger set is thinned.
    pub pictures: usize,
}

/// Tests two sets; `None` with fewer than ten pictures in one.
///
/// Folds are runs of neighbours, so that crops of one photo are mostly on the same side.
pub fn c2st(renders: &[Look], photos: &[Look]) -> Option<Score> {
    let pictures = renders.len().min(photos.len());
    if pictures < 10 {
        return None;
    }
    let thin = |looks: &[Look]| -> Vec<Look> {
        let chosen = (0..pictures).map(|i| looks[i * looks.len() / pictures].clone());
        chosen.collect()
    };
    let (rows, signs) = standardised(&thin(renders), &thin(photos));
    let products: Vec<Vec<f64>> = rows.iter().map(|row| with_products(row)).collect();
    let scored = [
        ("boosted stumps", crosswise(&rows, &signs, stumps::scores)),
        (
            "logistic regression",
            crosswise(&products, &signs, logistic),
        ),
    ];
    let scored = scored.map(|(name, scores)| (name, accuracy(&scores, &signs), scores));
    let (classifier, accuracy, scores) = scored
        .into_iter()
        .reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    let spread = accuracy * (1.0 - accuracy) / (2 * pictures) as f64;
    Some(Score {
        accuracy,
        plus_minus: 1.96 * spread.sqrt(),
        auc: auc(&scores, &signs),
        classifier,
        pictures,
    })
}

/// Both sets in one, every feature of mean 0 and deviation 1 with its outliers cut; renders −1,
/// photos 1.
fn standardised(renders: &[Look], photos: &[Look]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut rows: Vec<Look> = renders.iter().chain(photos).cloned().collect();
    for feature in 0..rows[0].len() {
        let values: Vec<f64> = rows.iter().map(|row| row[feature]).collect();
        let (mean, deviation) = (mean(&values), deviation(&values).max(1e-9));
        for row in &mut rows {
            row[feature] = ((row[feature] - mean) / deviation).clamp(-4.0, 4.0);
        }
    }
    let signs = |count: usize, sign: f64| std::iter::repeat_n(sign, count);
    let all = signs(renders.len(), -1.0).chain(signs(photos.len(), 1.0));
    (rows, all.collect())
}

/// A constant, the features, their squares and products.
fn with_products(row: &[f64]) -> Vec<f64> {
    let mut wide = vec![1.0];
    wide.extend_from_slice(row);
    for (i, a) in row.iter().enumerate() {
        wide.extend(row[i..].iter().map(|b| a * b));
    }
    wide
}

type Classifier = fn(&[&[f64]], &[f64], &[&[f64]]) -> Vec<f64>;

/// The score of every row by a classifier that was trained on the other folds.
fn crosswise(rows: &[Vec<f64>], signs: &[f64], classifier: Classifier) -> Vec<f64> {
    let half = rows.len() / 2;
    let fold = |i: usize| (i % half) * FOLDS / half;
    let mut scores = vec![0.0; rows.len()];
    for number in 0..FOLDS {
        let (asked, known): (Vec<usize>, Vec<usize>) =
            (0..rows.len()).partition(|&i| fold(i) == number);
        let of = |places: &[usize]| -> Vec<&[f64]> {
            places.iter().map(|&i| rows[i].as_slice()).collect()
        };
        let known_signs: Vec<f64> = known.iter().map(|&i| signs[i]).collect();
        let given = classifier(&of(&known), &known_signs, &of(&asked));
        for (place, score) in asked.into_iter().zip(given) {
            scores[place] = score;
        }
    }
    scores
}

/// Logistic regression with a square penalty, by Newton's method.
fn logistic(rows: &[&[f64]], signs: &[f64], asked: &[&[f64]]) -> Vec<f64> {
    /// On each weight but the constant's; features have deviation 1.
    const PENALTY: f64 = 5.0;
    let width = rows.first().map_or(0, |row| row.len());
    let mut weights = vec![0.0; width];
    let score =
        |weights: &[f64], row: &[f64]| -> f64 { weights.iter().zip(row).map(|(w, x)| w * x).sum() };
    for _ in 0..12 {
        let penalty = |i: usize| if i == 0 { 1e-6 } else { PENALTY };
        let mut gradient: Vec<f64> = (0..width).map(|i| -penalty(i) * weights[i]).collect();
        let mut hessian = vec![0.0; width * width];
        for (row, sign) in rows.iter().zip(signs) {
            let probability = 1.0 / (1.0 + (-score(&weights, row)).exp());
            let error = (sign + 1.0) / 2.0 - probability;
            let curvature = (probability * (1.0 - probability)).max(1e-6);
            for i in 0..width {
                gradient[i] += error * row[i];
                let scaled = curvature * row[i];
                for (sum, x) in hessian[i * width..=i * width + i].iter_mut().zip(*row) {
                    *sum += scaled * x;
                }
            }
        }
        (0..width).for_each(|i| hessian[i * width + i] += penalty(i));
        // Only the lower half is read.
        let Some(step) = solve(hessian, &gradient) else {
            break;
        };
        weights.iter_mut().zip(&step).for_each(|(w, s)| *w += s);
        if step.iter().all(|s| s.abs() < 1e-4) {
            break;
        }
    }
    asked.iter().map(|row| score(&weights, row)).collect()
}

fn accuracy(scores: &[f64], signs: &[f64]) -> f64 {
    let right = scores
        .iter()
        .zip(signs)
        .filter(|(score, sign)| *score * *sign > 0.0);
    right.count() as f64 / scores.len().max(1) as f64
}

/// The area under the curve of hits over false alarms, from ranks.
fn auc(scores: &[f64], signs: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut below, mut pairs, mut photos) = (0u64, 0u64, 0u64);
    for i in order {
        if signs[i] < 0.0 {
            below += 1;
        } else {
            photos += 1;
            pairs += below;
        }
    }
    pairs as f64 / (below * photos).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, standard_normal};

    /// `count` looks of `width` independent normal features, the first shifted, all scaled.
    fn looks(count: u64, name: &str, shift: f64, scale: f64) -> Vec<Look> {
        let seed = Seed::new(1, name);
        let look = |i| {
            let mut stream = seed.stream(i);
            let mut look: Look = (0..6)
                .map(|_| scale * standard_normal(&mut stream))
                .collect();
            look[0] += shift;
            look
        };
        (0..count).map(look).collect()
    }

    #[test]
    fn one_distribution_cannot_be_told_apart() {
        let score = c2st(&looks(400, "a", 0.0, 1.0), &looks(300, "b", 0.0, 1.0)).unwrap();
        assert!((score.accuracy - 0.5).abs() < 0.07, "{score:?}");
        assert!((score.auc - 0.5).abs() < 0.08, "{score:?}");
        assert_eq!(score.pictures, 300);
    }

    #[test]
    fn other_means_and_other_spreads_are_told_apart() {
        let photos = looks(200, "b", 0.0, 1.0);
        let shifted = c2st(&looks(200, "a", 6.0, 1.0), &photos).unwrap();
        assert!(shifted.accuracy > 0.98 && shifted.auc > 0.99, "{shifted:?}");
        let narrow = c2st(&looks(200, "a", 0.0, 0.3), &photos).unwrap();
        assert!(narrow.accuracy > 0.9, "{narrow:?}");
    }

    #[test]
    fn features_that_differ_only_together_are_told_apart() {
        let photos = looks(300, "b", 0.0, 1.0);
        let mut tied = looks(300, "a", 0.0, 1.0);
        tied.iter_mut().for_each(|look| look[1] = look[0]);
        let score = c2st(&tied, &photos).unwrap();
        assert!(score.accuracy > 0.75, "{score:?}");
        assert_eq!(score.classifier, "logistic regression");
    }

    #[test]
    fn a_handful_is_no_sample() {
        assert_eq!(
            c2st(&looks(9, "a", 0.0, 1.0), &looks(99, "b", 0.0, 1.0)),
            None
        );
    }

    #[test]
    fn constant_features_do_no_harm() {
        let flat = vec![vec![1.0; 6]; 40];
        let score = c2st(&flat, &flat).unwrap();
        assert!(score.accuracy <= 0.6, "{score:?}");
    }
}
