//! What `BasicWriter` of NVIDIA's Omniverse Replicator (Isaac Sim) writes, a file for each frame and annotator:
//! <https://docs.omniverse.nvidia.com/extensions/latest/ext_replicator/annotators_details.html>.
//!
//! Files lie in one folder, or, with several cameras, in a folder for each, with or without a folder for each
//! annotator. Corners of boxes are the first and the last pixel. Objects are those with a tight box; each gets the
//! mask of its prim. Without boxes, objects are the instances of the segmentation.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{by_key, insert_depth, json, keys, label_picture, masks, npy, symmetric};
use crate::Result;
use crate::formats::{
    Format, Holds, Picture, Reader, entries, file_name, folders_in, is_called_picture, wrong,
};
use crate::sample::image::extent_of;
use crate::sample::{Camera, Extent, Labels, Maps, Mask, Object};

/// The registry entry.
pub(in crate::formats) const FORMAT: Format = Format {
    name: "replicator",
    about: "rgb_0000.png, bounding_box_2d_tight_0000.npy, … of Isaac Sim Replicator's BasicWriter; only read",
    required: false,
    holds: Holds {
        objects: true,
        masks: true,
        camera: true,
        visible_fraction: true,
        unknown_objects: true,
        ..Holds::NOTHING
    },
    write: None,
    detect: |path| {
        let frames = frames(path);
        frames.iter().any(Frame::has_labels)
    },
    read,
};

/// The annotators whose files make a folder one of Replicator's.
const LABELS: [&str; 2] = ["bounding_box_2d_tight", "instance_segmentation"];

/// What pixels without a labelled object are called.
const NOTHING: [&str; 2] = ["BACKGROUND", "UNLABELLED"];

/// One picture and the files beside it.
struct Frame {
    /// The folder of its camera.
    folder: PathBuf,
    picture: PathBuf,
    /// Such as `0000`.
    number: String,
}

impl Frame {
    /// The file `NAME_NUMBER.ENDING` of an annotator, if there is one.
    fn file(&self, annotator: &str, name: &str, ending: &str) -> Option<PathBuf> {
        let name = format!("{name}_{}.{ending}", self.number);
        let places = [
            self.folder.join(&name),
            self.folder.join(annotator).join(name),
        ];
        places.into_iter().find(|place| place.is_file())
    }

    fn has_labels(&self) -> bool {
        let [boxes, segments] = LABELS;
        self.file(boxes, boxes, "npy").is_some() || self.file(segments, segments, "png").is_some()
    }
}

/// The frames of a folder and of the cameras in it.
fn frames(path: &Path) -> Vec<Frame> {
    let mut cameras = vec![path.to_path_buf()];
    cameras.extend(folders_in(path).unwrap_or_default());
    let frames = cameras.into_iter().flat_map(|folder| {
        let own = entries(&folder).unwrap_or_default();
        let deeper = entries(&folder.join("rgb")).unwrap_or_default();
        let files = own.into_iter().chain(deeper);
        files.filter_map(move |picture| {
            let name = file_name(&picture);
            let (number, _) = name.strip_prefix("rgb_")?.rsplit_once('.')?;
            is_called_picture(&picture).then(|| Frame {
                folder: folder.clone(),
                number: number.to_owned(),
                picture,
            })
        })
    });
    frames.collect()
}

fn read(path: &Path, reader: &mut Reader) -> Result<()> {
    for frame in frames(path) {
        let place = frame.picture.display().to_string();
        let picture = frame.read(reader);
        if let Some(picture) = reader.file(picture)? {
            reader.add(place, picture)?;
        }
    }
    Ok(())
}

/// A row of `bounding_box_2d_tight`.
struct TightBox {
    class: String,
    bbox: [f32; 4],
    visible: f32,
    prim: Option<String>,
}

/// An instance of `instance_segmentation`.
struct Instance {
    class: String,
    prim: Option<String>,
    mask: Mask,
}

impl Frame {
    fn read(&self, reader: &mut Reader) -> Result<Picture> {
        let extent = extent_of(&self.picture)?;
        let boxes = self.boxes(reader)?;
        let instances = reader.file(self.instances(extent))?.flatten();
        let objects = match (boxes, instances) {
            (None, None) => None,
            (boxes, instances) => Some(joined(boxes, instances.unwrap_or_default(), extent)),
        };
        let view = reader.file(self.view())?.flatten();
        let mut labels = Labels {
            objects,
            camera: view.as_ref().and_then(|view| view.camera(extent)),
            ..Labels::default()
        };
        let maps = self.depth(view.as_ref(), labels.camera, extent);
        labels.maps = reader.file(maps)?.unwrap_or_default();
        Ok(Picture {
            extent: Some(extent),
            ..Picture::new(self.picture.clone(), labels)
        })
    }

    fn boxes(&self, reader: &mut Reader) -> Result<Option<Vec<TightBox>>> {
        let [name, _] = LABELS;
        let Some(file) = self.file(name, name, "npy") else {
            return Ok(None);
        };
        let Some(array) = reader.file(npy::read(&file))? else {
            return Ok(None);
        };
        let column = |name: &str| {
            let missing = || wrong(&file, format!("has no field `{name}` that can be read"));
            array.column(name).ok_or_else(missing)
        };
        let corners = [
            column("x_min"),
            column("y_min"),
            column("x_max"),
            column("y_max"),
        ];
        let corners: Result<Vec<Vec<f64>>> = corners.into_iter().collect();
        let (Some(corners), Some(ids)) =
            (reader.file(corners)?, reader.file(column("semanticId"))?)
        else {
            return Ok(None);
        };
        let hidden = array.column("occlusionRatio").unwrap_or_default();
        let classes: BTreeMap<String, Value> =
            match self.file(name, &format!("{name}_labels"), "json") {
                Some(labels) => reader.file(json(&labels))?.unwrap_or_default(),
                None => BTreeMap::new(),
            };
        let paths = self.file(name, &format!("{name}_prim_paths"), "json");
        let prims: Vec<String> = match paths {
            Some(paths) => reader.file(json(&paths))?.unwrap_or_default(),
            None => Vec::new(),
        };
        let mut boxes = Vec::new();
        for (row, id) in ids.iter().enumerate() {
            let place = format!("{}: row {row}", file.display());
            let class = classes.get(&id.to_string()).and_then(class_of);
            let class =
                class.ok_or_else(|| format!("has the semantic id {id}, which has no label"));
            let Some(class) = reader.some(&place, class)? else {
                continue;
            };
            let [left, top, right, bottom] = [0, 1, 2, 3].map(|side| corners[side][row]);
            let bbox = [left, top, right - left + 1.0, bottom - top + 1.0];
            let hidden = hidden.get(row).copied().unwrap_or(0.0);
            boxes.push(TightBox {
                class,
                bbox: bbox.map(|v| v as f32),
                // Where it is not known, it is negative or no number.
                visible: match (0.0..=1.0).contains(&hidden) {
                    true => 1.0 - hidden as f32,
                    false => 1.0,
                },
                prim: prims.get(row).cloned(),
            });
        }
        Ok(Some(boxes))
    }

    fn instances(&self, extent: Extent) -> Result<Option<Vec<Instance>>> {
        let [_, name] = LABELS;
        let Some(file) = self.file(name, name, "png") else {
            return Ok(None);
        };
        let semantics = self.file(name, &format!("{name}_semantics_mapping"), "json");
        let semantics = semantics.ok_or_else(|| {
            let problem = format!(
                "has no {name}_semantics_mapping_{}.json beside it",
                self.number
            );
            wrong(&file, problem)
        })?;
        let semantics: HashMap<[u16; 4], Value> = by_key(json(&semantics)?);
        let prims = match self.file(name, &format!("{name}_mapping"), "json") {
            Some(mapping) => by_key::<Value>(json(&mapping)?),
            None => HashMap::new(),
        };
        let pixels = keys(label_picture(&file, extent)?);
        let masks = masks(pixels, semantics.keys().copied(), extent);
        let mut instances: Vec<([u16; 4], Instance)> = Vec::new();
        for (key, mask) in masks {
            let class = class_of(&semantics[&key]);
            let class = class.filter(|class| !NOTHING.contains(&class.as_str()));
            if let Some(class) = class {
                let prim = prims.get(&key).and_then(Value::as_str).map(str::to_owned);
                instances.push((key, Instance { class, prim, mask }));
            }
        }
        instances.sort_by_key(|(key, _)| *key);
        Ok(Some(
            instances
                .into_iter()
                .map(|(_, instance)| instance)
                .collect(),
        ))
    }

    fn view(&self) -> Result<Option<View>> {
        let name = "camera_params";
        let file = self.file(name, name, "json");
        file.map(|file| json(&file)).transpose()
    }

    /// The map of depth, from the distance to the image plane, or to the camera if its intrinsics are known.
    fn depth(&self, view: Option<&View>, camera: Option<Camera>, extent: Extent) -> Result<Maps> {
        let mut maps = Maps::default();
        let plane = "distance_to_image_plane";
        let rays = "distance_to_camera";
        let (file, camera) = match self.file(plane, plane, "npy") {
            Some(file) => (file, None),
            None => match (self.file(rays, rays, "npy"), camera) {
                (Some(file), Some(camera)) => (file, Some(camera)),
                _ => return Ok(maps),
            },
        };
        let array = npy::read(&file)?;
        let (width, height) = (extent.width as usize, extent.height as usize);
        let values = array
            .column("")
            .filter(|_| array.shape[..] == [height, width]);
        let values = values.ok_or_else(|| {
            let problem = format!("has no numbers of {width}×{height} pixels, as its picture");
            wrong(&file, problem)
        })?;
        let unit = view
            .and_then(|view| view.meters_per_scene_unit)
            .unwrap_or(1.0);
        let metres = values.iter().enumerate().map(|(at, &value)| {
            let along = camera.map_or(1.0, |camera| along_axis(camera, at % width, at / width));
            (value * along * unit) as f32
        });
        insert_depth(
            &mut maps,
            &metres.collect::<Vec<_>>(),
            f32::INFINITY,
            extent,
        )?;
        Ok(maps)
    }
}

/// The part of a distance through the middle of a pixel that lies along the optical axis.
fn along_axis(camera: Camera, column: usize, row: usize) -> f64 {
    let [fx, fy, cx, cy] = camera.to_array().map(f64::from);
    let (x, y) = (
        (column as f64 + 0.5 - cx) / fx,
        (row as f64 + 0.5 - cy) / fy,
    );
    1.0 / (1.0 + x * x + y * y).sqrt()
}

/// `{"class": "cube"}`, or another kind of label; several of a kind are separated by commas.
fn class_of(labels: &Value) -> Option<String> {
    let label = match labels {
        Value::Object(labels) => labels.get("class").or_else(|| labels.values().next())?,
        plain => plain,
    };
    let label = label.as_str()?;
    Some(label.split(',').next().unwrap_or(label).trim().to_owned())
}

/// The objects: boxes with the masks of their prims; without boxes, the instances.
fn joined(boxes: Option<Vec<TightBox>>, instances: Vec<Instance>, extent: Extent) -> Vec<Object> {
    let only_instances = boxes.is_none();
    let mut left: Vec<Option<Instance>> = instances.into_iter().map(Some).collect();
    let mut objects = Vec::new();
    for tight in boxes.unwrap_or_default() {
        let fits = |instance: &Instance| match (&tight.prim, &instance.prim) {
            (Some(a), Some(b)) => a == b,
            _ => {
                let around = instance.mask.bbox_xywh(extent.height).unwrap_or_default();
                let is_near = |(a, b): (&f32, f32)| (a - b).abs() <= 1.0;
                instance.class == tight.class && around.iter().zip(tight.bbox).all(is_near)
            }
        };
        let found = left.iter_mut().find(|i| i.as_ref().is_some_and(fits));
        let mask = found.and_then(Option::take).map(|instance| instance.mask);
        let around = mask.as_ref().and_then(|mask| mask.bbox_xywh(extent.height));
        objects.push(Object {
            mask,
            visible_fraction: tight.visible,
            ..Object::new(tight.class, around.unwrap_or(tight.bbox))
        });
    }
    for instance in left.into_iter().flatten().filter(|_| only_instances) {
        if let Some(bbox) = instance.mask.bbox_xywh(extent.height) {
            objects.push(Object::new(instance.class, bbox).with_mask(instance.mask));
        }
    }
    objects
}

/// `camera_params`, matrices row by row.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct View {
    #[serde(default)]
    camera_model: Option<String>,
    camera_projection: Vec<f64>,
    #[serde(default)]
    meters_per_scene_unit: Option<f64>,
}

impl View {
    /// The intrinsics of a symmetric pinhole camera; of others they are not known.
    fn camera(&self, extent: Extent) -> Option<Camera> {
        let matrix = <[f64; 16]>::try_from(self.camera_projection.as_slice()).ok()?;
        let is_pinhole = self
            .camera_model
            .as_deref()
            .is_none_or(|model| model == "pinhole");
        let is_symmetric = matrix[8].abs() < 1e-6 && matrix[9].abs() < 1e-6;
        (is_pinhole && is_symmetric).then(|| symmetric(matrix[0], matrix[5], extent))
    }
}
