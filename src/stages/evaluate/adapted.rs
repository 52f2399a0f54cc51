//! The emitted dataset, as a recogniser learns from it.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::Result;
use crate::artifact::{Artifact, DATASET_TABLE, table};
use crate::formats::Shelf;
use crate::models::album::{Album, ObjectBox};
use crate::sample::{LABELLED, Mask};
use crate::stage::{Context, Event};
use crate::tasks::{TaskKind, Truth};

use super::names::object_box;

/// The columns of a dataset's table that a recogniser needs.
#[derive(Deserialize)]
struct Image {
    file: String,
    split: String,
    /// None if an image shows several classes, or none.
    class: Option<String>,
    source: String,
    transforms: Vec<String>,
    /// x, y, width, height of each object, concatenated; None if the objects are not known.
    boxes: Option<Vec<f32>>,
    box_classes: Option<Vec<String>>,
    /// The run lengths of each object's mask, if it is known.
    #[serde(default)]
    masks: Option<Vec<Option<Vec<u32>>>>,
}

impl Image {
    /// Its objects, if they are known.
    fn objects(&self, classes: &[String]) -> Result<Option<Vec<ObjectBox>>> {
        let (Some(boxes), Some(names)) = (&self.boxes, &self.box_classes) else {
            return Ok(None);
        };
        let both = names.iter().zip(boxes.as_chunks::<4>().0);
        both.map(|(class, bbox)| object_box(class, *bbox, classes, &self.file))
            .collect::<Result<_>>()
            .map(Some)
    }

    fn masks(&mut self) -> Vec<Option<Mask>> {
        let masks = self.masks.take().unwrap_or_default().into_iter();
        masks
            .map(|counts| counts.map(|counts| Mask { counts }))
            .collect()
    }
}

/// Rows of the table that are in memory at once.
const ROWS: usize = 4096;

fn visit(dataset: &Artifact, each: &mut dyn FnMut(Image) -> Result<()>) -> Result<()> {
    table::visit(&dataset.folder.join(DATASET_TABLE), ROWS, each)
}

/// The classes of a dataset's images, or of the objects in them, sorted.
///
/// # Errors
/// If its table cannot be read.
pub(super) fn classes(artifact: &Artifact, truth: Truth) -> Result<Vec<String>> {
    let mut classes = BTreeSet::new();
    visit(artifact, &mut |image| {
        match truth {
            Truth::Class => classes.extend(image.class),
            Truth::Objects => classes.extend(image.box_classes.unwrap_or_default()),
        }
        Ok(())
    })?;
    Ok(classes.into_iter().collect())
}

/// The training split of an emitted dataset, and how many labels in it people gave to photos; images
/// without what is to be learned from them, a class or known objects, are left out.
///
/// # Errors
/// If its table or a picture cannot be read.
pub(super) fn album(
    context: &Context,
    artifact: &Artifact,
    classes: &[String],
    task: &TaskKind,
) -> Result<(Album, usize)> {
    let mut album = Album::new(context.out)?;
    let (mut without, mut labelled) = (0, BTreeSet::new());
    let shelf = Shelf::of(&artifact.folder);
    visit(artifact, &mut |mut image| {
        if image.split != "train" {
            return Ok(());
        }
        let masks = if task.masks {
            image.masks()
        } else {
            Vec::new()
        };
        let picture = || shelf.read(&image.file);
        match task.truth {
            Truth::Class => {
                let class = classes.iter().position(|c| Some(c) == image.class.as_ref());
                let Some(class) = class else {
                    without += 1;
                    return Ok(());
                };
                album.push(&image.file, &picture()?, class)?;
            }
            Truth::Objects => {
                let Some(objects) = image.objects(classes)? else {
                    without += 1;
                    return Ok(());
                };
                album.push_objects(&image.file, &picture()?, objects, &masks)?;
            }
        }
        if image.transforms.iter().any(|text| text == LABELLED) {
            labelled.insert(image.source);
        }
        Ok(())
    })?;
    if task.truth == Truth::Objects {
        tell_left_out(context, "adapted", without);
    } else if without > 0 {
        context.emit(Event::Warning {
            text: format!("{without} images of `adapted` have no class and are left out"),
        });
    }
    Ok((album, labelled.len()))
}

/// Warns of pictures whose objects are not known; `of` names what they come from.
pub(super) fn tell_left_out(context: &Context, of: &str, without: usize) {
    if without > 0 {
        context.emit(Event::Warning {
            text: format!(
                "{without} pictures of `{of}` do not tell their objects and are left out"
            ),
        });
    }
}
