//! Photos join with boxes: mean teachers that must agree with each other and with themselves.
//!
//! Liu et al., Unbiased Teacher for Semi-Supervised Object Detection, 2021, and Li et al., Cross-Domain Adaptive
//! Teacher for Object Detection, 2022: students learn from labelled pictures first (burn-in), then also from photos,
//! which they see strongly altered and their teachers, running averages of their weights, as they are. Deviations: a
//! box is believed only if the teachers of several students agree on it, each in several views of the photo; of each
//! class a growing share of these boxes is believed, the surest first, as of classes of whole photos; what some see and
//! not all believe is neither right nor wrong for the students to find. Only photos in which nothing is doubtful join.

mod agreement;
mod lesson;
mod strong;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::json;

use super::{PseudoLabel, findings, note, write};
use crate::models::album::{Album, ObjectBox};
use crate::nn::device;
use crate::sample::{Labels, Object, Sample};
use crate::stage::{Context, finding};
use crate::tasks::Detection;
use crate::{Error, Result};
use lesson::Lesson;

/// What is believed of a photo.
#[derive(Debug, Clone, Default)]
struct Belief {
    sure: Vec<Detection>,
    /// What some teachers see in some views, and not all believe.
    doubtful: Vec<Detection>,
}

impl Belief {
    /// Whether all that was seen in the photo is believed.
    fn is_whole(&self) -> bool {
        !self.sure.is_empty() && self.doubtful.is_empty()
    }

    fn objects(&self) -> Vec<ObjectBox> {
        let object = |one: &Detection| ObjectBox::new(one.class, one.bbox_xywh);
        let doubtful = self.doubtful.iter().map(|one| ObjectBox {
            doubtful: true,
            ..object(one)
        });
        self.sure.iter().map(object).chain(doubtful).collect()
    }

    /// Mean score of what is believed, 0..1.
    fn confidence(&self) -> f32 {
        let scores: f32 = self.sure.iter().map(|one| one.score).sum();
        scores / self.sure.len().max(1) as f32
    }
}

/// Runs the stage for a task of objects.
///
/// # Errors
/// If there is nothing to learn from or to read, or a file cannot be read or written.
pub(super) fn run(config: &PseudoLabel, context: &Context) -> Result<serde_json::Value> {
    let (samples, photos) = (context.input("samples")?, context.input("photos")?);
    let (classes, labelled) = labelled(context)?;
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
    let chosen = device::choose(context.device)?;
    let lesson = Lesson {
        labelled: &labelled,
        classes: classes.len(),
        photos: &album,
    };
    let beliefs = lesson::learn(config, context, &chosen, &lesson)?;
    let label = |mut photo: Sample| {
        let belief = &beliefs[*places.get(&photo.id)?];
        belief.is_whole().then(|| {
            photo.labels = labels(belief, &classes);
            let count = format!("{} objects", belief.sure.len());
            let note = note(&count, belief.confidence());
            photo.provenance.transforms.push(note);
            photo
        })
    };
    write(context, samples, photos, label)?;
    let mut summary = summary(&beliefs, &classes);
    summary["device"] = chosen.name.into();
    let findings = findings::findings(&summary);
    finding::record(&mut summary, &findings);
    Ok(summary)
}

/// The classes of the objects in the labelled samples, sorted, and these samples.
fn labelled(context: &Context) -> Result<(Vec<String>, Album)> {
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
        let object =
            |object: &Object| Some(ObjectBox::new(place(&object.class)?, object.bbox_xywh));
        let objects = objects.iter().filter_map(object).collect();
        album.push_objects(&sample.id, &sample.image, objects)?;
    }
    Ok((classes, album))
}

/// The labels of a photo in which all that is seen is believed.
fn labels(belief: &Belief, classes: &[String]) -> Labels {
    let object = |one: &Detection| Object::new(&classes[one.class], one.bbox_xywh);
    let mut labels = Labels {
        objects: Some(belief.sure.iter().map(object).collect()),
        ..Labels::default()
    };
    labels.class = labels.only_class().map(str::to_owned);
    labels
}

fn summary(beliefs: &[Belief], classes: &[String]) -> serde_json::Value {
    let whole = || beliefs.iter().filter(|belief| belief.is_whole());
    let mut boxes: BTreeMap<&String, usize> = BTreeMap::new();
    for one in whole().flat_map(|belief| &belief.sure) {
        *boxes.entry(&classes[one.class]).or_default() += 1;
    }
    let believed = whole().count();
    // The sum of nothing is a negative zero.
    let confidence = whole()
        .map(Belief::confidence)
        .fold(0.0, |sum, one| sum + one);
    json!({
        "photos": beliefs.len(),
        "believed": believed,
        "boxes": boxes.values().sum::<usize>(),
        "classes": boxes,
        "doubtful": beliefs.iter().map(|belief| belief.doubtful.len()).sum::<usize>(),
        "mean_confidence": f64::from(confidence) / believed.max(1) as f64,
    })
}
