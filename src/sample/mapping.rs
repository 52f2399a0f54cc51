//! Affine maps between pictures, applied to pixels and labels alike. Crop, resize, augmentation and
//! translation all map labels through this module.

use ::image::RgbImage;
use glam::{DAffine2, DMat2, DVec2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Amodal, Camera, Extent, Labels, Mask, Object, Visibility};
use crate::Result;

/// An affine map from the pixels of one picture to those of another. Pixel (0, 0) covers 0..1 in both
/// directions; x points right, y down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mapping {
    forward: DAffine2,
    inverse: DAffine2,
    /// Size of the old picture.
    pub from: Extent,
    /// Size of the new picture.
    pub to: Extent,
}

/// What is beyond the edges of the old picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Border {
    /// Repeats the outermost pixels.
    #[default]
    Replicate,
    /// Mirrors the picture at its edges.
    Reflect,
}

impl Border {
    /// The pixel, 0..`length`, used in place of the one at `position`.
    pub fn index(self, position: i64, length: u32) -> u32 {
        let length = i64::from(length);
        let index = match self {
            Border::Replicate => position.clamp(0, length - 1),
            Border::Reflect => {
                let folded = position.rem_euclid(2 * length);
                folded.min(2 * length - 1 - folded)
            }
        };
        index as u32
    }
}

/// The values that [`Mapping::nearest`] uses beyond the edges of the old picture.
#[derive(Debug, Clone, Copy)]
pub enum Beyond<T> {
    /// Always this value.
    Value(T),
    /// The values of the picture itself, continued.
    Border(Border),
}

impl Mapping {
    /// From the map of old points to new points, which must be invertible.
    pub fn new(forward: DAffine2, from: Extent, to: Extent) -> Self {
        Mapping {
            forward,
            inverse: forward.inverse(),
            from,
            to,
        }
    }

    /// Swaps left and right.
    pub fn mirror(extent: Extent) -> Self {
        let axis = DMat2::from_diagonal(DVec2::new(-1.0, 1.0));
        let shift = DVec2::new(extent.width.into(), 0.0);
        Mapping::new(DAffine2::from_mat2_translation(axis, shift), extent, extent)
    }

    /// Rotates by `angle` radians, clockwise as seen, and scales, both about the centre; then shifts by
    /// `shift` pixels.
    pub fn similarity(extent: Extent, angle: f64, scale: f64, shift: [f64; 2]) -> Self {
        let middle = DVec2::new(extent.width.into(), extent.height.into()) / 2.0;
        let matrix = DMat2::from_angle(angle) * scale;
        let shift = middle + DVec2::from(shift) - matrix * middle;
        Mapping::new(
            DAffine2::from_mat2_translation(matrix, shift),
            extent,
            extent,
        )
    }

    /// Scales to another width and height.
    pub fn resize(from: Extent, to: Extent) -> Self {
        let sides = |extent: Extent| DVec2::new(extent.width.into(), extent.height.into());
        Mapping::new(DAffine2::from_scale(sides(to) / sides(from)), from, to)
    }

    /// Crops to the area whose top left pixel is (`left`, `top`), which may be outside the picture.
    pub fn crop(from: Extent, left: i64, top: i64, to: Extent) -> Self {
        let shift = DVec2::new(-left as f64, -top as f64);
        Mapping::new(DAffine2::from_translation(shift), from, to)
    }

    /// This mapping, followed by `next`.
    pub fn then(&self, next: &Mapping) -> Self {
        Mapping::new(next.forward * self.forward, self.from, next.to)
    }

    /// The new position of a point of the old picture.
    pub fn forward(&self, point: [f64; 2]) -> [f64; 2] {
        self.forward.transform_point2(point.into()).to_array()
    }

    /// The old position of a point of the new picture.
    pub fn inverse(&self, point: [f64; 2]) -> [f64; 2] {
        self.inverse.transform_point2(point.into()).to_array()
    }

    /// The rotation of directions, and the scale along the new picture's axes, if lengths in the old one are
    /// in units of `unit`; `None` if the map does not preserve right angles.
    pub(super) fn turn(&self, unit: DVec2) -> Option<(DMat2, DVec2)> {
        let rows = (self.forward.matrix2 * DMat2::from_diagonal(unit)).transpose();
        let scale = DVec2::new(rows.x_axis.length(), rows.y_axis.length());
        let [x, y] = [rows.x_axis / scale.x, rows.y_axis / scale.y];
        (x.dot(y).abs() < 1e-4).then(|| (DMat2::from_cols(x, y).transpose(), scale))
    }

    /// Row-major values of the old picture, sampled at the nearest pixel.
    pub fn nearest<T: Copy>(&self, values: &[T], beyond: Beyond<T>) -> Vec<T> {
        let Extent { width, height } = self.from;
        let at = |x: u32, y: u32| values[y as usize * width as usize + x as usize];
        let mut mapped = Vec::with_capacity(self.to.area());
        for y in 0..self.to.height {
            for x in 0..self.to.width {
                let [u, v] = self.inverse([f64::from(x) + 0.5, f64::from(y) + 0.5]);
                let (u, v) = (u.floor() as i64, v.floor() as i64);
                let inside =
                    (0..i64::from(width)).contains(&u) && (0..i64::from(height)).contains(&v);
                mapped.push(match beyond {
                    Beyond::Value(value) if !inside => value,
                    Beyond::Border(border) if !inside => {
                        at(border.index(u, width), border.index(v, height))
                    }
                    _ => at(u as u32, v as u32),
                });
            }
        }
        mapped
    }

    /// The mapped picture, sampled bilinearly in one pass.
    pub fn bilinear(&self, pixels: &RgbImage, border: Border) -> RgbImage {
        let (width, height) = pixels.dimensions();
        RgbImage::from_fn(self.to.width, self.to.height, |x, y| {
            let [u, v] = self.inverse([f64::from(x) + 0.5, f64::from(y) + 0.5]);
            let (u, v) = (u - 0.5, v - 0.5);
            let (left, top) = (u.floor(), v.floor());
            let (right_share, lower_share) = (u - left, v - top);
            let mut sum = [0.0; 3];
            for (column, x_weight) in [(0, 1.0 - right_share), (1, right_share)] {
                for (row, y_weight) in [(0, 1.0 - lower_share), (1, lower_share)] {
                    let from_x = border.index(left as i64 + column, width);
                    let from_y = border.index(top as i64 + row, height);
                    let colour = pixels.get_pixel(from_x, from_y);
                    for (total, value) in sum.iter_mut().zip(colour.0) {
                        *total += x_weight * y_weight * f64::from(value);
                    }
                }
            }
            ::image::Rgb(sum.map(|value| value.round() as u8))
        })
    }

    /// The tight box (x, y, width, height) around a mapped box, not clipped.
    fn bounds(&self, [x, y, w, h]: [f32; 4]) -> [f64; 4] {
        let [x, y, w, h] = [x, y, w, h].map(f64::from);
        let corners = [[x, y], [x + w, y], [x, y + h], [x + w, y + h]];
        let corners = corners.map(|corner| DVec2::from(self.forward(corner)));
        let low = corners.into_iter().fold(DVec2::INFINITY, DVec2::min);
        let high = corners.into_iter().fold(DVec2::NEG_INFINITY, DVec2::max);
        [low.x, low.y, high.x - low.x, high.y - low.y]
    }
}

impl Labels {
    /// The labels of the mapped picture. Objects of which nothing is left are removed. An object that the old
    /// frame cut off continues into what `border` fills, and so does its mask.
    ///
    /// # Errors
    /// If a map cannot be decoded; the message calls its sample `name`.
    pub fn map(&self, mapping: &Mapping, border: Border, name: &str) -> Result<Labels> {
        let mut labels = self.clone();
        labels.maps = self.maps.map(mapping, name)?;
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
        // Mirroring is not a rigid motion of the object.
        let turn = turned
            .map(|(turn, _)| turn)
            .filter(|turn| turn.determinant() > 0.0);
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

    /// Maps the box of an object without a mask: the tight box around its corners, clipped.
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

#[cfg(test)]
mod tests {
    use glam::Vec3;
    use proptest::prelude::*;

    use super::*;
    use crate::sample::Keypoint;
    use crate::sample::maps::{self, Maps, normals, semantic};

    const FROM: Extent = Extent::new(40, 30);

    fn any_mapping() -> impl Strategy<Value = Mapping> {
        let similarity = (-3.2..3.2, 0.5..2.0, -8.0..8.0, -8.0..8.0);
        let similarity = similarity
            .prop_map(|(angle, scale, dx, dy)| Mapping::similarity(FROM, angle, scale, [dx, dy]));
        let resize = (1_u32..90, 1_u32..90)
            .prop_map(|(width, height)| Mapping::resize(FROM, Extent::new(width, height)));
        let crop = (-9_i64..30, -9_i64..20, 1_u32..50, 1_u32..50)
            .prop_map(|(x, y, w, h)| Mapping::crop(FROM, x, y, Extent::new(w, h)));
        let mirrored = prop_oneof![similarity.clone(), Just(Mapping::resize(FROM, FROM))]
            .prop_map(|next| Mapping::mirror(FROM).then(&next));
        prop_oneof![similarity, resize, crop, mirrored]
    }

    /// A rectangle with a keypoint at each corner.
    fn rectangle([x, y, w, h]: [u32; 4]) -> Labels {
        let inside = |i: u32| {
            let (px, py) = (i % FROM.width, i / FROM.width);
            (x..x + w).contains(&px) && (y..y + h).contains(&py)
        };
        let bitmap: Vec<bool> = (0..FROM.area() as u32).map(inside).collect();
        let corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)];
        let keypoint = |(x, y): (u32, u32)| Keypoint {
            name: format!("{x} {y}"),
            x: x as f32,
            y: y as f32,
            visibility: Visibility::Visible,
        };
        let mask = Mask::from_bitmap(&bitmap, FROM.width, FROM.height);
        let object = Object {
            keypoints: corners.map(keypoint).to_vec(),
            pose: Some([1.0, 0.0, 0.0, 0.1, 0.0, 1.0, 0.0, 0.05, 0.0, 0.0, 1.0, 0.5]),
            ..Object::new("box", [x, y, w, h].map(|v| v as f32))
        };
        Labels {
            objects: Some(vec![object.with_mask(mask)]),
            camera: Some(Camera {
                fx: 50.0,
                fy: 50.0,
                cx: 20.0,
                cy: 15.0,
            }),
            ..Labels::default()
        }
    }

    /// A rectangle that touches no edge.
    fn any_rectangle() -> impl Strategy<Value = Labels> {
        let corner = (1..FROM.width - 5, 1..FROM.height - 5);
        corner.prop_flat_map(|(x, y)| {
            let sides = (4..FROM.width - x, 4..FROM.height - y);
            sides.prop_map(move |(w, h)| rectangle([x, y, w, h]))
        })
    }

    /// The image position of the object's origin.
    fn project(labels: &Labels) -> Option<[f32; 2]> {
        let (pose, camera) = (labels.objects().first()?.pose?, labels.camera?);
        let [x, y, z] = [pose[3], pose[7], pose[11]];
        Some([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy])
    }

    proptest! {
        #[test]
        fn the_inverse_leads_back(mapping in any_mapping(), x in 0.0..40.0, y in 0.0..30.0) {
            let [u, v] = mapping.inverse(mapping.forward([x, y]));
            prop_assert!((u - x).abs() < 1e-6 && (v - y).abs() < 1e-6);
        }

        #[test]
        fn boxes_are_those_of_the_masks_and_lie_in_the_picture(
            mapping in any_mapping(), labels in any_rectangle(),
        ) {
            for border in [Border::Replicate, Border::Reflect] {
                let mapped = labels.map(&mapping, border, "test").unwrap();
                for object in mapped.objects() {
                    let mask = object.mask.as_ref().unwrap();
                    prop_assert_eq!(mask.bbox_xywh(mapping.to.height), Some(object.bbox_xywh));
                    let [x, y, w, h] = object.bbox_xywh.map(f64::from);
                    prop_assert!(mapping.to.contains([x, y]) && mapping.to.contains([x + w, y + h]));
                    prop_assert!((0.0..=1.0).contains(&object.visible_fraction));
                }
            }
        }

        #[test]
        fn a_box_without_a_mask_lies_about_the_mask(
            mapping in any_mapping(), mut labels in any_rectangle(),
        ) {
            let with = labels.map(&mapping, Border::Replicate, "test").unwrap();
            labels.objects_mut()[0].mask = None;
            let without = labels.map(&mapping, Border::Replicate, "test").unwrap();
            if let ([with], [without]) = (with.objects(), without.objects())
                && with.visible_fraction == 1.0
            {
                let ([x, y, w, h], [u, v, s, t]) = (with.bbox_xywh, without.bbox_xywh);
                prop_assert!(u <= x + 1.0 && v <= y + 1.0 && u + s >= x + w - 1.0 && v + t >= y + h - 1.0);
            }
        }

        #[test]
        fn pose_and_camera_see_the_origin_where_it_went(
            mapping in any_mapping(), labels in any_rectangle(),
        ) {
            let [x, y] = project(&labels).unwrap();
            let mapped = labels.map(&mapping, Border::Replicate, "test").unwrap();
            if let Some([u, v]) = project(&mapped) {
                let to = mapping.forward([x.into(), y.into()]);
                prop_assert!((f64::from(u) - to[0]).hypot(f64::from(v) - to[1]) < 1e-2);
            }
        }

        #[test]
        fn maps_have_the_width_and_height_of_the_new_picture(mapping in any_mapping()) {
            let mut maps = Maps::default();
            for kind in maps::MAPS {
                let values = vec![[7, 7, 7]; FROM.area()];
                maps.insert(kind, maps::encode(kind, &values, FROM.dimensions()).unwrap());
            }
            for (kind, png) in maps.map(&mapping, "test").unwrap().iter() {
                let (_, dimensions) = maps::decode(kind, png, "test").unwrap();
                prop_assert_eq!(dimensions, mapping.to.dimensions());
            }
        }
    }

    #[test]
    fn mirrored_twice_everything_is_as_before_but_the_pose() {
        let labels = rectangle([3, 4, 20, 9]);
        let mirror = Mapping::mirror(FROM);
        let once = labels.map(&mirror, Border::Replicate, "test").unwrap();
        assert_eq!(once.objects()[0].bbox_xywh, [17.0, 4.0, 20.0, 9.0]);
        let mut twice = once.map(&mirror, Border::Replicate, "test").unwrap();
        assert_eq!(twice.objects()[0].pose, None);
        twice.objects_mut()[0].pose = labels.objects()[0].pose;
        assert_eq!(twice, labels);
    }

    #[test]
    fn normals_turn_with_the_picture_and_depth_does_not() {
        let extent = Extent::square(2);
        let right = normals::value(Vec3::X);
        let mut maps = Maps::default();
        maps.insert(
            &normals::MAP,
            maps::encode(&normals::MAP, &[right; 4], (2, 2)).unwrap(),
        );
        maps.insert(
            &semantic::MAP,
            maps::encode(&semantic::MAP, &[[3, 0, 0]; 4], (2, 2)).unwrap(),
        );
        let quarter = Mapping::similarity(extent, std::f64::consts::FRAC_PI_2, 1.0, [0.0; 2]);
        let turned = maps.map(&quarter, "test").unwrap();
        let read = |kind| {
            maps::decode(kind, turned.get(kind).unwrap(), "test")
                .unwrap()
                .0[0]
        };
        assert!(normals::normal(read(&normals::MAP)).distance(Vec3::Y) < 0.02);
        assert_eq!(read(&semantic::MAP), [3, 0, 0]);
        let mirrored = maps.map(&Mapping::mirror(extent), "test").unwrap();
        let (values, _) =
            maps::decode(&normals::MAP, mirrored.get(&normals::MAP).unwrap(), "test").unwrap();
        assert!(normals::normal(values[0]).distance(-Vec3::X) < 0.02);
    }

    #[test]
    fn an_amodal_box_may_reach_beyond_the_frame_and_truncation_grows() {
        let mut labels = rectangle([10, 10, 20, 10]);
        let object = &mut labels.objects_mut()[0];
        object.truncation = Some(0.0);
        object.amodal = Some(Amodal {
            bbox_xywh: object.bbox_xywh,
            mask: object.mask.clone(),
        });
        let left_half = Mapping::crop(FROM, 20, 0, Extent::new(20, 30));
        let mapped = labels.map(&left_half, Border::Replicate, "test").unwrap();
        let object = &mapped.objects()[0];
        assert_eq!(object.bbox_xywh, [0.0, 10.0, 10.0, 10.0]);
        assert_eq!(object.truncation, Some(0.5));
        assert_eq!(
            object.amodal.as_ref().unwrap().bbox_xywh,
            [-10.0, 10.0, 20.0, 10.0]
        );
    }

    #[test]
    fn unknown_objects_stay_unknown_and_none_stay_none() {
        let mapping = Mapping::mirror(FROM);
        let unknown = Labels::default();
        assert_eq!(
            unknown
                .map(&mapping, Border::Replicate, "test")
                .unwrap()
                .objects,
            None
        );
        let empty = Labels {
            objects: Some(Vec::new()),
            ..Labels::default()
        };
        assert_eq!(
            empty
                .map(&mapping, Border::Replicate, "test")
                .unwrap()
                .objects,
            Some(Vec::new())
        );
    }
}
