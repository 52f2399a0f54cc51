//! Maps as files of their own: `maps/depth/train/ID.png`, outside the folders that loaders of images read.

use std::path::Path;

use crate::formats::Entry;
use crate::sample::maps::MapName;
use crate::{Error, Result};

/// Writes the `wanted` maps that the image has.
///
/// # Errors
/// If a file cannot be written; the message names it.
pub fn write(out: &Path, wanted: &[MapName], entry: &Entry) -> Result<()> {
    for kind in wanted.iter().map(|name| name.kind()) {
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
