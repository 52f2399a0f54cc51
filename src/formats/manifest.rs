//! `manifest.parquet`: one row per image, with what `explain`, `diff` and other programs need.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    Category, DatasetInfo, Format, Holds, ImageEntry, Picture, Reader, Shelf, Writer, folders,
    inside,
};
use crate::Result;
use crate::artifact::{DATASET_TABLE, table, table::Table};
use crate::sample::maps::{Maps, depth};
use crate::sample::{Camera, Domain, Extent, LABELLED, Labels, Mask, Object, Provenance};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "manifest",
    about: "manifest.parquet: one row per image, with its provenance and hash",
    required: true,
    holds: Holds {
        class: true,
        captions: true,
        objects: true,
        masks: true,
        poses: true,
        camera: true,
        unknown_objects: true,
        ..Holds::NOTHING
    },
    write: Some(write),
    detect: |path| path.join(DATASET_TABLE).is_file(),
    read,
};

/// One row, without the picture.
#[derive(Serialize, Deserialize)]
struct Row {
    file: String,
    split: String,
    class: Option<String>,
    #[serde(default)]
    caption: Option<String>,
    width: u32,
    height: u32,
    /// x, y, width, height of each object in pixels, concatenated; null: unknown.
    boxes: Option<Vec<f32>>,
    box_classes: Option<Vec<String>>,
    box_count: u32,
    /// The visible pixels of each object as COCO's uncompressed run lengths, null if they are not known; null: of none.
    #[serde(default)]
    masks: Option<Vec<Option<Vec<u32>>>>,
    /// fx, fy, cx, cy in pixels.
    camera: Option<Vec<f32>>,
    /// Metres a step of the map `depth`; null: there is no such map.
    #[serde(default)]
    depth_step: Option<f32>,
    /// Twelve numbers per object, if all objects have a pose.
    poses: Option<Vec<f32>>,
    id: String,
    parent: Option<String>,
    origin: String,
    seed: String,
    source: String,
    domain: String,
    checkpoint: Option<String>,
    transforms: Vec<String>,
    gate: Option<String>,
    /// Hash of the file, hexadecimal.
    blake3: String,
}

struct Manifest<'a> {
    dataset: DatasetInfo<'a>,
    table: Table<Row>,
    rows: Vec<Row>,
}

/// Rows held in memory at once, a few hundred bytes each: one row group.
const ROWS: usize = 8192;

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    let path = dataset.out.join(DATASET_TABLE);
    Ok(Box::new(Manifest {
        dataset: *dataset,
        table: Table::create(&path)?,
        rows: Vec::new(),
    }))
}

impl Manifest<'_> {
    fn flush(&mut self) -> Result<()> {
        self.table.add(&self.rows)?;
        self.rows.clear();
        Ok(())
    }
}

impl Writer for Manifest<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        if self.dataset.loose {
            entry.place(self.dataset.out)?;
        }
        let sample = entry.sample;
        let known = sample.labels.objects.as_ref();
        let objects = sample.labels.objects();
        let provenance = sample.provenance.clone();
        self.rows.push(Row {
            file: entry.file.clone(),
            split: entry.split.to_owned(),
            class: entry.class.map(str::to_owned),
            caption: sample.labels.caption.clone(),
            width: sample.extent.width,
            height: sample.extent.height,
            boxes: known.map(|all| all.iter().flat_map(|o| o.bbox_xywh).collect()),
            box_classes: known.map(|all| all.iter().map(|o| o.class.clone()).collect()),
            box_count: objects.len() as u32,
            masks: masks(objects),
            camera: sample
                .labels
                .camera
                .map(|camera| camera.to_array().to_vec()),
            depth_step: depth_step(&sample.labels.maps),
            poses: poses(objects),
            id: sample.id.clone(),
            parent: provenance.parent,
            origin: provenance.origin,
            seed: provenance.seed,
            source: provenance.source,
            domain: provenance.domain.name().to_owned(),
            checkpoint: provenance.checkpoint,
            transforms: provenance.transforms,
            gate: provenance.gate,
            blake3: blake3::hash(&entry.bytes()?).to_hex().to_string(),
        });
        match self.rows.len() {
            ROWS.. => self.flush(),
            _ => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.flush()?;
        self.table.finish()
    }
}

/// Metres a step of the map `depth`, if there is one.
fn depth_step(maps: &Maps) -> Option<f32> {
    maps.get(&depth::MAP)?;
    Some(maps.step(&depth::MAP).unwrap_or(depth::STEP))
}

/// The runs of each mask; `None` if none is known.
fn masks(objects: &[Object]) -> Option<Vec<Option<Vec<u32>>>> {
    let runs = |object: &Object| object.mask.as_ref().map(|mask| mask.counts.clone());
    let all: Vec<_> = objects.iter().map(runs).collect();
    all.iter().any(Option::is_some).then_some(all)
}

/// The concatenated poses; `None` if one is unknown, or there are none.
fn poses(objects: &[Object]) -> Option<Vec<f32>> {
    let all: Option<Vec<[f32; 12]>> = objects.iter().map(|i| i.pose).collect();
    all.map(|all| all.concat()).filter(|all| !all.is_empty())
}

fn read(root: &Path, reader: &mut Reader) -> Result<()> {
    // Without the list, classes are in the order of their names.
    let classes = std::fs::read_to_string(root.join(folders::CLASSES));
    for name in classes.unwrap_or_default().lines() {
        reader.class(Category {
            name: name.to_owned(),
            ..Category::default()
        });
    }
    let path = root.join(DATASET_TABLE);
    let shelf = Shelf::of(root);
    table::visit(&path, ROWS, &mut |row: Row| {
        let place = format!("{}: {}", path.display(), row.file);
        let Some(file) = reader.some(&place, inside(root, &row.file))? else {
            return Ok(());
        };
        let bytes = match shelf.is_in_shard(&row.file) {
            true => match reader.file(shelf.read(&row.file))? {
                Some(bytes) => Some(bytes),
                None => return Ok(()),
            },
            false => None,
        };
        let picture = row.picture(file);
        reader.add(place, Picture { bytes, ..picture })
    })
}

impl Row {
    fn picture(self, file: std::path::PathBuf) -> Picture {
        let poses = self.poses.unwrap_or_default();
        let poses = poses.as_chunks::<12>().0;
        let boxes = self.boxes.unwrap_or_default();
        let area = u64::from(self.width) * u64::from(self.height);
        // Runs of another picture are no mask of this one.
        let fits = |counts: &Vec<u32>| counts.iter().copied().map(u64::from).sum::<u64>() == area;
        let mut masks = self.masks.unwrap_or_default();
        let mut mask = |place: usize| masks.get_mut(place)?.take().filter(fits);
        let object = |(place, (class, bbox)): (usize, (String, &[f32; 4]))| Object {
            pose: poses.get(place).copied(),
            mask: mask(place).map(|counts| Mask { counts }),
            ..Object::new(class, *bbox)
        };
        // Earlier versions wrote an empty list for photos, whose objects were unknown as well.
        let is_labelled = self.transforms.iter().any(|text| text == LABELLED);
        let photo = self.domain == Domain::Photo.name() && !is_labelled;
        let classes = self
            .box_classes
            .filter(|classes| !(photo && classes.is_empty()));
        let objects = classes.map(|classes| {
            let both = classes.into_iter().zip(boxes.as_chunks::<4>().0);
            both.enumerate().map(object).collect()
        });
        let labels = Labels {
            class: self.class,
            caption: self.caption,
            objects,
            camera: self.camera.as_deref().and_then(Camera::from_slice),
            ..Labels::default()
        };
        let provenance = Domain::from_name(&self.domain).map(|domain| Provenance {
            domain,
            source: self.source,
            origin: self.origin,
            parent: self.parent,
            seed: self.seed,
            checkpoint: self.checkpoint,
            transforms: self.transforms,
            split: Some(self.split.clone()),
            gate: self.gate,
        });
        Picture {
            split: Some(self.split),
            extent: Some(Extent::new(self.width, self.height)),
            provenance,
            ..Picture::new(file, labels)
        }
    }
}
