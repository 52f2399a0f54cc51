//! SOLO, which Unity's Perception package writes: `metadata.json`, and for each frame
//! `sequence.0/step0.frame_data.json` beside its pictures:
//! <https://github.com/Unity-Technologies/com.unity.perception>.
//!
//! Boxes, keypoints and the colours of instances belong together by `instanceId`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{json, keys, label_picture, masks, symmetric};
use crate::Result;
use crate::formats::{
    Category, Format, Holds, Picture, Reader, entries, file_name, folders_in, inside, wrong,
};
use crate::sample::image::extent_of;
use crate::sample::{Camera, Extent, Keypoint, Labels, Object};

/// The registry entry.
pub(in crate::formats) const FORMAT: Format = Format {
    name: "solo",
    about: "sequence.0/step0.frame_data.json of Unity Perception (SOLO); only read",
    required: false,
    holds: Holds {
        objects: true,
        masks: true,
        keypoints: true,
        camera: true,
        unknown_objects: true,
        ..Holds::NOTHING
    },
    write: None,
    detect: |path| path.join("metadata.json").is_file() && !frames(path).is_empty(),
    read,
};

/// The end of the names of frames.
const FRAME: &str = ".frame_data.json";

#[derive(Deserialize)]
struct Frame {
    captures: Vec<Capture>,
}

#[derive(Deserialize)]
struct Capture {
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    projection: Option<String>,
    /// The left upper 3×3 of the projection, row by row.
    #[serde(default)]
    matrix: Vec<f64>,
    #[serde(default)]
    annotations: Vec<Annotation>,
}

/// An annotation of any kind; which of its fields are there depends on the kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    #[serde(rename = "@type")]
    kind: String,
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    template_id: Option<String>,
    #[serde(default)]
    values: Vec<Value>,
    #[serde(default)]
    instances: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Boxed {
    instance_id: u64,
    label_name: String,
    origin: [f32; 2],
    dimension: [f32; 2],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    instance_id: u64,
    label_name: String,
    color: [u16; 4],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pointed {
    instance_id: u64,
    keypoints: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    index: usize,
    location: [f32; 2],
    /// As COCO's visibility.
    state: u8,
}

/// `annotation_definitions.json`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definitions {
    annotation_definitions: Vec<Definition>,
}

#[derive(Deserialize)]
struct Definition {
    #[serde(default)]
    spec: Vec<Value>,
    #[serde(default)]
    template: Option<Template>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Template {
    #[serde(default)]
    template_id: String,
    keypoints: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    label: String,
    index: usize,
}

/// The names of keypoints by their index, by template.
type Names = HashMap<String, BTreeMap<usize, String>>;

/// The files of frames, in the order of sequences and steps.
fn frames(path: &Path) -> Vec<PathBuf> {
    let number = |name: &str| -> u64 {
        let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = digits.find(|c: char| !c.is_ascii_digit());
        digits[..end.unwrap_or(digits.len())].parse().unwrap_or(0)
    };
    let mut frames = Vec::new();
    for folder in folders_in(path).unwrap_or_default() {
        let name = file_name(&folder);
        if !name.starts_with("sequence") {
            continue;
        }
        for file in entries(&folder).unwrap_or_default() {
            let step = file_name(&file);
            if step.ends_with(FRAME) {
                frames.push(((number(&name), number(&step)), file));
            }
        }
    }
    frames.sort();
    frames.into_iter().map(|(_, file)| file).collect()
}

fn read(path: &Path, reader: &mut Reader) -> Result<()> {
    let file = path.join("annotation_definitions.json");
    let definitions: Definitions = match file.is_file() {
        true => json(&file)?,
        false => Definitions::default(),
    };
    let mut names = Names::new();
    for definition in definitions.annotation_definitions {
        for label in &definition.spec {
            if let Some(name) = label["label_name"].as_str() {
                reader.class(Category {
                    name: name.to_owned(),
                    ..Category::default()
                });
            }
        }
        if let Some(template) = definition.template {
            let points = template.keypoints.into_iter();
            let points = points.map(|point| (point.index, point.label)).collect();
            names.insert(template.template_id, points);
        }
    }
    for file in frames(path) {
        let Some(frame) = reader.file(json::<Frame>(&file))? else {
            continue;
        };
        for (number, capture) in frame.captures.into_iter().enumerate() {
            let place = format!("{}: capture {number}", file.display());
            let picture = capture.read(&file, &place, &names, reader);
            if let Some(picture) = reader.file(picture)? {
                reader.add(place, picture)?;
            }
        }
    }
    Ok(())
}

impl Capture {
    fn read(
        self,
        frame: &Path,
        place: &str,
        names: &Names,
        reader: &mut Reader,
    ) -> Result<Picture> {
        let folder = frame.parent().unwrap_or(Path::new(""));
        let name = self.filename.as_deref().unwrap_or_default();
        let file = inside(folder, name).map_err(|problem| wrong(frame, problem))?;
        let extent = extent_of(&file)?;
        let camera = self.camera(extent);
        // By instance, in the order of their boxes.
        let mut objects: Vec<(u64, Object)> = Vec::new();
        let is_known = self.annotations.iter().any(|a| a.is("BoundingBox2D"))
            || self
                .annotations
                .iter()
                .any(|a| a.is("InstanceSegmentation"));
        for annotation in self.annotations.iter().filter(|a| a.is("BoundingBox2D")) {
            for value in &annotation.values {
                let boxed = Boxed::deserialize(value).map_err(|e| e.to_string());
                if let Some(boxed) = reader.some(place, boxed)? {
                    let ([x, y], [width, height]) = (boxed.origin, boxed.dimension);
                    let object = Object::new(boxed.label_name, [x, y, width, height]);
                    objects.push((boxed.instance_id, object));
                }
            }
        }
        for annotation in &self.annotations {
            if annotation.is("InstanceSegmentation") {
                let read = annotation.segment(folder, place, extent, &mut objects, reader);
                reader.file(read)?;
            }
        }
        for annotation in self.annotations.iter().filter(|a| a.is("Keypoint")) {
            annotation.point(place, names, &mut objects, reader)?;
        }
        let labels = Labels {
            objects: is_known.then(|| objects.into_iter().map(|(_, object)| object).collect()),
            camera,
            ..Labels::default()
        };
        Ok(Picture {
            extent: Some(extent),
            ..Picture::new(file, labels)
        })
    }

    /// The intrinsics of a symmetric perspective camera; of others they are not known.
    fn camera(&self, extent: Extent) -> Option<Camera> {
        let matrix = <[f64; 9]>::try_from(self.matrix.as_slice()).ok()?;
        let is_perspective = self
            .projection
            .as_deref()
            .is_none_or(|kind| kind.eq_ignore_ascii_case("perspective"));
        let is_symmetric = matrix[2].abs() < 1e-6 && matrix[5].abs() < 1e-6;
        (is_perspective && is_symmetric).then(|| symmetric(matrix[0], matrix[4], extent))
    }
}

impl Annotation {
    /// Whether it is of this kind, such as `type.unity.com/unity.solo.KeypointAnnotation`.
    fn is(&self, kind: &str) -> bool {
        let name = self.kind.rsplit('.').next().unwrap_or_default();
        name.strip_suffix("Annotation") == Some(kind)
    }

    /// Gives objects the masks that the picture of instances has; instances without a box are objects as well.
    fn segment(
        &self,
        folder: &Path,
        place: &str,
        extent: Extent,
        objects: &mut Vec<(u64, Object)>,
        reader: &mut Reader,
    ) -> Result<()> {
        let name = self.filename.as_deref().unwrap_or_default();
        let file = inside(folder, name).map_err(|problem| wrong(folder, problem))?;
        let mut instances = Vec::new();
        for value in &self.instances {
            let instance = Instance::deserialize(value).map_err(|e| e.to_string());
            instances.extend(reader.some(place, instance)?);
        }
        let colours = instances.iter().map(|instance| instance.color);
        let mut masks = masks(keys(label_picture(&file, extent)?), colours, extent);
        for instance in instances {
            let Some(mask) = masks.remove(&instance.color) else {
                continue;
            };
            let Some(bbox) = mask.bbox_xywh(extent.height) else {
                continue;
            };
            let known = objects
                .iter_mut()
                .find(|(id, _)| *id == instance.instance_id);
            match known {
                Some((_, object)) => {
                    object.bbox_xywh = bbox;
                    object.mask = Some(mask);
                }
                None => {
                    let object = Object::new(instance.label_name, bbox).with_mask(mask);
                    objects.push((instance.instance_id, object));
                }
            }
        }
        Ok(())
    }

    fn point(
        &self,
        place: &str,
        names: &Names,
        objects: &mut [(u64, Object)],
        reader: &mut Reader,
    ) -> Result<()> {
        let names = self.template_id.as_ref().and_then(|id| names.get(id));
        for value in &self.values {
            let pointed = Pointed::deserialize(value).map_err(|e| e.to_string());
            let Some(pointed) = reader.some(place, pointed)? else {
                continue;
            };
            let known = objects
                .iter_mut()
                .find(|(id, _)| *id == pointed.instance_id);
            let Some((_, object)) = known else { continue };
            let keypoint = |point: Point| {
                let name = names.and_then(|names| names.get(&point.index).cloned());
                let name = name.unwrap_or_else(|| format!("keypoint_{}", point.index));
                let [x, y] = point.location;
                Keypoint::from_xyv(name, [x, y, f32::from(point.state)])
            };
            object.keypoints = pointed.keypoints.into_iter().map(keypoint).collect();
        }
        Ok(())
    }
}
