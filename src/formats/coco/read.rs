//! Reads COCO's files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use hotcoco::mask as rle;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::{Counts, Segmentation};
use crate::Result;
use crate::formats::reader::checked;
use crate::formats::{
    Category, Picture, Reader, entries, file_name, folders_in, from_json, inside, wrong,
};
use crate::sample::input::{self, MOST_BYTES};
use crate::sample::{Camera, Extent, Keypoint, Labels, Mask, Object};

/// The parts of a file that the reader uses; everything else is ignored.
#[derive(Deserialize)]
struct Dataset {
    images: Vec<Lenient<ReadImage>>,
    #[serde(default)]
    annotations: Vec<Lenient<ReadAnnotation>>,
    #[serde(default)]
    categories: Vec<ReadCategory>,
}

/// An entry of a list, or why it is none; the rest of the list can be read all the same.
struct Lenient<T>(Result<T, String>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        Ok(Lenient(T::deserialize(value).map_err(|e| e.to_string())))
    }
}

#[derive(Deserialize)]
struct ReadImage {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
    camera: Option<Camera>,
}

#[derive(Deserialize)]
struct ReadAnnotation {
    id: Option<u64>,
    image_id: u64,
    category_id: u64,
    bbox: Option<[f32; 4]>,
    segmentation: Option<Segmentation>,
    #[serde(default)]
    iscrowd: u8,
    #[serde(default)]
    keypoints: Vec<f32>,
    pose: Option<[f32; 12]>,
    box_3d: Option<[f32; 6]>,
    visible_fraction: Option<f32>,
    /// A number or a text.
    track_id: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct ReadCategory {
    id: u64,
    name: String,
    #[serde(default)]
    keypoints: Vec<String>,
    /// Pairs of positions from 1.
    #[serde(default)]
    skeleton: Vec<[usize; 2]>,
}

/// The annotation files of a dataset: a file itself, or those in a folder or its `annotations`.
///
/// # Errors
/// If a folder cannot be listed.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let is_coco = |file: &PathBuf| {
        file.extension().is_some_and(|e| e == "json") && begins_like_coco(file).unwrap_or(false)
    };
    if !path.is_dir() {
        return Ok(Some(path.to_path_buf())
            .filter(is_coco)
            .into_iter()
            .collect());
    }
    let mut found = entries(path)?;
    if path.join("annotations").is_dir() {
        found.extend(entries(&path.join("annotations"))?);
    }
    let splits = folders_in(path)?.into_iter();
    found.extend(splits.map(|split| split.join(ROBOFLOW)));
    found.retain(is_coco);
    Ok(found)
}

/// Whether the first few thousand bytes name `images`, `annotations`, `info` or `categories`.
fn begins_like_coco(file: &Path) -> std::io::Result<bool> {
    use std::io::Read;
    let mut head = Vec::new();
    File::open(file)?.take(4096).read_to_end(&mut head)?;
    let head = String::from_utf8_lossy(&head);
    let keys = [
        "\"images\"",
        "\"annotations\"",
        "\"info\"",
        "\"categories\"",
    ];
    Ok(head.trim_start().starts_with('{') && keys.iter().any(|key| head.contains(key)))
}

/// Hands on the pictures of all annotation files, in their order.
///
/// # Errors
/// If a file cannot be read, or is not JSON of COCO; the message names it.
pub(super) fn read(path: &Path, reader: &mut Reader) -> Result<()> {
    for file in files(path)? {
        let text = input::read(&file, MOST_BYTES)?;
        let dataset: Dataset = from_json(&text).map_err(|e| wrong(&file, e))?;
        drop(text);
        Source::new(&file, dataset.categories, reader).read(
            dataset.images,
            dataset.annotations,
            reader,
        )?;
    }
    Ok(())
}

/// One annotation file.
struct Source<'a> {
    file: &'a Path,
    split: Option<String>,
    categories: BTreeMap<u64, ReadCategory>,
    /// Where pictures may lie; the first is where the last one was found.
    folders: Vec<PathBuf>,
}

impl<'a> Source<'a> {
    fn new(file: &'a Path, categories: Vec<ReadCategory>, reader: &mut Reader) -> Self {
        for category in &categories {
            let pairs = category.skeleton.iter();
            let joined = pairs.filter_map(|pair| {
                let [a, b] = pair.map(|at| at.checked_sub(1));
                Some([a?, b?])
            });
            reader.class(Category {
                name: category.name.clone(),
                keypoints: category.keypoints.clone(),
                skeleton: joined.collect(),
            });
        }
        let split = split_of(file);
        Source {
            file,
            folders: folders(file, split.as_deref()),
            split,
            categories: categories.into_iter().map(|c| (c.id, c)).collect(),
        }
    }

    fn read(
        mut self,
        images: Vec<Lenient<ReadImage>>,
        annotations: Vec<Lenient<ReadAnnotation>>,
        reader: &mut Reader,
    ) -> Result<()> {
        let mut annotations = self.by_image(annotations, reader)?;
        let mut ids = HashSet::new();
        for (number, image) in images.into_iter().enumerate() {
            let place = format!("{}: image {number}", self.file.display());
            let Some(image) = reader.some(&place, image.0)? else {
                continue;
            };
            let place = format!("{}: image {}", self.file.display(), image.id);
            if !ids.insert(image.id) {
                reader.flaw(place, "is listed twice; the second is left out")?;
                continue;
            }
            let own = annotations.remove(&image.id).unwrap_or_default();
            let extent = checked(Extent::new(image.width, image.height));
            let found = extent.and_then(|extent| Ok((extent, self.locate(&image.file_name)?)));
            let Some((extent, file)) = reader.some(&place, found)? else {
                continue;
            };
            let mut objects = Vec::new();
            for annotation in own {
                let place = self.place(&annotation);
                let object = self.object(annotation, extent);
                objects.extend(reader.some(place, object)?);
            }
            let labels = Labels {
                objects: Some(objects),
                camera: image.camera,
                ..Labels::default()
            };
            let picture = Picture {
                split: self.split.clone(),
                extent: Some(extent),
                ..Picture::new(file, labels)
            };
            reader.add(place, picture)?;
        }
        match annotations.values().map(Vec::len).sum() {
            0 => Ok(()),
            stray => reader.flaw(
                self.file.display(),
                format!("has {stray} annotations of images that it does not list"),
            ),
        }
    }

    /// The annotations of each image, without crowds.
    fn by_image(
        &self,
        annotations: Vec<Lenient<ReadAnnotation>>,
        reader: &mut Reader,
    ) -> Result<HashMap<u64, Vec<ReadAnnotation>>> {
        let mut sorted: HashMap<u64, Vec<ReadAnnotation>> = HashMap::new();
        let (mut crowds, mut ids) = (0, HashSet::new());
        for (number, annotation) in annotations.into_iter().enumerate() {
            let place = format!("{}: annotation {number}", self.file.display());
            let Some(annotation) = reader.some(&place, annotation.0)? else {
                continue;
            };
            if annotation.iscrowd != 0 {
                crowds += 1;
                continue;
            }
            if annotation.id.is_some_and(|id| !ids.insert(id)) {
                reader.flaw(
                    self.place(&annotation),
                    "has the id of another annotation; both are kept",
                )?;
            }
            sorted
                .entry(annotation.image_id)
                .or_default()
                .push(annotation);
        }
        if crowds > 0 {
            let problem =
                format!("has {crowds} crowds, which are left out: they are not single objects");
            reader.note(self.file.display(), problem);
        }
        Ok(sorted)
    }

    fn place(&self, annotation: &ReadAnnotation) -> String {
        let file = self.file.display();
        match annotation.id {
            Some(id) => format!("{file}: annotation {id}"),
            None => format!("{file}: an annotation of image {}", annotation.image_id),
        }
    }

    fn object(&self, annotation: ReadAnnotation, extent: Extent) -> Result<Object, String> {
        let known = self.categories.get(&annotation.category_id);
        let category = known.ok_or_else(|| {
            let id = annotation.category_id;
            format!("has the category {id}, which is not listed; it is left out")
        })?;
        annotation.object(category, extent)
    }

    /// The path of an image. A path of another machine stands for the file of that name.
    fn locate(&mut self, name: &str) -> Result<PathBuf, String> {
        let mut found = None;
        let first = inside(&self.folders[0], name);
        let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let name = if first.is_ok() { name } else { last };
        for (number, folder) in self.folders.iter().enumerate() {
            let place = inside(folder, name)?;
            if place.is_file() {
                found = Some((number, place));
                break;
            }
        }
        match found {
            Some((number, place)) => {
                self.folders.swap(0, number);
                Ok(place)
            }
            None => first,
        }
    }
}

impl ReadAnnotation {
    fn object(self, category: &ReadCategory, extent: Extent) -> Result<Object, String> {
        let mask = match self.segmentation {
            Some(segmentation) => segmentation.mask(extent)?,
            None => None,
        };
        let tight = || mask.as_ref().and_then(|mask| mask.bbox_xywh(extent.height));
        let bbox = self.bbox.or_else(tight);
        let names = category.keypoints.iter().cloned();
        let triples = self.keypoints.as_chunks::<3>().0.iter();
        let keypoint = |(name, &xyv): (String, &[f32; 3])| Keypoint::from_xyv(name, xyv);
        Ok(Object {
            keypoints: names.zip(triples).map(keypoint).collect(),
            pose: self.pose,
            box_3d: self.box_3d,
            visible_fraction: self.visible_fraction.unwrap_or(1.0),
            track: self
                .track_id
                .map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned)),
            mask,
            ..Object::new(&category.name, bbox.ok_or("has neither a box nor a mask")?)
        })
    }
}

impl Segmentation {
    fn mask(self, Extent { width, height }: Extent) -> Result<Option<Mask>, String> {
        let read = match self {
            Segmentation::Polygons(polygons) if polygons.is_empty() => return Ok(None),
            Segmentation::Polygons(polygons) => {
                rle::fr_polys(&polygons, height, width).map_err(|e| e.to_string())?
            }
            Segmentation::RunLengths { size, .. } if size != [height, width] => {
                return Err(format!(
                    "has a mask of {}×{} in a picture of {width}×{height}",
                    size[1], size[0]
                ));
            }
            Segmentation::RunLengths { counts, .. } => match counts {
                Counts::Plain(counts) => {
                    rle::check_counts(&counts, height, width).map_err(|e| e.to_string())?;
                    return Ok(Some(Mask { counts }));
                }
                Counts::Compressed(text) => {
                    rle::rle_from_string(&text, height, width).map_err(|e| e.to_string())?
                }
            },
        };
        Ok(Some(Mask {
            counts: read.counts,
        }))
    }
}

/// The split, from an annotation file's name: what follows `instances_`, or the last `_`.
fn split_of(file: &Path) -> Option<String> {
    if file.file_name()? == ROBOFLOW {
        return Some(file_name(file.parent()?));
    }
    let stem = file.file_stem()?.to_string_lossy();
    let ours = stem.strip_prefix("instances_");
    let split = match ours {
        Some(split) => split,
        None => stem.rsplit_once('_')?.1,
    };
    (split != "annotations").then(|| split.to_owned())
}

/// The name of the file that Roboflow writes into the folder of each split.
const ROBOFLOW: &str = "_annotations.coco.json";

/// Where the images of a file may lie: beside it, in `images`, in a folder named after the split, and, if it
/// lies in `annotations`, the same in the folder above.
fn folders(file: &Path, split: Option<&str>) -> Vec<PathBuf> {
    let here = file.parent().unwrap_or(Path::new(""));
    let above = here
        .parent()
        .filter(|_| here.file_name().is_some_and(|name| name == "annotations"));
    let split = split.unwrap_or_default();
    let roots = above.into_iter().chain([here]);
    let folders = roots.flat_map(|root| {
        let images = root.join("images");
        [
            root.to_path_buf(),
            images.join(split),
            images,
            root.join(split),
        ]
    });
    folders.collect()
}
