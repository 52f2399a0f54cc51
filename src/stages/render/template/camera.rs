//! The camera: blur, resolution, sensor noise, tone and compression.

use image::{Rgb, RgbImage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::canvas::{Canvas, to_srgb};
use super::draw::{
    Range, chance, check_range, check_share, direction, log_uniform, normal, uniform,
};
use crate::sample::image::{decode_rgb, resize};
use crate::seed::Stream;
use crate::{Error, Result};

/// Blur, resolution, noise and compression.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Camera {
    /// Share of pictures with motion blur.
    pub motion_share: f64,
    /// Length of that blur, as a fraction of the picture's side.
    pub motion: Range,
    /// Standard deviation of the lens' blur, as a fraction of the picture's side, drawn on a
    /// logarithmic scale.
    pub focus: Range,
    /// Shift of red against green, and of green against blue, as a fraction of the picture's side.
    pub fringe: Range,
    /// Side of the photo that the picture was resized from, as a fraction of the picture's side,
    /// drawn on a logarithmic scale. Above 1 nothing is lost, and noise is averaged away.
    pub resolution: Range,
    /// Noise of the light itself: standard deviation at full light, as a fraction of full light.
    pub shot_noise: Range,
    /// Noise of the sensor in the dark: standard deviation as a fraction of full light.
    pub read_noise: Range,
    /// Tone of black, as a fraction of white's: stray light and the sensor's offset.
    pub black: Range,
    /// Contrast around the picture's mean that the camera's software adds; 1 is none.
    pub contrast: Range,
    /// Share of pictures that were compressed as JPEG.
    pub jpeg_share: f64,
    /// JPEG quality, 1 to 100.
    pub jpeg_quality: Range,
}

impl Default for Camera {
    fn default() -> Self {
        Camera {
            motion_share: 0.2,
            motion: [0.03, 0.12],
            focus: [0.003, 0.028],
            fringe: [0.0, 0.03],
            resolution: [0.55, 4.0],
            shot_noise: [0.002, 0.025],
            read_noise: [0.0001, 0.0015],
            black: [0.02, 0.08],
            contrast: [0.95, 1.7],
            jpeg_share: 0.3,
            jpeg_quality: [50.0, 95.0],
        }
    }
}

impl Camera {
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), String> {
        check_share("camera.motion_share", self.motion_share)?;
        check_range("camera.motion", self.motion, [0.0, 1.0])?;
        check_range("camera.focus", self.focus, [1e-4, 0.5])?;
        check_range("camera.fringe", self.fringe, [0.0, 0.5])?;
        check_range("camera.resolution", self.resolution, [0.05, 100.0])?;
        check_range("camera.shot_noise", self.shot_noise, [1e-6, 1.0])?;
        check_range("camera.read_noise", self.read_noise, [1e-6, 1.0])?;
        check_range("camera.black", self.black, [0.0, 1.0])?;
        check_range("camera.contrast", self.contrast, [0.1, 10.0])?;
        check_share("camera.jpeg_share", self.jpeg_share)?;
        check_range("camera.jpeg_quality", self.jpeg_quality, [1.0, 100.0])
    }

    /// Takes a photo of the scene, of the scene's size.
    ///
    /// # Errors
    /// Where JPEG fails, which it does not for pictures of at least one pixel.
    pub fn take(&self, scene: Canvas, stream: &mut Stream) -> Result<RgbImage> {
        let size = scene.size;
        let side = size as f32;
        let mut light = scene;
        if chance(self.motion_share, stream) {
            let length = uniform(self.motion, stream) * side;
            light = light.smeared(direction(stream) * length);
        }
        light = light.blurred(log_uniform(self.focus, stream) * side);
        light = light.fringed(direction(stream) * uniform(self.fringe, stream) * side);
        let resolution = log_uniform(self.resolution, stream);
        if resolution < 1.0 {
            light = light.resized(((side * resolution).round() as usize).max(2));
        }
        self.add_noise(&mut light, resolution, stream);
        let contrast = uniform(self.contrast, stream);
        let black = uniform(self.black, stream);
        let mut photo = develop(&light, contrast, black);
        if chance(self.jpeg_share, stream) {
            photo = compress(&photo, uniform(self.jpeg_quality, stream).round() as u8)?;
        }
        if light.size != size {
            photo = resize(&photo, size as u32, size as u32);
        }
        Ok(photo)
    }

    fn add_noise(&self, light: &mut Canvas, resolution: f32, stream: &mut Stream) {
        let averaged = resolution.max(1.0);
        let shot = log_uniform(self.shot_noise, stream) / averaged;
        let read = log_uniform(self.read_noise, stream) / averaged;
        for channel in light.pixels.iter_mut().flatten() {
            let variance = shot * shot * channel.max(0.0) + read * read;
            *channel += variance.sqrt() * normal(stream);
        }
    }
}

/// Saturates, applies sRGB's curve and the contrast, and rounds.
fn develop(light: &Canvas, contrast: f32, black: f32) -> RgbImage {
    let size = light.size as u32;
    let tones: Vec<[f32; 3]> = light
        .pixels
        .iter()
        .map(|pixel| pixel.map(to_srgb))
        .collect();
    let mean = tones.iter().flatten().sum::<f32>() / (3 * tones.len()) as f32;
    RgbImage::from_fn(size, size, |x, y| {
        Rgb(tones[(y * size + x) as usize].map(|tone| {
            let tone = (mean + contrast * (tone - mean)).clamp(0.0, 1.0);
            (255.0 * (black + (1.0 - black) * tone))
                .round()
                .clamp(0.0, 255.0) as u8
        }))
    })
}

fn compress(photo: &RgbImage, quality: u8) -> Result<RgbImage> {
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, quality)
        .encode_image(photo)
        .map_err(|e| {
            Error::failed(
                "a rendered picture",
                format!("cannot be encoded as JPEG: {e}"),
                "set `camera.jpeg_share` to 0",
            )
        })?;
    decode_rgb(&jpeg, "a rendered picture")
}
