//! What a translation kept of its render, from the pixels alone.

use image::{GrayImage, RgbImage};

use crate::sample::colour::luma;

/// Luminance of a picture, 0..1, row by row.
pub(super) struct Luminance {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Luminance {
    /// The luma of every pixel.
    pub(super) fn of(picture: &RgbImage) -> Self {
        let value = |p: &image::Rgb<u8>| luma(p.0.map(f32::from)) / 255.0;
        Luminance {
            width: picture.width() as usize,
            height: picture.height() as usize,
            values: picture.pixels().map(value).collect(),
        }
    }

    /// Strength of the edges: the length of the gradient after a box blur of 3×3, which forgives
    /// grain and shifts of half a pixel.
    pub(super) fn edges(&self) -> Self {
        let at = |values: &[f32], x: isize, y: isize| {
            let x = x.clamp(0, self.width as isize - 1) as usize;
            let y = y.clamp(0, self.height as isize - 1) as usize;
            values[y * self.width + x]
        };
        let map = |pixel: &dyn Fn(isize, isize) -> f32| -> Vec<f32> {
            let places = (0..self.height as isize)
                .flat_map(|y| (0..self.width as isize).map(move |x| (x, y)));
            places.map(|(x, y)| pixel(x, y)).collect()
        };
        let rows = map(&|x, y| (-1..=1).map(|d| at(&self.values, x + d, y)).sum::<f32>() / 3.0);
        let smooth = map(&|x, y| (-1..=1).map(|d| at(&rows, x, y + d)).sum::<f32>() / 3.0);
        let values = map(&|x, y| {
            let across = at(&smooth, x + 1, y) - at(&smooth, x - 1, y);
            let down = at(&smooth, x, y + 1) - at(&smooth, x, y - 1);
            across.hypot(down)
        });
        Luminance { values, ..*self }
    }

    /// Standard deviation over the picture.
    pub(super) fn spread(&self) -> f32 {
        let count = self.values.len().max(1) as f32;
        let mean = self.values.iter().sum::<f32>() / count;
        let squares = self.values.iter().map(|v| (v - mean).powi(2));
        (squares.sum::<f32>() / count).sqrt()
    }

    /// Pearson's correlation with `other` of the same size, where `region` is true: −1..1.
    ///
    /// 0 where `other` is flat; `None` where this one is, as nothing can be said then.
    pub(super) fn correlation(&self, other: &Luminance, region: &[bool]) -> Option<f32> {
        let pairs = || {
            let values = self.values.iter().zip(&other.values).zip(region);
            values.filter(|(_, inside)| **inside).map(|(pair, _)| pair)
        };
        let count = pairs().count().max(1) as f32;
        let mean_a = pairs().map(|(a, _)| a).sum::<f32>() / count;
        let mean_b = pairs().map(|(_, b)| b).sum::<f32>() / count;
        let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
        for (a, b) in pairs() {
            let (a, b) = (a - mean_a, b - mean_b);
            aa += a * a;
            bb += b * b;
            ab += a * b;
        }
        // A deviation of less than a step of 8 bits is rounding.
        let flat = (1.0f32 / 255.0).powi(2) * 0.25 * count;
        if aa < flat {
            None
        } else if bb < flat {
            Some(0.0)
        } else {
            Some(ab / (aa * bb).sqrt())
        }
    }
}

/// Where `mask` is set or a set pixel is nearer than a `share` of the width; everywhere if it is empty.
pub(super) fn around(mask: &GrayImage, share: f32) -> Vec<bool> {
    let (width, height) = (mask.width() as usize, mask.height() as usize);
    let inside: Vec<bool> = mask.as_raw().iter().map(|&v| v > 0).collect();
    if !inside.contains(&true) {
        return vec![true; inside.len()];
    }
    let reach = ((share * width as f32).round() as usize).max(1);
    let near = |at: usize, length: usize| at.saturating_sub(reach)..(at + reach + 1).min(length);
    let grow = |source: &[bool], across: bool| -> Vec<bool> {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        places
            .map(|(x, y)| match across {
                true => near(x, width).any(|x| source[y * width + x]),
                false => near(y, height).any(|y| source[y * width + x]),
            })
            .collect()
    };
    grow(&grow(&inside, true), false)
}

/// Share of pixels with every channel at an end, 0..1: black, white or a pure colour.
pub(super) fn clipped(picture: &RgbImage) -> f32 {
    let at_an_end = |p: &&image::Rgb<u8>| p.0.iter().all(|&v| !(3..=252).contains(&v));
    let count = picture.pixels().filter(at_an_end).count();
    count as f32 / picture.pixels().len().max(1) as f32
}

/// Mean absolute difference of two pictures of one size, 0..1, over all values.
pub(super) fn change(before: &RgbImage, after: &RgbImage) -> f32 {
    let pairs = before.as_raw().iter().zip(after.as_raw());
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f32 / before.as_raw().len().max(1) as f32 / 255.0
}

/// Colour and texture in 15 numbers, for distances between pictures without a task network.
pub(super) fn looks(picture: &RgbImage) -> Vec<f32> {
    let mut found = Vec::new();
    let count = picture.pixels().len().max(1) as f32;
    for channel in 0..3 {
        let values = || picture.pixels().map(|p| f32::from(p.0[channel]) / 255.0);
        let mean = values().sum::<f32>() / count;
        let squares = values().map(|v| (v - mean).powi(2)).sum::<f32>();
        found.extend([mean, (squares / count).sqrt()]);
    }
    let luminance = Luminance::of(picture);
    let mut sorted = luminance.values.clone();
    sorted.sort_by(f32::total_cmp);
    let quantile =
        |values: &[f32], share: f32| values[((values.len() - 1) as f32 * share).round() as usize];
    found.extend([0.1, 0.5, 0.9].map(|share| quantile(&sorted, share)));
    let saturation = |p: &image::Rgb<u8>| {
        let (low, high) = (p.0.iter().min(), p.0.iter().max());
        f32::from(high.unwrap_or(&0) - low.unwrap_or(&0)) / 255.0
    };
    found.push(picture.pixels().map(saturation).sum::<f32>() / count);
    let mut edges = luminance.edges().values;
    edges.sort_by(f32::total_cmp);
    found.extend([0.25, 0.5, 0.75, 0.95].map(|share| quantile(&edges, share)));
    found.push(grain(&luminance));
    found
}

/// Mean difference of neighbours: what the blur before [`Luminance::edges`] takes away.
fn grain(luminance: &Luminance) -> f32 {
    let rows = luminance.values.chunks_exact(luminance.width.max(1));
    let steps = rows.flat_map(|row| row.windows(2).map(|pair| (pair[1] - pair[0]).abs()));
    steps.sum::<f32>() / luminance.values.len().max(1) as f32
}
