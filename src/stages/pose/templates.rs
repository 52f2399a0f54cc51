//! Templates: rendered objects with known poses, of which one may look like an object in a photo.

use std::collections::BTreeMap;

use glam::{DMat3, DQuat, DVec2, DVec3};

use super::view::{Fit, View};
use crate::Result;
use crate::artifact::Artifact;
use crate::sample::{Camera, Keypoint, Object, Sample, Visibility};

/// Renders of which less is seen say little of how the whole object looks.
const WHOLE: f32 = 0.95;

/// The least number of pixels of a template's mask.
const LEAST: u32 = 150;

/// Angles that are tried at first, all around; and those around the best, in degrees.
const COARSE: usize = 30;
const FINE: [f64; 5] = [-6.0, -3.0, 0.0, 3.0, 6.0];

/// Masks that overlap by less are no match, whatever their edges.
const UNLIKE: f64 = 0.6;

/// Of the angles of a template, those count whose masks overlap by nearly as much as at the best.
const NEARLY: f64 = 0.12;

/// Candidates whose angle is refined.
const REFINED: usize = 12;

/// A rendered object.
pub(super) struct Template {
    pub view: View,
    pub object: Object,
    pose: [f32; 12],
    camera: Camera,
    /// `SAMPLE#OBJECT`.
    pub name: String,
}

/// Templates of every class.
pub(super) struct Templates {
    all: Vec<Template>,
    /// The focal length of the renders in the median, in longer sides of the picture.
    pub focal: f32,
}

/// How an object is explained.
pub(super) struct Match<'a> {
    pub template: &'a Template,
    /// By which it is turned, in radians from x to y.
    pub angle: f64,
    pub fit: Fit,
}

impl Templates {
    /// The first `each` objects of every class that are seen whole, with mask and pose.
    ///
    /// # Errors
    /// If a part cannot be read.
    pub(super) fn read(renders: &Artifact, each: usize) -> Result<Self> {
        let classes = renders.object_classes()?;
        let mut counts: BTreeMap<&str, usize> = classes.iter().map(|c| (c.as_str(), 0)).collect();
        let (mut all, mut focals) = (Vec::new(), Vec::new());
        for sample in renders.samples() {
            let sample = sample?;
            let Some(camera) = sample.labels.camera else {
                continue;
            };
            focals.push(camera.fx / sample.extent.longer() as f32);
            let mut picture = None;
            for (number, object) in sample.labels.objects().iter().enumerate() {
                let (Some(pose), Some(mask)) = (object.pose, &object.mask) else {
                    continue;
                };
                let Some(count) = counts.get_mut(object.class.as_str()) else {
                    continue;
                };
                let is_whole =
                    object.visible_fraction >= WHOLE && object.truncation.unwrap_or(0.0) <= 0.0;
                if *count >= each || !is_whole {
                    continue;
                }
                let picture = match &picture {
                    Some(picture) => picture,
                    None => &*picture.insert(sample.pixels()?),
                };
                if let Some(view) = View::new(picture, mask, LEAST) {
                    *count += 1;
                    all.push(Template {
                        view,
                        object: object.clone(),
                        pose,
                        camera,
                        name: format!("{}#{number}", sample.id),
                    });
                }
            }
            if counts.values().all(|count| *count >= each) {
                break;
            }
        }
        focals.sort_by(f32::total_cmp);
        Ok(Templates {
            focal: focals.get(focals.len() / 2).copied().unwrap_or(1.0),
            all,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The template that agrees best with what is seen, whatever its class.
    pub(super) fn best(&self, seen: &View) -> Option<Match<'_>> {
        let mut candidates: Vec<Match> = self
            .all
            .iter()
            .filter_map(|template| {
                let angle = |step| std::f64::consts::TAU * step as f64 / COARSE as f64;
                let overlaps = (0..COARSE).map(|step| template.view.masks(seen, angle(step)));
                let overlaps: Vec<f64> = overlaps.collect();
                let most = overlaps.iter().copied().fold(0.0, f64::max);
                (0..COARSE)
                    .filter(|&step| overlaps[step] >= UNLIKE.max(most - NEARLY))
                    .map(|step| template.matched(seen, angle(step), overlaps[step]))
                    .max_by(|a, b| a.fit.score().total_cmp(&b.fit.score()))
            })
            .collect();
        candidates.sort_by(|a, b| b.fit.score().total_cmp(&a.fit.score()));
        candidates.truncate(REFINED);
        let refined = candidates.iter().flat_map(|one| {
            let angles = FINE.into_iter().map(|step| one.angle + step.to_radians());
            angles.map(|angle| {
                let overlap = one.template.view.masks(seen, angle);
                one.template.matched(seen, angle, overlap)
            })
        });
        refined.max_by(|a, b| a.fit.score().total_cmp(&b.fit.score()))
    }
}

impl Template {
    fn matched(&self, seen: &View, angle: f64, overlap: f64) -> Match<'_> {
        Match {
            template: self,
            angle,
            fit: self.view.fit(seen, angle, overlap),
        }
    }
}

impl Match<'_> {
    /// Where the template's object lies in the photo that `seen` is of, taken by `camera`.
    pub(super) fn pose(&self, seen: &View, camera: Camera) -> [f32; 12] {
        let own = self.template.camera;
        let number = self.template.pose.map(f64::from);
        let turn = DMat3::from_cols_array(&[
            number[0], number[4], number[8], number[1], number[5], number[9], number[2], number[6],
            number[10],
        ]);
        let shift = DVec3::new(number[3], number[7], number[11]);
        // As if it lay in the middle of the picture, where turning the picture turns the object about the optical axis.
        let centred = to_axis(self.template.view.middle, own);
        let (turn, shift) = (centred * turn, centred * shift);
        let about = DMat3::from_rotation_z(self.angle);
        // It is seen larger by what it is nearer.
        let larger = seen.radius / self.template.view.radius;
        let distance = shift.z * f64::from(camera.fx) / f64::from(own.fx) / larger;
        let back = to_axis(seen.middle, camera).transpose();
        let turn = back * about * turn;
        let shift = back * (about * DVec3::new(shift.x, shift.y, 0.0) + DVec3::Z * distance);
        let rows = turn.transpose();
        let row = |row: DVec3, shift: f64| [row.x, row.y, row.z, shift];
        let rows = [
            row(rows.x_axis, shift.x),
            row(rows.y_axis, shift.y),
            row(rows.z_axis, shift.z),
        ];
        let mut pose = [0.0; 12];
        for (place, value) in pose.iter_mut().zip(rows.into_iter().flatten()) {
            *place = value as f32;
        }
        pose
    }

    /// The template's keypoints in the photo that `seen` is of.
    pub(super) fn keypoints(&self, seen: &View, photo: &Sample) -> Vec<Keypoint> {
        let larger = seen.radius / self.template.view.radius;
        let turn = DVec2::from_angle(self.angle) * larger;
        let placed = |keypoint: &Keypoint| {
            let point = DVec2::new(keypoint.x.into(), keypoint.y.into());
            let point = turn.rotate(point - self.template.view.middle) + seen.middle;
            Keypoint {
                x: point.x as f32,
                y: point.y as f32,
                visibility: match photo.extent.contains(point.to_array()) {
                    true => keypoint.visibility,
                    false => Visibility::Outside,
                },
                name: keypoint.name.clone(),
            }
        };
        self.template.object.keypoints.iter().map(placed).collect()
    }
}

/// Turns the ray through a pixel to the optical axis.
fn to_axis(pixel: DVec2, camera: Camera) -> DMat3 {
    let [fx, fy, cx, cy] = camera.to_array().map(f64::from);
    let ray = DVec3::new((pixel.x - cx) / fx, (pixel.y - cy) / fy, 1.0).normalize();
    DMat3::from_quat(DQuat::from_rotation_arc(ray, DVec3::Z))
}
