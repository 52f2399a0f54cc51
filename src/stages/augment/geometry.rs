//! Geometry transforms: mirroring, and rotation, scale and shift in one resampling.
//!
//! Boxes follow from the mapped masks. An instance that has only a box gets the tight box of its
//! mapped corners, clipped to the picture. A draw that would move the last object of the picture's
//! class out of the frame is not applied.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::warp::{
    Beyond, Border, NO_DEPTH, Similarity, is_inside, keeps_class, map_depth, move_keypoint,
    replace_mask, touches_edge, warp_nearest, warp_pixels,
};
use super::{Transform, View, check_range, draw};
use crate::Result;
use crate::sample::{Camera, Domain, Instance, Labels, Mask};
use crate::seed::Stream;

/// Stands for every class in [`Flip::classes`].
const EVERY_CLASS: &str = "*";

/// Mirrors left and right.
///
/// A picture is mirrored only if the classes of the image and of all its instances allow it.
/// Poses are dropped: a mirrored object is no rigid motion of the object.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Flip {
    /// How often a picture that allows it is mirrored, 0..1.
    pub probability: f64,
    /// The classes that keep their meaning in a mirror; `["*"]` is every class, and needed for
    /// photos and other pictures without labels. Empty: nothing is mirrored.
    pub classes: Vec<String>,
    /// Classes that become each other in a mirror, e.g. `{ turn_left = "turn_right" }`; each pair
    /// counts in both directions.
    pub swap: BTreeMap<String, String>,
}

impl Default for Flip {
    fn default() -> Self {
        Flip {
            probability: 0.5,
            classes: Vec::new(),
            swap: BTreeMap::new(),
        }
    }
}

impl Flip {
    /// The class that a mirrored object of `class` has, if `swap` names one.
    fn mirrored<'a>(&'a self, class: &'a str) -> Option<&'a str> {
        let forward = self.swap.get(class);
        let backward = || self.swap.iter().find(|(_, to)| *to == class);
        forward
            .or_else(|| backward().map(|(from, _)| from))
            .map(String::as_str)
    }

    fn allows(&self, view: &View) -> bool {
        let listed = |class: &str| self.classes.iter().any(|allowed| allowed == class);
        if listed(EVERY_CLASS) {
            return true;
        }
        // Labels of real photos decide nothing.
        let instances = view.labels.instances.iter().map(|instance| &instance.class);
        let mut classes = instances.chain(&view.labels.class).peekable();
        view.domain != Domain::Photo
            && classes.peek().is_some()
            && classes.all(|class| listed(class) || self.mirrored(class).is_some())
    }

    fn swap_class(&self, class: &mut String) {
        if let Some(mirrored) = self.mirrored(class) {
            *class = mirrored.to_owned();
        }
    }
}

impl Transform for Flip {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        for (from, to) in &self.swap {
            let partners = self.swap.iter().filter(|(f, t)| {
                (*f == from || *t == from || *f == to || *t == to)
                    && !(*f == from && *t == to)
                    && !(*f == to && *t == from)
            });
            if partners.count() > 0 {
                return Err(format!(
                    "`swap` gives `{from}` or `{to}` two partners; keep one"
                ));
            }
        }
        Ok(())
    }

    fn apply(&self, view: &mut View, _stream: &mut Stream) -> Result<Option<String>> {
        if !self.allows(view) {
            return Ok(None);
        }
        let size = view.pixels.dimensions();
        image::imageops::flip_horizontal_in_place(&mut view.pixels);
        let labels = &mut view.labels;
        labels
            .class
            .iter_mut()
            .for_each(|class| self.swap_class(class));
        for instance in &mut labels.instances {
            self.swap_class(&mut instance.class);
            flip_instance(instance, size);
        }
        if let Some(camera) = &mut labels.camera {
            camera.cx = size.0 as f32 - camera.cx;
        }
        map_depth(&mut labels.depth, &view.name, |mut values, (width, _)| {
            flip_rows(&mut values, width);
            values
        })?;
        Ok(Some("flip()".into()))
    }
}

fn flip_instance(instance: &mut Instance, (width, height): (u32, u32)) {
    let mirror = |x: f32| width as f32 - x;
    instance.bbox_xywh[0] = mirror(instance.bbox_xywh[0] + instance.bbox_xywh[2]);
    if instance.mask.area() > 0 {
        let mut bitmap = instance.mask.to_bitmap(width, height);
        flip_rows(&mut bitmap, width);
        instance.mask = Mask::from_bitmap(&bitmap, width, height);
    }
    for keypoint in &mut instance.keypoints {
        keypoint.x = mirror(keypoint.x);
    }
    instance.pose = None;
}

fn flip_rows<T>(values: &mut [T], width: u32) {
    for row in values.chunks_mut(width as usize) {
        row.reverse();
    }
}

/// Rotates and scales about the picture's centre, then shifts, in one bilinear resampling.
///
/// The rotation goes into the poses, scale and shift into the camera. If the camera's pixels are
/// not square, a rotated picture has no pinhole camera; poses and camera are dropped then.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Affine {
    /// How often it is applied, 0..1.
    pub probability: f64,
    /// Largest rotation to either side in degrees, 0..180.
    pub rotate: f64,
    /// Range of the scale, 0.5..2; drawn evenly.
    pub scale: [f64; 2],
    /// Largest shift along each axis, as a fraction of the picture's side, 0..1.
    pub translate: f64,
    /// What fills the edges: `replicate` (the outermost pixels) or `reflect` (the picture mirrored).
    /// An object that the frame cuts goes on into the filled part, and so does its mask. With
    /// `reflect`, an object close to the edge without touching it can be mirrored without a label.
    pub border: Border,
}

impl Default for Affine {
    fn default() -> Self {
        Affine {
            probability: 0.8,
            rotate: 15.0,
            scale: [0.9, 1.1],
            translate: 0.05,
            border: Border::Replicate,
        }
    }
}

impl Transform for Affine {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("rotate", [0.0, self.rotate], 0.0..=180.0)?;
        // Below one half, bilinear sampling skips pixels.
        check_range("scale", self.scale, 0.5..=2.0)?;
        check_range("translate", [0.0, self.translate], 0.0..=1.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let size = view.pixels.dimensions();
        let sides = [f64::from(size.0), f64::from(size.1)];
        let degrees = draw(stream, [-self.rotate, self.rotate]);
        let similarity = Similarity {
            centre: sides.map(|side| side / 2.0),
            angle: degrees.to_radians(),
            scale: draw(stream, self.scale),
            shift: sides.map(|side| side * draw(stream, [-self.translate, self.translate])),
        };
        let Similarity { scale, shift, .. } = similarity;
        if degrees == 0.0 && scale == 1.0 && shift == [0.0; 2] {
            return Ok(None);
        }
        let mut labels = warp_labels(&view.labels, size, &similarity, self.border);
        if !keeps_class(&view.labels, &labels) {
            return Ok(None);
        }
        map_depth(&mut labels.depth, &view.name, |values, size| {
            warp_nearest(&values, size, &similarity, Beyond::Value(NO_DEPTH))
        })?;
        view.labels = labels;
        view.pixels = warp_pixels(&view.pixels, &similarity, self.border);
        let [dx, dy] = shift;
        Ok(Some(format!(
            "affine(rotate={degrees:.2},scale={scale:.3},dx={dx:.2},dy={dy:.2})"
        )))
    }
}

/// Everything but the depth map.
fn warp_labels(
    labels: &Labels,
    size: (u32, u32),
    similarity: &Similarity,
    border: Border,
) -> Labels {
    let mut warped = labels.clone();
    warped
        .instances
        .retain_mut(|instance| warp_instance(instance, size, similarity, border));
    let square = labels
        .camera
        .is_none_or(|camera| (camera.fx / camera.fy - 1.0).abs() < 1e-4);
    if similarity.angle != 0.0 && !square {
        warped.camera = None;
        warped.instances.iter_mut().for_each(|i| i.pose = None);
        return warped;
    }
    warped.camera = labels.camera.map(|camera| warp_camera(camera, similarity));
    for pose in warped.instances.iter_mut().filter_map(|i| i.pose.as_mut()) {
        rotate_pose(pose, similarity.angle);
    }
    warped
}

/// Maps mask, box, keypoints and visible fraction; `false` if nothing of the instance is left.
fn warp_instance(
    instance: &mut Instance,
    size: (u32, u32),
    similarity: &Similarity,
    border: Border,
) -> bool {
    for keypoint in &mut instance.keypoints {
        let to = similarity.forward([f64::from(keypoint.x), f64::from(keypoint.y)]);
        move_keypoint(keypoint, to, size);
    }
    if instance.mask.area() == 0 {
        return warp_box(instance, size, similarity);
    }
    let bitmap = instance.mask.to_bitmap(size.0, size.1);
    // Counted over the old pixels, so that an instance that stays in the frame keeps exactly 1.
    let (mut all, mut kept) = (0_u32, 0_u32);
    for (position, _) in bitmap.iter().enumerate().filter(|(_, set)| **set) {
        let (x, y) = (position as u32 % size.0, position as u32 / size.0);
        let centre = [f64::from(x) + 0.5, f64::from(y) + 0.5];
        all += 1;
        kept += u32::from(is_inside(similarity.forward(centre), size));
    }
    instance.visible_fraction *= kept as f32 / all as f32;
    let beyond = if touches_edge(&bitmap, size.0) {
        Beyond::Border(border)
    } else {
        Beyond::Value(false)
    };
    let warped = warp_nearest(&bitmap, size, similarity, beyond);
    replace_mask(instance, &warped, size)
}

/// Maps the box of an instance without a mask: the tight box of its corners, clipped.
fn warp_box(instance: &mut Instance, size: (u32, u32), similarity: &Similarity) -> bool {
    let [x, y, w, h] = instance.bbox_xywh.map(f64::from);
    let corners =
        [[x, y], [x + w, y], [x, y + h], [x + w, y + h]].map(|corner| similarity.forward(corner));
    let span = |axis: usize| {
        let values = corners.map(|corner| corner[axis]);
        let low = values.into_iter().fold(f64::INFINITY, f64::min);
        let high = values.into_iter().fold(f64::NEG_INFINITY, f64::max);
        [low, high]
    };
    let clip = |[low, high]: [f64; 2], side: u32| {
        [low.clamp(0.0, side.into()), high.clamp(0.0, side.into())]
    };
    let ([x0, x1], [y0, y1]) = (span(0), span(1));
    let ([left, right], [top, bottom]) = (clip([x0, x1], size.0), clip([y0, y1], size.1));
    let share = (right - left) * (bottom - top) / ((x1 - x0) * (y1 - y0));
    instance.bbox_xywh = [left, top, right - left, bottom - top].map(|value| value as f32);
    instance.visible_fraction *= share as f32;
    share > 0.0
}

/// The camera of the warped picture, its rotation left to the poses.
fn warp_camera(camera: Camera, similarity: &Similarity) -> Camera {
    let [cx, cy] = similarity.forward([f64::from(camera.cx), f64::from(camera.cy)]);
    Camera {
        fx: camera.fx * similarity.scale as f32,
        fy: camera.fy * similarity.scale as f32,
        cx: cx as f32,
        cy: cy as f32,
    }
}

/// Turns a row-major 3×4 pose about the optical axis by `angle` radians.
fn rotate_pose(pose: &mut [f32; 12], angle: f64) {
    let (sin, cos) = (angle as f32).sin_cos();
    for column in 0..4 {
        let (x, y) = (pose[column], pose[column + 4]);
        pose[column] = cos * x - sin * y;
        pose[column + 4] = sin * x + cos * y;
    }
}
