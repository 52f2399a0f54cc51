//! Draws SVG files, which may come from anywhere.
//!
//! A few bytes of SVG can ask for a pattern of more pixels than memory holds, for a filter that runs for days,
//! or for copies of copies that double at each level. All of this is measured first: `copies` looks at the
//! XML, `effort` at the parsed tree.

mod copies;
mod effort;
#[cfg(test)]
mod tests;
mod text;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, ImageHrefResolver, ImageKind};

use crate::sample::input;
use crate::{Error, Result};
use copies::Allowance;

/// The most bytes of a file.
const MOST_BYTES: u64 = 16 << 20;

/// Elements within each other, and references on the way.
const DEEPEST: usize = 128;

/// What to do about a broken file.
pub(super) const REMEDY: &str = "repair the file, or take it out of the folder of templates";

/// Reads an SVG and draws it so that its longer side has `side` pixels; `warn` is told what is left out.
///
/// # Errors
/// If the file is missing, too large or broken, or drawing it would take too much memory or time.
pub(super) fn read(path: &Path, side: u32, warn: impl Fn(&str)) -> Result<Pixmap> {
    let bytes = input::read(path, MOST_BYTES)?;
    draw(&path.display().to_string(), &bytes, side, warn)
}

/// Draws the SVG that messages call `name`.
fn draw(name: &str, bytes: &[u8], side: u32, warn: impl Fn(&str)) -> Result<Pixmap> {
    input::guarded(name, REMEDY, || {
        let drawn = draw_unguarded(bytes, side, warn);
        drawn.map_err(|problem| Error::failed(name, problem, REMEDY))
    })
}

/// As [`draw`], without a guard; the error is the problem alone.
fn draw_unguarded(bytes: &[u8], side: u32, warn: impl Fn(&str)) -> Result<Pixmap, String> {
    let unreadable = |e: &dyn std::fmt::Display| format!("is not a readable SVG: {e}");
    let decoded = text::decoded(bytes, MOST_BYTES)?;
    let text = text::with_variables(&decoded);
    let text = text.as_ref();
    let allowance = Allowance::default();
    let document = copies::parse(text, &allowance)?;
    let left_out = AtomicBool::new(false);
    let options = options(&allowance, &left_out);
    let tree = usvg::Tree::from_xmltree(&document, &options).map_err(|e| unreadable(&e))?;
    if text.contains("<text") {
        warn("its text is not drawn; convert text to paths");
    }
    if text.contains("var(--") {
        warn("a CSS variable in it has no value and is drawn black; write the colour in its place");
    }
    if left_out.load(Ordering::Relaxed) {
        warn("an image in it is not drawn; convert images to paths");
    }
    let (width, height) = (tree.size().width(), tree.size().height());
    let scale = side as f32 / width.max(height);
    let pixels = |length: f32| ((length * scale).round() as u32).clamp(1, side);
    let size = (pixels(width), pixels(height));
    let transform = Transform::from_scale(scale, scale);
    effort::check(&tree, transform, size)?;
    let mut pixmap =
        Pixmap::new(size.0, size.1).ok_or_else(|| format!("has a size of {width} × {height}"))?;
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    Ok(pixmap)
}

/// How images are read: an SVG within the file is drawn, except for images within it. Other files are
/// never read, wherever they lie, and images of pixels are left out.
fn options<'a>(allowance: &'a Allowance, left_out: &'a AtomicBool) -> usvg::Options<'a> {
    let leave_out = || {
        left_out.store(true, Ordering::Relaxed);
        None
    };
    let nested = move |data: &[u8]| {
        let document = copies::parse(std::str::from_utf8(data).ok()?, allowance).ok()?;
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
