//! Reads COCO's files.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use hotcoco::mask as rle;
use serde::Deserialize;

use super::{Counts, Segmentation};
use crate::formats::{Picture, entries, wrong};
use crate::sample::{Camera, Extent, Keypoint, Labels, Mask, Object};
use crate::{Error, Result};

/// The parts of a file that the reader uses; everything else is ignored.
#[derive(Deserialize)]
struct Dataset {
    images: Vec<ReadImage>,
    #[serde(default)]
    annotations: Vec<ReadAnnotation>,
    #[serde(default)]
    categories: Vec<ReadCategory>,
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
    image_id: u64,
    category_id: u64,
    bbox: Option<[f32; 4]>,
    segmentation: Option<Segmentation>,
    #[serde(default)]
    iscrowd: u8,
    #[serde(default)]
    keypoints: Vec<f32>,
    pose: Option<[f32; 12]>,
    visible_fraction: Option<f32>,
}

#[derive(Deserialize)]
struct ReadCategory {
    id: u64,
    name: String,
    #[serde(default)]
    keypoints: Vec<String>,
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

/// The pictures of all annotation files, in their order.
///
/// # Errors
/// If a file cannot be read, or does not hold what COCO says; the message names it.
pub(super) fn read(path: &Path) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    for file in files(path)? {
        let text = std::fs::read(&file).map_err(|e| Error::io(&file, e))?;
        let dataset: Dataset = serde_json::from_slice(&text).map_err(|e| wrong(&file, e))?;
        pictures.extend(dataset.pictures(&file)?);
    }
    Ok(pictures)
}

impl Dataset {
    fn pictures(self, file: &Path) -> Result<Vec<Picture>> {
        let categories: BTreeMap<u64, ReadCategory> = self
            .categories
            .into_iter()
            .map(|category| (category.id, category))
            .collect();
        let mut objects: BTreeMap<u64, Vec<ReadAnnotation>> = BTreeMap::new();
        for annotation in self.annotations.into_iter().filter(|a| a.iscrowd == 0) {
            objects
                .entry(annotation.image_id)
                .or_default()
                .push(annotation);
        }
        let split = split_of(file);
        let picture = |image: ReadImage| {
            let extent = Extent::new(image.width, image.height);
            let annotations = objects.remove(&image.id).unwrap_or_default();
            let read = annotations.into_iter().map(|annotation| {
                let known = categories.get(&annotation.category_id);
                let category = known.ok_or_else(|| {
                    let id = annotation.category_id;
                    wrong(
                        file,
                        format!("has an annotation with the unlisted category {id}"),
                    )
                })?;
                annotation
                    .object(category, extent)
                    .map_err(|e| wrong(file, e))
            });
            Ok(Picture {
                file: locate(file, &image.file_name, split.as_deref()),
                split: split.clone(),
                extent: Some(extent),
                labels: Labels {
                    objects: Some(read.collect::<Result<_>>()?),
                    camera: image.camera,
                    ..Labels::default()
                },
            })
        };
        self.images.into_iter().map(picture).collect()
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
            visible_fraction: self.visible_fraction.unwrap_or(1.0),
            mask,
            ..Object::new(
                &category.name,
                bbox.ok_or("has an annotation without a box or mask")?,
            )
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
    let stem = file.file_stem()?.to_string_lossy();
    let ours = stem.strip_prefix("instances_");
    let split = match ours {
        Some(split) => split,
        None => stem.rsplit_once('_')?.1,
    };
    Some(split.to_owned())
}

/// The path of an image: in the dataset's folder, its `images`, or a folder named after the split.
fn locate(file: &Path, name: &str, split: Option<&str>) -> PathBuf {
    let here = file.parent().unwrap_or(Path::new(""));
    let above = here.parent().unwrap_or(here);
    let split = split.unwrap_or_default();
    let folders = [here, above].into_iter().flat_map(|root| {
        ["", "images", split]
            .map(|folder| root.join(folder))
            .into_iter()
            .chain([root.join("images").join(split)])
    });
    let mut places = folders.map(|folder| folder.join(name));
    places
        .find(|place| place.is_file())
        .unwrap_or_else(|| here.join(name))
}
