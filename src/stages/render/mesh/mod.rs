//! Ray-traced pictures of a 3D model that lies on a table, lit by a panorama and a lamp.
//!
//! `config` holds the ranges, `list` the list of models, `placing` what it says of each file, `cast` which
//! model a picture shows. `formats` tells files apart, and `gltf`, `obj`, `ply`, `stl` and, for pictures, `flat`
//! read them into a `geometry` with `material`s and `texture`s, from which `model` is made; `bvh` is its hierarchy
//! of boxes, and `quads` that for light. `environment` holds the panoramas, some of them `builtin`; `scene` makes every
//! random choice of a picture, on a table that a `pattern` or the photo of a `floor` covers; `compose` does for one of
//! many objects, as `composition` says, with what is `made` in code, and `physics` lets them fall. `camera` sees it,
//! `trace` sends rays through it, `labels`, `surface_maps` and `shade` see the result (`spot` is a point of it): `shade` shares out the paths
//! of light, which `path` walks from `points` of pixels over surfaces whose `bsdf` scatters it, to lamp and `sky`, and
//! `denoise` takes out what is left of their noise. `proof` works the labels out a second time, and `develop` makes it a
//! photo, with `backdrop` behind.

mod backdrop;
mod bsdf;
mod builtin;
mod bvh;
mod camera;
mod cast;
mod compose;
mod composition;
mod config;
mod crease;
mod denoise;
mod develop;
mod drawing;
mod environment;
mod facts;
mod flat;
mod floor;
mod formats;
mod geometry;
mod gltf;
mod labels;
mod list;
mod made;
mod material;
mod model;
mod motion;
mod obj;
mod path;
mod pattern;
mod physics;
mod placing;
mod ply;
mod points;
mod polygon;
mod proof;
mod quads;
mod scene;
mod shade;
mod shapes;
mod sizes;
mod sky;
mod spot;
mod stable_poses;
mod stl;
mod surface;
mod surface_maps;
mod text;
mod texture;
mod trace;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use facts::{ModelFacts, model_facts, model_formats, sheet_formats};
pub use shapes::ModelList;
pub use sizes::{is_too_large, length};

use backdrop::Backdrop;
use cast::Cast;
use composition::Composition;
use config::{Lens, Lie, Lighting, Neighbours, Pose, Surfaces, Table, Viewpoint};
use drawing::Clips;
use environment::Environment;
use floor::Floors;
use list::{Listed, Source};
use made::Props;
use model::{GoOn, Model};
use motion::Motion;
use stable_poses::stable_poses;
use texture::Picture;

use super::Wanted;
use super::names::{self, Named};
use super::photos::Photos;
use crate::Result;
use crate::stage::{Context, Effort, Event, Misfit};

/// Configuration of `render.mesh`. Ranges are `[lowest, highest]`, drawn uniformly for each picture.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mesh {
    /// Models that take turns: .gltf, .glb, .obj, .ply or .stl files, folders of them, patterns such as
    /// `parts/*.glb`, or tables `{ path, class, scale, up, weight, material }`. In glTF, empty nodes `face.NAME`
    /// (+y pointing out of the face that is then on top) are the classes, `keypoint.NAME.I` their
    /// keypoints. Any other model is one class, named after its file.
    pub models: Vec<Listed>,
    /// Metres that one unit of an .obj, .ply or .stl is, e.g. 0.001, if its entry has no `scale`; glTF
    /// is in metres.
    pub unit_metres: f32,
    /// How the objects lie.
    pub lie: Lie,
    /// What lights the scene: equirectangular EXR panoramas, or folders of them. `builtin` stands for
    /// studios, rooms and skies that are made in code.
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
    /// A scene of many objects, in place of one object and its neighbours.
    // Pictures of one object keep their keys in the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scene: Option<Composition>,
    /// What lens and sensor do to the picture.
    pub lens: Lens,
    /// How camera and objects move in a clip; only with `clip`.
    // Stills keep their keys in the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub motion: Option<Motion>,
    /// The folder of the models in the role `models`, which are the last in the list.
    #[serde(skip)]
    given: Option<PathBuf>,
}

/// What the scenes of a stage are made from.
struct Studio {
    cast: Cast,
    props: Props,
    environments: Vec<Arc<Environment>>,
    photos: Photos,
    /// Photos that cover tables.
    floors: Vec<Arc<Picture>>,
    clips: Clips,
}

impl Default for Mesh {
    fn default() -> Self {
        Mesh {
            models: Vec::new(),
            unit_metres: 1.0,
            lie: Lie::default(),
            environments: vec![builtin::NAME.into()],
            camera: Viewpoint::default(),
            surfaces: Surfaces::default(),
            table: Table::default(),
            backdrop: Backdrop::default(),
            lighting: Lighting::default(),
            neighbours: Neighbours::default(),
            scene: None,
            lens: Lens::default(),
            motion: None,
            given: None,
        }
    }
}

impl Mesh {
    /// The same with the models of an artifact, a folder for each class.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn with_given(&self, folder: &Path) -> Result<Self> {
        let mut models = self.models.clone();
        models.extend(list::of_classes(&folder.join("models"))?);
        Ok(Mesh {
            models,
            given: Some(folder.to_path_buf()),
            ..self.clone()
        })
    }

    pub fn files(&self) -> Vec<PathBuf> {
        let sources = self.sources();
        let models = sources
            .iter()
            .flat_map(|source| formats::files(&source.path));
        let own = |path: &&PathBuf| path.as_os_str() != builtin::NAME;
        let floors = self.table.photos.iter();
        models
            .chain(self.environments.iter().filter(own).cloned())
            .chain(floors.flat_map(|floors| floors.paths.clone()))
            .collect()
    }

    /// All model files, those of distractors last. What is wrong with the lists, `check` says.
    fn sources(&self) -> Vec<Source> {
        let mut sources = list::expand(&self.models).unwrap_or_default();
        let scene = self.scene.iter();
        let others = scene.flat_map(|scene| list::expand(&scene.distractors.models));
        sources.extend(others.flatten());
        sources
    }

    /// The classes of the models, as far as they are known before these are read.
    ///
    /// # Errors
    /// If an entry of the list is wrong.
    pub(super) fn classes(&self) -> Result<Vec<Named>, String> {
        Ok(list::classes(&list::check(&self.models)?))
    }

    pub fn check(&self) -> Result<(), String> {
        if self.environments.is_empty() {
            return Err("`mesh.environments` is empty; leave it out for the built-in light".into());
        }
        let sources = list::check(&self.models)?;
        names::check(&list::classes(&sources), cast::REMEDY)?;
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
        if self.lens.bounces > 64 {
            return Err("`mesh.lens.bounces` must be 64 at most".into());
        }
        if !(0.0..=1.0).contains(&self.lens.jpeg_share) {
            return Err("`mesh.lens.jpeg_share` must lie in 0..1".into());
        }
        self.lens.sensor.check("mesh.lens.sensor")?;
        let floors = self.table.photos.as_ref();
        floors.map_or(Ok(()), Floors::check)?;
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
        let distance = camera.distance_metres.unwrap_or([1.0; 2]);
        let limits = [
            ("unit_metres", [self.unit_metres; 2], 1e-9, 1e6),
            (
                "lie.steadiness_degrees",
                [self.lie.steadiness_degrees; 2],
                0.0,
                90.0,
            ),
            ("camera.field_metres", field, 1e-6, 1e6),
            ("camera.distance_metres", distance, 1e-6, 1e6),
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
            ("lens.defocus_pixels", lens.defocus_pixels, 0.0, 64.0),
            ("lens.shake_pixels", lens.shake_pixels, 0.0, 64.0),
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
            ("lens.resolution", lens.resolution, 0.05, 1.0),
            ("lens.jpeg_quality", lens.jpeg_quality, 1.0, 100.0),
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

    /// Whether the motion of clips of so many frames is in bounds; there is none to give for stills.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check_motion(&self, clip: u64) -> Result<(), String> {
        if let Some(scene) = &self.scene {
            scene.check(clip)?;
        }
        match &self.motion {
            Some(_) if clip == 1 => Err(
                "`mesh.motion` moves the frames of clips; set `clip`, e.g. to 8, or leave it out"
                    .into(),
            ),
            Some(motion) => motion.check(&self.camera, clip),
            None if clip == 1 => Ok(()),
            None => Motion::default().check(&self.camera, clip),
        }
    }

    /// Whether the models are of formats that can be read, as far as their names, first bytes and heads tell, and
    /// have the materials that the list names.
    ///
    /// # Errors
    /// The first that is not, and the remedy.
    pub fn check_files(&self) -> Result<(), Misfit> {
        self.sources()
            .iter()
            .try_for_each(|source| formats::check(&source.path))?;
        let floors = self.table.photos.as_ref();
        floors.map_or(Ok(()), Floors::check_files)?;
        let scene = self.scene.iter();
        let lists = scene.map(|scene| &scene.distractors.models);
        lists
            .chain([&self.models])
            .try_for_each(|list| list::check_materials(&list::expand(list).unwrap_or_default()))
    }

    /// The work for a pixel.
    pub fn effort_of_pixel(&self) -> Effort {
        Effort {
            rays: f64::from(self.lens.samples),
            ..Effort::pixels(1.0)
        }
    }

    /// Renders the `wanted` pictures.
    ///
    /// # Errors
    /// If a model or panorama is missing or unusable, a model is never in sight, or the artifact
    /// cannot be written.
    pub(super) fn render(&self, context: &Context, wanted: Wanted) -> Result<serde_json::Value> {
        let cast = Cast::load(self, wanted, context)?;
        for name in surface::unmatched(&self.surfaces, &cast.models) {
            let text = format!(
                "{}: `mesh.surfaces.looks` paint the material `{name}`, which no model has; correct the name",
                context.id
            );
            context.emit(Event::Warning { text });
        }
        let photos = Photos::load(context)?;
        let floors = self.table.photos.as_ref();
        let floors = floors.map(|floors| floors.load(context));
        let environments = environment::load(&self.environments, context)?;
        let props = self.props(&cast, context)?;
        let studio = Studio {
            cast,
            props,
            environments,
            photos,
            floors: floors.transpose()?.unwrap_or_default(),
            clips: Clips::default(),
        };
        context.generate(wanted.count, "count", |index| {
            self.sample(context, &studio, index, wanted)
        })?;
        Ok(serde_json::json!({
            "models": studio.cast.models.len(),
            "environments": studio.environments.len(),
            "background_photos": studio.photos.len(),
        }))
    }

    fn props(&self, cast: &Cast, context: &Context) -> Result<Props> {
        let Some(scene) = &self.scene else {
            return Ok(Props::default());
        };
        let mut stream = context.seed.stream(u64::MAX);
        let go_on: GoOn = &|| context.check_interrupt();
        Props::load(self, scene, cast.mean_size(), &mut stream, go_on)
    }

    fn read_model(&self, source: &Source, go_on: GoOn) -> Result<Model> {
        let given = self.given.as_ref();
        let own = given.and_then(|folder| source.path.strip_prefix(folder).ok());
        // What was made is in metres.
        let unit = own.map_or(self.unit_metres, |_| 1.0);
        let mut model = Model::read(source, unit, go_on)?;
        if let Some(path) = own {
            // Wherever the cache is.
            model.path = path.display().to_string();
        }
        if self.lie.pose == Pose::Stable && !model.has_named_faces() {
            model.stable_poses = stable_poses(&model, self.lie.steadiness_degrees.to_radians());
        }
        Ok(model)
    }
}

#[cfg(test)]
mod tests;
