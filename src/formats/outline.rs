//! Masks as polygons and back, exactly: outlines run along the edges of pixels, and a pixel is inside if its
//! middle is.
//!
//! Formats with one polygon an object cannot hold several parts, or holes. As usual, their outlines are joined
//! by bridges without width, which go there and back and so enclose nothing.

use crate::sample::{Extent, Mask};

/// A corner in pixels.
pub(super) type Point = [f64; 2];

/// The most crossings of lines of a polygon with the middles of columns of pixels.
const MOST_CROSSINGS: u64 = 1 << 24;

/// The outlines of a mask, each a closed polygon: clockwise around pixels, counterclockwise around holes.
pub(super) fn outlines(mask: &Mask, extent: Extent) -> Vec<Vec<Point>> {
    let Some([left, top, width, height]) = mask.bbox_xywh(extent.height) else {
        return Vec::new();
    };
    let (width, height) = (width as usize, height as usize);
    let inside = cropped(mask, extent, [left as usize, top as usize], [width, height]);
    let mut edges = edges(&inside, width, height);
    let mut outlines = Vec::new();
    for start in 0..edges.len() {
        while edges[start] != 0 {
            let outline = follow(&mut edges, start, width + 1);
            let shifted = outline
                .into_iter()
                .map(|[x, y]| [x as f64 + f64::from(left), y as f64 + f64::from(top)]);
            outlines.push(shifted.collect());
        }
    }
    outlines
}

/// The mask as one polygon.
pub(super) fn outline(mask: &Mask, extent: Extent) -> Vec<Point> {
    joined(outlines(mask, extent))
}

/// Whether an outline goes around a hole.
pub(super) fn is_hole(outline: &[Point]) -> bool {
    let next = outline.iter().cycle().skip(1);
    let twice: f64 = outline
        .iter()
        .zip(next)
        .map(|(a, b)| a[0] * b[1] - b[0] * a[1])
        .sum();
    twice < 0.0
}

/// Several closed polygons as one.
pub(super) fn joined(outlines: Vec<Vec<Point>>) -> Vec<Point> {
    let mut outlines = outlines.into_iter();
    let mut polygon = outlines.next().unwrap_or_default();
    let Some(&anchor) = polygon.first() else {
        return polygon;
    };
    for (number, outline) in outlines.enumerate() {
        if number == 0 {
            polygon.push(anchor);
        }
        let first = outline.first().copied();
        polygon.extend(outline);
        polygon.extend(first);
        polygon.push(anchor);
    }
    polygon
}

/// The part of a mask inside a box, row by row.
fn cropped(mask: &Mask, extent: Extent, [left, top]: [usize; 2], [w, h]: [usize; 2]) -> Vec<bool> {
    let mut inside = vec![false; w * h];
    let rows = extent.height as usize;
    let mut position = 0;
    for (number, &run) in mask.counts.iter().enumerate() {
        let end = position + run as usize;
        if number % 2 == 1 {
            for at in position..end {
                inside[(at % rows - top) * w + at / rows - left] = true;
            }
        }
        position = end;
    }
    inside
}

/// For every corner of a grid of pixels, which edges of an outline start there: one bit for each of
/// [`STEPS`].
fn edges(inside: &[bool], width: usize, height: usize) -> Vec<u8> {
    let mut edges = vec![0; (width + 1) * (height + 1)];
    let is_set = |x: usize, y: usize| x < width && y < height && inside[y * width + x];
    for y in 0..height {
        for x in (0..width).filter(|&x| is_set(x, y)) {
            let corner = |x: usize, y: usize| y * (width + 1) + x;
            let borders = [
                (is_set(x, y.wrapping_sub(1)), corner(x, y)),
                (is_set(x + 1, y), corner(x + 1, y)),
                (is_set(x, y + 1), corner(x + 1, y + 1)),
                (is_set(x.wrapping_sub(1), y), corner(x, y + 1)),
            ];
            for (step, (_, from)) in borders.iter().enumerate().filter(|(_, (set, _))| !set) {
                edges[*from] |= 1 << step;
            }
        }
    }
    edges
}

/// Right, down, left, up.
const STEPS: [[isize; 2]; 4] = [[1, 0], [0, 1], [-1, 0], [0, -1]];

/// Takes one closed outline out of `edges`, and returns its corners.
fn follow(edges: &mut [u8], start: usize, columns: usize) -> Vec<[usize; 2]> {
    let mut corners = Vec::new();
    let (mut at, mut direction) = (start, usize::MAX);
    loop {
        // Where two outlines touch, turning right keeps them apart.
        let turns = [1, 0, 3].map(|turn| (direction.wrapping_add(turn)) % 4);
        let next = match direction {
            usize::MAX => (0..4).find(|&step| edges[at] & (1 << step) != 0),
            _ => turns.into_iter().find(|&step| edges[at] & (1 << step) != 0),
        };
        let Some(step) = next else { break };
        if step != direction {
            corners.push([at % columns, at / columns]);
        }
        edges[at] &= !(1 << step);
        direction = step;
        let [dx, dy] = STEPS[step];
        at = at.wrapping_add_signed(dy * columns as isize + dx);
        if at == start {
            break;
        }
    }
    corners
}

/// The pixels whose middles lie inside a polygon, by the even-odd rule.
///
/// # Errors
/// If a number is not finite, or the polygon is far too long.
pub(super) fn fill(polygon: &[Point], extent: Extent) -> Result<Mask, String> {
    if polygon.len() < 3 {
        return Err("has a polygon of less than three corners".to_owned());
    }
    if !polygon.iter().flatten().all(|v| v.is_finite()) {
        return Err("has a polygon with a corner that is not a number".to_owned());
    }
    let (width, height) = (f64::from(extent.width), f64::from(extent.height));
    let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); extent.width as usize];
    let mut count = 0;
    for (a, b) in polygon.iter().zip(polygon.iter().cycle().skip(1)) {
        // The order does not depend on the direction, so that bridges there and back cross alike.
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        let column = |x: f64| (x - 0.5).ceil().clamp(0.0, width) as usize;
        let (first, end) = (column(a[0]), column(b[0]));
        count += (end - first) as u64;
        if count > MOST_CROSSINGS {
            return Err("has a polygon that is too long to be an outline".to_owned());
        }
        for (x, column) in (first..end).zip(&mut crossings[first..end]) {
            let share = (x as f64 + 0.5 - a[0]) / (b[0] - a[0]);
            column.push(a[1] + share * (b[1] - a[1]));
        }
    }
    let mut runs = Runs::default();
    for (x, mut column) in crossings.into_iter().enumerate() {
        column.sort_by(f64::total_cmp);
        let row = |y: f64| (y - 0.5).ceil().clamp(0.0, height) as u64;
        for &[from, to] in column.as_chunks::<2>().0 {
            let above = x as u64 * u64::from(extent.height);
            runs.add(above + row(from), above + row(to));
        }
    }
    Ok(runs.finish(extent))
}

/// Run lengths in the order of columns.
#[derive(Default)]
struct Runs {
    counts: Vec<u32>,
    end: u64,
}

impl Runs {
    /// Sets pixels that follow those already set.
    fn add(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        match self.counts.last_mut() {
            Some(last) if from == self.end => *last += (to - from) as u32,
            _ => self
                .counts
                .extend([(from - self.end) as u32, (to - from) as u32]),
        }
        self.end = to;
    }

    fn finish(mut self, extent: Extent) -> Mask {
        let area = u64::from(extent.width) * u64::from(extent.height);
        if self.end < area || self.counts.is_empty() {
            self.counts.push((area - self.end) as u32);
        }
        Mask {
            counts: self.counts,
        }
    }
}

/// The pixels of any of the masks.
pub(super) fn union(masks: &[Mask], extent: Extent) -> Mask {
    let (width, height) = extent.dimensions();
    let mut bitmap = vec![false; extent.area()];
    for mask in masks {
        for (pixel, set) in bitmap.iter_mut().zip(mask.to_bitmap(width, height)) {
            *pixel |= set;
        }
    }
    Mask::from_bitmap(&bitmap, width, height)
}

/// The upright rectangle of a box as a polygon.
pub(super) fn rectangle([x, y, width, height]: [f32; 4]) -> Vec<Point> {
    let [x, y, width, height] = [x, y, width, height].map(f64::from);
    let (right, bottom) = (x + width, y + height);
    vec![[x, y], [right, y], [right, bottom], [x, bottom]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXTENT: Extent = Extent::new(9, 7);

    fn bitmap(rows: &[&str]) -> Mask {
        let pixels: Vec<bool> = rows.concat().chars().map(|c| c == '#').collect();
        Mask::from_bitmap(&pixels, rows[0].len() as u32, rows.len() as u32)
    }

    proptest! {
        #[test]
        fn any_mask_survives_as_one_polygon(pixels in prop::collection::vec(any::<bool>(), 63)) {
            let mask = Mask::from_bitmap(&pixels, 9, 7);
            prop_assume!(mask.area() > 0);
            let polygon = outline(&mask, EXTENT);
            prop_assert_eq!(fill(&polygon, EXTENT).unwrap(), mask);
        }
    }

    #[test]
    fn a_rectangle_has_four_corners_and_a_hole_is_one() {
        let mask = bitmap(&["....", ".##.", ".##."]);
        let extent = Extent::new(4, 3);
        let expected = vec![[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 3.0]];
        assert_eq!(outlines(&mask, extent), [expected]);
        let ring = bitmap(&["###", "#.#", "###"]);
        let found = outlines(&ring, Extent::new(3, 3));
        let holes: Vec<bool> = found.iter().map(|outline| is_hole(outline)).collect();
        assert_eq!(holes, [false, true]);
    }

    #[test]
    fn polygons_that_are_none_are_refused() {
        let line = [[0.0, 0.0], [5.0, 5.0]];
        assert!(fill(&line, EXTENT).is_err());
        let nan = [[0.0, f64::NAN], [5.0, 5.0], [0.0, 5.0]];
        assert!(fill(&nan, EXTENT).is_err());
        let beyond = [
            [-1e300, -1e300],
            [1e300, -1e300],
            [1e300, 1e300],
            [-1e300, 1e300],
        ];
        assert_eq!(fill(&beyond, EXTENT).map(|mask| mask.area()), Ok(63));
    }

    #[test]
    fn a_union_has_the_pixels_of_both() {
        let one = bitmap(&["#.", ".."]);
        let other = bitmap(&[".#", ".#"]);
        let both = union(&[one, other], Extent::new(2, 2));
        assert_eq!(both, bitmap(&["##", ".#"]));
    }
}
