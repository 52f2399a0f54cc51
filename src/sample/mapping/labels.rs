//! What becomes of labels under a [`Mapping`].

use glam::{DMat2, DVec2};

use super::{Beyond, Border, Mapping};
use crate::Result;
use crate::sample::{Amodal, Camera, Extent, Labels, Mask, Object, Visibility};

impl Labels {
    /// The labels of the mapped picture. Objects of which nothing is left are removed. An object that the old
    /// frame cut off continues into what `border` fills, and so does its mask.
    ///
    /// # Errors
    /// If a map cannot be decoded; the message calls its sample `name`.
    pub fn map(&self, mapping: &Mapping, border: Border, name: &str) -> Result<Labels> {
        let mut labels = self.clone();
        if let Some(objects) = &mut labels.objects {
            objects.retain_mut(|object| object.map(mapping, border));
        }
        let unit = |c: Camera| DVec2::new(c.fx.into(), c.fy.into());
        let turned = match self.camera {
            Some(camera) => mapping.turn(unit(camera)),
            None => mapping.turn(DVec2::ONE).map(|(turn, _)| (turn, DVec2::ONE)),
        };
        labels.camera = match (self.camera, turned) {
            (Some(camera), Some((_, scale))) => Some(camera.map(mapping, scale)),
            _ => None,
        };
        let turn = turned.map(|(turn, _)| turn);
        labels.maps = self.maps.map(mapping, turn, name)?;
        // Mirroring is not a rigid motion of the object.
        let turn = turn.filter(|turn| turn.determinant() > 0.0);
        for object in labels.objects_mut() {
            object.pose = object
                .pose
                .zip(turn)
                .map(|(pose, turn)| turn_pose(pose, turn));
        }
        Ok(labels)
    }
}

impl Camera {
    fn map(self, mapping: &Mapping, scale: DVec2) -> Camera {
        let [cx, cy] = mapping.forward([self.cx.into(), self.cy.into()]);
        Camera {
            fx: scale.x as f32,
            fy: scale.y as f32,
            cx: cx as f32,
            cy: cy as f32,
        }
    }
}

/// Rotates a row-major 3×4 pose about the optical axis.
fn turn_pose(mut pose: [f32; 12], turn: DMat2) -> [f32; 12] {
    let turn = turn.as_mat2();
    for column in 0..4 {
        let turned = turn * glam::vec2(pose[column], pose[column + 4]);
        (pose[column], pose[column + 4]) = (turned.x, turned.y);
    }
    pose
}

impl Object {
    /// Maps everything except the pose; `false` if nothing of the object is left.
    fn map(&mut self, mapping: &Mapping, border: Border) -> bool {
        for keypoint in &mut self.keypoints {
            let to = mapping.forward([keypoint.x.into(), keypoint.y.into()]);
            (keypoint.x, keypoint.y) = (to[0] as f32, to[1] as f32);
            if !mapping.to.contains(to) {
                keypoint.visibility = Visibility::Outside;
            }
        }
        self.amodal = self.amodal.take().map(|amodal| amodal.map(mapping));
        let Some(mask) = self.mask.take() else {
            return self.map_box(mapping);
        };
        let bitmap = mask.to_bitmap(mapping.from.width, mapping.from.height);
        self.cut(share_inside(&bitmap, mapping));
        let mask = map_mask(&bitmap, mapping, Some(border));
        let bbox = mask.bbox_xywh(mapping.to.height);
        self.mask = Some(mask);
        bbox.map(|bbox| self.bbox_xywh = bbox).is_some()
    }

    /// Maps the box of an object without a mask, clipped.
    fn map_box(&mut self, mapping: &Mapping) -> bool {
        let [x, y, w, h] = mapping.bounds(self.bbox_xywh);
        let clip = |low: f64, length: f64, side: u32| {
            let clipped = [low, low + length].map(|edge| edge.clamp(0.0, side.into()));
            (clipped[0], clipped[1] - clipped[0])
        };
        let (left, width) = clip(x, w, mapping.to.width);
        let (top, height) = clip(y, h, mapping.to.height);
        self.bbox_xywh = [left, top, width, height].map(|value| value as f32);
        let share = width * height / (w * h);
        self.cut(share);
        share > 0.0
    }

    /// Records that only this share, 0..1, of what was visible still is.
    fn cut(&mut self, share: f64) {
        self.visible_fraction *= share as f32;
        if let Some(truncation) = &mut self.truncation {
            *truncation = 1.0 - (1.0 - *truncation) * share as f32;
        }
    }
}

impl Amodal {
    fn map(self, mapping: &Mapping) -> Amodal {
        let Extent { width, height } = mapping.from;
        let mask = self
            .mask
            .map(|mask| map_mask(&mask.to_bitmap(width, height), mapping, None));
        Amodal {
            bbox_xywh: mapping.bounds(self.bbox_xywh).map(|value| value as f32),
            mask,
        }
    }
}

/// The share of a bitmap's pixels that stay in the frame, counted over the old pixels so that it is exactly 1
/// if all of them do.
fn share_inside(bitmap: &[bool], mapping: &Mapping) -> f64 {
    let width = mapping.from.width;
    let (mut all, mut kept) = (0_u32, 0_u32);
    for (position, _) in bitmap.iter().enumerate().filter(|(_, set)| **set) {
        let (x, y) = (position as u32 % width, position as u32 / width);
        let centre = [f64::from(x) + 0.5, f64::from(y) + 0.5];
        all += 1;
        kept += u32::from(mapping.to.contains(mapping.forward(centre)));
    }
    f64::from(kept) / f64::from(all.max(1))
}

/// A mask continues beyond the old frame only if it touched the edge.
fn map_mask(bitmap: &[bool], mapping: &Mapping, border: Option<Border>) -> Mask {
    let beyond = match border {
        Some(border) if touches_edge(bitmap, mapping.from.width) => Beyond::Border(border),
        _ => Beyond::Value(false),
    };
    let Extent { width, height } = mapping.to;
    Mask::from_bitmap(&mapping.nearest(bitmap, beyond), width, height)
}

/// Whether a row-major bitmap is set anywhere along the picture's edges.
fn touches_edge(bitmap: &[bool], width: u32) -> bool {
    let mut rows = bitmap.chunks(width as usize);
    let full = |row: Option<&[bool]>| row.is_some_and(|row| row.contains(&true));
    let (first, last) = (rows.next(), rows.next_back());
    full(first) || full(last) || rows.any(|row| row[0] || row[row.len() - 1])
}
