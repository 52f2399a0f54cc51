//! Draws 2D templates, each named by its class, as a camera outdoors might see them.
//!
//! [`classes`] reads the templates, [`svg`] draws each once, and [`texture`] is the result. [`warp`] then
//! places one in the picture, [`surface`] is its paint, [`background`] and [`surroundings`] stand behind it,
//! [`light`] falls on all, [`camera`] takes the photo. [`proof`] works the labels out a second time.
//! All light is linear until the camera; every parameter is drawn from the sample's own stream.

mod background;
mod camera;
mod classes;
mod light;
mod proof;
mod surface;
mod surroundings;
pub(super) mod svg;
#[cfg(test)]
mod tests;
mod texture;
mod warp;

use std::path::PathBuf;
use std::sync::Arc;

use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::names::{self, Named};
use super::photos::Photos;
use super::{ATTEMPTS, Drawn, Wanted, proved, too_little, unseen};
use crate::sample::image;
use crate::sample::maps::{Value, albedo, normals, semantic};
use crate::sample::{
    Domain, Extent, Keypoint, Labels, Mask, Object, Provenance, Sample, Visibility,
};
use crate::seed::Stream;
use crate::stage::{Context, Misfit};
use crate::{Error, Result};

use super::draw::chance;
use background::Background;
use camera::Camera;
use classes::Class;
use light::Light;
use surface::Surface;
use surroundings::Surroundings;
use texture::Texture;
use warp::{Geometry, Layer, Placement};

/// Configuration of the 2D renderer. Ranges are [lowest, highest].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Template {
    /// A folder of .svg files, each named by its class. Further drawings of a class, as a sign put
    /// up turned, lie in a folder of its name. Text in them must have been converted to paths.
    pub templates: PathBuf,
    /// Share of the renders of a class that show one of its further drawings, 0..1, if it has both a
    /// drawing of its own and further ones.
    pub variants: f64,
    /// Where the sign is in the picture, and how it is turned.
    pub geometry: Geometry,
    /// What the sign is made of: colours, fading, dirt.
    pub surface: Surface,
    /// What is behind the sign.
    pub background: Background,
    /// Post, board, plates and other signs.
    pub surroundings: Surroundings,
    /// Sun, shadows, haze and exposure.
    pub light: Light,
    /// Blur, resolution, noise and compression.
    pub camera: Camera,
}

impl Default for Template {
    fn default() -> Self {
        Template {
            templates: PathBuf::new(),
            variants: 0.2,
            geometry: Geometry::default(),
            surface: Surface::default(),
            background: Background::default(),
            surroundings: Surroundings::default(),
            light: Light::default(),
            camera: Camera::default(),
        }
    }
}

impl Template {
    /// The folder of templates.
    pub fn files(&self) -> Vec<PathBuf> {
        vec![self.templates.clone()]
    }

    /// The classes of the templates; none if their folder is missing.
    ///
    /// # Errors
    /// If the folder holds no templates.
    pub(super) fn classes(&self) -> Result<Vec<Named>, String> {
        if !self.templates.is_dir() {
            return Ok(Vec::new());
        }
        match classes::list(&self.templates, &|| Ok(())) {
            Ok(listed) => Ok(classes::named(&listed.drawings)),
            Err(error) => Err(error.to_string().replace("\n  help:", ";")),
        }
    }

    /// Whether the templates lie in a folder.
    ///
    /// # Errors
    /// If it is a file.
    pub fn check_files(&self) -> Result<(), Misfit> {
        if self.templates.is_dir() {
            return Ok(());
        }
        Err(Misfit::new(
            format!(
                "{} is a file, and `template.templates` a folder of .svg files",
                self.templates.display()
            ),
            "name the folder that holds it",
        )
        .of_file(&self.templates))
    }

    /// Checks ranges, and the names of the classes.
    ///
    /// # Errors
    /// The first field that is out of bounds, and its bounds.
    pub fn check(&self) -> Result<(), String> {
        if self.templates.as_os_str().is_empty() {
            return Err("`template.templates` must name a folder of .svg files".into());
        }
        names::check(&self.classes()?, classes::REMEDY)?;
        if !(0.0..=1.0).contains(&self.variants) {
            return Err("`template.variants` must lie in 0..1".into());
        }
        self.geometry.check()?;
        self.surface.check()?;
        self.background.check()?;
        self.surroundings.check()?;
        self.light.check()?;
        self.camera.check()
    }

    /// Draws the `wanted` pictures, the classes in turn.
    ///
    /// # Errors
    /// If a template or a background photo cannot be read, or a template is too small to be seen.
    pub(super) fn render(&self, context: &Context, wanted: Wanted) -> Result<serde_json::Value> {
        let size = wanted.size;
        let classes = classes::load_folder(&self.templates, size.shorter(), context)?;
        if !wanted.classes.is_empty() {
            let listed = classes::list(&self.templates, &|| context.check_interrupt())?;
            names::check_list(wanted.classes, &classes::named(&listed.drawings))
                .map_err(|problem| Error::usage(context.id, problem, "correct `classes`"))?;
        }
        let photos = Photos::load(context)?;
        context.generate(wanted.count, "count", |index| {
            self.sample(context, index, &classes, &photos, wanted)
        })?;
        Ok(serde_json::json!({
            "templates": classes.iter().map(Class::count).sum::<usize>(),
            "background_photos": photos.len(),
        }))
    }

    fn sample(
        &self,
        context: &Context,
        index: u64,
        classes: &[Class],
        photos: &Photos,
        wanted: Wanted,
    ) -> Result<Sample> {
        proved(context, index, context.seed.stream(index), |stream| {
            self.draw(context, index, classes, photos, wanted, stream)
        })
    }

    fn draw(
        &self,
        context: &Context,
        index: u64,
        classes: &[Class],
        photos: &Photos,
        wanted: Wanted,
        stream: &mut Stream,
    ) -> Result<Drawn<Sample>> {
        let size = wanted.size;
        let class = &classes[(index % classes.len() as u64) as usize];
        let interrupt = || context.check_interrupt();
        let texture = class.draw(self.variants, stream).texture(&interrupt)?;
        let source = texture.path.to_string_lossy().replace('\\', "/");
        let mut signs = vec![self.visible_sign(context, texture, wanted, stream)?];
        if chance(self.surroundings.neighbour_share, stream) {
            let other = &classes[stream.random_range(0..classes.len())];
            let other = other.draw(self.variants, stream).texture(&interrupt)?;
            let beside = &signs[0].placement;
            let placement = self.geometry.place_beside(beside, &other, size, stream);
            signs.push(Sign::new(other, placement, size));
        }
        let Picture { pixels, albedo } = self.picture(&signs, photos, wanted, stream)?;
        let mut labels = labels(&signs, size);
        if let Some(fault) = proof::fault(&signs, &labels, size) {
            let model = source;
            return Ok(Drawn::Doubted { model, fault });
        }
        add_maps(&mut labels, &signs, &albedo, classes, wanted)?;
        let id = format!("{}-{index:06}", context.id);
        Ok(Drawn::Proved(Box::new(Sample {
            id: id.clone(),
            index,
            image: image::encode_png(&pixels)?,
            extent: size,
            labels,
            provenance: Provenance {
                domain: Domain::Render,
                source,
                origin: id,
                parent: None,
                seed: context.seed.hex(index),
                checkpoint: None,
                transforms: Vec::new(),
                split: None,
                gate: None,
            },
        })))
    }

    /// The sign that the picture is of, placed anew until enough of it is visible.
    fn visible_sign(
        &self,
        context: &Context,
        texture: Arc<Texture>,
        wanted: Wanted,
        stream: &mut Stream,
    ) -> Result<Sign> {
        let (size, least) = (wanted.size, wanted.min_visible);
        let mut most = 0.0_f32;
        for _ in 0..ATTEMPTS {
            let placement = self.geometry.place(&texture, size, stream);
            let sign = Sign::new(Arc::clone(&texture), placement, size);
            let share = sign.visible_share();
            if share > 0.0 && share >= least {
                return Ok(sign);
            }
            most = most.max(share);
        }
        let path = texture.path.to_string_lossy();
        let remedy =
            "raise `template.geometry.scale` or `size`, or narrow `template.geometry.shift`";
        Err(match most > 0.0 {
            false => unseen(context, &path, remedy),
            true => too_little(context, &path, most, least, remedy),
        })
    }

    /// Everything about a picture but where the signs are; the first stands before the others.
    fn picture(
        &self,
        signs: &[Sign],
        photos: &Photos,
        wanted: Wanted,
        stream: &mut Stream,
    ) -> Result<Picture> {
        let size = wanted.size;
        let mut scene = self.background.draw(photos, size, stream)?;
        self.light.flood_background(&mut scene, stream);
        self.surroundings
            .draw(&mut scene, &signs[0].placement, stream);
        let mut albedo = vec![albedo::MAP.nothing; size.area()];
        for sign in signs.iter().rev() {
            let layer = &sign.layer;
            let mut paint = self.surface.paint(layer, size, stream);
            if wanted.has_map(&albedo::MAP) {
                for ((i, paint), covered) in paint.pixels.iter().enumerate().zip(sign.covers()) {
                    if covered {
                        albedo[i] = albedo::value(paint.map(|channel| channel / layer.alpha[i]));
                    }
                }
            }
            self.surface.mirror_sun(&mut paint, layer, stream);
            let pairs = scene.pixels.iter_mut().zip(&paint.pixels);
            for ((pixel, paint), alpha) in pairs.zip(&layer.alpha) {
                for (channel, paint) in pixel.iter_mut().zip(paint) {
                    *channel = *channel * (1.0 - alpha) + paint;
                }
            }
        }
        self.light.fall(&mut scene, stream);
        Ok(Picture {
            pixels: self.camera.take(scene, stream)?,
            albedo,
        })
    }
}

/// A photo of signs, and the map of their colours if it is wanted.
struct Picture {
    pixels: ::image::RgbImage,
    albedo: Vec<Value>,
}

/// A template in its place.
struct Sign {
    texture: Arc<Texture>,
    placement: Placement,
    layer: Layer,
}

impl Sign {
    fn new(texture: Arc<Texture>, placement: Placement, size: Extent) -> Self {
        let layer = warp::warp(&texture, &placement, size);
        Sign {
            texture,
            placement,
            layer,
        }
    }

    /// Which pixels it covers by more than half, row by row.
    fn covers(&self) -> impl Iterator<Item = bool> {
        self.layer.alpha.iter().map(|&alpha| alpha > 0.5)
    }

    /// The share of it that is in the picture, or of the picture that it fills, whichever is more.
    fn visible_share(&self) -> f32 {
        let covered = self.covers().filter(|covered| *covered).count() as f32;
        let alone = self.layer.pixels_alone.max(1) as f32;
        (covered / alone).max(covered / self.layer.alpha.len() as f32)
    }

    /// Box, mask and corners of what `hidden` leaves visible; `None` if that is nothing.
    fn object(&self, hidden: &mut [bool], size: Extent) -> Option<Object> {
        let corners = CORNERS.into_iter().zip(self.placement.corners);
        // Collected before more is hidden: a sign does not hide itself.
        let keypoints = corners.map(|(name, p)| keypoint(name, p.x, p.y, hidden, size));
        let keypoints: Vec<Keypoint> = keypoints.collect();
        let covered = self.covers().zip(hidden).map(|(covered, hidden)| {
            let visible = covered && !*hidden;
            *hidden |= covered;
            visible
        });
        let covered: Vec<bool> = covered.collect();
        let mask = Mask::from_bitmap(&covered, size.width, size.height);
        Some(Object {
            keypoints,
            visible_fraction: mask.area() as f32 / self.layer.pixels_alone.max(1) as f32,
            ..Object::new(&self.texture.class, mask.bbox_xywh(size.height)?).with_mask(mask)
        })
    }
}

/// Box, mask and corners of all signs, from their alpha layers; the class is that of the first, if it
/// is visible.
fn labels(signs: &[Sign], size: Extent) -> Labels {
    let mut hidden = vec![false; size.area()];
    let objects = signs.iter().map(|sign| sign.object(&mut hidden, size));
    let objects: Vec<Option<Object>> = objects.collect();
    let main = objects.first().and_then(Option::as_ref);
    Labels {
        class: main.map(|object| object.class.clone()),
        objects: Some(objects.into_iter().flatten().collect()),
        ..Labels::default()
    }
}

/// Adds the maps that are wanted to the labels of `signs`. All but the signs is unknown.
///
/// # Errors
/// If a map cannot be encoded.
fn add_maps(
    labels: &mut Labels,
    signs: &[Sign],
    albedo: &[Value],
    classes: &[Class],
    wanted: Wanted,
) -> Result<()> {
    let size = wanted.size;
    if wanted.has_map(&normals::MAP) {
        let mut values = vec![normals::MAP.nothing; size.area()];
        // The first stands before the others.
        for sign in signs.iter().rev() {
            let value = normals::value(sign.placement.normal);
            let covered = values.iter_mut().zip(sign.covers());
            covered
                .filter(|(_, covered)| *covered)
                .for_each(|(to, _)| *to = value);
        }
        labels
            .maps
            .draw(&normals::MAP, &values, size.dimensions())?;
    }
    if wanted.has_map(&albedo::MAP) {
        labels.maps.draw(&albedo::MAP, albedo, size.dimensions())?;
    }
    if wanted.has_map(&semantic::MAP) {
        let classes = classes.iter().map(|class| class.name.as_str());
        let values = semantic::draw(labels.objects(), classes, size);
        labels
            .maps
            .draw(&semantic::MAP, &values, size.dimensions())?;
    }
    Ok(())
}

/// The names of the keypoints, in the order of [`Placement::corners`].
const CORNERS: [&str; 4] = ["top_left", "top_right", "bottom_right", "bottom_left"];

fn keypoint(name: &str, x: f32, y: f32, hidden: &[bool], size: Extent) -> Keypoint {
    let inside = (0.0..size.width as f32).contains(&x) && (0.0..size.height as f32).contains(&y);
    let visibility = if !inside {
        Visibility::Outside
    } else if hidden[y as usize * size.width as usize + x as usize] {
        Visibility::Hidden
    } else {
        Visibility::Visible
    };
    Keypoint {
        name: name.to_owned(),
        x,
        y,
        visibility,
    }
}
