//! The picture of a diff: pairs of before and after, framed by kind of change.

use image::{Rgb, RgbImage};

use super::changes::{Change, ChangeKind, KINDS};
use crate::Result;
use crate::cli::dataset::Dataset;
use crate::cli::inspect::sheet::{CELL, Palette, cell};
use crate::sample::image as picture;

/// Number of pairs shown of each kind.
const PAIRS: usize = 16;
/// Pictures per row: four pairs.
const COLUMNS: u32 = 8;
/// Width of a frame in pixels.
const WIDTH: u32 = 4;

/// Draws up to [`PAIRS`] changes of each kind, spread evenly over all of that kind; `None` if nothing visible
/// changed.
///
/// # Errors
/// If an image cannot be read.
pub(super) fn png(before: &Dataset, after: &Dataset, list: &[Change]) -> Result<Option<Vec<u8>>> {
    let mut cells = Vec::new();
    let sides = list
        .iter()
        .flat_map(|change| [(before, change.before), (after, change.after)]);
    let boxes = sides.filter_map(|(dataset, row)| Some(dataset.boxes(row?)));
    let palette = Palette::of(boxes.flatten().map(|(class, _)| class));
    for kind in KINDS {
        let Some(colour) = colour(kind) else {
            continue;
        };
        let of_kind: Vec<&Change> = list.iter().filter(|change| change.kind == kind).collect();
        let every = of_kind.len().div_ceil(PAIRS).max(1);
        for change in of_kind.into_iter().step_by(every) {
            for (dataset, row) in [(before, change.before), (after, change.after)] {
                let mut cell = match row {
                    Some(row) => cell(&dataset.pixels(row)?, &dataset.boxes(row), &palette),
                    None => RgbImage::from_pixel(CELL, CELL, Rgb([128; 3])),
                };
                frame(&mut cell, colour);
                cells.push(cell);
            }
        }
        // Each kind starts a new row.
        while !cells.len().is_multiple_of(COLUMNS as usize) {
            cells.push(RgbImage::from_pixel(CELL, CELL, Rgb([128; 3])));
        }
    }
    match cells.is_empty() {
        true => Ok(None),
        false => picture::encode_png(&picture::contact_sheet(&cells, COLUMNS, CELL)).map(Some),
    }
}

/// The frame's colour; `None` if the image looks the same.
fn colour(kind: ChangeKind) -> Option<Rgb<u8>> {
    match kind {
        ChangeKind::Added => Some(Rgb([40, 200, 80])),
        ChangeKind::Removed => Some(Rgb([225, 50, 50])),
        ChangeKind::Picture => Some(Rgb([60, 120, 255])),
        ChangeKind::Label => Some(Rgb([250, 210, 0])),
        ChangeKind::Moved => None,
    }
}

fn frame(image: &mut RgbImage, colour: Rgb<u8>) {
    let (width, height) = image.dimensions();
    let edge = |at: u32, size: u32| at < WIDTH || at + WIDTH >= size;
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        if edge(x, width) || edge(y, height) {
            *pixel = colour;
        }
    }
}
