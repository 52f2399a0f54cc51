//! What can go wrong in a training while the losses look harmless, and how it is noticed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use image::RgbImage;
use image::imageops::{FilterType, resize};
use serde::{Deserialize, Serialize};

use crate::models::Model;
use crate::sample::Extent;
use crate::sample::colour::luma_64;

/// A way for a training to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Fault {
    /// A loss is infinite or not a number.
    NotFinite,
    /// The discriminator is always right, so that the generator learns nothing from it.
    Saturation,
    /// Translations of different renders are nearly alike.
    Collapse,
    /// Bright becomes dark and dark becomes bright.
    Inversion,
    /// A pattern of period two pixels that photos do not have.
    Checkerboard,
}

impl Fault {
    /// What was seen, and which settings of this model help.
    pub(super) fn advice(self, model: &dyn Model) -> String {
        let own = |settings: &str, joint: &str| match settings {
            "" => String::new(),
            settings => format!("{settings}{joint}"),
        };
        match self {
            Fault::NotFinite => "a loss is no longer finite: lower `rate`, set \
                                 `adversarial.clip_norm` to 1, or choose another `seed`"
                .to_owned(),
            Fault::Saturation => "the discriminator has been right nearly always for a long time, so the generator \
                                  learns little from it: set `adversarial.balance` to \"slow\", \
                                  `discriminator.spectral` to true, lower \
                                  `adversarial.discriminator_rate`, give \
                                  `adversarial.augment` a list, or add photos"
                .to_owned(),
            Fault::Collapse => format!(
                "translations of different renders are nearly alike (mode collapse): {}lower `rate`, \
                 or set `discriminator.spectral` to true",
                own(model.against_collapse(), ", ")
            ),
            Fault::Inversion => format!(
                "translations are bright where renders are dark (inverted colours): {}choose \
                 another `seed`",
                own(model.against_inversion(), ", or ")
            ),
            Fault::Checkerboard => "translations have a checkerboard of two pixels that photos lack: \
                                    lower `rate`, raise `ema`, or set `discriminator.spectral` to true"
                .to_owned(),
        }
    }
}

/// From this accuracy on the discriminator counts as always right.
const ALWAYS_RIGHT: f64 = 0.99;

/// Steps in a row for which it must be so.
pub(super) const LONG: u64 = 200;

/// Steps that the discriminator has been always right for, after `steps` more with the mean `values`.
pub(super) fn saturated_for(before: u64, values: &BTreeMap<String, f64>, steps: u64) -> u64 {
    let right = values.get("accuracy").is_some_and(|a| *a >= ALWAYS_RIGHT);
    if right { before + steps } else { 0 }
}

/// Faults that can be seen in pictures: renders, each one's translation, and any photos.
pub(super) fn seen(
    renders: &[RgbImage],
    translations: &[RgbImage],
    photos: &[RgbImage],
) -> Vec<Fault> {
    /// Translations that differ by less than this share of what renders or photos differ by.
    const ALIKE: f64 = 0.2;
    /// Mean correlation of brightness below which colours are inverted.
    const INVERTED: f64 = -0.2;
    /// So many times the photos' energy of period two is a pattern.
    const PATTERN: f64 = 6.0;
    let mut faults = Vec::new();
    if diversity(translations) < ALIKE * diversity(renders).min(diversity(photos)) {
        faults.push(Fault::Collapse);
    }
    if correlation(renders, translations) < INVERTED {
        faults.push(Fault::Inversion);
    }
    let [theirs, natural, source] = [translations, photos, renders].map(nyquist_energy);
    // A pattern that the renders bring along is not the network's.
    if theirs > PATTERN * natural && theirs > 2.0 * source {
        faults.push(Fault::Checkerboard);
    }
    faults
}

/// Brightness, 0..255, row by row.
fn luminance(picture: &RgbImage) -> Vec<f64> {
    let of = |pixel: &image::Rgb<u8>| luma_64(pixel.0.map(f64::from));
    picture.pixels().map(of).collect()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// Root mean square difference of two pictures of a set, over pairs, at a side of 16 pixels.
fn diversity(pictures: &[RgbImage]) -> f64 {
    const MOST: usize = 32;
    const SIDE: u32 = 16;
    let small: Vec<RgbImage> = pictures
        .iter()
        .take(MOST)
        .map(|picture| resize(picture, SIDE, SIDE, FilterType::Triangle))
        .collect();
    let difference = |a: &RgbImage, b: &RgbImage| {
        let squares = a.as_raw().iter().zip(b.as_raw());
        mean(squares.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2))).sqrt()
    };
    let pairs: Vec<f64> = small
        .iter()
        .enumerate()
        .flat_map(|(i, a)| small[..i].iter().map(move |b| difference(a, b)))
        .collect();
    mean(pairs.into_iter())
}

/// The picture at this extent.
pub(super) fn fit(picture: &RgbImage, extent: Extent) -> Cow<'_, RgbImage> {
    match picture.dimensions() == extent.dimensions() {
        true => Cow::Borrowed(picture),
        false => Cow::Owned(resize(
            picture,
            extent.width,
            extent.height,
            FilterType::Triangle,
        )),
    }
}

/// Mean correlation, −1..1, of the brightness of pictures with that of their counterparts, at the extent
/// of the first; 0 for pictures of one brightness.
fn correlation(a: &[RgbImage], b: &[RgbImage]) -> f64 {
    let one = |(a, b): (&RgbImage, &RgbImage)| {
        let (a, b) = (luminance(a), luminance(&fit(b, a.dimensions().into())));
        let (mean_a, mean_b) = (mean(a.iter().copied()), mean(b.iter().copied()));
        let moment = |x: &[f64], y: &[f64], mx: f64, my: f64| {
            mean(x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)))
        };
        let spread = moment(&a, &a, mean_a, mean_a) * moment(&b, &b, mean_b, mean_b);
        if spread < 1e-6 {
            return 0.0;
        }
        moment(&a, &b, mean_a, mean_b) / spread.sqrt()
    };
    mean(a.iter().zip(b).map(one))
}

/// Mean energy of brightness at the three frequencies of period two (along x, along y, along both), in
/// tiles of 8 × 8 pixels, so that a pattern may change its phase over the picture.
fn nyquist_energy(pictures: &[RgbImage]) -> f64 {
    const TILE: usize = 8;
    // Rounding to 8 bits alone gives this; it keeps flat photos from making every pattern infinite.
    const ROUNDING: f64 = 0.25;
    let one = |picture: &RgbImage| {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let values = luminance(picture);
        let sign = |odd: usize| if odd.is_multiple_of(2) { 1.0 } else { -1.0 };
        let tile = |x0: usize, y0: usize| {
            let mut sums = [0.0; 3];
            for y in y0..y0 + TILE {
                for x in x0..x0 + TILE {
                    let value = values[y * width + x];
                    sums[0] += sign(x) * value;
                    sums[1] += sign(y) * value;
                    sums[2] += sign(x + y) * value;
                }
            }
            sums.iter()
                .map(|sum| (sum / TILE as f64).powi(2))
                .sum::<f64>()
        };
        let xs = (0..width / TILE).map(|i| i * TILE);
        let tiles: Vec<f64> = xs
            .flat_map(|x| (0..height / TILE).map(move |i| (x, i * TILE)))
            .map(|(x, y)| tile(x, y))
            .collect();
        // The median, for an edge that happens to lie in the grid is not a pattern.
        median(tiles)
    };
    ROUNDING + mean(pictures.iter().map(one))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use rand::RngExt;

    /// Discs and squares with some noise, as renders or as photos.
    fn pictures(seed: u64) -> Vec<RgbImage> {
        let mut stream = crate::seed::Seed::new(seed, "noise").stream(0);
        let mut noisy = |mut picture: RgbImage| {
            for value in picture.as_flat_samples_mut().samples {
                *value = value.saturating_add(stream.random_range(0..12));
            }
            picture
        };
        let shapes = testing::shapes(32, 32, seed);
        shapes.iter().map(|s| noisy(s.pixels().unwrap())).collect()
    }

    fn changed(change: impl Fn(u32, u32, u8) -> u8) -> Vec<Fault> {
        let renders = pictures(1);
        let translate = |picture: &RgbImage| {
            RgbImage::from_fn(32, 32, |x, y| {
                image::Rgb(picture.get_pixel(x, y).0.map(|v| change(x, y, v)))
            })
        };
        let translations: Vec<RgbImage> = renders.iter().map(translate).collect();
        seen(&renders, &translations, &pictures(2))
    }

    #[test]
    fn a_good_translation_has_no_fault() {
        assert_eq!(changed(|_, _, v| v), []);
        assert_eq!(changed(|_, _, v| v / 2 + 60), []);
    }

    #[test]
    fn translations_may_have_another_extent() {
        let renders = pictures(1);
        let double = |change: fn(u8) -> u8| -> Vec<RgbImage> {
            let enlarge = |picture: &RgbImage| {
                let mut large = resize(picture, 64, 48, FilterType::Triangle);
                large.iter_mut().for_each(|value| *value = change(*value));
                large
            };
            renders.iter().map(enlarge).collect()
        };
        assert_eq!(seen(&renders, &double(|v| v), &pictures(2)), []);
        let inverted = seen(&renders, &double(|v| 255 - v), &pictures(2));
        assert_eq!(inverted, [Fault::Inversion]);
    }

    #[test]
    fn inverted_colours_are_seen() {
        assert_eq!(changed(|_, _, v| 255 - v), [Fault::Inversion]);
    }

    #[test]
    fn a_checkerboard_is_seen_whatever_its_direction() {
        let ripple = |odd: u32, v: u8| {
            if odd.is_multiple_of(2) {
                v
            } else {
                v.saturating_add(16)
            }
        };
        assert_eq!(changed(|x, y, v| ripple(x + y, v)), [Fault::Checkerboard]);
        assert_eq!(changed(|x, _, v| ripple(x, v)), [Fault::Checkerboard]);
    }

    #[test]
    fn a_collapse_is_seen() {
        let faults = changed(|x, y, v| (x * 5 + y * 2) as u8 + v / 16);
        assert!(faults.contains(&Fault::Collapse), "{faults:?}");
    }

    #[test]
    fn saturation_counts_steps_in_a_row() {
        let values = |accuracy: f64| BTreeMap::from([("accuracy".to_owned(), accuracy)]);
        assert_eq!(saturated_for(190, &values(1.0), 10), 200);
        assert_eq!(saturated_for(190, &values(0.9), 10), 0);
        assert_eq!(saturated_for(190, &BTreeMap::new(), 10), 0);
    }
}
