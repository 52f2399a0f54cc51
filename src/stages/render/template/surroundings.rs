//! What stands around a sign: its post, the board it is mounted on, plates with text, and another
//! sign above or below it.

use glam::Vec2;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::canvas::{Canvas, between};
use super::super::draw::{chance, check_share, log_uniform, uniform};
use super::warp::Placement;
use crate::seed::Stream;

/// What stands around the sign; nothing by default.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Surroundings {
    /// Share of pictures with a post below the sign.
    pub post_share: f64,
    /// Share of pictures with a plain board behind the sign.
    pub board_share: f64,
    /// Share of pictures with a plate of text above or below the sign.
    pub plate_share: f64,
    /// Share of pictures with another template above or below, which becomes a second object.
    pub neighbour_share: f64,
}

/// A rectangle, turned about its centre; lengths are fractions of the picture's shorter side.
struct Rectangle {
    centre: Vec2,
    half: Vec2,
    turn: Vec2,
}

impl Rectangle {
    /// Paints `colour` of the place in it, −1..1 along both axes; edges are a pixel soft.
    fn paint(&self, scene: &mut Canvas, colour: impl Fn(Vec2) -> [f32; 3]) {
        let side = scene.extent.shorter() as f32;
        scene.for_each(|x, y, pixel| {
            let place = self.turn.rotate(Vec2::new(x, y) - self.centre);
            let inside = (self.half - place.abs()) * side + 0.5;
            let cover = inside.clamp(Vec2::ZERO, Vec2::ONE);
            let cover = cover.x * cover.y;
            if cover > 0.0 {
                let paint = colour(place / self.half);
                for (channel, paint) in pixel.iter_mut().zip(paint) {
                    *channel += cover * (paint - *channel);
                }
            }
        });
    }
}

impl Surroundings {
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), String> {
        check_share("template.surroundings.post_share", self.post_share)?;
        check_share("template.surroundings.board_share", self.board_share)?;
        check_share("template.surroundings.plate_share", self.plate_share)?;
        check_share(
            "template.surroundings.neighbour_share",
            self.neighbour_share,
        )
    }

    /// Paints post, board and plate behind a sign.
    pub fn draw(&self, scene: &mut Canvas, sign: &Placement, stream: &mut Stream) {
        let side = scene.extent.shorter() as f32;
        let [low, high] = sign.bounds.map(|corner| corner / side);
        let turn = Vec2::from_angle(uniform([-0.07, 0.07], stream));
        if chance(self.post_share, stream) {
            paint_post(scene, low, high, turn, stream);
        }
        if chance(self.board_share, stream) {
            let half = (high - low) / 2.0;
            let wider = Vec2::new(uniform([0.0, 0.3], stream), uniform([0.0, 0.3], stream));
            let colour = board_colour(stream);
            let centre = (low + high) / 2.0;
            let half = half + wider;
            Rectangle { centre, half, turn }.paint(scene, |_| colour);
        }
        if chance(self.plate_share, stream) {
            paint_plate(scene, low, high, turn, stream);
        }
    }
}

/// A round grey post, brightest in its middle, from the sign's middle to the picture's lower edge.
fn paint_post(scene: &mut Canvas, low: Vec2, high: Vec2, turn: Vec2, stream: &mut Stream) {
    let half = Vec2::new(uniform([0.015, 0.05], stream), scene.span().y);
    let middle = (low + high) / 2.0;
    let x = middle.x + uniform([-0.06, 0.06], stream);
    let centre = Vec2::new(x, middle.y + half.y);
    let grey = log_uniform([0.05, 0.6], stream);
    Rectangle { centre, half, turn }
        .paint(scene, |place| [grey * (1.0 - 0.7 * place.x * place.x); 3]);
}

/// A white plate with a dark rim and two to five dark blocks for its text.
fn paint_plate(scene: &mut Canvas, low: Vec2, high: Vec2, turn: Vec2, stream: &mut Stream) {
    let half = (high - low) / 2.0;
    let half = half * Vec2::new(uniform([0.6, 1.1], stream), uniform([0.2, 0.5], stream));
    let gap = uniform([0.0, 0.06], stream);
    let y = if chance(0.75, stream) {
        high.y + gap + half.y
    } else {
        low.y - gap - half.y
    };
    let centre = Vec2::new(f32::midpoint(low.x, high.x), y);
    let white = board_colour(stream);
    let black = white.map(|channel| 0.1 * channel);
    let letters: Vec<[f32; 2]> = (0..stream.random_range(2..=5))
        .map(|_| [uniform([-0.7, 0.7], stream), uniform([0.05, 0.2], stream)])
        .collect();
    Rectangle { centre, half, turn }.paint(scene, |place| {
        let rim = place.abs().max_element() > 0.9;
        let letter = |[at, half]: &[f32; 2]| (place.x - at).abs() < *half && place.y.abs() < 0.5;
        if rim || letters.iter().any(letter) {
            black
        } else {
            white
        }
    });
}

/// White, grey or yellow.
fn board_colour(stream: &mut Stream) -> [f32; 3] {
    let light = uniform([0.4, 0.9], stream);
    let paint = if chance(0.8, stream) {
        [1.0; 3]
    } else {
        between([1.0, 0.8, 0.1], [1.0, 0.9, 0.5], stream)
    };
    paint.map(|channel| light * channel)
}
