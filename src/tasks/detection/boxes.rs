//! Boxes x, y, width, height in pixels: their overlap, and which of several that show the same object stays.

use crate::tasks::Detection;

/// Intersection over union, 0..1; 0 of boxes without an area.
pub fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let side = |axis: usize| {
        let low = a[axis].max(b[axis]);
        let high = (a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]);
        (high - low).max(0.0)
    };
    let common = side(0) * side(1);
    let either = area(a) + area(b) - common;
    if either > 0.0 { common / either } else { 0.0 }
}

/// Pixels that a box covers.
pub fn area([_, _, width, height]: [f32; 4]) -> f32 {
    width.max(0.0) * height.max(0.0)
}

/// The part of a box that lies in a picture of `width` by `height` pixels.
pub fn clipped([x, y, w, h]: [f32; 4], [width, height]: [f32; 2]) -> [f32; 4] {
    let [left, right] = [x, x + w].map(|edge| edge.clamp(0.0, width));
    let [top, bottom] = [y, y + h].map(|edge| edge.clamp(0.0, height));
    [left, top, right - left, bottom - top]
}

/// Keeps the surest detections, and of those that overlap one of them by more than `limit` (intersection over
/// union) none, of whatever class: greedy non-maximum suppression. The result is in the order of scores, equal ones in
/// that of places.
pub fn suppress(mut found: Vec<Detection>, limit: f32) -> Vec<Detection> {
    found.sort_by(|a, b| {
        let place = |d: &Detection| (d.bbox_xywh[1], d.bbox_xywh[0], d.class);
        let order = b.score.total_cmp(&a.score);
        order.then_with(|| {
            place(a)
                .partial_cmp(&place(b))
                .unwrap_or(std::cmp::Ordering::Equal)
        })
    });
    let mut kept: Vec<Detection> = Vec::new();
    for one in found {
        let beaten = kept
            .iter()
            .any(|other| iou(other.bbox_xywh, one.bbox_xywh) > limit);
        if !beaten {
            kept.push(one);
        }
    }
    kept
}

/// A box in the mirrored picture, which is so wide.
pub fn mirrored([x, y, w, h]: [f32; 4], width: u32) -> [f32; 4] {
    [width as f32 - x - w, y, w, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(class: usize, bbox_xywh: [f32; 4], score: f32) -> Detection {
        Detection {
            class,
            bbox_xywh,
            score,
        }
    }

    #[test]
    fn overlaps_are_shares_of_the_union() {
        let a = [0.0, 0.0, 10.0, 10.0];
        assert_eq!(iou(a, a), 1.0);
        assert_eq!(iou(a, [5.0, 0.0, 10.0, 10.0]), 50.0 / 150.0);
        assert_eq!(iou(a, [2.0, 2.0, 5.0, 5.0]), 0.25);
        for apart in [
            [10.0, 0.0, 5.0, 5.0],
            [50.0, 50.0, 1.0, 1.0],
            [3.0, 3.0, 0.0, 4.0],
        ] {
            assert_eq!(iou(a, apart), 0.0);
        }
        assert_eq!(iou([1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]), 0.0);
    }

    #[test]
    fn boxes_end_at_the_edges_of_the_picture() {
        assert_eq!(
            clipped([-3.0, 5.0, 10.0, 10.0], [20.0, 12.0]),
            [0.0, 5.0, 7.0, 7.0]
        );
        assert_eq!(clipped([30.0, 5.0, 10.0, 10.0], [20.0, 12.0])[2], 0.0);
    }

    #[test]
    fn the_surest_of_several_in_a_place_stays() {
        let found = vec![
            detection(0, [1.0, 0.0, 10.0, 10.0], 0.5),
            detection(0, [0.0, 0.0, 10.0, 10.0], 0.9),
            detection(1, [0.0, 0.0, 10.0, 10.0], 0.7),
            detection(0, [20.0, 0.0, 10.0, 10.0], 0.2),
        ];
        let kept = suppress(found.clone(), 0.5);
        let scores: Vec<f32> = kept.iter().map(|one| one.score).collect();
        assert_eq!(scores, [0.9, 0.2]);
        // Two of the same place are one, and one that overlaps less than the limit stays.
        assert_eq!(suppress(found, 0.9).len(), 3);
    }
}
