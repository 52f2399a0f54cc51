//! The contact sheet: pictures with their boxes in the colours of their classes, the class below each, and a legend.

use std::collections::BTreeMap;

use image::{Rgb, RgbImage};

use crate::cli::lettering::{ADVANCE, LINE, write};
use crate::sample::image as picture;

/// Number of pictures on a sheet.
pub(in crate::cli) const CELLS: usize = 64;
const COLUMNS: u32 = 8;
/// Width and height of each picture in pixels, unless the user wants another size.
pub(in crate::cli) const CELL: u32 = 112;
/// Pixels between pictures.
const GAP: u32 = 2;

const PAPER: Rgb<u8> = Rgb([40; 3]);
const INK: Rgb<u8> = Rgb([235; 3]);

/// Boxes with their classes: left, top, width, height in pixels.
pub(in crate::cli) type Boxes = Vec<(String, [f32; 4])>;

/// A colour for each class, as different as they can be.
pub(in crate::cli) struct Palette(BTreeMap<String, Rgb<u8>>);

impl Palette {
    pub(in crate::cli) fn of(classes: impl IntoIterator<Item = String>) -> Self {
        let mut colours: BTreeMap<String, Rgb<u8>> =
            classes.into_iter().map(|class| (class, INK)).collect();
        for (number, colour) in colours.values_mut().enumerate() {
            *colour = distinct(number);
        }
        Palette(colours)
    }

    fn colour(&self, class: &str) -> Rgb<u8> {
        self.0.get(class).copied().unwrap_or(INK)
    }
}

/// Bright colours, each far in hue from those before it.
fn distinct(number: usize) -> Rgb<u8> {
    /// The golden section of the circle of hues.
    const SECTION: f32 = 0.618_034;
    let hue = (number as f32 * SECTION).fract() * 6.0;
    // Every second round paler, so that hues that are near differ in strength.
    let weakest = if (number / 8).is_multiple_of(2) {
        0.15
    } else {
        0.55
    };
    let channel = |shift: f32| {
        let distance = ((hue + shift).rem_euclid(6.0) - 3.0).abs() - 1.0;
        255.0 * (weakest + (1.0 - weakest) * distance.clamp(0.0, 1.0))
    };
    Rgb([channel(0.0), channel(4.0), channel(2.0)].map(|v| v.round() as u8))
}

/// A picture on the sheet.
struct Cell {
    picture: RgbImage,
    class: Option<String>,
    /// In pixels of `picture`.
    boxes: Boxes,
}

/// Pictures for a contact sheet.
pub(in crate::cli) struct Sheet {
    tile: u32,
    cells: Vec<Cell>,
}

impl Sheet {
    pub(in crate::cli) fn new(tile: u32) -> Self {
        Sheet {
            tile,
            cells: Vec::new(),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.cells.len() < CELLS
    }

    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Adds a picture with its class and its boxes.
    pub(in crate::cli) fn add(&mut self, pixels: &RgbImage, class: Option<String>, boxes: Boxes) {
        let (picture, scale) = fitted(pixels, self.tile);
        let scaled = |(class, sides): (String, [f32; 4])| (class, sides.map(|side| side * scale));
        self.cells.push(Cell {
            picture,
            class,
            boxes: boxes.into_iter().map(scaled).collect(),
        });
    }

    /// The sheet, with a legend if there are boxes.
    pub(in crate::cli) fn draw(&self) -> RgbImage {
        let palette = Palette::of(self.classes());
        let columns = COLUMNS.min(self.cells.len() as u32).max(1);
        let rows = (self.cells.len() as u32).div_ceil(columns);
        let (across, down) = (self.tile + GAP, self.tile + GAP + LINE);
        let width = columns * across + GAP;
        let top = rows * down + GAP;
        let legend = self.legend(&palette, width);
        let mut sheet = RgbImage::from_pixel(width, top + legend.height(), PAPER);
        for (number, cell) in (0..).zip(&self.cells) {
            let [left, above] = [
                number % columns * across + GAP,
                number / columns * down + GAP,
            ];
            let mut picture = cell.picture.clone();
            outline(&mut picture, &cell.boxes, &palette);
            let middle = |side: u32| i64::from((self.tile - side.min(self.tile)) / 2);
            let (x, y) = (middle(picture.width()), middle(picture.height()));
            let corner = (i64::from(left) + x, i64::from(above) + y);
            image::imageops::replace(&mut sheet, &picture, corner.0, corner.1);
            if let Some(class) = &cell.class {
                let place = [left, above + self.tile + 2];
                write(&mut sheet, class, place, self.tile, palette.colour(class));
            }
        }
        image::imageops::replace(&mut sheet, &legend, 0, i64::from(top));
        sheet
    }

    fn classes(&self) -> impl Iterator<Item = String> {
        let of_cell = |cell: &Cell| {
            let boxes = cell.boxes.iter().map(|(class, _)| class.clone());
            cell.class.iter().cloned().chain(boxes).collect::<Vec<_>>()
        };
        self.cells.iter().flat_map(of_cell)
    }

    /// The classes of the boxes, each in its colour; nothing without boxes.
    fn legend(&self, palette: &Palette, width: u32) -> RgbImage {
        /// A square in the colour, and the space around it.
        const MARK: u32 = 12;
        let boxed = self.cells.iter().flat_map(|cell| &cell.boxes);
        let classes: BTreeMap<&String, ()> = boxed.map(|(class, _)| (class, ())).collect();
        let (mut places, mut x, mut y) = (Vec::new(), GAP, GAP);
        for class in classes.keys() {
            let room = MARK + ADVANCE * (class.chars().count() as u32 + 2);
            if x > GAP && x + room > width {
                (x, y) = (GAP, y + LINE + GAP);
            }
            places.push((class, x, y));
            x += room;
        }
        let height = if places.is_empty() { 0 } else { y + LINE + GAP };
        let mut legend = RgbImage::from_pixel(width, height, PAPER);
        for (class, x, y) in places {
            let colour = palette.colour(class);
            for (dx, dy) in (0..7).flat_map(|dy| (0..7).map(move |dx| (dx, dy))) {
                if let Some(pixel) = legend.get_pixel_mut_checked(x + dx, y + dy) {
                    *pixel = colour;
                }
            }
            write(&mut legend, class, [x + MARK, y], width, INK);
        }
        legend
    }
}

/// The picture scaled so that its longer side is `tile` pixels, and the scale.
fn fitted(pixels: &RgbImage, tile: u32) -> (RgbImage, f32) {
    let (width, height) = pixels.dimensions();
    let scale = tile as f32 / width.max(height) as f32;
    let scaled = |side: u32| ((side as f32 * scale).round() as u32).max(1);
    let picture = picture::resize(pixels, scaled(width), scaled(height));
    (picture, scale)
}

/// A picture of [`CELL`] pixels with its boxes drawn.
pub(in crate::cli) fn cell(
    pixels: &RgbImage,
    boxes: &[(String, [f32; 4])],
    palette: &Palette,
) -> RgbImage {
    let (mut cell, scale) = fitted(pixels, CELL);
    let scaled = boxes
        .iter()
        .map(|(class, sides)| (class.clone(), sides.map(|side| side * scale)));
    outline(&mut cell, &scaled.collect::<Boxes>(), palette);
    cell
}

fn outline(image: &mut RgbImage, boxes: &[(String, [f32; 4])], palette: &Palette) {
    for (class, [x, y, w, h]) in boxes {
        draw_box(image, [*x, *y, x + w, y + h], palette.colour(class));
    }
}

/// The outline of a box: left, top, right, bottom in pixels.
fn draw_box(image: &mut RgbImage, [left, top, right, bottom]: [f32; 4], colour: Rgb<u8>) {
    let (width, height) = image.dimensions();
    let inside = |v: f32, size: u32| v.round().clamp(0.0, (size - 1) as f32) as u32;
    let (left, right) = (inside(left, width), inside(right - 1.0, width));
    let (top, bottom) = (inside(top, height), inside(bottom - 1.0, height));
    for x in left..=right {
        image.put_pixel(x, top, colour);
        image.put_pixel(x, bottom, colour);
    }
    for y in top..=bottom {
        image.put_pixel(left, y, colour);
        image.put_pixel(right, y, colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_differ_in_colour() {
        let palette = Palette::of((0..16).map(|n| format!("class {n:02}")));
        let colours: Vec<[i32; 3]> = palette.0.values().map(|c| c.0.map(i32::from)).collect();
        for (n, a) in colours.iter().enumerate() {
            for b in &colours[..n] {
                let apart: i32 = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum();
                assert!(apart > 60, "{colours:?}");
            }
        }
    }

    #[test]
    fn a_sheet_has_tiles_as_large_as_wanted_and_a_legend_of_what_is_boxed() {
        let wide = RgbImage::from_pixel(40, 20, Rgb([200; 3]));
        let mut sheet = Sheet::new(50);
        sheet.add(&wide, Some("cup".into()), Vec::new());
        let plain = sheet.draw();
        assert_eq!(plain.dimensions(), (54, 64));
        sheet.add(&wide, None, vec![("mug".into(), [0.0, 0.0, 20.0, 10.0])]);
        let boxed = sheet.draw();
        assert_eq!(boxed.width(), 106);
        assert!(boxed.height() > 64);
        let colour = distinct(1);
        assert_eq!(
            Palette::of(["cup".into(), "mug".into()]).colour("mug"),
            colour
        );
        assert_eq!(*boxed.get_pixel(54, 14), colour, "the corner of the box");
    }
}
