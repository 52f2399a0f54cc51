//! Random erasing (Zhong et al. 2020, <https://arxiv.org/abs/1708.04896>): a rectangle of plain grey hides
//! part of the picture, so that a recogniser cannot rely on a single detail.
//!
//! Deviation from the paper: the rectangle is treated as an occluder. Masks, boxes and visible fractions lose
//! what it covers, keypoints under it become hidden, and maps are unknown there. A draw that would cover the
//! last object of the picture's class is not applied.

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{self, Transform, TransformKind, View, check_range, draw, keeps_class};
use crate::Result;
use crate::sample::{Extent, Mask, Object, Visibility};
use crate::seed::Stream;

/// The registry entry of [`Erase`].
pub(super) const ERASE: TransformKind = TransformKind {
    name: "erase",
    about: "hides a rectangle behind plain grey",
    parse: kind::parse::<Erase>,
    schema: kind::schema::<Erase>,
};

/// Hides a rectangle behind plain grey. Off by default.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Erase {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Range of each side, as a fraction of the picture's side, 0..1.
    pub size: [f64; 2],
}

impl Default for Erase {
    fn default() -> Self {
        Erase {
            probability: 0.0,
            size: [0.1, 0.25],
        }
    }
}

/// A rectangle of whole pixels, from x0, y0 to x1, y1 exclusive.
#[derive(Debug, Clone, Copy)]
struct Patch {
    x0: u32,
    y0: u32,
    x1: u32,
    y1: u32,
}

impl Patch {
    fn covers(&self, x: u32, y: u32) -> bool {
        (self.x0..self.x1).contains(&x) && (self.y0..self.y1).contains(&y)
    }

    /// The positions that it covers in a row-major picture with `width` pixels per row.
    fn positions(&self, width: u32) -> impl Iterator<Item = usize> {
        let Patch { x0, y0, x1, y1 } = *self;
        (y0..y1).flat_map(move |y| (x0..x1).map(move |x| (y * width + x) as usize))
    }
}

impl Transform for Erase {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("size", self.size, 0.0..=1.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let extent = view.extent();
        let mut span = |side: u32| {
            let length = (f64::from(side) * draw(stream, self.size)).round() as u32;
            let start = stream.random_range(0..=side - length);
            (start, start + length)
        };
        let ((x0, x1), (y0, y1)) = (span(extent.width), span(extent.height));
        let grey: u8 = stream.random();
        if x0 == x1 || y0 == y1 {
            return Ok(None);
        }
        let patch = Patch { x0, y0, x1, y1 };
        let mut labels = view.labels.clone();
        if let Some(objects) = &mut labels.objects {
            objects.retain_mut(|object| cover(object, patch, extent));
        }
        if !keeps_class(&view.labels, &labels) {
            return Ok(None);
        }
        labels.maps.edit(&view.name, |kind, values| {
            let hidden = patch.positions(extent.width);
            hidden.for_each(|p| values[p] = kind.nothing);
        })?;
        view.labels = labels;
        for (y, x) in (y0..y1).flat_map(|y| (x0..x1).map(move |x| (y, x))) {
            view.pixels.put_pixel(x, y, image::Rgb([grey; 3]));
        }
        let (width, height) = (x1 - x0, y1 - y0);
        Ok(Some(format!(
            "erase(x={x0},y={y0},width={width},height={height},grey={grey})"
        )))
    }
}

/// Removes the covered part from an object; `false` if nothing is left. The box of an object without a mask
/// is unchanged.
fn cover(object: &mut Object, patch: Patch, extent: Extent) -> bool {
    for keypoint in &mut object.keypoints {
        let covered = patch.covers(keypoint.x.max(0.0) as u32, keypoint.y.max(0.0) as u32);
        if covered && keypoint.visibility == Visibility::Visible {
            keypoint.visibility = Visibility::Hidden;
        }
    }
    let Some(mask) = &object.mask else {
        return true;
    };
    let mut bitmap = mask.to_bitmap(extent.width, extent.height);
    patch
        .positions(extent.width)
        .for_each(|p| bitmap[p] = false);
    let left = Mask::from_bitmap(&bitmap, extent.width, extent.height);
    object.visible_fraction *= left.area() as f32 / mask.area().max(1) as f32;
    let bbox = left.bbox_xywh(extent.height);
    object.mask = Some(left);
    bbox.map(|bbox| object.bbox_xywh = bbox).is_some()
}
