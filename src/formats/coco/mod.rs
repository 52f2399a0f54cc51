//! COCO's instances files: <https://cocodataset.org/#format-data>.
//!
//! `coco` writes masks as compressed run lengths, since some trainers silently skip uncompressed ones, and
//! `coco-polygons` as polygons, since others skip run lengths. Polygons and both kinds of run lengths can be
//! read. Crowd annotations are left out and counted, since they do not describe single objects.

mod read;
mod write;

use serde::{Deserialize, Serialize};

use super::{Format, Holds};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "coco",
    about: "annotations/instances_SPLIT.json: boxes, masks as run lengths, keypoints",
    required: false,
    holds: HOLDS,
    write: Some(|dataset| write::write(dataset, false)),
    detect: |path| read::files(path).is_ok_and(|files| !files.is_empty()),
    read: read::read,
};

/// The entry whose masks are polygons.
pub(super) const POLYGONS: Format = Format {
    name: "coco-polygons",
    about: "annotations/instances_SPLIT.json: as coco, but masks as polygons",
    write: Some(|dataset| write::write(dataset, true)),
    ..FORMAT
};

const HOLDS: Holds = Holds {
    objects: true,
    masks: true,
    keypoints: true,
    poses: true,
    boxes_3d: true,
    camera: true,
    visible_fraction: true,
    tracks: true,
    ..Holds::NOTHING
};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Segmentation {
    /// `size` is height, width.
    RunLengths { counts: Counts, size: [u32; 2] },
    /// Polygons of x, y, x, y, …; an empty list means that no mask is known.
    Polygons(Vec<Vec<f64>>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Counts {
    Compressed(String),
    Plain(Vec<u32>),
}
