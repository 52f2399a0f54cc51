//! What is seen around the object instead of the table: a plain colour or a photo, with the
//! object's shadow on it or, as around an object that was cut out, without.

use glam::Vec3A;
use image::RgbImage;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::photos::Photos;
use super::config::{Colour, Range, draw};
use crate::Result;
use crate::sample::colour::{to_linear, to_srgb};
use crate::sample::image::resize;
use crate::sample::{Extent, crop};
use crate::seed::Stream;

/// What is seen instead of the table, which still throws its light on the object. Photos if the stage
/// is given `backgrounds`, else a colour; with neither, the table is seen.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backdrop {
    /// Plain colours to choose from.
    pub colours: Vec<Colour>,
    /// Largest deviation of each sRGB channel from the chosen colour, 0..1.
    pub jitter: f32,
    /// Strength of the object's shadow, 0 (none, as around an object that was cut out) to 1.
    pub shadow: Range,
}

impl Default for Backdrop {
    fn default() -> Self {
        Backdrop {
            colours: Vec::new(),
            jitter: 0.0,
            shadow: [0.5, 1.0],
        }
    }
}

/// The backdrop of one picture.
pub struct Behind {
    /// As large as the picture.
    photo: RgbImage,
    shadow: f32,
}

impl Backdrop {
    /// Draws the backdrop of a picture of `size`; `None` is the table. Photos are cut to their middle,
    /// as much of it as has the picture's shape, and mirrored half of the time.
    ///
    /// # Errors
    /// If a photo cannot be decoded.
    pub fn draw(
        &self,
        photos: &Photos,
        size: Extent,
        stream: &mut Stream,
    ) -> Result<Option<Behind>> {
        let photo = if photos.len() > 0 {
            let photo = photos.draw(stream)?;
            let middle = crop::centre(photo.dimensions().into(), size);
            let photo = resize(&crop::cut(&photo, middle), size.width, size.height);
            match stream.random() {
                true => image::imageops::flip_horizontal(&photo),
                false => photo,
            }
        } else if self.colours.is_empty() {
            return Ok(None);
        } else {
            let colour = self.colours[stream.random_range(0..self.colours.len())];
            let light = colour.jittered(stream, self.jitter).to_array();
            let value = light.map(|v| (to_srgb(v) * 255.0).round() as u8);
            RgbImage::from_pixel(size.width, size.height, image::Rgb(value))
        };
        let shadow = draw(stream, self.shadow);
        Ok(Some(Behind { photo, shadow }))
    }
}

impl Behind {
    /// The sRGB value, 0..1, of pixel `index` where `lit` of the open table's light arrives.
    pub fn value(&self, index: usize, lit: f32) -> Vec3A {
        let dimmed = 1.0 + self.shadow * (lit.clamp(0.0, 1.0) - 1.0);
        let (x, y) = (
            index as u32 % self.photo.width(),
            index as u32 / self.photo.width(),
        );
        let channels = self.photo.get_pixel(x, y).0;
        Vec3A::from_array(channels.map(|v| to_srgb(to_linear(f32::from(v) / 255.0) * dimmed)))
    }
}
