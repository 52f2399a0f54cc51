//! The emitted dataset, as a recogniser learns from it.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::Result;
use crate::artifact::{Artifact, DATASET_TABLE, table};
use crate::formats::Shelf;
use crate::models::album::{Album, ObjectBox};
use crate::sample::LABELLED;
use crate::stage::{Context, Event};
use crate::tasks::Truth;

use super::sets::{object_box, tell_left_out};

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
}

fn images(dataset: &Artifact) -> Result<Vec<Image>> {
    table::read(&dataset.folder.join(DATASET_TABLE))
}

/// The classes of a dataset's images, or of the objects in them, sorted.
///
/// # Errors
/// If its table cannot be read.
pub(super) fn classes(artifact: &Artifact, truth: Truth) -> Result<Vec<String>> {
    let images = images(artifact)?.into_iter();
    let mut classes: Vec<String> = match truth {
        Truth::Class => images.filter_map(|image| image.class).collect(),
        Truth::Objects => images
            .flat_map(|image| image.box_classes.unwrap_or_default())
            .collect(),
    };
    classes.sort();
    classes.dedup();
    Ok(classes)
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
    truth: Truth,
) -> Result<(Album, usize)> {
    let mut album = Album::new(context.out)?;
    let (mut without, mut labelled) = (0, BTreeSet::new());
    let shelf = Shelf::of(&artifact.folder);
    for image in images(artifact)? {
        if image.split != "train" {
            continue;
        }
        let picture = || shelf.read(&image.file);
        match truth {
            Truth::Class => {
                let class = classes.iter().position(|c| Some(c) == image.class.as_ref());
                let Some(class) = class else {
                    without += 1;
                    continue;
                };
                album.push(&image.file, &picture()?, class)?;
            }
            Truth::Objects => {
                let Some(objects) = image.objects(classes)? else {
                    without += 1;
                    continue;
                };
                album.push_objects(&image.file, &picture()?, objects)?;
            }
        }
        if image.transforms.iter().any(|text| text == LABELLED) {
            labelled.insert(image.source);
        }
    }
    if truth == Truth::Objects {
        tell_left_out(context, "adapted", without);
    } else if without > 0 {
        context.emit(Event::Warning {
            text: format!("{without} images of `adapted` have no class and are left out"),
        });
    }
    Ok((album, labelled.len()))
}
