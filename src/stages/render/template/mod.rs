//! Draws 2D templates, one SVG a class, as a camera outdoors might see them.
//!
//! A sample is drawn in the order of the files: [`svg`] holds the templates, [`warp`] places one in
//! the picture, [`background`] stands behind it, [`light`] falls on both, [`camera`] takes the photo.
//! All light is linear until the camera; every parameter is drawn from the sample's own stream.

mod background;
mod camera;
mod canvas;
mod draw;
mod light;
mod svg;
#[cfg(test)]
mod tests;
mod warp;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::photos::Photos;
use crate::Result;
use crate::sample::{Domain, Instance, Keypoint, Labels, Mask, Provenance, Sample, Visibility};
use crate::sample::{image, mask};
use crate::seed::Stream;
use crate::stage::Context;

use background::Background;
use camera::Camera;
use light::{Light, Surface};
use svg::Texture;
use warp::{Geometry, Layer, Placement};

/// Configuration of the 2D renderer. Ranges are [lowest, highest].
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Template {
    /// A folder of .svg files, one a class, named by the file without its extension. Text in them
    /// must have been converted to paths.
    pub templates: PathBuf,
    /// Where the sign is in the picture, and how it is turned.
    pub geometry: Geometry,
    /// What the sign is made of: colours, fading, dirt.
    pub surface: Surface,
    /// What is behind the sign.
    pub background: Background,
    /// Sun, shadows, haze and exposure.
    pub light: Light,
    /// Blur, resolution, noise and compression.
    pub camera: Camera,
}

impl Template {
    /// The folder of templates.
    pub fn files(&self) -> Vec<PathBuf> {
        vec![self.templates.clone()]
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// The first field that is out of bounds, and its bounds.
    pub fn check(&self) -> Result<(), String> {
        if self.templates.as_os_str().is_empty() {
            return Err("`template.templates` must name a folder of .svg files".into());
        }
        self.geometry.check()?;
        self.surface.check()?;
        self.background.check()?;
        self.light.check()?;
        self.camera.check()
    }

    /// Draws `count` pictures of `size` × `size` pixels, the classes in turn.
    ///
    /// # Errors
    /// Where a template or a background photo cannot be read.
    pub fn render(&self, context: &Context, count: u64, size: u32) -> Result<serde_json::Value> {
        let textures = svg::load_folder(&self.templates, size, context)?;
        let photos = Photos::load(context.inputs.get("backgrounds"))?;
        context.generate(count, |index| {
            let texture = &textures[(index % textures.len() as u64) as usize];
            self.sample(context, index, texture, &photos, size)
        })?;
        Ok(serde_json::json!({
            "templates": textures.len(),
            "background_photos": photos.len(),
        }))
    }

    fn sample(
        &self,
        context: &Context,
        index: u64,
        texture: &Texture,
        photos: &Photos,
        size: u32,
    ) -> Result<Sample> {
        let stream = &mut context.seed.stream(index);
        let placement = self.geometry.place(texture, size, stream);
        let layer = warp::warp(texture, &placement, size);
        let pixels = self.picture(&layer, photos, size, stream)?;
        let id = format!("{}-{index:06}", context.id);
        Ok(Sample {
            id: id.clone(),
            index,
            image: image::encode_png(&pixels)?,
            width: size,
            height: size,
            labels: labels(&texture.class, &placement, &layer, size),
            provenance: Provenance {
                domain: Domain::Render,
                source: texture.path.to_string_lossy().replace('\\', "/"),
                origin: id,
                parent: None,
                seed: context.seed.hex(index),
                checkpoint: None,
                transforms: Vec::new(),
                split: None,
                gate: None,
            },
        })
    }

    /// Everything about a picture but where the sign is.
    fn picture(
        &self,
        layer: &Layer,
        photos: &Photos,
        size: u32,
        stream: &mut Stream,
    ) -> Result<::image::RgbImage> {
        let sign = self.surface.paint(layer, size, stream);
        let mut behind = self.background.draw(photos, size, stream)?;
        self.light.flood_background(&mut behind, stream);
        let mut scene = behind;
        for ((pixel, sign), alpha) in scene.pixels.iter_mut().zip(&sign.pixels).zip(&layer.alpha) {
            for (channel, sign) in pixel.iter_mut().zip(sign) {
                *channel = *channel * (1.0 - alpha) + sign;
            }
        }
        self.light.fall(&mut scene, stream);
        self.camera.take(scene, stream)
    }
}

/// The sign's box, mask and corners, all from the one alpha layer.
fn labels(class: &str, placement: &Placement, layer: &Layer, size: u32) -> Labels {
    let bitmap: Vec<bool> = layer.alpha.iter().map(|&alpha| alpha > 0.5).collect();
    let mask = mask::Mask::from_bitmap(&bitmap, size, size);
    let instance = |bbox_xywh, mask: Mask| Instance {
        class: class.to_owned(),
        bbox_xywh,
        visible_fraction: mask.area() as f32 / layer.pixels_alone.max(1) as f32,
        mask,
        keypoints: placement.corners.map(|p| keypoint(p.x, p.y, size)).to_vec(),
        pose: None,
    };
    Labels {
        class: Some(class.to_owned()),
        instances: mask
            .bbox_xywh(size)
            .map(|bbox| instance(bbox, mask))
            .into_iter()
            .collect(),
        ..Labels::default()
    }
}

fn keypoint(x: f32, y: f32, size: u32) -> Keypoint {
    let inside = 0.0..size as f32;
    let visibility = if inside.contains(&x) && inside.contains(&y) {
        Visibility::Visible
    } else {
        Visibility::Outside
    };
    Keypoint { x, y, visibility }
}
