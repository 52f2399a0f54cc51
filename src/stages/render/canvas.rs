//! A picture of linear light, and what can be done to it: resampling, blur, noise fields.
//!
//! Places in it are told in shorter sides of the picture from its upper left corner, so that a length
//! is the same in both directions: a square ends at (1, 1), one of 96×64 pixels at (1.5, 1).

use glam::Vec2;
use image::{Rgb, RgbImage};
use rand::RngExt;

use super::draw;
use super::filter;
use crate::sample::Extent;
use crate::sample::colour::{luminance, to_linear};
use crate::seed::Stream;

/// Linear light: 0 is black, 1 is where the sensor saturates at exposure 1.
#[derive(Debug, Clone)]
pub struct Canvas {
    pub extent: Extent,
    /// Row by row, red, green, blue.
    pub pixels: Vec<[f32; 3]>,
}

/// Width and height in shorter sides: one of them is 1.
pub(super) fn span(extent: Extent) -> Vec2 {
    sides(extent) / extent.shorter() as f32
}

/// Width and height in pixels.
pub(super) fn sides(extent: Extent) -> Vec2 {
    Vec2::new(extent.width as f32, extent.height as f32)
}

/// Column and row of pixel `i`.
fn place(i: usize, extent: Extent) -> (usize, usize) {
    let width = extent.width as usize;
    (i % width, i / width)
}

impl Canvas {
    /// Computes each pixel from its centre, in shorter sides.
    pub fn from_fn(extent: Extent, pixel: impl FnMut(f32, f32) -> [f32; 3]) -> Self {
        let mut pixel = pixel;
        let shorter = extent.shorter() as f32;
        let centre = |i: usize| (i as f32 + 0.5) / shorter;
        let pixels = (0..extent.area()).map(|i| {
            let (x, y) = place(i, extent);
            pixel(centre(x), centre(y))
        });
        Canvas {
            extent,
            pixels: pixels.collect(),
        }
    }

    /// Changes each pixel, given its centre as in [`Canvas::from_fn`].
    pub fn for_each(&mut self, mut change: impl FnMut(f32, f32, &mut [f32; 3])) {
        let extent = self.extent;
        let shorter = extent.shorter() as f32;
        let centre = |i: usize| (i as f32 + 0.5) / shorter;
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            let (x, y) = place(i, extent);
            change(centre(x), centre(y), pixel);
        }
    }

    /// The linear light of an sRGB picture.
    pub fn from_srgb(picture: &RgbImage) -> Self {
        let light = |Rgb(pixel): &Rgb<u8>| pixel.map(|value| to_linear(f32::from(value) / 255.0));
        Canvas {
            extent: picture.dimensions().into(),
            pixels: picture.pixels().map(light).collect(),
        }
    }

    /// Width and height in shorter sides: one of them is 1.
    pub fn span(&self) -> Vec2 {
        span(self.extent)
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
        self.pixels
            .chunks_mut(self.extent.width as usize)
            .for_each(<[_]>::reverse);
    }

    /// Resampled; see [`filter::resized`].
    pub fn resized(&self, extent: Extent) -> Canvas {
        Canvas {
            extent,
            pixels: filter::resized(&self.pixels, self.extent, extent),
        }
    }

    /// Blurred by a Gaussian of deviation `sigma` in pixels.
    pub fn blurred(&self, sigma: f32) -> Canvas {
        Canvas {
            extent: self.extent,
            pixels: filter::gaussian(&self.pixels, self.extent, sigma),
        }
    }

    /// Smeared evenly along `path` pixels, from half of it behind to half of it ahead.
    pub fn smeared(&self, path: Vec2) -> Canvas {
        let taps = (path.length() * 2.0).ceil().max(1.0) as usize + 1;
        let mut pixels = vec![[0.0; 3]; self.pixels.len()];
        for tap in 0..taps {
            let shift = path * (tap as f32 / (taps - 1).max(1) as f32 - 0.5);
            for (i, pixel) in pixels.iter_mut().enumerate() {
                let (x, y) = place(i, self.extent);
                let light = self.at(x as f32 + shift.x, y as f32 + shift.y);
                for (sum, light) in pixel.iter_mut().zip(light) {
                    *sum += light / taps as f32;
                }
            }
        }
        Canvas {
            extent: self.extent,
            pixels,
        }
    }

    /// Red shifted by `path` pixels and blue against it: a lens' colour fringes.
    pub fn fringed(&self, path: Vec2) -> Canvas {
        let pixel = |i: usize| {
            let (x, y) = place(i, self.extent);
            let (x, y) = (x as f32, y as f32);
            let [red, _, _] = self.at(x + path.x, y + path.y);
            let [_, _, blue] = self.at(x - path.x, y - path.y);
            [red, self.pixels[i][1], blue]
        };
        Canvas {
            extent: self.extent,
            pixels: (0..self.pixels.len()).map(pixel).collect(),
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
        let [width, height] = [self.extent.width, self.extent.height].map(i64::from);
        let [column, row] = phase.map(i64::from);
        let filter = |x: i64, y: i64| ((x + column) % 2 + (y + row) % 2) as usize;
        let pixel = |i: usize| {
            let (x, y) = (i as i64 % width, i as i64 / width);
            let mut sums = [[0.0_f32; 2]; 3];
            for (v, u) in (-1..=1).flat_map(|v| (-1..=1).map(move |u| (v, u))) {
                let (x, y) = (x + u, y + v);
                if (0..width).contains(&x) && (0..height).contains(&y) {
                    let channel = filter(x, y);
                    let weight = ((2 - u.abs()) * (2 - v.abs())) as f32;
                    sums[channel][0] += weight * self.pixels[(y * width + x) as usize][channel];
                    sums[channel][1] += weight;
                }
            }
            let mut light = sums.map(|[sum, weight]| sum / weight);
            let own = filter(x, y);
            light[own] = self.pixels[i][own];
            light
        };
        Canvas {
            extent: self.extent,
            pixels: (0..self.pixels.len()).map(pixel).collect(),
        }
    }

    /// Light at a point, as fractions of width and height, interpolated.
    pub fn at_fraction(&self, point: Vec2) -> [f32; 3] {
        let place = point * sides(self.extent) - 0.5;
        self.at(place.x, place.y)
    }

    /// Light at a point, interpolated; pixel centres are whole numbers, edges go on outside.
    fn at(&self, x: f32, y: f32) -> [f32; 3] {
        let (width, height) = (self.extent.width as usize, self.extent.height as usize);
        let (x, y) = (
            x.clamp(0.0, (width - 1) as f32),
            y.clamp(0.0, (height - 1) as f32),
        );
        let (left, top) = (x as usize, y as usize);
        let (right, low) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
        let (u, v) = (x - left as f32, y - top as f32);
        let pixel = |x: usize, y: usize| self.pixels[y * width + x];
        let (a, b) = (pixel(left, top), pixel(right, top));
        let (c, d) = (pixel(left, low), pixel(right, low));
        std::array::from_fn(|i| {
            let upper = a[i] + (b[i] - a[i]) * u;
            let lower = c[i] + (d[i] - c[i]) * u;
            upper + (lower - upper) * v
        })
    }
}

/// A smooth random field of mean about 0 and deviation about 1: value noise of several octaves.
pub(super) struct Field {
    octaves: Vec<Octave>,
}

/// Values at the nodes of a grid, row by row.
struct Octave {
    /// Cells a shorter side of the picture.
    cells: usize,
    /// Nodes in a row and in a column.
    nodes: [usize; 2],
    values: Vec<f32>,
}

impl Field {
    /// For a picture of `span` shorter sides, `cells` blobs a shorter side in the coarsest octave;
    /// each further one is twice as fine and half as strong.
    pub(super) fn new(cells: usize, octaves: usize, span: Vec2, stream: &mut Stream) -> Self {
        let octave = |i: usize| {
            let cells = cells << i;
            let nodes = span
                .to_array()
                .map(|side| (side * cells as f32).ceil() as usize + 2);
            let strength = 0.5_f32.powi(i as i32) * 1.5;
            let values = (0..nodes[0] * nodes[1]).map(|_| strength * draw::normal(stream));
            Octave {
                cells,
                nodes,
                values: values.collect(),
            }
        };
        Field {
            octaves: (0..octaves).map(octave).collect(),
        }
    }

    /// Its value at a point, in shorter sides.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        self.octaves.iter().map(|octave| octave.at(x, y)).sum()
    }
}

impl Octave {
    fn at(&self, x: f32, y: f32) -> f32 {
        let place = |t: f32, nodes: usize| {
            let t = (t * self.cells as f32).clamp(0.0, (nodes - 2) as f32);
            let cell = (t as usize).min(nodes - 2);
            let t = t - cell as f32;
            (cell, t * t * (3.0 - 2.0 * t))
        };
        let ((i, u), (j, v)) = (place(x, self.nodes[0]), place(y, self.nodes[1]));
        let at = |i: usize, j: usize| self.values[j * self.nodes[0] + i];
        let upper = at(i, j) + (at(i + 1, j) - at(i, j)) * u;
        let lower = at(i, j + 1) + (at(i + 1, j + 1) - at(i, j + 1)) * u;
        upper + (lower - upper) * v
    }
}

/// A colour between `a` and `b`, drawn evenly along the line between them.
pub(super) fn between(a: [f32; 3], b: [f32; 3], stream: &mut Stream) -> [f32; 3] {
    let t: f32 = stream.random();
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * t)
}
