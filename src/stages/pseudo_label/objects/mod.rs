//! Photos join with boxes: mean teachers that must agree with each other and with themselves.
//!
//! Liu et al., Unbiased Teacher for Semi-Supervised Object Detection, 2021, and Li et al., Cross-Domain Adaptive
//! Teacher for Object Detection, 2022: students learn from labelled pictures first (burn-in), then also from photos,
//! which they see strongly altered and their teachers, running averages of their weights, as they are. Deviations: a
//! box is believed only if the teachers of several students agree on it, each in several views of the photo; of each
//! class a growing share of these boxes is believed, the surest first, as of classes of whole photos; what some see and
//! not all believe is neither right nor wrong for the students to find. Of photos, the parts join in which nothing is
//! doubtful.

mod agreement;
mod lesson;
mod outlines;
mod strong;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::json;

use super::{PseudoLabel, findings, note, write};
use crate::models::album::{Album, ObjectBox};
use crate::nn::device;
use crate::sample::crop::Rectangle;
use crate::sample::parts::{self, Boxes};
use crate::sample::{Extent, Labels, Mask, Object, Sample};
use crate::stage::{Context, finding};
use crate::tasks::Detection;
use crate::tasks::detection::boxes::clipped;
use crate::{Error, Result};
use lesson::Lesson;

/// What is believed of a photo.
#[derive(Debug, Clone, Default)]
struct Belief {
    sure: Vec<Detection>,
    /// The mask of each of these in the end; empty if the task has none.
    masks: Vec<Mask>,
    /// What some teachers see in some views, and not all believe.
    doubtful: Vec<Detection>,
}

impl Belief {
    /// The same, with no box beyond the photo: those of an enlarged view may be, by a fraction of a pixel.
    fn within(&self, photo: Extent) -> Self {
        let sides = [photo.width, photo.height].map(|side| side as f32);
        let within = |found: &[Detection]| {
            let clip = |one: &Detection| Detection {
                bbox_xywh: clipped(one.bbox_xywh, sides),
                ..*one
            };
            found.iter().map(clip).collect()
        };
        Belief {
            sure: within(&self.sure),
            masks: self.masks.clone(),
            doubtful: within(&self.doubtful),
        }
    }

    /// One of the sure, in pixels of the photo.
    fn object(&self, one: &Detection, classes: &[String]) -> Object {
        let place = self.sure.iter().position(|other| other == one);
        Object {
            mask: place.and_then(|place| self.masks.get(place)).cloned(),
            ..Object::new(&classes[one.class], one.bbox_xywh)
        }
    }

    fn boxes(&self) -> Boxes {
        let boxes = |all: &[Detection]| all.iter().map(|one| one.bbox_xywh).collect();
        Boxes {
            sure: boxes(&self.sure),
            doubtful: boxes(&self.doubtful),
        }
    }

    fn objects(&self) -> Vec<ObjectBox> {
        let object = |one: &Detection| ObjectBox::new(one.class, one.bbox_xywh);
        let doubtful = self.doubtful.iter().map(|one| ObjectBox {
            doubtful: true,
            ..object(one)
        });
        self.sure.iter().map(object).chain(doubtful).collect()
    }
}

/// Runs the stage for a task of objects.
///
/// # Errors
/// If there is nothing to learn from or to read, or a file cannot be read or written.
pub(super) fn run(config: &PseudoLabel, context: &Context) -> Result<serde_json::Value> {
    let (samples, photos) = (context.input("samples")?, context.input("photos")?);
    let task = config.task.entry();
    let (classes, labelled) = labelled(context, task.masks)?;
    let (mut album, mut places) = (Album::new(context.out)?, BTreeMap::new());
    for photo in photos.samples() {
        let photo = photo?;
        places.insert(photo.id.clone(), album.len());
        album.push(&photo.id, &photo.image, 0)?;
    }
    if classes.is_empty() || album.is_empty() {
        return Err(Error::failed(
            context.id,
            "needs labelled pictures with objects, and photos",
            "check `from`: `samples` must show objects with boxes, `photos` must not be empty",
        ));
    }
    if task.masks && labelled.known_masks() == 0 {
        return Err(Error::failed(
            context.id,
            "needs the masks of objects to learn from, and `samples` has none",
            "give it samples with masks, such as renders, or write `task = \"detection\"`",
        ));
    }
    let chosen = device::choose(context.device)?;
    let lesson = Lesson {
        labelled: &labelled,
        classes: classes.len(),
        photos: &album,
    };
    let beliefs = lesson::learn(config, context, &chosen, &lesson)?;
    let joined = RefCell::new(Joined::default());
    let label = |photo: Sample| {
        let belief = beliefs[places[&photo.id]].within(photo.extent);
        let parts = parts::parts(&belief.boxes(), photo.extent).into_iter();
        let within = |part| {
            let sure = belief.sure.iter();
            let sure = sure.filter(|one| parts::holds(part, one.bbox_xywh));
            (part, sure.copied().collect())
        };
        let parts: Vec<(Rectangle, Vec<Detection>)> = parts.map(within).collect();
        joined.borrow_mut().count(&parts);
        let sample = |(rectangle, sure): &(Rectangle, Vec<Detection>)| {
            let object = |one: &Detection| belief.object(one, &classes);
            part(
                &photo,
                *rectangle,
                sure.iter().map(object).collect(),
                confidence(sure),
            )
        };
        parts.iter().map(sample).collect()
    };
    write(context, samples, photos, label)?;
    let mut summary = joined.into_inner().summary(&beliefs, &classes);
    summary["device"] = chosen.name.into();
    let findings = findings::findings(&summary);
    finding::record(&mut summary, &findings);
    Ok(summary)
}

/// The classes of the objects in the labelled samples, sorted, and these samples, with masks if they are asked for.
fn labelled(context: &Context, masks: bool) -> Result<(Vec<String>, Album)> {
    let samples = context.input("samples")?;
    let classes = samples.object_classes()?;
    let mut album = Album::new(context.out)?;
    for sample in samples.samples() {
        let sample = sample?;
        let Some(objects) = &sample.labels.objects else {
            continue;
        };
        let place = |name: &str| {
            classes
                .binary_search_by(|class| class.as_str().cmp(name))
                .ok()
        };
        let object = |object: &Object| {
            let place = place(&object.class)?;
            let mask = object.mask.as_ref().filter(|_| masks);
            Some((ObjectBox::new(place, object.bbox_xywh), mask.cloned()))
        };
        let (objects, masks): (Vec<_>, Vec<_>) = objects.iter().filter_map(object).unzip();
        album.push_objects(&sample.id, &sample.image, objects, &masks)?;
    }
    Ok((classes, album))
}

/// A part of a photo with its objects, which lie in it whole.
fn part(
    photo: &Sample,
    rectangle: Rectangle,
    objects: Vec<Object>,
    confidence: f32,
) -> Result<Sample> {
    let count = format!("{} objects", objects.len());
    let mut photo = photo.clone();
    photo.labels = Labels {
        objects: Some(objects),
        ..Labels::default()
    };
    let mut part = parts::cut_out(&photo, rectangle)?;
    part.labels.class = part.labels.only_class().map(str::to_owned);
    part.provenance.transforms.push(note(&count, confidence));
    Ok(part)
}

/// Mean score, 0..1.
fn confidence(sure: &[Detection]) -> f32 {
    let scores = sure.iter().map(|one| one.score);
    scores.fold(0.0, |sum, score| sum + score) / sure.len().max(1) as f32
}

/// What joined.
#[derive(Default)]
struct Joined {
    photos: usize,
    parts: usize,
    /// All that lies in parts; what lies in several counts as often.
    objects: Vec<Detection>,
}

impl Joined {
    /// Counts the parts of another photo.
    fn count(&mut self, parts: &[(Rectangle, Vec<Detection>)]) {
        self.photos += usize::from(!parts.is_empty());
        self.parts += parts.len();
        self.objects.extend(parts.iter().flat_map(|(_, sure)| sure));
    }

    fn summary(&self, beliefs: &[Belief], classes: &[String]) -> serde_json::Value {
        let mut boxes: BTreeMap<&String, usize> = BTreeMap::new();
        for one in &self.objects {
            *boxes.entry(&classes[one.class]).or_default() += 1;
        }
        json!({
            "photos": beliefs.len(),
            "joined": self.photos,
            "parts": self.parts,
            "boxes": self.objects.len(),
            "classes": boxes,
            "doubtful": beliefs.iter().map(|belief| belief.doubtful.len()).sum::<usize>(),
            "mean_confidence": confidence(&self.objects),
        })
    }
}
