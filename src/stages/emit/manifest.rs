//! `manifest.parquet`: one row an image, with what `explain`, `diff` and other programs need.

use polars::prelude::*;

use super::{Entry, Plan, Writer};
use crate::artifact::parts;
use crate::sample::Provenance;
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
    let path = plan.out.join("manifest.parquet");
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

fn to_frame(rows: &[Row]) -> PolarsResult<DataFrame> {
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
    let mut boxes = ListPrimitiveChunkedBuilder::<Float32Type>::new(
        "boxes".into(),
        rows.len(),
        4 * rows.len(),
        DataType::Float32,
    );
    rows.iter().for_each(|row| boxes.append_slice(&row.boxes));
    let columns = vec![
        text("file", |r| Some(&r.file)),
        text("split", |r| Some(r.split)),
        text("class", |r| Some(&r.class)),
        number("width", |r| r.width),
        number("height", |r| r.height),
        boxes.finish().into_column(),
        texts("box_classes", |r| &r.box_classes),
        number("box_count", |r| r.box_classes.len() as u32),
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
