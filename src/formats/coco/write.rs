//! Writes COCO's files: images go straight to the file, annotations to an anonymous temporary file that is
//! appended at the end, so that memory use does not grow with the dataset.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;

use hotcoco::Rle;
use hotcoco::mask as rle;
use serde::Serialize;

use super::{Counts, Segmentation};
use crate::formats::outline::{is_hole, joined, outlines};
use crate::formats::{Category, DatasetInfo, ImageEntry, Writer, create};
use crate::sample::{Camera, Extent, Keypoint, Object, Sample, Visibility};
use crate::{Error, Result};

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
    /// Another: the 3D box in the object's own coordinates, in metres: least x, y, z, then greatest.
    #[serde(skip_serializing_if = "Option::is_none")]
    box_3d: Option<[f32; 6]>,
    visible_fraction: f32,
    /// As in TAO (Dave et al. 2020): the same in all images of an object, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    track_id: Option<u64>,
    #[serde(flatten)]
    keypoints: Option<Keypoints>,
}

#[derive(Serialize)]
struct Keypoints {
    keypoints: Vec<f32>,
    num_keypoints: usize,
}

#[derive(Serialize)]
struct ListedCategory<'a> {
    id: usize,
    name: &'a str,
    supercategory: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoints: Option<&'a Vec<String>>,
    /// Pairs of positions from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    skeleton: Option<Vec<[usize; 2]>>,
}

/// The file of one split while it is written.
struct SplitFile {
    path: PathBuf,
    file: BufWriter<File>,
    annotations: BufWriter<File>,
    /// Whether the next image or annotation needs a comma before it.
    has_image: bool,
    has_annotation: bool,
}

struct Coco<'a> {
    dataset: DatasetInfo<'a>,
    as_polygons: bool,
    files: BTreeMap<&'a str, SplitFile>,
    /// Ids continue across the splits' files, so that the files can be merged.
    images: u64,
    annotations: u64,
    /// The ids of tracks, by their names; these continue, too.
    tracks: HashMap<String, u64>,
}

/// Starts the file of every split, with masks as polygons or run lengths.
///
/// # Errors
/// If one cannot be created.
pub(super) fn write<'a>(
    dataset: &DatasetInfo<'a>,
    as_polygons: bool,
) -> Result<Box<dyn Writer + 'a>> {
    let start = |split: &'a String| {
        let path = dataset
            .out
            .join(format!("annotations/instances_{split}.json"));
        let mut file = create(&path)?;
        let spool = tempfile::tempfile_in(dataset.out).map_err(|e| Error::io(dataset.out, e))?;
        write_head(&mut file, dataset).map_err(|e| Error::io(&path, e))?;
        let file = SplitFile {
            path,
            file,
            annotations: BufWriter::new(spool),
            has_image: false,
            has_annotation: false,
        };
        Ok((split.as_str(), file))
    };
    Ok(Box::new(Coco {
        dataset: *dataset,
        as_polygons,
        files: dataset.images.keys().map(start).collect::<Result<_>>()?,
        images: 0,
        annotations: 0,
        tracks: HashMap::new(),
    }))
}

impl Writer for Coco<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let sample = entry.sample;
        if sample.labels.objects.is_none() || !self.files.contains_key(entry.split) {
            // Its objects are unknown; listing it would mean that there are none.
            return Ok(());
        }
        entry.place(self.dataset.out)?;
        self.images += 1;
        let image = Image {
            id: self.images,
            file_name: &entry.file,
            width: sample.extent.width,
            height: sample.extent.height,
            license: self.dataset.about.license.map(|_| 1),
            camera: sample.labels.camera,
        };
        let annotations = self.annotations(sample);
        if let Some(file) = self.files.get_mut(entry.split) {
            let added = file.add(&image, &annotations);
            added.map_err(|e| Error::io(&file.path, e))?;
        }
        self.annotations += annotations.len() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let categories = categories(&self.dataset);
        for file in self.files.into_values() {
            let path = file.path.clone();
            file.finish(&categories).map_err(|e| Error::io(&path, e))?;
        }
        Ok(())
    }
}

impl SplitFile {
    fn add(&mut self, image: &Image, annotations: &[Annotation]) -> std::io::Result<()> {
        separate(&mut self.file, &mut self.has_image)?;
        serde_json::to_writer(&mut self.file, image)?;
        for annotation in annotations {
            separate(&mut self.annotations, &mut self.has_annotation)?;
            serde_json::to_writer(&mut self.annotations, annotation)?;
        }
        Ok(())
    }

    fn finish(mut self, categories: &[ListedCategory]) -> std::io::Result<()> {
        self.file.write_all(b"\n],\n\"annotations\":[")?;
        let mut annotations = self
            .annotations
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
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
        "description": dataset.about.description.unwrap_or(dataset.name),
        "version": dataset.version.unwrap_or_default(),
        "contributor": "verismo",
    });
    let licenses: Vec<_> = dataset
        .about
        .license
        .iter()
        .map(|name| serde_json::json!({ "id": 1, "name": name, "url": "" }))
        .collect();
    write!(file, "{{\"info\":{info},\n\"licenses\":")?;
    serde_json::to_writer(&mut *file, &licenses)?;
    file.write_all(b",\n\"images\":[")
}

/// The classes with ids from 1.
fn categories<'a>(dataset: &DatasetInfo<'a>) -> Vec<ListedCategory<'a>> {
    let listed = |(id, category): (usize, &'a Category)| {
        let has_keypoints = !category.keypoints.is_empty();
        let pairs = category.skeleton.iter().map(|pair| pair.map(|at| at + 1));
        ListedCategory {
            id,
            name: &category.name,
            supercategory: dataset.name,
            keypoints: has_keypoints.then_some(&category.keypoints),
            skeleton: has_keypoints.then(|| pairs.collect()),
        }
    };
    (1..).zip(dataset.categories).map(listed).collect()
}

impl Coco<'_> {
    /// The annotations of one image. Boxes without area are left out.
    fn annotations(&mut self, sample: &Sample) -> Vec<Annotation> {
        let mut annotations = Vec::new();
        for object in sample.labels.objects() {
            let Some(bbox) = clip(object.bbox_xywh, sample.extent) else {
                continue;
            };
            let Some(position) = self.dataset.class_id(&object.class) else {
                continue;
            };
            let keypoints = &self.dataset.categories[position].keypoints;
            let next = self.tracks.len() as u64 + 1;
            let track = |name: &String| *self.tracks.entry(name.clone()).or_insert(next);
            annotations.push(Annotation {
                id: self.annotations + annotations.len() as u64 + 1,
                image_id: self.images,
                category_id: position + 1,
                bbox,
                area: object
                    .mask
                    .as_ref()
                    .map_or(bbox[2] * bbox[3], |mask| mask.area() as f32),
                segmentation: match self.as_polygons {
                    true => polygons(object, sample.extent),
                    false => run_lengths(object, sample.extent),
                },
                iscrowd: 0,
                pose: object.pose,
                box_3d: object.box_3d,
                visible_fraction: object.visible_fraction,
                track_id: object.track.as_ref().map(track),
                keypoints: (!keypoints.is_empty())
                    .then(|| flat_keypoints(&object.keypoints, keypoints)),
            });
        }
        annotations
    }
}

fn run_lengths(object: &Object, Extent { width, height }: Extent) -> Segmentation {
    let Some(mask) = &object.mask else {
        return Segmentation::Polygons(Vec::new());
    };
    let counts = rle::rle_to_string(&Rle {
        h: height,
        w: width,
        counts: mask.counts.clone(),
    });
    Segmentation::RunLengths {
        counts: Counts::Compressed(counts),
        size: [height, width],
    }
}

/// A polygon for each part, or one for all if there are holes, since COCO's polygons only add pixels.
fn polygons(object: &Object, extent: Extent) -> Segmentation {
    let mask = object.mask.as_ref();
    let mut parts = mask.map_or(Vec::new(), |mask| outlines(mask, extent));
    if parts.iter().any(|part| is_hole(part)) {
        parts = vec![joined(parts)];
    }
    Segmentation::Polygons(parts.into_iter().map(|part| part.concat()).collect())
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
        Some(keypoint) => keypoint.xyv(),
        None => [0.0; 3],
    };
    Keypoints {
        keypoints: found.iter().flat_map(triple).collect(),
        num_keypoints: found.iter().flatten().count(),
    }
}
