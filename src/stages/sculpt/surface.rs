//! From a volume to a model: its surface, written as OBJ.

use std::fmt::Write;

use fast_surface_nets::ndshape::RuntimeShape;
use fast_surface_nets::{SurfaceNetsBuffer, surface_nets};
use glam::{IVec3, Vec3, ivec3};

use super::grid::Grid;

/// Triangles, counter-clockwise as seen from outside.
pub(super) struct Surface {
    /// In voxels.
    pub vertices: Vec<Vec3>,
    pub triangles: Vec<[u32; 3]>,
}

/// The surface of `part`, where the `values` of the volume from which it is taken change their sign (Gibson,
/// Constrained Elastic Surface Nets, 1998, without its relaxation). It is closed.
pub(super) fn surface(values: &[f32], part: &Grid) -> Surface {
    // Nothing around it, so that what touches the edge of the grid is closed, too; two layers of it at the far sides,
    // since the last layer gets no faces.
    let side = part.resolution as u32 + 3;
    let mut field = Vec::with_capacity((side as usize).pow(3));
    for z in 0..side {
        for y in 0..side {
            for x in 0..side {
                field.push(outwards(
                    values,
                    part,
                    ivec3(x as i32, y as i32, z as i32) - 1,
                ));
            }
        }
    }
    let mut buffer = SurfaceNetsBuffer::default();
    let shape = RuntimeShape::<u32, 3>::new([side; 3]);
    surface_nets(&field, &shape, [0; 3], [side - 1; 3], &mut buffer);
    // A value is that of the middle of its voxel.
    let to_grid = |place: &[f32; 3]| Vec3::from(*place) - 0.5;
    let (triangles, _) = buffer.indices.as_chunks::<3>();
    Surface {
        vertices: buffer.positions.iter().map(to_grid).collect(),
        triangles: triangles.to_vec(),
    }
}

/// The value at a place, below 0 inside the part, above it outside.
fn outwards(values: &[f32], part: &Grid, place: IVec3) -> f32 {
    /// A surface through a voxel's very middle would have triangles without area.
    const LEAST: f32 = 0.05;
    match part.index(place) {
        Some(index) if part.inside[index] => -values[index].max(LEAST),
        // Other parts of the shape are left out.
        Some(index) => (-values[index]).max(LEAST),
        None => 1.0,
    }
}

impl Surface {
    /// As a file in metres, with +y up, that stands on y = 0 above the origin.
    pub(super) fn to_obj(&self, voxel: f32) -> String {
        let (low, high) = self
            .vertices
            .iter()
            .fold((Vec3::INFINITY, Vec3::NEG_INFINITY), |(low, high), v| {
                (low.min(*v), high.max(*v))
            });
        let foot = Vec3::new(
            f32::midpoint(low.x, high.x),
            low.y,
            f32::midpoint(low.z, high.z),
        );
        let mut text = String::new();
        for vertex in &self.vertices {
            let Vec3 { x, y, z } = (*vertex - foot) * voxel;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "v {x} {y} {z}");
        }
        for [a, b, c] in &self.triangles {
            let _ = writeln!(text, "f {} {} {}", a + 1, b + 1, c + 1);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// How often each edge is passed in this direction.
    fn edges(surface: &Surface) -> HashMap<(u32, u32), i32> {
        let mut edges = HashMap::new();
        for triangle in &surface.triangles {
            for (from, to) in [(0, 1), (1, 2), (2, 0)] {
                *edges.entry((triangle[from], triangle[to])).or_default() += 1;
            }
        }
        edges
    }

    fn is_closed(surface: &Surface) -> bool {
        let edges = edges(surface);
        let twin = |(from, to): &(u32, u32)| edges.get(&(*to, *from));
        !edges.is_empty() && edges.iter().all(|(edge, count)| twin(edge) == Some(count))
    }

    #[test]
    fn a_full_grid_is_a_closed_cube() {
        let part = Grid {
            resolution: 5,
            inside: vec![true; 125],
        };
        let found = surface(&[0.5; 125], &part);
        assert!(is_closed(&found));
        let high = found.vertices.iter().fold(Vec3::ZERO, |a, b| a.max(*b));
        assert!(high.min_element() > 4.5, "{high}");
    }

    #[test]
    fn a_surface_is_closed_faces_outwards_and_stands_on_the_ground() {
        let side = 12;
        let grid = Grid::empty(side);
        let mut part = grid.clone();
        let mut values = vec![-1.0_f32; side.pow(3)];
        for (index, value) in values.iter_mut().enumerate() {
            let place = Vec3::new(
                (index % side) as f32,
                (index / side % side) as f32,
                (index / side / side) as f32,
            );
            // A ball that touches one side of the grid.
            *value = 1.0 - (place - Vec3::new(4.0, 5.5, 5.5)).length() / 4.5;
            part.inside[index] = *value > 0.0;
        }
        let found = surface(&values, &part);
        let mut volume = 0.0;
        for triangle in &found.triangles {
            let [a, b, c] = triangle.map(|corner| found.vertices[corner as usize]);
            volume += a.cross(b).dot(c) / 6.0;
        }
        assert!(is_closed(&found));
        let ball = 4.0 / 3.0 * std::f32::consts::PI * 4.5_f32.powi(3);
        assert!((volume / ball - 1.0).abs() < 0.1, "{volume} {ball}");
        let obj = found.to_obj(0.01);
        let heights = obj.lines().filter_map(|line| line.strip_prefix("v "));
        let heights = heights.filter_map(|line| line.split(' ').nth(1)?.parse::<f32>().ok());
        assert_eq!(heights.fold(f32::INFINITY, f32::min), 0.0);
    }
}
