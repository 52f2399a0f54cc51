//! Sensor transforms: effects of lens, sensor and file format. Labels stay as they are.

use image::codecs::jpeg::JpegEncoder;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{self, Transform, TransformKind, View, check_range, draw};
use crate::sample::image::{decode_rgb, resize};
use crate::sample::mapping::{Border, Mapping};
use crate::seed::{Stream, standard_normal};
use crate::{Error, Result};

/// The registry entry of [`Blur`].
pub(super) const BLUR: TransformKind = TransformKind {
    name: "blur",
    about: "Gaussian blur, like a lens out of focus",
    parse: kind::parse::<Blur>,
    schema: kind::schema::<Blur>,
};

/// Gaussian blur.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Blur {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Range of the standard deviation in pixels, 0..50.
    pub sigma: [f64; 2],
}

impl Default for Blur {
    fn default() -> Self {
        Blur {
            probability: 0.3,
            sigma: [0.2, 0.8],
        }
    }
}

impl Transform for Blur {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("sigma", self.sigma, 0.0..=50.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let sigma = draw(stream, self.sigma);
        if sigma == 0.0 {
            return Ok(None);
        }
        view.pixels = image::imageops::blur(&view.pixels, sigma as f32);
        Ok(Some(format!("blur({sigma:.3})")))
    }
}

/// The registry entry of [`MotionBlur`].
pub(super) const MOTION_BLUR: TransformKind = TransformKind {
    name: "motion_blur",
    about: "blurs along a straight path",
    parse: kind::parse::<MotionBlur>,
    schema: kind::schema::<MotionBlur>,
};

/// Blurs the picture evenly along a straight path, like a moving camera. Off by default.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MotionBlur {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Range of the path's length, as a fraction of the picture's longer side, 0..0.5.
    pub length: [f64; 2],
}

impl Default for MotionBlur {
    fn default() -> Self {
        MotionBlur {
            probability: 0.0,
            length: [0.01, 0.08],
        }
    }
}

impl Transform for MotionBlur {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("length", self.length, 0.0..=0.5)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let (width, height) = view.pixels.dimensions();
        let length = draw(stream, self.length) * f64::from(width.max(height));
        let angle = draw(stream, [0.0, std::f64::consts::PI]);
        if length == 0.0 {
            return Ok(None);
        }
        // Two samples per pixel of the path, centred on its middle, so that labels stay where they are.
        let taps = (2.0 * length).ceil() as u32 + 1;
        let mut sums = vec![[0.0_f64; 3]; (width * height) as usize];
        for tap in 0..taps {
            let along = length * (f64::from(tap) / f64::from(taps - 1) - 0.5);
            let shift = [along * angle.cos(), along * angle.sin()];
            let mapping = Mapping::similarity(view.extent(), 0.0, 1.0, shift);
            let moved = mapping.bilinear(&view.pixels, Border::Replicate);
            for (sum, value) in sums.iter_mut().zip(moved.pixels()) {
                for (sum, value) in sum.iter_mut().zip(value.0) {
                    *sum += f64::from(value) / f64::from(taps);
                }
            }
        }
        for (pixel, sum) in view.pixels.pixels_mut().zip(sums) {
            pixel.0 = sum.map(|value| value.round() as u8);
        }
        let degrees = angle.to_degrees();
        Ok(Some(format!(
            "motion_blur(length={length:.2},angle={degrees:.0})"
        )))
    }
}

/// The registry entry of [`Downscale`].
pub(super) const DOWNSCALE: TransformKind = TransformKind {
    name: "downscale",
    about: "shrinks and enlarges again, like a distant object",
    parse: kind::parse::<Downscale>,
    schema: kind::schema::<Downscale>,
};

/// Shrinks the picture and enlarges it again, like a distant object. Off by default.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Downscale {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Range of the smaller picture's sides, as a fraction of the original sides, 0.05..1.
    pub scale: [f64; 2],
}

impl Default for Downscale {
    fn default() -> Self {
        Downscale {
            probability: 0.0,
            scale: [0.5, 0.9],
        }
    }
}

impl Transform for Downscale {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("scale", self.scale, 0.05..=1.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let scale = draw(stream, self.scale);
        let (width, height) = view.pixels.dimensions();
        let [less_width, less_height] =
            [width, height].map(|side| ((f64::from(side) * scale).round() as u32).max(1));
        if (less_width, less_height) == (width, height) {
            return Ok(None);
        }
        let small = resize(&view.pixels, less_width, less_height);
        view.pixels = resize(&small, width, height);
        Ok(Some(format!("downscale({scale:.3})")))
    }
}

/// The registry entry of [`Noise`].
pub(super) const NOISE: TransformKind = TransformKind {
    name: "noise",
    about: "Gaussian noise, like that of a sensor",
    parse: kind::parse::<Noise>,
    schema: kind::schema::<Noise>,
};

/// Gaussian noise, drawn independently for every pixel and channel.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Noise {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Range of the standard deviation, for values of 0..255.
    pub sigma: [f64; 2],
}

impl Default for Noise {
    fn default() -> Self {
        Noise {
            probability: 0.5,
            sigma: [0.0, 6.0],
        }
    }
}

impl Transform for Noise {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("sigma", self.sigma, 0.0..=255.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let sigma = draw(stream, self.sigma);
        if sigma == 0.0 {
            return Ok(None);
        }
        for value in view.pixels.iter_mut() {
            // The conversion to u8 saturates.
            *value = (f64::from(*value) + sigma * standard_normal(stream)).round() as u8;
        }
        Ok(Some(format!("noise({sigma:.2})")))
    }
}

/// The registry entry of [`Jpeg`].
pub(super) const JPEG: TransformKind = TransformKind {
    name: "jpeg",
    about: "a round trip through JPEG",
    parse: kind::parse::<Jpeg>,
    schema: kind::schema::<Jpeg>,
};

/// A round trip through JPEG without chroma subsampling.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Jpeg {
    /// Probability of applying it, 0..1.
    pub probability: f64,
    /// Range of the quality, 1..100.
    pub quality: [u8; 2],
}

impl Default for Jpeg {
    fn default() -> Self {
        Jpeg {
            probability: 0.5,
            quality: [70, 95],
        }
    }
}

impl Transform for Jpeg {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), String> {
        check_range("quality", self.quality.map(f64::from), 1.0..=100.0)
    }

    fn apply(&self, view: &mut View, stream: &mut Stream) -> Result<Option<String>> {
        let quality = stream.random_range(self.quality[0]..=self.quality[1]);
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode_image(&view.pixels)
            .map_err(|e| {
                Error::failed(
                    "a picture",
                    format!("cannot be encoded as JPEG: {e}"),
                    "turn the transform off with `jpeg.probability = 0`",
                )
            })?;
        view.pixels = decode_rgb(&bytes, "a JPEG made by augment")?;
        Ok(Some(format!("jpeg({quality})")))
    }
}
