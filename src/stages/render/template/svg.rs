//! Templates: SVG files drawn once at high resolution, with their halvings for filtered sampling.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use glam::Vec2;
use rand::RngExt;
use rayon::prelude::*;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, ImageHrefResolver, ImageKind};

use super::draw::chance;
use super::limits::{self, Allowance};
use crate::sample::colour::to_linear;
use crate::sample::image::input;
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
pub(super) struct Class {
    own: Vec<Texture>,
    variants: Vec<Texture>,
}

impl Class {
    /// One drawing; where there are both, one of the folder with the probability `share`.
    pub(super) fn draw(&self, share: f64, stream: &mut Stream) -> &Texture {
        let from_folder = chance(share, stream) && !self.variants.is_empty();
        let drawings = if from_folder || self.own.is_empty() {
            &self.variants
        } else {
            &self.own
        };
        &drawings[stream.random_range(0..drawings.len())]
    }

    /// How many drawings there are.
    pub(super) fn count(&self) -> usize {
        self.own.len() + self.variants.len()
    }
}

/// Loads all .svg files of a folder, to be drawn in pictures whose shorter side has `side` pixels:
/// classes in the order of their names.
///
/// # Errors
/// If the folder is missing or holds no .svg, or one of them is broken or draws nothing.
pub(super) fn load_folder(folder: &Path, side: u32, context: &Context) -> Result<Vec<Class>> {
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

/// What to do about a broken file.
const REMEDY: &str = "repair the file, or take it out of the folder of templates";

fn load(path: &Path, class: String, side: u32, context: &Context) -> Result<Texture> {
    let broken = |problem: String| Error::failed(path.display(), problem, REMEDY);
    let bytes = input::read(path, limits::MOST_BYTES)?;
    let warn = |problem: &str| {
        let text = format!("{}: {problem}", path.display());
        context.emit(Event::Warning { text });
    };
    let pixmap = input::guarded(path.display(), REMEDY, || {
        draw(&bytes, side, warn).map_err(broken)
    })?;
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

/// Draws an SVG whose longer side becomes `side` pixels, and warns of what is left out.
fn draw(bytes: &[u8], side: u32, warn: impl Fn(&str)) -> Result<Pixmap, String> {
    let unreadable = |e: &dyn std::fmt::Display| format!("is not a readable SVG: {e}");
    let text = std::str::from_utf8(bytes).map_err(|e| unreadable(&e))?;
    let allowance = Allowance::default();
    let document = limits::parse(text, &allowance)?;
    let left_out = AtomicBool::new(false);
    let options = options(&allowance, &left_out);
    let tree = usvg::Tree::from_xmltree(&document, &options).map_err(|e| unreadable(&e))?;
    if text.contains("<text") {
        warn("its text is not drawn; convert text to paths");
    }
    if left_out.load(Ordering::Relaxed) {
        warn("an image in it is not drawn; convert images to paths");
    }
    let (width, height) = (tree.size().width(), tree.size().height());
    let scale = side as f32 / width.max(height);
    let pixels = |length: f32| ((length * scale).round() as u32).clamp(1, side);
    let size = (pixels(width), pixels(height));
    let transform = Transform::from_scale(scale, scale);
    limits::check(&tree, transform, size)?;
    let mut pixmap =
        Pixmap::new(size.0, size.1).ok_or_else(|| format!("has a size of {width} × {height}"))?;
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    Ok(pixmap)
}

/// How images are read: an SVG within the file is drawn. Other files are never read, wherever they lie,
/// and pixels are left out.
fn options<'a>(allowance: &'a Allowance, left_out: &'a AtomicBool) -> usvg::Options<'a> {
    let leave_out = || {
        left_out.store(true, Ordering::Relaxed);
        None
    };
    let nested = move |data: &[u8]| {
        let document = limits::parse(std::str::from_utf8(data).ok()?, allowance).ok()?;
        let options = usvg::Options {
            image_href_resolver: ImageHrefResolver {
                resolve_data: Box::new(|_, _, _| None),
                resolve_string: Box::new(|_, _| None),
            },
            ..usvg::Options::default()
        };
        let tree = usvg::Tree::from_xmltree(&document, &options).ok()?;
        Some(ImageKind::SVG(tree))
    };
    usvg::Options {
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(move |kind, data, _| {
                match kind {
                    "image/svg+xml" => nested(&data),
                    _ => None,
                }
                .or_else(leave_out)
            }),
            resolve_string: Box::new(move |_, _| leave_out()),
        },
        ..usvg::Options::default()
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::image::mutations;

    /// What drawing `inside` says.
    fn problem(inside: &str) -> String {
        let text =
            format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{inside}</svg>"#);
        let drawn = input::guarded("sign.svg", REMEDY, || {
            draw(text.as_bytes(), 512, |_| {}).map_err(|e| Error::failed("sign.svg", e, REMEDY))
        });
        drawn.map_or_else(|e| e.to_string(), |_| "drawn".to_owned())
    }

    fn assert_refused(inside: &str, wanted: &str) {
        let problem = problem(inside);
        let shown = &inside[..inside.len().min(300)];
        for part in ["sign.svg: ", wanted, "help:"] {
            assert!(problem.contains(part), "{shown}: `{part}` not in {problem}");
        }
    }

    #[test]
    fn mutated_templates_are_drawn_or_refused() {
        let sound = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 60">
            <style>.edge { stroke: url(#fade); stroke-dasharray: 4 2 }</style>
            <linearGradient id="fade"><stop offset="0.1"/><stop offset="1"/></linearGradient>
            <pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">
            <circle cx="3" cy="3" r="2.5"/></pattern>
            <filter id="soft"><feTurbulence numOctaves="2" baseFrequency="0.1"/>
            <feMorphology radius="2"/><feGaussianBlur stdDeviation="3"/></filter>
            <clipPath id="cut"><path d="M0 0h80v50l-9 9H0z"/></clipPath>
            <mask id="hole"><rect width="90" height="60" fill="#fff"/></mask>
            <g clip-path="url(#cut)" mask="url(#hole)" transform="rotate(4) scale(1.1)">
            <rect id="plate" width="90" height="60" rx="5" fill="#c00" class="edge"/>
            <path d="M5 5c9-9 20 30 40 10z a 3 4 0 1 0 9 9" fill="url(#dots)" filter="url(#soft)"/>
            <use href="#plate" x="3" opacity="0.4"/></g></svg>"##;
        let read = |bytes: &[u8]| {
            input::guarded("sign.svg", REMEDY, || {
                draw(bytes, 64, |_| {}).map_err(|e| Error::failed("sign.svg", e, REMEDY))
            })
        };
        mutations::assert_survived("sign.svg", sound.as_bytes(), |_| (), read);
    }

    #[test]
    fn sizes_beyond_memory_are_refused() {
        let tile = |height: &str| {
            format!(
                r##"<pattern id="p" width="9" height="{height}" patternUnits="userSpaceOnUse"><rect
                width="5" height="5"/></pattern><rect width="9" height="9" fill="url(#p)"/>"##
            )
        };
        assert_eq!(problem(&tile("9")), "drawn");
        assert_refused(&tile("4294967296"), "more than 512 MiB to draw");
        assert_refused(r#"<circle r="4294967295"/>"#, "reaches too far");
        let far = r#"<path d="M1e30 0h80v50l-9 9H0z" transform="rotate(1e30)"/>"#;
        assert_refused(far, "reaches too far");
        let layers = 100;
        let nested = [
            r#"<g opacity=".5" transform="scale(1.2)">"#.repeat(layers),
            r#"<rect width="90" height="90"/>"#.to_owned(),
            "</g>".repeat(layers),
        ];
        assert_refused(&nested.concat(), "more than 512 MiB to draw");
    }

    #[test]
    fn filters_that_take_minutes_are_refused() {
        let matrix = "1 ".repeat(90_000);
        for primitive in [
            r#"<feTurbulence baseFrequency="0.9" numOctaves="1000000"/>"#,
            r#"<feMorphology operator="dilate" radius="4"/>"#,
            &format!(r#"<feConvolveMatrix order="300" kernelMatrix="{matrix}"/>"#),
            &"<feGaussianBlur stdDeviation='1'/>".repeat(900),
        ] {
            let text = format!(
                r##"<filter id="f">{primitive}</filter><rect width="9" height="9" filter="url(#f)"/>"##
            );
            assert_refused(&text, " to draw");
        }
        let blur = r##"<filter id="f"><feGaussianBlur stdDeviation="1"/></filter>
            <rect width="9" height="9" filter="url(#f)"/>"##;
        assert_eq!(problem(blur), "drawn");
    }

    #[test]
    fn copies_that_double_at_each_level_are_refused() {
        let level = |i: usize| {
            format!(
                r##"<g id="g{}"><use href="#g{i}"/><use href="#g{i}"/></g>"##,
                i + 1
            )
        };
        let doubled = |levels: usize| {
            let text: String = (0..levels).map(level).collect();
            format!(r##"<g id="g0"><rect width="9" height="9"/></g>{text}"##)
        };
        assert_eq!(problem(&doubled(4)), "drawn");
        assert_refused(&doubled(40), "with all its copies");
        let points = "1 1 ".repeat(100_000);
        let marked = format!(
            r##"<marker id="m">{}</marker><polyline points="{points}" marker-mid="url(#m)"/>"##,
            "<path d='M0 0h1'/>".repeat(100)
        );
        assert_refused(&marked, "with all its copies");
    }

    #[test]
    fn chains_of_any_kind_end() {
        let deep = ["<g>".repeat(40_000), "</g>".repeat(40_000)].concat();
        assert_refused(&deep, "nested more than 128 deep");
        // By an attribute, by inheritance, and by style sheets.
        let pattern = |i: usize, group: &str, shape: &str| {
            format!(
                r##"<g {group}><pattern id="p{i}" width="3" height="3"
                patternUnits="userSpaceOnUse"><rect width="2" height="2" {shape}/></pattern></g>"##
            )
        };
        let shown = r##"<rect width="9" height="9" fill="url(#p0)"/>"##;
        let chain = |each: &dyn Fn(usize) -> String| {
            let patterns: String = (0..5000).map(each).collect();
            patterns + shown
        };
        let fill = |i: usize| format!(r##"fill="url(#p{})""##, i + 1);
        assert_refused(&chain(&|i| pattern(i, "", &fill(i))), "128 deep");
        assert_refused(&chain(&|i| pattern(i, &fill(i), "")), "128 deep");
        let classes = chain(&|i| pattern(i, "", &format!(r#"class="a c{i}""#)));
        for (comment, wanted) in [("", "128 deep"), ("/* } */", "with all its copies")] {
            let rule = |i| format!("{comment} .b, .c{i} {{ {} }}\n", fill(i));
            let rules = (0..5000).map(rule).collect::<String>();
            let rules = rules.replace("fill=", "fill: ").replace('"', " ");
            assert_refused(&format!("<style>{rules}</style>{classes}"), wanted);
        }
    }

    #[test]
    fn parts_that_are_all_compared_with_each_other_are_refused_where_they_are_many() {
        let many = |each: &str| each.repeat(100_000);
        let square = r#"<rect width="9" height="9" class="b" "#;
        for text in [
            format!("{square} style='{}'/>", many("fill:red;")),
            format!("<style>.b {{ {} }}</style>{square}/>", many("fill:red;")),
            format!("<style>{}</style>{square}/>", many(".b{fill:red}")),
            format!("<linearGradient>{}</linearGradient>", many("<stop/>")),
            format!("<filter id='f'>{}</filter>", many("<feOffset/>")),
        ] {
            assert_refused(&format!("{text}{square}/>"), "with all its copies");
        }
        let attributes: String = (0..2000).map(|i| format!("a{i}='' ")).collect();
        assert_refused(&format!("{square}{attributes}/>"), "1000 attributes");
    }

    #[test]
    fn entities_that_stand_for_too_much_are_refused() {
        let text = format!(
            r#"<!DOCTYPE svg [<!ENTITY a "{}">]><svg xmlns="http://www.w3.org/2000/svg"><desc
            id="{}"/></svg>"#,
            "x".repeat(100_000),
            "&a;".repeat(100_000)
        );
        let problem = draw(text.as_bytes(), 64, |_| {}).err().unwrap();
        assert!(problem.contains("its entities stand for"), "{problem}");
    }

    #[test]
    fn other_files_are_never_read() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret.svg");
        let square = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect
            width="9" height="9"/></svg>"#;
        std::fs::write(&secret, square).unwrap();
        for name in [
            &secret.display().to_string(),
            "/dev/zero",
            "data:image/png;base64,iVBO",
        ] {
            let text = format!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><image width="9"
                height="9" href="{name}"/></svg>"#
            );
            let told = std::cell::Cell::new(0);
            let pixmap = draw(text.as_bytes(), 64, |_| told.set(told.get() + 1)).unwrap();
            assert!(pixmap.data().iter().all(|&value| value == 0), "{name}");
            assert_eq!(told.get(), 1, "{name}");
        }
        let within = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><image width="9"
            height="9" href="data:image/svg+xml,{}"/></svg>"#,
            square.replace('"', "'").replace('<', "%3C")
        );
        let pixmap = draw(within.as_bytes(), 64, |_| {}).unwrap();
        assert!(pixmap.data().iter().any(|&value| value != 0));
    }
}
