//! Speckle: what networks that learned too little, or from the wrong photos, add to pictures.
//!
//! A picture is cut into overlapping windows. In each, four amounts are measured: grain (the spectrum of
//! luminance at the highest frequencies), blotches and colour speckle (the total variation of luminance and of
//! chroma), and a grid (peaks of the spectrum above what surrounds them, where layers of a network that double
//! the resolution leave a checkerboard). What a translation has beyond its render in the same window is set in
//! relation to what photos have in their quiet windows, so that noisy cameras are no fault and edges, which the
//! render has too, count nowhere.

use image::RgbImage;

use super::spectrum::{SIDE, Spectrometer, Window, finest};
use crate::sample::colour::luma;

/// Pixels from one window to the next, and most windows along a side, which bounds the work.
const STEP: usize = 8;
const MOST: usize = 32;

/// One of the amounts.
struct Measure {
    /// An amount that is usual for any camera: photos with less do not make the measure stricter.
    usual: f32,
    /// The share of the windows of a translation that add no more than its amount.
    added: f32,
    /// The share of the windows of a photo that have no more than its amount.
    quiet: f32,
    /// Whether amounts are amplitudes of independent signals, whose squares add up.
    amplitude: bool,
}

const MEASURES: [Measure; 4] = [
    // Grain.
    Measure {
        usual: 0.024,
        added: 0.75,
        quiet: 0.5,
        amplitude: true,
    },
    // Blotches. Photos are full of edges, which no quantile of windows leaves out.
    Measure {
        usual: 0.06,
        added: 0.75,
        quiet: 0.75,
        amplitude: false,
    },
    // Colour speckle: JPEG and the filters of sensors leave photos little of it.
    Measure {
        usual: 0.05,
        added: 0.75,
        quiet: 0.1,
        amplitude: false,
    },
    // A grid is everywhere or it is texture.
    Measure {
        usual: 0.006,
        added: 0.5,
        quiet: 0.5,
        amplitude: true,
    },
];

/// The amounts of every window of a picture.
pub(super) struct Texture {
    windows: Vec<[f32; MEASURES.len()]>,
}

impl Spectrometer {
    /// The texture of a picture; `None` if it is smaller than a window.
    pub(super) fn texture(&self, picture: &RgbImage) -> Option<Texture> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if width < SIDE || height < SIDE {
            return None;
        }
        let planes = planes(picture);
        let corners = places(height).flat_map(|top| places(width).map(move |left| (top, left)));
        let windows = corners.map(|(top, left)| {
            let cut = |plane: &Vec<f32>| -> Window {
                std::array::from_fn(|y| {
                    std::array::from_fn(|x| plane[(top + y) * width + left + x])
                })
            };
            self.amounts(&planes.each_ref().map(cut))
        });
        Some(Texture {
            windows: windows.collect(),
        })
    }

    /// The amounts of a window: luminance and two planes of chroma.
    fn amounts(&self, [bright, blue, red]: &[Window; 3]) -> [f32; MEASURES.len()] {
        let spectrum = self.power(bright);
        let mut chroma = self.power(blue);
        for (row, other) in chroma.iter_mut().zip(self.power(red)) {
            row.iter_mut().zip(other).for_each(|(a, b)| *a += b);
        }
        [
            finest(&spectrum),
            variation(bright),
            variation(blue) + variation(red),
            self.grid(&spectrum).max(self.grid(&chroma)),
        ]
    }
}

impl Texture {
    /// What this share of the windows stays below, by measure.
    fn levels(&self) -> [f32; MEASURES.len()] {
        std::array::from_fn(|i| {
            quantile(
                self.windows.iter().map(|w| w[i]).collect(),
                MEASURES[i].quiet,
            )
        })
    }
}

/// What photos have.
pub(super) struct Usual([f32; MEASURES.len()]);

impl Usual {
    /// The amounts that `share` of the photos stay below; without photos, those of any camera.
    pub(super) fn of(photos: &[Texture], share: f64) -> Self {
        let levels: Vec<_> = photos.iter().map(Texture::levels).collect();
        Usual(std::array::from_fn(|i| {
            let own = levels.iter().map(|levels| levels[i]).collect();
            quantile(own, share as f32).max(MEASURES[i].usual)
        }))
    }

    /// How much more of any measure a translation has than its render, where 1 is what photos have.
    pub(super) fn score(&self, render: &Texture, output: &Texture) -> f32 {
        let added = |i: usize| {
            let pairs = render.windows.iter().zip(&output.windows);
            let beyond = pairs.map(|(before, after)| match MEASURES[i].amplitude {
                true => (after[i].powi(2) - before[i].powi(2)).max(0.0).sqrt(),
                false => (after[i] - before[i]).max(0.0),
            });
            quantile(beyond.collect(), MEASURES[i].added) / self.0[i]
        };
        (0..MEASURES.len()).map(added).fold(0.0, f32::max)
    }
}

/// The value that `share` of all stay below or at; 0 of none.
fn quantile(mut values: Vec<f32>, share: f32) -> f32 {
    values.sort_by(f32::total_cmp);
    let last = values.len().saturating_sub(1);
    let place = (last as f32 * share).round() as usize;
    values.get(place).copied().unwrap_or(0.0)
}

/// Luminance, and chroma as in JPEG files (BT.601), all per pixel.
fn planes(picture: &RgbImage) -> [Vec<f32>; 3] {
    let mut planes = [(); 3].map(|()| Vec::with_capacity(picture.pixels().len()));
    for pixel in picture.pixels() {
        let colour = pixel.0.map(|v| f32::from(v) / 255.0);
        let bright = luma(colour);
        let values = [
            bright,
            0.564 * (colour[2] - bright),
            0.713 * (colour[0] - bright),
        ];
        planes
            .iter_mut()
            .zip(values)
            .for_each(|(plane, v)| plane.push(v));
    }
    planes
}

/// Where windows begin along a side: about [`STEP`] apart, from one end to the other.
fn places(length: usize) -> impl Iterator<Item = usize> {
    let room = length - SIDE;
    let count = (room.div_ceil(STEP) + 1).min(MOST);
    (0..count).map(move |i| i * room / (count - 1).max(1))
}

/// Mean difference of neighbours, across plus down.
fn variation(window: &Window) -> f32 {
    let across = window
        .iter()
        .flat_map(|row| row.windows(2).map(|p| (p[1] - p[0]).abs()));
    let rows = window
        .windows(2)
        .flat_map(|rows| rows[0].iter().zip(&rows[1]));
    let down = rows.map(|(a, b)| (b - a).abs());
    (across.sum::<f32>() + down.sum::<f32>()) / (SIDE * (SIDE - 1)) as f32
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use rand::RngExt;

    use super::*;
    use crate::seed::{Seed, Stream, standard_normal};
    use crate::testing;

    /// Shapes with edges as soft as those of a render, which has several samples a pixel.
    fn renders() -> Vec<RgbImage> {
        let shapes = testing::shapes(40, 48, 3);
        let soft =
            |sample: &crate::sample::Sample| image::imageops::blur(&sample.pixels().unwrap(), 0.8);
        shapes.iter().map(soft).collect()
    }

    /// `pictures` with `change` added to every value; it is given place, channel and a random stream.
    fn changed(
        pictures: &[RgbImage],
        change: impl Fn(u32, u32, usize, &mut Stream) -> f64,
    ) -> Vec<RgbImage> {
        let mut stream = Seed::new(1, "speckle").stream(0);
        let mut changed = pictures.to_vec();
        for picture in &mut changed {
            for (x, y, Rgb(pixel)) in picture.enumerate_pixels_mut() {
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let new = f64::from(*value) + change(x, y, channel, &mut stream);
                    *value = new.round().clamp(0.0, 255.0) as u8;
                }
            }
        }
        changed
    }

    fn noisy(pictures: &[RgbImage], deviation: f64) -> Vec<RgbImage> {
        changed(pictures, |_, _, _, stream| {
            deviation * standard_normal(stream)
        })
    }

    fn textures(pictures: &[RgbImage]) -> Vec<Texture> {
        let spectrometer = Spectrometer::new();
        let all = pictures
            .iter()
            .map(|picture| spectrometer.texture(picture).unwrap());
        all.collect()
    }

    /// The least and the greatest score of `outputs`, next to these photos.
    fn scores(outputs: &[RgbImage], photos: &[RgbImage]) -> (f32, f32) {
        let usual = Usual::of(&textures(photos), 0.99);
        let (before, after) = (textures(&renders()), textures(outputs));
        let scores = before.iter().zip(&after).map(|(b, a)| usual.score(b, a));
        scores.fold((f32::INFINITY, 0.0), |(low, high), s| {
            (low.min(s), high.max(s))
        })
    }

    #[test]
    fn a_picture_adds_nothing_to_itself() {
        assert_eq!(scores(&renders(), &renders()), (0.0, 0.0));
    }

    #[test]
    fn speckle_of_every_kind_stands_out() {
        let renders = renders();
        let board = |x: u32, y: u32| if (x + y).is_multiple_of(2) { 4.0 } else { -4.0 };
        let stripes = |x: u32| if x.is_multiple_of(2) { 5.0 } else { -5.0 };
        let wide = |x: u32, y: u32| {
            12.0 * f64::from([1i8, 0, -1, 0][(x % 4) as usize])
                * f64::from([1i8, 0, -1, 0][(y % 4) as usize])
        };
        let kinds = [
            ("colour", noisy(&renders, 14.0)),
            ("board", changed(&renders, |x, y, _, _| board(x, y))),
            ("stripes", changed(&renders, |x, _, _, _| stripes(x))),
            ("wide grid", changed(&renders, |x, y, _, _| wide(x, y))),
            (
                "coloured grid",
                changed(&renders, |x, y, channel, _| match channel {
                    0 => 3.0 * board(x, y),
                    _ => 0.0,
                }),
            ),
        ];
        for (kind, outputs) in kinds {
            let (least, _) = scores(&outputs, &renders);
            assert!(least > 1.5, "{kind}: {least}");
        }
        let mut grey = Seed::new(2, "grain").stream(0);
        let grain: Vec<f64> = (0..48 * 48)
            .map(|_| 14.0 * standard_normal(&mut grey))
            .collect();
        let grainy = changed(&renders, |x, y, _, _| grain[(48 * y + x) as usize]);
        let (least, _) = scores(&grainy, &renders);
        assert!(least > 1.5, "grain: {least}");
    }

    #[test]
    fn what_adapters_rightly_change_is_no_speckle() {
        let renders = renders();
        let darker = changed(&renders, |_, _, channel, _| [-30.0, -20.0, -50.0][channel]);
        let noise = noisy(&renders, 5.0);
        let soft: Vec<_> = renders
            .iter()
            .map(|p| image::imageops::blur(p, 0.8))
            .collect();
        for outputs in [darker, noise, soft] {
            let (_, most) = scores(&outputs, &renders);
            assert!(most < 1.5, "{most}");
        }
    }

    #[test]
    fn noise_that_the_photos_have_is_no_fault() {
        let outputs = noisy(&renders(), 14.0);
        let (least, _) = scores(&outputs, &renders());
        let photos = noisy(&renders()[..30], 14.0);
        let (_, most) = scores(&outputs, &photos);
        assert!(least > 1.5 && most < 1.2, "{least} {most}");
    }

    #[test]
    fn pictures_of_any_size_are_cut_into_few_windows() {
        let spectrometer = Spectrometer::new();
        let mut stream = Seed::new(1, "sizes").stream(0);
        for (width, height) in [(16, 16), (17, 40), (1200, 16), (701, 599)] {
            let grey = stream.random_range(0..=255);
            let picture = RgbImage::from_pixel(width, height, Rgb([grey; 3]));
            let texture = spectrometer.texture(&picture).unwrap();
            assert!(texture.windows.len() <= MOST * MOST);
            assert!(
                texture
                    .windows
                    .iter()
                    .flatten()
                    .all(|amount| amount.abs() < 1e-3)
            );
        }
        assert!(spectrometer.texture(&RgbImage::new(15, 40)).is_none());
    }
}
