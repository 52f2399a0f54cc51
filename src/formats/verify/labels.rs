//! Labels of one picture against each other.

use crate::sample::{Extent, Labels, Object, Visibility};

/// How far a box may be from the box of its mask, in pixels. Boxes of polygons have fractions of pixels, masks
/// have not.
const BOX_SLACK: f32 = 0.75;

/// How far a visible keypoint may lie beyond its box: pixels, and a share of the box.
const KEYPOINT_SLACK: (f32, f32) = (2.0, 0.1);

/// The kind and description of everything that is doubtful.
pub(super) fn doubts(labels: &Labels, extent: Extent) -> Vec<(&'static str, String)> {
    let mut doubts = Vec::new();
    for (number, object) in labels.objects().iter().enumerate() {
        let name = format!("object {number} (`{}`)", object.class);
        let mut doubt = |kind, problem: &str| doubts.push((kind, format!("{name} {problem}")));
        if let Some(problem) = outside(object, extent) {
            doubt("box", &problem);
        }
        if let Some(problem) = against_mask(object, extent) {
            doubt("mask", &problem);
        }
        for problem in keypoints(object, extent) {
            doubt("keypoints", &problem);
        }
        let earlier = labels.objects()[..number].iter();
        if earlier.clone().any(|other| is_same(other, object)) {
            doubt("box", "has the same class and place as another");
        }
    }
    doubts
}

fn outside(object: &Object, extent: Extent) -> Option<String> {
    let [x, y, w, h] = object.bbox_xywh;
    let beyond = [
        -x,
        -y,
        x + w - extent.width as f32,
        y + h - extent.height as f32,
    ];
    let most = beyond.into_iter().fold(0.0, f32::max);
    (most > BOX_SLACK)
        .then(|| format!("has a box that reaches {most:.1} pixels beyond the picture"))
}

fn against_mask(object: &Object, extent: Extent) -> Option<String> {
    let mask = object.mask.as_ref()?;
    let pixels: u64 = mask.counts.iter().map(|&run| u64::from(run)).sum();
    if pixels != extent.area() as u64 {
        return Some(format!(
            "has a mask of {pixels} pixels, not of {}",
            extent.area()
        ));
    }
    let tight = mask.bbox_xywh(extent.height)?;
    let edges = |[x, y, w, h]: [f32; 4]| {
        let (right, bottom) = (
            (x + w).min(extent.width as f32),
            (y + h).min(extent.height as f32),
        );
        [x.max(0.0), y.max(0.0), right, bottom]
    };
    let (own, tight) = (edges(object.bbox_xywh), edges(tight));
    let off = own.iter().zip(tight).map(|(a, b)| (a - b).abs());
    let off = off.fold(0.0, f32::max);
    (off > BOX_SLACK)
        .then(|| format!("has a box whose edges are up to {off:.1} pixels from those of its mask"))
}

fn keypoints(object: &Object, extent: Extent) -> Vec<String> {
    let [x, y, w, h] = object.bbox_xywh;
    let slack = |side: f32| KEYPOINT_SLACK.0 + KEYPOINT_SLACK.1 * side;
    let (width, height) = (extent.width as f32, extent.height as f32);
    let known = object
        .keypoints
        .iter()
        .filter(|k| k.visibility != Visibility::Outside);
    let problem = |keypoint: &crate::sample::Keypoint| {
        let inside = (0.0..=width).contains(&keypoint.x) && (0.0..=height).contains(&keypoint.y);
        let far = keypoint.x < x - slack(w)
            || keypoint.x > x + w + slack(w)
            || keypoint.y < y - slack(h)
            || keypoint.y > y + h + slack(h);
        let name = &keypoint.name;
        match keypoint.visibility {
            _ if !inside => Some(format!("has the keypoint `{name}` outside the picture")),
            Visibility::Visible if far => {
                Some(format!("has the visible keypoint `{name}` beyond its box"))
            }
            _ => None,
        }
    };
    known.filter_map(problem).collect()
}

/// Whether two objects are one that is labelled twice.
fn is_same(a: &Object, b: &Object) -> bool {
    let close = a
        .bbox_xywh
        .iter()
        .zip(b.bbox_xywh)
        .all(|(a, b)| (a - b).abs() < 0.5);
    a.class == b.class && close && a.mask == b.mask
}
