//! How far a picture is from a set of photos: Mahalanobis' distance in a space of features.
//!
//! The covariance is shrunk towards its diagonal, the more the fewer the photos (Ledoit and Wolf,
//! 2004, with a fixed weight). Half of the photos make the distribution and the other half measures
//! how far photos are from it; a quantile of that is the unit of all distances.

use nalgebra::linalg::Cholesky;
use nalgebra::{DMatrix, DVector, Dyn};

/// A distribution of features with its unit of distance.
pub(super) struct Distribution {
    mean: DVector<f64>,
    /// Of the covariance: L·Lᵀ.
    factor: Cholesky<f64, Dyn>,
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
        let mut mean = DVector::zeros(size);
        for photo in photos {
            mean += numbers(photo) / count;
        }
        let mut covariance = DMatrix::zeros(size, size);
        for photo in photos {
            let centred = numbers(photo) - &mean;
            covariance.ger(1.0 / count, &centred, &centred, 1.0);
        }
        let largest = covariance.diagonal().max();
        // What is left of equal values is rounding.
        if largest <= 1e-12 {
            return None;
        }
        let kept = count / (count + size as f64);
        // A feature that never varies must not become infinitely strict.
        let diagonal = covariance.diagonal().add_scalar(1e-4 * largest);
        covariance *= kept;
        covariance.set_diagonal(&diagonal);
        Some(Distribution {
            mean,
            factor: covariance.cholesky()?,
            unit: 1.0,
        })
    }

    /// Mahalanobis' distance: the length of L⁻¹·(features − mean).
    fn raw(&self, features: &[f32]) -> f64 {
        let mut solved = numbers(features) - &self.mean;
        self.factor
            .l_dirty()
            .solve_lower_triangular_mut(&mut solved);
        solved.norm()
    }
}

fn numbers(features: &[f32]) -> DVector<f64> {
    DVector::from_iterator(features.len(), features.iter().map(|&value| value.into()))
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
