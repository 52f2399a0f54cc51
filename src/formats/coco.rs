//! COCO's instances files: <https://cocodataset.org/#format-data>.
//!
//! Images go straight to the file; annotations go to an anonymous temporary file that is appended at the end,
//! so that memory use does not grow with the dataset. Masks are written as compressed run lengths, since some
//! trainers silently skip uncompressed ones. Polygons and both kinds of run lengths can be read. Crowd
//! annotations are skipped, since they do not describe single objects.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use hotcoco::mask as rle;
use serde::{Deserialize, Serialize};

use super::{DatasetInfo, Format, Holds, ImageEntry, Picture, Writer, create, entries, wrong};
use crate::sample::{Camera, Extent, Keypoint, Labels, Mask, Object, Sample, Visibility};
use crate::{Error, Result};

/// The registry entry.
pub const FORMAT: Format = Format {
    name: "coco",
    about: "annotations/instances_SPLIT.json: boxes, masks and keypoints",
    required: false,
    holds: Holds {
        objects: true,
        masks: true,
        keypoints: true,
        poses: true,
        camera: true,
        visible_fraction: true,
        ..Holds::NOTHING
    },
    write,
    detect: |path| files(path).is_ok_and(|files| !files.is_empty()),
    read,
};

#[derive(Serialize)]
struct Image<'a> {
    id: u64,
    file_name: &'a str,
    width: u32,
    height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<u32>,
    /// An extension of COCO: pinhole intrinsics in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    camera: Option<Camera>,
}

#[derive(Serialize)]
struct Annotation {
    id: u64,
    image_id: u64,
    category_id: usize,
    bbox: [f32; 4],
    area: f32,
    segmentation: Segmentation,
    iscrowd: u8,
    /// An extension of COCO: object-to-camera transform, row-major 3×4, in metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pose: Option<[f32; 12]>,
    visible_fraction: f32,
    #[serde(flatten)]
    keypoints: Option<Keypoints>,
}

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

#[derive(Serialize)]
struct Keypoints {
    keypoints: Vec<f32>,
    num_keypoints: usize,
}

#[derive(Serialize)]
struct Category<'a> {
    id: usize,
    name: &'a str,
    supercategory: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoints: Option<&'a Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skeleton: Option<[[usize; 2]; 0]>,
}

/// The file of one split while it is written.
struct Half {
    path: PathBuf,
    file: BufWriter<File>,
    annotations: BufWriter<File>,
    /// Whether the next image or annotation needs a comma before it.
    has_image: bool,
    has_annotation: bool,
}

struct Coco<'a> {
    dataset: DatasetInfo<'a>,
    halves: BTreeMap<&'a str, Half>,
    /// Ids continue across the splits' files, so that the files can be merged.
    images: u64,
    annotations: u64,
}

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    let start = |split: &'a String| {
        let path = dataset
            .out
            .join(format!("annotations/instances_{split}.json"));
        let mut file = create(&path)?;
        let spool = tempfile::tempfile_in(dataset.out).map_err(|e| Error::io(dataset.out, e))?;
        write_head(&mut file, dataset).map_err(|e| Error::io(&path, e))?;
        let half = Half {
            path,
            file,
            annotations: BufWriter::new(spool),
            has_image: false,
            has_annotation: false,
        };
        Ok((split.as_str(), half))
    };
    Ok(Box::new(Coco {
        dataset: *dataset,
        halves: dataset.images.keys().map(start).collect::<Result<_>>()?,
        images: 0,
        annotations: 0,
    }))
}

impl Writer for Coco<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let Some(half) = self.halves.get_mut(entry.split) else {
            return Ok(());
        };
        let sample = entry.sample;
        if sample.labels.objects.is_none() {
            // Its objects are unknown; listing it would mean that there are none.
            return Ok(());
        }
        self.images += 1;
        let image = Image {
            id: self.images,
            file_name: &entry.file,
            width: sample.extent.width,
            height: sample.extent.height,
            license: self.dataset.license.map(|_| 1),
            camera: sample.labels.camera,
        };
        let annotations = annotations(sample, self.images, self.annotations, &self.dataset)?;
        half.add(&image, &annotations)
            .map_err(|e| Error::io(&half.path, e))?;
        self.annotations += annotations.len() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let categories = categories(&self.dataset);
        for half in self.halves.into_values() {
            let path = half.path.clone();
            half.finish(&categories).map_err(|e| Error::io(&path, e))?;
        }
        Ok(())
    }
}

impl Half {
    fn add(&mut self, image: &Image, annotations: &[Annotation]) -> std::io::Result<()> {
        separate(&mut self.file, &mut self.has_image)?;
        serde_json::to_writer(&mut self.file, image)?;
        for annotation in annotations {
            separate(&mut self.annotations, &mut self.has_annotation)?;
            serde_json::to_writer(&mut self.annotations, annotation)?;
        }
        Ok(())
    }

    fn finish(mut self, categories: &[Category]) -> std::io::Result<()> {
        self.file.write_all(b"\n],\n\"annotations\":[")?;
        let mut annotations = self.annotations.into_inner().map_err(|e| e.into_error())?;
        annotations.seek(SeekFrom::Start(0))?;
        std::io::copy(&mut annotations, &mut self.file)?;
        self.file.write_all(b"\n],\n\"categories\":")?;
        serde_json::to_writer(&mut self.file, categories)?;
        self.file.write_all(b"}\n")?;
        self.file.flush()
    }
}

/// Starts the line of the next list element.
fn separate(file: &mut impl Write, follows: &mut bool) -> std::io::Result<()> {
    file.write_all(if *follows { b",\n" } else { b"\n" })?;
    *follows = true;
    Ok(())
}

/// Writes everything before the first image.
fn write_head(file: &mut impl Write, dataset: &DatasetInfo) -> std::io::Result<()> {
    let info = serde_json::json!({
        "description": dataset.description.unwrap_or(dataset.name),
        "version": dataset.version.unwrap_or_default(),
        "contributor": "verismo",
    });
    let licenses: Vec<_> = dataset
        .license
        .iter()
        .map(|name| serde_json::json!({ "id": 1, "name": name, "url": "" }))
        .collect();
    write!(file, "{{\"info\":{info},\n\"licenses\":")?;
    serde_json::to_writer(&mut *file, &licenses)?;
    file.write_all(b",\n\"images\":[")
}

/// The classes, sorted, with ids from 1.
fn categories<'a>(dataset: &DatasetInfo<'a>) -> Vec<Category<'a>> {
    (1..)
        .zip(dataset.categories)
        .map(|(id, (name, keypoints))| Category {
            id,
            name,
            supercategory: dataset.name,
            keypoints: (!keypoints.is_empty()).then_some(keypoints),
            skeleton: (!keypoints.is_empty()).then_some([]),
        })
        .collect()
}

/// The annotations of one image, with ids that follow `before`. Boxes without area are left out.
fn annotations(
    sample: &Sample,
    image_id: u64,
    before: u64,
    dataset: &DatasetInfo,
) -> Result<Vec<Annotation>> {
    let mut annotations = Vec::new();
    for object in sample.labels.objects() {
        let Some(bbox) = clip(object.bbox_xywh, sample.extent) else {
            continue;
        };
        let mut names = dataset.categories.iter().enumerate();
        let Some((position, (_, keypoints))) = names.find(|(_, (n, _))| **n == object.class) else {
            continue;
        };
        annotations.push(Annotation {
            id: before + annotations.len() as u64 + 1,
            image_id,
            category_id: position + 1,
            bbox,
            area: object
                .mask
                .as_ref()
                .map_or(bbox[2] * bbox[3], |mask| mask.area() as f32),
            segmentation: segmentation(object, sample.extent)?,
            iscrowd: 0,
            pose: object.pose,
            visible_fraction: object.visible_fraction,
            keypoints: (!keypoints.is_empty())
                .then(|| flat_keypoints(&object.keypoints, keypoints)),
        });
    }
    Ok(annotations)
}

fn segmentation(object: &Object, Extent { width, height }: Extent) -> Result<Segmentation> {
    let Some(mask) = &object.mask else {
        return Ok(Segmentation::Polygons(Vec::new()));
    };
    let bitmap: Vec<u8> = by_columns(&mask.to_bitmap(width, height), width, height);
    let encoded = rle::encode(&bitmap, height, width);
    let encoded = encoded.map_err(|e| Error::failed("a mask", e, "make the pictures smaller"))?;
    Ok(Segmentation::RunLengths {
        counts: Counts::Compressed(rle::rle_to_string(&encoded)),
        size: [height, width],
    })
}

/// A row-major bitmap, converted to COCO's column-major order.
fn by_columns(bitmap: &[bool], width: u32, height: u32) -> Vec<u8> {
    let (width, height) = (width as usize, height as usize);
    let columns = (0..width).flat_map(|x| (0..height).map(move |y| y * width + x));
    columns.map(|place| u8::from(bitmap[place])).collect()
}

/// The part of a box inside the picture; `None` if it has no area.
fn clip([x, y, w, h]: [f32; 4], Extent { width, height }: Extent) -> Option<[f32; 4]> {
    let (x0, y0) = (x.max(0.0), y.max(0.0));
    let (x1, y1) = ((x + w).min(width as f32), (y + h).min(height as f32));
    (x0 < x1 && y0 < y1).then_some([x0, y0, x1 - x0, y1 - y0])
}

/// COCO's triples in the order of the category's `names`; unlabelled points are 0, 0, 0.
fn flat_keypoints(keypoints: &[Keypoint], names: &[String]) -> Keypoints {
    let labelled = |name: &String| {
        let mut known = keypoints
            .iter()
            .filter(|k| k.visibility != Visibility::Outside);
        known.find(|keypoint| keypoint.name == *name)
    };
    let found: Vec<Option<&Keypoint>> = names.iter().map(labelled).collect();
    let triple = |keypoint: &Option<&Keypoint>| match keypoint {
        Some(k) => [k.x, k.y, f32::from(k.visibility as u8)],
        None => [0.0; 3],
    };
    Keypoints {
        keypoints: found.iter().flat_map(triple).collect(),
        num_keypoints: found.iter().flatten().count(),
    }
}

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
fn files(path: &Path) -> Result<Vec<PathBuf>> {
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

fn read(path: &Path) -> Result<Vec<Picture>> {
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
        let keypoint = |(name, &[x, y, visibility]): (String, &[f32; 3])| Keypoint {
            name,
            x,
            y,
            visibility: Visibility::from_coco(visibility as u8),
        };
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

/// The split, from the part of an annotation file's name after the last `_`: `instances_train.json`.
fn split_of(file: &Path) -> Option<String> {
    let stem = file.file_stem()?.to_string_lossy();
    let (_, split) = stem.rsplit_once('_')?;
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
