//! The upper half of a panorama as a light to choose directions from, by how bright they are.
//!
//! Cells of equal solid angle: turns about the vertical by heights, in which a sphere's area is even (Archimedes). A
//! direction is drawn by inversion, first its row, then its column (Pharr, Jakob and Humphreys 2023, 12.5), which
//! keeps evenly spread points evenly spread.

use std::f32::consts::{PI, TAU};

use glam::{Vec3A, vec3a};

use crate::sample::colour::luminance;

/// Cells around and upwards.
const COLUMNS: usize = 128;
const ROWS: usize = 32;

/// Most receivers look up: light from the horizon is chosen less often, but it is.
const LOW: f32 = 0.15;

/// Least density of a cell, over the mean.
const FLOOR: f32 = 0.02;

/// The light of the sky, cell by cell.
pub(super) struct Sky {
    radiance: Vec<Vec3A>,
    /// A steradian.
    density: Vec<f32>,
    /// Shares of all rows up to each, and within each row, of all columns up to each.
    rows: Vec<f32>,
    columns: Vec<f32>,
}

/// Light from one direction of the sky.
pub(super) struct Glimpse {
    pub direction: Vec3A,
    pub radiance: Vec3A,
    /// How likely it was chosen, a steradian.
    pub density: f32,
}

impl Sky {
    /// The upper half of an equirectangular map, row 0 the zenith.
    pub(super) fn new((width, height): (usize, usize), texels: &[Vec3A]) -> Self {
        let mut radiance = vec![Vec3A::ZERO; COLUMNS * ROWS];
        let mut weights = vec![0.0_f32; COLUMNS * ROWS];
        let edge = |y: usize| (y as f32 / height as f32 * PI).cos();
        for (i, &texel) in texels.iter().enumerate() {
            let (x, y) = (i % width, i / width);
            let (top, bottom) = (edge(y) * ROWS as f32, edge(y + 1).max(0.0) * ROWS as f32);
            if top <= bottom {
                continue;
            }
            let columns = x * COLUMNS / width..((x + 1) * COLUMNS).div_ceil(width);
            for row in bottom as usize..(top.ceil() as usize).min(ROWS) {
                let share = top.min(row as f32 + 1.0) - bottom.max(row as f32);
                for column in columns.clone() {
                    radiance[row * COLUMNS + column] += texel * share;
                    weights[row * COLUMNS + column] += share;
                }
            }
        }
        for (light, weight) in radiance.iter_mut().zip(&weights) {
            *light /= weight.max(f32::MIN_POSITIVE);
        }
        Self::spread(radiance)
    }

    fn spread(radiance: Vec<Vec3A>) -> Self {
        let power = |i: usize| {
            let height = ((i / COLUMNS) as f32 + 0.5) / ROWS as f32;
            luminance(radiance[i].to_array()) * (height + LOW)
        };
        let power: Vec<f32> = (0..radiance.len()).map(power).collect();
        let floor = FLOOR * power.iter().sum::<f32>() / power.len() as f32;
        let power: Vec<f32> = power.iter().map(|p| p + floor).collect();
        let total: f32 = power.iter().sum();
        // All cells are of one solid angle.
        let cell = TAU / radiance.len() as f32;
        let row_sums: Vec<f32> = power.chunks(COLUMNS).map(|row| row.iter().sum()).collect();
        Sky {
            density: power.iter().map(|p| p / (total * cell)).collect(),
            rows: cumulated(&row_sums),
            columns: power.chunks(COLUMNS).flat_map(cumulated).collect(),
            radiance,
        }
    }

    /// A direction, the brighter the likelier, in the panorama's own coordinates; with this chance, `even`, any.
    pub(super) fn sample(&self, (u, v): (f32, f32), even: f32) -> Glimpse {
        if u < even {
            let (sin, cos) = (u / even * TAU).sin_cos();
            let ring = (1.0 - v * v).max(0.0).sqrt();
            return self.at(vec3a(ring * cos, v, ring * sin), even);
        }
        let u = (u - even) / (1.0 - even);
        let (row, up) = found(&self.rows, v);
        let (column, along) = found(&self.columns[row * COLUMNS..][..COLUMNS], u);
        let height = (row as f32 + up) / ROWS as f32;
        let turn = ((column as f32 + along) / COLUMNS as f32 - 0.5) * TAU;
        let ring = (1.0 - height * height).max(0.0).sqrt();
        let (sin, cos) = turn.sin_cos();
        let cell = row * COLUMNS + column;
        Glimpse {
            direction: vec3a(ring * cos, height, ring * sin),
            radiance: self.radiance[cell],
            density: even / TAU + (1.0 - even) * self.density[cell],
        }
    }

    /// What comes from a direction above the horizon, and how likely it would be chosen.
    pub(super) fn at(&self, direction: Vec3A, even: f32) -> Glimpse {
        let row = ((direction.y * ROWS as f32) as usize).min(ROWS - 1);
        let turn = turn(direction.z, direction.x) + 0.5;
        let column = ((turn * COLUMNS as f32) as usize).min(COLUMNS - 1);
        let cell = row * COLUMNS + column;
        Glimpse {
            direction,
            radiance: self.radiance[cell],
            density: even / TAU + (1.0 - even) * self.density[cell],
        }
    }
}

/// The shares of all up to each, the last of which is 1.
fn cumulated(powers: &[f32]) -> Vec<f32> {
    let total: f32 = powers.iter().sum();
    let mut sum = 0.0;
    let mut shares: Vec<f32> = (powers.iter())
        .map(|power| {
            sum += power;
            sum / total
        })
        .collect();
    if let Some(last) = shares.last_mut() {
        *last = 1.0;
    }
    shares
}

/// Which step of cumulated shares a number in 0..1 falls on, and how far along it.
fn found(shares: &[f32], number: f32) -> (usize, f32) {
    let step = (shares.partition_point(|&share| share <= number)).min(shares.len() - 1);
    let start = if step == 0 { 0.0 } else { shares[step - 1] };
    let width = (shares[step] - start).max(f32::MIN_POSITIVE);
    (step, ((number - start) / width).clamp(0.0, 0.999_999))
}

/// The angle of a point about the origin in turns, −½..½, to about a ten-thousandth (a polynomial for the arc tangent).
fn turn(y: f32, x: f32) -> f32 {
    let (long, short) = (x.abs().max(y.abs()), x.abs().min(y.abs()));
    let t = short / long.max(f32::MIN_POSITIVE);
    let t2 = t * t;
    let arc = t
        * (0.999_866
            + t2 * (-0.330_299_5 + t2 * (0.180_141 + t2 * (-0.085_133 + t2 * 0.020_835_1))));
    let arc = if y.abs() > x.abs() {
        PI / 2.0 - arc
    } else {
        arc
    };
    let arc = if x < 0.0 { PI - arc } else { arc };
    arc.copysign(y) / TAU
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_directions_are_found_again_and_give_the_light_of_all() {
        let (width, height) = (64, 32);
        let texels: Vec<Vec3A> = (0..width * height)
            .map(|i| {
                Vec3A::splat(if i == 5 * width + 9 {
                    400.0
                } else {
                    (i % 7) as f32
                })
            })
            .collect();
        let sky = Sky::new((width, height), &texels);
        let (mut sum, mut strays) = (0.0, 0);
        let side = 128;
        for i in 0..side * side {
            let place = |k: usize| (k as f32 + 0.5) / side as f32;
            let chosen = sky.sample((place(i % side), place(i / side)), 0.3);
            assert!((chosen.direction.length() - 1.0).abs() < 1e-5 && chosen.direction.y >= 0.0);
            sum += chosen.radiance.x / chosen.density / (side * side) as f32;
            let again = sky.at(chosen.direction, 0.3);
            strays += usize::from(again.density != chosen.density);
        }
        let edge = |y: usize| (y as f32 / height as f32 * PI).cos();
        let exact: f32 = (0..width * height / 2)
            .map(|i| {
                let (top, bottom) = (edge(i / width), edge(i / width + 1));
                texels[i].x * (top - bottom) * TAU / width as f32
            })
            .sum();
        assert!((sum / exact - 1.0).abs() < 0.01, "{sum} {exact}");
        assert!(strays < side * side / 200, "{strays}");
    }

    #[test]
    fn turns_are_those_of_the_arc_tangent() {
        for i in 0..1000 {
            let angle = ((i as f32 + 0.5) / 1000.0 - 0.5) * TAU;
            let (sin, cos) = angle.sin_cos();
            assert!((turn(sin, cos) - angle / TAU).abs() < 1e-4, "{angle}");
        }
    }
}
