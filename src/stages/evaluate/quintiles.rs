//! Accuracy by how the photos look: in quintiles of the test photos, by brightness and by contrast.

use std::collections::BTreeMap;

use crate::Result;
use crate::appearance::features::{FEATURES, measure};
use crate::models::album::Album;

/// What the photos are ranked by, names of [`FEATURES`].
const RANKED_BY: [&str; 2] = ["brightness", "contrast"];

/// For each measure, the numbers of the photos in each quintile, from the darkest on.
pub(super) type Quintiles = BTreeMap<&'static str, [Vec<usize>; 5]>;

/// Ranks the photos.
///
/// # Errors
/// If a photo cannot be read.
pub(super) fn quintiles(photos: &Album) -> Result<Quintiles> {
    let numbers = 0..photos.len();
    let looks = numbers.map(|number| Ok(measure(&photos.get(number)?.picture)));
    let looks: Vec<Vec<f64>> = looks.collect::<Result<_>>()?;
    let ranked = RANKED_BY.into_iter().filter_map(|name| {
        let place = FEATURES.iter().position(|feature| feature.name == name)?;
        let mut order: Vec<usize> = (0..photos.len()).collect();
        order.sort_by(|&a, &b| looks[a][place].total_cmp(&looks[b][place]).then(a.cmp(&b)));
        let mut quintiles = [const { Vec::new() }; 5];
        for (rank, photo) in order.into_iter().enumerate() {
            quintiles[5 * rank / photos.len()].push(photo);
        }
        Some((name, quintiles))
    });
    Ok(ranked.collect())
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::testing;

    #[test]
    fn photos_are_ranked() {
        let photo = |value: u8| RgbImage::from_pixel(8, 8, Rgb([value; 3]));
        let photos: Vec<RgbImage> = [200, 10, 90, 50, 250].map(photo).into();
        let quintiles = quintiles(&testing::album(&photos)).unwrap();
        assert_eq!(
            quintiles["brightness"],
            [1, 3, 2, 0, 4].map(|photo| vec![photo])
        );
    }
}
