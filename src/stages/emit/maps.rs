//! Maps as separate files: `maps/depth/train/ID.png`, outside the folders that image loaders read.

use std::borrow::Cow;
use std::path::Path;

use crate::formats::{Category, ImageEntry};
use crate::sample::maps::{self, MapName, semantic};
use crate::{Error, Result};

/// Writes those of the `selected` maps that the image has. The numbers of the semantic one are those of the
/// dataset's `classes`, whatever others the renderer knew.
///
/// # Errors
/// If a file cannot be written; the message names it.
pub(super) fn write(
    out: &Path,
    selected: &[MapName],
    entry: &ImageEntry,
    classes: &[Category],
) -> Result<()> {
    let sample = entry.sample;
    for kind in selected.iter().map(|name| name.entry()) {
        let Some(mut png) = sample.labels.maps.get(kind).map(Cow::Borrowed) else {
            continue;
        };
        if kind.name == semantic::MAP.name {
            let classes = classes.iter().map(|class| class.name.as_str());
            let values = semantic::draw(sample.labels.objects(), classes, sample.extent);
            png = maps::encode(kind, &values, sample.extent.dimensions())?.into();
        }
        let folder = out.join("maps").join(kind.name).join(entry.split);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        let path = folder.join(format!("{}.png", sample.id));
        std::fs::write(&path, png).map_err(|e| Error::io(&path, e))?;
    }
    Ok(())
}
