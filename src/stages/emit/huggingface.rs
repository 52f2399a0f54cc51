//! `metadata.jsonl` beside each split's images, as the `imagefolder` loader of Hugging Face
//! `datasets` reads it: <https://huggingface.co/docs/datasets/image_dataset>.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::{Entry, Plan, Writer, create};
use crate::sample::Instance;
use crate::{Error, Result};

/// One line: an image.
#[derive(Serialize)]
struct Line<'a> {
    /// Relative to the metadata file.
    file_name: &'a str,
    label: &'a str,
    objects: Objects<'a>,
    id: &'a str,
    origin: &'a str,
    source: &'a str,
    domain: &'a str,
    seed: &'a str,
    /// One text, as an empty list has no type of element for the loader.
    transforms: String,
}

/// The objects of an image: lists of equal length.
#[derive(Serialize)]
struct Objects<'a> {
    /// x, y, width, height in pixels.
    bbox: Vec<[f32; 4]>,
    category: Vec<&'a str>,
    visible_fraction: Vec<f32>,
    /// x, y in pixels and COCO's visibility of each keypoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoints: Option<Vec<Vec<f32>>>,
}

struct Metadata {
    files: BTreeMap<&'static str, (PathBuf, BufWriter<File>)>,
    with_keypoints: bool,
}

/// Starts the file of every split.
///
/// # Errors
/// Where one cannot be created.
pub fn open<'a>(plan: &Plan<'a>) -> Result<Box<dyn Writer + 'a>> {
    let start = |split: &'static str| {
        let path = plan.out.join(split).join("metadata.jsonl");
        let file = create(&path)?;
        Ok((split, (path, file)))
    };
    Ok(Box::new(Metadata {
        files: plan.survey.splits().map(start).collect::<Result<_>>()?,
        with_keypoints: plan.survey.has_keypoints(),
    }))
}

impl Writer for Metadata {
    fn add(&mut self, entry: &Entry) -> Result<()> {
        let Some((path, file)) = self.files.get_mut(entry.split) else {
            return Ok(());
        };
        let instances = &entry.sample.labels.instances;
        let provenance = &entry.sample.provenance;
        let line = Line {
            file_name: &entry.file[entry.split.len() + 1..],
            label: entry.class,
            objects: Objects {
                bbox: instances.iter().map(|i| i.bbox_xywh).collect(),
                category: instances.iter().map(|i| i.class.as_str()).collect(),
                visible_fraction: instances.iter().map(|i| i.visible_fraction).collect(),
                keypoints: self
                    .with_keypoints
                    .then(|| instances.iter().map(flat_keypoints).collect()),
            },
            id: &entry.sample.id,
            origin: &provenance.origin,
            source: &provenance.source,
            domain: provenance.domain.name(),
            seed: &provenance.seed,
            transforms: provenance.transforms.join(" "),
        };
        serde_json::to_writer(&mut *file, &line)
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .map_err(|e| Error::io(path, e))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        for (path, mut file) in self.files.into_values() {
            file.flush().map_err(|e| Error::io(&path, e))?;
        }
        Ok(())
    }
}

fn flat_keypoints(instance: &Instance) -> Vec<f32> {
    let keypoints = instance.keypoints.iter();
    keypoints
        .flat_map(|k| [k.x, k.y, f32::from(k.visibility as u8)])
        .collect()
}
