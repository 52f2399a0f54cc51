//! render: makes labelled pictures from 3D meshes or 2D templates.

mod canvas;
mod draw;
mod filter;
mod mesh;
mod names;
mod photos;
#[cfg(test)]
mod proving;
mod sensor;
mod stored;
mod template;
mod turns;

pub use mesh::{
    ModelFacts, ModelList, is_too_large, length, model_facts, model_formats, sheet_formats,
};

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact::resume::Resume;
use crate::artifact::{Artifact, Kind, settings};
use crate::sample::Extent;
use crate::sample::maps::{MAPS, MapKind, MapName, depth, flow};
use crate::seed::Stream;
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, generated,
    parse,
};
use crate::{Error, Result};
use names::Named;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "render",
    about: "labelled pictures of 3D models (mesh) or 2D templates (template)",
    version: 14,
    inputs: &[
        Input::optional(
            "backgrounds",
            Kind::Samples,
            "unlabelled photos to stand behind the object",
        ),
        Input::optional("fit", Kind::Settings, "ranges to use in place of its own"),
        Input::optional(
            "models",
            Kind::Models,
            "3D models that `sculpt` made, beside those of `mesh.models`",
        ),
    ],
    output: Kind::Samples,
    parse: parse::<Render>,
    schema: || schemars::schema_for!(Render),
    exhibit: crate::stage::exhibit::nothing,
};

/// Scenes drawn for one picture until its object can be seen well.
const ATTEMPTS: usize = 64;

/// The longest clip: the objects of all frames are placed anew for each of them.
const MOST_FRAMES: u64 = 1024;

/// The default of `min_visible`.
const MIN_VISIBLE: f32 = 0.2;

/// What the pictures of a stage have in common, whatever they show.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    /// All classes; none are those of the files.
    classes: &'a [String],
    count: u64,
    size: Extent,
    /// Least share of a picture's object that is seen.
    min_visible: f32,
    /// Beside the depth of meshes, which is always there.
    maps: &'a [MapName],
    /// Frames of a clip; 1 for stills.
    clip: u64,
}

impl Wanted<'_> {
    fn has_map(&self, kind: &MapKind) -> bool {
        self.maps.iter().any(|map| map.entry().name == kind.name)
    }

    /// How many clips there are, the last of which may be shorter; as many as pictures if these are stills.
    fn clips(&self) -> u64 {
        self.count.div_ceil(self.clip)
    }
}

/// What is said if nothing of a picture's object can be seen in any of these scenes.
fn unseen(context: &Context, model: &str, remedy: &str) -> Error {
    let problem = format!("cannot be seen in any of the {ATTEMPTS} scenes drawn for a picture");
    Error::failed(format!("{}: {model}", context.id), problem, remedy)
}

/// What is said if `most` of a picture's object can be seen in any of these scenes, less than `least`.
fn too_little(context: &Context, model: &str, most: f32, least: f32, remedy: &str) -> Error {
    let problem = format!(
        "is visible by {:.0} % at most in each of the {ATTEMPTS} scenes drawn for a picture, and must be by \
         {:.0} %",
        100.0 * most,
        100.0 * least
    );
    Error::failed(format!("{}: {model}", context.id), problem, remedy)
}

/// What was drawn, and its labels worked out a second time.
enum Drawn<T> {
    /// They agree.
    Proved(Box<T>),
    /// They do not.
    Doubted {
        /// The file of the model or template.
        model: String,
        /// What does not agree.
        fault: String,
    },
}

/// How often a picture is drawn whose labels cannot be proved.
const DRAWINGS: usize = 3;

/// What `draw` makes from the `stream`: picture `index`, or the clip that begins with it; drawn again, with a warning,
/// while its labels cannot be proved.
///
/// # Errors
/// Those of `draw`, and if no labels of [`DRAWINGS`] drawings can be proved.
fn proved<T>(
    context: &Context,
    index: u64,
    mut stream: Stream,
    mut draw: impl FnMut(&mut Stream) -> Result<Drawn<T>>,
) -> Result<T> {
    let mut drawings = 0;
    loop {
        let (model, fault) = match draw(&mut stream)? {
            Drawn::Proved(drawn) => return Ok(*drawn),
            Drawn::Doubted { model, fault } => (model, fault),
        };
        let place = format!("{}-{index:06}: {model}", context.id);
        let problem = format!("the labels do not agree with the model: {fault}");
        drawings += 1;
        if drawings == DRAWINGS {
            let remedy = "look at the model with `verismo inspect`: faces that lie in each other can be the cause; \
                          report it if it is sound";
            return Err(Error::failed(place, problem, remedy));
        }
        let text = format!("{place}: {problem}; another picture is drawn");
        context.emit(Event::Warning { text });
    }
}

/// Configuration of `render`: exactly one of `mesh` and `template`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Render {
    /// Pictures to make.
    pub count: u64,
    /// Width and height in pixels: `64`, or `[640, 480]`.
    pub size: Extent,
    /// Frames of a clip; 1 makes stills. Picture N is frame N mod `clip` of clip N / `clip`, in which camera and
    /// objects move as `mesh.motion` says. Meshes alone.
    // Stills keep their keys in the cache.
    #[serde(skip_serializing_if = "is_one")]
    pub clip: u64,
    /// All classes, so that none is missing or misspelt unnoticed; a dataset numbers them in this order. None: those
    /// that the files have, by name.
    pub classes: Vec<String>,
    /// The least share of its object that a picture shows, 0..1; 0.2 if it is not given. An object that
    /// fills as large a share of the picture, as from close by, is visible enough. If none of 64 scenes
    /// shows it, the run fails and names the model.
    pub min_visible: Option<f32>,
    /// Maps to make, e.g. `["depth", "normals", "albedo", "semantic"]`, and of clips `"flow"`. Meshes have their
    /// depth in any case, templates have none.
    // Renders without further maps keep their keys in the cache.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<MapName>,
    /// Ray-traces a 3D model.
    pub mesh: Option<mesh::Mesh>,
    /// Draws 2D templates, SVGs named by their class.
    pub template: Option<template::Template>,
}

fn is_one(number: &u64) -> bool {
    *number == 1
}

impl Default for Render {
    fn default() -> Self {
        Render {
            count: 1500,
            size: Extent::square(64),
            clip: 1,
            classes: Vec::new(),
            min_visible: None,
            maps: Vec::new(),
            mesh: None,
            template: None,
        }
    }
}

impl Stage for Render {
    fn files(&self) -> Vec<PathBuf> {
        let mesh = self.mesh.iter().flat_map(mesh::Mesh::files);
        let template = self.template.iter().flat_map(template::Template::files);
        mesh.chain(template).collect()
    }

    fn check(&self) -> Result<(), String> {
        if self.count == 0 {
            return Err("`count` must be at least 1".into());
        }
        self.size.check()?;
        if !(1..=MOST_FRAMES).contains(&self.clip) {
            return Err(format!("`clip` must be between 1 and {MOST_FRAMES} frames"));
        }
        if self.clip == 1 && self.has(&flow::MAP) {
            return Err(
                "the map `flow` leads to the next frame of a clip; set `clip`, e.g. to 8".into(),
            );
        }
        if self
            .min_visible
            .is_some_and(|least| !(0.0..=1.0).contains(&least))
        {
            return Err("`min_visible` is a share; give a number from 0 to 1".into());
        }
        match (&self.mesh, &self.template) {
            (Some(mesh), None) => {
                mesh.check()?;
                mesh.check_motion(self.clip)?;
            }
            (None, Some(template)) => {
                template.check()?;
                if self.clip > 1 {
                    return Err(
                        "`clip` makes clips of meshes alone; leave it out for templates".into(),
                    );
                }
                if self.has(&depth::MAP) {
                    return Err(
                        "templates have no size in metres; leave `depth` out of `maps`".into(),
                    );
                }
            }
            _ => return Err("give exactly one of the tables `mesh` and `template`".into()),
        }
        self.named().map(|_| ())
    }

    fn check_files(&self, _: &Givens) -> Result<(), Misfit> {
        match (&self.mesh, &self.template) {
            (Some(mesh), _) => mesh.check_files(),
            (None, Some(template)) => template.check_files(),
            (None, None) => Ok(()),
        }
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        let mut named = self.named().unwrap_or_default();
        let own = !named.is_empty();
        match (inputs.get("models"), &self.mesh) {
            (Some(_), None) => {
                return Err(Misfit::new(
                    "`models` are 3D models, and `template` draws pictures",
                    "leave `models` out, or give the table `mesh` in place of `template`",
                ));
            }
            (None, Some(mesh)) if mesh.models.is_empty() => {
                return Err(Misfit::new("`mesh.models` names no model", NO_MODELS));
            }
            (Some(given), Some(_)) => {
                named.extend(given.facts.class_names.iter().map(|class| Named {
                    class: class.clone(),
                    source: format!("stage `{}`", given.id),
                }));
            }
            (None, _) => (),
        }
        if let Some(given) = inputs.get("models") {
            let remedy = format!("rename the class in `{}`, or here", given.id);
            let problem = names::check(&named, "write both alike, or call one another name");
            problem.map_err(|problem| Misfit::new(problem, remedy))?;
        }
        // Without all files, not all classes are known.
        let known = own
            || self
                .mesh
                .as_ref()
                .is_some_and(|mesh| mesh.models.is_empty());
        if known && !self.classes.is_empty() {
            let listed = names::check_list(&self.classes, &named);
            listed.map_err(|problem| Misfit::new(problem, "correct `classes`"))?;
        }
        let named: BTreeSet<String> = named.into_iter().map(|named| named.class).collect();
        let has = |kind: &MapKind| {
            let always = kind.name == depth::MAP.name && self.mesh.is_some();
            always || self.has(kind)
        };
        Ok(Facts {
            class_names: match self.classes.is_empty() {
                true => named.into_iter().collect(),
                false => self.classes.clone(),
            },
            is_listed: !self.classes.is_empty(),
            maps: Some(std::array::from_fn(|place| has(&MAPS[place]))),
            clips: Some(self.clip > 1),
            ..Facts::labelled(self.size)
        })
    }

    fn forecast(&self, _: &Givens) -> Forecast {
        let pixels = self.count as f64 * self.size.area() as f64;
        let each = match (&self.mesh, &self.template) {
            (Some(mesh), _) => mesh.effort_of_pixel(),
            // Warped, painted, lit and photographed, with more than twice the resolution.
            _ => Effort::pixels(20.0),
        };
        Forecast::new(Some(self.count), Some(each.times(pixels)))
    }

    fn left_over(&self, resume: &Resume, _: &Givens) -> f64 {
        generated(resume, self.count, "count", false)
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let Some(fit) = context.inputs.get("fit") else {
            return self.with_models(context)?.render(context);
        };
        let settings = settings::read(fit)?;
        let fitted = self.with(context, fit, settings.clone())?;
        // Last, since where they are is not a setting.
        let mut summary = fitted.with_models(context)?.render(context)?;
        summary["settings"] = settings;
        Ok(summary)
    }
}

/// What to do about a stage without models.
const NO_MODELS: &str = "list yours, e.g. `models = [\"parts/cup.glb\"]`, or with what the files do not say: `models = \
                         [{ path = \"parts/*.stl\", class = \"cup\", scale = 0.001, up = \"z\" }]`";

impl Render {
    /// Itself with the models in the role `models`, if there are any.
    fn with_models(&self, context: &Context) -> Result<Cow<'_, Render>> {
        let (Some(models), Some(mesh)) = (context.inputs.get("models"), &self.mesh) else {
            return Ok(Cow::Borrowed(self));
        };
        Ok(Cow::Owned(Render {
            mesh: Some(mesh.with_given(&models.folder)?),
            ..self.clone()
        }))
    }

    /// Whether the list of maps names this one.
    fn has(&self, kind: &MapKind) -> bool {
        self.maps.iter().any(|map| map.entry().name == kind.name)
    }

    /// The classes of the files, as far as they are known before these are read.
    ///
    /// # Errors
    /// If a list or folder of files is wrong.
    fn named(&self) -> Result<Vec<Named>, String> {
        match (&self.mesh, &self.template) {
            (Some(mesh), _) => mesh.classes(),
            (None, Some(template)) => template.classes(),
            (None, None) => Ok(Vec::new()),
        }
    }

    /// Itself with the `settings` that `fit` found.
    fn with(
        &self,
        context: &Context,
        fit: &Artifact,
        settings: serde_json::Value,
    ) -> Result<Render> {
        let mut config = serde_json::json!(self);
        settings::overlay(&mut config, settings);
        let unfit = |problem: String| {
            let problem = format!(
                "cannot take the settings of `{}`: {problem}",
                fit.manifest.id
            );
            let remedy =
                "let `fit` read renders that are `like` this stage, without a `fit` of their own";
            Error::usage(context.id, problem, remedy)
        };
        let fitted: Render = serde_json::from_value(config).map_err(|e| unfit(e.to_string()))?;
        fitted.check().map_err(unfit)?;
        Ok(fitted)
    }

    fn render(&self, context: &Context) -> Result<serde_json::Value> {
        let wanted = Wanted {
            classes: &self.classes,
            count: self.count,
            size: self.size,
            min_visible: self.min_visible.unwrap_or(MIN_VISIBLE),
            maps: &self.maps,
            clip: self.clip,
        };
        match (&self.mesh, &self.template) {
            (Some(mesh), None) => mesh.render(context, wanted),
            (None, Some(template)) => template.render(context, wanted),
            _ => Err(Error::usage(
                context.id,
                "needs exactly one of the tables `mesh` and `template`",
                "remove one of them",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use rand::RngExt;

    use super::*;
    use crate::seed::Seed;
    use crate::stage::{DeviceChoice, Share};
    use crate::testing;

    #[test]
    fn a_picture_that_cannot_be_proved_is_drawn_anew_and_the_third_is_an_error() {
        let warnings = Mutex::new(Vec::new());
        let events = |event| {
            if let Event::Warning { text } = event {
                warnings.lock().unwrap().push(text);
            }
        };
        let out = tempfile::tempdir().unwrap();
        let context = Context {
            id: "render",
            seed: Seed::new(1, "render"),
            inputs: std::collections::BTreeMap::new(),
            share: Share::All,
            out: out.path(),
            resume: None,
            part_size: 8,
            device: DeviceChoice::Cpu,
            events: &events,
            interrupted: &AtomicBool::new(false),
        };
        let after = |doubted: usize| {
            let mut drawn = Vec::new();
            let sample = proved(&context, 7, context.seed.stream(7), |stream| {
                drawn.push(stream.random::<u64>());
                Ok(match drawn.len() > doubted {
                    true => Drawn::Proved(Box::new(testing::shapes(1, 8, 1).remove(0))),
                    false => Drawn::Doubted {
                        model: "cup.obj".to_owned(),
                        fault: "a mask is wrong".to_owned(),
                    },
                })
            });
            (sample, drawn)
        };
        let (sound, first) = after(0);
        assert!(sound.is_ok() && warnings.lock().unwrap().is_empty());
        let (mended, drawn) = after(2);
        assert!(mended.is_ok());
        assert_eq!((drawn.len(), drawn[0]), (3, first[0]));
        assert!(drawn[1] != drawn[0] && drawn[2] != drawn[1]);
        let told = std::mem::take(&mut *warnings.lock().unwrap());
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("render-000007: cup.obj") && told[0].contains("a mask is wrong"));
        let (refused, drawn) = after(3);
        let refused = refused.unwrap_err().to_string();
        assert_eq!(drawn.len(), 3);
        assert!(
            refused.contains("cup.obj") && refused.contains("help:"),
            "{refused}"
        );
    }
}
