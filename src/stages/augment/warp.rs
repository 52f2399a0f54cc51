//! What the geometry transforms share: a similarity of the picture plane, and sampling under it.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sample::image::encode_png_grey16;
use crate::sample::{Instance, Keypoint, Labels, Mask, Visibility};
use crate::{Error, Result};

/// The depth of a pixel where nothing is known, as where nothing was hit.
pub const NO_DEPTH: u16 = u16::MAX;

/// What stands beyond the picture's edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Border {
    /// The nearest pixel of the edge.
    Replicate,
    /// The picture, mirrored at the edge.
    Reflect,
}

impl Border {
    /// The pixel that stands at `position` of a row of `length` pixels.
    fn index(self, position: i64, length: u32) -> u32 {
        let length = i64::from(length);
        let inside = match self {
            Border::Replicate => position.clamp(0, length - 1),
            Border::Reflect => {
                let phase = position.rem_euclid(2 * length);
                phase.min(2 * length - 1 - phase)
            }
        };
        inside as u32
    }
}

/// Maps a point p to centre + scale · R · (p − centre) + shift. Pixel (0, 0) covers 0..1.
#[derive(Debug, Clone, Copy)]
pub struct Similarity {
    /// Pixels.
    pub centre: [f64; 2],
    /// Radians, clockwise as seen on the screen (x right, y down).
    pub angle: f64,
    pub scale: f64,
    /// Pixels.
    pub shift: [f64; 2],
}

impl Similarity {
    /// Where a point of the old picture lies in the new one.
    pub fn forward(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (sin, cos) = self.angle.sin_cos();
        let (x, y) = (x - self.centre[0], y - self.centre[1]);
        [
            self.centre[0] + self.shift[0] + self.scale * (cos * x - sin * y),
            self.centre[1] + self.shift[1] + self.scale * (sin * x + cos * y),
        ]
    }

    /// Where a point of the new picture lay in the old one.
    pub fn inverse(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (sin, cos) = self.angle.sin_cos();
        let x = (x - self.centre[0] - self.shift[0]) / self.scale;
        let y = (y - self.centre[1] - self.shift[1]) / self.scale;
        [
            self.centre[0] + cos * x + sin * y,
            self.centre[1] - sin * x + cos * y,
        ]
    }
}

/// The picture under the similarity, sampled bilinearly once.
pub fn warp_pixels(pixels: &RgbImage, similarity: &Similarity, border: Border) -> RgbImage {
    let (width, height) = pixels.dimensions();
    RgbImage::from_fn(width, height, |x, y| {
        let [u, v] = similarity.inverse([f64::from(x) + 0.5, f64::from(y) + 0.5]);
        let (u, v) = (u - 0.5, v - 0.5);
        let (left, top) = (u.floor(), v.floor());
        let (right_share, lower_share) = (u - left, v - top);
        let mut sum = [0.0; 3];
        for (column, x_weight) in [(0, 1.0 - right_share), (1, right_share)] {
            for (row, y_weight) in [(0, 1.0 - lower_share), (1, lower_share)] {
                let from_x = border.index(left as i64 + column, width);
                let from_y = border.index(top as i64 + row, height);
                let colour = pixels.get_pixel(from_x, from_y);
                for (total, value) in sum.iter_mut().zip(colour.0) {
                    *total += x_weight * y_weight * f64::from(value);
                }
            }
        }
        image::Rgb(sum.map(|value| value.round() as u8))
    })
}

/// What [`warp_nearest`] finds beyond the picture's edges.
#[derive(Debug, Clone, Copy)]
pub enum Beyond<T> {
    /// Always this value.
    Value(T),
    /// What the picture itself is continued with.
    Border(Border),
}

/// Row-major values under the similarity, sampled at the nearest pixel.
pub fn warp_nearest<T: Copy>(
    values: &[T],
    (width, height): (u32, u32),
    similarity: &Similarity,
    beyond: Beyond<T>,
) -> Vec<T> {
    let at = |x: u32, y: u32| values[y as usize * width as usize + x as usize];
    let mut warped = Vec::with_capacity(values.len());
    for y in 0..height {
        for x in 0..width {
            let [u, v] = similarity.inverse([f64::from(x) + 0.5, f64::from(y) + 0.5]);
            let (u, v) = (u.floor() as i64, v.floor() as i64);
            let inside = (0..i64::from(width)).contains(&u) && (0..i64::from(height)).contains(&v);
            warped.push(match beyond {
                Beyond::Value(value) if !inside => value,
                Beyond::Border(border) if !inside => {
                    at(border.index(u, width), border.index(v, height))
                }
                _ => at(u as u32, v as u32),
            });
        }
    }
    warped
}

/// Whether a row-major bitmap is set anywhere along the picture's edges.
pub fn touches_edge(bitmap: &[bool], width: u32) -> bool {
    let mut rows = bitmap.chunks(width as usize);
    let full = |row: Option<&[bool]>| row.is_some_and(|row| row.contains(&true));
    let (first, last) = (rows.next(), rows.next_back());
    full(first) || full(last) || rows.any(|row| row[0] || row[row.len() - 1])
}

/// Maps a keypoint; outside of the picture's `size` it is no longer visible, and a keypoint that
/// was outside stays so.
pub fn move_keypoint(keypoint: &mut Keypoint, to: [f64; 2], size: (u32, u32)) {
    (keypoint.x, keypoint.y) = (to[0] as f32, to[1] as f32);
    if !is_inside(to, size) {
        keypoint.visibility = Visibility::Outside;
    }
}

/// Whether a point lies in the picture, its edges included.
pub fn is_inside([x, y]: [f64; 2], (width, height): (u32, u32)) -> bool {
    (0.0..=f64::from(width)).contains(&x) && (0.0..=f64::from(height)).contains(&y)
}

/// Gives an instance a new mask and the box that follows; `false` if nothing of it is left.
pub fn replace_mask(instance: &mut Instance, bitmap: &[bool], (width, height): (u32, u32)) -> bool {
    instance.mask = Mask::from_bitmap(bitmap, width, height);
    match instance.mask.bbox_xywh(height) {
        Some(bbox) => {
            instance.bbox_xywh = bbox;
            true
        }
        None => false,
    }
}

/// Whether `after` still shows an object of the picture's class, if `before` did.
pub fn keeps_class(before: &Labels, after: &Labels) -> bool {
    let shows = |labels: &Labels| {
        let class = before.class.as_deref();
        let mut instances = labels.instances.iter();
        instances.any(|instance| Some(instance.class.as_str()) == class)
    };
    !shows(before) || shows(after)
}

/// Maps the row-major values of a depth map, a 16-bit grey PNG.
///
/// # Errors
/// Where the map cannot be decoded; `name` is whose it is.
pub fn map_depth(
    depth: &mut Option<Vec<u8>>,
    name: &str,
    map: impl FnOnce(Vec<u16>, (u32, u32)) -> Vec<u16>,
) -> Result<()> {
    let Some(bytes) = depth else { return Ok(()) };
    let decoded = image::load_from_memory(bytes).map_err(|e| {
        Error::failed(
            format!("the depth map of {name}"),
            format!("cannot be read: {e}"),
            "remove the cached render and run again",
        )
    })?;
    let decoded = decoded.into_luma16();
    let (width, height) = decoded.dimensions();
    let mapped = map(decoded.into_raw(), (width, height));
    *bytes = encode_png_grey16(&mapped, width, height)?;
    Ok(())
}
