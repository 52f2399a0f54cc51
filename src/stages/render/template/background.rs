//! What is behind the sign: the border of a real photo, or painted sky, foliage and walls.

use glam::Vec2;
use image::RgbImage;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::canvas::{Canvas, Field, between, span};
use super::super::draw::{self, Range, chance, check_range, check_share, log_uniform, uniform};
use super::super::photos::Photos;
use crate::Result;
use crate::sample::Extent;
use crate::sample::crop::{self, Rectangle, largest};
use crate::seed::Stream;

/// What is behind the sign.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Background {
    /// Share of pictures whose background comes from a photo, where `backgrounds` are given.
    pub photo_share: f64,
    /// Share of those that show the border of a whole photo, folded inwards, so that what was in
    /// its middle is gone. The others show one small part of its border, enlarged.
    pub fold_share: f64,
    /// Depth of the border that is folded inwards, as a fraction of the photo's width on its left and
    /// right, and of its height above and below.
    pub fold: Range,
    /// Width of the enlarged part, as a fraction of the widest that has the picture's shape and lies in
    /// the photo. Small enough that no whole object is visible.
    pub crop: Range,
    /// Mean brightness; a white sheet in the same light is 1.
    pub brightness: Range,
}

impl Default for Background {
    fn default() -> Self {
        Background {
            photo_share: 0.7,
            fold_share: 0.7,
            fold: [0.07, 0.14],
            crop: [0.15, 0.4],
            brightness: [0.03, 0.9],
        }
    }
}

impl Background {
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), String> {
        check_share("template.background.photo_share", self.photo_share)?;
        check_share("template.background.fold_share", self.fold_share)?;
        check_range("template.background.fold", self.fold, [0.01, 0.5])?;
        check_range("template.background.crop", self.crop, [0.01, 1.0])?;
        check_range(
            "template.background.brightness",
            self.brightness,
            [1e-3, 10.0],
        )
    }

    /// Draws a background of `size`.
    ///
    /// # Errors
    /// If a photo cannot be decoded.
    pub fn draw(&self, photos: &Photos, size: Extent, stream: &mut Stream) -> Result<Canvas> {
        let from_photo = chance(self.photo_share, stream) && photos.len() > 0;
        let mut canvas = if from_photo {
            self.cut_border(photos, size, stream)?
        } else {
            paint(size, stream)
        };
        let wanted = log_uniform(self.brightness, stream);
        // Nearly black photos are mostly noise: brightening them without end would show only that.
        canvas.scale((wanted / canvas.brightness().max(1e-4)).min(20.0));
        Ok(canvas)
    }

    /// The border of a random photo, mirrored half of the time.
    fn cut_border(&self, photos: &Photos, size: Extent, stream: &mut Stream) -> Result<Canvas> {
        let photo = photos.draw(stream)?;
        let extent = Extent::from(photo.dimensions());
        let mut canvas = if chance(self.fold_share, stream) {
            // A square whatever the picture's shape: cut closer, its border would not be the photo's.
            let square = Extent::square(extent.shorter());
            let left = stream.random_range(0..=extent.width - square.width);
            let top = stream.random_range(0..=extent.height - square.height);
            let whole = part(&photo, left, top, square).resized(size);
            fold(&whole, uniform(self.fold, stream))
        } else {
            let share = uniform(self.crop, stream);
            let side = |side: u32| ((share * side as f32).round() as u32).clamp(2.min(side), side);
            let whole = largest(extent, size);
            let extent = Extent::new(side(whole.width), side(whole.height));
            edge(&photo, extent, stream).resized(size)
        };
        if stream.random() {
            canvas.mirror();
        }
        Ok(canvas)
    }
}

/// Fills the middle of a picture with mirror images of its border of `depth`, as a fraction of its
/// width and height.
fn fold(whole: &Canvas, depth: f32) -> Canvas {
    let span = whole.span();
    Canvas::from_fn(whole.extent, |x, y| {
        let offset = Vec2::new(x, y) / span - 0.5;
        let radius = offset.abs().max_element().max(1e-3);
        let phase = (0.5 - radius) % (2.0 * depth);
        let inwards = phase.min(2.0 * depth - phase);
        let from = offset * (0.5 - inwards) / radius + 0.5;
        whole.at_fraction(from)
    })
}

/// A part of `photo` of this extent that touches a random edge.
fn edge(photo: &RgbImage, extent: Extent, stream: &mut Stream) -> Canvas {
    let (right, low) = (photo.width() - extent.width, photo.height() - extent.height);
    let far = stream.random::<bool>();
    let (left, top) = if stream.random() {
        (stream.random_range(0..=right), if far { low } else { 0 })
    } else {
        (if far { right } else { 0 }, stream.random_range(0..=low))
    };
    part(photo, left, top, extent)
}

/// The part of `photo` whose left upper pixel is (`left`, `top`).
fn part(photo: &RgbImage, left: u32, top: u32, extent: Extent) -> Canvas {
    let (left, top) = (left.into(), top.into());
    Canvas::from_srgb(&crop::cut(photo, Rectangle { left, top, extent }))
}

/// One or two surfaces, beside or above each other, sometimes with a post.
fn paint(size: Extent, stream: &mut Stream) -> Canvas {
    let span = span(size);
    let mut canvas = surface(size, stream);
    if chance(0.6, stream) {
        let other = surface(size, stream);
        let normal = draw::direction(stream);
        let offset = uniform([-0.3, 0.3], stream);
        let ragged = Field::new(4, 3, span, stream);
        let roughness = uniform([0.0, 0.12], stream);
        let mut others = other.pixels.iter();
        canvas.for_each(|x, y, pixel| {
            let edge = (Vec2::new(x, y) - span / 2.0).dot(normal) - offset;
            let other = others.next().copied().unwrap_or(*pixel);
            if edge + roughness * ragged.at(x, y) > 0.0 {
                *pixel = other;
            }
        });
    }
    if chance(0.3, stream) {
        let middle = span.x * uniform([0.3, 0.7], stream);
        let width = uniform([0.03, 0.1], stream);
        let grey = uniform([0.1, 0.5], stream);
        canvas.for_each(|x, y, pixel| {
            let across = (x - middle) / width;
            if across.abs() < 0.5 && y > 0.4 * span.y {
                *pixel = [grey * (1.0 - across * across); 3];
            }
        });
    }
    canvas
}

/// Sky, foliage, or wall and road.
fn surface(size: Extent, stream: &mut Stream) -> Canvas {
    let span = span(size);
    match stream.random_range(0..3) {
        0 => {
            let high = between([0.3, 0.5, 0.9], [0.8, 0.85, 0.9], stream);
            let low = between([0.6, 0.7, 0.9], [1.0, 1.0, 1.0], stream);
            let clouds = Field::new(2, 2, span, stream);
            let strength = uniform([0.0, 0.15], stream);
            Canvas::from_fn(size, |x, y| {
                let light = (strength * clouds.at(x, y)).exp();
                std::array::from_fn(|i| light * (high[i] + (low[i] - high[i]) * (y / span.y)))
            })
        }
        1 => {
            let colour = between([0.03, 0.05, 0.02], [0.2, 0.22, 0.08], stream);
            let leaves = Field::new(stream.random_range(3..9), 4, span, stream);
            let strength = uniform([0.3, 0.8], stream);
            let gaps = uniform([1.2, 2.5], stream);
            Canvas::from_fn(size, |x, y| {
                let value = leaves.at(x, y);
                // Where leaves are thinnest the sky shines through.
                let sky = ((value - gaps) * 2.0).clamp(0.0, 1.0);
                colour.map(|c| c * (strength * value).exp() * (1.0 - sky) + 0.8 * sky)
            })
        }
        _ => wall(size, stream),
    }
}

/// A grey to brown surface with a few darker or brighter rectangles.
fn wall(size: Extent, stream: &mut Stream) -> Canvas {
    let span = span(size);
    let colour = if stream.random() {
        between([0.1, 0.1, 0.11], [0.6, 0.6, 0.58], stream)
    } else {
        between([0.25, 0.12, 0.08], [0.6, 0.5, 0.35], stream)
    };
    let grain = Field::new(5, 3, span, stream);
    let strength = uniform([0.05, 0.25], stream);
    let mut canvas = Canvas::from_fn(size, |x, y| {
        let light = (strength * grain.at(x, y)).exp();
        colour.map(|c| c * light)
    });
    for _ in 0..stream.random_range(0..4) {
        let centre = span * Vec2::new(stream.random(), stream.random());
        let half = Vec2::new(uniform([0.03, 0.3], stream), uniform([0.03, 0.3], stream));
        let factor = log_uniform([0.25, 2.5], stream);
        canvas.for_each(|x, y, pixel| {
            if (Vec2::new(x, y) - centre).abs().cmple(half).all() {
                pixel.iter_mut().for_each(|channel| *channel *= factor);
            }
        });
    }
    canvas
}
