//! Sensor transforms: what lens, sensor and file format do to a picture. Labels stay as they are.

use image::codecs::jpeg::JpegEncoder;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Transform, View, check_range, draw};
use crate::sample::image::decode_rgb;
use crate::seed::{Stream, standard_normal};
use crate::{Error, Result};

/// Gaussian blur.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Blur {
    /// How often it is applied, 0..1.
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

/// Gaussian noise, drawn anew for every pixel and channel.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// How often it is applied, 0..1.
    pub probability: f64,
    /// Range of the standard deviation, in values of 0..255.
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

/// A round trip through JPEG without chroma subsampling.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Jpeg {
    /// How often it is applied, 0..1.
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
                    "switch the transform off with `jpeg.probability = 0`",
                )
            })?;
        view.pixels = decode_rgb(&bytes, "a JPEG made by augment")?;
        Ok(Some(format!("jpeg({quality})")))
    }
}
