//! Histogram matching: a render takes over the colours of a photo, and nothing else.
//!
//! Either channel by channel, every value to the one of the same rank (Gonzalez and Woods, Digital
//! Image Processing, "histogram specification"); or by mean and deviation in a space without
//! correlation: Reinhard et al., Color Transfer between Images, 2001.
//! Deviations: equal values stay equal, so flat renders get no noise; `strength` blends.

use image::{Rgb, RgbImage};
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
    name: "histogram",
    about: "the colours of a photo, by rank or by mean and deviation; needs no training",
    labels: LabelEffect::Kept,
    maps: &[],
    parse: kind::parse::<HistogramConfig>,
    schema: kind::schema::<HistogramConfig>,
    load: |folder, _| Ok(Box::new(Fitted::<Histogram>::load(folder)?)),
};

/// Configuration of histogram matching.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HistogramConfig {
    /// What is matched.
    pub method: Method,
    /// Whose colours a render takes.
    pub target: Target,
    /// Photos of most similar colours, among which one is drawn; 0 draws from all.
    pub nearest: usize,
    /// How far it goes: 0 leaves the render, 1 takes the colours fully.
    pub strength: f64,
    /// Photos looked at, at most.
    pub photos: usize,
}

/// What is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The whole distribution of each channel.
    Ranks,
    /// Mean and deviation in lαβ (Reinhard).
    Moments,
}

/// Whose colours a render takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Those of a photo drawn for each render.
    Drawn,
    /// Those of all photos together.
    Mean,
}

impl Default for HistogramConfig {
    fn default() -> Self {
        HistogramConfig {
            method: Method::Ranks,
            target: Target::Drawn,
            nearest: 5,
            strength: 0.7,
            photos: 500,
        }
    }
}

impl Model for HistogramConfig {
    fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.strength) || self.photos == 0 {
            return Err("`strength` must lie in 0..1, `photos` be at least 1".into());
        }
        Ok(())
    }

    /// It has no networks.
    fn check_extents(&self, _: &Shared, _: Extent, _: Extent) -> Result<(), String> {
        Ok(())
    }

    fn create(&self, _: &Shared, _: Setting) -> Result<Box<dyn Learner>> {
        Ok(Box::new(Statistical {
            statistics: Histogram::new(self),
            most: self.photos,
        }))
    }
}

/// The colours of the photos seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Histogram {
    config: HistogramConfig,
    /// Counts of each value, channel by channel; one entry a photo, or one for all.
    counts: Vec<[Vec<u64>; 3]>,
    /// Mean and deviation of each channel of lαβ, likewise.
    moments: Vec<[[f64; 2]; 3]>,
    seen: u64,
}

impl Histogram {
    fn new(config: &HistogramConfig) -> Self {
        Histogram {
            config: config.clone(),
            counts: Vec::new(),
            moments: Vec::new(),
            seen: 0,
        }
    }
}

impl Statistics for Histogram {
    fn look(&mut self, photo: &RgbImage) {
        self.seen += 1;
        let together = self.config.target == Target::Mean && self.seen > 1;
        match self.config.method {
            Method::Ranks => {
                let counts = counts(photo);
                match self.counts.first_mut().filter(|_| together) {
                    Some(all) => {
                        let all = all.iter_mut().flatten();
                        all.zip(counts.iter().flatten()).for_each(|(a, b)| *a += b);
                    }
                    None => self.counts.push(counts),
                }
            }
            Method::Moments => {
                let moments = moments(photo);
                match self.moments.first_mut().filter(|_| together) {
                    // The running mean of both numbers: a typical photo, not a mixture of all.
                    Some(mean) => {
                        let mean = mean.as_flattened_mut().iter_mut();
                        for (mean, new) in mean.zip(moments.as_flattened()) {
                            *mean += (new - *mean) / self.seen as f64;
                        }
                    }
                    None => self.moments.push(moments),
                }
            }
        }
    }

    fn apply(&self, render: &RgbImage, stream: &mut Stream) -> RgbImage {
        if self.seen == 0 {
            return render.clone();
        }
        let nearest = self.config.nearest;
        let changed = match self.config.method {
            Method::Ranks => {
                let own = counts(render);
                let distances = self.counts.iter().map(|photo| work(&own, photo));
                let photo = &self.counts[draw(distances, nearest, stream)];
                match_ranks(render, &own, photo)
            }
            Method::Moments => {
                let own = moments(render);
                let distance = |photo: &[[f64; 2]; 3]| {
                    let pairs = own.as_flattened().iter().zip(photo.as_flattened());
                    pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
                };
                let distances = self.moments.iter().map(distance);
                let photo = &self.moments[draw(distances, nearest, stream)];
                match_moments(render, &own, photo)
            }
        };
        blend(render, &changed, self.config.strength)
    }
}

/// How often each value occurs, channel by channel.
fn counts(picture: &RgbImage) -> [Vec<u64>; 3] {
    let mut counts = [(); 3].map(|()| vec![0; 256]);
    for pixel in picture.pixels() {
        for (channel, value) in counts.iter_mut().zip(pixel.0) {
            channel[usize::from(value)] += 1;
        }
    }
    counts
}

/// How far values must move on average to turn one distribution into the other, over the channels:
/// the earth mover's distance.
fn work(a: &[Vec<u64>; 3], b: &[Vec<u64>; 3]) -> f64 {
    let channel = |(a, b): (&Vec<u64>, &Vec<u64>)| {
        let totals = [a, b].map(|counts| counts.iter().sum::<u64>().max(1) as f64);
        let mut apart = 0.0;
        let steps = a.iter().zip(b).map(|(&a, &b)| {
            apart += a as f64 / totals[0] - b as f64 / totals[1];
            apart.abs()
        });
        steps.sum::<f64>()
    };
    a.iter().zip(b).map(channel).sum()
}

fn match_ranks(render: &RgbImage, own: &[Vec<u64>; 3], target: &[Vec<u64>; 3]) -> RgbImage {
    let tables = [0, 1, 2].map(|channel| table(&own[channel], &target[channel]));
    let mut changed = render.clone();
    for pixel in changed.pixels_mut() {
        for (value, table) in pixel.0.iter_mut().zip(&tables) {
            *value = table[usize::from(*value)];
        }
    }
    changed
}

/// For each value the one at the same rank of `target`: ranks count to the middle of equal values.
fn table(own: &[u64], target: &[u64]) -> Vec<u8> {
    let total = |counts: &[u64]| counts.iter().sum::<u64>().max(1) as f64;
    let (own_total, target_total) = (total(own), total(target));
    let (mut below, mut value, mut reached) = (0, 0, 0);
    own.iter()
        .map(|&count| {
            let rank = (below as f64 + 0.5 * count as f64) / own_total;
            below += count;
            while value < 255 && (reached + target[value]) as f64 / target_total <= rank {
                reached += target[value];
                value += 1;
            }
            value as u8
        })
        .collect()
}

fn match_moments(render: &RgbImage, own: &[[f64; 2]; 3], target: &[[f64; 2]; 3]) -> RgbImage {
    let mut changed = render.clone();
    for pixel in changed.pixels_mut() {
        let mut lab = to_lab(*pixel);
        for (value, (own, target)) in lab.iter_mut().zip(own.iter().zip(target)) {
            // A flat channel has nothing to stretch.
            let scale = if own[1] > 1e-6 {
                target[1] / own[1]
            } else {
                1.0
            };
            *value = (*value - own[0]) * scale + target[0];
        }
        *pixel = from_lab(lab);
    }
    changed
}

/// Mean and deviation of each channel of lαβ.
fn moments(picture: &RgbImage) -> [[f64; 2]; 3] {
    let count = picture.pixels().len().max(1) as f64;
    let mut sums = [[0.0; 2]; 3];
    for pixel in picture.pixels() {
        for (sums, value) in sums.iter_mut().zip(to_lab(*pixel)) {
            sums[0] += value;
            sums[1] += value * value;
        }
    }
    sums.map(|[sum, squares]| {
        let mean = sum / count;
        [mean, (squares / count - mean * mean).max(0.0).sqrt()]
    })
}

/// Reinhard's matrices: RGB to the cones' response, its logarithm turned to brightness, yellow-blue,
/// red-green.
const CONES: [[f64; 3]; 3] = [
    [0.3811, 0.5783, 0.0402],
    [0.1967, 0.7244, 0.0782],
    [0.0241, 0.1288, 0.8444],
];
const RGB: [[f64; 3]; 3] = [
    [4.4679, -3.5873, 0.1193],
    [-1.2186, 2.3809, -0.1624],
    [0.0497, -0.2439, 1.2045],
];

fn times(matrix: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

fn to_lab(pixel: Rgb<u8>) -> [f64; 3] {
    // Black would have no logarithm: one grey level stands for it.
    let rgb = pixel.0.map(|value| f64::from(value.max(1)) / 255.0);
    let [l, m, s] = times(&CONES, rgb).map(f64::log10);
    [
        (l + m + s) / 3f64.sqrt(),
        (l + m - 2.0 * s) / 6f64.sqrt(),
        (l - m) / 2f64.sqrt(),
    ]
}

fn from_lab([brightness, yellow, red]: [f64; 3]) -> Rgb<u8> {
    let (a, b, c) = (
        brightness / 3f64.sqrt(),
        yellow / 6f64.sqrt(),
        red / 2f64.sqrt(),
    );
    let cones = [a + b + c, a + b - c, a - 2.0 * b].map(|log| 10f64.powf(log));
    Rgb(times(&RGB, cones).map(|value| (value * 255.0).round().clamp(0.0, 255.0) as u8))
}

fn blend(render: &RgbImage, changed: &RgbImage, strength: f64) -> RgbImage {
    let mut blended = render.clone();
    for (value, new) in blended.iter_mut().zip(changed.iter()) {
        let old = f64::from(*value);
        *value = (old + strength * (f64::from(*new) - old)).round() as u8;
    }
    blended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn ramp(low: u32, high: u32) -> RgbImage {
        RgbImage::from_fn(16, 16, |x, y| {
            let value = (low + (high - low) * (y * 16 + x) / 255) as u8;
            Rgb([value, value / 2 + 30, 255 - value])
        })
    }

    fn learned(config: HistogramConfig, photos: &[RgbImage]) -> Histogram {
        let mut histogram = Histogram::new(&config);
        photos.iter().for_each(|photo| histogram.look(photo));
        histogram
    }

    fn config(method: Method, target: Target) -> HistogramConfig {
        HistogramConfig {
            method,
            target,
            strength: 1.0,
            ..HistogramConfig::default()
        }
    }

    fn stream(index: u64) -> Stream {
        Seed::new(1, "translate").stream(index)
    }

    fn mean(picture: &RgbImage, channel: usize) -> f64 {
        let values = picture.pixels().map(|pixel| f64::from(pixel.0[channel]));
        values.sum::<f64>() / picture.pixels().len() as f64
    }

    #[test]
    fn colours_become_those_of_the_photo() {
        let (dark, bright) = (ramp(10, 90), ramp(100, 250));
        for method in [Method::Ranks, Method::Moments] {
            let histogram = learned(config(method, Target::Drawn), std::slice::from_ref(&bright));
            let changed = histogram.apply(&dark, &mut stream(0));
            for channel in 0..3 {
                let (found, wanted) = (mean(&changed, channel), mean(&bright, channel));
                assert!(
                    (found - wanted).abs() < 8.0,
                    "{method:?}: {found}, {wanted}"
                );
            }
            // Each pixel keeps its place in the order: nothing but colour changes.
            let reds: Vec<u8> = changed.pixels().map(|pixel| pixel.0[0]).collect();
            assert!(reds.is_sorted());
            // A picture with the photo's colours stays as it is.
            let same = histogram.apply(&bright, &mut stream(0));
            let off = same
                .iter()
                .zip(bright.iter())
                .map(|(a, b)| a.abs_diff(*b))
                .max();
            assert!(off.unwrap() <= 2, "{method:?}: {off:?}");
        }
    }

    #[test]
    fn the_mean_of_all_photos_lies_between_them() {
        let photos = [ramp(0, 60), ramp(190, 250)];
        for method in [Method::Ranks, Method::Moments] {
            let histogram = learned(config(method, Target::Mean), &photos);
            assert_eq!(histogram.counts.len() + histogram.moments.len(), 1);
            let changed = histogram.apply(&ramp(100, 120), &mut stream(0));
            assert!((60.0..190.0).contains(&mean(&changed, 0)), "{method:?}");
        }
    }

    #[test]
    fn the_draw_follows_the_stream_and_strength_blends() {
        let photos: Vec<_> = (0..8).map(|i| ramp(i * 20, i * 20 + 60)).collect();
        let histogram = learned(config(Method::Moments, Target::Drawn), &photos);
        let render = ramp(40, 200);
        let draw = |index| histogram.apply(&render, &mut stream(index));
        assert_eq!(draw(3), draw(3));
        assert!((0..8).any(|index| draw(index) != draw(8)));
        let none = HistogramConfig {
            strength: 0.0,
            ..config(Method::Ranks, Target::Drawn)
        };
        assert_eq!(
            learned(none, &photos).apply(&render, &mut stream(0)),
            render
        );
    }

    #[test]
    fn a_photo_of_like_colours_is_drawn() {
        let photos: Vec<_> = [0, 100, 190].map(|low| ramp(low, low + 60)).into();
        for method in [Method::Ranks, Method::Moments] {
            let one = HistogramConfig {
                nearest: 1,
                ..config(method, Target::Drawn)
            };
            let changed = learned(one, &photos).apply(&ramp(105, 150), &mut stream(0));
            assert!((mean(&changed, 0) - 130.0).abs() < 8.0, "{method:?}");
        }
    }

    #[test]
    fn a_flat_or_black_picture_is_no_trouble() {
        for method in [Method::Ranks, Method::Moments] {
            let histogram = learned(config(method, Target::Drawn), &[ramp(0, 250)]);
            let changed = histogram.apply(&RgbImage::new(4, 4), &mut stream(0));
            let first = *changed.get_pixel(0, 0);
            assert!(changed.pixels().all(|pixel| *pixel == first));
        }
    }
}
