//! `metadata.jsonl` beside each split's images, as read by the `imagefolder` loader of Hugging Face
//! `datasets`: <https://huggingface.co/docs/datasets/image_dataset>. `metadata.csv` is only read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::spreadsheet::{CAPTION_COLUMNS, CLASS_COLUMNS, Spreadsheet};
use super::{
    DatasetInfo, Format, Holds, ImageEntry, Picture, Reader, Writer, boxes_csv, create, file_name,
    folders_in, from_json, inside,
};
use crate::sample::{Domain, Keypoint, Labels, Object, Provenance};
use crate::{Error, Result};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "huggingface",
    about: "SPLIT/metadata.jsonl, as read by the imagefolder loader of Hugging Face",
    required: false,
    holds: Holds {
        class: true,
        captions: true,
        objects: true,
        keypoints: true,
        visible_fraction: true,
        unknown_objects: true,
        ..Holds::NOTHING
    },
    write: Some(write),
    detect: |path| files(path).is_ok_and(|files| !files.is_empty()),
    read,
};

/// The file beside the images.
const FILE: &str = "metadata.jsonl";

/// The same as a table, which holds no objects.
const TABLE: &str = "metadata.csv";

/// One line, for one image.
#[derive(Serialize)]
struct Line<'a> {
    /// Relative to the metadata file.
    file_name: &'a str,
    label: Option<&'a str>,
    /// The caption.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// Null: not known.
    objects: Option<Objects<'a>>,
    id: &'a str,
    origin: &'a str,
    source: &'a str,
    domain: &'a str,
    seed: &'a str,
    /// One string, since the loader cannot infer the element type of an empty list.
    transforms: String,
}

/// The objects of an image, as lists of equal length.
#[derive(Serialize)]
struct Objects<'a> {
    /// x, y, width, height in pixels.
    bbox: Vec<[f32; 4]>,
    category: Vec<&'a str>,
    visible_fraction: Vec<f32>,
    /// x, y in pixels and COCO's visibility, for each keypoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoints: Option<Vec<Vec<f32>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoint_names: Option<Vec<Vec<&'a str>>>,
}

struct Metadata<'a> {
    out: &'a Path,
    files: BTreeMap<&'a str, (PathBuf, BufWriter<File>)>,
    with_keypoints: bool,
}

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    let start = |split: &'a String| {
        let path = dataset.out.join(split).join(FILE);
        let file = create(&path)?;
        Ok((split.as_str(), (path, file)))
    };
    Ok(Box::new(Metadata {
        out: dataset.out,
        files: dataset.images.keys().map(start).collect::<Result<_>>()?,
        with_keypoints: dataset.has_keypoints(),
    }))
}

impl Writer for Metadata<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let Some((path, file)) = self.files.get_mut(entry.split) else {
            return Ok(());
        };
        entry.place(self.out)?;
        let objects = entry.sample.labels.objects.as_ref();
        let provenance = &entry.sample.provenance;
        let line = Line {
            file_name: &entry.file[entry.split.len() + 1..],
            label: entry.class,
            text: entry.sample.labels.caption.as_deref(),
            objects: objects.map(|objects| Objects {
                bbox: objects.iter().map(|o| o.bbox_xywh).collect(),
                category: objects.iter().map(|o| o.class.as_str()).collect(),
                visible_fraction: objects.iter().map(|o| o.visible_fraction).collect(),
                keypoints: self
                    .with_keypoints
                    .then(|| objects.iter().map(flat_keypoints).collect()),
                keypoint_names: self
                    .with_keypoints
                    .then(|| objects.iter().map(keypoint_names).collect()),
            }),
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

fn flat_keypoints(object: &Object) -> Vec<f32> {
    object.keypoints.iter().flat_map(Keypoint::xyv).collect()
}

fn keypoint_names(object: &Object) -> Vec<&str> {
    object.keypoints.iter().map(|k| k.name.as_str()).collect()
}

/// The parts of a line that the reader uses; everything else is ignored.
#[derive(Default, Deserialize)]
struct ReadLine {
    file_name: String,
    label: Option<String>,
    #[serde(alias = "caption")]
    text: Option<String>,
    objects: Option<ReadObjects>,
    domain: Option<String>,
    #[serde(default)]
    source: String,
    #[serde(default)]
    origin: String,
    #[serde(default)]
    seed: String,
    #[serde(default)]
    transforms: String,
}

#[derive(Deserialize)]
struct ReadObjects {
    bbox: Vec<[f32; 4]>,
    category: Vec<String>,
    #[serde(default)]
    visible_fraction: Vec<f32>,
    #[serde(default)]
    keypoints: Vec<Vec<f32>>,
    #[serde(default)]
    keypoint_names: Vec<Vec<String>>,
}

/// The metadata files in a folder and its subfolders, each with its split.
fn files(root: &Path) -> Result<Vec<(PathBuf, Option<String>)>> {
    let mut folders = vec![(root.to_path_buf(), None)];
    for folder in folders_in(root)? {
        let split = file_name(&folder);
        folders.push((folder, Some(split)));
    }
    let file = |(folder, split): (PathBuf, _)| {
        let lines = folder.join(FILE);
        let table = folder.join(TABLE);
        // A table of boxes is of another format.
        let is_table = || table.is_file() && !(boxes_csv::FORMAT.detect)(&table);
        match lines.is_file() {
            true => Some((lines, split)),
            false => is_table().then_some((table, split)),
        }
    };
    Ok(folders.into_iter().filter_map(file).collect())
}

fn read(root: &Path, reader: &mut Reader) -> Result<()> {
    for (file, split) in files(root)? {
        if file.ends_with(TABLE) {
            read_table(&file, split.as_deref(), reader)?;
            continue;
        }
        let failed = |e| Error::io(&file, e);
        let folder = file.parent().unwrap_or(root);
        let lines = BufReader::new(File::open(&file).map_err(failed)?).lines();
        for (number, line) in (1..).zip(lines) {
            let place = format!("{}:{number}", file.display());
            let line = match line {
                Ok(line) if line.trim().is_empty() => continue,
                Ok(line) => from_json(line.as_bytes()).map_err(|e| e.to_string()),
                Err(e) if e.kind() == std::io::ErrorKind::InvalidData => Err(e.to_string()),
                Err(e) => return Err(failed(e)),
            };
            let found = line.and_then(|line: ReadLine| {
                let file = inside(folder, &line.file_name)?;
                Ok(line.picture(file, split.clone()))
            });
            if let Some(picture) = reader.some(&place, found)? {
                reader.add(place, picture)?;
            }
        }
    }
    Ok(())
}

/// Hands on the pictures of a `metadata.csv`.
fn read_table(path: &Path, split: Option<&str>, reader: &mut Reader) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let sheet = Spreadsheet::read(path)?;
    let names = ["file_name", "file"];
    let file = sheet.column(&names);
    let file = file.ok_or_else(|| sheet.no_column(&names, "name that of the pictures so"))?;
    let (class, caption) = (sheet.column(CLASS_COLUMNS), sheet.column(CAPTION_COLUMNS));
    for record in sheet.records() {
        let record = match record {
            Ok(record) => record,
            Err(Error::Failed {
                subject, problem, ..
            }) => {
                reader.flaw(subject, problem)?;
                continue;
            }
            Err(e) => return Err(e),
        };
        let place = format!("{}:{}", path.display(), record.line);
        let text = |column: Option<usize>| {
            let text = record.get(column?);
            (!text.is_empty()).then(|| text.to_owned())
        };
        let line = ReadLine {
            label: text(class),
            text: text(caption),
            ..ReadLine::default()
        };
        let found = inside(folder, record.get(file));
        let found = found.map(|file| line.picture(file, split.map(str::to_owned)));
        if let Some(picture) = reader.some(&place, found)? {
            reader.add(place, picture)?;
        }
    }
    Ok(())
}

impl ReadLine {
    fn picture(self, file: PathBuf, split: Option<String>) -> Picture {
        let labels = Labels {
            class: self.label,
            caption: self.text,
            objects: self.objects.map(ReadObjects::objects),
            ..Labels::default()
        };
        let domain = self.domain.as_deref().and_then(Domain::from_name);
        let provenance = domain.map(|domain| Provenance {
            domain,
            source: self.source,
            origin: self.origin,
            parent: None,
            seed: self.seed,
            checkpoint: None,
            transforms: self.transforms.split(' ').map(str::to_owned).collect(),
            split: split.clone(),
            gate: None,
        });
        Picture {
            split,
            provenance,
            ..Picture::new(file, labels)
        }
    }
}

impl ReadObjects {
    fn objects(self) -> Vec<Object> {
        let object = |(place, (class, bbox)): (usize, (String, [f32; 4]))| Object {
            visible_fraction: self.visible_fraction.get(place).copied().unwrap_or(1.0),
            keypoints: self.keypoints_of(place),
            ..Object::new(class, bbox)
        };
        let boxes = self.category.iter().cloned().zip(self.bbox.iter().copied());
        boxes.enumerate().map(object).collect()
    }

    fn keypoints_of(&self, place: usize) -> Vec<Keypoint> {
        let names = self
            .keypoint_names
            .get(place)
            .into_iter()
            .flatten()
            .cloned();
        let triples = self.keypoints.get(place).map_or(&[][..], Vec::as_slice);
        let keypoint = |(name, &xyv): (String, &[f32; 3])| Keypoint::from_xyv(name, xyv);
        names
            .zip(triples.as_chunks::<3>().0)
            .map(keypoint)
            .collect()
    }
}
