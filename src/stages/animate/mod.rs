//! animate: pictures move as clips of renders do, with the labels of the renders.
//!
//! A picture of a class is matched with a clip of that class whose first frame, moved, turned and scaled, has its key
//! points and its mask. Points and mask of a photo are read by what `motion` trained; a picture that no clip matches
//! gives none. Every frame is then painted from the picture alone, and has the render's mask, box and key points, mapped
//! as the first frame was.

mod alignment;
mod exhibit;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use glam::DVec2;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifact::resume::Resume;
use crate::artifact::{Artifact, Kind, parts};
use crate::generators::animate::clips::{Clip, Clips, bitmap, common, places};
use crate::generators::animate::{Animator, Scene};
use crate::nn::device;
use crate::nn::workers::Workers;
use crate::sample::mapping::Border;
use crate::sample::mask::overlap;
use crate::sample::{Domain, Extent, Labels, Mapping, Object, Sample};
use crate::stage::finding::{self, Finding, Level};
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, mapped, parse,
};
use crate::{Error, Result};
use alignment::{by_names, by_places};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "animate",
    about: "pictures move as clips of renders do, and have the labels of the renders",
    version: 1,
    inputs: &[
        Input::required("model", Kind::Motion, "what `motion` learned"),
        Input::required(
            "sources",
            Kind::Samples,
            "pictures with classes, such as photos from `pseudo_label`",
        ),
        Input::required("clips", Kind::Samples, "clips of renders that they follow"),
    ],
    output: Kind::Samples,
    parse: parse::<Animate>,
    schema: || schemars::schema_for!(Animate),
    exhibit: exhibit::exhibit,
};

/// Configuration of `animate`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Animate {
    /// The least overlap (intersection over union) of a picture's object with that of the first frame it is matched with,
    /// 0..1. Pictures below it are not animated.
    pub agreement: f64,
    /// Clips that a picture is compared with, of which it follows the one that matches best.
    pub tries: usize,
}

impl Default for Animate {
    fn default() -> Self {
        Animate {
            agreement: 0.75,
            tries: 16,
        }
    }
}

impl Stage for Animate {
    fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.agreement) {
            return Err("`agreement` must lie in 0..1".into());
        }
        match self.tries {
            1..=1000 => Ok(()),
            _ => Err("`tries` must lie in 1..1000".into()),
        }
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        inputs.need_classes("sources", "to find clips of")?;
        inputs.need_objects("clips", "to follow their points")?;
        inputs.need_clips("clips")?;
        let extent = inputs.common_extent(&["model", "sources", "clips"])?;
        Ok(Facts {
            extent,
            classes: Some(true),
            objects: Some(true),
            class_names: inputs.facts("clips").class_names,
            clips: Some(true),
            ..Facts::default()
        })
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        // How many match is not known.
        let pixels = inputs.pixels("sources");
        Forecast::new(None, pixels.map(Effort::pixels))
    }

    fn left_over(&self, resume: &Resume, inputs: &Givens) -> f64 {
        let sources = inputs.get("sources").and_then(|given| given.artifact);
        mapped(resume, sources, "sources", true)
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let chosen = device::choose(context.device)?;
        let model = context.input("model")?;
        let clips = Clips::read(context, "clips")?;
        let animator = Animator::load(&model.folder, &chosen)?;
        same_extent(context, animator.extent, clips.extent, "clips")?;
        let director = Director {
            config: self,
            context,
            model,
            by_class: clips.by_class(&(0..clips.clips.len()).collect::<Vec<_>>()),
            longest: clips.clips.iter().map(|clip| clip.frames.len()).max(),
            clips: &clips.clips,
            animator: &animator,
            without_clip: AtomicU64::new(0),
        };
        let workers = Workers::for_device(&chosen)?;
        context.map_parts("sources", 1, |samples| {
            let animated: Result<Vec<Vec<Sample>>> = workers
                .run(samples.iter().collect(), |sample| {
                    context.check_interrupt()?;
                    director.animate(sample)
                })
                .into_iter()
                .collect();
            Ok(animated?.concat())
        })?;
        let without = director.without_clip.into_inner();
        if without > 0 {
            let text = format!("{without} sources have no class, or one that no clip shows");
            context.emit(Event::Warning { text });
        }
        let sources = context.input("sources")?.manifest.count;
        let animated = animated(context)?;
        let mut summary = json!({
            "checkpoint": model.manifest.digest,
            "device": chosen.name,
            "sources": sources,
            "animated": animated,
        });
        let finding = told(animated.values().sum(), sources);
        finding::record(&mut summary, &[finding]);
        Ok(summary)
    }
}

/// # Errors
/// If pictures in a role measure something else than the model's.
fn same_extent(context: &Context, model: Extent, other: Extent, role: &str) -> Result<()> {
    if model == other {
        return Ok(());
    }
    Err(Error::usage(
        context.id,
        format!("`model` animates pictures of {model}, and those of `{role}` are {other}"),
        "give all stages that make pictures one `size`",
    ))
}

/// What the number of animated sources comes to.
fn told(animated: u64, sources: u64) -> Finding {
    let text = format!(
        "{animated} of {sources} sources are animated; for the others no clip has a first frame with their key points and \
         their mask"
    );
    let level = match animated as f64 / sources.max(1) as f64 {
        0.3.. => Level::Good,
        0.05.. => Level::Note,
        _ => Level::Warning,
    };
    let finding = Finding::new(level, "animated", format!("{animated} of {sources}"), text);
    match level {
        Level::Good => finding,
        _ => finding.with_advice(
            "give clips seen as the sources are, raise `tries`, or train `motion` for longer; a lower `agreement` lets \
             worse matches pass",
        ),
    }
}

/// How many sources of each class are animated.
fn animated(context: &Context) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for path in parts::in_folder(context.out)? {
        let samples = parts::read_part(&path)?;
        // The frames of a source stand side by side.
        for frames in samples.chunk_by(|a, b| a.provenance.parent == b.provenance.parent) {
            let class = frames[0].labels.class.clone().unwrap_or_default();
            *counts.entry(class).or_default() += 1;
        }
    }
    Ok(counts)
}

/// Finds clips that pictures can follow, and makes the frames.
struct Director<'a> {
    config: &'a Animate,
    context: &'a Context<'a>,
    model: &'a Artifact,
    clips: &'a [Clip],
    by_class: BTreeMap<&'a str, Vec<usize>>,
    /// Frames of the longest clip.
    longest: Option<usize>,
    animator: &'a Animator,
    /// Sources of which there are no clips.
    without_clip: AtomicU64,
}

/// What is known, or seen, of the object in a source.
struct Subject<'a> {
    /// If its points have names.
    object: Option<&'a Object>,
    /// Otherwise those that are seen.
    seen: Vec<DVec2>,
    mask: Vec<bool>,
}

impl Director<'_> {
    /// The frames of a source; none if no clip matches it.
    fn animate(&self, source: &Sample) -> Result<Vec<Sample>> {
        same_extent(self.context, self.animator.extent, source.extent, "sources")?;
        let class = source.labels.class.as_deref();
        let class = class.or_else(|| source.labels.only_class());
        let Some((class, numbers)) = class.and_then(|class| self.by_class.get_key_value(class))
        else {
            self.without_clip.fetch_add(1, Ordering::Relaxed);
            return Ok(Vec::new());
        };
        let picture = source.pixels()?;
        let subject = self.subject(source, &picture);
        let mut stream = self.context.seed.stream(source.index);
        let mut best: Option<(f64, usize, Mapping)> = None;
        let mut numbers = numbers.clone();
        let (chosen, _) = numbers.partial_shuffle(&mut stream, self.config.tries);
        for &number in &*chosen {
            let Some((overlap, mapping)) = self.matched(&self.clips[number], &subject)? else {
                continue;
            };
            if best.as_ref().is_none_or(|(most, ..)| overlap > *most) {
                best = Some((overlap, number, mapping));
            }
        }
        match best.filter(|(overlap, ..)| *overlap >= self.config.agreement) {
            Some((overlap, number, mapping)) => {
                let note = format!("animate({}, {overlap:.3})", self.clips[number].origin);
                self.frames(source, &picture, class, number, &mapping, &note)
            }
            None => Ok(Vec::new()),
        }
    }

    /// What is known of a source's object, or else is read.
    fn subject<'s>(&self, source: &'s Sample, picture: &image::RgbImage) -> Subject<'s> {
        let extent = source.extent;
        let known = match source.labels.objects() {
            [object] if object.mask.is_some() && !places(object).is_empty() => Some(object),
            _ => None,
        };
        match known {
            Some(object) => Subject {
                object: known,
                seen: Vec::new(),
                mask: bitmap(object, extent),
            },
            None => {
                let read = self.animator.read(picture);
                Subject {
                    object: None,
                    seen: read.points.into_iter().map(|(place, _)| place).collect(),
                    mask: read.mask,
                }
            }
        }
    }

    /// How the first frame of a clip becomes the subject, with the overlap of both.
    fn matched(&self, clip: &Clip, subject: &Subject) -> Result<Option<(f64, Mapping)>> {
        let (first, extent) = (&clip.frames[0].object, self.animator.extent);
        let before = bitmap(first, extent);
        let map = match subject.object {
            Some(object) => by_names(first, object),
            None => {
                let areas =
                    [&subject.mask, &before].map(|mask| mask.iter().filter(|m| **m).count());
                let scale = (areas[0] as f64 / areas[1].max(1) as f64).sqrt();
                let points: Vec<DVec2> = places(first).into_values().collect();
                by_places(&points, &subject.seen, scale)
            }
        };
        let Some(map) = map else {
            return Ok(None);
        };
        let mapping = Mapping::new(map, extent, extent);
        let moved = self.object(first, &mapping, "")?;
        Ok(moved.map(|object| (overlap(&bitmap(&object, extent), &subject.mask), mapping)))
    }

    /// A clip's object, mapped; `None` if nothing of it is left in the picture.
    fn object(&self, object: &Object, mapping: &Mapping, name: &str) -> Result<Option<Object>> {
        let labels = Labels {
            // The pose is the renderer's, seen by its camera, and the 3D box that of its model.
            objects: Some(vec![Object {
                pose: None,
                box_3d: None,
                ..object.clone()
            }]),
            ..Labels::default()
        };
        let mapped = labels.map(mapping, Border::Replicate, name)?;
        Ok(mapped.objects.unwrap_or_default().pop())
    }

    /// The frames of a source that follows a clip.
    fn frames(
        &self,
        source: &Sample,
        picture: &image::RgbImage,
        class: &str,
        number: usize,
        mapping: &Mapping,
        note: &str,
    ) -> Result<Vec<Sample>> {
        let (clip, extent) = (&self.clips[number], self.animator.extent);
        let longest = self.longest.unwrap_or(1) as u64;
        let id = |frame: usize| {
            let index = source.index * longest + frame as u64;
            (index, format!("{}-{index:06}", self.context.id))
        };
        let (_, track) = id(0);
        let mut frames = Vec::with_capacity(clip.frames.len());
        for (place, frame) in clip.frames.iter().enumerate() {
            let Some(mut object) = self.object(&frame.object, mapping, &frame.id)? else {
                continue;
            };
            let (from, to) = common(&clip.frames[0].object, &frame.object);
            let map = |points: Vec<DVec2>| -> Vec<DVec2> {
                let mapped = points
                    .into_iter()
                    .map(|point| mapping.forward(point.to_array()));
                mapped.map(DVec2::from).collect()
            };
            let (from, to) = (map(from), map(to));
            let scene = Scene {
                source: picture,
                from: &from,
                to: &to,
                mask: &bitmap(&object, extent),
            };
            let made = self.animator.paint(&[scene]).remove(0);
            object.track = Some(format!("{track}/0"));
            let labels = Labels {
                class: Some(class.to_owned()),
                objects: Some(vec![object]),
                ..Labels::default()
            };
            let (index, id) = id(place);
            let mut sample = source.child(id, index, &made, labels)?;
            sample.provenance.domain = Domain::Generated;
            sample.provenance.checkpoint = Some(self.model.manifest.digest.clone());
            sample.provenance.transforms.push(note.to_owned());
            frames.push(sample);
        }
        Ok(frames)
    }
}
