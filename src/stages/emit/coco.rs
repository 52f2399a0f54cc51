//! COCO's instances files: <https://cocodataset.org/#format-data>.
//!
//! Images go to the file as they come, annotations to a nameless temporary file that is appended
//! at the end, so that memory does not grow with the dataset. Masks are uncompressed run lengths.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::{Entry, Plan, Survey, Writer, create};
use crate::sample::{Camera, Domain, Instance, Keypoint, Sample, Visibility};
use crate::{Error, Result};

#[derive(Serialize)]
struct Image<'a> {
    id: u64,
    file_name: &'a str,
    width: u32,
    height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<u32>,
    /// Not COCO's own: pinhole intrinsics in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    camera: Option<Camera>,
}

#[derive(Serialize)]
struct Annotation<'a> {
    id: u64,
    image_id: u64,
    category_id: usize,
    bbox: [f32; 4],
    area: f32,
    segmentation: Segmentation<'a>,
    iscrowd: u8,
    /// Not COCO's own: object to camera, row-major 3×4, metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pose: Option<[f32; 12]>,
    visible_fraction: f32,
    #[serde(flatten)]
    keypoints: Option<Keypoints>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Segmentation<'a> {
    /// `size` is height, width.
    RunLengths { counts: &'a [u32], size: [u32; 2] },
    /// No mask is known: an empty list of polygons.
    Unknown([(); 0]),
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
    keypoints: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skeleton: Option<[[usize; 2]; 0]>,
}

/// The file of one split as it grows.
struct Half {
    path: PathBuf,
    file: BufWriter<File>,
    annotations: BufWriter<File>,
    /// Whether an image or an annotation precedes the next, so that a comma must.
    has_image: bool,
    has_annotation: bool,
}

struct Coco<'a> {
    plan: Plan<'a>,
    halves: BTreeMap<&'static str, Half>,
    /// Ids of both splits' files run on, so that the files can be merged.
    images: u64,
    annotations: u64,
}

/// Starts the file of every split.
///
/// # Errors
/// Where one cannot be created.
pub fn open<'a>(plan: &Plan<'a>) -> Result<Box<dyn Writer + 'a>> {
    let start = |split: &'static str| {
        let path = plan.out.join(format!("annotations/instances_{split}.json"));
        let mut file = create(&path)?;
        let spool = tempfile::tempfile_in(plan.out).map_err(|e| Error::io(plan.out, e))?;
        write_head(&mut file, plan).map_err(|e| Error::io(&path, e))?;
        let half = Half {
            path,
            file,
            annotations: BufWriter::new(spool),
            has_image: false,
            has_annotation: false,
        };
        Ok((split, half))
    };
    Ok(Box::new(Coco {
        plan: *plan,
        halves: plan.survey.splits().map(start).collect::<Result<_>>()?,
        images: 0,
        annotations: 0,
    }))
}

impl Writer for Coco<'_> {
    fn add(&mut self, entry: &Entry) -> Result<()> {
        let Some(half) = self.halves.get_mut(entry.split) else {
            return Ok(());
        };
        let sample = entry.sample;
        if sample.provenance.domain == Domain::Photo && sample.labels.instances.is_empty() {
            // Its class is known, its boxes are not: listed, it would say that nothing is to be seen.
            return Ok(());
        }
        self.images += 1;
        let image = Image {
            id: self.images,
            file_name: &entry.file,
            width: sample.width,
            height: sample.height,
            license: self.plan.config.license.as_ref().map(|_| 1),
            camera: sample.labels.camera,
        };
        let annotations = annotations(sample, self.images, self.annotations, self.plan.survey);
        half.add(&image, &annotations)
            .map_err(|e| Error::io(&half.path, e))?;
        self.annotations += annotations.len() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let categories = categories(&self.plan);
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

/// Starts a line for the next element of a list.
fn separate(file: &mut impl Write, follows: &mut bool) -> std::io::Result<()> {
    file.write_all(if *follows { b",\n" } else { b"\n" })?;
    *follows = true;
    Ok(())
}

/// Everything up to the first image.
fn write_head(file: &mut impl Write, plan: &Plan) -> std::io::Result<()> {
    let config = plan.config;
    let info = serde_json::json!({
        "description": config.description.as_deref().unwrap_or(&config.name),
        "version": config.version.as_deref().unwrap_or_default(),
        "contributor": "verismo",
    });
    let licenses: Vec<_> = config
        .license
        .iter()
        .map(|name| serde_json::json!({ "id": 1, "name": name, "url": "" }))
        .collect();
    write!(file, "{{\"info\":{info},\n\"licenses\":")?;
    serde_json::to_writer(&mut *file, &licenses)?;
    file.write_all(b",\n\"images\":[")
}

/// The classes, sorted, ids from 1.
fn categories<'a>(plan: &Plan<'a>) -> Vec<Category<'a>> {
    (1..)
        .zip(&plan.survey.categories)
        .map(|(id, (name, &keypoints))| Category {
            id,
            name,
            supercategory: &plan.config.name,
            keypoints: (keypoints > 0).then(|| (1..=keypoints).map(|k| format!("p{k}")).collect()),
            skeleton: (keypoints > 0).then_some([]),
        })
        .collect()
}

/// The annotations of one image; their ids follow `before`. A box without area is left out.
fn annotations<'a>(
    sample: &'a Sample,
    image_id: u64,
    before: u64,
    survey: &Survey,
) -> Vec<Annotation<'a>> {
    let mut annotations = Vec::new();
    for instance in &sample.labels.instances {
        let Some(bbox) = clip(instance.bbox_xywh, sample.width, sample.height) else {
            continue;
        };
        let mut names = survey.categories.iter().enumerate();
        let Some((position, (_, &keypoints))) = names.find(|(_, (n, _))| **n == instance.class)
        else {
            continue;
        };
        let area = instance.mask.area();
        annotations.push(Annotation {
            id: before + annotations.len() as u64 + 1,
            image_id,
            category_id: position + 1,
            bbox,
            area: if area > 0 {
                area as f32
            } else {
                bbox[2] * bbox[3]
            },
            segmentation: segmentation(instance, sample),
            iscrowd: 0,
            pose: instance.pose,
            visible_fraction: instance.visible_fraction,
            keypoints: (keypoints > 0).then(|| flat_keypoints(&instance.keypoints, keypoints)),
        });
    }
    annotations
}

fn segmentation<'a>(instance: &'a Instance, sample: &Sample) -> Segmentation<'a> {
    if instance.mask.area() == 0 {
        return Segmentation::Unknown([]);
    }
    Segmentation::RunLengths {
        counts: &instance.mask.counts,
        size: [sample.height, sample.width],
    }
}

/// The part of a box inside the picture; `None` if it has no area.
fn clip([x, y, w, h]: [f32; 4], width: u32, height: u32) -> Option<[f32; 4]> {
    let (x0, y0) = (x.max(0.0), y.max(0.0));
    let (x1, y1) = ((x + w).min(width as f32), (y + h).min(height as f32));
    (x0 < x1 && y0 < y1).then_some([x0, y0, x1 - x0, y1 - y0])
}

/// COCO's triples, filled up with unlabelled points to the `count` of the category.
fn flat_keypoints(keypoints: &[Keypoint], count: usize) -> Keypoints {
    let mut flat = Vec::with_capacity(3 * count);
    let mut num_keypoints = 0;
    for keypoint in keypoints {
        if keypoint.visibility == Visibility::Outside {
            flat.extend([0.0; 3]);
            continue;
        }
        flat.extend([keypoint.x, keypoint.y, f32::from(keypoint.visibility as u8)]);
        num_keypoints += 1;
    }
    flat.resize(3 * count, 0.0);
    Keypoints {
        keypoints: flat,
        num_keypoints,
    }
}
