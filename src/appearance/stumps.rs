//! Boosted stumps: a sum of steps in single features (GentleBoost; Friedman, Hastie, Tibshirani 2000).

/// Steps that are added up.
const ROUNDS: usize = 60;
/// Places that a feature can be cut at.
const CUTS: usize = 15;

/// One step: `below` up to the cut, `above` beyond it.
struct Stump {
    feature: usize,
    cut: f64,
    below: f64,
    above: f64,
}

/// Learns from `rows` and their signs (−1 or 1); gives a score for each of `asked`, above 0 for 1.
pub(super) fn scores(rows: &[&[f64]], signs: &[f64], asked: &[&[f64]]) -> Vec<f64> {
    let features = rows.first().map_or(0, |row| row.len());
    let cuts: Vec<Vec<f64>> = (0..features).map(|f| cuts(rows, f)).collect();
    // The bin of each value, so that a round counts instead of comparing.
    let bins: Vec<Vec<usize>> = (0..features)
        .map(|f| {
            let bin = |row: &&[f64]| cuts[f].partition_point(|cut| *cut < row[f]);
            rows.iter().map(bin).collect()
        })
        .collect();
    let mut weights = vec![1.0 / rows.len().max(1) as f64; rows.len()];
    let mut stumps = Vec::new();
    for _ in 0..ROUNDS {
        let Some(stump) = best(&cuts, &bins, signs, &weights) else {
            break;
        };
        for ((row, sign), weight) in rows.iter().zip(signs).zip(&mut weights) {
            *weight *= (-sign * stump.step(row)).exp();
        }
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        stumps.push(stump);
    }
    let score = |row: &&[f64]| stumps.iter().map(|stump| stump.step(row)).sum();
    asked.iter().map(score).collect()
}

impl Stump {
    fn step(&self, row: &[f64]) -> f64 {
        match row[self.feature] <= self.cut {
            true => self.below,
            false => self.above,
        }
    }
}

fn cuts(rows: &[&[f64]], feature: usize) -> Vec<f64> {
    let mut values: Vec<f64> = rows.iter().map(|row| row[feature]).collect();
    values.sort_by(f64::total_cmp);
    let mut cuts: Vec<f64> = (1..=CUTS)
        .map(|i| values[i * (values.len() - 1) / (CUTS + 1)])
        .collect();
    cuts.dedup();
    cuts
}

/// The stump with the least weighted square error.
fn best(cuts: &[Vec<f64>], bins: &[Vec<usize>], signs: &[f64], weights: &[f64]) -> Option<Stump> {
    let mut found: Option<(f64, Stump)> = None;
    for (feature, (cuts, bins)) in cuts.iter().zip(bins).enumerate() {
        let mut sums = vec![[0.0f64; 2]; cuts.len() + 1];
        for ((bin, sign), weight) in bins.iter().zip(signs).zip(weights) {
            sums[*bin][0] += weight;
            sums[*bin][1] += weight * sign;
        }
        let total = sums
            .iter()
            .fold([0.0; 2], |t, s| [t[0] + s[0], t[1] + s[1]]);
        let mut left = [0.0; 2];
        for (cut, sum) in cuts.iter().zip(&sums) {
            left = [left[0] + sum[0], left[1] + sum[1]];
            let right = [total[0] - left[0], total[1] - left[1]];
            // A hair of weight keeps an empty side finite.
            let value = |side: [f64; 2]| side[1] / (side[0] + 1e-6);
            let gain = left[1] * value(left) + right[1] * value(right);
            if found.as_ref().is_none_or(|(most, _)| gain > *most) {
                let stump = Stump {
                    feature,
                    cut: *cut,
                    below: value(left),
                    above: value(right),
                };
                found = Some((gain, stump));
            }
        }
    }
    found.map(|(_, stump)| stump)
}
