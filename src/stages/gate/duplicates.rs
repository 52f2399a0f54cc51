//! Collapse: different renders that became nearly the same picture.
//!
//! Pictures are compared as thumbnails. For each output near to another, the score is the share of
//! the difference between their renders that is left between them; the least over all others
//! counts. Two renders that are alike may have outputs that are alike.

use image::RgbImage;
use rayon::prelude::*;

/// Side of a thumbnail in pixels.
const SIDE: u32 = 8;
const VALUES: usize = (3 * SIDE * SIDE) as usize;

/// Outputs further apart than this (root mean square, of 0..1) are not duplicates.
const NEAR: f32 = 0.04;

/// A shrunk picture, values 0..1.
pub(super) struct Thumbnail {
    values: [f32; VALUES],
    mean: f32,
}

impl Thumbnail {
    pub(super) fn of(picture: &RgbImage) -> Self {
        let small = image::imageops::thumbnail(picture, SIDE, SIDE);
        let mut values = [0.0; VALUES];
        for (value, byte) in values.iter_mut().zip(small.as_raw()) {
            *value = f32::from(*byte) / 255.0;
        }
        let mean = values.iter().sum::<f32>() / VALUES as f32;
        Thumbnail { values, mean }
    }

    /// Root mean square difference, 0..1; never less than that of the means.
    fn distance(&self, other: &Thumbnail) -> f32 {
        let pairs = self.values.iter().zip(&other.values);
        let sum: f32 = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
        (sum / VALUES as f32).sqrt()
    }
}

/// A render and its output.
pub(super) struct Pair {
    pub render: Thumbnail,
    pub output: Thumbnail,
}

/// The score of each pair, 0..1: near 0 for outputs that collapsed, 1 for one unlike all others.
pub(super) fn scores(pairs: &[Pair]) -> Vec<f32> {
    // Sorted by mean, only neighbours can be near. Pairs of equal means are in no order, and none
    // is needed: the least score of all that are near is the same in any.
    let mut sorted: Vec<usize> = (0..pairs.len()).collect();
    let mean = |i: usize| pairs[i].output.mean;
    sorted.sort_by(|&a, &b| mean(a).total_cmp(&mean(b)));
    let mut scores = vec![1.0; pairs.len()];
    let found: Vec<(usize, f32)> = (0..sorted.len())
        .into_par_iter()
        .map(|place| {
            let own = sorted[place];
            let near = |&&other: &&usize| (mean(other) - mean(own)).abs() <= NEAR;
            let before = sorted[..place].iter().rev().take_while(near);
            let after = sorted[place + 1..].iter().take_while(near);
            let least = before
                .chain(after)
                .filter_map(|&other| left_of(&pairs[own], &pairs[other]))
                .fold(1.0, f32::min);
            (own, least)
        })
        .collect();
    for (own, score) in found {
        scores[own] = score;
    }
    scores
}

/// Share of the difference between the renders that is left; `None` where the outputs are not near.
fn left_of(a: &Pair, b: &Pair) -> Option<f32> {
    let output = a.output.distance(&b.output);
    if output > NEAR {
        return None;
    }
    let render = a.render.distance(&b.render);
    // Renders that are nearly equal say nothing.
    (render > 0.25 * NEAR).then(|| (output / render).min(1.0))
}
