//! Binary masks as COCO's uncompressed run lengths, and their boxes.

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask {
    /// Lengths of the runs in pixels, zeros and ones in turn; the first is 0 if the first pixel is set.
    pub counts: Vec<u32>,
}

impl Mask {
    /// From a row-major bitmap of `width` × `height`.
    pub fn from_bitmap(bitmap: &[bool], width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        let mut counts = Vec::new();
        let (mut value, mut run) = (false, 0);
        for x in 0..width {
            for y in 0..height {
                if bitmap[y * width + x] != value {
                    counts.push(run);
                    value = !value;
                    run = 0;
                }
                run += 1;
            }
        }
        counts.push(run);
        Mask { counts }
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
