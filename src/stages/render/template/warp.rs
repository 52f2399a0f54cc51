//! Places a flat template in space, projects it with a pinhole camera, and samples it once.

use glam::{Mat3, Vec2, Vec3};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::canvas::sides;
use super::super::draw::{Range, check_range, log_uniform, uniform};
use super::texture::Texture;
use crate::sample::Extent;
use crate::seed::Stream;

/// Where the sign is in the picture, and how it is turned.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Geometry {
    /// Longer side of the projected sign, as a fraction of the picture's shorter side.
    pub scale: Range,
    /// Offset of the sign's centre from the picture's, right as a fraction of the picture's width and
    /// down as a fraction of its height.
    pub shift: Range,
    /// Turn about the vertical axis in degrees.
    pub yaw: Range,
    /// Turn about the horizontal axis in degrees.
    pub pitch: Range,
    /// Turn in the picture, clockwise, in degrees.
    pub roll: Range,
    /// Distance of the camera in sides of the sign: near gives strong perspective.
    pub distance: Range,
    /// Width over height that the picture is stretched by.
    pub stretch: Range,
}

impl Default for Geometry {
    fn default() -> Self {
        Geometry {
            scale: [0.64, 0.9],
            shift: [-0.05, 0.05],
            yaw: [-30.0, 30.0],
            pitch: [-12.0, 12.0],
            roll: [-7.0, 7.0],
            distance: [2.5, 10.0],
            stretch: [0.93, 1.07],
        }
    }
}

/// The drawn pose: how picture and template map to each other.
pub struct Placement {
    /// From pixels to texels, as a homography.
    to_texture: Mat3,
    /// Of the sign, towards the camera: x right, y down, z away from it.
    pub normal: Vec3,
    /// Upper left, upper right, lower right and lower left of the template's box, in pixels.
    pub corners: [Vec2; 4],
    /// Upper left and lower right of the projected sign, in pixels.
    pub bounds: [Vec2; 2],
}

/// The sign alone, as seen: premultiplied linear light and alpha, row by row.
pub struct Layer {
    pub colour: Vec<[f32; 3]>,
    pub alpha: Vec<f32>,
    /// Pixels that the sign would cover if the picture had no edge.
    pub pixels_alone: u32,
}

impl Geometry {
    /// # Errors
    /// The first range that is out of bounds.
    pub fn check(&self) -> Result<(), String> {
        check_range("template.geometry.scale", self.scale, [0.05, 4.0])?;
        check_range("template.geometry.shift", self.shift, [-0.5, 0.5])?;
        check_range("template.geometry.yaw", self.yaw, [-80.0, 80.0])?;
        check_range("template.geometry.pitch", self.pitch, [-80.0, 80.0])?;
        check_range("template.geometry.roll", self.roll, [-180.0, 180.0])?;
        check_range("template.geometry.distance", self.distance, [1.5, 1000.0])?;
        check_range("template.geometry.stretch", self.stretch, [0.5, 2.0])
    }

    /// Draws a pose in a picture of `size`.
    pub fn place(&self, texture: &Texture, size: Extent, stream: &mut Stream) -> Placement {
        let scale = uniform(self.scale, stream);
        let shift = Vec2::new(uniform(self.shift, stream), uniform(self.shift, stream));
        let [yaw, pitch, roll] =
            [self.yaw, self.pitch, self.roll].map(|range| uniform(range, stream).to_radians());
        let distance = log_uniform(self.distance, stream);
        let stretch = log_uniform(self.stretch, stream).sqrt();

        let [low, high] = texture.bounds;
        let side = (high - low).max_element();
        let to_unit =
            Mat3::from_scale(Vec2::splat(1.0 / side)) * Mat3::from_translation(-(low + high) / 2.0);
        let turn =
            Mat3::from_rotation_z(roll) * Mat3::from_rotation_x(pitch) * Mat3::from_rotation_y(yaw);
        let lens = Mat3::from_cols(turn.x_axis, turn.y_axis, Vec3::new(0.0, 0.0, distance));
        let stretch = Mat3::from_scale(Vec2::new(stretch, 1.0 / stretch));
        let projection = stretch * lens * to_unit;

        let [low, high] = bounds(texture.outline.iter().map(|&p| project(projection, p)));
        let wanted = sides(size) * (shift + 0.5);
        let zoom = scale * size.shorter() as f32 / (high - low).max_element();
        let to_picture = Mat3::from_translation(wanted)
            * Mat3::from_scale(Vec2::splat(zoom))
            * Mat3::from_translation(-(low + high) / 2.0)
            * projection;
        let [low, high] = texture.bounds;
        let corners = [
            low,
            Vec2::new(high.x, low.y),
            high,
            Vec2::new(low.x, high.y),
        ];
        Placement {
            to_texture: to_picture.inverse(),
            // Turned by less than 90 degrees, so that its back is never seen.
            normal: -turn.z_axis,
            corners: corners.map(|corner| project(to_picture, corner)),
            bounds: bounds(texture.outline.iter().map(|&p| project(to_picture, p))),
        }
    }

    /// Draws a pose above or below that of `sign`.
    pub fn place_beside(
        &self,
        sign: &Placement,
        texture: &Texture,
        size: Extent,
        stream: &mut Stream,
    ) -> Placement {
        let mut placement = self.place(texture, size, stream);
        placement.move_beside(sign, size, stream);
        placement
    }
}

impl Placement {
    /// Moves the sign in the picture, in pixels, until it stands above or below `sign`.
    fn move_beside(&mut self, sign: &Placement, size: Extent, stream: &mut Stream) {
        let side = size.shorter() as f32;
        let gap = side * uniform([-0.01, 0.1], stream);
        let aside = side * uniform([-0.06, 0.06], stream);
        let y = if stream.random() {
            sign.bounds[1].y + gap - self.bounds[0].y
        } else {
            sign.bounds[0].y - gap - self.bounds[1].y
        };
        let shift = Vec2::new(aside, y);
        self.to_texture *= Mat3::from_translation(-shift);
        self.corners = self.corners.map(|corner| corner + shift);
        self.bounds = self.bounds.map(|corner| corner + shift);
    }
}

fn project(homography: Mat3, point: Vec2) -> Vec2 {
    let point = homography * point.extend(1.0);
    point.truncate() / point.z
}

fn bounds(points: impl Iterator<Item = Vec2>) -> [Vec2; 2] {
    points.fold(
        [Vec2::INFINITY, Vec2::NEG_INFINITY],
        |[low, high], point| [low.min(point), high.max(point)],
    )
}

/// Samples a placed template for every pixel that it covers, inside the picture or not.
pub(super) fn warp(texture: &Texture, placement: &Placement, size: Extent) -> Layer {
    let (width, height) = (size.width as usize, size.height as usize);
    let mut layer = Layer {
        colour: vec![[0.0; 3]; size.area()],
        alpha: vec![0.0; size.area()],
        pixels_alone: 0,
    };
    let [low, high] = placement.bounds;
    let (low, high) = (low.floor() - 1.0, high.ceil() + 1.0);
    let inside = |i: i64, length: usize| usize::try_from(i).ok().filter(|&i| i < length);
    for y in low.y as i64..high.y as i64 {
        for x in low.x as i64..high.x as i64 {
            let corner = Vec2::new(x as f32, y as f32);
            let [red, green, blue, alpha] = area(texture, placement, corner);
            layer.pixels_alone += u32::from(alpha > 0.5);
            if let (Some(x), Some(y)) = (inside(x, width), inside(y, height)) {
                layer.colour[y * width + x] = [red, green, blue];
                layer.alpha[y * width + x] = alpha;
            }
        }
    }
    layer
}

/// The mean over the pixel whose upper left is `corner`: 3 × 3 filtered samples.
fn area(texture: &Texture, placement: &Placement, corner: Vec2) -> [f32; 4] {
    const STEPS: u8 = 3;
    let step = 1.0 / f32::from(STEPS);
    let texel = |offset: Vec2| project(placement.to_texture, corner + offset);
    let middle = texel(Vec2::splat(0.5));
    let across = texel(Vec2::new(0.5 + step, 0.5)) - middle;
    let down = texel(Vec2::new(0.5, 0.5 + step)) - middle;
    let footprint = across.perp_dot(down).abs().sqrt();
    let mut sum = [0.0; 4];
    for i in 0..STEPS * STEPS {
        let offset = Vec2::new(f32::from(i % STEPS), f32::from(i / STEPS));
        let sample = texture.sample(texel((offset + 0.5) * step), footprint);
        for (sum, value) in sum.iter_mut().zip(sample) {
            *sum += value * step * step;
        }
    }
    sum
}
