//! Divides polygons into triangles: as a fan where that is right, by ear clipping elsewhere (Meisters 1975).

use glam::{Vec2, Vec3A, vec2};

/// Corners of a polygon that is not a fan: ears take quadratic time.
const MOST_CORNERS: usize = 2048;

/// Corners that are looked at to find the ears of a polygon.
const MOST_STEPS: usize = 1 << 24;

/// A fan's triangle may be turned round by as much of the whole area, from rounding.
const TOLERANCE: f32 = 1e-6;

/// The corners of the triangles of a polygon, each as numbers of `points`.
///
/// # Errors
/// If it is not a fan, and has very many corners or is too intricate.
pub(super) fn triangulate(points: &[Vec3A]) -> Result<Vec<[usize; 3]>, String> {
    let count = points.len();
    let fan = || {
        (1..count.saturating_sub(1))
            .map(|i| [0, i, i + 1])
            .collect()
    };
    if count < 4 {
        return Ok(fan());
    }
    let flat = flattened(points);
    let areas = (1..count - 1).map(|i| area(flat[0], flat[i], flat[i + 1]));
    let (least, whole) = areas.fold((f32::INFINITY, 0.0), |(least, whole), area| {
        (least.min(area), whole + area)
    });
    if least >= -TOLERANCE * whole {
        return Ok(fan());
    }
    if count > MOST_CORNERS {
        return Err(format!(
            "a face that is not convex has {count} corners; at most {MOST_CORNERS} are divided into triangles"
        ));
    }
    ears(&flat)
}

/// The points in the plane of the polygon (Newell's normal), so that it runs counter-clockwise.
fn flattened(points: &[Vec3A]) -> Vec<Vec2> {
    let first = points[0];
    let next = points.iter().cycle().skip(1);
    let normal: Vec3A = points
        .iter()
        .zip(next)
        .map(|(&a, &b)| (a - first).cross(b - first))
        .sum();
    let (side, up) = normal.normalize_or(Vec3A::Y).any_orthonormal_pair();
    let flat = |p: &Vec3A| {
        let p = *p - first;
        vec2(p.dot(side), p.dot(up))
    };
    points.iter().map(flat).collect()
}

/// Twice the area, positive where the corners run counter-clockwise.
fn area(a: Vec2, b: Vec2, c: Vec2) -> f32 {
    (b - a).perp_dot(c - a)
}

/// Cuts off one ear after the other: a corner whose triangle holds no other corner.
fn ears(points: &[Vec2]) -> Result<Vec<[usize; 3]>, String> {
    let count = points.len();
    let mut next: Vec<usize> = (1..count).chain([0]).collect();
    let mut last: Vec<usize> = [count - 1].into_iter().chain(0..count - 1).collect();
    let mut found = Vec::with_capacity(count - 2);
    let (mut at, mut left, mut tried, mut steps) = (0, count, 0, 0);
    while left > 3 {
        steps += left;
        if steps > MOST_STEPS {
            return Err(format!(
                "a face with {count} corners crosses itself or is too intricate to divide into triangles"
            ));
        }
        // After a whole round without an ear, as of a polygon that crosses itself, any corner goes.
        if tried > left || is_ear(points, &next, last[at], at) {
            found.push([last[at], at, next[at]]);
            let (before, after) = (last[at], next[at]);
            (next[before], last[after]) = (after, before);
            (left, tried) = (left - 1, 0);
            // Not the neighbour, which would make a fan of slivers.
            at = next[after];
        } else {
            tried += 1;
            at = next[at];
        }
    }
    found.push([last[at], at, next[at]]);
    Ok(found)
}

fn is_ear(points: &[Vec2], next: &[usize], before: usize, at: usize) -> bool {
    let after = next[at];
    let [a, b, c] = [before, at, after].map(|i| points[i]);
    if area(a, b, c) <= 0.0 {
        return false;
    }
    let mut other = next[after];
    while other != before {
        let p = points[other];
        // A corner may come twice, where a hole is cut open.
        let elsewhere = p != a && p != b && p != c;
        if elsewhere && area(a, b, p) >= 0.0 && area(b, c, p) >= 0.0 && area(c, a, p) >= 0.0 {
            return false;
        }
        other = next[other];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::vec3a;

    fn total(points: &[Vec3A]) -> (usize, f32) {
        let triangles = triangulate(points).unwrap();
        let areas = triangles.iter().map(|t| {
            let [a, b, c] = t.map(|i| points[i]);
            (b - a).cross(c - a).length() / 2.0
        });
        (triangles.len(), areas.sum())
    }

    /// A polygon in a plane that is parallel to no axis.
    fn placed(corners: &[[f32; 2]]) -> Vec<Vec3A> {
        let (x, y) = (vec3a(2.0, 1.0, 2.0) / 3.0, vec3a(-2.0, 2.0, 1.0) / 3.0);
        let place = |c: &[f32; 2]| x * c[0] + y * c[1];
        corners.iter().map(place).collect()
    }

    const U: [[f32; 2]; 8] = [
        [0.0, 0.0],
        [3.0, 0.0],
        [3.0, 3.0],
        [2.0, 3.0],
        [2.0, 1.0],
        [1.0, 1.0],
        [1.0, 3.0],
        [0.0, 3.0],
    ];

    #[test]
    fn concave_polygons_keep_their_area_whichever_way_they_run() {
        let mut corners = placed(&U);
        for _ in 0..corners.len() {
            corners.rotate_left(1);
            let (count, area) = total(&corners);
            assert_eq!(count, 6);
            assert!((area - 7.0).abs() < 1e-4, "{area}");
        }
        corners.reverse();
        assert!((total(&corners).1 - 7.0).abs() < 1e-4);
    }

    #[test]
    fn a_hole_that_is_cut_open_stays_a_hole() {
        // A square with a square hole, which corners 3 and 8 join to the rim.
        let corners = placed(&[
            [0.0, 0.0],
            [4.0, 0.0],
            [4.0, 4.0],
            [0.0, 4.0],
            [0.0, 0.0],
            [1.0, 1.0],
            [1.0, 3.0],
            [3.0, 3.0],
            [3.0, 1.0],
            [1.0, 1.0],
        ]);
        let (_, area) = total(&corners);
        assert!((area - 12.0).abs() < 1e-4, "{area}");
    }

    #[test]
    fn what_crosses_itself_or_has_no_area_ends() {
        let bow = placed(&[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.5, 3.0]]);
        assert_eq!(triangulate(&bow).unwrap().len(), 3);
        let line = placed(&[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [0.5, 0.0]]);
        assert_eq!(triangulate(&line).unwrap().len(), 2);
        let broken = [Vec3A::NAN; 5];
        assert_eq!(triangulate(&broken).unwrap().len(), 3);
    }

    #[test]
    fn a_comb_of_many_teeth_is_divided_or_refused() {
        let comb = |teeth: usize| {
            let tooth = |i: usize| {
                let x = i as f32;
                [[x, 1.0], [x + 0.5, 0.1]]
            };
            let mut corners: Vec<[f32; 2]> = (0..teeth).rev().flat_map(tooth).collect();
            corners.extend([[-1.0, 0.0], [teeth as f32, 0.0]]);
            placed(&corners)
        };
        assert_eq!(triangulate(&comb(1000)).unwrap().len(), 2000);
        let error = triangulate(&comb(3000)).unwrap_err();
        assert!(error.contains("6002 corners; at most 2048"), "{error}");
    }
}
