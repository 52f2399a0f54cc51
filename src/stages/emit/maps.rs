//! Maps as separate files: `maps/depth/train/ID.png`, outside the folders that image loaders read.

use std::path::Path;

use crate::formats::ImageEntry;
use crate::sample::maps::MapName;
use crate::{Error, Result};

/// Writes those of the `selected` maps that the image has.
///
/// # Errors
/// If a file cannot be written; the message names it.
pub(super) fn write(out: &Path, selected: &[MapName], entry: &ImageEntry) -> Result<()> {
    for kind in selected.iter().map(|name| name.entry()) {
        let Some(png) = entry.sample.labels.maps.get(kind) else {
            continue;
        };
        let folder = out.join("maps").join(kind.name).join(entry.split);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        let path = folder.join(format!("{}.png", entry.sample.id));
        std::fs::write(&path, png).map_err(|e| Error::io(&path, e))?;
    }
    Ok(())
}
