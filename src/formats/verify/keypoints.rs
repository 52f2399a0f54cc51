//! Keypoints against poses: the place of a keypoint on its model is found from all pictures at once, and then
//! every picture must show it there.
//!
//! A point X of the model appears at K (R X + t). For known pose and camera each picture gives two linear
//! equations for X, so a few pictures determine it by least squares.

use std::collections::BTreeMap;

use glam::{DMat3, DVec3};
use rayon::prelude::*;

use super::Report;
use super::agreement::Record;
use crate::sample::{Camera, Labels, Object, Visibility};

/// The most observations that are remembered.
const MOST: usize = 400_000;

/// The fewest pictures from which a keypoint's place is found.
const LEAST: usize = 8;

/// Where one object of a picture shows a keypoint.
struct Observation {
    record: usize,
    object: usize,
    /// In pixels.
    seen: [f32; 2],
    pose: [f32; 12],
    camera: Camera,
}

/// All observations, by class and keypoint.
#[derive(Default)]
pub struct Observations {
    by_point: BTreeMap<(String, String), Vec<Observation>>,
    count: usize,
}

impl Observations {
    /// Adds the keypoints of a picture whose camera and poses are known; `record` stands for the picture.
    pub fn add(&mut self, record: usize, labels: &Labels) {
        let Some(camera) = labels.camera else { return };
        for (object, labelled) in labels.objects().iter().enumerate() {
            let Some(pose) = labelled.pose else { continue };
            let known = labelled.keypoints.iter();
            for keypoint in known.filter(|k| k.visibility != Visibility::Outside) {
                if self.count == MOST {
                    return;
                }
                self.count += 1;
                let key = (labelled.class.clone(), keypoint.name.clone());
                self.by_point.entry(key).or_default().push(Observation {
                    record,
                    object,
                    seen: [keypoint.x, keypoint.y],
                    pose,
                    camera,
                });
            }
        }
    }

    /// Where keypoints lie on their models, as most pictures show it.
    pub fn places(&self) -> Places {
        let found = self.by_point.iter();
        Places(
            found
                .filter_map(|(key, seen)| Some((key.clone(), agreed(seen)?)))
                .collect(),
        )
    }

    /// Doubts keypoints that lie elsewhere than those of other pictures.
    pub(super) fn check(&self, records: &[Record], report: &mut Report) {
        let mut doubtful: BTreeMap<(usize, usize), Vec<(&str, f64)>> = BTreeMap::new();
        let points: Vec<_> = self.by_point.iter().collect();
        let found: Vec<_> = points
            .par_iter()
            .map(|((_, name), seen)| (name, outliers(seen)))
            .collect();
        for (name, outliers) in found {
            for (observation, error) in outliers {
                let place = (observation.record, observation.object);
                doubtful.entry(place).or_default().push((name, error));
            }
        }
        for ((record, object), points) in doubtful {
            let points: Vec<String> = points
                .into_iter()
                .map(|(name, error)| format!("`{name}` by {error:.0} pixels"))
                .collect();
            let problem = format!(
                "object {object} has keypoints elsewhere than its pose says: {}",
                points.join(", ")
            );
            report.doubt(records[record].doubt("keypoints", problem));
        }
    }
}

/// Where keypoints lie on their models, and how many pixels off they may be seen, by class and keypoint.
pub struct Places(BTreeMap<(String, String), (DVec3, f64)>);

impl Places {
    /// Whether a keypoint of an object lies elsewhere than its pose says; `None` if no pose or camera is known, or
    /// too few pictures show these keypoints.
    pub fn is_off(&self, object: &Object, camera: Option<Camera>) -> Option<bool> {
        let (pose, camera) = (object.pose?, camera?);
        let known = object
            .keypoints
            .iter()
            .filter(|k| k.visibility != Visibility::Outside);
        let off = known.filter_map(|keypoint| {
            let key = (object.class.clone(), keypoint.name.clone());
            let (point, limit) = self.0.get(&key)?;
            let observation = Observation {
                record: 0,
                object: 0,
                seen: [keypoint.x, keypoint.y],
                pose,
                camera,
            };
            Some(observation.error(*point) > *limit)
        });
        off.reduce(|one, other| one || other)
    }
}

/// The observations that do not fit the rest, with their errors in pixels.
fn outliers(seen: &[Observation]) -> Vec<(&Observation, f64)> {
    let Some((point, limit)) = agreed(seen) else {
        return Vec::new();
    };
    let errors = seen.iter().map(|o| (o, o.error(point)));
    errors.filter(|(_, error)| *error > limit).collect()
}

/// The point that most observations show, and how many pixels off it may be seen; `None` if there are too few, or
/// they show none.
fn agreed(seen: &[Observation]) -> Option<(DVec3, f64)> {
    if seen.len() < LEAST {
        return None;
    }
    let mut kept: Vec<&Observation> = seen.iter().collect();
    let mut limit = f64::MAX;
    for _ in 0..4 {
        let point = place(&kept)?;
        let mut errors: Vec<f64> = seen.iter().map(|o| o.error(point)).collect();
        let middle = errors.len() / 2;
        let (_, &mut median, _) = errors.select_nth_unstable_by(middle, f64::total_cmp);
        // If most pictures do not agree, poses and keypoints do not belong together.
        if median > 4.0 {
            return None;
        }
        limit = (5.0 * median).max(2.0);
        // Of few pictures one that is wrong draws the point far towards it.
        let near = (2.5 * median).max(1.0);
        kept = seen.iter().filter(|o| o.error(point) <= near).collect();
    }
    let point = place(&kept).filter(|_| kept.len() * 2 > seen.len())?;
    Some((point, limit.max(3.0)))
}

/// Least squares.
fn place(seen: &[&Observation]) -> Option<DVec3> {
    let (mut matrix, mut right) = (DMat3::ZERO, DVec3::ZERO);
    for observation in seen {
        for (row, value) in observation.equations() {
            matrix += DMat3::from_cols(row * row.x, row * row.y, row * row.z);
            right += row * value;
        }
    }
    let scale = (matrix.x_axis.x + matrix.y_axis.y + matrix.z_axis.z) / 3.0;
    let is_determined = matrix.determinant().abs() > 1e-9 * scale.powi(3);
    is_determined.then(|| matrix.inverse() * right)
}

impl Observation {
    fn rows(&self) -> [(DVec3, f64); 3] {
        let p = self.pose.map(f64::from);
        [0, 4, 8].map(|i| (DVec3::new(p[i], p[i + 1], p[i + 2]), p[i + 3]))
    }

    /// Two rows and values: row · X = value.
    fn equations(&self) -> [(DVec3, f64); 2] {
        let [x, y, z] = self.rows();
        let Camera { fx, fy, cx, cy } = self.camera;
        let u = f64::from(self.seen[0] - cx) / f64::from(fx);
        let v = f64::from(self.seen[1] - cy) / f64::from(fy);
        [
            (x.0 - z.0 * u, u * z.1 - x.1),
            (y.0 - z.0 * v, v * z.1 - y.1),
        ]
    }

    /// The distance in pixels between where the point is seen and where it should be.
    fn error(&self, point: DVec3) -> f64 {
        let [x, y, z] = self.rows().map(|(row, shift)| row.dot(point) + shift);
        let Camera { fx, fy, cx, cy } = self.camera;
        let [fx, fy, cx, cy] = [fx, fy, cx, cy].map(f64::from);
        let (u, v) = (fx * x / z + cx, fy * y / z + cy);
        let error = (u - f64::from(self.seen[0])).hypot(v - f64::from(self.seen[1]));
        if error.is_finite() { error } else { f64::MAX }
    }
}
