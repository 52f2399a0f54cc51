//! How far a picture is from a set of photos: Mahalanobis' distance in a space of features.
//!
//! The covariance is shrunk towards its diagonal, the more the fewer the photos (Ledoit and Wolf,
//! 2004, with a fixed weight). Half of the photos make the distribution and the other half measures
//! how far photos are from it; a quantile of that is the unit of all distances.

/// A distribution of features with its unit of distance.
pub(super) struct Distribution {
    mean: Vec<f64>,
    /// Lower triangle L of the covariance, row by row: L·Lᵀ is the covariance.
    factor: Vec<Vec<f64>>,
    unit: f64,
}

impl Distribution {
    /// Fewer photos than this say nothing of their spread.
    pub(super) const FEWEST: usize = 20;

    /// From the features of photos, of which `quantile` shall be nearer than 1; `None` with fewer
    /// photos than [`Distribution::FEWEST`], or where they are all the same picture.
    pub(super) fn of(photos: &[Vec<f32>], quantile: f64) -> Option<Self> {
        if photos.len() < Self::FEWEST {
            return None;
        }
        let half = |start: usize| photos.iter().skip(start).step_by(2).collect::<Vec<_>>();
        let mut fitted = Self::fit(&half(0))?;
        let mut own: Vec<f64> = half(1).into_iter().map(|p| fitted.raw(p)).collect();
        own.sort_by(f64::total_cmp);
        fitted.unit = own[((own.len() - 1) as f64 * quantile).round() as usize];
        (fitted.unit > 0.0).then_some(fitted)
    }

    /// The distance of a picture with these features; 1 is as far as a photo at the quantile.
    pub(super) fn distance(&self, features: &[f32]) -> f32 {
        (self.raw(features) / self.unit) as f32
    }

    fn fit(photos: &[&Vec<f32>]) -> Option<Self> {
        let (count, size) = (photos.len() as f64, photos[0].len());
        let mut mean = vec![0.0; size];
        for photo in photos {
            for (sum, value) in mean.iter_mut().zip(photo.iter()) {
                *sum += f64::from(*value) / count;
            }
        }
        let mut covariance = vec![vec![0.0; size]; size];
        for photo in photos {
            let centred: Vec<f64> = photo
                .iter()
                .zip(&mean)
                .map(|(v, m)| f64::from(*v) - m)
                .collect();
            for (row, a) in covariance.iter_mut().zip(&centred) {
                for (cell, b) in row.iter_mut().zip(&centred) {
                    *cell += a * b / count;
                }
            }
        }
        let largest = (0..size).map(|i| covariance[i][i]).fold(0.0, f64::max);
        // What is left of equal values is rounding.
        if largest <= 1e-12 {
            return None;
        }
        let kept = count / (count + size as f64);
        for (i, row) in covariance.iter_mut().enumerate() {
            for (j, cell) in row.iter_mut().enumerate() {
                // A feature that never varies must not become infinitely strict.
                *cell = if i == j {
                    *cell + 1e-4 * largest
                } else {
                    kept * *cell
                };
            }
        }
        Some(Distribution {
            mean,
            factor: cholesky(&covariance),
            unit: 1.0,
        })
    }

    /// Mahalanobis' distance: the length of L⁻¹·(features − mean).
    fn raw(&self, features: &[f32]) -> f64 {
        let mut solved: Vec<f64> = Vec::with_capacity(self.mean.len());
        for ((row, value), mean) in self.factor.iter().zip(features).zip(&self.mean) {
            let known: f64 = row.iter().zip(&solved).map(|(l, y)| l * y).sum();
            let diagonal = row[solved.len()];
            solved.push((f64::from(*value) - mean - known) / diagonal);
        }
        solved.iter().map(|y| y * y).sum::<f64>().sqrt()
    }
}

/// The lower triangle of a positive definite matrix; a diagonal above zero everywhere makes the
/// shrunk covariance such.
fn cholesky(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut factor: Vec<Vec<f64>> = Vec::with_capacity(matrix.len());
    for (i, row) in matrix.iter().enumerate() {
        let mut new: Vec<f64> = Vec::with_capacity(i + 1);
        for j in 0..=i {
            let above = if j < i { &factor[j] } else { &new };
            let dot: f64 = new.iter().zip(above).take(j).map(|(a, b)| a * b).sum();
            let rest = row[j] - dot;
            new.push(if j < i {
                rest / factor[j][j]
            } else {
                // Rounding may eat a tiny remainder.
                rest.max(1e-12 * row[j].abs()).max(f64::MIN_POSITIVE).sqrt()
            });
        }
        factor.push(new);
    }
    factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, standard_normal};

    /// Points of a plane: the second number is twice the first, but for a little.
    fn points(count: u64) -> Vec<Vec<f32>> {
        let mut stream = Seed::new(1, "points").stream(0);
        (0..count)
            .map(|_| {
                let [a, b] = [(); 2].map(|()| standard_normal(&mut stream));
                vec![a as f32, (2.0 * a + 0.1 * b) as f32, 7.0]
            })
            .collect()
    }

    #[test]
    fn a_factor_squared_is_the_matrix() {
        let matrix = vec![
            vec![4.0, 2.0, 0.6],
            vec![2.0, 5.0, 1.0],
            vec![0.6, 1.0, 3.0],
        ];
        let factor = cholesky(&matrix);
        for i in 0..3 {
            for j in 0..=i {
                let product: f64 = (0..=j).map(|k| factor[i][k] * factor[j][k]).sum();
                assert!((product - matrix[i][j]).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn distance_follows_the_shape_of_the_photos() {
        let photos = points(400);
        let fitted = Distribution::of(&photos, 0.9).unwrap();
        let within = points(400)
            .iter()
            .filter(|p| fitted.distance(p) <= 1.0)
            .count();
        assert!((330..390).contains(&within), "{within}");
        let along = fitted.distance(&[2.0, 4.0, 7.0]);
        let across = fitted.distance(&[2.0, -4.0, 7.0]);
        assert!(along < 1.2 && across > 5.0, "{along} {across}");
    }

    #[test]
    fn too_few_or_equal_photos_are_no_distribution() {
        assert!(Distribution::of(&points(10), 0.9).is_none());
        assert!(Distribution::of(&vec![vec![0.5, 0.5]; 50], 0.9).is_none());
    }
}
