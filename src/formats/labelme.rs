//! LabelMe's JSON, one file beside each picture: <https://github.com/wkentaro/labelme>.
//!
//! Shapes of one object have the same `group_id`: its polygon (or rectangle, if its mask is unknown) with the
//! class as label, and a point for each keypoint with the keypoint's name as label. A flag of the picture is
//! its class.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::outline::{Point, fill, outline, rectangle, union};
use super::reader::checked;
use super::{
    DatasetInfo, Format, Holds, ImageEntry, Picture, Reader, Writer, entries, file_name,
    folders_in, from_json, inside, wrong,
};
use crate::sample::input::{self, MOST_BYTES};
use crate::sample::{Extent, Keypoint, Labels, Object, Visibility};
use crate::{Error, Result};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "labelme",
    about: "SPLIT/ID.json beside each picture, as LabelMe shows and edits it",
    required: false,
    holds: Holds {
        class: true,
        objects: true,
        masks: true,
        keypoints: true,
        ..Holds::NOTHING
    },
    write: Some(write),
    detect: |path| {
        folders(path)
            .iter()
            .any(|(_, folder)| has_label_file(folder))
    },
    read,
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    version: String,
    #[serde(default)]
    flags: BTreeMap<String, bool>,
    shapes: Vec<Shape>,
    image_path: String,
    /// The picture itself in base64; not read.
    #[serde(default, skip_deserializing)]
    image_data: Option<String>,
    image_height: Option<u32>,
    image_width: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct Shape {
    label: String,
    points: Vec<Point>,
    group_id: Option<i64>,
    #[serde(default)]
    shape_type: String,
    #[serde(default)]
    flags: Option<BTreeMap<String, bool>>,
}

/// The flag of a keypoint that is not in view.
const HIDDEN: &str = "hidden";

struct LabelMe<'a> {
    out: &'a Path,
}

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    for split in dataset.images.keys() {
        let folder = dataset.out.join(split);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    }
    Ok(Box::new(LabelMe { out: dataset.out }))
}

impl Writer for LabelMe<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let Extent { width, height } = entry.sample.extent;
        let Some(objects) = &entry.sample.labels.objects else {
            // Its objects are unknown; a file without shapes would say that there are none.
            return Ok(());
        };
        entry.place_at(self.out, &format!("{}/{}", entry.split, entry.name()))?;
        let shapes = (1..).zip(objects);
        let file = File {
            version: "5.5.0".to_owned(),
            flags: entry
                .class
                .map(|c| (c.to_owned(), true))
                .into_iter()
                .collect(),
            shapes: shapes
                .flat_map(|(group, o)| shapes_of(o, group, entry.sample.extent))
                .collect(),
            image_path: entry.name().to_owned(),
            image_data: None,
            image_height: Some(height),
            image_width: Some(width),
        };
        let path = self
            .out
            .join(entry.split)
            .join(format!("{}.json", entry.stem()));
        let text = serde_json::to_vec_pretty(&file).map_err(|e| Error::io(&path, e.into()))?;
        std::fs::write(&path, text).map_err(|e| Error::io(&path, e))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn shapes_of(object: &Object, group: i64, extent: Extent) -> Vec<Shape> {
    let shape = |label: &str, kind: &str, points| Shape {
        label: label.to_owned(),
        points,
        group_id: Some(group),
        shape_type: kind.to_owned(),
        flags: Some(BTreeMap::new()),
    };
    let area = match &object.mask {
        Some(mask) => shape(&object.class, "polygon", outline(mask, extent)),
        None => {
            let corners = rectangle(object.bbox_xywh);
            shape(&object.class, "rectangle", vec![corners[0], corners[2]])
        }
    };
    let known = object.keypoints.iter();
    let known = known.filter(|keypoint| keypoint.visibility != Visibility::Outside);
    let points = known.map(|keypoint| {
        let place = [keypoint.x, keypoint.y].map(f64::from);
        let hidden = keypoint.visibility == Visibility::Hidden;
        Shape {
            flags: Some(
                hidden
                    .then(|| (HIDDEN.to_owned(), true))
                    .into_iter()
                    .collect(),
            ),
            ..shape(&keypoint.name, "point", vec![place])
        }
    });
    std::iter::once(area).chain(points).collect()
}

/// The folder and those in it, each with its split.
fn folders(root: &Path) -> Vec<(Option<String>, PathBuf)> {
    let inner = folders_in(root).unwrap_or_default().into_iter();
    let inner = inner.map(|folder| (Some(file_name(&folder)), folder));
    std::iter::once((None, root.to_path_buf()))
        .chain(inner)
        .collect()
}

/// Whether the first JSON file of a folder has LabelMe's shapes.
fn has_label_file(folder: &Path) -> bool {
    let first = label_files(folder).unwrap_or_default().into_iter().next();
    first.is_some_and(|file| {
        let text = std::fs::metadata(&file)
            .ok()
            .filter(|meta| meta.len() < MOST_BYTES)
            .and_then(|_| std::fs::read(&file).ok())
            .unwrap_or_default();
        let contains = |key: &[u8]| text.windows(key.len()).any(|window| window == key);
        contains(b"\"shapes\"") && contains(b"\"imagePath\"")
    })
}

fn label_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = entries(folder)?;
    files.retain(|file| file.extension().is_some_and(|e| e == "json"));
    Ok(files)
}

fn read(root: &Path, reader: &mut Reader) -> Result<()> {
    for (split, folder) in folders(root) {
        for path in label_files(&folder)? {
            let picture = picture(&path, split.clone(), reader);
            if let Some(picture) = reader.file(picture)? {
                reader.add(path.display(), picture)?;
            }
        }
    }
    Ok(())
}

/// # Errors
/// If the file cannot be read, or is not one of LabelMe.
fn picture(path: &Path, split: Option<String>, reader: &mut Reader) -> Result<Picture> {
    let text = input::read(path, MOST_BYTES)?;
    let file: File = from_json(&text).map_err(|e| wrong(path, e))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = inside(folder, &file.image_path).map_err(|e| wrong(path, e))?;
    let extent = match (file.image_width, file.image_height) {
        (Some(width), Some(height)) => Extent::new(width, height),
        _ => crate::sample::image::extent_of(&name)?,
    };
    let extent = checked(extent).map_err(|e| wrong(path, e))?;
    let mut groups: BTreeMap<(bool, i64), Vec<Shape>> = BTreeMap::new();
    for (number, shape) in (0..).zip(file.shapes) {
        let key = shape
            .group_id
            .map_or((false, number), |group| (true, group));
        groups.entry(key).or_default().push(shape);
    }
    let mut objects = Vec::new();
    for shapes in groups.into_values() {
        objects.extend(reader.some(path.display(), object(shapes, extent))?);
    }
    let class = file.flags.into_iter().find(|(_, set)| *set);
    let labels = Labels {
        class: class.map(|(class, _)| class),
        objects: Some(objects),
        ..Labels::default()
    };
    Ok(Picture {
        split,
        extent: Some(extent),
        ..Picture::new(name, labels)
    })
}

/// The object that shapes of one group make.
fn object(shapes: Vec<Shape>, extent: Extent) -> Result<Object, String> {
    let (points, areas): (Vec<_>, Vec<_>) =
        shapes.into_iter().partition(|s| s.shape_type == "point");
    let first = areas.first();
    let first =
        first.ok_or("has a point without a polygon or rectangle of its group; it is left out")?;
    let class = first.label.clone();
    let masks = areas.iter().filter(|area| area.shape_type != "rectangle");
    let masks = masks.map(|area| fill(&polygon(area)?, extent));
    let masks = masks.collect::<Result<Vec<_>, _>>()?;
    let object = match &masks[..] {
        [] => Object::new(class, corners(&first.points)?),
        masks => {
            let mask = match masks {
                [mask] => mask.clone(),
                several => union(several, extent),
            };
            let bbox = mask.bbox_xywh(extent.height);
            let bbox = bbox.ok_or_else(|| format!("has a polygon `{class}` without a pixel"))?;
            Object::new(class, bbox).with_mask(mask)
        }
    };
    let keypoint = |shape: Shape| {
        let [x, y] = *shape.points.first()?;
        let hidden = shape
            .flags
            .is_some_and(|flags| flags.get(HIDDEN) == Some(&true));
        Some(Keypoint {
            name: shape.label,
            x: x as f32,
            y: y as f32,
            visibility: match hidden {
                true => Visibility::Hidden,
                false => Visibility::Visible,
            },
        })
    };
    Ok(Object {
        keypoints: points.into_iter().filter_map(keypoint).collect(),
        ..object
    })
}

fn polygon(shape: &Shape) -> Result<Vec<Point>, String> {
    match (shape.shape_type.as_str(), &shape.points[..]) {
        ("polygon" | "", points) => Ok(points.to_vec()),
        ("circle", &[middle, rim]) => {
            const CORNERS: u32 = 90;
            let radius = (rim[0] - middle[0]).hypot(rim[1] - middle[1]);
            let corner = |number: u32| {
                let angle = f64::from(number) / f64::from(CORNERS) * std::f64::consts::TAU;
                [
                    middle[0] + radius * angle.cos(),
                    middle[1] + radius * angle.sin(),
                ]
            };
            Ok((0..CORNERS).map(corner).collect())
        }
        (kind, _) => Err(format!(
            "has a shape of the kind `{kind}`, which is left out"
        )),
    }
}

/// The box between two opposite corners, whichever.
fn corners(points: &[Point]) -> Result<[f32; 4], String> {
    let &[a, b] = points else {
        return Err(format!(
            "has a rectangle of {} corners, not 2",
            points.len()
        ));
    };
    let (left, right) = (a[0].min(b[0]), a[0].max(b[0]));
    let (top, bottom) = (a[1].min(b[1]), a[1].max(b[1]));
    Ok([left, top, right - left, bottom - top].map(|v| v as f32))
}
