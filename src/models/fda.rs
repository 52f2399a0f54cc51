//! Fourier domain adaptation: a render takes over a photo's lowest frequencies, but for their phase.
//! Yang and Soatto, FDA: Fourier Domain Adaptation for Semantic Segmentation, 2020.
//! <https://arxiv.org/abs/2004.05498>
//!
//! Key idea: the amplitude of low frequencies holds light and colour, the phase holds where things are.
//! Deviation: only the swapped coefficients are computed, by two short sums instead of a fast
//! transform; the change they make is added to the render, so all else keeps its bytes.

use std::f64::consts::TAU;

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{self, LabelEffect, Model, ModelKind};
use super::learner::{Learner, Setting};
use super::settings::Shared;
use super::statistical::{Fitted, Statistical, Statistics, draw};
use crate::Result;
use crate::sample::Extent;
use crate::seed::Stream;

/// The registry entry.
pub const MODEL: ModelKind = ModelKind {
    name: "fda",
    about: "the low frequencies of a photo, by Fourier transform; needs no training",
    labels: LabelEffect::Kept,
    maps: &[],
    parse: kind::parse::<FdaConfig>,
    schema: kind::schema::<FdaConfig>,
    load: |folder, _| Ok(Box::new(Fitted::<Fda>::load(folder)?)),
};

/// Configuration of Fourier domain adaptation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FdaConfig {
    /// Half the side of the swapped block of frequencies, as a share of the picture's shorter side.
    /// 0.01 to 0.09 in the paper, for pictures of 512 pixels and more.
    pub beta: f64,
    /// Photos of most similar amplitudes, among which one is drawn; 0 draws from all.
    pub nearest: usize,
    /// How far the amplitudes go to the photo's: 0 leaves the render.
    pub strength: f64,
    /// Photos looked at, at most.
    pub photos: usize,
}

impl Default for FdaConfig {
    fn default() -> Self {
        FdaConfig {
            beta: 0.02,
            nearest: 10,
            strength: 1.0,
            photos: 500,
        }
    }
}

impl Model for FdaConfig {
    fn check(&self) -> Result<(), String> {
        if !(0.0..0.5).contains(&self.beta) || !(0.0..=1.0).contains(&self.strength) {
            return Err("`beta` must lie in 0..0.5 and `strength` in 0..1".into());
        }
        if self.photos == 0 {
            return Err("`photos` must be at least 1".into());
        }
        Ok(())
    }

    /// It has no networks.
    fn check_extents(&self, _: &Shared, _: Extent, _: Extent) -> Result<(), String> {
        Ok(())
    }

    fn create(&self, _: &Shared, _: Setting) -> Result<Box<dyn Learner>> {
        Ok(Box::new(Statistical {
            statistics: Fda::new(self),
            most: self.photos,
        }))
    }
}

/// The amplitudes of the photos' low frequencies.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Fda {
    config: FdaConfig,
    /// Half the side of the block, in cycles a picture.
    reach: usize,
    /// One entry a photo: the amplitudes of each channel, in the order of [`Block`], a pixel.
    photos: Vec<[Vec<f32>; 3]>,
}

impl Fda {
    fn new(config: &FdaConfig) -> Self {
        Fda {
            config: config.clone(),
            reach: 0,
            photos: Vec::new(),
        }
    }
}

impl Statistics for Fda {
    fn look(&mut self, photo: &RgbImage) {
        if self.photos.is_empty() {
            let side = f64::from(photo.width().min(photo.height()));
            self.reach = (self.config.beta * side).floor() as usize;
        }
        let block = Block::new(photo.width(), photo.height(), self.reach);
        self.photos.push([0, 1, 2].map(|channel| {
            let coefficients = block.analyse(photo, channel);
            coefficients
                .iter()
                .map(|c| c[0].hypot(c[1]) as f32)
                .collect()
        }));
    }

    fn apply(&self, render: &RgbImage, stream: &mut Stream) -> RgbImage {
        if self.photos.is_empty() {
            return render.clone();
        }
        let block = Block::new(render.width(), render.height(), self.reach);
        let own = [0, 1, 2].map(|channel| block.analyse(render, channel));
        let distance = |photo: &[Vec<f32>; 3]| {
            let pairs = own.iter().flatten().zip(photo.iter().flatten());
            pairs
                .map(|(own, &photo)| (own[0].hypot(own[1]) - f64::from(photo)).powi(2))
                .sum::<f64>()
        };
        let distances = self.photos.iter().map(distance);
        let photo = &self.photos[draw(distances, self.config.nearest, stream)];
        let mut changed = render.clone();
        for (channel, amplitudes) in photo.iter().enumerate() {
            let changes: Vec<[f64; 2]> = own[channel]
                .iter()
                .zip(amplitudes)
                .map(|(&[re, im], &amplitude)| {
                    let length = re.hypot(im);
                    // A frequency that the render lacks has no phase to keep.
                    let scale = if length > 1e-9 {
                        (f64::from(amplitude) / length - 1.0) * self.config.strength
                    } else {
                        0.0
                    };
                    [re * scale, im * scale]
                })
                .collect();
            block.add(&changes, &mut changed, channel);
        }
        changed
    }
}

/// The low frequencies of a real picture: `v` in −reach..=reach rows by `u` in 0..=reach columns; the
/// other half is their mirror image.
struct Block {
    width: usize,
    height: usize,
    reach: usize,
    /// cos and sin of whole turns divided by the width, and by the height.
    across: Vec<[f64; 2]>,
    down: Vec<[f64; 2]>,
}

impl Block {
    fn new(width: u32, height: u32, reach: usize) -> Self {
        let turns = |count: usize| {
            let angle = |i| TAU * i as f64 / count as f64;
            (0..count)
                .map(|i| [angle(i).cos(), angle(i).sin()])
                .collect()
        };
        let (width, height) = (width as usize, height as usize);
        Block {
            width,
            height,
            // A smaller picture has fewer frequencies.
            reach: reach.min((width.min(height).max(1) - 1) / 2),
            across: turns(width),
            down: turns(height),
        }
    }

    /// Rows of the block: how far each frequency turns from one row of pixels to the next.
    fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        let count = 2 * self.reach + 1;
        (0..count).map(move |row| (row + self.height - self.reach) % self.height)
    }

    /// The coefficients of one channel, row by row, divided by the number of pixels.
    fn analyse(&self, picture: &RgbImage, channel: usize) -> Vec<[f64; 2]> {
        let columns = self.reach + 1;
        let mut lines = vec![[0.0; 2]; self.height * columns];
        for (x, y, pixel) in picture.enumerate_pixels() {
            let value = f64::from(pixel.0[channel]);
            for u in 0..columns {
                let [cos, sin] = self.across[u * x as usize % self.width];
                let sum = &mut lines[y as usize * columns + u];
                sum[0] += value * cos;
                sum[1] -= value * sin;
            }
        }
        let pixels = (self.width * self.height) as f64;
        let mut coefficients = Vec::new();
        for v in self.rows() {
            for u in 0..columns {
                let mut sum = [0.0; 2];
                for y in 0..self.height {
                    let ([cos, sin], [re, im]) =
                        (self.down[v * y % self.height], lines[y * columns + u]);
                    sum[0] += re * cos + im * sin;
                    sum[1] += im * cos - re * sin;
                }
                coefficients.push(sum.map(|part| part / pixels));
            }
        }
        coefficients
    }

    /// Adds the picture that these coefficients make.
    fn add(&self, coefficients: &[[f64; 2]], picture: &mut RgbImage, channel: usize) {
        let columns = self.reach + 1;
        let mut lines = vec![[0.0; 2]; self.height * columns];
        for (v, row) in self.rows().zip(coefficients.chunks_exact(columns)) {
            for y in 0..self.height {
                let [cos, sin] = self.down[v * y % self.height];
                for (sum, [re, im]) in lines[y * columns..].iter_mut().zip(row) {
                    sum[0] += re * cos - im * sin;
                    sum[1] += re * sin + im * cos;
                }
            }
        }
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            let line = &lines[y as usize * columns..][..columns];
            let mut change = 0.0;
            for (u, [re, im]) in line.iter().enumerate() {
                let [cos, sin] = self.across[u * x as usize % self.width];
                // Columns other than the first stand for their mirror image too.
                let times = if u == 0 { 1.0 } else { 2.0 };
                change += times * (re * cos - im * sin);
            }
            let value = f64::from(pixel.0[channel]) + change;
            pixel.0[channel] = value.round().clamp(0.0, 255.0) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use image::Rgb;

    fn waves(width: u32, height: u32, light: f64, fine: f64) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let (x, y) = (
                f64::from(x) / f64::from(width),
                f64::from(y) / f64::from(height),
            );
            let value = 110.0 + light * (TAU * (x + y)).cos() + fine * (TAU * 9.0 * x).sin();
            Rgb([value as u8, (value * 0.7) as u8, 200 - (value * 0.5) as u8])
        })
    }

    fn learned(beta: f64, photo: &RgbImage) -> Fda {
        let mut fda = Fda::new(&FdaConfig {
            beta,
            ..FdaConfig::default()
        });
        fda.look(photo);
        fda
    }

    fn stream() -> Stream {
        Seed::new(1, "translate").stream(0)
    }

    fn worst(a: &RgbImage, b: &RgbImage) -> u8 {
        a.iter()
            .zip(b.iter())
            .map(|(a, b)| a.abs_diff(*b))
            .max()
            .unwrap()
    }

    #[test]
    fn a_picture_with_its_own_amplitudes_stays_as_it_is() {
        for (width, height) in [(32, 32), (31, 20)] {
            let picture = waves(width, height, 40.0, 15.0);
            let same = learned(0.2, &picture).apply(&picture, &mut stream());
            assert_eq!(worst(&same, &picture), 0);
        }
    }

    #[test]
    fn coefficients_are_those_of_the_definition() {
        let picture = waves(13, 9, 40.0, 15.0);
        let block = Block::new(13, 9, 3);
        let found = block.analyse(&picture, 1);
        let mut expected = Vec::new();
        for v in -3..=3 {
            for u in 0..=3 {
                let mut sum = [0.0; 2];
                for (x, y, pixel) in picture.enumerate_pixels() {
                    let turns =
                        f64::from(u) * f64::from(x) / 13.0 + f64::from(v) * f64::from(y) / 9.0;
                    let value = f64::from(pixel.0[1]) / 117.0;
                    sum[0] += value * (TAU * turns).cos();
                    sum[1] -= value * (TAU * turns).sin();
                }
                expected.push(sum);
            }
        }
        for (a, b) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((a - b).abs() < 1e-9, "{a}, {b}");
        }
    }

    #[test]
    fn low_frequencies_come_from_the_photo_and_high_ones_stay() {
        let (render, photo) = (waves(32, 32, 10.0, 20.0), waves(32, 32, 40.0, 0.0));
        let changed = learned(0.1, &photo).apply(&render, &mut stream());
        let wanted = waves(32, 32, 40.0, 20.0);
        assert!(
            worst(&changed, &wanted) <= 3,
            "{}",
            worst(&changed, &wanted)
        );
    }

    #[test]
    fn with_no_reach_only_the_mean_colour_changes() {
        let (render, photo) = (waves(16, 16, 30.0, 0.0), waves(16, 16, 0.0, 0.0));
        let changed = learned(0.0, &photo).apply(&render, &mut stream());
        assert!(worst(&changed, &render) <= 1);
        let black = learned(0.2, &photo).apply(&RgbImage::new(16, 16), &mut stream());
        assert_eq!(black, RgbImage::new(16, 16));
    }
}
