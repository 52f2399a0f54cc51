//! What a table is covered with: patterns made in code, on a plane in metres.

use std::f32::consts::TAU;

use glam::{Vec2, Vec3A, vec2, vec3a};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::draw;
use super::surface::smooth_noise;
use crate::seed::Stream;

/// A kind of pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// One colour with blotches.
    Plain,
    /// Boards with grain.
    Wood,
    /// Short fibres of several shades.
    Carpet,
    /// Woven threads, in soft folds.
    Cloth,
    /// Bands of two colours.
    Stripes,
    /// Squares with joints.
    Tiles,
}

/// A pattern as it lies on one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Covering {
    kind: Pattern,
    /// Of the grain, in units a metre.
    frequency: f32,
    /// How much darker the dark parts are, 0..1.
    contrast: f32,
    turn: Vec2,
    offset: Vec2,
    /// Of bands and grains.
    second: Vec3A,
    /// Width of a board, tile or band, in units.
    width: f32,
}

impl Covering {
    /// Draws one of the `kinds` for a table on which objects of this size lie, with a `second` colour.
    pub(super) fn draw(kinds: &[Pattern], size: f32, second: Vec3A, stream: &mut Stream) -> Self {
        let kind = kinds[stream.random_range(0..kinds.len())];
        let (sin, cos) = stream.random_range(0.0..TAU).sin_cos();
        Covering {
            kind,
            frequency: draw(stream, [0.6, 2.0]) / size,
            contrast: draw(stream, [0.2, 0.8]),
            turn: vec2(cos, sin),
            offset: vec2(
                stream.random_range(0.0..99.0),
                stream.random_range(0.0..99.0),
            ),
            second,
            width: draw(stream, [0.6, 3.0]),
        }
    }

    /// What becomes of the table's `colour` at a point.
    pub(super) fn colour_at(&self, point: Vec3A, colour: Vec3A) -> Vec3A {
        let at = self.turn.rotate(vec2(point.x, point.z)) * self.frequency + self.offset;
        match self.kind {
            Pattern::Plain => colour,
            Pattern::Wood => self.wood(at, colour),
            Pattern::Carpet => {
                let fibres =
                    noise(at * vec2(23.0, 17.0)) + 0.6 * noise(at * vec2(41.0, 53.0)) - 0.8;
                let patches = noise(at * 1.3) - 0.5;
                let mixed = colour.lerp(self.second, (0.4 + 0.9 * fibres).clamp(0.0, 1.0) * 0.4);
                mixed * (1.0 + self.contrast * (1.1 * fibres + 0.3 * patches)).max(0.1)
            }
            Pattern::Cloth => {
                let threads = (at.x * 60.0).sin() * (at.y * 60.0).sin();
                let bent = at + 0.6 * vec2(noise(at * 0.7), noise(at * 0.7 + 31.0));
                let folds = noise(bent * vec2(0.5, 1.6)) + 0.4 * noise(bent * vec2(1.1, 3.0)) - 0.7;
                colour * (1.0 + self.contrast * (0.12 * threads + 0.8 * folds)).max(0.1)
            }
            Pattern::Stripes => {
                let place = (at.x / self.width).rem_euclid(2.0);
                let edge = ((place - 1.0).abs() - 0.5) / 0.02;
                let worn = 1.0 + 0.4 * self.contrast * (noise(at * vec2(9.0, 3.0)) - 0.5);
                colour.lerp(self.second, (edge + 0.5).clamp(0.0, 1.0)) * worn
            }
            Pattern::Tiles => {
                let cell = (at / self.width).floor();
                let within = (at / self.width - cell - 0.5).abs().max_element();
                let shade = 1.0 + 0.5 * self.contrast * (noise(cell * 7.3) - 0.5);
                let joint = ((within - 0.48) / 0.005).clamp(0.0, 1.0);
                let grain = 1.0 + 0.2 * self.contrast * (noise(at * 6.0) - 0.5);
                (colour * shade * grain).lerp(self.second * 0.6, joint)
            }
        }
    }

    /// Streaks along boards whose ends do not meet.
    fn wood(&self, at: Vec2, colour: Vec3A) -> Vec3A {
        let board = (at.y / self.width).floor();
        let along = vec2(at.x * 0.35 + 13.7 * board, at.y);
        let bent =
            along.y + 0.5 * noise(along * vec2(1.0, 0.6)) + 0.15 * noise(along * vec2(2.5, 2.0));
        let rings = noise(vec2(along.x * 0.5, bent * 7.0)) * 0.6
            + noise(vec2(along.x * 2.0, bent * 26.0)) * 0.4;
        let dark = ((rings - 0.3) / 0.5).clamp(0.0, 1.0);
        let shade = 1.0 + 0.35 * (noise(vec2(board * 5.1, 0.5)) - 0.5);
        let joint = ((at.y / self.width - board - 0.5).abs() - 0.492) / 0.004;
        let wood = colour * (1.0 - self.contrast * 0.75 * dark) * shade;
        wood * (1.0 - 0.7 * joint.clamp(0.0, 1.0))
    }
}

/// Value noise on the plane, 0..1.
fn noise(at: Vec2) -> f32 {
    smooth_noise(vec3a(at.x, 0.5, at.y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn every_pattern_but_plain_varies_and_stays_a_colour() {
        use Pattern::{Carpet, Cloth, Plain, Stripes, Tiles, Wood};
        for kind in [Plain, Wood, Carpet, Cloth, Stripes, Tiles] {
            let mut stream = Seed::new(1, "pattern").stream(0);
            let covering = Covering::draw(&[kind], 0.1, Vec3A::splat(0.2), &mut stream);
            let points = (0..400).map(|i| vec3a((i % 20) as f32, 0.0, (i / 20) as f32) * 0.03);
            let shades: Vec<f32> = points
                .map(|point| covering.colour_at(point, Vec3A::splat(0.5)).x)
                .collect();
            assert!(
                shades.iter().all(|shade| (0.0..=1.2).contains(shade)),
                "{kind:?}"
            );
            let spread = shades.iter().copied().fold(0.0, f32::max)
                - shades.iter().copied().fold(f32::INFINITY, f32::min);
            assert_eq!(spread > 0.02, kind != Plain, "{kind:?} {spread}");
        }
    }
}
