//! How many photos there are, and how large they are, for plans.

use std::path::{Path, PathBuf};

use super::Ingest;
use crate::sample::listing;

/// What can be said of photos without opening one.
#[derive(Default)]
pub(super) struct KnownPhotos {
    /// Bytes of all photos of the share.
    pub bytes: u64,
    /// Crops, if every box can be used.
    pub crops: Option<u64>,
}

impl Ingest {
    pub(super) fn known_photos(&self) -> KnownPhotos {
        let shares = self.share[1].max(1) as u64;
        let taken = if self.others { shares - 1 } else { 1 };
        let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
        let photos = self.may_be_photos().unwrap_or_default();
        let (count, bytes) = photos.iter().fold((0, 0), |(count, bytes), path| {
            (count + 1, bytes + length(path))
        });
        let rows = self.boxes.as_ref().map(|csv| {
            let rows = self.boxes(csv).and_then(|boxes| boxes.rows(&|| Ok(())));
            Some(self.framed(rows.ok()?).len() as u64)
        });
        let crops = match rows {
            Some(rows) => rows,
            // How long a video is, and what an archive holds, is not known.
            None => {
                let are_files = self.path.is_dir() || listing::is_pattern(&self.path);
                (are_files && self.fps.is_none()).then_some(count)
            }
        };
        KnownPhotos {
            bytes: bytes * taken / shares,
            crops: crops.map(|crops| crops * taken / shares),
        }
    }

    /// The files of a folder or pattern but tables, or the archive or video itself; `None` if they cannot be listed.
    fn may_be_photos(&self) -> Option<Vec<PathBuf>> {
        let mut files = match self.path.is_dir() {
            true => listing::tree(&self.path, &|| Ok(())).ok()?.files,
            false => self.found().ok()?,
        };
        files.retain(|path| !is_table(path));
        Some(files)
    }

    /// Whether it is a folder without a photo. Most show one at once; to walk through a large one takes time.
    pub(super) fn is_empty_folder(&self) -> bool {
        let near = std::fs::read_dir(&self.path).into_iter().flatten();
        let mut near = near.flatten().map(|entry| entry.path());
        self.path.is_dir()
            && !near.any(|path| path.is_file() && !is_table(&path))
            && self.may_be_photos().is_some_and(|files| files.is_empty())
    }
}

fn is_table(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    let tables = ["csv", "txt", "json"];
    tables
        .iter()
        .any(|table| extension.eq_ignore_ascii_case(table))
}
