//! What lens and sensor add to linear light on its way to numbers, for meshes and templates alike: vignetting, colour
//! fringes, shot and read noise, a Bayer mosaic and a white balance that misses.

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::canvas::Canvas;
use super::draw::{
    Range, chance, check_range, check_share, direction, log_uniform, normal, uniform,
};
use crate::seed::Stream;

/// Ranges that a picture's numbers are drawn from. All is off by default.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sensor {
    /// Share of the light that is lost in the picture's corners.
    pub vignetting: Range,
    /// Shift of red against green, and of green against blue, as a fraction of the picture's shorter side.
    pub fringe: Range,
    /// Noise of the light itself: standard deviation at full light, as a fraction of full light; drawn, as that below, on a
    /// logarithmic scale.
    pub shot_noise: Range,
    /// Noise of the sensor in the dark: standard deviation as a fraction of full light.
    pub read_noise: Range,
    /// Share of pictures taken through a Bayer mosaic of colour filters.
    pub mosaic_share: f64,
    /// What red is multiplied by and blue divided by, on a logarithmic scale, where the camera misjudges the colour of the
    /// light; 1 is none.
    pub white_balance: Range,
}

/// No vignetting, fringes or noise.
pub(super) const NONE: Range = [0.0, 0.0];
/// The right white balance.
pub(super) const RIGHT: Range = [1.0, 1.0];

/// Whether a range is off, so that it need not be part of a cache key.
pub(super) fn is_none(range: &Range) -> bool {
    *range == NONE
}

/// As [`is_none`], of a white balance.
pub(super) fn is_right(range: &Range) -> bool {
    *range == RIGHT
}

impl Default for Sensor {
    fn default() -> Self {
        Sensor {
            vignetting: NONE,
            fringe: NONE,
            shot_noise: NONE,
            read_noise: NONE,
            mosaic_share: 0.0,
            white_balance: RIGHT,
        }
    }
}

impl Sensor {
    /// # Errors
    /// The first setting that is out of bounds; all stand in the table `table`.
    pub(super) fn check(&self, table: &str) -> Result<(), String> {
        let range = |name, range, bounds| check_range(&format!("{table}.{name}"), range, bounds);
        range("vignetting", self.vignetting, [0.0, 1.0])?;
        range("fringe", self.fringe, [0.0, 0.5])?;
        for (name, noise) in [
            ("shot_noise", self.shot_noise),
            ("read_noise", self.read_noise),
        ] {
            if noise != NONE {
                range(name, noise, [1e-6, 1.0])?;
            }
        }
        check_share(&format!("{table}.mosaic_share"), self.mosaic_share)?;
        range("white_balance", self.white_balance, [0.2, 5.0])
    }

    /// Whether it changes nothing.
    pub(super) fn is_off(&self) -> bool {
        let ranges = [
            self.vignetting,
            self.fringe,
            self.shot_noise,
            self.read_noise,
        ];
        ranges == [NONE; 4] && self.mosaic_share == 0.0 && self.white_balance == RIGHT
    }

    /// What the lens does.
    pub(super) fn seen_through_lens(&self, mut light: Canvas, stream: &mut Stream) -> Canvas {
        if self.vignetting != NONE {
            vignette(&mut light, uniform(self.vignetting, stream));
        }
        let side = light.extent.shorter() as f32;
        light.fringed(direction(stream) * uniform(self.fringe, stream) * side)
    }

    /// Whether this picture is taken through a mosaic.
    pub(super) fn has_mosaic(&self, stream: &mut Stream) -> bool {
        chance(self.mosaic_share, stream)
    }

    /// Takes `light` as a whole.
    pub(super) fn take(&self, light: Canvas, stream: &mut Stream) -> Canvas {
        let light = self.seen_through_lens(light, stream);
        let mosaic = self.has_mosaic(stream);
        self.read(light, 1.0, mosaic, stream)
    }

    /// What the sensor reads, of whose pixels `averaged` × `averaged` went into each pixel.
    pub(super) fn read(
        &self,
        mut light: Canvas,
        averaged: f32,
        mosaic: bool,
        stream: &mut Stream,
    ) -> Canvas {
        let drawn = |range: Range, stream: &mut Stream| match range {
            NONE => 0.0,
            range => log_uniform(range, stream) / averaged.max(1.0),
        };
        let shot = drawn(self.shot_noise, stream);
        let read = drawn(self.read_noise, stream);
        if shot > 0.0 || read > 0.0 {
            for channel in light.pixels.iter_mut().flatten() {
                let variance = shot * shot * channel.max(0.0) + read * read;
                *channel += variance.sqrt() * normal(stream);
            }
        }
        if mosaic {
            light = light.mosaiced([stream.random(), stream.random()]);
        }
        if self.white_balance != RIGHT {
            let gain = log_uniform(self.white_balance, stream);
            for [red, _, blue] in &mut light.pixels {
                (*red, *blue) = (*red * gain, *blue / gain);
            }
        }
        light
    }
}

/// Takes light away with the square of the distance from the middle, `share` of it in the corners.
fn vignette(light: &mut Canvas, share: f32) {
    let middle = 0.5 * light.span();
    light.for_each(|x, y, pixel| {
        let distance = (glam::Vec2::new(x, y) - middle).length() / middle.length();
        let left = 1.0 - share * distance * distance;
        *pixel = pixel.map(|channel| channel * left);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Extent;
    use crate::seed::Seed;

    /// A grey picture of 48 × 32 pixels, taken.
    fn taken(sensor: &Sensor, light: f32) -> Canvas {
        let mut stream = Seed::new(1, "render").stream(0);
        sensor.take(
            Canvas::from_fn(Extent::new(48, 32), |_, _| [light; 3]),
            &mut stream,
        )
    }

    #[test]
    fn corners_are_darker_by_the_share_and_the_middle_is_not() {
        let sensor = Sensor {
            vignetting: [0.4, 0.4],
            ..Sensor::default()
        };
        assert!(Sensor::default().is_off() && !sensor.is_off());
        let pixels = taken(&sensor, 0.5).pixels;
        let (corner, middle) = (pixels[0][1], pixels[16 * 48 + 24][1]);
        assert!((corner / 0.5 - 0.6).abs() < 0.03, "{corner}");
        assert!((middle - 0.5).abs() < 1e-3, "{middle}");
    }

    #[test]
    fn shot_noise_grows_with_the_root_of_the_light_and_read_noise_does_not() {
        let deviation = |sensor: &Sensor, light: f32| {
            let values = taken(sensor, light).pixels.into_flattened();
            let squares: f32 = values.iter().map(|value| (value - light).powi(2)).sum();
            (squares / values.len() as f32).sqrt()
        };
        let shot = Sensor {
            shot_noise: [0.02, 0.02],
            ..Sensor::default()
        };
        let read = Sensor {
            read_noise: [0.02, 0.02],
            ..Sensor::default()
        };
        for (sensor, light, expected) in [
            (&shot, 1.0, 0.02),
            (&shot, 0.25, 0.01),
            (&read, 1.0, 0.02),
            (&read, 0.25, 0.02),
        ] {
            let found = deviation(sensor, light);
            assert!((found / expected - 1.0).abs() < 0.05, "{light}: {found}");
        }
        assert_eq!(deviation(&Sensor::default(), 0.5), 0.0);
    }

    #[test]
    fn settings_out_of_bounds_are_named() {
        assert_eq!(Sensor::default().check("mesh.lens.sensor"), Ok(()));
        let wrong = Sensor {
            read_noise: [0.0, 0.01],
            ..Sensor::default()
        };
        let problem = wrong.check("mesh.lens.sensor").unwrap_err();
        assert!(
            problem.contains("`mesh.lens.sensor.read_noise`"),
            "{problem}"
        );
    }

    #[test]
    fn a_warm_white_balance_raises_red_and_lowers_blue() {
        let sensor = Sensor {
            white_balance: [1.2, 1.2],
            ..Sensor::default()
        };
        let [red, green, blue] = taken(&sensor, 0.5).pixels[100];
        assert!((red - 0.6).abs() < 1e-5 && (blue - 0.5 / 1.2).abs() < 1e-5);
        assert_eq!(green, 0.5);
    }
}
