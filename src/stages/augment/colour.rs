//! Colour transforms: other light and other white balance. Labels stay as they are.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Transform, View, check_range, draw};
use crate::Result;
use crate::seed::Stream;

/// Multiplies all values by a factor drawn from 1 − `amount` to 1 + `amount`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Brightness {
    /// How often it is applied, 0..1.
    pub probability: f64,
    /// Largest relative change, 0..1.
    pub amount: f64,
}

impl Default for Brightness {
    fn default() -> Self {
        Brightness {
            probability: 0.5,
            amount: 0.2,
        }
    }
}

impl Transform for Brightness {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("amount", [0.0, self.amount], 0.0..=1.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let factor = draw_factor(stream, self.amount);
        map_colours(&mut view.pixels, |rgb| rgb.map(|value| value * factor));
        Ok((factor != 1.0).then(|| format!("brightness({factor:.3})")))
    }
}

/// Stretches all values about the picture's mean luma by a factor drawn from 1 − `amount` to
/// 1 + `amount`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Contrast {
    /// How often it is applied, 0..1.
    pub probability: f64,
    /// Largest relative change, 0..1.
    pub amount: f64,
}

impl Default for Contrast {
    fn default() -> Self {
        Contrast {
            probability: 0.5,
            amount: 0.2,
        }
    }
}

impl Transform for Contrast {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("amount", [0.0, self.amount], 0.0..=1.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let factor = draw_factor(stream, self.amount);
        // Summed as f64: a large picture has more pixels than f32 can count.
        let sum: f64 = view
            .pixels
            .pixels()
            .map(|pixel| f64::from(luma(pixel.0.map(f32::from))))
            .sum();
        let mean = (sum / f64::from(view.pixels.width() * view.pixels.height())) as f32;
        map_colours(&mut view.pixels, |rgb| {
            rgb.map(|value| mean + (value - mean) * factor)
        });
        Ok((factor != 1.0).then(|| format!("contrast({factor:.3})")))
    }
}

/// Stretches every colour about its own grey by a factor drawn from 1 − `amount` to 1 + `amount`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Saturation {
    /// How often it is applied, 0..1.
    pub probability: f64,
    /// Largest relative change, 0..1.
    pub amount: f64,
}

impl Default for Saturation {
    fn default() -> Self {
        Saturation {
            probability: 0.5,
            amount: 0.2,
        }
    }
}

impl Transform for Saturation {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("amount", [0.0, self.amount], 0.0..=1.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let factor = draw_factor(stream, self.amount);
        map_colours(&mut view.pixels, |rgb| {
            let grey = luma(rgb);
            rgb.map(|value| grey + (value - grey) * factor)
        });
        Ok((factor != 1.0).then(|| format!("saturation({factor:.3})")))
    }
}

/// Turns colours by an angle drawn from −`degrees` to `degrees`; greys and luma stay.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hue {
    /// How often it is applied, 0..1.
    pub probability: f64,
    /// Largest angle, 0..180.
    pub degrees: f64,
}

impl Default for Hue {
    fn default() -> Self {
        Hue {
            probability: 0.3,
            degrees: 8.0,
        }
    }
}

impl Transform for Hue {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("degrees", [0.0, self.degrees], 0.0..=180.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let degrees = draw(stream, [-self.degrees, self.degrees]);
        if degrees == 0.0 {
            return Ok(None);
        }
        let (sin, cos) = (degrees.to_radians() as f32).sin_cos();
        map_colours(&mut view.pixels, |[r, g, b]| {
            // A rotation in the plane of the colour differences (BT.601), which luma spans no part of.
            let y = luma([r, g, b]);
            let (cb, cr) = ((b - y) / 1.772, (r - y) / 1.402);
            let (cb, cr) = (cos * cb - sin * cr, sin * cb + cos * cr);
            [
                y + 1.402 * cr,
                y - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587,
                y + 1.772 * cb,
            ]
        });
        Ok(Some(format!("hue({degrees:.2})")))
    }
}

fn draw_factor(stream: &mut Stream, amount: f64) -> f32 {
    draw(stream, [1.0 - amount, 1.0 + amount]) as f32
}

/// BT.601 luma of RGB values.
fn luma([r, g, b]: [f32; 3]) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

/// Maps every colour, values 0..255, rounding and clipping the results.
fn map_colours(pixels: &mut RgbImage, map: impl Fn([f32; 3]) -> [f32; 3]) {
    for pixel in pixels.pixels_mut() {
        // The conversion to u8 saturates.
        pixel.0 = map(pixel.0.map(f32::from)).map(|value| value.round() as u8);
    }
}
