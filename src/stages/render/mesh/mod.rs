//! Ray-traced pictures of a 3D model that lies on a table, lit by a panorama and a lamp.
//!
//! `config` holds the ranges. `formats` tells files apart, and `gltf`, `obj`, `ply` and `stl` read them
//! into a `geometry` with `material`s and `texture`s, from which `model` is made; `bvh` is its hierarchy of boxes.
//! `environment` holds the panoramas; `scene` makes every random choice of a picture, `trace` sends rays
//! through it, `labels` and `shade` see the result, and `develop` makes it a photo, with `backdrop`
//! behind.

mod backdrop;
mod bvh;
mod config;
mod crease;
mod develop;
mod environment;
mod facts;
mod formats;
mod geometry;
mod gltf;
mod labels;
mod material;
mod model;
mod obj;
mod ply;
mod polygon;
mod scene;
mod shade;
mod stable_poses;
mod stl;
mod surface;
mod text;
mod texture;
mod trace;

use std::path::{Path, PathBuf};

use rand::RngExt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use facts::{ModelFacts, model_facts, model_formats};

use backdrop::Backdrop;
use config::{Lens, Lie, Lighting, Neighbours, Pose, Surfaces, Table, Viewpoint};
use environment::Environment;
use labels::Buffer;
use model::{GoOn, Model};
use scene::Scene;
use stable_poses::stable_poses;

use super::photos::Photos;
use super::{ATTEMPTS, unseen};
use crate::Result;
use crate::sample::image::encode_png;
use crate::sample::{Domain, Extent, Provenance, Sample};
use crate::stage::{Context, Effort, Event, Misfit};

/// Least visible fraction of the picture's object; below it the scene is drawn again.
const VISIBLE: f32 = 0.6;

/// Configuration of `render.mesh`. Ranges are `[lowest, highest]`, drawn uniformly for each picture.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mesh {
    /// Models to choose from: .gltf, .glb, .obj, .ply or .stl. In glTF, empty nodes `face.NAME` (+y
    /// pointing out of the face that is then on top) are the classes, `keypoint.NAME.I` their
    /// keypoints. Any other model is one class, named after its file.
    pub models: Vec<PathBuf>,
    /// Metres that one unit of an .obj, .ply or .stl is, e.g. 0.001; glTF is in metres.
    pub unit_metres: f32,
    /// How the objects lie.
    pub lie: Lie,
    /// Equirectangular EXR panoramas, or folders of them.
    pub environments: Vec<PathBuf>,
    /// Where the camera stands.
    pub camera: Viewpoint,
    /// What the object's materials look like.
    pub surfaces: Surfaces,
    /// What it lies on.
    pub table: Table,
    /// What is seen instead of the table.
    pub backdrop: Backdrop,
    /// How it is lit.
    pub lighting: Lighting,
    /// What stands beside it.
    pub neighbours: Neighbours,
    /// What lens and sensor do to the picture.
    pub lens: Lens,
}

impl Default for Mesh {
    fn default() -> Self {
        Mesh {
            models: vec![
                "renders/dice/die.gltf".into(),
                "renders/dice/die_round.gltf".into(),
            ],
            unit_metres: 1.0,
            lie: Lie::default(),
            environments: vec!["renders/hdri".into()],
            camera: Viewpoint::default(),
            surfaces: Surfaces::default(),
            table: Table::default(),
            backdrop: Backdrop::default(),
            lighting: Lighting::default(),
            neighbours: Neighbours::default(),
            lens: Lens::default(),
        }
    }
}

impl Mesh {
    pub fn files(&self) -> Vec<PathBuf> {
        let models = self.models.iter().flat_map(|path| formats::files(path));
        models.chain(self.environments.iter().cloned()).collect()
    }

    pub fn check(&self) -> Result<(), String> {
        if self.models.is_empty() || self.environments.is_empty() {
            return Err("`mesh.models` and `mesh.environments` need at least one path each".into());
        }
        let Neighbours { count, gap } = &self.neighbours;
        if count[0] > count[1] || count[1] > 64 {
            return Err("`mesh.neighbours.count` must be two numbers in order, at most 64".into());
        }
        if !self.lie.turns_degrees.iter().all(|turn| turn.is_finite()) {
            return Err("`mesh.lie.turns_degrees` must be finite numbers".into());
        }
        if !(1..=4096).contains(&self.lens.samples) {
            return Err("`mesh.lens.samples` must be between 1 and 4096".into());
        }
        let (camera, surfaces) = (&self.camera, &self.surfaces);
        let mut paints = surfaces.looks.iter().flat_map(|look| look.values());
        if paints.any(|paint| {
            [paint.pearl, paint.gloss]
                .iter()
                .any(|x| !(0.0..=1.0).contains(x))
        }) {
            return Err("`pearl` and `gloss` in `mesh.surfaces.looks` must lie in 0..1".into());
        }
        let (table, lighting, lens) = (&self.table, &self.lighting, &self.lens);
        let field = camera.field_metres.unwrap_or([1.0; 2]);
        let limits = [
            ("unit_metres", [self.unit_metres; 2], 1e-9, 1e6),
            (
                "lie.steadiness_degrees",
                [self.lie.steadiness_degrees; 2],
                0.0,
                90.0,
            ),
            ("camera.field_metres", field, 1e-6, 1e6),
            (
                "surfaces.waviness_degrees",
                surfaces.waviness_degrees,
                0.0,
                45.0,
            ),
            ("surfaces.waves", surfaces.waves, 0.0, 1000.0),
            ("backdrop.jitter", [self.backdrop.jitter; 2], 0.0, 1.0),
            ("backdrop.shadow", self.backdrop.shadow, 0.0, 1.0),
            ("camera.fov_degrees", camera.fov_degrees, 0.1, 120.0),
            ("camera.tilt_degrees", camera.tilt_degrees, 0.0, 85.0),
            ("camera.roll_degrees", camera.roll_degrees, -360.0, 360.0),
            ("camera.object_scale", camera.object_scale, 0.02, 4.0),
            ("camera.off_centre", [camera.off_centre; 2], 0.0, 1.0),
            ("surfaces.random", [surfaces.random; 2], 0.0, 1.0),
            (
                "surfaces.random_marbled",
                [surfaces.random_marbled; 2],
                0.0,
                1.0,
            ),
            ("surfaces.jitter", [surfaces.jitter; 2], 0.0, 1.0),
            (
                "surfaces.marbling_swirls",
                surfaces.marbling_swirls,
                0.0,
                1000.0,
            ),
            ("surfaces.roughness", surfaces.roughness, 0.0, 1.0),
            ("surfaces.gloss", surfaces.gloss, 0.0, 25.0),
            ("table.jitter", [table.jitter; 2], 0.0, 1.0),
            ("table.texture", table.texture, 0.0, 1.0),
            ("table.seam", [table.seam; 2], 0.0, 1.0),
            ("lighting.exposure", lighting.exposure, 0.0, 1000.0),
            ("lighting.tint", [lighting.tint; 2], 0.0, 1.0),
            (
                "lighting.rotation_degrees",
                lighting.rotation_degrees,
                -360.0,
                360.0,
            ),
            ("lighting.even_share", lighting.even_share, 0.0, 1.0),
            ("lighting.lamp_share", lighting.lamp_share, 0.0, 1.0),
            (
                "lighting.lamp_elevation_degrees",
                lighting.lamp_elevation_degrees,
                5.0,
                90.0,
            ),
            (
                "lighting.lamp_radius_degrees",
                lighting.lamp_radius_degrees,
                0.1,
                45.0,
            ),
            (
                "lighting.photographer_degrees",
                lighting.photographer_degrees,
                0.0,
                180.0,
            ),
            ("neighbours.gap", *gap, 0.0, 1000.0),
            ("lens.blur_pixels", lens.blur_pixels, 0.0, 64.0),
            (
                "lens.chroma_blur_pixels",
                lens.chroma_blur_pixels,
                0.0,
                64.0,
            ),
            ("lens.sharpening", lens.sharpening, 0.0, 10.0),
            ("lens.noise", lens.noise, 0.0, 1.0),
            ("lens.gradient", lens.gradient, 0.0, 2.0),
        ];
        for (name, [low, high], least, most) in limits {
            if !(least <= low && low <= high && high <= most) {
                return Err(format!(
                    "`mesh.{name}` must lie between {least} and {most}, the lower number first"
                ));
            }
        }
        Ok(())
    }

    /// Whether the models and panoramas are of kinds that can be read.
    ///
    /// # Errors
    /// The first that is not, and the remedy.
    pub fn check_files(&self) -> Result<(), Misfit> {
        self.models.iter().try_for_each(|path| formats::check(path))
    }

    /// The work for a pixel.
    pub fn effort_of_pixel(&self) -> Effort {
        Effort {
            rays: f64::from(self.lens.samples),
            ..Effort::pixels(1.0)
        }
    }

    /// Renders `count` pictures of `size`.
    ///
    /// # Errors
    /// If a model or panorama is missing or unusable, a model is never in sight, or the artifact
    /// cannot be written.
    pub fn render(&self, context: &Context, count: u64, size: Extent) -> Result<serde_json::Value> {
        let models: Vec<Model> = self
            .models
            .iter()
            .map(|path| {
                context.check_interrupt()?;
                let model = self.read_model(path, &|| context.check_interrupt())?;
                if !model.unused.is_empty() {
                    let text = format!("{}: {}", model.path, model.unused.join("; it "));
                    context.emit(Event::Warning { text });
                }
                Ok(model)
            })
            .collect::<Result<_>>()?;
        for name in surface::unmatched(&self.surfaces, &models) {
            let text = format!(
                "{}: `mesh.surfaces.looks` paint the material `{name}`, which no model has; correct the name",
                context.id
            );
            context.emit(Event::Warning { text });
        }
        let photos = Photos::load(context)?;
        let environments: Vec<Environment> = environment::find(&self.environments)?
            .par_iter()
            .map(|path| {
                context.check_interrupt()?;
                Environment::read(path)
            })
            .collect::<Result<_>>()?;
        context.generate(count, "count", |index| {
            self.sample(context, &models, &environments, &photos, index, size)
        })?;
        Ok(serde_json::json!({
            "models": models.len(),
            "environments": environments.len(),
            "background_photos": photos.len(),
        }))
    }

    fn read_model(&self, path: &Path, go_on: GoOn) -> Result<Model> {
        let mut model = Model::read(path, self.unit_metres, go_on)?;
        if self.lie.pose == Pose::Stable && !model.has_named_faces() {
            model.stable_poses = stable_poses(&model, self.lie.steadiness_degrees.to_radians());
        }
        Ok(model)
    }

    fn sample(
        &self,
        context: &Context,
        models: &[Model],
        environments: &[Environment],
        photos: &Photos,
        index: u64,
        size: Extent,
    ) -> Result<Sample> {
        let mut stream = context.seed.stream(index);
        let model = &models[stream.random_range(0..models.len())];
        let class = stream.random_range(0..model.faces.len());
        let environment = &environments[stream.random_range(0..environments.len())];
        let mut draw = || {
            let object = (model, class);
            let scene = Scene::draw(self, object, models, environment, size, &mut stream);
            let buffer = Buffer::trace(&scene, size);
            let visible = buffer.visible_fraction(&scene, 0);
            (scene, buffer, visible)
        };
        let (mut scene, mut buffer, mut visible) = draw();
        for _ in 1..ATTEMPTS {
            if visible >= VISIBLE {
                break;
            }
            let (next, its_buffer, share) = draw();
            // The last scene counts, but for those that show nothing of the object.
            if share > 0.0 || visible == 0.0 {
                (scene, buffer, visible) = (next, its_buffer, share);
            }
        }
        if visible == 0.0 {
            let remedy = "lower `mesh.camera.off_centre` or `mesh.neighbours.count`";
            return Err(unseen(context, &model.path, remedy));
        }
        let behind = self.backdrop.draw(photos, size, &mut stream)?;
        let behind = behind.as_ref();
        let pixels = shade::picture(&scene, &self.lens, behind, size, &buffer.ids, &mut stream);
        let id = format!("{}-{index:06}", context.id);
        Ok(Sample {
            index,
            image: encode_png(&pixels)?,
            extent: size,
            labels: buffer.labels(&scene)?,
            provenance: Provenance {
                domain: Domain::Render,
                source: model.path.clone(),
                origin: id.clone(),
                parent: None,
                seed: context.seed.hex(index),
                checkpoint: None,
                transforms: Vec::new(),
                split: None,
                gate: None,
            },
            id,
        })
    }
}

#[cfg(test)]
mod tests;
