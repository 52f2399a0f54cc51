//! The emitted dataset, as a recogniser learns from it.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::Result;
use crate::artifact::{Artifact, DATASET_TABLE, table};
use crate::formats::Shelf;
use crate::models::album::Album;
use crate::sample::LABELLED;
use crate::stage::{Context, Event};

/// The columns of a dataset's table that a recogniser needs.
#[derive(Deserialize)]
struct Image {
    file: String,
    split: String,
    /// None if an image shows several classes, or none.
    class: Option<String>,
    source: String,
    transforms: Vec<String>,
}

fn images(dataset: &Artifact) -> Result<Vec<Image>> {
    table::read(&dataset.folder.join(DATASET_TABLE))
}

/// The classes of a dataset, sorted.
///
/// # Errors
/// If its table cannot be read.
pub(super) fn classes(artifact: &Artifact) -> Result<Vec<String>> {
    let images = images(artifact)?.into_iter();
    let mut classes: Vec<String> = images.filter_map(|image| image.class).collect();
    classes.sort();
    classes.dedup();
    Ok(classes)
}

/// The training split of an emitted dataset, and how many labels in it people gave to photos; images
/// without a class are left out.
///
/// # Errors
/// If its table or a picture cannot be read.
pub(super) fn album(
    context: &Context,
    artifact: &Artifact,
    classes: &[String],
) -> Result<(Album, usize)> {
    let mut album = Album::new(context.out)?;
    let (mut without, mut labelled) = (0, BTreeSet::new());
    let shelf = Shelf::of(&artifact.folder);
    for image in images(artifact)? {
        if image.split != "train" {
            continue;
        }
        let class = classes.iter().position(|c| Some(c) == image.class.as_ref());
        let Some(class) = class else {
            without += 1;
            continue;
        };
        if image.transforms.iter().any(|text| text == LABELLED) {
            labelled.insert(image.source);
        }
        album.push(&image.file, &shelf.read(&image.file)?, class)?;
    }
    if without > 0 {
        context.emit(Event::Warning {
            text: format!("{without} images of `adapted` have no class and are left out"),
        });
    }
    Ok((album, labelled.len()))
}
