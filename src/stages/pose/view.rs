//! Views: an object as it is compared with others, wherever it lies in its picture and however large it is.

use glam::DVec2;
use image::imageops::FilterType;
use image::{GrayImage, Luma, RgbImage};

use crate::sample::colour::luma;
use crate::sample::crop::{Rectangle, cut};
use crate::sample::{Extent, Mask};

/// The side of a view in cells.
const SIDE: usize = 48;

/// A view reaches so far from the middle of the object, in radii of gyration of its mask: that of a square reaches 1.73
/// times as far as this radius into its corners, and so does a bar to its ends.
const REACH: f64 = 2.0;

/// Of the strongest edge, what an edge has at least.
const FAINT: f32 = 0.15;

/// Edges count up to so many cells beyond the mask.
const BEYOND: usize = 1;

/// An object.
pub(super) struct View {
    /// The middle of its mask, in pixels of its picture.
    pub middle: DVec2,
    /// The radius of gyration of its mask, in pixels.
    pub radius: f64,
    mask: Vec<bool>,
    /// At each cell on an edge, twice the angle of its direction as a unit vector.
    field: Vec<Option<[f32; 2]>>,
    /// The cells on edges.
    edges: Vec<usize>,
}

/// How well two views agree, 0..1 each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Fit {
    /// Intersection over union of their masks.
    pub masks: f64,
    /// The harmonic mean of the shares of each one's edges that the other has.
    pub edges: f64,
}

impl Fit {
    /// Both together.
    pub(super) fn score(self) -> f64 {
        (self.masks * self.edges).sqrt()
    }
}

impl View {
    /// Of the object with this mask; `None` if that has less than `least` pixels.
    pub(super) fn new(picture: &RgbImage, mask: &Mask, least: u32) -> Option<View> {
        let (width, height) = picture.dimensions();
        let bitmap = mask.to_bitmap(width, height);
        let places = || {
            let set = bitmap.iter().enumerate().filter(|(_, set)| **set);
            set.map(|(place, _)| {
                let (x, y) = (place as u32 % width, place as u32 / width);
                DVec2::new(f64::from(x) + 0.5, f64::from(y) + 0.5)
            })
        };
        let area = places().count();
        if area < least.max(1) as usize {
            return None;
        }
        let middle = places().sum::<DVec2>() / area as f64;
        let spread = places().map(|place| place.distance_squared(middle));
        let radius = (spread.sum::<f64>() / area as f64).sqrt();
        let side = (2.0 * REACH * radius).round().max(1.0);
        let corner = (middle - side / 2.0).round();
        let square = Rectangle {
            left: corner.x as i64,
            top: corner.y as i64,
            extent: Extent::square(side as u32),
        };
        let grid = SIDE as u32;
        let resized =
            |pixels: &GrayImage| image::imageops::resize(pixels, grid, grid, FilterType::Triangle);
        let grey = cut(picture, square);
        let grey = GrayImage::from_fn(grey.width(), grey.height(), |x, y| {
            Luma([luma(grey.get_pixel(x, y).0.map(f32::from)).round() as u8])
        });
        let set = GrayImage::from_fn(square.extent.width, square.extent.height, |x, y| {
            let (x, y) = (square.left + i64::from(x), square.top + i64::from(y));
            let inside = (0..i64::from(width)).contains(&x) && (0..i64::from(height)).contains(&y);
            Luma([255 * u8::from(inside && bitmap[y as usize * width as usize + x as usize])])
        });
        let mask: Vec<bool> = resized(&set).as_raw().iter().map(|v| *v >= 128).collect();
        let field = edges(&resized(&grey), &mask);
        let edges = (0..field.len()).filter(|&cell| field[cell].is_some());
        Some(View {
            middle,
            radius,
            edges: edges.collect(),
            mask,
            field,
        })
    }

    /// How well this one, turned by `angle` (radians, from x to y), agrees with `other`, if their masks overlap by `masks`
    /// then.
    pub(super) fn fit(&self, other: &View, angle: f64, masks: f64) -> Fit {
        let there = self.seen_in(other, angle);
        let back = other.seen_in(self, -angle);
        Fit {
            masks,
            edges: 2.0 * there * back / (there + back).max(1e-9),
        }
    }

    /// Intersection over union of the masks, this one's turned by `angle`.
    pub(super) fn masks(&self, other: &View, angle: f64) -> f64 {
        let turn = DVec2::from_angle(-angle);
        let (mut both, mut either) = (0_u32, 0_u32);
        // Every second cell each way says enough.
        for y in (0..SIDE).step_by(2) {
            for x in (0..SIDE).step_by(2) {
                let own = turned([x, y], turn).is_some_and(|[x, y]| self.mask[y * SIDE + x]);
                let others = other.mask[y * SIDE + x];
                both += u32::from(own && others);
                either += u32::from(own || others);
            }
        }
        f64::from(both) / f64::from(either.max(1))
    }

    /// The share of this one's edges, turned by `angle`, that `other` has at the same place or beside it, in the same
    /// direction.
    fn seen_in(&self, other: &View, angle: f64) -> f64 {
        let (turn, double) = (DVec2::from_angle(angle), DVec2::from_angle(2.0 * angle));
        let seen = |&cell: &usize| {
            let own = self.field[cell]?;
            let own = DVec2::new(own[0].into(), own[1].into())
                .rotate(double)
                .as_vec2();
            let [column, row] = turned([cell % SIDE, cell / SIDE], turn)?;
            let (columns, rows) = (beside(column), beside(row));
            let around = rows.flat_map(|y| columns.clone().map(move |x| y * SIDE + x));
            let others = around.filter_map(|cell| other.field[cell]);
            // The squared cosine of the angle between both.
            let alike = others.map(|o| 0.5 + 0.5 * (own.x * o[0] + own.y * o[1]));
            alike.max_by(f32::total_cmp)
        };
        let all = self.edges.iter().filter_map(seen);
        f64::from(all.sum::<f32>()) / self.edges.len().max(1) as f64
    }
}

fn beside(place: usize) -> std::ops::RangeInclusive<usize> {
    place.saturating_sub(1)..=(place + 1).min(SIDE - 1)
}

/// Where a cell comes to lie when the view is turned; `None` if it leaves it.
fn turned(cell: [usize; 2], turn: DVec2) -> Option<[usize; 2]> {
    let half = SIDE as f64 / 2.0;
    let [x, y] = cell.map(|place| place as f64 + 0.5 - half);
    let to = turn.rotate(DVec2::new(x, y)) + half;
    let inside = (0.0..SIDE as f64).contains(&to.x) && (0.0..SIDE as f64).contains(&to.y);
    inside.then_some([to.x as usize, to.y as usize])
}

/// The edges in and around a mask: where the brightness changes most along the way it changes.
fn edges(grey: &GrayImage, mask: &[bool]) -> Vec<Option<[f32; 2]>> {
    let at = |x: usize, y: usize| f32::from(grey.get_pixel(x as u32, y as u32)[0]);
    let mut slopes = vec![[0.0_f32; 2]; SIDE * SIDE];
    for y in 1..SIDE - 1 {
        for x in 1..SIDE - 1 {
            // Sobel's operator.
            let column = |x| at(x, y - 1) + 2.0 * at(x, y) + at(x, y + 1);
            let row = |y| at(x - 1, y) + 2.0 * at(x, y) + at(x + 1, y);
            slopes[y * SIDE + x] = [column(x + 1) - column(x - 1), row(y + 1) - row(y - 1)];
        }
    }
    let strength: Vec<f32> = slopes.iter().map(|[x, y]| x.hypot(*y)).collect();
    let near = |cell: usize| {
        let around = |place: usize| place.saturating_sub(BEYOND)..=(place + BEYOND).min(SIDE - 1);
        let mut cells = around(cell / SIDE).flat_map(|y| around(cell % SIDE).map(move |x| (x, y)));
        cells.any(|(x, y)| mask[y * SIDE + x])
    };
    let within: Vec<usize> = (0..SIDE * SIDE).filter(|&cell| near(cell)).collect();
    let most = within
        .iter()
        .map(|&cell| strength[cell])
        .fold(0.0, f32::max);
    let mut field = vec![None; SIDE * SIDE];
    for cell in within {
        let ([x, y], own) = (slopes[cell], strength[cell]);
        // A grey object has no edges but noise: a step of two of 255 grey levels is none.
        if own < (FAINT * most).max(16.0) {
            continue;
        }
        // No edge where a neighbour along the slope is steeper.
        let step = match x.abs() > y.abs() {
            true => 1,
            false => SIDE,
        };
        let (before, after) = (strength[cell - step], strength[cell + step]);
        if own >= before && own > after {
            let (x, y) = (x / own, y / own);
            field[cell] = Some([x * x - y * y, 2.0 * x * y]);
        }
    }
    field
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use image::Rgb;

    /// A dark bar with a light dot at one end, its middle at `middle`, turned by `angle` and so many times as large as 40
    /// by 20 pixels; and its mask.
    pub(crate) fn bar(middle: [f64; 2], angle: f64, scale: f64) -> (RgbImage, Mask) {
        let (width, height) = (160, 120);
        let place = |x: u32, y: u32| {
            let seen = DVec2::new(f64::from(x) + 0.5, f64::from(y) + 0.5) - DVec2::from(middle);
            DVec2::from_angle(-angle).rotate(seen) / scale
        };
        let inside = |at: DVec2| at.x.abs() < 20.0 && at.y.abs() < 10.0;
        let picture = RgbImage::from_fn(width, height, |x, y| {
            let at = place(x, y);
            let dot = at.distance(DVec2::new(12.0, 2.0)) < 5.0;
            Rgb(match (inside(at), dot) {
                (true, true) => [220; 3],
                (true, false) => [60, 40, 30],
                _ => [140, 150, 160],
            })
        });
        let cells = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let bitmap: Vec<bool> = cells.map(|(x, y)| inside(place(x, y))).collect();
        (picture, Mask::from_bitmap(&bitmap, width, height))
    }

    fn view(middle: [f64; 2], angle: f64, scale: f64) -> View {
        let (picture, mask) = bar(middle, angle, scale);
        View::new(&picture, &mask, 1).unwrap()
    }

    fn fit(one: &View, other: &View, angle: f64) -> Fit {
        one.fit(other, angle, one.masks(other, angle))
    }

    #[test]
    fn a_turned_and_scaled_object_agrees_with_itself() {
        let (one, other) = (view([60.0, 50.0], 0.3, 1.0), view([90.5, 70.0], 1.1, 1.7));
        assert!(other.middle.distance(DVec2::new(90.5, 70.0)) < 0.2);
        assert!((other.radius / one.radius - 1.7).abs() < 0.02);
        let right = fit(&one, &other, 0.8);
        assert!(right.masks > 0.9 && right.edges > 0.8, "{right:?}");
        // Upside down, its mask is the same, and its dot elsewhere.
        let upside_down = fit(&one, &other, 0.8 + std::f64::consts::PI);
        assert!(upside_down.masks > 0.9, "{upside_down:?}");
        assert!(
            upside_down.edges < right.edges - 0.1,
            "{upside_down:?} {right:?}"
        );
        let across = fit(&one, &other, 0.8 + 1.5);
        assert!(across.score() < 0.7 * right.score(), "{across:?}");
    }

    #[test]
    fn too_small_objects_and_grey_ones_have_nothing_to_compare() {
        let (picture, mask) = bar([60.0, 50.0], 0.0, 1.0);
        assert!(View::new(&picture, &mask, 10_000).is_none());
        assert!(
            View::new(
                &picture,
                &Mask {
                    counts: vec![19_200]
                },
                1
            )
            .is_none()
        );
        let grey = RgbImage::from_pixel(160, 120, Rgb([90; 3]));
        let grey = View::new(&grey, &mask, 1).unwrap();
        let fit = fit(&grey, &view([60.0, 50.0], 0.0, 1.0), 0.0);
        assert!(fit.masks > 0.95 && fit.edges == 0.0, "{fit:?}");
        // At the corner of the picture, most of the view lies beyond.
        let cut = view([5.0, 2.0], 0.0, 1.0);
        assert!(cut.radius > 0.0);
    }
}
