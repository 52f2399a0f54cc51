//! Parquet files as the Hugging Face Hub keeps datasets: `data/SPLIT-00000-of-00001.parquet`, pictures
//! included. The features (`Image`, `ClassLabel`) stand in the file's metadata, so that `load_dataset` opens
//! it as it is: <https://huggingface.co/docs/datasets/about_dataset_features>.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use serde::{Deserialize, Serialize};

use super::{
    Category, DatasetInfo, Format, Holds, ImageEntry, Picture, Reader, Writer, create, entries,
    file_name, wrong,
};
use crate::artifact::table::{self, Table};
use crate::sample::{Labels, Object};
use crate::{Error, Result};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "parquet",
    about: "data/SPLIT-00000-of-00001.parquet with the pictures, for load_dataset of Hugging Face",
    required: false,
    holds: Holds {
        class: true,
        objects: true,
        unknown_objects: true,
        pictures: true,
        ..Holds::NOTHING
    },
    write: Some(write),
    detect: |path| {
        files(path)
            .first()
            .is_some_and(|(file, _)| Classes::read(file).is_ok())
    },
    read,
};

/// The most pictures of one file.
const SHARD: u64 = 5000;

/// The most pictures in memory at once, and about the most bytes of them: a row group.
const ROWS: usize = 100;
const GROUP: u64 = 64 << 20;

/// Stands in a file's name for how many files its split has, until that is known.
const UNNAMED: &str = "of-more";

/// The key of a file's metadata that holds the features.
const KEY: &str = "huggingface";

#[derive(Serialize, Deserialize)]
struct Row {
    image: Image,
    label: Option<i64>,
    objects: Option<Objects>,
    width: Option<i32>,
    height: Option<i32>,
}

#[derive(Serialize, Deserialize)]
struct Image {
    #[serde(with = "serde_bytes")]
    bytes: Option<Vec<u8>>,
    path: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Objects {
    /// x, y, width, height in pixels.
    bbox: Vec<Vec<f32>>,
    category: Vec<i64>,
}

/// The columns of [`Row`], with the 32-bit offsets that the features expect.
fn columns() -> Vec<FieldRef> {
    let list = |item: DataType| DataType::List(Arc::new(Field::new("item", item, true)));
    let image = vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ];
    let objects = vec![
        Field::new("bbox", list(list(DataType::Float32)), true),
        Field::new("category", list(DataType::Int64), true),
    ];
    let fields = [
        Field::new("image", DataType::Struct(image.into()), true),
        Field::new("label", DataType::Int64, true),
        Field::new("objects", DataType::Struct(objects.into()), true),
        Field::new("width", DataType::Int32, true),
        Field::new("height", DataType::Int32, true),
    ];
    fields.into_iter().map(Arc::new).collect()
}

struct Parquet<'a> {
    dataset: DatasetInfo<'a>,
    /// The classes of pictures, as numbered in `label`.
    labels: Vec<&'a str>,
    shards: BTreeMap<&'a str, Shard>,
    /// What the manifest calls the last picture.
    placed: String,
}

/// The file that a split is written to now.
struct Shard {
    number: u64,
    table: Table<Row>,
    rows: Vec<Row>,
    /// Bytes of the pictures in `rows`.
    waiting: u64,
    /// Pictures in the file.
    filled: u64,
    /// Bytes of these.
    bytes: u64,
}

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    let mut parquet = Parquet {
        dataset: *dataset,
        labels: dataset.classes(),
        shards: BTreeMap::new(),
        placed: String::new(),
    };
    for split in dataset.images.keys() {
        let shard = parquet.start(split, 0)?;
        parquet.shards.insert(split, shard);
    }
    Ok(Box::new(parquet))
}

/// The path of a file whose split is not complete.
fn unnamed(out: &Path, split: &str, number: u64) -> PathBuf {
    out.join(format!("data/{split}-{number:05}-{UNNAMED}.parquet"))
}

impl Parquet<'_> {
    fn start(&self, split: &str, number: u64) -> Result<Shard> {
        let path = unnamed(self.dataset.out, split, number);
        drop(create(&path)?);
        let metadata = HashMap::from([(KEY.to_owned(), self.features())]);
        Ok(Shard {
            number,
            table: Table::with_metadata(&path, columns(), metadata)?,
            rows: Vec::new(),
            waiting: 0,
            filled: 0,
            bytes: 0,
        })
    }

    /// The features as `datasets` writes them.
    fn features(&self) -> String {
        let value = |dtype: &str| serde_json::json!({ "dtype": dtype, "_type": "Value" });
        let names: Vec<&str> = self
            .dataset
            .categories
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        let list = |feature| serde_json::json!({ "feature": feature, "_type": "Sequence" });
        let category = serde_json::json!({ "names": names, "_type": "ClassLabel" });
        let features = serde_json::json!({
            "image": { "_type": "Image" },
            "label": { "names": self.labels, "_type": "ClassLabel" },
            "objects": {
                "bbox": list(list(value("float32"))),
                "category": list(category),
            },
            "width": value("int32"),
            "height": value("int32"),
        });
        serde_json::json!({ "info": { "features": features } }).to_string()
    }

    fn row(&self, entry: &ImageEntry) -> Result<Row> {
        let sample = entry.sample;
        let objects = sample.labels.objects.as_ref().map(|objects| Objects {
            bbox: objects.iter().map(|o| o.bbox_xywh.to_vec()).collect(),
            category: objects
                .iter()
                .map(|o| self.dataset.class_id(&o.class).map_or(-1, |id| id as i64))
                .collect(),
        });
        let label = entry.class.and_then(|class| {
            let place = self.labels.iter().position(|label| *label == class);
            place.map(|place| place as i64)
        });
        Ok(Row {
            image: Image {
                bytes: Some(entry.bytes()?.into_owned()),
                path: Some(entry.name().to_owned()),
            },
            label,
            objects,
            width: i32::try_from(sample.extent.width).ok(),
            height: i32::try_from(sample.extent.height).ok(),
        })
    }
}

impl Shard {
    fn flush(&mut self) -> Result<()> {
        self.table.add(&self.rows)?;
        self.rows.clear();
        self.waiting = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        self.table.finish()
    }
}

impl Writer for Parquet<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let row = self.row(entry)?;
        let length = row.image.bytes.as_ref().map_or(0, Vec::len) as u64;
        let most = self.dataset.shard_bytes;
        let is_full = |shard: &&Shard| {
            shard.filled == SHARD || shard.filled > 0 && shard.bytes + length > most
        };
        let next = match self.shards.get(entry.split).filter(is_full) {
            Some(shard) => Some(self.start(entry.split, shard.number + 1)?),
            None => None,
        };
        let Some(shard) = self.shards.get_mut(entry.split) else {
            return Ok(());
        };
        if let Some(next) = next {
            std::mem::replace(shard, next).finish()?;
        }
        self.placed = format!("data/{}-{:05}/{}", entry.split, shard.number, entry.name());
        shard.rows.push(row);
        shard.filled += 1;
        shard.bytes += length;
        shard.waiting += length;
        match shard.rows.len() == ROWS || shard.waiting >= GROUP {
            true => shard.flush(),
            false => Ok(()),
        }
    }

    fn placed(&self) -> Option<&str> {
        Some(&self.placed)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        for (split, shard) in std::mem::take(&mut self.shards) {
            let of = shard.number + 1;
            shard.finish()?;
            for number in 0..of {
                let from = unnamed(self.dataset.out, split, number);
                let name = format!("{split}-{number:05}-of-{of:05}.parquet");
                let to = from.with_file_name(name);
                std::fs::rename(&from, &to).map_err(|e| Error::io(&to, e))?;
            }
        }
        Ok(())
    }
}

/// The file of a split and number, which the manifest names without the number of all: `data/train-00000`.
pub(super) fn numbered(path: &Path) -> Option<PathBuf> {
    let (folder, name) = (path.parent()?, file_name(path));
    let (_, number) = name.rsplit_once('-')?;
    number.parse::<u64>().ok()?;
    let begin = format!("{name}-of-");
    let mut files = entries(folder).ok()?.into_iter();
    files.find(|file| file_name(file).starts_with(&begin))
}

/// The names of the pictures in a file, row by row.
///
/// # Errors
/// If it cannot be read.
pub(super) fn names(file: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    table::visit(file, ROWS, &mut |row: Row| {
        names.push(row.image.path.unwrap_or_default());
        Ok(())
    })?;
    Ok(names)
}

/// The encoded pictures of a row and of the next ones, [`ROWS`] together.
///
/// # Errors
/// If they cannot be read, or a row has none.
pub(super) fn pictures(file: &Path, row: usize) -> Result<Vec<Vec<u8>>> {
    let rows: Vec<Row> = table::read_rows(file, row..row + ROWS)?;
    let pictures = rows.into_iter().map(|row| row.image.bytes);
    let pictures: Option<Vec<Vec<u8>>> = pictures.collect();
    pictures.ok_or_else(|| wrong(file, "has a row without a picture"))
}

/// The files of a dataset in order, each with its split.
fn files(path: &Path) -> Vec<(PathBuf, Option<String>)> {
    let in_folder = |folder: &Path| {
        let mut files = entries(folder).unwrap_or_default();
        files.retain(|file| file.extension().is_some_and(|e| e == "parquet"));
        files
    };
    let data = in_folder(&path.join("data"));
    let parquet = match path.is_dir() {
        // Beside `data` lie tables of other kinds, such as the manifest.
        true if data.is_empty() => in_folder(path),
        true => data,
        false => vec![path.to_path_buf()],
    };
    let parquet = parquet.into_iter();
    let with_split = parquet.map(|file| {
        let name = file_name(&file);
        let split = name
            .rsplit_once("-of-")
            .and_then(|(name, _)| name.rsplit_once('-'));
        let split = split.map(|(split, _)| split.to_owned());
        (file, split)
    });
    with_split.collect()
}

/// The names of classes in a file's metadata.
struct Classes {
    labels: Vec<String>,
    objects: Vec<String>,
}

impl Classes {
    /// # Errors
    /// If the file is not one that `datasets` writes with pictures.
    fn read(file: &Path) -> Result<Self> {
        let features = table::metadata(file, KEY)?;
        let features: serde_json::Value = features
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let features = &features["info"]["features"];
        if features["image"]["_type"] != "Image" {
            let problem = "has no column `image` with the feature `Image` of Hugging Face";
            return Err(wrong(file, problem));
        }
        let names = |feature: &serde_json::Value| {
            let names = feature["names"].as_array().into_iter().flatten();
            let names = names.filter_map(|name| name.as_str().map(str::to_owned));
            names.collect::<Vec<_>>()
        };
        let category = &features["objects"]["category"];
        let category = match &category["feature"] {
            serde_json::Value::Null => category,
            inner => inner,
        };
        Ok(Classes {
            labels: names(&features["label"]),
            objects: names(category),
        })
    }
}

fn read(path: &Path, reader: &mut Reader) -> Result<()> {
    for (file, split) in files(path) {
        let classes = Classes::read(&file)?;
        for name in &classes.objects {
            reader.class(Category {
                name: name.clone(),
                ..Category::default()
            });
        }
        let mut number = 0;
        table::visit(&file, ROWS, &mut |row: Row| {
            let place = format!("{}: row {number}", file.display());
            number += 1;
            let picture = row.picture(&file, &classes).map(|picture| Picture {
                split: split.clone(),
                ..picture
            });
            match reader.some(&place, picture)? {
                Some(picture) => reader.add(place, picture),
                None => Ok(()),
            }
        })?;
    }
    Ok(())
}

impl Row {
    fn picture(self, file: &Path, classes: &Classes) -> Result<Picture, String> {
        let bytes = self
            .image
            .bytes
            .ok_or("has a picture outside the file, which is not read")?;
        let name = |names: &[String], id: i64| {
            let name = usize::try_from(id)
                .ok()
                .and_then(|id| names.get(id).cloned());
            name.ok_or_else(|| format!("has the class {id}, which the features do not name"))
        };
        let class = match self.label {
            Some(id) if id >= 0 => Some(name(&classes.labels, id)?),
            _ => None,
        };
        let objects = self.objects.map(|objects| {
            let both = objects.bbox.into_iter().zip(objects.category);
            let object = |(bbox, id): (Vec<f32>, i64)| {
                let bbox = <[f32; 4]>::try_from(bbox).map_err(|_| "has a box without 4 numbers")?;
                Ok(Object::new(name(&classes.objects, id)?, bbox))
            };
            both.map(object).collect::<Result<Vec<_>, String>>()
        });
        let side = |side: Option<i32>| side.and_then(|side| u32::try_from(side).ok());
        let path = self.image.path.unwrap_or_default();
        let last = path.rsplit(['/', '\\']).next().unwrap_or_default();
        let labels = Labels {
            class,
            objects: objects.transpose()?,
            ..Labels::default()
        };
        Ok(Picture {
            bytes: Some(bytes),
            extent: side(self.width)
                .zip(side(self.height))
                .map(|(width, height)| crate::sample::Extent::new(width, height)),
            ..Picture::new(file.join(last), labels)
        })
    }
}
