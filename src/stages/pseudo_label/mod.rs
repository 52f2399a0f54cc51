//! `pseudo_label`: unlabelled photos join the labelled pictures, with the class or the objects they are read as.
//!
//! Class-balanced self-training (Zou et al., Unsupervised Domain Adaptation for Semantic Segmentation
//! via Class-Balanced Self-Training, 2018): recognisers learn from the labelled pictures, read the
//! photos, and learn on from those they are surest of, a growing share of each class. No real label
//! is read. Deviations: a committee of networks reads several augmented views of each photo, and
//! their mean counts, over all photos of a track where there are tracks; where the ratio of classes is
//! known, readings are aligned to it (Berthelot et al., ReMixMatch, 2020).

mod exhibit;
mod findings;
mod learning;
mod objects;
mod selection;

use std::collections::{BTreeMap, HashMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifact::{self, Artifact, Kind, parts};
use crate::models::album::{Album, common_extent};
use crate::models::settings::check_rate;
use crate::nn::device;
use crate::registry::Name;
use crate::sample::{Extent, Provenance, Sample};
use crate::stage::finding;
use crate::stage::{
    Context, Effort, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, parse,
};
use crate::tasks::{TaskKind, Truth};
use crate::{Error, Result};
use learning::{Lesson, Subject};
use selection::Belief;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "pseudo_label",
    about: "adds unlabelled photos with the class, or the boxes, that networks trained on the samples read in them",
    version: 9,
    inputs: &[
        Input::required("samples", Kind::Samples, "labelled pictures, augmented"),
        Input::required(
            "photos",
            Kind::Samples,
            "unlabelled photos, best in several augmented copies",
        ),
        Input::optional(
            "init",
            Kind::Generator,
            "whose discriminator all networks begin with",
        ),
    ],
    output: Kind::Samples,
    parse: parse::<PseudoLabel>,
    schema: || schemars::schema_for!(PseudoLabel),
    exhibit: exhibit::exhibit,
};

/// Configuration of `pseudo_label`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PseudoLabel {
    /// What the networks read in photos; see `verismo list tasks`: the class of each, or its objects.
    #[serde(skip_serializing_if = "is_of_classes")]
    pub task: Name<TaskKind>,
    /// Networks that vote, each from other weights; of objects, students with their teachers, which must agree.
    pub networks: u64,
    /// Optimiser steps on labelled pictures alone, before any photo is read.
    pub steps: u64,
    /// How often photos are read and learned from. The share that is believed grows evenly.
    pub rounds: u64,
    /// Optimiser steps of each of these rounds.
    pub round_steps: u64,
    /// Pictures a step; from the first round on half of them photos.
    pub batch: usize,
    /// Learning rate of Adam at the start; it falls to zero along a cosine, and starts each later
    /// round at half.
    pub rate: f64,
    /// Channels of a network's first stage.
    pub channels: usize,
    /// The share of the photos read as each class that is believed in the end, the surest first; of
    /// photos in tracks, the share of the tracks; of objects, the share of the boxes of each class on which all agree.
    pub keep: f64,
    /// Photos read with a lower probability than this are never believed, nor boxes of a lower mean confidence.
    pub confidence: f32,
    /// The photos show each class about as often as the samples do. Where that is so, saying it
    /// keeps a class that looks like all others from taking their photos.
    pub same_class_ratio: bool,
    /// Of objects: the side in pixels of the squares that are cut from frames to learn from; without it, whole frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<u32>,
    /// Of objects: photos are also read mirrored. Right where a mirrored object is of the same class.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mirror: bool,
}

fn is_of_classes(task: &Name<TaskKind>) -> bool {
    task.entry().truth == Truth::Class
}

impl Default for PseudoLabel {
    fn default() -> Self {
        PseudoLabel {
            task: Name::all()[0],
            networks: 2,
            steps: 1200,
            rounds: 4,
            round_steps: 500,
            batch: 24,
            rate: 8e-3,
            channels: 16,
            keep: 0.9,
            confidence: 0.4,
            same_class_ratio: false,
            crop: None,
            mirror: false,
        }
    }
}

impl Stage for PseudoLabel {
    fn check(&self) -> Result<(), String> {
        if self.networks == 0 || self.steps == 0 || self.batch < 2 || self.channels == 0 {
            return Err("`networks`, `steps` and `channels` must be at least 1, `batch` 2".into());
        }
        if !(0.0..=1.0).contains(&self.keep) || !(0.0..=1.0).contains(&self.confidence) {
            return Err("`keep` and `confidence` must lie in 0..1".into());
        }
        match self.task.entry().truth {
            Truth::Class if self.crop.is_some() || self.mirror => {
                return Err(
                    "`crop` and `mirror` are of use for tasks of objects only; remove them".into(),
                );
            }
            Truth::Objects if self.same_class_ratio => {
                return Err(
                    "`same_class_ratio` is of use for classes of whole photos only; remove it"
                        .into(),
                );
            }
            _ => {}
        }
        if !self.crop.is_none_or(|side| (32..=4096).contains(&side)) {
            return Err("`crop` must be between 32 and 4096 pixels".into());
        }
        check_rate("rate", self.rate)
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        if self.task.entry().truth == Truth::Objects {
            if inputs.get("init").is_some() {
                return Err(Misfit::no_init_for_detectors());
            }
            inputs.need_objects("samples", "to learn from")?;
            return Ok(Facts {
                // Frames of both may differ in size, and photos have a class if all their objects do.
                extent: inputs.common_extent(&["samples", "photos"]).ok().flatten(),
                classes: None,
                objects: Some(true),
                ..inputs.facts("samples")
            });
        }
        inputs.need_discriminator()?;
        inputs.need_classes("samples", "to learn from")?;
        Ok(Facts {
            extent: inputs.common_extent(&["samples", "photos"])?,
            // Photos join without objects.
            ..inputs.facts("samples")
        })
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let photos = inputs.count("photos");
        let steps = self.steps + self.rounds * self.round_steps;
        let learned = (self.networks * steps * self.batch as u64) as f64;
        let predicted = (self.networks * self.rounds) as f64 * photos.unwrap_or(0) as f64;
        let products = |extent| (self.task.entry().products)(extent, self.channels);
        let effort = inputs.facts("samples").extent.map(|extent| {
            let cut = self.crop.map_or(extent, Extent::square);
            let photo = inputs.facts("photos").extent.unwrap_or(extent);
            Effort::products(3.0 * learned * products(cut) + predicted * products(photo))
        });
        let added = photos.map(|photos| (photos as f64 * self.keep) as u64);
        let count = inputs.count("samples").zip(added);
        Forecast::new(count.map(|(samples, added)| samples + added), effort)
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        if self.task.entry().truth == Truth::Objects {
            return objects::run(self, context);
        }
        let (samples, photos) = (context.input("samples")?, context.input("photos")?);
        let classes: Vec<String> = samples.manifest.classes.keys().cloned().collect();
        let labelled = Album::of_classes(context.out, samples, &classes)?;
        let (origins, subjects, views) = group(context, photos)?;
        if labelled.is_empty() || subjects.is_empty() {
            return Err(Error::failed(
                context.id,
                "needs labelled pictures and photos",
                "check `from`: `samples` must have classes, `photos` must not be empty",
            ));
        }
        let extent = common_extent(context.id, &[("samples", &labelled), ("photos", &views)])?;
        let lesson = Lesson {
            labelled: &labelled,
            classes: classes.len(),
            extent,
            subjects: &subjects,
            views: &views,
        };
        let chosen = device::choose(context.device)?;
        let read = learning::learn(self, context, &chosen, &lesson)?;
        let beliefs = selection::select(&read, self.keep, self.confidence);
        let believed: BTreeMap<String, Belief> = origins
            .into_iter()
            .zip(&beliefs)
            .filter_map(|(origin, belief)| Some((origin, (*belief)?)))
            .collect();
        let label = |mut photo: Sample| {
            let Some(belief) = believed.get(&photo.provenance.origin) else {
                return Ok(Vec::new());
            };
            let class = &classes[belief.class];
            let note = note(class, belief.confidence);
            photo.provenance.transforms.push(note);
            photo.labels.class = Some(class.clone());
            Ok(vec![photo])
        };
        write(context, samples, photos, label)?;
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        let mut sure = 0.0;
        for (subject, belief) in subjects.iter().zip(&beliefs) {
            if let Some(belief) = belief {
                *counts.entry(&classes[belief.class]).or_default() += subject.photos;
                sure += f64::from(belief.confidence) * subject.photos as f64;
            }
        }
        let count: usize = counts.values().sum();
        let mut summary = json!({
            "device": chosen.name,
            "photos": subjects.iter().map(|subject| subject.photos).sum::<usize>(),
            "joined": count,
            "classes": counts,
            "mean_confidence": sure / count.max(1) as f64,
        });
        let findings = findings::findings(&summary);
        finding::record(&mut summary, &findings);
        Ok(summary)
    }
}

/// What the photos show, by origin, in the order in which they come, and all views of it.
fn group(context: &Context, photos: &Artifact) -> Result<(Vec<String>, Vec<Subject>, Album)> {
    let (mut places, mut known) = (HashMap::new(), HashSet::new());
    let (mut origins, mut subjects) = (Vec::new(), Vec::<Subject>::new());
    let mut views = Album::new(context.out)?;
    for sample in photos.samples() {
        let sample = sample?;
        let view = views.len();
        views.push(&sample.id, &sample.image, 0)?;
        let Provenance { origin, source, .. } = sample.provenance;
        let place = *places.entry(origin.clone()).or_insert(subjects.len());
        if place == subjects.len() {
            origins.push(origin);
            subjects.push(Subject::default());
        }
        subjects[place].views.push(view);
        subjects[place].photos += usize::from(known.insert(source));
    }
    Ok((origins, subjects, views))
}

/// The note of a pseudo label among the transforms of its photo.
fn note(class: &str, confidence: f32) -> String {
    format!("pseudo_label({class}, {confidence:.3})")
}

/// The class and the confidence of the last pseudo label noted among `transforms`.
pub fn read_note(transforms: &[String]) -> Option<(&str, &str)> {
    let notes = transforms.iter().rev();
    let mut notes = notes.filter_map(|note| note.strip_prefix("pseudo_label("));
    notes.next()?.strip_suffix(')')?.rsplit_once(", ")
}

/// Writes all labelled samples, then what `label` makes of the photos, as often as they come.
fn write(
    context: &Context,
    samples: &Artifact,
    photos: &Artifact,
    label: impl Fn(Sample) -> Result<Vec<Sample>>,
) -> Result<()> {
    let (mut number, mut index) = (0, 0);
    let parts = samples.parts().map(|path| (path, false));
    for (path, is_photo) in parts.chain(photos.parts().map(|path| (path, true))) {
        let mut written = Vec::new();
        for sample in parts::read_part(&path)? {
            let parent = sample.id.clone();
            let samples = if is_photo {
                label(sample)?
            } else {
                vec![sample]
            };
            for mut sample in samples {
                sample.provenance.parent = Some(parent.clone());
                sample.id = format!("{}-{index:06}", context.id);
                sample.index = index;
                index += 1;
                written.push(sample);
            }
        }
        if !written.is_empty() {
            parts::write_part(&context.out.join(artifact::part_name(number)), &written)?;
            number += 1;
        }
        context.check_interrupt()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ::image::RgbImage;

    use super::*;
    use crate::sample::image;
    use crate::testing;

    /// What becomes of `photos` beside 200 labelled pictures of shapes: its summary and the photos
    /// that join.
    fn joined(stage: &PseudoLabel, photos: &[Sample]) -> (serde_json::Value, Vec<Sample>) {
        joined_with(stage, photos, None)
    }

    /// The same, with networks that begin with the discriminator in the folder `init`.
    fn joined_with(
        stage: &PseudoLabel,
        photos: &[Sample],
        init: Option<&Path>,
    ) -> (serde_json::Value, Vec<Sample>) {
        let labelled = testing::shapes(200, 16, 1);
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let mut inputs = vec![
            (
                "samples",
                testing::publish(folders[0].path(), &labelled, 64),
            ),
            ("photos", testing::publish(folders[1].path(), photos, 7)),
        ];
        inputs.extend(init.map(|folder| ("init", testing::publish(folder, &[], 1))));
        let out = folders[2].path();
        let summary = testing::run_with(stage, "pseudo_label", inputs, 64, out).unwrap();
        let files = artifact::walk(out).unwrap();
        let written = files
            .iter()
            .flat_map(|path| parts::read_part(path).unwrap());
        (summary, written.skip(200).collect())
    }

    fn small() -> PseudoLabel {
        PseudoLabel {
            networks: 2,
            steps: 150,
            rounds: 1,
            round_steps: 60,
            batch: 16,
            channels: 8,
            keep: 1.0,
            confidence: 0.0,
            ..PseudoLabel::default()
        }
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for text in [
            "networks = 0",
            "batch = 1",
            "keep = 1.5",
            "confidence = nan",
            "rate = 0.0",
            "rate = nan",
            "rate = inf",
        ] {
            let stage: PseudoLabel = toml::from_str(text).unwrap();
            assert!(stage.check().is_err(), "{text}");
        }
        assert_eq!(PseudoLabel::default().check(), Ok(()));
    }

    #[test]
    fn photos_join_with_the_class_they_show() {
        let truths = testing::shapes(60, 16, 2);
        let mut photos = truths.clone();
        for (number, photo) in photos.iter_mut().enumerate() {
            // Two views of each of 30 photos, whose class nobody knows.
            photo.provenance.origin = format!("photos-{:06}", number % 30);
            photo.provenance.source = format!("{}.png", number % 30);
            photo.labels.class = None;
        }
        let (summary, joined) = joined(&small(), &photos);
        assert_eq!(
            (&summary["photos"], &summary["joined"]),
            (&json!(30), &json!(30))
        );
        assert_eq!(joined.len(), 60);
        assert_eq!(joined[59].id, "pseudo_label-000259");
        let pairs = joined.iter().zip(&truths);
        let right = pairs
            .filter(|(read, truth)| read.labels.class == truth.labels.class)
            .count();
        assert!(right >= 54, "{right} of 60");
        let (class, _) = read_note(&joined[0].provenance.transforms).unwrap();
        assert_eq!(Some(class), joined[0].labels.class.as_deref());
    }

    #[test]
    fn networks_may_begin_with_a_discriminator() {
        let folder = tempfile::tempdir().unwrap();
        let learn = testing::stage(
            "learn",
            "{ steps = 2, watch_every = 0, dcgan = { channels = 4 } }",
        );
        let shapes = testing::shapes(60, 16, 3);
        testing::run_into(learn.as_ref(), "learn", &shapes, 64, folder.path()).unwrap();
        let photos = testing::shapes(20, 16, 2);
        let read = |init| {
            let (_, joined) = joined_with(&small(), &photos, init);
            let notes = joined.into_iter().map(|photo| photo.provenance.transforms);
            notes.collect::<Vec<_>>()
        };
        let [alone, begun] = [None, Some(folder.path())].map(read);
        assert_eq!((alone.len(), begun.len()), (20, 20));
        assert_ne!(alone, begun);
    }

    #[test]
    fn the_last_note_is_read_whatever_the_class_is_called() {
        let mut transforms = vec![note("one", 0.5), note("a (b, c)", 0.9876)];
        transforms.push("flip".into());
        assert_eq!(read_note(&transforms), Some(("a (b, c)", "0.988")));
        assert_eq!(read_note(&transforms[2..]), None);
    }

    #[test]
    fn the_photos_of_a_track_are_read_as_one() {
        let truths = testing::shapes(48, 16, 2);
        let mut photos = truths.clone();
        for (number, photo) in photos.iter_mut().enumerate() {
            // Eight tracks of six photos, the first of each too dark to see.
            let track = [0, 1].map(|class| number / 12 * 2 + class)[number % 2];
            photo.provenance.origin = format!("photos-{track:06}");
            photo.provenance.source = format!("{number}.png");
            photo.labels.class = None;
            if number % 12 < 2 {
                photo.image = image::encode_png(&RgbImage::new(16, 16)).unwrap();
            }
        }
        let (summary, joined) = joined(&small(), &photos);
        assert_eq!(
            (&summary["photos"], &summary["joined"]),
            (&json!(48), &json!(48))
        );
        for (read, truth) in joined.iter().zip(&truths) {
            assert_eq!(
                read.labels.class, truth.labels.class,
                "{}",
                read.provenance.source
            );
        }
    }
}
