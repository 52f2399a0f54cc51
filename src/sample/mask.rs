//! Binary masks as COCO's uncompressed run lengths, and their boxes.

use serde::{Deserialize, Serialize};

use super::Extent;

/// A mask as run lengths in column-major order, starting with a run of zeros (COCO's `counts`).
///
/// ```
/// use verismo::sample::Mask;
///
/// // Two pixels of a picture of 3×2.
/// let mask = Mask::from_bitmap(&[false, true, false, false, true, false], 3, 2);
/// assert_eq!(mask.counts, [2, 2, 2]);
/// assert_eq!(mask.bbox_xywh(2), Some([1.0, 0.0, 1.0, 2.0]));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mask {
    /// Lengths of the runs in pixels, zeros and ones in turn; the first is 0 if the first pixel is set.
    pub counts: Vec<u32>,
}

impl Mask {
    /// From a row-major bitmap of `width` × `height`.
    pub fn from_bitmap(bitmap: &[bool], width: u32, height: u32) -> Self {
        let whole = Extent::new(width, height);
        Mask::from_part(bitmap, [0, 0], whole, whole)
    }

    /// From the row-major bitmap of a part, with its upper left corner, of a picture; nothing is set elsewhere. The part
    /// lies in the picture.
    pub fn from_part(bitmap: &[bool], corner: [u32; 2], part: Extent, picture: Extent) -> Self {
        let mut runs = Runs::default();
        let (width, rows) = (part.width as usize, part.height as usize);
        let below = picture.height - corner[1] - part.height;
        runs.push(false, corner[0] * picture.height);
        for x in 0..width {
            runs.push(false, corner[1]);
            (0..rows).for_each(|y| runs.push(bitmap[y * width + x], 1));
            runs.push(false, below);
        }
        runs.push(
            false,
            (picture.width - corner[0] - part.width) * picture.height,
        );
        runs.counts.push(runs.run);
        Mask {
            counts: runs.counts,
        }
    }

    /// Converts to a row-major bitmap; runs beyond the picture are cut.
    pub fn to_bitmap(&self, width: u32, height: u32) -> Vec<bool> {
        let (width, height) = (width as usize, height as usize);
        let mut bitmap = vec![false; width * height];
        let mut position = 0;
        for (i, &run) in self.counts.iter().enumerate() {
            let end = (position + run as usize).min(width * height);
            if i % 2 == 1 {
                for p in position..end {
                    bitmap[(p % height) * width + p / height] = true;
                }
            }
            position = end;
        }
        bitmap
    }

    /// Number of set pixels.
    pub fn area(&self) -> u32 {
        self.counts.iter().skip(1).step_by(2).sum()
    }

    /// The tight box (x, y, width, height) in pixels, for a picture `height` pixels high; `None` if the mask
    /// is empty.
    pub fn bbox_xywh(&self, height: u32) -> Option<[f32; 4]> {
        let (mut x0, mut y0, mut x1, mut y1) = (u32::MAX, u32::MAX, 0, 0);
        let mut position = 0;
        for (i, &run) in self.counts.iter().enumerate() {
            if i % 2 == 1 && run > 0 {
                let (first, last) = (position, position + run - 1);
                x0 = x0.min(first / height);
                x1 = x1.max(last / height + 1);
                if first / height == last / height {
                    y0 = y0.min(first % height);
                    y1 = y1.max(last % height + 1);
                } else {
                    (y0, y1) = (0, height);
                }
            }
            position += run;
        }
        (x0 < x1).then(|| [x0 as f32, y0 as f32, (x1 - x0) as f32, (y1 - y0) as f32])
    }
}

/// Run lengths in the making.
#[derive(Default)]
struct Runs {
    counts: Vec<u32>,
    value: bool,
    run: u32,
}

impl Runs {
    fn push(&mut self, value: bool, count: u32) {
        if value != self.value && count > 0 {
            self.counts.push(self.run);
            self.value = value;
            self.run = 0;
        }
        self.run += count;
    }
}

/// Intersection over union of two bitmaps, 0..1; 0 if nothing is set in either.
pub fn overlap(a: &[bool], b: &[bool]) -> f64 {
    let count = |of: fn(bool, bool) -> bool| a.iter().zip(b).filter(|(a, b)| of(**a, **b)).count();
    let [both, either] = [count(|a, b| a && b), count(|a, b| a || b)];
    both as f64 / either.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmap_round_trips_and_box_is_tight() {
        let (width, height) = (5, 4);
        let mut bitmap = vec![false; 20];
        for (x, y) in [(1, 1), (1, 2), (3, 2)] {
            bitmap[y * 5 + x] = true;
        }
        let mask = Mask::from_bitmap(&bitmap, width, height);
        assert_eq!(mask.to_bitmap(width, height), bitmap);
        assert_eq!(mask.area(), 3);
        assert_eq!(mask.bbox_xywh(height), Some([1.0, 1.0, 3.0, 2.0]));
        assert_eq!(mask.counts, [5, 2, 7, 1, 5]);
    }

    #[test]
    fn a_part_of_a_picture_is_set_as_its_bitmap_is() {
        let bitmap = [true, false, true, true];
        let part = Mask::from_part(&bitmap, [1, 2], Extent::square(2), Extent::new(4, 5));
        let mut whole = vec![false; 20];
        for (x, y) in [(1, 2), (1, 3), (2, 3)] {
            whole[y * 4 + x] = true;
        }
        assert_eq!(part, Mask::from_bitmap(&whole, 4, 5));
        let nothing = Mask::from_part(&[], [3, 0], Extent::new(0, 0), Extent::new(4, 5));
        assert_eq!(nothing.counts, [20]);
    }

    #[test]
    fn an_empty_mask_has_no_box() {
        let mask = Mask::from_bitmap(&[false; 6], 3, 2);
        assert_eq!((mask.area(), mask.bbox_xywh(2)), (0, None));
    }

    #[test]
    fn a_full_mask_spans_the_picture() {
        let mask = Mask::from_bitmap(&[true; 6], 3, 2);
        assert_eq!(mask.counts, [0, 6]);
        assert_eq!(mask.bbox_xywh(2), Some([0.0, 0.0, 3.0, 2.0]));
    }

    #[test]
    fn overlaps_are_shares_of_what_either_covers() {
        let [a, b] = [[true, true, false, false], [false, true, true, false]];
        assert!((overlap(&a, &b) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(overlap(&[false], &[false]), 0.0);
    }
}
