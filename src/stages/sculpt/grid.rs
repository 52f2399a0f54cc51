//! Shapes as grids of voxels.

use std::collections::VecDeque;

use glam::{IVec3, Vec3, Vec3A, ivec3};

/// Voxels that stay free on every side, so that there is an outside all around.
const MARGIN: usize = 2;

/// A cube of voxels, each inside a shape or outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    /// Voxels along a side.
    pub resolution: usize,
    /// x fastest, then y (up), then z.
    pub inside: Vec<bool>,
}

/// The neighbours of a voxel that share a side with it.
const SIDES: [IVec3; 6] = [
    ivec3(1, 0, 0),
    ivec3(-1, 0, 0),
    ivec3(0, 1, 0),
    ivec3(0, -1, 0),
    ivec3(0, 0, 1),
    ivec3(0, 0, -1),
];

/// The corners of the box around these triangles.
pub(super) fn bounds(triangles: &[[Vec3A; 3]]) -> (Vec3A, Vec3A) {
    let corners = triangles.iter().flatten();
    corners.fold((Vec3A::INFINITY, Vec3A::NEG_INFINITY), |(l, h), v| {
        (l.min(*v), h.max(*v))
    })
}

impl Grid {
    pub(super) fn empty(resolution: usize) -> Self {
        Grid {
            resolution,
            inside: vec![false; resolution.pow(3)],
        }
    }

    /// The shape whose surface these triangles are, in the middle of the grid and as large as fits; also the length of
    /// a voxel's side. What the surface closes off from the outside is inside; an open surface is as thick as a voxel.
    pub(super) fn of(triangles: &[[Vec3A; 3]], resolution: usize) -> (Self, f32) {
        let (low, high) = bounds(triangles);
        let longest = (high - low).max_element().max(f32::MIN_POSITIVE);
        let voxel = longest / (resolution - 2 * MARGIN) as f32;
        let middle = Vec3A::splat(resolution as f32 / 2.0);
        let to_grid = |v: Vec3A| (v - (low + high) / 2.0) / voxel + middle;
        let mut surface = Grid::empty(resolution);
        for triangle in triangles {
            surface.mark(triangle.map(to_grid));
        }
        (surface.filled(), voxel)
    }

    pub(super) fn at(&self, place: IVec3) -> bool {
        self.index(place).is_some_and(|index| self.inside[index])
    }

    /// The place of a voxel in `inside`; `None` beyond the grid.
    pub(super) fn index(&self, place: IVec3) -> Option<usize> {
        let side = self.resolution as i32;
        let within = place.min_element() >= 0 && place.max_element() < side;
        within.then(|| ((place.z * side + place.y) * side + place.x) as usize)
    }

    fn place(&self, index: usize) -> IVec3 {
        let side = self.resolution;
        ivec3(
            (index % side) as i32,
            (index / side % side) as i32,
            (index / side / side) as i32,
        )
    }

    /// Marks the voxels of points of a triangle that are half a voxel apart or less, so that no way through the sides of
    /// voxels leads past them.
    fn mark(&mut self, [a, b, c]: [Vec3A; 3]) {
        let longest = (b - a).length().max((c - a).length()).max((c - b).length());
        // Two points a voxel leave no gaps.
        let steps = (2.0 * longest).ceil().max(1.0) as usize;
        for i in 0..=steps {
            for j in 0..=steps - i {
                let (s, t) = (i as f32 / steps as f32, j as f32 / steps as f32);
                let point = a + (b - a) * s + (c - a) * t;
                if let Some(index) = self.index(point.floor().as_ivec3()) {
                    self.inside[index] = true;
                }
            }
        }
    }

    /// All but what can be reached from the first voxel, which is outside, without crossing the surface.
    fn filled(&self) -> Self {
        let outside = self.connected(0, false);
        Grid {
            resolution: self.resolution,
            inside: outside.into_iter().map(|outside| !outside).collect(),
        }
    }

    /// Which voxels are connected with this one by others that are alike.
    fn connected(&self, first: usize, inside: bool) -> Vec<bool> {
        let mut reached = vec![false; self.inside.len()];
        let mut open = VecDeque::from([first]);
        reached[first] = true;
        while let Some(index) = open.pop_front() {
            let place = self.place(index);
            for next in SIDES.iter().filter_map(|side| self.index(place + *side)) {
                if !reached[next] && self.inside[next] == inside {
                    reached[next] = true;
                    open.push_back(next);
                }
            }
        }
        reached
    }

    /// The largest part of the shape that hangs together by the sides of voxels.
    pub(super) fn largest_part(&self) -> Self {
        let mut left = self.clone();
        let mut largest = Grid::empty(self.resolution);
        let mut most = 0;
        while let Some(first) = left.inside.iter().position(|inside| *inside) {
            let part = left.connected(first, true);
            let count = part.iter().filter(|there| **there).count();
            for (voxel, taken) in left.inside.iter_mut().zip(&part) {
                *voxel &= !taken;
            }
            if count > most {
                (most, largest.inside) = (count, part);
            }
        }
        largest
    }

    /// The shape stretched about the middle by a factor along each axis; what leaves the grid is cut off.
    pub(super) fn stretched(&self, factors: Vec3) -> Self {
        let middle = Vec3::splat(self.resolution as f32 / 2.0);
        let inside = (0..self.inside.len()).map(|index| {
            let centre = self.place(index).as_vec3() + 0.5;
            let from = ((centre - middle) / factors + middle).floor().as_ivec3();
            self.at(from)
        });
        Grid {
            resolution: self.resolution,
            inside: inside.collect(),
        }
    }

    /// Voxels inside.
    pub(super) fn volume(&self) -> usize {
        self.inside.iter().filter(|inside| **inside).count()
    }

    /// The indices of the voxels inside that have a side outside.
    pub(super) fn surface(&self) -> Vec<usize> {
        let has_side = |index: &usize| {
            let place = self.place(*index);
            SIDES.iter().any(|side| !self.at(place + *side))
        };
        let inside = (0..self.inside.len()).filter(|index| self.inside[*index]);
        inside.filter(has_side).collect()
    }

    /// The Euclidean distance of every voxel from the nearest of these, in voxels: squares are minimised along one axis
    /// after another, which Felzenszwalb and Huttenlocher (2012) show to be exact.
    pub(super) fn distances(&self, voxels: &[usize]) -> Vec<f32> {
        let side = self.resolution;
        let far = (4 * side * side) as f32;
        let mut squares = vec![far; self.inside.len()];
        for &index in voxels {
            squares[index] = 0.0;
        }
        for stride in [1, side, side * side] {
            let before = squares.clone();
            for (index, square) in squares.iter_mut().enumerate() {
                let along = index / stride % side;
                let first = index - along * stride;
                let other = |other: usize| {
                    let apart = along.abs_diff(other);
                    before[first + other * stride] + (apart * apart) as f32
                };
                *square = (0..side).map(other).fold(far, f32::min);
            }
        }
        squares.into_iter().map(f32::sqrt).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The triangles of a box.
    pub(in super::super) fn cuboid(low: Vec3A, high: Vec3A) -> Vec<[Vec3A; 3]> {
        let corner = |n: usize| {
            let pick = |axis: usize| if n >> axis & 1 == 0 { low } else { high }[axis];
            Vec3A::new(pick(0), pick(1), pick(2))
        };
        let faces = [
            [0, 1, 3, 2],
            [4, 5, 7, 6],
            [0, 1, 5, 4],
            [2, 3, 7, 6],
            [0, 2, 6, 4],
            [1, 3, 7, 5],
        ];
        let halves = |[a, b, c, d]: [usize; 4]| [[a, b, c], [a, c, d]];
        let triangles = faces.into_iter().flat_map(halves);
        triangles.map(|corners| corners.map(corner)).collect()
    }

    #[test]
    fn a_box_is_solid_and_an_open_one_a_shell() {
        let closed = cuboid(Vec3A::ZERO, Vec3A::new(4.0, 2.0, 1.0));
        let (grid, voxel) = Grid::of(&closed, 32);
        assert!((voxel - 4.0 / 28.0).abs() < 1e-6);
        // Half a voxel more on every side.
        let expected = 28.0 * 14.0 * 7.0;
        let volume = grid.volume() as f32;
        assert!(volume >= expected && volume < 30.0 * 16.0 * 9.0, "{volume}");
        assert!(grid.at(ivec3(16, 16, 16)) && !grid.at(ivec3(0, 16, 16)));
        let open = &closed[..10];
        let (shell, _) = Grid::of(open, 32);
        assert!(shell.volume() < grid.volume() && !shell.at(ivec3(16, 16, 16)));
    }

    #[test]
    fn the_largest_part_stays_and_stretching_keeps_the_middle() {
        let mut grid = Grid::empty(16);
        let mut fill = |x: std::ops::Range<i32>, y: i32| {
            for x in x {
                let index = grid.index(ivec3(x, y, 8)).unwrap();
                grid.inside[index] = true;
            }
        };
        fill(2..12, 8);
        fill(2..6, 3);
        let part = grid.largest_part();
        assert_eq!((part.volume(), part.at(ivec3(2, 3, 8))), (10, false));
        assert_eq!(part.largest_part(), part);
        let longer = part.stretched(Vec3::new(1.4, 1.0, 1.0));
        assert!(longer.volume() > part.volume() && longer.at(ivec3(8, 8, 8)));
        assert_eq!(part.stretched(Vec3::ONE), part);
        assert_eq!(Grid::empty(16).largest_part(), Grid::empty(16));
    }

    #[test]
    fn distances_are_those_to_the_nearest_place() {
        let grid = Grid::empty(8);
        let places = [ivec3(1, 2, 3), ivec3(6, 6, 0)];
        let voxels = places.map(|place| grid.index(place).unwrap());
        let found = grid.distances(&voxels);
        for (index, distance) in found.iter().enumerate() {
            let apart = |to: &IVec3| (grid.place(index) - *to).as_vec3().length();
            let nearest = places.iter().map(apart).fold(f32::INFINITY, f32::min);
            assert!((distance - nearest).abs() < 1e-4);
        }
    }
}
