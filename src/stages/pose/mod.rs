//! pose: objects in photos get the pose and the keypoints of the render that looks most like them.
//!
//! Template matching after Hinterstoisser et al., Gradient Response Maps for Real-Time Detection of Texture-Less Objects,
//! 2012: rendered views of every class are compared with the object by the directions of edges, which do not depend on
//! colour and light. Deviations: an object's mask is known, so that its place, its size and, by trial, its turn in the
//! picture are the mask's, and the outline counts beside the edges; edges are compared both ways, since a view with less
//! on it would else explain one with more; all classes compete, and an object that a render of another class explains
//! best is not what it was taken for.

mod exhibit;
mod templates;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifact::resume::Resume;
use crate::artifact::{Kind, parts as part_files};
use crate::sample::parts::{self, Boxes};
use crate::sample::{Camera, Domain, Extent, Object, Sample};
use crate::stage::finding::{self, Finding, Level};
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, mapped, parse,
};
use crate::{Error, Result};
use templates::Templates;
use view::View;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "pose",
    about: "objects in photos get the pose and keypoints of the render that looks most like them",
    version: 2,
    inputs: &[
        Input::required(
            "samples",
            Kind::Samples,
            "samples; objects in photos need masks, as `pseudo_label` gives them",
        ),
        Input::required("renders", Kind::Samples, "renders with masks and poses"),
    ],
    output: Kind::Samples,
    parse: parse::<Pose>,
    schema: || schemars::schema_for!(Pose),
    exhibit: exhibit::exhibit,
};

/// Objects in photos with fewer pixels say too little.
const LEAST: u32 = 100;

/// Parts of one photo that join at most.
const PARTS: usize = 100;

/// Configuration of `pose`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pose {
    /// Rendered objects of each class that a photo's objects are compared with, the first that are seen whole.
    pub templates: usize,
    /// The least overlap (intersection over union) of an object's mask with that of the render, 0..1.
    pub masks: f64,
    /// The least agreement of an object's edges with those of the render, 0..1.
    pub edges: f64,
    /// Objects that no render of their class explains best do not stay in the photo: parts without them are cut out, as
    /// `pseudo_label` does. Otherwise they stay without a pose.
    pub drop: bool,
}

impl Default for Pose {
    fn default() -> Self {
        Pose {
            templates: 200,
            masks: 0.8,
            edges: 0.3,
            drop: true,
        }
    }
}

impl Stage for Pose {
    fn check(&self) -> Result<(), String> {
        if !(1..=10_000).contains(&self.templates) {
            return Err("`templates` must lie in 1..10000".into());
        }
        match (0.0..=1.0).contains(&self.masks) && (0.0..=1.0).contains(&self.edges) {
            true => Ok(()),
            false => Err("`masks` and `edges` must lie in 0..1".into()),
        }
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        inputs.need_objects("samples", "to find the poses of")?;
        inputs.need_objects("renders", "to compare objects with")?;
        let facts = inputs.facts("samples");
        Ok(Facts {
            // Parts of photos are smaller.
            extent: facts.extent.filter(|_| !self.drop),
            ..facts
        })
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        /// Multiplications of networks that take as long as comparing an object with one template.
        const COMPARED: f64 = 1.5e7;
        let count = inputs.count("samples");
        let classes = inputs.facts("renders").class_names.len().max(1);
        let templates = (self.templates * classes) as f64;
        // As if each sample were a photo of one object.
        let compared = |count: u64| Effort::products(COMPARED * templates * count as f64);
        Forecast::new(count, count.map(compared))
    }

    fn left_over(&self, resume: &Resume, inputs: &Givens) -> f64 {
        let samples = inputs.get("samples").and_then(|given| given.artifact);
        mapped(resume, samples, "samples", false)
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let templates = Templates::read(context.input("renders")?, self.templates)?;
        if templates.is_empty() {
            return Err(Error::failed(
                context.id,
                "`renders` shows no object with mask, pose and camera whole",
                "give it renders of 3D models",
            ));
        }
        context.map_each("samples", |sample| {
            let (parent, index) = (sample.id.clone(), sample.index);
            let mut made = self.posed(sample, &templates)?;
            made.truncate(PARTS);
            for (place, sample) in made.iter_mut().enumerate() {
                sample.provenance.parent = Some(parent.clone());
                sample.index = index * PARTS as u64 + place as u64;
                sample.id = format!("{}-{:06}", context.id, sample.index);
            }
            Ok(made)
        })?;
        let mut counts: BTreeMap<String, [u64; 2]> = BTreeMap::new();
        for path in part_files::in_folder(context.out)? {
            for sample in part_files::read_part(&path)? {
                for note in Note::all(&sample) {
                    let [explained, all] = counts.entry(note.class).or_default();
                    *all += 1;
                    *explained += u64::from(note.explained);
                }
            }
        }
        let sum = |place: usize| counts.values().map(|both| both[place]).sum::<u64>();
        let (explained, objects) = (sum(0), sum(1));
        if objects == 0 {
            let text = "no photo in `samples` has an object with a mask and without a pose, so that nothing was done; \
                        `pseudo_label` gives masks with `task = \"segmentation\"`";
            context.emit(Event::Warning { text: text.into() });
        }
        let mut summary = json!({
            "objects": objects,
            "explained": explained,
            "classes": counts.iter().map(|(class, [explained, _])| (class, explained)).collect::<BTreeMap<_, _>>(),
        });
        finding::record(&mut summary, &[told(explained, objects)]);
        Ok(summary)
    }
}

/// What the number of explained objects comes to.
fn told(explained: u64, objects: u64) -> Finding {
    let text = format!("a render explains {explained} of {objects} objects in photos that joined");
    let level = match explained as f64 / objects.max(1) as f64 {
        0.5.. => Level::Good,
        _ => Level::Note,
    };
    let finding = Finding::new(
        level,
        "explained",
        format!("{explained} of {objects}"),
        text,
    );
    match level {
        Level::Good => finding,
        _ => finding.with_advice(
            "give renders seen as the photos are, with masks and poses; a lower `edges` lets worse matches pass",
        ),
    }
}

/// What the provenance says of an object: which render explains it, how well, and whether that is of its class.
struct Note {
    class: String,
    /// `SAMPLE#OBJECT` among the renders.
    template: String,
    explained: bool,
}

impl Note {
    fn text(&self) -> String {
        let verb = if self.explained { "posed" } else { "not_posed" };
        format!("{verb}({}, {})", self.class, self.template)
    }

    fn read(text: &str) -> Option<Note> {
        let (verb, rest) = text.split_once('(')?;
        let explained = match verb {
            "posed" => true,
            "not_posed" => false,
            _ => return None,
        };
        let (class, template) = rest.strip_suffix(')')?.rsplit_once(", ")?;
        Some(Note {
            class: class.to_owned(),
            template: template.to_owned(),
            explained,
        })
    }

    /// Of a sample.
    fn all(sample: &Sample) -> impl Iterator<Item = Note> {
        let notes = sample.provenance.transforms.iter();
        notes.filter_map(|text| Note::read(text))
    }
}

impl Pose {
    /// A sample, or parts of it, whose objects have poses if it is no render.
    fn posed(&self, mut sample: Sample, templates: &Templates) -> Result<Vec<Sample>> {
        let is_open = |object: &Object| object.pose.is_none() && object.mask.is_some();
        // A render without a pose was mirrored, and no pose is right for it.
        let is_render = matches!(
            sample.provenance.domain,
            Domain::Render | Domain::Translated
        );
        if is_render || !sample.labels.objects().iter().any(is_open) {
            return Ok(vec![sample]);
        }
        let picture = sample.pixels()?;
        let known = sample.labels.camera;
        let camera = known.unwrap_or_else(|| usual_camera(sample.extent, templates.focal));
        let (mut boxes, mut notes) = (Boxes::default(), Vec::new());
        let mut objects = sample.labels.objects.take().unwrap_or_default();
        for object in &mut objects {
            let note = is_open(object)
                .then(|| self.explain(object, &picture, &sample, (templates, camera)));
            match note.as_ref().is_none_or(|note| note.explained) {
                true => boxes.sure.push(object.bbox_xywh),
                false => boxes.doubtful.push(object.bbox_xywh),
            }
            notes.push(note);
        }
        if known.is_none() && notes.iter().flatten().any(|note| note.explained) {
            sample.labels.camera = Some(camera);
            let note = format!("assumed_camera({:.1})", camera.fx);
            sample.provenance.transforms.push(note);
        }
        if !self.drop {
            sample.labels.objects = Some(objects);
            let notes = notes.iter().flatten().map(Note::text);
            sample.provenance.transforms.extend(notes);
            return Ok(vec![sample]);
        }
        let part = |rectangle| {
            let held = objects.iter().zip(&notes);
            let held = held.filter(|(object, _)| parts::holds(rectangle, object.bbox_xywh));
            let (objects, notes): (Vec<Object>, Vec<_>) =
                held.map(|(object, note)| (object.clone(), note)).unzip();
            let mut sample = sample.clone();
            sample.labels.objects = Some(objects);
            let mut part = parts::cut_out(&sample, rectangle)?;
            part.labels.class = part.labels.only_class().map(str::to_owned);
            let notes = notes.into_iter().flatten().map(Note::text);
            part.provenance.transforms.extend(notes);
            Ok(part)
        };
        let rectangles = parts::parts(&boxes, sample.extent).into_iter();
        rectangles.map(part).collect()
    }

    /// Gives an object the pose and the keypoints of the render that explains it, if that is of its class.
    fn explain(
        &self,
        object: &mut Object,
        picture: &image::RgbImage,
        sample: &Sample,
        (templates, camera): (&Templates, Camera),
    ) -> Note {
        let mask = object.mask.as_ref();
        let view = mask.and_then(|mask| View::new(picture, mask, LEAST));
        let best = view
            .as_ref()
            .and_then(|view| Some((view, templates.best(view)?)));
        let mut note = Note {
            class: object.class.clone(),
            template: String::new(),
            explained: false,
        };
        let Some((view, best)) = best else {
            return note;
        };
        note.template.clone_from(&best.template.name);
        note.explained = best.template.object.class == object.class
            && best.fit.masks >= self.masks
            && best.fit.edges >= self.edges;
        if note.explained {
            object.pose = Some(best.pose(view, camera));
            object.box_3d = best.template.object.box_3d;
            if object.keypoints.is_empty() {
                object.keypoints = best.keypoints(view, sample);
            }
        }
        note
    }
}

/// A camera for photos that name none: it looks through the middle, as wide as the renders do in the median.
fn usual_camera(extent: Extent, focal: f32) -> Camera {
    let f = focal * extent.longer() as f32;
    Camera {
        fx: f,
        fy: f,
        cx: extent.width as f32 / 2.0,
        cy: extent.height as f32 / 2.0,
    }
}
