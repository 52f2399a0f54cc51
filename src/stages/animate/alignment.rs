//! How the first frame of a clip is laid over a picture.

use glam::{DAffine2, DVec2};

use crate::generators::animate::clips::common;
use crate::generators::animate::motion::least_squares;
use crate::sample::Object;

/// How far a point may be from where it is expected, as a share of the way to its nearest neighbour.
const TOLERANCE: f64 = 0.3;

/// How many times as large or small a scale may be as that of the masks.
const SCALES: f64 = 1.4;

/// How many times as much a map may stretch one way as the other: the faces of what is seen from very different sides do
/// not move alike.
const STRETCH: f64 = 1.35;

/// The map that takes an object's points to those of another that have the same names; `None` if none have.
pub(super) fn by_names(from: &Object, to: &Object) -> Option<DAffine2> {
    let (from, to) = common(from, to);
    let pairs: Vec<(DVec2, DVec2)> = from.into_iter().zip(to).collect();
    fitted(&pairs)
}

/// The map that takes all points to some that are seen and have no names, each to another one; `scale` is about that of
/// the map. Of several that do, as of a square that can be turned, the one that turns least. `None` if there is none.
pub(super) fn by_places(points: &[DVec2], seen: &[DVec2], scale: f64) -> Option<DAffine2> {
    let (a, b) = match points {
        [] => return None,
        [point] => {
            let nearest = seen.iter().min_by(|a, b| {
                let way = |place: &DVec2| place.distance_squared(*point);
                way(a).total_cmp(&way(b))
            })?;
            let shrunk = DAffine2::from_scale(DVec2::splat(scale));
            let moved = shrunk.transform_point2(*point);
            return Some(DAffine2::from_translation(*nearest - moved) * shrunk);
        }
        _ => farthest(points),
    };
    let way = points[b] - points[a];
    let mut best: Option<(f64, DAffine2)> = None;
    for (i, start) in seen.iter().enumerate() {
        for (j, end) in seen.iter().enumerate() {
            let other = *end - *start;
            let growth = other.length() / way.length().max(1e-9);
            if i == j || !(1.0 / SCALES..=SCALES).contains(&(growth / scale)) {
                continue;
            }
            let angle = way.angle_to(other);
            let turn =
                DAffine2::from_scale_angle_translation(DVec2::splat(growth), angle, DVec2::ZERO);
            let rough =
                DAffine2::from_translation(*start - turn.transform_point2(points[a])) * turn;
            let Some(pairs) = matched(points, seen, &rough) else {
                continue;
            };
            if best.is_none_or(|(least, _)| angle.abs() < least) {
                best = fitted(&pairs).map(|map| (angle.abs(), map)).or(best);
            }
        }
    }
    best.map(|(_, map)| map)
}

/// The two points that are farthest from each other.
fn farthest(points: &[DVec2]) -> (usize, usize) {
    let all = (0..points.len()).flat_map(|a| (a + 1..points.len()).map(move |b| (a, b)));
    let way = |(a, b): &(usize, usize)| points[*a].distance_squared(points[*b]);
    all.max_by(|a, b| way(a).total_cmp(&way(b)))
        .unwrap_or((0, 0))
}

/// Each point with one that is seen where the map takes it; `None` if one is not seen, or two would be the same.
fn matched(points: &[DVec2], seen: &[DVec2], map: &DAffine2) -> Option<Vec<(DVec2, DVec2)>> {
    let expected: Vec<DVec2> = points
        .iter()
        .map(|point| map.transform_point2(*point))
        .collect();
    let mut taken = vec![false; seen.len()];
    let mut pairs = Vec::with_capacity(points.len());
    for (place, (point, at)) in points.iter().zip(&expected).enumerate() {
        let others = expected
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place);
        let nearest = others
            .map(|(_, other)| other.distance(*at))
            .fold(f64::MAX, f64::min);
        let (number, found) = seen
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| a.distance_squared(*at).total_cmp(&b.distance_squared(*at)))?;
        if found.distance(*at) > TOLERANCE * nearest || std::mem::replace(&mut taken[number], true)
        {
            return None;
        }
        pairs.push((*point, *found));
    }
    Some(pairs)
}

/// The map that takes the first of each pair nearest to the second, if it can be undone.
fn fitted(pairs: &[(DVec2, DVec2)]) -> Option<DAffine2> {
    if pairs.is_empty() {
        return None;
    }
    let map = least_squares(pairs.iter().map(|(from, to)| (1.0, *from, *to)));
    let [narrow, wide] = scales(&map);
    (map.matrix2.determinant() > 0.05 && wide <= STRETCH * narrow).then_some(map)
}

/// How many times as long a map makes what it makes shortest and what it makes longest: its singular values.
fn scales(map: &DAffine2) -> [f64; 2] {
    let squares = map.matrix2.x_axis.length_squared() + map.matrix2.y_axis.length_squared();
    let root = (squares * squares - 4.0 * map.matrix2.determinant().powi(2))
        .max(0.0)
        .sqrt();
    [squares - root, squares + root].map(|square| (square / 2.0).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::dvec2;

    fn turned(angle: f64, scale: f64) -> DAffine2 {
        DAffine2::from_scale_angle_translation(DVec2::splat(scale), angle, dvec2(30.0, 4.0))
    }

    fn five() -> Vec<DVec2> {
        [(0.0, 0.0), (8.0, 0.0), (4.0, 4.0), (0.0, 8.0), (8.0, 8.0)]
            .map(|(x, y)| dvec2(x, y))
            .to_vec()
    }

    #[test]
    fn points_without_names_are_found_in_any_order_and_among_others() {
        let map = turned(0.4, 1.2);
        let mut seen: Vec<DVec2> = five()
            .iter()
            .map(|point| map.transform_point2(*point))
            .collect();
        seen.reverse();
        seen.insert(2, dvec2(60.0, 60.0));
        let found = by_places(&five(), &seen, 1.1).unwrap();
        for point in five() {
            assert!(
                found
                    .transform_point2(point)
                    .distance(map.transform_point2(point))
                    < 1e-6
            );
        }
        assert!(by_places(&five(), &seen[..5], 1.1).is_none());
        assert!(by_places(&five(), &seen, 3.0).is_none());
    }

    #[test]
    fn of_the_ways_to_turn_a_square_the_least_is_taken() {
        let map = turned(1.3, 1.0);
        let seen: Vec<DVec2> = five()
            .iter()
            .map(|point| map.transform_point2(*point))
            .collect();
        let found = by_places(&five(), &seen, 1.0).unwrap();
        let angle = found.matrix2.x_axis.to_angle();
        assert!(
            (angle - (1.3 - std::f64::consts::FRAC_PI_2)).abs() < 1e-6,
            "{angle}"
        );
    }

    #[test]
    fn what_is_stretched_much_more_one_way_is_not_followed() {
        let found = |stretch: f64| {
            let map = DAffine2::from_scale(dvec2(1.0, stretch));
            let pairs: Vec<_> = five()
                .iter()
                .map(|p| (*p, map.transform_point2(*p)))
                .collect();
            fitted(&pairs).map(|map| scales(&map))
        };
        let [narrow, wide] = found(1.2).unwrap();
        assert!(
            (narrow - 1.0).abs() < 0.02 && (wide - 1.2).abs() < 0.02,
            "{narrow} {wide}"
        );
        assert!(found(1.6).is_none());
        assert!(found(-1.0).is_none());
    }

    #[test]
    fn one_point_is_moved_and_scaled_about() {
        let map = by_places(
            &[dvec2(10.0, 10.0)],
            &[dvec2(90.0, 90.0), dvec2(14.0, 8.0)],
            0.5,
        );
        let map = map.unwrap();
        assert!(
            map.transform_point2(dvec2(10.0, 10.0))
                .distance(dvec2(14.0, 8.0))
                < 1e-9
        );
        assert!(
            map.transform_point2(dvec2(14.0, 10.0))
                .distance(dvec2(16.0, 8.0))
                < 1e-9
        );
        assert!(by_places(&[dvec2(1.0, 1.0)], &[], 1.0).is_none());
        assert!(by_places(&[], &[dvec2(1.0, 1.0)], 1.0).is_none());
    }
}
