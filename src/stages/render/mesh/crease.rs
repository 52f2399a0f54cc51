//! Normals of meshes that bring none: smooth where faces meet at a small angle, hard elsewhere.

use glam::{Vec3, Vec3A};
use obvhs::triangle::Triangle;

use super::geometry::Geometry;
use super::model::GoOn;
use crate::Result;

/// Faces that meet at a smaller angle, in degrees, are parts of one curved surface. Cylinders of
/// sixteen sides turn by 22.5° at each edge; bevels of 45° stay edges.
const CREASE_DEGREES: f32 = 35.0;

/// Where more triangles meet, as in the middle of a fan, each keeps its own normal: a sum for each of them
/// over all the others takes quadratic time.
const MOST_AROUND: usize = 1024;

/// Gives the corners whose normal is not a direction, such as NaN, one of [`normals`].
///
/// # Errors
/// If `go_on` ends the work.
pub(super) fn complete(geometry: &mut Geometry, go_on: GoOn) -> Result<()> {
    let missing = |n: &Vec3| n.try_normalize().is_none();
    let mut corners = geometry.corners.iter().flat_map(|c| c.normals);
    let own = match corners.any(|n| missing(&n)) {
        true => normals(&geometry.triangles, go_on)?,
        false => Vec::new(),
    };
    for (i, corners) in geometry.corners.iter_mut().enumerate() {
        for (c, normal) in corners.normals.iter_mut().enumerate() {
            let own = || own.get(i).map_or(Vec3::ZERO, |own| own[c]);
            *normal = normal.try_normalize().unwrap_or_else(own);
        }
    }
    Ok(())
}

/// The normals at the three corners of each triangle: the sum, weighted by area, over the triangles
/// at the same place whose normals differ from its own by less than the crease.
fn normals(triangles: &[Triangle], go_on: GoOn) -> Result<Vec<[Vec3; 3]>> {
    let areas: Vec<Vec3A> = triangles
        .iter()
        .map(|t| (t.v1 - t.v0).cross(t.v2 - t.v0))
        .collect();
    let flat: Vec<Vec3A> = areas.iter().map(|a| a.normalize_or_zero()).collect();
    // Files name the same vertex twice, so that places are compared, bit by bit; + 0.0 makes -0 0.
    let key = |v: Vec3A| v.to_array().map(|c| (c + 0.0).to_bits());
    let corners = triangles.iter().enumerate().flat_map(|(i, t)| {
        let corner = move |(c, v): (usize, Vec3A)| (key(v), 3 * i as u32 + c as u32);
        [t.v0, t.v1, t.v2].into_iter().enumerate().map(corner)
    });
    let mut corners: Vec<([u32; 3], u32)> = corners.collect();
    go_on()?;
    corners.sort_unstable();
    go_on()?;
    let least = CREASE_DEGREES.to_radians().cos();
    let mut found = vec![[Vec3::ZERO; 3]; triangles.len()];
    for around in corners.chunk_by(|a, b| a.0 == b.0) {
        for (_, corner) in around {
            let (i, c) = (*corner as usize / 3, *corner as usize % 3);
            let neighbours = around.iter().map(|(_, corner)| *corner as usize / 3);
            let smooth = neighbours.filter(|&n| flat[n].dot(flat[i]) > least);
            let sum: Option<Vec3A> =
                (around.len() <= MOST_AROUND).then(|| smooth.map(|n| areas[n]).sum());
            let normal = sum.and_then(Vec3A::try_normalize).unwrap_or(flat[i]);
            found[i][c] = normal.into();
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::vec3a;

    /// Two triangles that share an edge along z and meet at `degrees`.
    fn hinge(degrees: f32) -> Vec<Triangle> {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (low, high) = (vec3a(0.0, 0.0, 0.0), vec3a(0.0, 0.0, 1.0));
        let triangle = |v0, v1, v2| Triangle { v0, v1, v2 };
        vec![
            triangle(low, high, vec3a(1.0, 0.0, 0.5)),
            triangle(high, low, vec3a(-cos, -sin, 0.5)),
        ]
    }

    #[test]
    fn a_gentle_edge_is_smooth() {
        let [first, second] = normals(&hinge(20.0), &|| Ok(()))
            .unwrap()
            .try_into()
            .unwrap();
        assert!(first[0].distance(second[1]) < 1e-6, "{first:?} {second:?}");
        assert!((first[0].dot(Vec3::Y) - 10f32.to_radians().cos()).abs() < 1e-4);
        // The corner away from the edge belongs to its triangle alone.
        assert!(first[2].dot(Vec3::Y) > 0.9999);
    }

    #[test]
    fn a_fan_of_many_triangles_stays_flat_in_its_middle() {
        let rim = |i: usize| {
            let (sin, cos) = (i as f32 * 1e-5).sin_cos();
            vec3a(cos, 0.0, sin)
        };
        let fan: Vec<Triangle> = (0..200_000)
            .map(|i| Triangle {
                v0: Vec3A::Y,
                v1: rim(i + 1),
                v2: rim(i),
            })
            .collect();
        let found = normals(&fan, &|| Ok(())).unwrap();
        let flat = Vec3::from(fan[777].compute_normal());
        assert!(found[777][0].distance(flat) < 1e-6);
        assert!(found[777][1].distance(flat) < 1e-2);
    }

    #[test]
    fn a_sharp_edge_stays_hard() {
        for degrees in [45.0, 90.0, 170.0] {
            let [first, _] = normals(&hinge(degrees), &|| Ok(()))
                .unwrap()
                .try_into()
                .unwrap();
            assert!(first.iter().all(|n| n.dot(Vec3::Y) > 0.9999), "{first:?}");
        }
    }
}
