//! What light does to the whole scene, up to the exposure.

use glam::Vec2;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::canvas::{Canvas, Field};
use super::super::draw::{
    Range, chance, check_range, check_share, direction, log_uniform, uniform,
};
use crate::seed::Stream;

/// Sun, shadows, haze and exposure.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Light {
    /// Share of pictures with a blown-out background, as against the sun.
    pub backlight_share: f64,
    /// How many times brighter such a background is.
    pub backlight: Range,
    /// How much the light differs from one side of the picture to the other; 1 is from 0.5 to 1.5.
    pub gradient: Range,
    /// Share of pictures with hard shadows cast on the scene.
    pub shadow_share: f64,
    /// Share of the light that is left in a shadow.
    pub shadow: Range,
    /// Width of a shadow's edge, as a fraction of the picture's shorter side.
    pub shadow_edge: Range,
    /// Red over blue in the light, as a natural logarithm.
    pub warmth: Range,
    /// Green over magenta in the light, as a natural logarithm.
    pub tint: Range,
    /// Share of pictures with haze or stray light.
    pub haze_share: f64,
    /// Strength of that veil: its light as a fraction of a white sheet's.
    pub haze: Range,
    /// Factor from the light of the scene to the sensor's range, drawn on a logarithmic scale; at
    /// 1 a white sheet just saturates.
    pub exposure: Range,
}

impl Default for Light {
    fn default() -> Self {
        Light {
            backlight_share: 0.35,
            backlight: [2.0, 12.0],
            gradient: [0.0, 0.5],
            shadow_share: 0.45,
            shadow: [0.1, 0.6],
            shadow_edge: [0.005, 0.1],
            warmth: [-0.42, 0.38],
            tint: [-0.08, 0.05],
            haze_share: 0.25,
            haze: [0.0, 0.25],
            exposure: [0.016, 2.5],
        }
    }
}

impl Light {
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), String> {
        check_share("template.light.backlight_share", self.backlight_share)?;
        check_range("template.light.backlight", self.backlight, [0.1, 1000.0])?;
        check_range("template.light.gradient", self.gradient, [0.0, 1.9])?;
        check_share("template.light.shadow_share", self.shadow_share)?;
        check_range("template.light.shadow", self.shadow, [0.0, 1.0])?;
        check_range("template.light.shadow_edge", self.shadow_edge, [1e-4, 1.0])?;
        check_range("template.light.warmth", self.warmth, [-3.0, 3.0])?;
        check_range("template.light.tint", self.tint, [-3.0, 3.0])?;
        check_share("template.light.haze_share", self.haze_share)?;
        check_range("template.light.haze", self.haze, [0.0, 1.0])?;
        check_range("template.light.exposure", self.exposure, [1e-4, 100.0])
    }

    /// Now and then makes the background much brighter than the sign.
    pub fn flood_background(&self, background: &mut Canvas, stream: &mut Stream) {
        if chance(self.backlight_share, stream) {
            background.scale(log_uniform(self.backlight, stream));
        }
    }

    /// Light, shadow, haze, colour and exposure of the whole scene.
    pub fn fall(&self, scene: &mut Canvas, stream: &mut Stream) {
        let side = direction(stream);
        let gradient = uniform(self.gradient, stream);
        let span = scene.span();
        scene.for_each(|x, y, pixel| {
            let light = 1.0 + gradient * (Vec2::new(x, y) / span - 0.5).dot(side);
            pixel.iter_mut().for_each(|channel| *channel *= light);
        });
        if chance(self.shadow_share, stream) {
            for _ in 0..stream.random_range(1..=2) {
                self.cast_shadow(scene, stream);
            }
        }
        let veil = if chance(self.haze_share, stream) {
            uniform(self.haze, stream)
        } else {
            0.0
        };
        let warmth = uniform(self.warmth, stream) / 2.0;
        let tint = uniform(self.tint, stream);
        let exposure = log_uniform(self.exposure, stream);
        let colour = [warmth.exp(), tint.exp(), (-warmth).exp()];
        for pixel in &mut scene.pixels {
            for (channel, colour) in pixel.iter_mut().zip(colour) {
                *channel = exposure * colour * (*channel * (1.0 - veil) + veil);
            }
        }
    }

    /// The shadow of a roof's edge, a pole or foliage. In it the light is bluer: that of the sky.
    fn cast_shadow(&self, scene: &mut Canvas, stream: &mut Stream) {
        let left = uniform(self.shadow, stream);
        let left = [left * 0.92, left, (left * 1.12).min(1.0)];
        let edge = log_uniform(self.shadow_edge, stream);
        let normal = direction(stream);
        let offset = uniform([-0.4, 0.4], stream);
        let half_width = uniform([0.03, 0.25], stream);
        let span = scene.span();
        let blobs = Field::new(stream.random_range(2..5), 2, span, stream);
        let kind = stream.random_range(0..3);
        scene.for_each(|x, y, pixel| {
            let across = (Vec2::new(x, y) - span / 2.0).dot(normal) - offset;
            let depth = match kind {
                0 => across,
                1 => half_width - across.abs(),
                _ => 0.15 * blobs.at(x, y),
            };
            let shade = (depth / edge + 0.5).clamp(0.0, 1.0);
            for (channel, left) in pixel.iter_mut().zip(left) {
                *channel *= 1.0 - shade * (1.0 - left);
            }
        });
    }
}
