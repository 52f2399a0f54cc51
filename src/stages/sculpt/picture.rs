//! Pictures of shapes, to look at: seen from above and the side, in grey.

use glam::{Mat3, Vec3};
use image::{Rgb, RgbImage};

use super::grid::Grid;

/// Width and height.
pub(super) const SIDE: u32 = 96;

/// Steps to a voxel.
const STEPS: f32 = 2.0;

/// A picture of a shape.
pub(super) fn picture(grid: &Grid) -> RgbImage {
    let side = grid.resolution as f32;
    let turn = Mat3::from_rotation_y(-0.7) * Mat3::from_rotation_x(-0.5);
    let (middle, depth) = (Vec3::splat(side / 2.0), 1.8 * side);
    let light = Vec3::new(0.5, 1.0, 0.8).normalize();
    let scale = 1.5 * side / SIDE as f32;
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let right = (x as f32 + 0.5 - SIDE as f32 / 2.0) * scale;
        let up = (SIDE as f32 / 2.0 - y as f32 - 0.5) * scale;
        let step = turn * Vec3::NEG_Z / STEPS;
        let mut point = middle + turn * Vec3::new(right, up, depth / 2.0);
        for _ in 0..(depth * STEPS) as usize {
            if grid.at(point.floor().as_ivec3()) {
                let shade = normal(grid, point).dot(light).max(0.0);
                return Rgb([(60.0 + 190.0 * shade) as u8; 3]);
            }
            point += step;
        }
        Rgb([24; 3])
    })
}

/// The way out of the shape, from the voxels around a point.
fn normal(grid: &Grid, point: Vec3) -> Vec3 {
    const REACH: i32 = 2;
    let place = point.floor().as_ivec3();
    let mut sum = Vec3::ZERO;
    let range = -REACH..=REACH;
    for z in range.clone() {
        for y in range.clone() {
            for x in range.clone() {
                let offset = glam::ivec3(x, y, z);
                if grid.at(place + offset) {
                    sum -= offset.as_vec3();
                }
            }
        }
    }
    sum.normalize_or(Vec3::Y)
}
