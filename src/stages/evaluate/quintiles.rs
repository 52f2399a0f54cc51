//! Accuracy by how the photos look: in quintiles of the test photos, by brightness and by contrast.

use std::collections::BTreeMap;

use super::Outcome;
use crate::Result;
use crate::appearance::features::{FEATURES, measure};
use crate::models::album::Album;

/// What the photos are ranked by, names of [`FEATURES`].
const RANKED_BY: [&str; 2] = ["brightness", "contrast"];

/// For each measure, which quintile of the photos each photo is in: 0 for the darkest.
///
/// # Errors
/// If a photo cannot be read.
pub fn quintiles(photos: &Album) -> Result<BTreeMap<&'static str, Vec<usize>>> {
    let numbers = 0..photos.len();
    let looks = numbers.map(|number| Ok(measure(&photos.get(number)?.picture)));
    let looks: Vec<Vec<f64>> = looks.collect::<Result<_>>()?;
    let ranked = RANKED_BY.into_iter().filter_map(|name| {
        let place = FEATURES.iter().position(|feature| feature.name == name)?;
        let mut order: Vec<usize> = (0..photos.len()).collect();
        order.sort_by(|&a, &b| looks[a][place].total_cmp(&looks[b][place]).then(a.cmp(&b)));
        let mut quintile = vec![0; photos.len()];
        for (rank, photo) in order.into_iter().enumerate() {
            quintile[photo] = 5 * rank / photos.len();
        }
        Some((name, quintile))
    });
    Ok(ranked.collect())
}

/// The share of right predictions in each quintile, over all seeds; `None` where it has no photo.
pub fn accuracies(quintile: &[usize], outcomes: &[Outcome]) -> [Option<f64>; 5] {
    let mut right = [0; 5];
    let mut all = [0; 5];
    for outcome in outcomes {
        let pairs = outcome.truths.iter().zip(&outcome.predictions);
        for (&quintile, (truth, predicted)) in quintile.iter().zip(pairs) {
            right[quintile] += u64::from(truth == predicted);
            all[quintile] += 1;
        }
    }
    std::array::from_fn(|i| (all[i] > 0).then(|| right[i] as f64 / all[i] as f64))
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::testing;

    #[test]
    fn photos_are_ranked_and_their_accuracy_told_apart() {
        let photo = |value: u8| RgbImage::from_pixel(8, 8, Rgb([value; 3]));
        let photos: Vec<RgbImage> = [200, 10, 90, 50, 250].map(photo).into();
        let quintiles = quintiles(&testing::album(&photos)).unwrap();
        assert_eq!(quintiles["brightness"], [3, 0, 2, 1, 4]);
        let outcome = Outcome {
            truths: vec![0, 1, 0, 1, 0],
            predictions: vec![0, 0, 0, 1, 1],
        };
        let shares = accuracies(&quintiles["brightness"], &[outcome]);
        assert_eq!(shares, [0.0, 1.0, 1.0, 1.0, 0.0].map(Some));
        assert_eq!(accuracies(&[], &[]), [None; 5]);
    }
}
