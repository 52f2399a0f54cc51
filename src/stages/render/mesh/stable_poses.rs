//! How an object can lie: the faces of its convex hull on which it does not fall over.
//!
//! A face is stable where the centre of mass stands over it. How often an object comes to lie on it
//! is taken as the solid angle of the face from the centre of mass, the share of directions in
//! which it can be dropped without rolling on (Boothroyd and Ho 1977).

use glam::{Quat, Vec2, Vec3A, vec2};

use super::model::Model;

/// A stable pose.
#[derive(Debug, Clone)]
pub(super) struct StablePose {
    /// Turns the face that it lies on downwards.
    pub upright: Quat,
    /// Solid angle in steradians.
    pub weight: f32,
}

/// The stable poses of a model that need tipping by at least `steadiness` radians to fall over.
/// The steadiest alone where all need less.
pub(super) fn stable_poses(model: &Model, steadiness: f32) -> Vec<StablePose> {
    let centre = model.centre_of_mass();
    let points: Vec<Vec3A> = model.hull.iter().map(|&p| p - centre).collect();
    // Points as near to a face's plane as this, over the size, lie in it.
    let tolerance = model.size * 2e-3;
    let mut found: Vec<(f32, StablePose)> = Vec::new();
    for normal in hull_normals(&points, tolerance) {
        let Some((tipping, weight)) = support(&points, normal, tolerance) else {
            continue;
        };
        let upright = Quat::from_rotation_arc(normal.into(), glam::Vec3::NEG_Y);
        found.push((tipping, StablePose { upright, weight }));
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let steady = found.iter().filter(|(tipping, _)| *tipping >= steadiness);
    let count = steady.count().max(1);
    found
        .into_iter()
        .take(count)
        .map(|(_, pose)| pose)
        .collect()
}

/// The outward normals of the faces of the points' convex hull, each once.
fn hull_normals(points: &[Vec3A], tolerance: f32) -> Vec<Vec3A> {
    let mut normals: Vec<Vec3A> = Vec::new();
    let outmost = |normal: Vec3A, height: f32| {
        let over = |p: &Vec3A| p.dot(normal) > height + tolerance;
        !points.iter().any(over)
    };
    for (i, &a) in points.iter().enumerate() {
        for (j, &b) in points.iter().enumerate().skip(i + 1) {
            for &c in &points[j + 1..] {
                let area = (b - a).cross(c - a);
                // A sliver's normal is mostly rounding.
                if area.length() < 25.0 * tolerance * tolerance {
                    continue;
                }
                let normal = along_axis(area.normalize());
                for normal in [normal, -normal] {
                    let known = || normals.iter().any(|n| n.dot(normal) > 0.999);
                    if outmost(normal, a.dot(normal)) && !known() {
                        normals.push(normal);
                    }
                }
            }
        }
    }
    normals
}

/// The axis of the model that `normal` all but equals, or `normal`: which way an object faces that
/// lies upside down would else follow from rounding.
fn along_axis(normal: Vec3A) -> Vec3A {
    let axes = [Vec3A::X, Vec3A::Y, Vec3A::Z];
    let near = |axis: &Vec3A| axis.dot(normal).abs() > 0.999_99;
    let found = axes.into_iter().find(near);
    found.map_or(normal, |axis| axis * axis.dot(normal).signum())
}

/// How far the object on this face can be tipped, in radians, and the face's solid angle; `None`
/// where it falls over by itself. `points` are relative to the centre of mass.
fn support(points: &[Vec3A], normal: Vec3A, tolerance: f32) -> Option<(f32, f32)> {
    let height = points.iter().map(|p| p.dot(normal)).fold(0.0, f32::max);
    let (side, up) = normal.any_orthonormal_pair();
    let near = points
        .iter()
        .filter(|p| p.dot(normal) > height - 2.0 * tolerance);
    let foot = convex(near.map(|p| vec2(p.dot(side), p.dot(up))).collect());
    let mut least = f32::INFINITY;
    let mut weight = 0.0;
    for (i, &a) in foot.iter().enumerate() {
        let b = foot[(i + 1) % foot.len()];
        // Positive where the origin is on the inner side of an edge of a counter-clockwise polygon.
        let inside = a.perp_dot(b) / a.distance(b).max(f32::MIN_POSITIVE);
        least = least.min(inside);
        weight += solid_angle(a, b, height);
    }
    (foot.len() > 2 && least > 0.0).then(|| (least.atan2(height), weight))
}

/// The solid angle, from a point `height` above the origin, of the triangle of the origin, `a` and
/// `b` (Van Oosterom and Strackee 1983).
fn solid_angle(a: Vec2, b: Vec2, height: f32) -> f32 {
    let [o, a, b] = [Vec2::ZERO, a, b].map(|p| Vec3A::from((p, height)));
    let (lo, la, lb) = (o.length(), a.length(), b.length());
    let volume = o.dot(a.cross(b)).abs();
    let denominator = lo * la * lb + o.dot(a) * lb + o.dot(b) * la + a.dot(b) * lo;
    2.0 * volume.atan2(denominator)
}

/// The convex hull, counter-clockwise (Andrew 1979).
fn convex(mut points: Vec<Vec2>) -> Vec<Vec2> {
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    let half = |points: &mut dyn Iterator<Item = Vec2>| {
        let mut chain: Vec<Vec2> = Vec::new();
        for point in points {
            while let [.., a, b] = chain[..]
                && (b - a).perp_dot(point - a) <= 0.0
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut hull = half(&mut points.iter().copied());
    hull.extend(half(&mut points.iter().rev().copied()));
    hull
}

#[cfg(test)]
mod tests {
    use super::super::list::Source;
    use super::*;
    use std::f32::consts::PI;

    /// An OBJ box of this size.
    fn cuboid(size: [f32; 3]) -> Model {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.obj");
        let mut text = String::new();
        for i in 0..8 {
            let at = |axis: usize| if i >> axis & 1 == 1 { size[axis] } else { 0.0 };
            text += &format!("v {} {} {}\n", at(0), at(1), at(2));
        }
        text += "f 1 3 4 2\nf 5 6 8 7\nf 1 2 6 5\nf 3 7 8 4\nf 1 5 7 3\nf 2 4 8 6\n";
        std::fs::write(&path, text).unwrap();
        Model::read(&Source::plain(&path), 1.0, &|| Ok(())).unwrap()
    }

    #[test]
    fn a_cube_lies_on_each_of_its_six_faces_alike() {
        let poses = stable_poses(&cuboid([0.1; 3]), 0.0);
        assert_eq!(poses.len(), 6);
        for pose in &poses {
            assert!((pose.weight - 4.0 * PI / 6.0).abs() < 1e-3, "{pose:?}");
        }
    }

    #[test]
    fn a_thin_plate_lies_flat_where_steadiness_is_asked_for() {
        let plate = cuboid([0.03, 0.003, 0.02]);
        assert_eq!(stable_poses(&plate, 0.0).len(), 6);
        let steady = stable_poses(&plate, 30f32.to_radians());
        assert_eq!(steady.len(), 2);
        for pose in steady {
            let up = pose.upright * glam::Vec3::Y;
            assert!(up.y.abs() > 0.999, "{up}");
        }
        // Nothing is that steady: the best is left, and a picture can be drawn.
        assert_eq!(stable_poses(&plate, 1.57).len(), 1);
    }
}
