//! How much made shapes are like others: coverage and minimum matching distance (Achlioptas et al., Learning
//! Representations and Generative Models for 3D Point Clouds, 2018, <https://arxiv.org/abs/1707.02392>), and how often
//! the nearest neighbour tells the sets apart (Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, 2017,
//! <https://arxiv.org/abs/1610.06545>).

use rayon::prelude::*;
use serde::Serialize;

use super::grid::Grid;

/// What is needed of a shape to compare it.
pub(super) struct SurfaceDistances {
    /// Indices of the voxels at the surface.
    surface: Vec<usize>,
    /// Of every voxel from the surface, in voxels.
    distances: Vec<f32>,
    resolution: usize,
}

impl SurfaceDistances {
    fn of(grid: &Grid) -> Self {
        let surface = grid.surface();
        SurfaceDistances {
            distances: grid.distances(&surface),
            surface,
            resolution: grid.resolution,
        }
    }

    /// At most `most` of these shapes, spread evenly.
    pub(super) fn some(grids: &[&Grid], most: usize) -> Vec<Self> {
        let count = grids.len().min(most);
        let chosen = (0..count).into_par_iter();
        chosen
            .map(|place| SurfaceDistances::of(grids[place * grids.len() / count]))
            .collect()
    }

    /// The mean distance of the other's surface from this one, as a share of the grid's side.
    fn to(&self, other: &SurfaceDistances) -> f64 {
        let distances = other.surface.iter().map(|index| self.distances[*index]);
        let sum: f32 = distances.sum();
        f64::from(sum) / (other.surface.len().max(1) * self.resolution) as f64
    }

    /// The chamfer distance, as a share of the grid's side.
    fn distance(&self, other: &SurfaceDistances) -> f64 {
        f64::midpoint(self.to(other), other.to(self))
    }
}

/// Of fewer shapes, figures tell nothing.
const FEWEST: usize = 5;

/// A set of shapes against held-out ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Share of the held-out shapes that are the nearest one to some of the set, 0..1: how much is covered.
    pub coverage: f64,
    /// Mean distance of a held-out shape from the nearest of the set, as a share of the grid's side.
    pub minimum_matching_distance: f64,
    /// How often the nearest other shape of both sets is of the same set, 0..1; one half if they are alike.
    pub nearest_neighbour_accuracy: f64,
}

impl Figures {
    /// The mean over several comparisons; `None` of none.
    pub(super) fn mean(all: &[Figures]) -> Option<Figures> {
        let mean = |of: fn(&Figures) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        (!all.is_empty()).then(|| Figures {
            coverage: mean(|figures| figures.coverage),
            minimum_matching_distance: mean(|figures| figures.minimum_matching_distance),
            nearest_neighbour_accuracy: mean(|figures| figures.nearest_neighbour_accuracy),
        })
    }
}

/// Compares as many of a set as there are held-out shapes with these; `None` if there are too few.
pub(super) fn compare(set: &[SurfaceDistances], held_out: &[SurfaceDistances]) -> Option<Figures> {
    let count = set.len().min(held_out.len());
    if count < FEWEST {
        return None;
    }
    let even = |all: &[SurfaceDistances]| -> Vec<usize> {
        (0..count).map(|place| place * all.len() / count).collect()
    };
    let (ours, theirs) = (even(set), even(held_out));
    let all: Vec<&SurfaceDistances> = (ours.iter().map(|place| &set[*place]))
        .chain(theirs.iter().map(|place| &held_out[*place]))
        .collect();
    let rows: Vec<Vec<f64>> = all
        .par_iter()
        .map(|a| all.iter().map(|b| a.distance(b)).collect())
        .collect();
    let nearest = |from: usize, among: std::ops::Range<usize>| {
        let others = among.filter(|other| *other != from);
        others.min_by(|a, b| rows[from][*a].total_cmp(&rows[from][*b]))
    };
    let (ours, theirs) = (0..count, count..2 * count);
    let mut covered = vec![false; 2 * count];
    for found in ours
        .clone()
        .filter_map(|from| nearest(from, theirs.clone()))
    {
        covered[found] = true;
    }
    let matched = theirs
        .clone()
        .filter_map(|from| Some(rows[from][nearest(from, ours.clone())?]));
    let alike = (0..2 * count).filter(|from| {
        let found = nearest(*from, 0..2 * count);
        found.is_some_and(|found| (found < count) == (*from < count))
    });
    Some(Figures {
        coverage: covered.iter().filter(|covered| **covered).count() as f64 / count as f64,
        minimum_matching_distance: matched.sum::<f64>() / count as f64,
        nearest_neighbour_accuracy: alike.count() as f64 / (2 * count) as f64,
    })
}

#[cfg(test)]
mod tests {
    use glam::Vec3A;

    use super::super::grid::tests::cuboid;
    use super::*;

    fn boxes(heights: impl Iterator<Item = f32>) -> Vec<SurfaceDistances> {
        let grid = |height| {
            let corners = cuboid(Vec3A::ZERO, Vec3A::new(1.0, height, 0.5));
            Grid::of(&corners, 32).0
        };
        let grids: Vec<Grid> = heights.map(grid).collect();
        SurfaceDistances::some(&grids.iter().collect::<Vec<_>>(), 100)
    }

    #[test]
    fn like_shapes_cover_each_other_and_unlike_ones_are_told_apart() {
        let spread = |first: f32| (0..12).map(move |n| first + 0.05 * n as f32);
        let held_out = boxes(spread(0.2));
        let like = compare(&boxes(spread(0.21)), &held_out).unwrap();
        let unlike = compare(&boxes(spread(2.0)), &held_out).unwrap();
        let narrow = compare(&boxes((0..12).map(|_| 0.4)), &held_out).unwrap();
        assert!(like.coverage > 0.6 && narrow.coverage < 0.2);
        assert!(like.minimum_matching_distance < unlike.minimum_matching_distance);
        assert_eq!(unlike.nearest_neighbour_accuracy, 1.0);
        assert!(like.nearest_neighbour_accuracy < 0.8);
        assert_eq!(compare(&[], &held_out), None);
    }
}
