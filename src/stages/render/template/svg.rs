//! Templates: SVG files drawn once at high resolution, with their halvings for filtered sampling.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use glam::Vec2;
use rand::RngExt;
use rayon::prelude::*;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg;

use super::draw::chance;
use crate::sample::colour::to_linear;
use crate::seed::Stream;
use crate::stage::{Context, Event};
use crate::{Error, Result, artifact};

/// Texels of the template's longer side a pixel of the picture's shorter side, and the most it may
/// have unless the picture is large itself.
const OVERSAMPLING: u32 = 8;
const LARGEST: u32 = 512;

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

/// The drawings of a class: the file of its name, and those in the folder of its name.
#[derive(Default)]
pub struct Class {
    own: Vec<Texture>,
    variants: Vec<Texture>,
}

impl Class {
    /// One drawing; where there are both, one of the folder with the probability `share`.
    pub fn draw(&self, share: f64, stream: &mut Stream) -> &Texture {
        let from_folder = chance(share, stream) && !self.variants.is_empty();
        let drawings = if from_folder || self.own.is_empty() {
            &self.variants
        } else {
            &self.own
        };
        &drawings[stream.random_range(0..drawings.len())]
    }

    /// How many drawings there are.
    pub fn count(&self) -> usize {
        self.own.len() + self.variants.len()
    }
}

/// Loads all .svg files of a folder, to be drawn in pictures whose shorter side has `side` pixels:
/// classes in the order of their names.
///
/// # Errors
/// If the folder is missing or holds no .svg, or one of them is broken or draws nothing.
pub fn load_folder(folder: &Path, side: u32, context: &Context) -> Result<Vec<Class>> {
    let mut paths = artifact::walk(folder)?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("svg"))
    });
    if paths.is_empty() {
        return Err(Error::failed(
            folder.display(),
            "holds no .svg file",
            "put an SVG for each class into it, named by the class, or correct `template.templates`",
        ));
    }
    let side = (side * OVERSAMPLING).min(LARGEST.max(side * 5 / 4));
    let textures: Vec<(bool, Texture)> = paths
        .par_iter()
        .map(|path| {
            context.check_interrupt()?;
            let (class, is_own) = class(folder, path);
            Ok((is_own, load(path, class, side, context)?))
        })
        .collect::<Result<_>>()?;
    let mut classes: BTreeMap<String, Class> = BTreeMap::new();
    for (is_own, texture) in textures {
        let class = classes.entry(texture.class.clone()).or_default();
        let drawings = if is_own {
            &mut class.own
        } else {
            &mut class.variants
        };
        drawings.push(texture);
    }
    Ok(classes.into_values().collect())
}

/// What the file draws: its own name, or that of its folder within `folder`; and whether the first.
fn class(folder: &Path, path: &Path) -> (String, bool) {
    let inside = path.strip_prefix(folder).unwrap_or(path);
    let mut parts = inside.iter();
    let first = Path::new(parts.next().unwrap_or_default());
    let (name, is_own) = match parts.next() {
        Some(_) => (first.file_name(), false),
        None => (first.file_stem(), true),
    };
    let name = name.unwrap_or_default().to_string_lossy().into_owned();
    (name, is_own)
}

fn load(path: &Path, class: String, side: u32, context: &Context) -> Result<Texture> {
    let broken = |problem: String| {
        Error::failed(
            path.display(),
            problem,
            "repair the file, or take it out of the folder of templates",
        )
    };
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let tree = usvg::Tree::from_data(&bytes, &usvg::Options::default())
        .map_err(|e| broken(format!("is not a readable SVG: {e}")))?;
    if bytes.windows(5).any(|window| window == b"<text") {
        let text = format!(
            "{}: its text is not drawn; convert text to paths",
            path.display()
        );
        context.emit(Event::Warning { text });
    }
    let (width, height) = (tree.size().width(), tree.size().height());
    let scale = side as f32 / width.max(height);
    let pixels = |length: f32| ((length * scale).round() as u32).clamp(1, side);
    let mut pixmap = Pixmap::new(pixels(width), pixels(height))
        .ok_or_else(|| broken(format!("has a size of {width} × {height}")))?;
    resvg::render(
        &tree,
        Transform::from_scale(scale, scale),
        &mut pixmap.as_mut(),
    );
    let base = Level::from_pixmap(&pixmap);
    let outline = base.outline();
    if outline.is_empty() {
        return Err(broken("draws nothing opaque".into()));
    }
    let bounds = outline.iter().fold([outline[0]; 2], |[low, high], &point| {
        [low.min(point), high.max(point)]
    });
    let mut levels = vec![base];
    while let Some(last) = levels.last()
        && last.width.min(last.height) > 1
    {
        levels.push(last.halved());
    }
    Ok(Texture {
        class,
        path: path.to_path_buf(),
        levels,
        bounds,
        outline,
    })
}

impl Texture {
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
        let texel = |pixel: &resvg::tiny_skia::PremultipliedColorU8| {
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
