//! What recognisers learn from and are tested on, as albums: pictures with their classes, or frames with their objects.

use std::collections::BTreeSet;

use crate::artifact::Artifact;
use crate::models::album::{Album, common_extent};
use crate::sample::{Extent, Mask, Object, Sample};
use crate::stage::{Context, Event};
use crate::tasks::{TaskKind, Truth};
use crate::{Error, Result};

use super::Evaluate;
use super::adapted;
use super::labels::Labels;
use super::names::{listed, object_box};
use super::truths::Truths;

/// What learned from real labels.
pub(super) const TARGET_ONLY: &str = "target_only";

/// The sets to learn from, by the names of the recognisers, and the photos to be tested on.
pub(super) struct Sets {
    pub classes: Vec<String>,
    pub learned: Vec<(&'static str, Album)>,
    pub test: Album,
    /// Labels in the dataset that people gave to photos.
    pub real_labels: usize,
}

impl Sets {
    /// Reads all of them.
    ///
    /// # Errors
    /// If pictures or labels cannot be read, or do not belong together, or a set is empty.
    pub(super) fn read(config: &Evaluate, context: &Context) -> Result<Self> {
        let task = config.task.entry();
        let truth = task.truth;
        let classes = classes(config, context, truth)?;
        let read = |role: &str, path| match truth {
            Truth::Class => {
                let labels = Labels::read(path, config.class_column.as_deref(), &classes)?;
                photos(context, role, &labels)
            }
            Truth::Objects => {
                let truths = Truths::read(path, config.class_column.as_deref(), &classes)?;
                frames(context, role, &truths, (task, &classes))
            }
        };
        let test = match &config.test_labels {
            Some(path) => read("test", path)?,
            None => own_labels(context, task, &classes)?,
        };
        let (mut learned, mut real_labels) = (Vec::new(), 0);
        if let Some(source) = context.inputs.get("source") {
            learned.push(("source_only", labelled(context, task, &[source], &classes)?));
        }
        if let Some(generated) = context.inputs.get("generated") {
            let album = |artifacts: &[&Artifact]| labelled(context, task, artifacts, &classes);
            learned.push(("generated_only", album(&[generated])?));
            if let Some(source) = context.inputs.get("source") {
                learned.push(("with_generated", album(&[source, generated])?));
            }
        }
        if let Some(adapted) = context.inputs.get("adapted") {
            let (album, labelled) = adapted::album(context, adapted, &classes, task)?;
            learned.push(("adapted", album));
            real_labels = labelled;
        }
        if let Some(target) = context.inputs.get("target") {
            let has_objects = truth == Truth::Objects && has_objects(target)?;
            match &config.target_labels {
                _ if has_objects => {
                    let album = labelled_frames(context, task, &[target], &classes)?;
                    learned.push((TARGET_ONLY, album));
                }
                Some(path) => learned.push((TARGET_ONLY, read("target", path)?)),
                None => context.emit(Event::Warning {
                    text: "`target` is left out: its classes are not known; set `target_labels`"
                        .into(),
                }),
            }
        } else if config.target_labels.is_some() {
            context.emit(Event::Warning {
                text: "`target_labels` is not read: there is no input `target`".into(),
            });
        }
        let sets = Sets {
            classes,
            learned,
            test,
            real_labels,
        };
        sets.check(context, task)?;
        Ok(sets)
    }

    /// What all pictures measure; where they may differ, the least that holds each.
    ///
    /// # Errors
    /// If they differ and must not, or there are none.
    pub(super) fn extent(&self, context: &Context, truth: Truth) -> Result<Extent> {
        let all: Vec<(&str, &Album)> = self.all().collect();
        if truth == Truth::Class {
            return common_extent(context.id, &all);
        }
        let largest = all.iter().filter_map(|(_, album)| album.largest());
        let joined =
            |a: Extent, b: Extent| Extent::new(a.width.max(b.width), a.height.max(b.height));
        Ok(largest.fold(Extent::square(1), joined))
    }

    /// The place of the recogniser that learned from the dataset, or of the last: the one whose photos are shown.
    pub(super) fn leader(&self) -> usize {
        let adapted = self.learned.iter().position(|(name, _)| *name == "adapted");
        adapted.unwrap_or(self.learned.len() - 1)
    }

    fn all(&self) -> impl Iterator<Item = (&str, &Album)> {
        let learned = self.learned.iter().map(|(name, set)| (*name, set));
        std::iter::once(("test", &self.test)).chain(learned)
    }

    /// No set may be empty, nor be without any object; classes that one lacks are warned of.
    fn check(&self, context: &Context, task: &TaskKind) -> Result<()> {
        let failed = |problem, remedy| Err(Error::failed(context.id, problem, remedy));
        if let Some((name, _)) = self.all().find(|(_, set)| set.is_empty()) {
            return failed(
                format!("the set `{name}` has no labelled pictures"),
                "check that the labels belong to the photos",
            );
        }
        if task.truth == Truth::Class {
            return Ok(());
        }
        for (name, set) in self.all() {
            let objects = (0..set.len()).flat_map(|number| set.objects(number));
            let shown: BTreeSet<usize> = objects.map(|object| object.class).collect();
            if shown.is_empty() {
                return failed(
                    format!("no picture of the set `{name}` shows an object"),
                    "check that its labels have boxes and belong to the pictures",
                );
            }
            let masks = set.known_masks();
            let is_test = std::ptr::eq(set, &self.test);
            let all: usize = (0..set.len()).map(|number| set.objects(number).len()).sum();
            if task.masks && (masks == 0 || is_test && masks < all) {
                return failed(
                    format!("only {masks} of the {all} objects of the set `{name}` have a mask"),
                    "give it labels with masks, or write `task = \"detection\"`",
                );
            }
            let lacking = self.classes.iter().enumerate();
            let lacking: Vec<String> = lacking
                .filter(|(class, _)| !shown.contains(class))
                .map(|(_, name)| name.clone())
                .collect();
            if !lacking.is_empty() {
                let what = match name {
                    "test" => "they are not measured",
                    _ => "they cannot be learned from it",
                };
                let text = format!("`{name}` shows no object of {}: {what}", listed(&lacking));
                context.emit(Event::Warning { text });
            }
        }
        Ok(())
    }
}

/// The classes that the recognisers tell apart.
fn classes(config: &Evaluate, context: &Context, truth: Truth) -> Result<Vec<String>> {
    if !config.classes.is_empty() {
        return Ok(config.classes.clone());
    }
    if let Some(adapted) = context.inputs.get("adapted") {
        return adapted::classes(adapted, truth);
    }
    let source = match context.inputs.get("source") {
        Some(source) => source,
        None => context.input("generated")?,
    };
    if truth == Truth::Class {
        return Ok(source.manifest.classes.keys().cloned().collect());
    }
    source.object_classes()
}

/// Photos, or what was augmented from them, with their classes.
fn photos(context: &Context, role: &str, labels: &Labels) -> Result<Album> {
    let mut album = Album::new(context.out)?;
    for sample in context.input(role)?.samples() {
        let sample = sample?;
        let class = labels.class_of(&sample.provenance.source)?;
        album.push(&sample.id, &sample.image, class)?;
    }
    Ok(album)
}

/// Whole photos with their objects.
fn frames(
    context: &Context,
    role: &str,
    truths: &Truths,
    (task, classes): (&TaskKind, &[String]),
) -> Result<Album> {
    let mut album = Album::new(context.out)?;
    for sample in context.input(role)?.samples() {
        let sample = sample?;
        let objects = truths.of(&sample)?;
        push_objects(&mut album, &sample, &objects, (task, classes))?;
    }
    Ok(album)
}

/// Adds a picture with these objects, and their masks if the task is about them.
fn push_objects(
    album: &mut Album,
    sample: &Sample,
    objects: &[Object],
    (task, classes): (&TaskKind, &[String]),
) -> Result<()> {
    let boxes = objects
        .iter()
        .map(|object| object_box(&object.class, object.bbox_xywh, classes, &sample.id));
    let masks = objects.iter().filter(|_| task.masks);
    let masks: Vec<Option<Mask>> = masks.map(|object| object.mask.clone()).collect();
    album.push_objects(
        &sample.id,
        &sample.image,
        boxes.collect::<Result<_>>()?,
        &masks,
    )
}

/// Labelled samples of one artifact or several.
fn labelled(
    context: &Context,
    task: &TaskKind,
    artifacts: &[&Artifact],
    classes: &[String],
) -> Result<Album> {
    if task.truth == Truth::Objects {
        return labelled_frames(context, task, artifacts, classes);
    }
    let mut album = Album::new(context.out)?;
    for artifact in artifacts {
        album.add_of_classes(artifact, classes)?;
    }
    Ok(album)
}

/// Test pictures with the labels that they have themselves.
fn own_labels(context: &Context, task: &TaskKind, classes: &[String]) -> Result<Album> {
    let test = context.input("test")?;
    let album = labelled(context, task, &[test], classes)?;
    let left_out = test.manifest.count - album.len() as u64;
    if left_out > 0 && task.truth == Truth::Class {
        let text = format!("{left_out} test pictures are left out: they have none of the classes");
        context.emit(Event::Warning { text });
    }
    Ok(album)
}

/// Samples with the objects that they know; those whose objects are not known are left out.
fn labelled_frames(
    context: &Context,
    task: &TaskKind,
    artifacts: &[&Artifact],
    classes: &[String],
) -> Result<Album> {
    let mut album = Album::new(context.out)?;
    let mut without = 0;
    for sample in artifacts.iter().flat_map(|artifact| artifact.samples()) {
        let sample = sample?;
        let Some(objects) = &sample.labels.objects else {
            without += 1;
            continue;
        };
        push_objects(&mut album, &sample, objects, (task, classes))?;
    }
    let ids = artifacts
        .iter()
        .map(|artifact| artifact.manifest.id.as_str());
    adapted::tell_left_out(context, &ids.collect::<Vec<_>>().join(", "), without);
    Ok(album)
}

/// Whether the first sample knows its objects.
fn has_objects(samples: &Artifact) -> Result<bool> {
    let first = samples.samples().next().transpose()?;
    Ok(first.is_some_and(|sample| sample.labels.objects.is_some()))
}
