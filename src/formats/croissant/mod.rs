//! Croissant 1.1: `croissant.json`, JSON-LD that describes a dataset for catalogues and loaders, and two tables
//! that it refers to: <https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html>.
//!
//! Pictures are one set of files, however many there are. The SHA-256 of each stands in `croissant/images.parquet`,
//! whose own stands in `croissant.json`. Boxes are texts, since `mlcroissant` takes lists only from JSON; masks are
//! texts too, each of one polygon (see [`outline`](super::outline)).

mod document;
mod rai;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::outline::{fill, outline};
use super::{
    Category, DatasetInfo, Format, Holds, ImageEntry, Picture, Reader, Writer, inside, wrong,
};
use crate::artifact::soundness::sha256;
use crate::artifact::table::{self, Rows, Table};
use crate::sample::input::{self, MOST_BYTES};
use crate::sample::{Camera, Domain, Extent, Keypoint, Labels, Mask, Object, Provenance};
use crate::{Error, Result};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "croissant",
    about: "croissant.json: Croissant 1.1 for catalogues and mlcroissant, with tables of all labels",
    required: false,
    holds: Holds {
        class: true,
        objects: true,
        masks: true,
        keypoints: true,
        poses: true,
        boxes_3d: true,
        camera: true,
        visible_fraction: true,
        unknown_objects: true,
        ..Holds::NOTHING
    },
    write: Some(write),
    detect: |path| path.join(FILE).is_file() && path.join(IMAGES).is_file(),
    read,
};

/// The description.
const FILE: &str = "croissant.json";

/// The table of pictures.
const IMAGES: &str = "croissant/images.parquet";

/// The table of objects, in the order of the pictures.
const OBJECTS: &str = "croissant/objects.parquet";

/// Rows held in memory at once: one row group.
const ROWS: usize = 2048;

/// A row of [`IMAGES`].
#[derive(Serialize, Deserialize)]
struct Image {
    /// Relative to the dataset's folder.
    file: String,
    split: String,
    class: Option<String>,
    width: u32,
    height: u32,
    /// How many rows of [`OBJECTS`] follow for this picture; null: not known what it shows.
    objects: Option<u32>,
    /// fx, fy, cx, cy in pixels.
    camera: Option<Vec<f32>>,
    domain: String,
    source: String,
    origin: String,
    seed: String,
    checkpoint: Option<String>,
    transforms: Vec<String>,
    sha256: String,
}

/// A row of [`OBJECTS`].
#[derive(Serialize, Deserialize)]
struct Item {
    /// The picture.
    file: String,
    class: String,
    /// x, y, width, height in pixels, separated by spaces.
    bbox: String,
    /// x and y of the corners of a polygon in pixels, separated by spaces.
    mask: Option<String>,
    /// x, y in pixels and COCO's visibility of each keypoint.
    keypoints: Vec<f32>,
    keypoint_names: Vec<String>,
    /// Object to camera, row-major 3×4, in metres.
    pose: Option<Vec<f32>>,
    /// Least x, y, z and greatest in the object's own coordinates, in metres.
    #[serde(default)]
    box_3d: Option<Vec<f32>>,
    visible_fraction: f32,
}

/// What all pictures together began as, for the description.
#[derive(Default)]
struct Lineage {
    /// Pictures by the model or template that they show.
    sources: BTreeMap<String, u64>,
    /// Pictures that are photos.
    photos: u64,
    /// Of these, those whose labels people gave.
    labelled: u64,
    /// Pictures that come from another program, of which no more is known.
    foreign: u64,
    /// Pictures by the hash of the checkpoint that translated them.
    checkpoints: BTreeMap<String, u64>,
    /// Names of the transforms.
    transforms: BTreeSet<String>,
    /// Whether a gate let pictures through.
    gated: bool,
    /// Endings of the pictures' names.
    endings: BTreeSet<String>,
}

struct Croissant<'a> {
    dataset: DatasetInfo<'a>,
    images: Table<Image>,
    objects: Table<Item>,
    image_rows: Vec<Image>,
    object_rows: Vec<Item>,
    lineage: Lineage,
}

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    let table = |name: &str| {
        let path = dataset.out.join(name);
        drop(super::create(&path)?);
        Ok::<_, Error>(path)
    };
    Ok(Box::new(Croissant {
        dataset: *dataset,
        images: Table::create(&table(IMAGES)?)?,
        objects: Table::create(&table(OBJECTS)?)?,
        image_rows: Vec::new(),
        object_rows: Vec::new(),
        lineage: Lineage::default(),
    }))
}

impl Croissant<'_> {
    fn flush(&mut self) -> Result<()> {
        self.images.add(&self.image_rows)?;
        self.image_rows.clear();
        self.objects.add(&self.object_rows)?;
        self.object_rows.clear();
        Ok(())
    }
}

impl Writer for Croissant<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        entry.place(self.dataset.out)?;
        self.lineage.add(entry);
        let (labels, extent) = (&entry.sample.labels, entry.sample.extent);
        let provenance = entry.sample.provenance.clone();
        let items = labels.objects().iter();
        self.object_rows
            .extend(items.map(|object| item(&entry.file, object, extent)));
        self.image_rows.push(Image {
            file: entry.file.clone(),
            split: entry.split.to_owned(),
            class: entry.class.map(str::to_owned),
            width: extent.width,
            height: extent.height,
            objects: labels.objects.as_ref().map(|all| all.len() as u32),
            camera: labels.camera.map(|camera| camera.to_array().to_vec()),
            domain: provenance.domain.name().to_owned(),
            source: provenance.source,
            origin: provenance.origin,
            seed: provenance.seed,
            checkpoint: provenance.checkpoint,
            transforms: provenance.transforms,
            sha256: sha256(&entry.bytes()?),
        });
        match self.image_rows.len().max(self.object_rows.len()) {
            ROWS.. => self.flush(),
            _ => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.flush()?;
        self.images.finish()?;
        self.objects.finish()?;
        document::write(&self.dataset, &self.lineage)
    }
}

impl Lineage {
    fn add(&mut self, entry: &ImageEntry) {
        let provenance = &entry.sample.provenance;
        self.endings.insert(entry.ending().to_owned());
        if provenance.domain == Domain::Photo {
            self.photos += 1;
            self.labelled += u64::from(provenance.is_labelled_photo());
        } else if provenance.seed.is_empty() {
            self.foreign += 1;
        } else {
            let source = self.sources.entry(provenance.source.clone());
            *source.or_default() += 1;
        }
        if let Some(checkpoint) = &provenance.checkpoint {
            *self.checkpoints.entry(checkpoint.clone()).or_default() += 1;
        }
        self.transforms
            .extend(provenance.transform_names().map(str::to_owned));
        self.gated |= provenance.gate.is_some();
    }
}

fn item(file: &str, object: &Object, extent: Extent) -> Item {
    let text = |corners: Vec<[f64; 2]>| {
        let numbers = corners.into_iter().flatten().map(|v| v.to_string());
        numbers.collect::<Vec<_>>().join(" ")
    };
    let mask = object.mask.as_ref().filter(|mask| mask.area() > 0);
    let mask = mask.map(|mask| outline(mask, extent));
    Item {
        file: file.to_owned(),
        class: object.class.clone(),
        bbox: object.bbox_xywh.map(|v| v.to_string()).join(" "),
        mask: mask.map(text),
        keypoints: object.keypoints.iter().flat_map(Keypoint::xyv).collect(),
        keypoint_names: object.keypoints.iter().map(|k| k.name.clone()).collect(),
        pose: object.pose.map(|pose| pose.to_vec()),
        box_3d: object.box_3d.map(|sides| sides.to_vec()),
        visible_fraction: object.visible_fraction,
    }
}

fn read(root: &Path, reader: &mut Reader) -> Result<()> {
    let file = root.join(FILE);
    let text = input::read(&file, MOST_BYTES)?;
    for class in document::classes(&text).map_err(|problem| wrong(&file, problem))? {
        reader.class(class);
    }
    let path = root.join(IMAGES);
    let mut items = table::rows::<Item>(&root.join(OBJECTS), ROWS)?;
    table::visit(&path, ROWS, &mut |image: Image| {
        let place = format!("{}: {}", path.display(), image.file);
        let objects = image.objects(&place, &mut items, reader)?;
        match reader.some(&place, inside(root, &image.file))? {
            Some(file) => reader.add(place, image.picture(file, objects)),
            None => Ok(()),
        }
    })
}

impl Image {
    fn extent(&self) -> Result<Extent, String> {
        super::reader::checked(Extent::new(self.width, self.height))
    }

    /// The objects of the picture, which are the next rows of their table.
    fn objects(
        &self,
        place: &str,
        items: &mut Rows<Item>,
        reader: &mut Reader,
    ) -> Result<Option<Vec<Object>>> {
        let Some(count) = self.objects else {
            return Ok(None);
        };
        let mut objects = Vec::new();
        for _ in 0..count {
            let Some(item) = items.next().transpose()? else {
                reader.flaw(place, format!("has objects that {OBJECTS} lacks"))?;
                break;
            };
            let object = match item.file == self.file {
                true => self.extent().and_then(|extent| item.object(extent)),
                false => Err(format!("has an object that {OBJECTS} has of another")),
            };
            objects.extend(reader.some(place, object)?);
        }
        Ok(Some(objects))
    }

    fn picture(self, file: std::path::PathBuf, objects: Option<Vec<Object>>) -> Picture {
        let provenance = Domain::from_name(&self.domain).map(|domain| Provenance {
            domain,
            source: self.source,
            origin: self.origin,
            parent: None,
            seed: self.seed,
            checkpoint: self.checkpoint,
            transforms: self.transforms,
            split: Some(self.split.clone()),
            gate: None,
        });
        let labels = Labels {
            class: self.class,
            objects,
            camera: self.camera.as_deref().and_then(Camera::from_slice),
            ..Labels::default()
        };
        Picture {
            split: Some(self.split),
            extent: Some(Extent::new(self.width, self.height)),
            provenance,
            ..Picture::new(file, labels)
        }
    }
}

impl Item {
    fn object(self, extent: Extent) -> Result<Object, String> {
        let bbox = <[f32; 4]>::try_from(numbers::<f32>(&self.bbox)?);
        let bbox = bbox.map_err(|_| "has a box without 4 numbers".to_owned())?;
        let mask = match &self.mask {
            Some(text) => Some(mask(text, extent)?),
            None => None,
        };
        let points = self.keypoints.as_chunks::<3>().0.iter();
        let keypoints = self.keypoint_names.into_iter().zip(points);
        Ok(Object {
            mask,
            keypoints: keypoints
                .map(|(name, &xyv)| Keypoint::from_xyv(name, xyv))
                .collect(),
            pose: self.pose.and_then(|pose| pose.try_into().ok()),
            box_3d: self.box_3d.and_then(|sides| sides.try_into().ok()),
            visible_fraction: self.visible_fraction,
            ..Object::new(self.class, bbox)
        })
    }
}

fn mask(text: &str, extent: Extent) -> Result<Mask, String> {
    let numbers = numbers::<f64>(text)?;
    fill(numbers.as_chunks::<2>().0, extent)
}

fn numbers<T: std::str::FromStr>(text: &str) -> Result<Vec<T>, String> {
    let number = |word: &str| {
        word.parse()
            .map_err(|_| format!("has `{word}` as a number"))
    };
    text.split_whitespace().map(number).collect()
}

/// A class as the description lists it.
#[derive(Serialize, Deserialize)]
struct Class {
    #[serde(rename = "classes/name")]
    name: String,
    #[serde(rename = "classes/keypoints", default)]
    keypoints: Vec<String>,
    #[serde(rename = "classes/skeleton", default)]
    skeleton: Vec<[usize; 2]>,
}

impl From<&Category> for Class {
    fn from(category: &Category) -> Self {
        Class {
            name: category.name.clone(),
            keypoints: category.keypoints.clone(),
            skeleton: category.skeleton.clone(),
        }
    }
}

impl From<Class> for Category {
    fn from(class: Class) -> Self {
        Category {
            name: class.name,
            keypoints: class.keypoints,
            skeleton: class.skeleton,
        }
    }
}
