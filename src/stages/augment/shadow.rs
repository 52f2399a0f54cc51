//! Cast shadows: everything on one side of a line is in shadow, as at the edge of a roof or wall. Labels stay
//! as they are.

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{self, Transform, TransformKind, View, check_range, draw};
use crate::Result;
use crate::seed::Stream;

/// The registry entry of [`Shadow`].
pub(super) const SHADOW: TransformKind = TransformKind {
    name: "shadow",
    about: "darkens one side of a line, like a cast shadow",
    parse: kind::parse::<Shadow>,
    schema: kind::schema::<Shadow>,
};

/// Darkens one side of a random line through the picture. Off by default.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Shadow {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Range of the factor by which values are multiplied in the shadow, 0..1.
    pub left: [f64; 2],
    /// Range of the width of the shadow's edge, as a fraction of the picture's longer side, 0..1.
    pub edge: [f64; 2],
}

impl Default for Shadow {
    fn default() -> Self {
        Shadow {
            probability: 0.0,
            left: [0.5, 0.9],
            edge: [0.01, 0.1],
        }
    }
}

impl Transform for Shadow {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("left", self.left, 0.0..=1.0)?;
        check_range("edge", self.edge, 0.0..=1.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let (width, height) = view.pixels.dimensions();
        let sides = [f64::from(width), f64::from(height)];
        let longer = sides[0].max(sides[1]);
        let left = draw(stream, self.left);
        // An edge narrower than a pixel would only alias.
        let edge = (draw(stream, self.edge) * longer).max(1.0);
        let [x, y] = sides.map(|side| side * stream.random_range(0.2..=0.8));
        let angle = draw(stream, [0.0, std::f64::consts::TAU]);
        if left == 1.0 {
            return Ok(None);
        }
        let (sin, cos) = angle.sin_cos();
        for (column, row, pixel) in view.pixels.enumerate_pixels_mut() {
            let depth = (f64::from(column) + 0.5 - x) * cos + (f64::from(row) + 0.5 - y) * sin;
            let shade = (depth / edge + 0.5).clamp(0.0, 1.0);
            let factor = 1.0 - shade * (1.0 - left);
            pixel.0 = pixel
                .0
                .map(|value| (f64::from(value) * factor).round() as u8);
        }
        let degrees = angle.to_degrees();
        Ok(Some(format!(
            "shadow(left={left:.2},x={x:.1},y={y:.1},angle={degrees:.0})"
        )))
    }
}
