//! Parts: Parquet files of a few hundred samples, readable as they are by any Parquet reader.
//!
//! One row a sample. Images are encoded bytes in a binary column; instances are a list of structs.

use std::fs::File;
use std::path::{Path, PathBuf};

use polars::io::parquet::write::KeyValueMetadata;
use polars::prelude::*;

use crate::sample::{
    Camera, Domain, Instance, Keypoint, Labels, Mask, Provenance, Sample, Visibility,
};
use crate::{Error, Result};

/// Writes `samples` as one Parquet file.
///
/// # Errors
/// Where the file cannot be written; the message names it.
pub fn write_part(path: &Path, samples: &[Sample]) -> Result<()> {
    let mut frame = to_frame(samples).map_err(|e| Error::parquet(path, e))?;
    write_frame(path, &mut frame)
}

/// Writes any table as one Parquet file, flushed to the disk.
///
/// # Errors
/// Where the file cannot be written; the message names it.
pub fn write_frame(path: &Path, frame: &mut DataFrame) -> Result<()> {
    let file = File::create(path).map_err(|e| Error::io(path, e))?;
    writer(&file, frame.schema())
        .finish(frame)
        .map_err(|e| Error::parquet(path, e))?;
    file.sync_all().map_err(|e| Error::io(path, e))?;
    tracing::trace!(path = %path.display(), rows = frame.height(), "written");
    Ok(())
}

/// A writer whose files say that texts and bytes are plain ones. Of its own, polars calls them views,
/// and lists of views are what pandas cannot read.
fn writer<W: std::io::Write>(file: W, schema: &Schema) -> ParquetWriter<W> {
    let plain = schema.to_arrow(CompatLevel::oldest());
    let plain = polars_parquet::write::schema_to_metadata_key(&plain);
    let plain = vec![(plain.key, plain.value.unwrap_or_default())];
    ParquetWriter::new(file).with_key_value_metadata(Some(KeyValueMetadata::from_static(plain)))
}

/// A Parquet file that grows row group by row group, so that the whole table is never in memory.
pub struct Table {
    path: PathBuf,
    file: File,
    writer: BatchedWriter<File>,
}

impl Table {
    /// Starts the file; `columns` is a table of the same columns, its rows are not written.
    ///
    /// # Errors
    /// Where the file cannot be created; the message names it.
    pub fn create(path: &Path, columns: &DataFrame) -> Result<Self> {
        let file = File::create(path).map_err(|e| Error::io(path, e))?;
        let other = file.try_clone().map_err(|e| Error::io(path, e))?;
        let writer = writer(other, columns.schema()).batched(columns.schema());
        Ok(Table {
            path: path.to_path_buf(),
            file,
            writer: writer.map_err(|e| Error::parquet(path, e))?,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a row group; none for no rows.
    ///
    /// # Errors
    /// Where the file cannot be written; the message names it.
    pub fn add(&mut self, rows: &DataFrame) -> Result<()> {
        let written = self.writer.write_batch(rows);
        written.map_err(|e| Error::parquet(&self.path, e))
    }

    /// Closes the file and flushes it to the disk.
    ///
    /// # Errors
    /// Where the file cannot be written; the message names it.
    pub fn finish(self) -> Result<()> {
        let ended = self.writer.finish();
        ended.map_err(|e| Error::parquet(&self.path, e))?;
        self.file.sync_all().map_err(|e| Error::io(&self.path, e))
    }
}

/// blake3, in hexadecimal, of the file that [`write_part`] would write.
///
/// # Errors
/// Where `samples` are no table.
pub fn hash(samples: &[Sample]) -> Result<String> {
    let mut bytes = Vec::new();
    to_frame(samples)
        .and_then(|mut frame| writer(&mut bytes, frame.schema()).finish(&mut frame))
        .map_err(|e| Error::parquet(Path::new("a part in memory"), e))?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// Reads a Parquet file as a table.
///
/// # Errors
/// Where the file is missing, cut off or no Parquet; the message names it.
pub fn read_frame(path: &Path) -> Result<DataFrame> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    ParquetReader::new(file)
        .finish()
        .map_err(|e| Error::parquet(path, e))
}

/// Reads these columns of a Parquet file alone.
///
/// # Errors
/// Where the file is missing, cut off or has no such columns; the message names it.
pub fn read_columns(path: &Path, names: &[&str]) -> Result<DataFrame> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    ParquetReader::new(file)
        .with_columns(Some(names.iter().map(|name| (*name).to_owned()).collect()))
        .finish()
        .map_err(|e| Error::parquet(path, e))
}

/// Reads one column of texts of a Parquet file alone.
///
/// # Errors
/// Where the file is missing, cut off or has no such column; the message names it.
pub fn read_texts(path: &Path, name: &str) -> Result<Vec<Option<String>>> {
    let frame = read_columns(path, &[name])?;
    let column = frame.column(name).and_then(|column| column.str());
    let column = column.map_err(|e| Error::parquet(path, e))?;
    let texts = column.iter().map(|text| text.map(str::to_owned));
    Ok(texts.collect())
}

/// Reads back what [`write_part`] wrote.
///
/// # Errors
/// Where the file is missing, cut off, or has other columns; the message names it.
pub fn read_part(path: &Path) -> Result<Vec<Sample>> {
    let frame = read_frame(path)?;
    from_frame(&frame).map_err(|e| Error::parquet(path, e))
}

/// The sample of this id, reading its row alone; `None` where the part has none.
///
/// # Errors
/// Where the file is missing, cut off, or has other columns; the message names it.
pub fn find(path: &Path, id: &str) -> Result<Option<Sample>> {
    let open = || File::open(path).map_err(|e| Error::io(path, e));
    let broken = |e| Error::parquet(path, e);
    let mut ids = read_texts(path, "id")?.into_iter();
    let Some(row) = ids.position(|known| known.as_deref() == Some(id)) else {
        return Ok(None);
    };
    let row = ParquetReader::new(open()?)
        .with_slice(Some((row, 1)))
        .finish();
    let samples = row.and_then(|row| from_frame(&row)).map_err(broken)?;
    Ok(samples.into_iter().next())
}

fn strings<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> Column {
    StringChunked::from_iter_options(name.into(), values).into_column()
}

fn to_frame(samples: &[Sample]) -> PolarsResult<DataFrame> {
    let provenance = |field: fn(&Provenance) -> Option<&str>, name: &str| {
        strings(name, samples.iter().map(|s| field(&s.provenance)))
    };
    let mut transforms = ListStringChunkedBuilder::new("transforms".into(), samples.len(), 4);
    let mut camera = ListPrimitiveChunkedBuilder::<Float32Type>::new(
        "camera".into(),
        samples.len(),
        4 * samples.len(),
        DataType::Float32,
    );
    for sample in samples {
        transforms.append_values_iter(sample.provenance.transforms.iter().map(String::as_str));
        match sample.labels.camera {
            Some(c) => camera.append_slice(&[c.fx, c.fy, c.cx, c.cy]),
            None => camera.append_null(),
        }
    }
    let columns = vec![
        strings("id", samples.iter().map(|s| Some(s.id.as_str()))),
        UInt64Chunked::from_iter_values("index".into(), samples.iter().map(|s| s.index))
            .into_column(),
        BinaryChunked::from_iter_values("image".into(), samples.iter().map(|s| &s.image[..]))
            .into_column(),
        UInt32Chunked::from_iter_values("width".into(), samples.iter().map(|s| s.width))
            .into_column(),
        UInt32Chunked::from_iter_values("height".into(), samples.iter().map(|s| s.height))
            .into_column(),
        strings("class", samples.iter().map(|s| s.labels.class.as_deref())),
        instances_column(samples)?,
        BinaryChunked::from_iter_options(
            "depth".into(),
            samples.iter().map(|s| s.labels.depth.as_deref()),
        )
        .into_column(),
        camera.finish().into_column(),
        provenance(|p| Some(p.domain.name()), "domain"),
        provenance(|p| Some(&p.source), "source"),
        provenance(|p| Some(&p.origin), "origin"),
        provenance(|p| p.parent.as_deref(), "parent"),
        provenance(|p| Some(&p.seed), "seed"),
        provenance(|p| p.checkpoint.as_deref(), "checkpoint"),
        transforms.finish().into_column(),
        provenance(|p| p.split.as_deref(), "split"),
        provenance(|p| p.gate.as_deref(), "gate"),
    ];
    DataFrame::new(samples.len(), columns)
}

/// One flat struct row an instance, sliced into one list a sample.
fn instances_column(samples: &[Sample]) -> PolarsResult<Column> {
    let all: Vec<&Instance> = samples.iter().flat_map(|s| &s.labels.instances).collect();
    let floats = |name: &str, values: &dyn Fn(&Instance) -> Option<Vec<f32>>| {
        let mut builder = ListPrimitiveChunkedBuilder::<Float32Type>::new(
            name.into(),
            all.len(),
            8 * all.len(),
            DataType::Float32,
        );
        for &instance in &all {
            match values(instance) {
                Some(v) => builder.append_slice(&v),
                None => builder.append_null(),
            }
        }
        builder.finish().into_column()
    };
    let mut mask = ListPrimitiveChunkedBuilder::<UInt32Type>::new(
        "mask_counts".into(),
        all.len(),
        64 * all.len(),
        DataType::UInt32,
    );
    all.iter().for_each(|i| mask.append_slice(&i.mask.counts));
    let keypoint = |k: &Keypoint| [k.x, k.y, f32::from(k.visibility as u8)];
    let columns = vec![
        strings("class", all.iter().map(|i| Some(i.class.as_str()))),
        floats("bbox_xywh", &|i| Some(i.bbox_xywh.to_vec())),
        mask.finish().into_column(),
        floats("keypoints_xyv", &|i| {
            Some(i.keypoints.iter().flat_map(keypoint).collect())
        }),
        floats("pose", &|i| i.pose.map(|p| p.to_vec())),
        Float32Chunked::from_iter_values(
            "visible_fraction".into(),
            all.iter().map(|i| i.visible_fraction),
        )
        .into_column(),
    ];
    let rows = DataFrame::new(all.len(), columns)?
        .into_struct("instances".into())
        .into_series();
    let mut start = 0;
    let lists: Vec<Series> = samples
        .iter()
        .map(|sample| {
            let list = rows.slice(start, sample.labels.instances.len());
            start += sample.labels.instances.len() as i64;
            list
        })
        .collect();
    Ok(Series::new("instances".into(), lists).into_column())
}

fn from_frame(frame: &DataFrame) -> PolarsResult<Vec<Sample>> {
    let string = |name: &str| frame.column(name)?.str();
    let missing = |name: &str| PolarsError::NoData(format!("a null in column {name}").into());
    let required = |column: &StringChunked, i: usize| -> PolarsResult<String> {
        Ok(column
            .get(i)
            .ok_or_else(|| missing(column.name()))?
            .to_owned())
    };
    let (id, class, domain) = (string("id")?, string("class")?, string("domain")?);
    let (source, origin, parent) = (string("source")?, string("origin")?, string("parent")?);
    let (seed, checkpoint, split) = (string("seed")?, string("checkpoint")?, string("split")?);
    // Parts of earlier versions have no gate.
    let gate = frame.column("gate").ok().map(|c| c.str()).transpose()?;
    let index = frame.column("index")?.u64()?;
    let (image, depth) = (
        frame.column("image")?.binary()?,
        frame.column("depth")?.binary()?,
    );
    let (width, height) = (
        frame.column("width")?.u32()?,
        frame.column("height")?.u32()?,
    );
    let camera = frame.column("camera")?.list()?;
    let transforms = frame.column("transforms")?.list()?;
    let instances = frame.column("instances")?.list()?;
    let mut samples = Vec::with_capacity(frame.height());
    for i in 0..frame.height() {
        let applied = transforms.get_as_series(i).unwrap_or_default();
        samples.push(Sample {
            id: required(id, i)?,
            index: index.get(i).ok_or_else(|| missing("index"))?,
            image: image.get(i).ok_or_else(|| missing("image"))?.to_vec(),
            width: width.get(i).ok_or_else(|| missing("width"))?,
            height: height.get(i).ok_or_else(|| missing("height"))?,
            labels: Labels {
                class: class.get(i).map(str::to_owned),
                instances: match instances.get_as_series(i) {
                    Some(rows) if !rows.is_empty() => read_instances(&rows)?,
                    _ => Vec::new(),
                },
                depth: depth.get(i).map(<[u8]>::to_vec),
                camera: match camera.get_as_series(i) {
                    Some(values) => match floats(&values)?[..] {
                        [fx, fy, cx, cy] => Some(Camera { fx, fy, cx, cy }),
                        _ => None,
                    },
                    None => None,
                },
            },
            provenance: Provenance {
                domain: Domain::from_name(domain.get(i).unwrap_or_default())
                    .ok_or_else(|| missing("domain"))?,
                source: required(source, i)?,
                origin: required(origin, i)?,
                parent: parent.get(i).map(str::to_owned),
                seed: required(seed, i)?,
                checkpoint: checkpoint.get(i).map(str::to_owned),
                transforms: if applied.is_empty() {
                    Vec::new()
                } else {
                    applied.str()?.iter().flatten().map(str::to_owned).collect()
                },
                split: split.get(i).map(str::to_owned),
                gate: gate.and_then(|g| g.get(i)).map(str::to_owned),
            },
        });
    }
    Ok(samples)
}

fn floats(series: &Series) -> PolarsResult<Vec<f32>> {
    Ok(series.f32()?.iter().flatten().collect())
}

fn read_instances(rows: &Series) -> PolarsResult<Vec<Instance>> {
    let frame = rows.struct_()?.clone().unnest();
    let list = |name: &str| frame.column(name)?.list();
    let (bbox, pose, keypoints) = (list("bbox_xywh")?, list("pose")?, list("keypoints_xyv")?);
    let mask = list("mask_counts")?;
    let class = frame.column("class")?.str()?;
    let visible = frame.column("visible_fraction")?.f32()?;
    let values = |column: &ListChunked, i| -> PolarsResult<Vec<f32>> {
        column
            .get_as_series(i)
            .map_or(Ok(Vec::new()), |s| floats(&s))
    };
    (0..frame.height())
        .map(|i| {
            let counts = match mask.get_as_series(i) {
                Some(series) => series.u32()?.iter().flatten().collect(),
                None => Vec::new(),
            };
            Ok(Instance {
                class: class.get(i).unwrap_or_default().to_owned(),
                bbox_xywh: values(bbox, i)?.try_into().unwrap_or_default(),
                mask: Mask { counts },
                keypoints: values(keypoints, i)?
                    .chunks_exact(3)
                    .map(|k| Keypoint {
                        x: k[0],
                        y: k[1],
                        visibility: Visibility::from_coco(k[2] as u8),
                    })
                    .collect(),
                pose: values(pose, i)?.try_into().ok(),
                visible_fraction: visible.get(i).unwrap_or(1.0),
            })
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two samples that use every field between them.
    pub(crate) fn examples() -> Vec<Sample> {
        let full = Sample {
            id: "render-000001".into(),
            index: 1,
            image: crate::sample::image::encode_png(&image::RgbImage::new(4, 3)).unwrap(),
            width: 4,
            height: 3,
            labels: Labels {
                class: Some("six".into()),
                instances: vec![Instance {
                    class: "six".into(),
                    bbox_xywh: [1.0, 0.0, 2.0, 3.0],
                    mask: Mask {
                        counts: vec![3, 6, 3],
                    },
                    keypoints: vec![Keypoint {
                        x: 1.5,
                        y: 2.5,
                        visibility: Visibility::Visible,
                    }],
                    pose: Some([0.5; 12]),
                    visible_fraction: 0.75,
                }],
                depth: Some(vec![1, 2, 3]),
                camera: Some(Camera {
                    fx: 70.0,
                    fy: 71.0,
                    cx: 2.0,
                    cy: 1.5,
                }),
            },
            provenance: Provenance {
                domain: Domain::Render,
                source: "die.gltf".into(),
                origin: "render-000001".into(),
                parent: None,
                seed: "ab".into(),
                checkpoint: Some("cd".into()),
                transforms: vec!["flip".into(), "blur(1.5)".into()],
                split: Some("train".into()),
                gate: Some("{\"edges\":0.5}".into()),
            },
        };
        let mut bare = full.clone();
        bare.id = "photo-000002".into();
        bare.labels = Labels::default();
        bare.provenance.domain = Domain::Photo;
        bare.provenance.transforms = Vec::new();
        bare.provenance.checkpoint = None;
        bare.provenance.split = None;
        bare.provenance.gate = None;
        bare.provenance.parent = Some("x".into());
        vec![full, bare]
    }

    #[test]
    fn parts_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.parquet");
        let mut samples = examples();
        write_part(&path, &samples).unwrap();
        assert_eq!(read_part(&path).unwrap(), samples);
        assert_eq!(find(&path, &samples[1].id).unwrap().unwrap(), samples[1]);
        assert_eq!(find(&path, "x").unwrap(), None);
        assert_eq!(
            hash(&samples).unwrap(),
            crate::artifact::hash_file(&path).unwrap()
        );
        samples.remove(0);
        write_part(&path, &samples).unwrap();
        assert_eq!(read_part(&path).unwrap(), samples);
    }

    /// Another reader of Parquet sees the same columns, nested ones included.
    #[test]
    fn another_library_reads_a_part() {
        use parquet::file::reader::{FileReader, SerializedFileReader};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.parquet");
        write_part(&path, &examples()).unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let rows: Vec<String> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().to_string())
            .collect();
        assert_eq!(rows.len(), 2);
        for part in [
            "render-000001",
            "bbox_xywh",
            "keypoints_xyv",
            "0.75",
            "blur(1.5)",
        ] {
            assert!(rows[0].contains(part), "{part} is not in {}", rows[0]);
        }
    }
}
