//! What lens and sensor make of the light: blur, tone curve, sharpening, noise, storage.

use std::f32::consts::TAU;

use glam::Vec3A;
use image::RgbImage;
use rand::RngExt;

use super::super::canvas::Canvas;
use super::super::filter;
use super::super::sensor::Sensor;
use super::super::stored::cut_from_photo;
use super::backdrop::Behind;
use super::config::{Lens, draw};
use super::surface::{hash, unit};
use crate::Result;
use crate::sample::Extent;
use crate::sample::colour::{luma, to_linear, to_srgb};
use crate::seed::Stream;

/// Linear light from which on the tone curve bends, and what it bends towards.
const SHOULDER: f32 = 0.45;
const WHITE: f32 = 0.9;

/// A stream of numbers.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = hash(self.0);
        unit(self.0)
    }
}

/// The light that comes in, row by row.
pub(super) struct Exposure {
    pub extent: Extent,
    /// Linear light; where there is a backdrop, without what comes from it.
    pub light: Vec<Vec3A>,
    /// The share of each pixel that shows the backdrop, and the same times the share of the light
    /// that arrives there; the third number is not used.
    pub open: Vec<Vec3A>,
}

/// From linear light to the picture: gradient, blur, tone curve, sharpening, noise.
pub(super) fn develop(
    exposure: Exposure,
    behind: Option<&Behind>,
    lens: &Lens,
    stream: &mut Stream,
    seed: u32,
) -> RgbImage {
    let Exposure {
        extent,
        mut light,
        mut open,
    } = exposure;
    let (width, height) = (extent.width as usize, extent.height as usize);
    let gradient = draw(stream, lens.gradient);
    let (sin, cos) = draw(stream, [0.0, TAU]).sin_cos();
    let blur = draw(stream, lens.blur_pixels);
    let chroma_blur = draw(stream, lens.chroma_blur_pixels);
    let sharpening = draw(stream, lens.sharpening);
    let deviation = draw(stream, lens.noise);
    for (i, pixel) in light.iter_mut().enumerate() {
        let place = |v: usize, side: usize| (v as f32 + 0.5) / side as f32 - 0.5;
        let across = place(i % width, width) * cos + place(i / width, height) * sin;
        *pixel *= 1.0 + gradient * across;
        // Beyond white a sensor sees nothing; cut before the blur, as most highlights are.
        *pixel = pixel.min(Vec3A::splat(2.0));
    }
    gaussian(&mut light, extent, blur);
    let printed = |light: Vec3A| Vec3A::from_array(light.to_array().map(|v| to_srgb(tone(v))));
    let mut values: Vec<Vec3A> = light.iter().map(|&light| printed(light)).collect();
    if let Some(behind) = behind {
        gaussian(&mut open, extent, blur);
        for (i, value) in values.iter_mut().enumerate() {
            let [share, lit, _] = open[i].to_array();
            let object = printed(light[i] / (1.0 - share).max(1e-3));
            let around = behind.value(i, lit / share.max(1e-3));
            *value = object * (1.0 - share) + around * share;
        }
    }
    if !lens.sensor.is_off() {
        values = read(values, extent, &lens.sensor, stream);
    }
    sharpen(&mut values, extent, sharpening);
    blur_chroma(&mut values, extent, chroma_blur);
    RgbImage::from_fn(extent.width, extent.height, |x, y| {
        let i = y as usize * width + x as usize;
        let mut noise = Noise(hash(seed.wrapping_add(0x9e37_79b9) ^ hash(i as u32)));
        image::Rgb(values[i].to_array().map(|value| {
            // The sum of three uniform numbers is near enough to a normal one; its deviation is ½.
            let grain = noise.next() + noise.next() + noise.next() - 1.5;
            ((value + grain * 2.0 * deviation) * 255.0)
                .round()
                .clamp(0.0, 255.0) as u8
        }))
    })
}

/// Printed values as the sensor reads their light.
fn read(values: Vec<Vec3A>, extent: Extent, sensor: &Sensor, stream: &mut Stream) -> Vec<Vec3A> {
    let pixels = values
        .into_iter()
        .map(|value| value.to_array().map(to_linear));
    let light = Canvas {
        extent,
        pixels: pixels.collect(),
    };
    let read = sensor.take(light, stream).pixels.into_iter();
    read.map(|light| Vec3A::from_array(light.map(to_srgb)))
        .collect()
}

impl Lens {
    /// The picture as a cut from a stored photo. Nothing is drawn unless the settings ask for it.
    ///
    /// # Errors
    /// If JPEG fails, which it does not for pictures of at least one pixel.
    pub(super) fn store(&self, picture: RgbImage, stream: &mut Stream) -> Result<RgbImage> {
        let resolution = match self.resolution == [1.0, 1.0] {
            true => 1.0,
            false => draw(stream, self.resolution),
        };
        let is_jpeg = self.jpeg_share > 0.0 && stream.random_bool(self.jpeg_share);
        let quality = is_jpeg.then(|| draw(stream, self.jpeg_quality).round() as u8);
        cut_from_photo(picture, resolution, quality, stream)
    }
}

/// Bends the brightest light towards white without reaching it, as phones do.
fn tone(light: f32) -> f32 {
    let room = WHITE - SHOULDER;
    match light > SHOULDER {
        true => SHOULDER + room * (1.0 - ((SHOULDER - light) / room).exp()),
        false => light,
    }
}

/// Raises what differs from the blurred picture (unsharp masking), as cameras do.
fn sharpen(values: &mut [Vec3A], extent: Extent, strength: f32) {
    const RADIUS: f32 = 1.5;
    let mut blurred = values.to_vec();
    gaussian(&mut blurred, extent, RADIUS);
    for (value, blurred) in values.iter_mut().zip(blurred) {
        *value += (*value - blurred) * strength;
    }
}

/// Blurs what differs between the channels, and keeps the brightness sharp.
fn blur_chroma(values: &mut [Vec3A], extent: Extent, deviation: f32) {
    let brightness = |v: Vec3A| Vec3A::splat(luma(v.to_array()));
    let mut chroma: Vec<Vec3A> = values.iter().map(|&v| v - brightness(v)).collect();
    gaussian(&mut chroma, extent, deviation);
    for (value, chroma) in values.iter_mut().zip(chroma) {
        *value = brightness(*value) + chroma;
    }
}

/// Blurs by a Gaussian; one of next to no width changes nothing.
fn gaussian(pixels: &mut Vec<Vec3A>, extent: Extent, deviation: f32) {
    if deviation >= 0.05 {
        *pixels = filter::gaussian(pixels, extent, deviation);
    }
}
