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

use std::cell::RefCell;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use image::{ImageFormat, ImageReader};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, ImageHrefResolver, ImageKind};

use crate::sample::input;
use crate::{Error, Result};
use copies::Allowance;

/// The most bytes of a file.
const MOST_BYTES: u64 = 16 << 20;

/// The most pixels of all images in a file.
const MOST_PIXELS: u64 = 1 << 24;

/// Elements within each other, and references on the way.
const DEEPEST: usize = 128;

/// What to do about a broken file.
pub(super) const REMEDY: &str = "repair the file, or take it out of the folder of templates";

/// How often a drawing is asked whether it is to go on.
const TICK: Duration = Duration::from_millis(100);

/// Reads an SVG and draws it so that its longer side has `side` pixels; also what is left out. The drawing is abandoned
/// when `interrupt` says so.
///
/// # Errors
/// If the file is missing, too large or broken, or drawing it would take too much memory or time; those of `interrupt`.
pub(in crate::stages::render) fn read(
    path: &Path,
    side: u32,
    interrupt: &dyn Fn() -> Result<()>,
) -> Result<(Pixmap, Vec<String>)> {
    let (file, name) = (path.to_path_buf(), path.display().to_string());
    let work = move || {
        let bytes = input::read(&file, MOST_BYTES)?;
        let left_out = RefCell::new(Vec::new());
        let pixmap = draw(&file.display().to_string(), &bytes, side, |text| {
            left_out.borrow_mut().push(text.to_owned());
        })?;
        Ok((pixmap, left_out.into_inner()))
    };
    abandonable(&name, work, interrupt)?
}

/// What `work` returns, which runs in a thread of its own and is left to itself when `interrupt` says so: nothing
/// stops it from outside, but it keeps nobody from ending the process.
fn abandonable<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
    interrupt: &dyn Fn() -> Result<()>,
) -> Result<T> {
    let (send, receive) = mpsc::channel();
    let thread = std::thread::Builder::new().spawn(move || {
        // Nobody listens any more if it was abandoned.
        let _ = send.send(work());
    });
    thread.map_err(|e| Error::failed(name, e, "run fewer programs at once"))?;
    loop {
        match receive.recv_timeout(TICK) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) => interrupt()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::failed(name, "could not be drawn", REMEDY));
            }
        }
    }
}

/// Draws the SVG that messages call `name`; `warn` is told what is left out.
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
    let room = AtomicU64::new(MOST_PIXELS);
    let options = options(&allowance, &room, &left_out);
    let tree = usvg::Tree::from_xmltree(&document, &options).map_err(|e| unreadable(&e))?;
    if text.contains("<text") {
        warn("its text is not drawn; convert text to paths");
    }
    if text.contains("var(--") {
        warn("a CSS variable in it has no value and is drawn black; write the colour in its place");
    }
    if left_out.load(Ordering::Relaxed) {
        warn("an image in it is not drawn; embed images as PNG or JPEG, of 16 megapixels together");
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

/// An image of pixels within the file, if it is sound and there is `room` for its pixels.
fn pixels_of(kind: &str, data: &Arc<Vec<u8>>, room: &AtomicU64) -> Option<ImageKind> {
    let format = match kind {
        "image/png" => ImageFormat::Png,
        "image/jpeg" | "image/jpg" => ImageFormat::Jpeg,
        _ => return None,
    };
    let reader = || ImageReader::with_format(Cursor::new(data.as_slice()), format);
    let (width, height) = reader().into_dimensions().ok()?;
    let left = room.load(Ordering::Relaxed);
    let left = left.checked_sub(u64::from(width) * u64::from(height))?;
    room.store(left, Ordering::Relaxed);
    // The renderer passes over what is broken without a word.
    reader().decode().ok()?;
    let data = Arc::clone(data);
    Some(match format {
        ImageFormat::Png => ImageKind::PNG(data),
        _ => ImageKind::JPEG(data),
    })
}

/// How images are read: PNG and JPEG within the file are drawn, and an SVG within it except for its own images. Other
/// files are never read, wherever they lie.
fn options<'a>(
    allowance: &'a Allowance,
    room: &'a AtomicU64,
    left_out: &'a AtomicBool,
) -> usvg::Options<'a> {
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
                    kind => pixels_of(kind, &data, room),
                }
                .or_else(leave_out)
            }),
            resolve_string: Box::new(move |_, _| leave_out()),
        },
        ..usvg::Options::default()
    }
}
