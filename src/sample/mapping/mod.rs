//! Affine maps between pictures, applied to pixels and labels alike: whatever moves the pixels of a labelled
//! picture maps its labels through this module.

mod labels;
#[cfg(test)]
mod tests;

use ::image::RgbImage;
use glam::{DAffine2, DMat2, DVec2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Extent;

/// An affine map from the pixels of one picture to those of another. Pixel (0, 0) covers 0..1 in both
/// directions; x points right, y down.
///
/// ```
/// use verismo::sample::mapping::{Border, Mapping};
/// use verismo::sample::{Extent, Labels, Object};
///
/// let labels = Labels {
///     objects: Some(vec![Object::new("cup", [10.0, 20.0, 30.0, 40.0])]),
///     ..Labels::default()
/// };
/// let mirror = Mapping::mirror(Extent::new(100, 80));
/// let mirrored = labels.map(&mirror, Border::Replicate, "photo.png")?;
/// assert_eq!(mirrored.objects()[0].bbox_xywh, [60.0, 20.0, 30.0, 40.0]);
/// # Ok::<(), verismo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mapping {
    forward: DAffine2,
    inverse: DAffine2,
    /// Size of the old picture.
    pub from: Extent,
    /// Size of the new picture.
    pub to: Extent,
}

/// What is beyond the edges of the old picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Border {
    /// Repeats the outermost pixels.
    Replicate,
    /// Mirrors the picture at its edges.
    Reflect,
}

impl Border {
    /// The pixel, 0..`length`, used in place of the one at `position`.
    pub fn index(self, position: i64, length: u32) -> u32 {
        let length = i64::from(length);
        let index = match self {
            Border::Replicate => position.clamp(0, length - 1),
            Border::Reflect => {
                let folded = position.rem_euclid(2 * length);
                folded.min(2 * length - 1 - folded)
            }
        };
        index as u32
    }
}

/// The values that [`Mapping::nearest`] uses beyond the edges of the old picture.
#[derive(Debug, Clone, Copy)]
pub enum Beyond<T> {
    /// Always this value.
    Value(T),
    /// The values of the picture itself, continued.
    Border(Border),
}

impl Mapping {
    /// From the map of old points to new points, which must be invertible.
    pub fn new(forward: DAffine2, from: Extent, to: Extent) -> Self {
        Mapping {
            forward,
            inverse: forward.inverse(),
            from,
            to,
        }
    }

    /// Swaps left and right.
    pub fn mirror(extent: Extent) -> Self {
        let axis = DMat2::from_diagonal(DVec2::new(-1.0, 1.0));
        let shift = DVec2::new(extent.width.into(), 0.0);
        Mapping::new(DAffine2::from_mat2_translation(axis, shift), extent, extent)
    }

    /// Rotates by `angle` radians, clockwise as seen, and scales, both about the centre; then shifts by
    /// `shift` pixels.
    pub fn similarity(extent: Extent, angle: f64, scale: f64, shift: [f64; 2]) -> Self {
        let middle = DVec2::new(extent.width.into(), extent.height.into()) / 2.0;
        let matrix = DMat2::from_angle(angle) * scale;
        let shift = middle + DVec2::from(shift) - matrix * middle;
        Mapping::new(
            DAffine2::from_mat2_translation(matrix, shift),
            extent,
            extent,
        )
    }

    /// Turns clockwise by so many times 90 degrees.
    pub fn quarter_turns(extent: Extent, times: u32) -> Self {
        let Extent { width, height } = extent;
        let (turned, shift) = match times % 4 {
            0 => (extent, [0, 0]),
            1 => (Extent::new(height, width), [height, 0]),
            2 => (extent, [width, height]),
            _ => (Extent::new(height, width), [0, width]),
        };
        let (x, y) = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][times as usize % 4];
        let turn = DMat2::from_cols(DVec2::new(x, y), DVec2::new(-y, x));
        let shift = DVec2::from(shift.map(f64::from));
        Mapping::new(DAffine2::from_mat2_translation(turn, shift), extent, turned)
    }

    /// Scales to another width and height.
    pub fn resize(from: Extent, to: Extent) -> Self {
        let sides = |extent: Extent| DVec2::new(extent.width.into(), extent.height.into());
        Mapping::new(DAffine2::from_scale(sides(to) / sides(from)), from, to)
    }

    /// The new position of a point of the old picture.
    pub fn forward(&self, point: [f64; 2]) -> [f64; 2] {
        self.forward.transform_point2(point.into()).to_array()
    }

    /// The old position of a point of the new picture.
    pub fn inverse(&self, point: [f64; 2]) -> [f64; 2] {
        self.inverse.transform_point2(point.into()).to_array()
    }

    /// The rotation of directions, and the scale along the new picture's axes, if lengths in the old one are
    /// in units of `unit`; `None` if the map does not preserve right angles.
    pub(super) fn turn(&self, unit: DVec2) -> Option<(DMat2, DVec2)> {
        let rows = (self.forward.matrix2 * DMat2::from_diagonal(unit)).transpose();
        let scale = DVec2::new(rows.x_axis.length(), rows.y_axis.length());
        let [x, y] = [rows.x_axis / scale.x, rows.y_axis / scale.y];
        (x.dot(y).abs() < 1e-4).then(|| (DMat2::from_cols(x, y).transpose(), scale))
    }

    /// The rotation of directions in pictures whose pixels are square; `None` if the map does not preserve right
    /// angles.
    pub fn rotation(&self) -> Option<DMat2> {
        self.turn(DVec2::ONE).map(|(turn, _)| turn)
    }

    /// Takes ways in the old picture to those in the new one, in pixels.
    pub(super) fn linear(&self) -> DMat2 {
        self.forward.matrix2
    }

    /// This map, and then another one of its new picture.
    pub fn then(&self, next: &Mapping) -> Mapping {
        Mapping::new(next.forward * self.forward, self.from, next.to)
    }

    /// Row-major values of the old picture, sampled at the nearest pixel.
    pub fn nearest<T: Copy>(&self, values: &[T], beyond: Beyond<T>) -> Vec<T> {
        let Extent { width, height } = self.from;
        let at = |x: u32, y: u32| values[y as usize * width as usize + x as usize];
        let mut mapped = Vec::with_capacity(self.to.area());
        for y in 0..self.to.height {
            for x in 0..self.to.width {
                let [u, v] = self.inverse([f64::from(x) + 0.5, f64::from(y) + 0.5]);
                let (u, v) = (u.floor() as i64, v.floor() as i64);
                let inside =
                    (0..i64::from(width)).contains(&u) && (0..i64::from(height)).contains(&v);
                mapped.push(match beyond {
                    Beyond::Value(value) if !inside => value,
                    Beyond::Border(border) if !inside => {
                        at(border.index(u, width), border.index(v, height))
                    }
                    _ => at(u as u32, v as u32),
                });
            }
        }
        mapped
    }

    /// Row-major values, mixed bilinearly from those that are not `nothing`; nothing where the nearest one is, and
    /// beyond the edges of the old picture.
    pub(super) fn mixed<const N: usize>(
        &self,
        values: &[[u16; N]],
        nothing: [u16; N],
    ) -> Vec<[u16; N]> {
        let Extent { width, height } = self.from;
        let nearest = self.nearest(values, Beyond::Value(nothing));
        let places = (0..self.to.height).flat_map(|y| (0..self.to.width).map(move |x| (x, y)));
        let mix = |((x, y), nearest): ((u32, u32), [u16; N])| {
            if nearest == nothing {
                return nothing;
            }
            let [u, v] = self.inverse([f64::from(x) + 0.5, f64::from(y) + 0.5]);
            let (u, v) = (u - 0.5, v - 0.5);
            let (mut sum, mut weights) = ([0.0; N], 0.0);
            for (column, row) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
                let (left, top) = (u.floor() + column, v.floor() + row);
                let weight = (1.0 - (u - left).abs()) * (1.0 - (v - top).abs());
                let x = Border::Replicate.index(left as i64, width) as usize;
                let y = Border::Replicate.index(top as i64, height) as usize;
                let value = values[y * width as usize + x];
                if value == nothing {
                    continue;
                }
                weights += weight;
                for (sum, value) in sum.iter_mut().zip(value) {
                    *sum += weight * f64::from(value);
                }
            }
            // The nearest pixel is known and has a weight of a quarter or more.
            sum.map(|sum| (sum / weights).round() as u16)
        };
        places.zip(nearest).map(mix).collect()
    }

    /// The mapped picture, sampled bilinearly in one pass.
    pub fn bilinear(&self, pixels: &RgbImage, border: Border) -> RgbImage {
        let (width, height) = pixels.dimensions();
        RgbImage::from_fn(self.to.width, self.to.height, |x, y| {
            let [u, v] = self.inverse([f64::from(x) + 0.5, f64::from(y) + 0.5]);
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
            ::image::Rgb(sum.map(|value| value.round() as u8))
        })
    }

    /// The tight box (x, y, width, height) around the mapped ellipse that fills a box, not clipped. Of a thing that is
    /// turned and of which only the box is known, it is nearer to the true one, in the mean, than the box around the
    /// turned corners, which grows to 1.4 times its sides (Kalra et al., "Towards Rotation Invariance in Object
    /// Detection", ICCV 2021, arXiv 2109.13488).
    fn bounds(&self, [x, y, w, h]: [f32; 4]) -> [f64; 4] {
        let [x, y, w, h] = [x, y, w, h].map(f64::from);
        let [middle_x, middle_y] = self.forward([x + w / 2.0, y + h / 2.0]);
        let DMat2 { x_axis, y_axis } = self.forward.matrix2;
        let width = (x_axis.x * w).hypot(y_axis.x * h);
        let height = (x_axis.y * w).hypot(y_axis.y * h);
        [
            middle_x - width / 2.0,
            middle_y - height / 2.0,
            width,
            height,
        ]
    }
}
