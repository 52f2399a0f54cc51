//! `manifest.parquet`: one row an image, with what `explain`, `diff` and other programs need.

use serde::{Deserialize, Serialize};

use super::{Entry, Plan, Writer};
use crate::Result;
use crate::artifact::{DATASET_TABLE, table::Table};
use crate::sample::Instance;

/// One row, without the picture.
#[derive(Serialize, Deserialize)]
struct Row {
    file: String,
    split: String,
    class: String,
    width: u32,
    height: u32,
    /// x, y, width, height of each instance in pixels, one after the other.
    boxes: Vec<f32>,
    box_classes: Vec<String>,
    box_count: u32,
    /// fx, fy, cx, cy in pixels.
    camera: Option<Vec<f32>>,
    /// Twelve numbers of each instance, where all have a pose.
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
    /// Of the file, hexadecimal.
    blake3: String,
}

struct Manifest {
    table: Table<Row>,
    rows: Vec<Row>,
}

/// Rows in memory at once, each of a few hundred bytes: those of one row group.
const ROWS: usize = 8192;

/// Starts the file.
///
/// # Errors
/// Where it cannot be created.
pub fn open<'a>(plan: &Plan<'a>) -> Result<Box<dyn Writer + 'a>> {
    let path = plan.out.join(DATASET_TABLE);
    Ok(Box::new(Manifest {
        table: Table::create(&path)?,
        rows: Vec::new(),
    }))
}

impl Manifest {
    fn flush(&mut self) -> Result<()> {
        self.table.add(&self.rows)?;
        self.rows.clear();
        Ok(())
    }
}

impl Writer for Manifest {
    fn add(&mut self, entry: &Entry) -> Result<()> {
        let sample = entry.sample;
        let instances = &sample.labels.instances;
        let provenance = sample.provenance.clone();
        self.rows.push(Row {
            file: entry.file.clone(),
            split: entry.split.to_owned(),
            class: entry.class.to_owned(),
            width: sample.width,
            height: sample.height,
            boxes: instances.iter().flat_map(|i| i.bbox_xywh).collect(),
            box_classes: instances.iter().map(|i| i.class.clone()).collect(),
            box_count: instances.len() as u32,
            camera: sample.labels.camera.map(|c| vec![c.fx, c.fy, c.cx, c.cy]),
            poses: poses(instances),
            id: sample.id.clone(),
            parent: provenance.parent,
            origin: provenance.origin,
            seed: provenance.seed,
            source: provenance.source,
            domain: provenance.domain.name().to_owned(),
            checkpoint: provenance.checkpoint,
            transforms: provenance.transforms,
            gate: provenance.gate,
            blake3: blake3::hash(&sample.image).to_hex().to_string(),
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

/// The poses one after the other; `None` where one is not known, or there are none.
fn poses(instances: &[Instance]) -> Option<Vec<f32>> {
    let all: Option<Vec<[f32; 12]>> = instances.iter().map(|i| i.pose).collect();
    all.map(|all| all.concat()).filter(|all| !all.is_empty())
}
