//! What the sign is made of: paint, and what years outdoors did to it.

use glam::Vec2;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::canvas::{Canvas, Field};
use super::super::draw::{
    Range, chance, check_range, check_share, direction, log_uniform, normal, uniform,
};
use super::warp::Layer;
use crate::sample::Extent;
use crate::sample::colour::luminance;
use crate::seed::Stream;

/// What the sign is made of.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Surface {
    /// Share of light that black paint reflects.
    pub black: Range,
    /// Share of light that white paint reflects.
    pub white: Range,
    /// Saturation left after years of sun; 1 is new, 0 is grey.
    pub saturation: Range,
    /// Share of pictures in which the sun bleached red paint, which fades first.
    pub bleach_share: f64,
    /// How much of the red is then gone; 1 leaves it white.
    pub bleach: Range,
    /// Standard deviation of each channel's strength, as a natural logarithm: paints differ.
    pub paint_spread: f64,
    /// Share of pictures in which stickers or paint hide small parts of the sign.
    pub sticker_share: f64,
    /// Half the longer side of a sticker, as a fraction of the picture's shorter side.
    pub sticker: Range,
    /// Share of pictures with dirt.
    pub dirt_share: f64,
    /// How dark dirt is: standard deviation of the light's natural logarithm.
    pub dirt: Range,
    /// Share of pictures in which the sign mirrors the sun.
    pub glare_share: f64,
    /// Light of that reflection at its brightest; white paint is 1.
    pub glare: Range,
}

impl Default for Surface {
    fn default() -> Self {
        Surface {
            black: [0.005, 0.04],
            white: [0.6, 0.9],
            saturation: [0.45, 1.15],
            bleach_share: 0.0,
            bleach: [0.3, 1.0],
            paint_spread: 0.1,
            sticker_share: 0.0,
            sticker: [0.02, 0.12],
            dirt_share: 0.3,
            dirt: [0.05, 0.35],
            glare_share: 0.15,
            glare: [0.2, 1.5],
        }
    }
}

impl Surface {
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), String> {
        check_range("template.surface.black", self.black, [0.0, 1.0])?;
        check_range("template.surface.white", self.white, [0.01, 1.0])?;
        check_range("template.surface.saturation", self.saturation, [0.0, 2.0])?;
        check_share("template.surface.bleach_share", self.bleach_share)?;
        check_range("template.surface.bleach", self.bleach, [0.0, 1.0])?;
        check_range(
            "template.surface.paint_spread",
            [0.0, self.paint_spread],
            [0.0, 2.0],
        )?;
        check_share("template.surface.sticker_share", self.sticker_share)?;
        check_range("template.surface.sticker", self.sticker, [0.001, 1.0])?;
        check_share("template.surface.dirt_share", self.dirt_share)?;
        check_range("template.surface.dirt", self.dirt, [0.0, 2.0])?;
        check_share("template.surface.glare_share", self.glare_share)?;
        check_range("template.surface.glare", self.glare, [0.0, 100.0])
    }

    /// The share of light that the sign reflects, still premultiplied by its alpha, as a canvas of `size`.
    pub fn paint(&self, layer: &Layer, size: Extent, stream: &mut Stream) -> Canvas {
        let (black, white) = (uniform(self.black, stream), uniform(self.white, stream));
        let saturation = uniform(self.saturation, stream);
        let bleach = if chance(self.bleach_share, stream) {
            uniform(self.bleach, stream)
        } else {
            0.0
        };
        let strength: [f32; 3] =
            std::array::from_fn(|_| (self.paint_spread as f32 * normal(stream)).exp());
        let mut sign = Canvas {
            extent: size,
            pixels: layer.colour.clone(),
        };
        for (pixel, alpha) in sign.pixels.iter_mut().zip(&layer.alpha) {
            let gone = bleach * redness(*pixel).powi(2);
            *pixel = pixel.map(|channel| channel + gone * (alpha - channel));
            let grey = luminance(*pixel);
            for (channel, strength) in pixel.iter_mut().zip(strength) {
                let faded = (grey + saturation * (*channel - grey)).max(0.0);
                *channel = alpha * black + (white - black).max(0.0) * strength * faded;
            }
        }
        if chance(self.sticker_share, stream) {
            for _ in 0..stream.random_range(1..=3) {
                self.stick(&mut sign, layer, stream);
            }
        }
        if chance(self.dirt_share, stream) {
            let dirt = uniform(self.dirt, stream);
            let blobs = Field::new(3, 3, sign.span(), stream);
            sign.for_each(|x, y, pixel| {
                let left = (-dirt * blobs.at(x, y).abs()).exp();
                pixel.iter_mut().for_each(|channel| *channel *= left);
            });
        }
        sign
    }

    /// Now and then lets it mirror the sun, too.
    pub fn mirror_sun(&self, sign: &mut Canvas, layer: &Layer, stream: &mut Stream) {
        if !chance(self.glare_share, stream) {
            return;
        }
        let centre = sign.span() * Vec2::new(stream.random(), stream.random());
        let width = uniform([0.08, 0.4], stream);
        let strength = uniform(self.glare, stream);
        let mut alphas = layer.alpha.iter();
        sign.for_each(|x, y, pixel| {
            let distance = (Vec2::new(x, y) - centre).length() / width;
            let alpha = alphas.next().copied().unwrap_or(0.0);
            let light = alpha * strength * (-0.5 * distance * distance).exp();
            pixel.iter_mut().for_each(|channel| *channel += light);
        });
    }

    /// Hides a small rectangle or ellipse behind one colour. The sign's outline stays.
    fn stick(&self, sign: &mut Canvas, layer: &Layer, stream: &mut Stream) {
        let centre = Vec2::new(uniform([0.2, 0.8], stream), uniform([0.2, 0.8], stream));
        let centre = sign.span() * centre;
        let long = log_uniform(self.sticker, stream);
        let half = Vec2::new(long, long * uniform([0.3, 1.0], stream));
        let turn = direction(stream);
        let round = stream.random::<bool>();
        let colour: [f32; 3] = if stream.random() {
            [log_uniform([0.02, 0.9], stream); 3]
        } else {
            std::array::from_fn(|_| log_uniform([0.02, 0.9], stream))
        };
        let mut alphas = layer.alpha.iter();
        sign.for_each(|x, y, pixel| {
            let alpha = alphas.next().copied().unwrap_or(0.0);
            let place = turn.rotate(Vec2::new(x, y) - centre) / half;
            let hidden = if round {
                place.length() < 1.0
            } else {
                place.abs().max_element() < 1.0
            };
            if hidden {
                *pixel = colour.map(|channel| alpha * channel);
            }
        });
    }
}

/// How red light is: 1 for red alone, 0 for grey, green and blue.
fn redness([red, green, blue]: [f32; 3]) -> f32 {
    ((red - green.max(blue)) / red.max(1e-3)).max(0.0)
}
