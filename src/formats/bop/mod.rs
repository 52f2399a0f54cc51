//! BOP, the format of the benchmark for 6D poses, which BlenderProc writes as well:
//! <https://github.com/thodan/bop_toolkit/blob/master/docs/bop_datasets_format.md>.
//!
//! `SPLIT/SCENE` holds `rgb`, `mask_visib` and `depth` by number, and `scene_gt.json`, `scene_gt_info.json` and
//! `scene_camera.json`. Objects have numbers; `objects.json`, which is no part of BOP, names them. Lengths are
//! in millimetres.

mod read;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Format, Holds};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "bop",
    about: "SPLIT/SCENE/scene_gt.json and its neighbours of BOP: poses, masks, cameras, depth",
    required: false,
    holds: Holds {
        objects: true,
        masks: true,
        poses: true,
        camera: true,
        visible_fraction: true,
        ..Holds::NOTHING
    },
    write: Some(write::write),
    detect: |path| !read::scenes(path).is_empty(),
    read: read::read,
};

/// Names of objects by their number.
const NAMES: &str = "objects.json";

const POSES: &str = "scene_gt.json";
const INFO: &str = "scene_gt_info.json";
const CAMERA: &str = "scene_camera.json";

/// What stands in a file of a scene for each image, by its number.
type ByImage<T> = BTreeMap<String, T>;

/// The pose of an object; without one, BOP only knows which object it is.
#[derive(Serialize, Deserialize)]
struct Pose {
    /// Row by row, from the object to the camera.
    #[serde(default, rename = "cam_R_m2c", skip_serializing_if = "Option::is_none")]
    rotation: Option<[f64; 9]>,
    /// In millimetres.
    #[serde(default, rename = "cam_t_m2c", skip_serializing_if = "Option::is_none")]
    translation: Option<[f64; 3]>,
    #[serde(rename = "obj_id")]
    object: u64,
}

/// What an object covers.
#[derive(Serialize, Deserialize)]
struct Info {
    /// The box without occlusion; may extend beyond the frame.
    #[serde(default)]
    bbox_obj: Option<[f64; 4]>,
    #[serde(default)]
    bbox_visib: Option<[f64; 4]>,
    #[serde(default)]
    px_count_all: Option<f64>,
    #[serde(default)]
    px_count_valid: Option<f64>,
    #[serde(default)]
    px_count_visib: Option<f64>,
    #[serde(default)]
    visib_fract: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct Intrinsics {
    /// Row by row.
    #[serde(default, rename = "cam_K", skip_serializing_if = "Option::is_none")]
    matrix: Option<[f64; 9]>,
    /// Millimetres for each step of depth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    depth_scale: Option<f64>,
}
