//! `manifest.parquet`: one row an image, with what `explain`, `diff` and other programs need.

use polars::prelude::*;

use super::{Entry, Plan, Writer};
use crate::artifact::{DATASET_TABLE, parts};
use crate::sample::{Instance, Provenance};
use crate::{Error, Result};

/// One row, without the picture.
struct Row {
    file: String,
    split: &'static str,
    class: String,
    id: String,
    width: u32,
    height: u32,
    /// x, y, width, height of each instance in pixels, one after the other.
    boxes: Vec<f32>,
    box_classes: Vec<String>,
    /// fx, fy, cx, cy in pixels.
    camera: Option<[f32; 4]>,
    /// Twelve numbers of each instance, where all have a pose.
    poses: Option<Vec<f32>>,
    provenance: Provenance,
    /// Of the file, hexadecimal.
    blake3: String,
}

struct Manifest {
    table: parts::Table,
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
    let empty = to_frame(&[]).map_err(|e| Error::parquet(&path, e))?;
    Ok(Box::new(Manifest {
        table: parts::Table::create(&path, &empty)?,
        rows: Vec::new(),
    }))
}

impl Manifest {
    fn flush(&mut self) -> Result<()> {
        let frame = to_frame(&self.rows).map_err(|e| Error::parquet(self.table.path(), e))?;
        self.rows.clear();
        self.table.add(&frame)
    }
}

impl Writer for Manifest {
    fn add(&mut self, entry: &Entry) -> Result<()> {
        let sample = entry.sample;
        let instances = &sample.labels.instances;
        self.rows.push(Row {
            file: entry.file.clone(),
            split: entry.split,
            class: entry.class.to_owned(),
            id: sample.id.clone(),
            width: sample.width,
            height: sample.height,
            boxes: instances.iter().flat_map(|i| i.bbox_xywh).collect(),
            box_classes: instances.iter().map(|i| i.class.clone()).collect(),
            camera: sample.labels.camera.map(|c| [c.fx, c.fy, c.cx, c.cy]),
            poses: poses(instances),
            provenance: sample.provenance.clone(),
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

fn to_frame(rows: &[Row]) -> PolarsResult<DataFrame> {
    let floats = |name: &str, values: fn(&Row) -> Option<&[f32]>| {
        let mut builder = ListPrimitiveChunkedBuilder::<Float32Type>::new(
            name.into(),
            rows.len(),
            4 * rows.len(),
            DataType::Float32,
        );
        for row in rows {
            match values(row) {
                Some(values) => builder.append_slice(values),
                None => builder.append_null(),
            }
        }
        builder.finish().into_column()
    };
    let text = |name: &str, value: fn(&Row) -> Option<&str>| {
        StringChunked::from_iter_options(name.into(), rows.iter().map(value)).into_column()
    };
    let number = |name: &str, value: fn(&Row) -> u32| {
        UInt32Chunked::from_iter_values(name.into(), rows.iter().map(value)).into_column()
    };
    let texts = |name: &str, values: fn(&Row) -> &[String]| {
        let mut builder = ListStringChunkedBuilder::new(name.into(), rows.len(), 4 * rows.len());
        for row in rows {
            builder.append_values_iter(values(row).iter().map(String::as_str));
        }
        builder.finish().into_column()
    };
    let columns = vec![
        text("file", |r| Some(&r.file)),
        text("split", |r| Some(r.split)),
        text("class", |r| Some(&r.class)),
        number("width", |r| r.width),
        number("height", |r| r.height),
        floats("boxes", |r| Some(&r.boxes)),
        texts("box_classes", |r| &r.box_classes),
        number("box_count", |r| r.box_classes.len() as u32),
        floats("camera", |r| r.camera.as_ref().map(|camera| &camera[..])),
        floats("poses", |r| r.poses.as_deref()),
        text("id", |r| Some(&r.id)),
        text("parent", |r| r.provenance.parent.as_deref()),
        text("origin", |r| Some(&r.provenance.origin)),
        text("seed", |r| Some(&r.provenance.seed)),
        text("source", |r| Some(&r.provenance.source)),
        text("domain", |r| Some(r.provenance.domain.name())),
        text("checkpoint", |r| r.provenance.checkpoint.as_deref()),
        texts("transforms", |r| &r.provenance.transforms),
        text("gate", |r| r.provenance.gate.as_deref()),
        text("blake3", |r| Some(&r.blake3)),
    ];
    DataFrame::new(rows.len(), columns)
}
