//! A square picture of linear light, and what can be done to it: resampling, blur, noise fields.

use image::{Rgb, RgbImage};
use rand::RngExt;

use super::draw;
use crate::seed::Stream;

/// Linear light: 0 is black, 1 is where the sensor saturates at exposure 1.
#[derive(Debug, Clone)]
pub struct Canvas {
    pub size: usize,
    /// Row by row, red, green, blue.
    pub pixels: Vec<[f32; 3]>,
}

/// The share of each channel in brightness (Rec. 709).
pub fn luminance([red, green, blue]: [f32; 3]) -> f32 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// sRGB's 0..1 to linear light.
pub fn to_linear(value: f32) -> f32 {
    if value <= 0.04045 {
        value / 12.92
    } else {
        ((value + 0.055) / 1.055).powf(2.4)
    }
}

/// Linear light to sRGB's 0..1, clipped.
pub fn to_srgb(value: f32) -> f32 {
    let value = value.clamp(0.0, 1.0);
    if value <= 0.003_130_8 {
        value * 12.92
    } else {
        1.055 * value.powf(1.0 / 2.4) - 0.055
    }
}

impl Canvas {
    /// Computes each pixel from its centre, in 0..1 from left to right and top to bottom.
    pub fn from_fn(size: usize, mut pixel: impl FnMut(f32, f32) -> [f32; 3]) -> Self {
        let centre = |i: usize| (i as f32 + 0.5) / size as f32;
        let pixels = (0..size * size).map(|i| pixel(centre(i % size), centre(i / size)));
        Canvas {
            size,
            pixels: pixels.collect(),
        }
    }

    /// Changes each pixel, given its centre as in [`Canvas::from_fn`].
    pub fn for_each(&mut self, mut change: impl FnMut(f32, f32, &mut [f32; 3])) {
        let size = self.size;
        let centre = |i: usize| (i as f32 + 0.5) / size as f32;
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            change(centre(i % size), centre(i / size), pixel);
        }
    }

    /// The square of `side` pixels at `left`, `top` of an sRGB picture.
    pub fn from_srgb(picture: &RgbImage, left: u32, top: u32, side: u32) -> Self {
        let pixel = |i: u32| {
            let Rgb(pixel) = picture.get_pixel(left + i % side, top + i / side);
            pixel.map(|value| to_linear(f32::from(value) / 255.0))
        };
        Canvas {
            size: side as usize,
            pixels: (0..side * side).map(pixel).collect(),
        }
    }

    /// Mean brightness.
    pub fn brightness(&self) -> f32 {
        self.pixels.iter().copied().map(luminance).sum::<f32>() / self.pixels.len() as f32
    }

    /// Multiplies all light.
    pub fn scale(&mut self, factor: f32) {
        for channel in self.pixels.iter_mut().flatten() {
            *channel *= factor;
        }
    }

    /// Left and right exchanged.
    pub fn mirror(&mut self) {
        self.pixels.chunks_mut(self.size).for_each(<[_]>::reverse);
    }

    /// Resampled by a triangle filter, which averages when shrinking and interpolates when growing.
    pub fn resized(&self, size: usize) -> Canvas {
        let ratio = self.size as f32 / size as f32;
        let reach = ratio.max(1.0);
        let kernels: Vec<Kernel> = (0..size)
            .map(|i| {
                let centre = (i as f32 + 0.5) * ratio - 0.5;
                Kernel::new(centre, reach, |distance| 1.0 - distance / reach)
            })
            .collect();
        self.separable(&kernels)
    }

    /// Blurred by a Gaussian of deviation `sigma` in pixels.
    pub fn blurred(&self, sigma: f32) -> Canvas {
        let reach = (3.0 * sigma).ceil();
        let bell = |distance: f32| (-0.5 * (distance / sigma).powi(2)).exp();
        let kernels: Vec<Kernel> = (0..self.size)
            .map(|i| Kernel::new(i as f32, reach, bell))
            .collect();
        self.separable(&kernels)
    }

    /// Smeared evenly along `path` pixels, from half of it behind to half of it ahead.
    pub fn smeared(&self, path: glam::Vec2) -> Canvas {
        let taps = (path.length() * 2.0).ceil().max(1.0) as usize + 1;
        let size = self.size;
        let mut pixels = vec![[0.0; 3]; size * size];
        for tap in 0..taps {
            let shift = path * (tap as f32 / (taps - 1).max(1) as f32 - 0.5);
            for (i, pixel) in pixels.iter_mut().enumerate() {
                let (x, y) = ((i % size) as f32 + shift.x, (i / size) as f32 + shift.y);
                let light = self.at(x, y);
                for (sum, light) in pixel.iter_mut().zip(light) {
                    *sum += light / taps as f32;
                }
            }
        }
        Canvas { size, pixels }
    }

    /// Red shifted by `path` pixels and blue against it: a lens' colour fringes.
    pub fn fringed(&self, path: glam::Vec2) -> Canvas {
        let size = self.size;
        let pixel = |i: usize| {
            let (x, y) = ((i % size) as f32, (i / size) as f32);
            let [red, _, _] = self.at(x + path.x, y + path.y);
            let [_, _, blue] = self.at(x - path.x, y - path.y);
            [red, self.pixels[i][1], blue]
        };
        Canvas {
            size,
            pixels: (0..size * size).map(pixel).collect(),
        }
    }

    /// Each pixel's difference to its neighbourhood, of one pixel's deviation, added `amount` times.
    pub fn sharpen(&mut self, amount: f32) {
        let soft = self.blurred(1.0);
        let pairs = self.pixels.iter_mut().zip(soft.pixels);
        for (channel, soft) in pairs.flat_map(|(pixel, soft)| pixel.iter_mut().zip(soft)) {
            *channel += amount * (*channel - soft);
        }
    }

    /// Seen through a Bayer mosaic (red in one, blue in one, green in two of four pixels) and
    /// interpolated bilinearly. `phase`: whether columns and rows begin with red's or blue's.
    pub fn mosaiced(&self, phase: [bool; 2]) -> Canvas {
        let size = self.size as i64;
        let [column, row] = phase.map(i64::from);
        let filter = |x: i64, y: i64| ((x + column) % 2 + (y + row) % 2) as usize;
        let pixel = |i: usize| {
            let (x, y) = (i as i64 % size, i as i64 / size);
            let mut sums = [[0.0_f32; 2]; 3];
            for (v, u) in (-1..=1).flat_map(|v| (-1..=1).map(move |u| (v, u))) {
                let (x, y) = (x + u, y + v);
                if (0..size).contains(&x) && (0..size).contains(&y) {
                    let channel = filter(x, y);
                    let weight = ((2 - u.abs()) * (2 - v.abs())) as f32;
                    sums[channel][0] += weight * self.pixels[(y * size + x) as usize][channel];
                    sums[channel][1] += weight;
                }
            }
            let mut light = sums.map(|[sum, weight]| sum / weight);
            let own = filter(x, y);
            light[own] = self.pixels[i][own];
            light
        };
        Canvas {
            size: self.size,
            pixels: (0..self.pixels.len()).map(pixel).collect(),
        }
    }

    /// Light at a point, 0..1 from left to right and top to bottom, interpolated.
    pub fn at_fraction(&self, point: glam::Vec2) -> [f32; 3] {
        let place = point * self.size as f32 - 0.5;
        self.at(place.x, place.y)
    }

    /// Light at a point, interpolated; pixel centres are whole numbers, edges go on outside.
    fn at(&self, x: f32, y: f32) -> [f32; 3] {
        let last = (self.size - 1) as f32;
        let (x, y) = (x.clamp(0.0, last), y.clamp(0.0, last));
        let (left, top) = (x as usize, y as usize);
        let (right, low) = ((left + 1).min(self.size - 1), (top + 1).min(self.size - 1));
        let (u, v) = (x - left as f32, y - top as f32);
        let pixel = |x: usize, y: usize| self.pixels[y * self.size + x];
        let (a, b) = (pixel(left, top), pixel(right, top));
        let (c, d) = (pixel(left, low), pixel(right, low));
        std::array::from_fn(|i| {
            let upper = a[i] + (b[i] - a[i]) * u;
            let lower = c[i] + (d[i] - c[i]) * u;
            upper + (lower - upper) * v
        })
    }

    fn separable(&self, kernels: &[Kernel]) -> Canvas {
        let size = kernels.len();
        let mut rows = vec![[0.0; 3]; self.size * size];
        for y in 0..self.size {
            for (x, kernel) in kernels.iter().enumerate() {
                rows[y * size + x] = kernel.sum(self.size, |i| self.pixels[y * self.size + i]);
            }
        }
        let mut pixels = vec![[0.0; 3]; size * size];
        for (y, kernel) in kernels.iter().enumerate() {
            for x in 0..size {
                pixels[y * size + x] = kernel.sum(self.size, |i| rows[i * size + x]);
            }
        }
        Canvas { size, pixels }
    }
}

/// Weights, which add up to 1, of pixels from `first` on; edges go on outside.
struct Kernel {
    first: i64,
    weights: Vec<f32>,
}

impl Kernel {
    fn new(centre: f32, reach: f32, weight: impl Fn(f32) -> f32) -> Self {
        let first = (centre - reach).ceil() as i64;
        let last = (centre + reach).floor() as i64;
        let raw = (first..=last).map(|i| weight((i as f32 - centre).abs()).max(0.0));
        let mut weights: Vec<f32> = raw.collect();
        let sum: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Kernel { first, weights }
    }

    fn sum(&self, length: usize, pixel: impl Fn(usize) -> [f32; 3]) -> [f32; 3] {
        let mut sum = [0.0; 3];
        for (i, weight) in self.weights.iter().enumerate() {
            let place = (self.first + i as i64).clamp(0, length as i64 - 1);
            let light = pixel(place as usize);
            for (sum, light) in sum.iter_mut().zip(light) {
                *sum += weight * light;
            }
        }
        sum
    }
}

/// A smooth random field of mean about 0 and deviation about 1: value noise of several octaves.
pub struct Field {
    octaves: Vec<(usize, Vec<f32>)>,
}

impl Field {
    /// `cells` blobs a picture side in the coarsest octave; each further one is twice as fine and
    /// half as strong.
    pub fn new(cells: usize, octaves: usize, stream: &mut Stream) -> Self {
        let octave = |i: usize| {
            let nodes = (cells << i) + 2;
            let strength = 0.5_f32.powi(i as i32) * 1.5;
            let values = (0..nodes * nodes).map(|_| strength * draw::normal(stream));
            (nodes, values.collect())
        };
        Field {
            octaves: (0..octaves).map(octave).collect(),
        }
    }

    /// Its value at a point, 0..1 from left to right and top to bottom.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let value = |(nodes, values): &(usize, Vec<f32>)| {
            let place = |t: f32| {
                let t = t.clamp(0.0, 1.0) * (nodes - 2) as f32;
                let cell = (t as usize).min(nodes - 2);
                let t = t - cell as f32;
                (cell, t * t * (3.0 - 2.0 * t))
            };
            let ((i, u), (j, v)) = (place(x), place(y));
            let at = |i: usize, j: usize| values[j * nodes + i];
            let upper = at(i, j) + (at(i + 1, j) - at(i, j)) * u;
            let lower = at(i, j + 1) + (at(i + 1, j + 1) - at(i, j + 1)) * u;
            upper + (lower - upper) * v
        };
        self.octaves.iter().map(value).sum()
    }
}

/// A colour between `a` and `b`, drawn evenly along the line between them.
pub fn between(a: [f32; 3], b: [f32; 3], stream: &mut Stream) -> [f32; 3] {
    let t: f32 = stream.random();
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * t)
}
