//! Reads YOLO's files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::yaml::Yaml;
use super::{Data, Task, find};
use crate::formats::outline::{Point, fill};
use crate::formats::{
    Category, Picture, Reader, entries, file_name, folders_in, is_called_picture, wrong,
};
use crate::sample::image::extent_of;
use crate::sample::input::{self, stays_inside};
use crate::sample::{Extent, Keypoint, Labels, Object, Visibility};
use crate::{Error, Result};

/// The most bytes of a label file.
const MOST: u64 = 64 << 20;

/// Keys of `data.yaml` that name no split.
const NO_SPLITS: [&str; 11] = [
    "path",
    "names",
    "nc",
    "task",
    "kpt_shape",
    "kpt_names",
    "flip_idx",
    "download",
    "channels",
    "roboflow",
    "yaml_file",
];

/// Hands on the pictures of all splits.
///
/// # Errors
/// If `data.yaml` or a folder cannot be read.
pub(super) fn read(path: &Path, reader: &mut Reader) -> Result<()> {
    let data = find(path).ok_or_else(|| wrong(path, "has no data.yaml that names classes"))?;
    let source = Source::new(&data);
    for category in source.classes.values() {
        reader.class(category.clone());
    }
    for (split, folder) in source.splits(&data)? {
        let mut open = vec![folder];
        while let Some(folder) = open.pop() {
            open.extend(folders_in(&folder)?.into_iter().rev());
            for file in entries(&folder)?
                .into_iter()
                .filter(|file| is_called_picture(file))
            {
                let read = source.picture(&file, &split, reader);
                if let Some(Some(picture)) = reader.file(read)? {
                    reader.add(file.display(), picture)?;
                }
            }
        }
    }
    Ok(())
}

/// What `data.yaml` says.
struct Source {
    root: PathBuf,
    task: Option<Task>,
    classes: BTreeMap<usize, Category>,
    /// Number of keypoints, and of numbers of each.
    keypoints: [usize; 2],
}

impl Source {
    fn new(data: &Data) -> Self {
        let yaml = &data.yaml;
        let shape = yaml.get("kpt_shape").map_or(Vec::new(), Yaml::texts);
        let shape: Vec<usize> = shape.iter().filter_map(|text| text.parse().ok()).collect();
        let names = yaml.get("names").map_or(Vec::new(), Yaml::numbered);
        let points = yaml.get("kpt_names").map_or(Vec::new(), Yaml::numbered);
        let points: BTreeMap<usize, Vec<&str>> = points
            .into_iter()
            .map(|(number, names)| (number, names.texts()))
            .collect();
        let count = shape.first().copied().unwrap_or(0).min(10_000);
        let category = |(number, name): (usize, &Yaml)| {
            let keypoints = match points.get(&number) {
                Some(names) => names.iter().map(|name| (*name).to_owned()).collect(),
                None => (0..count).map(|i| format!("keypoint {i}")).collect(),
            };
            let category = Category {
                name: name.text()?.to_owned(),
                keypoints,
                skeleton: Vec::new(),
            };
            Some((number, category))
        };
        Source {
            root: data.file.parent().unwrap_or(Path::new("")).to_path_buf(),
            task: data.task(),
            classes: names.into_iter().filter_map(category).collect(),
            keypoints: [count, shape.get(1).copied().unwrap_or(3).clamp(2, 3)],
        }
    }

    /// The folders of pictures, each with its split.
    fn splits(&self, data: &Data) -> Result<Vec<(String, PathBuf)>> {
        let own = data.yaml.get("path").and_then(Yaml::text);
        let own = own.filter(|path| stays_inside(Path::new(path)));
        let root = own.map(|path| self.root.join(path));
        let root = root.filter(|root| root.is_dir());
        let root = root.unwrap_or_else(|| self.root.clone());
        let mut splits: Vec<(String, PathBuf)> = Vec::new();
        let pairs = data.yaml.pairs().iter();
        for (key, value) in pairs.filter(|(key, _)| !NO_SPLITS.contains(&key.as_str())) {
            for name in value.texts() {
                // Some exports name folders beside the one that the file lies in.
                let inner = name.strip_prefix("../").unwrap_or(name);
                let folder = root.join(inner);
                if inner.is_empty() || !stays_inside(Path::new(inner)) || !folder.is_dir() {
                    continue;
                }
                if splits.iter().all(|(_, known)| *known != folder) {
                    splits.push((split_of(&folder, key), folder));
                }
            }
        }
        if splits.is_empty() {
            return Err(Error::failed(
                data.file.display(),
                "names no folder of pictures that exists beside it",
                "name them as `train:` and `val:`, relative to the file",
            ));
        }
        Ok(splits)
    }

    /// A picture with the objects in its label file; `None` if that cannot be a label file.
    fn picture(&self, file: &Path, split: &str, reader: &mut Reader) -> Result<Option<Picture>> {
        let path = label_file(file);
        let text = match path.is_file() {
            true => input::read(&path, MOST)?,
            false => Vec::new(),
        };
        let text = String::from_utf8(text).map_err(|e| wrong(&path, e))?;
        let extent = extent_of(file)?;
        let mut objects = Vec::new();
        for (number, line) in (1..)
            .zip(text.lines())
            .filter(|(_, l)| !l.trim().is_empty())
        {
            let place = format!("{}:{number}", path.display());
            objects.extend(reader.some(place, self.object(line, extent))?);
        }
        let labels = Labels {
            objects: Some(objects),
            ..Labels::default()
        };
        Ok(Some(Picture {
            split: Some(split.to_owned()),
            extent: Some(extent),
            ..Picture::new(file.to_path_buf(), labels)
        }))
    }

    fn object(&self, line: &str, extent: Extent) -> Result<Object, String> {
        let numbers = line.split_whitespace().map(|text| {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| format!("has `{text}`, which is not a number"))
        });
        let numbers: Vec<f64> = numbers.collect::<Result<_, _>>()?;
        let (&class, numbers) = numbers.split_first().ok_or("is empty")?;
        let category = self
            .classes
            .get(&(class as usize))
            .filter(|_| class >= 0.0 && class.fract() == 0.0);
        let category = category.ok_or_else(|| {
            format!("has the class {class}, which data.yaml does not name; it is left out")
        })?;
        let pixels = |[x, y]: Point| [exact(x, extent.width), exact(y, extent.height)];
        let count = numbers.len();
        let keypoints = self.keypoints[0] * self.keypoints[1];
        let polygon = || -> Vec<Point> {
            let corners = numbers.as_chunks::<2>().0.iter();
            corners.map(|corner| pixels(*corner)).collect()
        };
        let is_box = matches!(self.task, None | Some(Task::Detect | Task::Pose));
        match self.task {
            Some(Task::Pose) if count == 4 + keypoints => {
                let bbox = upright(
                    pixels([numbers[0], numbers[1]]),
                    pixels([numbers[2], numbers[3]]),
                );
                Ok(Object {
                    keypoints: self.keypoints(category, &numbers[4..], extent),
                    ..Object::new(&category.name, bbox)
                })
            }
            // Predictions have their confidence after the box.
            _ if is_box && (count == 4 || count == 5) => {
                let bbox = upright(
                    pixels([numbers[0], numbers[1]]),
                    pixels([numbers[2], numbers[3]]),
                );
                Ok(Object::new(&category.name, bbox))
            }
            Some(Task::Oriented) if count == 8 => {
                Ok(Object::new(&category.name, around(&polygon(), extent)))
            }
            None | Some(Task::Segment | Task::Detect) if count >= 6 && count.is_multiple_of(2) => {
                let mask = fill(&polygon(), extent)?;
                let bbox = mask.bbox_xywh(extent.height);
                let bbox = bbox.ok_or("has a polygon without a pixel; it is left out")?;
                Ok(Object::new(&category.name, bbox).with_mask(mask))
            }
            _ => Err(format!(
                "has {count} numbers after the class; it is left out"
            )),
        }
    }

    fn keypoints(&self, category: &Category, numbers: &[f64], extent: Extent) -> Vec<Keypoint> {
        let points = numbers.chunks_exact(self.keypoints[1]);
        let keypoint = |(name, point): (&String, &[f64])| Keypoint {
            name: name.clone(),
            x: exact(point[0], extent.width) as f32,
            y: exact(point[1], extent.height) as f32,
            visibility: match point.get(2) {
                Some(visibility) => Visibility::from_coco(*visibility as u8),
                None if point == [0.0, 0.0] => Visibility::Outside,
                None => Visibility::Visible,
            },
        };
        category
            .keypoints
            .iter()
            .zip(points)
            .map(keypoint)
            .collect()
    }
}

/// A share of a side in pixels, rounded far below what can be seen, so that whole pixels stay whole.
fn exact(share: f64, side: u32) -> f64 {
    const STEPS: f64 = 65536.0;
    (share * f64::from(side) * STEPS).round() / STEPS
}

/// A box from its middle and size.
fn upright(middle: Point, size: Point) -> [f32; 4] {
    let corner = |axis: usize| middle[axis] - size[axis] / 2.0;
    let snapped = |v: f64| exact(v, 1) as f32;
    [
        snapped(corner(0)),
        snapped(corner(1)),
        size[0] as f32,
        size[1] as f32,
    ]
}

/// The upright box around corners, as far as it lies in the picture.
fn around(corners: &[Point], extent: Extent) -> [f32; 4] {
    let range = |axis: usize, side: u32| {
        let values = corners
            .iter()
            .map(|corner| corner[axis].clamp(0.0, f64::from(side)));
        values.fold((f64::MAX, f64::MIN), |(low, high), v| {
            (low.min(v), high.max(v))
        })
    };
    let ((left, right), (top, bottom)) = (range(0, extent.width), range(1, extent.height));
    [left, top, right - left, bottom - top].map(|v| v as f32)
}

/// The label file of a picture: in `labels` where the picture lies in `images`, otherwise beside it.
fn label_file(picture: &Path) -> PathBuf {
    let mut parts: Vec<_> = picture.components().collect();
    let images = parts.iter().rposition(|part| part.as_os_str() == "images");
    if let Some(place) = images {
        parts[place] = std::path::Component::Normal("labels".as_ref());
    }
    parts.iter().collect::<PathBuf>().with_extension("txt")
}

/// The split of a folder: `images/SPLIT` and `SPLIT/images` name it, otherwise its key in `data.yaml`.
fn split_of(folder: &Path, key: &str) -> String {
    let name = file_name(folder);
    let above = folder.parent().map(file_name).unwrap_or_default();
    match (name.as_str(), above.as_str()) {
        (_, "images") => name,
        ("images", above) if !above.is_empty() && !["train", "val", "test"].contains(&key) => {
            above.to_owned()
        }
        _ => key.to_owned(),
    }
}
