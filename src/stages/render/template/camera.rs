//! The camera: blur, resolution, sensor noise, tone and compression.

use image::{Rgb, RgbImage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::canvas::Canvas;
use super::super::draw::{
    Range, chance, check_range, check_share, direction, log_uniform, uniform,
};
use super::super::sensor::{NONE, RIGHT, Sensor, is_none, is_right};
use super::super::stored::compress;
use crate::Result;
use crate::sample::Extent;
use crate::sample::colour::to_srgb;
use crate::sample::image::resize;
use crate::seed::Stream;

/// Blur, resolution, noise and compression.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Camera {
    /// Share of pictures with motion blur.
    pub motion_share: f64,
    /// Length of that blur, as a fraction of the picture's shorter side.
    pub motion: Range,
    /// Standard deviation of the lens' blur, as a fraction of the picture's shorter side, drawn on a
    /// logarithmic scale.
    pub focus: Range,
    /// Shift of red against green, and of green against blue, as a fraction of the picture's shorter
    /// side.
    pub fringe: Range,
    /// Share of the light that is lost in the picture's corners.
    #[serde(skip_serializing_if = "is_none")]
    pub vignetting: Range,
    /// Width of the photo that the picture was resized from, as a fraction of the picture's width,
    /// drawn on a logarithmic scale. Above 1 nothing is lost, and noise is averaged away.
    pub resolution: Range,
    /// Noise of the light itself: standard deviation at full light, as a fraction of full light.
    pub shot_noise: Range,
    /// Noise of the sensor in the dark: standard deviation as a fraction of full light.
    pub read_noise: Range,
    /// Share of pictures taken through a Bayer mosaic of colour filters, whose missing colours are
    /// interpolated: fine detail turns into coloured fringes. It shows where the photo was small.
    pub mosaic_share: f64,
    /// What red is multiplied by and blue divided by, drawn on a logarithmic scale, where the camera misjudges the
    /// colour of the light; 1 is none.
    #[serde(skip_serializing_if = "is_right")]
    pub white_balance: Range,
    /// How much of the difference to its neighbourhood each pixel gains, as cameras sharpen; 0 is
    /// none.
    pub sharpening: Range,
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
            motion_share: 0.15,
            motion: [0.03, 0.12],
            focus: [0.003, 0.018],
            fringe: [0.0, 0.012],
            vignetting: NONE,
            resolution: [0.55, 4.0],
            shot_noise: [0.002, 0.025],
            read_noise: [0.0001, 0.0015],
            mosaic_share: 0.35,
            white_balance: RIGHT,
            sharpening: [0.0, 1.0],
            black: [0.01, 0.07],
            contrast: [0.95, 1.5],
            jpeg_share: 0.3,
            jpeg_quality: [50.0, 95.0],
        }
    }
}

impl Camera {
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), String> {
        check_share("template.camera.motion_share", self.motion_share)?;
        check_range("template.camera.motion", self.motion, [0.0, 1.0])?;
        check_range("template.camera.focus", self.focus, [1e-4, 0.5])?;
        check_range("template.camera.resolution", self.resolution, [0.05, 100.0])?;
        self.sensor().check("template.camera")?;
        check_range("template.camera.sharpening", self.sharpening, [0.0, 5.0])?;
        check_range("template.camera.black", self.black, [0.0, 1.0])?;
        check_range("template.camera.contrast", self.contrast, [0.1, 10.0])?;
        check_share("template.camera.jpeg_share", self.jpeg_share)?;
        check_range(
            "template.camera.jpeg_quality",
            self.jpeg_quality,
            [1.0, 100.0],
        )
    }

    /// Takes a photo of the scene, of the scene's size.
    ///
    /// # Errors
    /// If JPEG fails, which it does not for pictures of at least one pixel.
    pub fn take(&self, scene: Canvas, stream: &mut Stream) -> Result<RgbImage> {
        let size = scene.extent;
        let side = size.shorter() as f32;
        let mut light = scene;
        if chance(self.motion_share, stream) {
            let length = uniform(self.motion, stream) * side;
            light = light.smeared(direction(stream) * length);
        }
        light = light.blurred(log_uniform(self.focus, stream) * side);
        let sensor = self.sensor();
        light = sensor.seen_through_lens(light, stream);
        let resolution = log_uniform(self.resolution, stream);
        let mosaic = sensor.has_mosaic(stream);
        // Finer than two to one, neither resolution nor mosaic shows any more.
        let kept = resolution.min(if mosaic { 2.0 } else { 1.0 });
        if kept != 1.0 {
            let side = |side: u32| ((side as f32 * kept).round() as u32).max(2);
            light = light.resized(Extent::new(side(size.width), side(size.height)));
        }
        light = sensor.read(light, resolution / kept, mosaic, stream);
        let contrast = uniform(self.contrast, stream);
        let black = uniform(self.black, stream);
        let sharpening = uniform(self.sharpening, stream);
        let mut photo = develop(&light, sharpening, contrast, black);
        if chance(self.jpeg_share, stream) {
            photo = compress(&photo, uniform(self.jpeg_quality, stream).round() as u8)?;
        }
        if light.extent != size {
            photo = resize(&photo, size.width, size.height);
        }
        Ok(photo)
    }

    fn sensor(&self) -> Sensor {
        Sensor {
            vignetting: self.vignetting,
            fringe: self.fringe,
            shot_noise: self.shot_noise,
            read_noise: self.read_noise,
            mosaic_share: self.mosaic_share,
            white_balance: self.white_balance,
        }
    }
}

/// Saturates, applies sRGB's curve, sharpening and contrast, and rounds.
fn develop(light: &Canvas, sharpening: f32, contrast: f32, black: f32) -> RgbImage {
    let Extent { width, height } = light.extent;
    let mut tones = light.clone();
    for channel in tones.pixels.iter_mut().flatten() {
        *channel = to_srgb(*channel);
    }
    if sharpening > 0.0 {
        tones.sharpen(sharpening);
    }
    let tones = tones.pixels;
    let mean = tones.iter().flatten().sum::<f32>() / (3 * tones.len()) as f32;
    RgbImage::from_fn(width, height, |x, y| {
        Rgb(tones[(y * width + x) as usize].map(|tone| {
            let tone = (mean + contrast * (tone - mean)).clamp(0.0, 1.0);
            (255.0 * (black + (1.0 - black) * tone))
                .round()
                .clamp(0.0, 255.0) as u8
        }))
    })
}
