//! Dense motion from points: where what each pixel shows stands in the source.
//! Schaefer, McPhail and Warren, Image Deformation Using Moving Least Squares, 2006.

use glam::{DAffine2, DMat2, DVec2};

/// Share of the points' spread that their weights reach beyond them, so that points that disagree make no crease.
const REACH: f64 = 0.15;

/// How much a map that shears must explain, as a share of the points' spread: points in a line say nothing of what lies
/// beside it.
const RIDGE: f64 = 0.02;

/// The motion of points, and of all that lies between and around them.
pub struct Motion {
    /// Places in the driven picture, and in the source.
    pairs: Vec<(DVec2, DVec2)>,
    /// In pixels.
    reach: f64,
}

impl Motion {
    /// The motion that takes points of the source to their places in the driven picture, both in pixels, in one order.
    pub fn new(source: &[DVec2], driven: &[DVec2]) -> Self {
        let pairs: Vec<(DVec2, DVec2)> =
            driven.iter().copied().zip(source.iter().copied()).collect();
        let count = pairs.len().max(1) as f64;
        let middle = pairs.iter().map(|(driven, _)| *driven).sum::<DVec2>() / count;
        let squares = pairs
            .iter()
            .map(|(driven, _)| driven.distance_squared(middle));
        let spread = (squares.sum::<f64>() / count).sqrt();
        Motion {
            reach: (REACH * spread).max(1.0),
            pairs,
        }
    }

    /// Where in the source stands what is at `place` of the driven picture; there too if there are no points.
    pub fn source_of(&self, place: DVec2) -> DVec2 {
        let weighted = self.pairs.iter().map(|(driven, source)| {
            let square = driven.distance_squared(place) + self.reach * self.reach;
            (1.0 / square, *driven, *source)
        });
        least_squares(weighted).transform_point2(place)
    }
}

/// The affine map that takes the first points nearest to the second, by their weights: one that keeps shapes, and as
/// much of another as the points bear out. Of a single point it is a shift, of none nothing.
pub fn least_squares(pairs: impl Iterator<Item = (f64, DVec2, DVec2)> + Clone) -> DAffine2 {
    let total: f64 = pairs.clone().map(|(weight, ..)| weight).sum();
    if total <= 0.0 {
        return DAffine2::IDENTITY;
    }
    let mean = |of: fn(DVec2, DVec2) -> DVec2| {
        let sum: DVec2 = pairs.clone().map(|(w, from, to)| of(from, to) * w).sum();
        sum / total
    };
    let (from_middle, to_middle) = (mean(|from, _| from), mean(|_, to| to));
    let around = || {
        pairs
            .clone()
            .map(|(w, from, to)| (w, from - from_middle, to - to_middle))
    };
    let squares: f64 = around().map(|(w, from, _)| w * from.length_squared()).sum();
    if squares <= 1e-9 * total {
        return DAffine2::from_translation(to_middle - from_middle);
    }
    let dot: f64 = around().map(|(w, from, to)| w * from.dot(to)).sum();
    let cross: f64 = around().map(|(w, from, to)| w * from.perp_dot(to)).sum();
    let (cos, sin) = (dot / squares, cross / squares);
    let alike = DMat2::from_cols(DVec2::new(cos, sin), DVec2::new(-sin, cos));
    let outer = |a: DVec2, b: DVec2| DMat2::from_cols(a * b.x, a * b.y);
    let (mut left, mut spread) = (
        DMat2::ZERO,
        DMat2::from_diagonal(DVec2::splat(RIDGE * squares)),
    );
    for (weight, from, to) in around() {
        left += outer(to - alike * from, from) * weight;
        spread += outer(from, from) * weight;
    }
    let matrix = alike + left * spread.inverse();
    DAffine2::from_mat2_translation(matrix, to_middle - matrix * from_middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::dvec2;

    fn square() -> [DVec2; 4] {
        [
            dvec2(10.0, 10.0),
            dvec2(20.0, 10.0),
            dvec2(10.0, 20.0),
            dvec2(20.0, 20.0),
        ]
    }

    #[test]
    fn what_turns_and_grows_is_followed_everywhere() {
        let turn = DAffine2::from_scale_angle_translation(DVec2::splat(1.5), 0.7, dvec2(3.0, -8.0));
        let driven = square().map(|point| turn.transform_point2(point));
        let motion = Motion::new(&square(), &driven);
        for place in [dvec2(0.0, 0.0), dvec2(14.0, 17.0), dvec2(60.0, 5.0)] {
            let found = motion.source_of(turn.transform_point2(place));
            assert!(found.distance(place) < 1e-6, "{place} {found}");
        }
    }

    #[test]
    fn a_shear_is_followed_where_points_bear_it_out_and_not_beside_a_line() {
        let shear = DAffine2::from_mat2(DMat2::from_cols(dvec2(1.0, 0.0), dvec2(0.4, 0.8)));
        let driven = square().map(|point| shear.transform_point2(point));
        let motion = Motion::new(&square(), &driven);
        let found = motion.source_of(shear.transform_point2(dvec2(15.0, 15.0)));
        assert!(found.distance(dvec2(15.0, 15.0)) < 0.3, "{found}");
        let line = [dvec2(0.0, 0.0), dvec2(5.0, 0.0), dvec2(10.0, 0.0)];
        let still = Motion::new(&line, &line);
        assert!(still.source_of(dvec2(3.0, 9.0)).distance(dvec2(3.0, 9.0)) < 1e-9);
    }

    #[test]
    fn one_point_shifts_and_none_leaves_all_where_it_is() {
        let shifted = Motion::new(&[dvec2(1.0, 2.0)], &[dvec2(4.0, 6.0)]);
        assert_eq!(shifted.source_of(dvec2(10.0, 10.0)), dvec2(7.0, 6.0));
        assert_eq!(
            Motion::new(&[], &[]).source_of(dvec2(5.0, 6.0)),
            dvec2(5.0, 6.0)
        );
    }
}
