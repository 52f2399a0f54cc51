//! A template as linear light: its drawing at high resolution, with halvings for filtered sampling.

use std::path::{Path, PathBuf};

use glam::{DVec2, Vec2};
use resvg::tiny_skia::{Pixmap, PremultipliedColorU8};

use crate::sample::colour::to_linear;

/// A template as linear light with alpha, premultiplied, and what its shape is.
pub struct Texture {
    pub class: String,
    pub path: PathBuf,
    /// Each half as wide and high as the one before.
    levels: Vec<Level>,
    /// Upper left and lower right of the opaque part, in texels of the first level.
    pub bounds: [Vec2; 2],
    /// Points on the convex hull of the opaque part, in texels of the first level.
    pub outline: Vec<Vec2>,
}

struct Level {
    width: usize,
    height: usize,
    texels: Vec<[f32; 4]>,
}

impl Texture {
    /// From a drawn template; `None` if nothing in it is opaque.
    pub(super) fn new(class: String, path: &Path, pixmap: &Pixmap) -> Option<Self> {
        let base = Level::from_pixmap(pixmap);
        let outline = base.outline();
        let first = *outline.first()?;
        let bounds = outline.iter().fold([first; 2], |[low, high], &point| {
            [low.min(point), high.max(point)]
        });
        let mut levels = vec![base];
        while let Some(last) = levels.last()
            && last.width.min(last.height) > 1
        {
            levels.push(last.halved());
        }
        Some(Texture {
            class,
            path: path.to_path_buf(),
            levels,
            bounds,
            outline,
        })
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        let texels = self.levels.iter().map(|level| level.texels.len());
        texels.sum::<usize>() * size_of::<[f32; 4]>()
    }

    /// The opacity at `point` of the first level, between the middles of its four nearest texels.
    pub(super) fn opacity(&self, point: DVec2) -> f64 {
        let first = (point - 0.5).floor();
        let share = point - 0.5 - first;
        let texel = first.as_i64vec2();
        let row = |y: i64| {
            let at = |x: i64| f64::from(self.levels[0].texel(x, y)[3]);
            at(texel.x) * (1.0 - share.x) + at(texel.x + 1) * share.x
        };
        row(texel.y) * (1.0 - share.y) + row(texel.y + 1) * share.y
    }

    /// Colour and alpha, premultiplied, around `point` in texels of the first level, averaged over
    /// about `footprint` texels.
    pub fn sample(&self, point: Vec2, footprint: f32) -> [f32; 4] {
        let level = footprint.max(1.0).log2().round() as usize;
        let level = level.min(self.levels.len() - 1);
        let point = point / (1_u32 << level) as f32 - 0.5;
        self.levels[level].at(point)
    }
}

impl Level {
    fn from_pixmap(pixmap: &Pixmap) -> Self {
        let texel = |pixel: &PremultipliedColorU8| {
            let pixel = pixel.demultiply();
            let alpha = f32::from(pixel.alpha()) / 255.0;
            let light = |value: u8| alpha * to_linear(f32::from(value) / 255.0);
            [
                light(pixel.red()),
                light(pixel.green()),
                light(pixel.blue()),
                alpha,
            ]
        };
        Level {
            width: pixmap.width() as usize,
            height: pixmap.height() as usize,
            texels: pixmap.pixels().iter().map(texel).collect(),
        }
    }

    /// Half as wide and high; an odd last row or column is averaged with nothing.
    fn halved(&self) -> Level {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let texel = |i: usize| {
            let (x, y) = ((i % width * 2) as i64, (i / width * 2) as i64);
            let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(u, v)| self.texel(x + u, y + v));
            std::array::from_fn(|c| four.iter().map(|texel| texel[c]).sum::<f32>() / 4.0)
        };
        Level {
            width,
            height,
            texels: (0..width * height).map(texel).collect(),
        }
    }

    /// A texel; transparent outside.
    fn texel(&self, x: i64, y: i64) -> [f32; 4] {
        let inside = |i: i64, length: usize| usize::try_from(i).ok().filter(|&i| i < length);
        match (inside(x, self.width), inside(y, self.height)) {
            (Some(x), Some(y)) => self.texels[y * self.width + x],
            _ => [0.0; 4],
        }
    }

    /// Interpolated between texels, whose centres are whole numbers.
    fn at(&self, point: Vec2) -> [f32; 4] {
        let cell = point.floor();
        let (x, y) = (cell.x as i64, cell.y as i64);
        let Vec2 { x: u, y: v } = point - cell;
        let weights = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
        let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(i, j)| self.texel(x + i, y + j));
        std::array::from_fn(|c| (0..4).map(|i| weights[i] * four[i][c]).sum())
    }

    /// The farthest corner of an opaque texel in each of 64 directions; empty if there is none.
    fn outline(&self) -> Vec<Vec2> {
        let opaque = |x: usize, y: usize| self.texels[y * self.width + x][3] > 0.5;
        let mut corners = Vec::new();
        for y in 0..self.height {
            let first = (0..self.width).find(|&x| opaque(x, y));
            let last = (0..self.width).rfind(|&x| opaque(x, y));
            if let (Some(first), Some(last)) = (first, last) {
                for (x, y) in [(first, y), (first, y + 1), (last + 1, y), (last + 1, y + 1)] {
                    corners.push(Vec2::new(x as f32, y as f32));
                }
            }
        }
        let farthest = |i: u16| {
            let direction = Vec2::from_angle(std::f32::consts::TAU * f32::from(i) / 64.0);
            let reach = |corner: &&Vec2| corner.dot(direction);
            corners
                .iter()
                .max_by(|a, b| reach(a).total_cmp(&reach(b)))
                .copied()
        };
        (0..64).filter_map(farthest).collect()
    }
}
