//! Tables: Parquet files with one serde struct per row, readable by any Parquet reader.
//!
//! A struct's fields are the columns. Strings, bytes and lists have 64-bit offsets, since the pictures in one
//! part may exceed 2 GiB.

use std::collections::HashMap;
use std::fs::File;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{FieldRef, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_arrow::schema::{SchemaLike, TracingOptions};

use crate::error::DAMAGED_TABLE;
use crate::sample::input::guarded;
use crate::{Error, Result};

/// Rows decoded at a time.
const BATCH: usize = 8192;

/// A Parquet file written one row group at a time, so that the rows need not all be in memory.
pub struct Table<R> {
    path: PathBuf,
    columns: Vec<FieldRef>,
    writer: ArrowWriter<File>,
    row: PhantomData<R>,
}

impl<R: Serialize + DeserializeOwned> Table<R> {
    /// Creates the file.
    ///
    /// # Errors
    /// If the file cannot be created; the message names it.
    pub fn create(path: &Path) -> Result<Self> {
        let columns = columns::<R>().map_err(|e| Error::table(path, e))?;
        Self::with_columns(path, columns)
    }

    /// Like [`Table::create`], for rows whose columns do not follow from their type.
    ///
    /// # Errors
    /// If the file cannot be created; the message names it.
    pub fn with_columns(path: &Path, columns: Vec<FieldRef>) -> Result<Self> {
        Self::with_metadata(path, columns, HashMap::new())
    }

    /// Like [`Table::with_columns`], with entries for the file's metadata, which [`metadata`] reads.
    ///
    /// # Errors
    /// If the file cannot be created; the message names it.
    pub fn with_metadata(
        path: &Path,
        columns: Vec<FieldRef>,
        metadata: HashMap<String, String>,
    ) -> Result<Self> {
        let file = File::create(path).map_err(|e| Error::io(path, e))?;
        let writer = writer(file, &columns, metadata);
        Ok(Table {
            path: path.to_path_buf(),
            writer: writer.map_err(|e| Error::parquet(path, e))?,
            columns,
            row: PhantomData,
        })
    }

    /// Writes a row group, or nothing if there are no rows.
    ///
    /// # Errors
    /// If the file cannot be written; the message names it.
    pub fn add(&mut self, rows: &[R]) -> Result<()> {
        let batch = serde_arrow::to_record_batch(&self.columns, &rows);
        let batch = batch.map_err(|e| Error::table(&self.path, e))?;
        let written = self.writer.write(&batch).and_then(|()| self.writer.flush());
        written.map_err(|e| Error::parquet(&self.path, e))
    }

    /// Closes the file and flushes it to disk.
    ///
    /// # Errors
    /// If the file cannot be written; the message names it.
    pub fn finish(self) -> Result<()> {
        let file = self.writer.into_inner();
        let file = file.map_err(|e| Error::parquet(&self.path, e))?;
        file.sync_all().map_err(|e| Error::io(&self.path, e))
    }
}

/// Writes `rows` as one Parquet file, flushed to disk.
///
/// # Errors
/// If the file cannot be written; the message names it.
pub fn write<R: Serialize + DeserializeOwned>(path: &Path, rows: &[R]) -> Result<()> {
    let mut table = Table::<R>::create(path)?;
    table.add(rows)?;
    table.finish()?;
    tracing::trace!(path = %path.display(), rows = rows.len(), "written");
    Ok(())
}

/// The bytes of the file that [`write()`] would write.
///
/// # Errors
/// If `rows` cannot be converted to a table.
pub fn to_bytes<R: Serialize + DeserializeOwned>(rows: &[R]) -> Result<Vec<u8>> {
    let place = Path::new("a table in memory");
    let columns = columns::<R>().map_err(|e| Error::table(place, e))?;
    let batch = serde_arrow::to_record_batch(&columns, &rows);
    let batch = batch.map_err(|e| Error::table(place, e))?;
    writer(Vec::new(), &columns, HashMap::new())
        .and_then(|mut writer| {
            writer.write(&batch)?;
            writer.flush()?;
            writer.into_inner()
        })
        .map_err(|e| Error::parquet(place, e))
}

/// Reads the rows of a Parquet file, and only those columns that `R` has. If the file may lack a column, it
/// must be an `Option` in `R`.
///
/// # Errors
/// If the file is missing, truncated, or lacks a column; the message names it.
pub fn read<R: DeserializeOwned>(path: &Path) -> Result<Vec<R>> {
    read_range(path, None)
}

/// Like [`read`], but only row `row`.
///
/// # Errors
/// Like [`read`], and if there is no such row.
pub fn read_row<R: DeserializeOwned>(path: &Path, row: usize) -> Result<R> {
    let mut rows = read_rows(path, row..row + 1)?;
    rows.pop().ok_or_else(|| {
        let error = ParquetError::General(format!("there is no row {row}"));
        Error::parquet(path, error)
    })
}

/// Like [`read`], but only these rows, as far as there are any.
///
/// # Errors
/// Like [`read`].
pub fn read_rows<R: DeserializeOwned>(path: &Path, rows: Range<usize>) -> Result<Vec<R>> {
    read_range(path, Some(rows))
}

/// Hands the rows of a Parquet file on one by one, with `at_once` of them in memory at a time.
///
/// # Errors
/// Like [`read`], and those of `each`.
pub fn visit<R: DeserializeOwned>(
    path: &Path,
    at_once: usize,
    each: &mut dyn FnMut(R) -> Result<()>,
) -> Result<()> {
    rows(path, at_once)?.try_for_each(|row| each(row?))
}

/// The rows of a Parquet file one by one, with `at_once` of them in memory at a time.
///
/// # Errors
/// Like [`read`].
pub fn rows<R: DeserializeOwned>(path: &Path, at_once: usize) -> Result<Rows<R>> {
    let columns = columns::<R>().map_err(|e| Error::table(path, e))?;
    let open = || open(path, Some(&columns), None, at_once);
    Ok(Rows {
        path: path.to_path_buf(),
        batches: guarded(path.display(), DAMAGED_TABLE, open)?,
        batch: Vec::new().into_iter(),
    })
}

/// What [`rows`] iterates over; it ends with the first error.
pub struct Rows<R> {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
    batch: std::vec::IntoIter<R>,
}

impl<R: DeserializeOwned> Iterator for Rows<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Result<R>> {
        loop {
            if let Some(row) = self.batch.next() {
                return Some(Ok(row));
            }
            let path = &self.path;
            let next = guarded(path.display(), DAMAGED_TABLE, || {
                let Some(batch) = self.batches.next() else {
                    return Ok(None);
                };
                let batch = batch.map_err(|e| Error::parquet(path, e.into()))?;
                let rows: serde_arrow::Result<Vec<R>> = serde_arrow::from_record_batch(&batch);
                rows.map(Some).map_err(|e| Error::table(path, e))
            });
            match next {
                Ok(Some(rows)) => self.batch = rows.into_iter(),
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn read_range<R: DeserializeOwned>(path: &Path, range: Option<Range<usize>>) -> Result<Vec<R>> {
    let columns = columns::<R>().map_err(|e| Error::table(path, e))?;
    guarded(path.display(), DAMAGED_TABLE, || {
        let mut rows = Vec::new();
        for batch in batches(path, Some(&columns), range)? {
            let read: serde_arrow::Result<Vec<R>> = serde_arrow::from_record_batch(&batch);
            rows.extend(read.map_err(|e| Error::table(path, e))?);
        }
        Ok(rows)
    })
}

/// Reads a whole Parquet file, whatever its columns.
///
/// # Errors
/// If the file is missing or truncated; the message names it.
pub fn read_batches(path: &Path) -> Result<Vec<RecordBatch>> {
    guarded(path.display(), DAMAGED_TABLE, || batches(path, None, None))
}

/// An entry of a Parquet file's metadata; `None` if there is none with this key.
///
/// # Errors
/// If the file is missing or truncated; the message names it.
pub fn metadata(path: &Path, key: &str) -> Result<Option<String>> {
    guarded(path.display(), DAMAGED_TABLE, || {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file);
        let reader = reader.map_err(|e| Error::parquet(path, e))?;
        Ok(reader.schema().metadata().get(key).cloned())
    })
}

fn batches(
    path: &Path,
    columns: Option<&[FieldRef]>,
    range: Option<Range<usize>>,
) -> Result<Vec<RecordBatch>> {
    let batches = open(path, columns, range, BATCH)?;
    batches
        .map(|batch| batch.map_err(|e| Error::parquet(path, e.into())))
        .collect()
}

fn open(
    path: &Path,
    columns: Option<&[FieldRef]>,
    range: Option<Range<usize>>,
    at_once: usize,
) -> Result<ParquetRecordBatchReader> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let broken = |e| Error::parquet(path, e);
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(broken)?;
    if let Some(columns) = columns {
        let is_present =
            |column: &&FieldRef| reader.schema().column_with_name(column.name()).is_some();
        let mut required = columns.iter().filter(|column| !column.is_nullable());
        if let Some(missing) = required.find(|column| !is_present(column)) {
            return Err(Error::table(
                path,
                format!("has no column `{}`", missing.name()),
            ));
        }
        let names = columns.iter().map(|column| column.name().as_str());
        let mask = ProjectionMask::columns(reader.parquet_schema(), names);
        reader = reader.with_projection(mask);
    }
    if let Some(Range { start, end }) = range {
        reader = reader.with_offset(start).with_limit(end - start);
    }
    reader.with_batch_size(at_once).build().map_err(broken)
}

fn columns<R: DeserializeOwned>() -> serde_arrow::Result<Vec<FieldRef>> {
    Vec::from_type::<R>(TracingOptions::default())
}

fn writer<W: std::io::Write + Send>(
    to: W,
    columns: &[FieldRef],
    metadata: HashMap<String, String>,
) -> Result<ArrowWriter<W>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        // Hashes of these bytes become part of file names, so they must not contain a library's version.
        .set_created_by("verismo".into())
        .build();
    let schema = Arc::new(Schema::new_with_metadata(columns.to_vec(), metadata));
    ArrowWriter::try_new(to, schema, Some(properties))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        name: String,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
        sizes: Option<Vec<f32>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Name {
        name: String,
        #[serde(default)]
        added_later: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "never read, since the column is missing")]
    struct Other {
        other: String,
    }

    fn rows() -> Vec<Row> {
        let row = |i: u8| Row {
            name: format!("row {i}"),
            bytes: vec![i; 3],
            sizes: (i > 0).then(|| vec![f32::from(i), 0.5]),
        };
        (0..5).map(row).collect()
    }

    #[test]
    fn rows_round_trip_in_one_piece_and_in_several() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        write(&path, &rows()).unwrap();
        assert_eq!(read::<Row>(&path).unwrap(), rows());
        assert_eq!(read_row::<Row>(&path, 3).unwrap(), rows()[3]);
        assert_eq!(std::fs::read(&path).unwrap(), to_bytes(&rows()).unwrap());
        let mut table = Table::create(&path).unwrap();
        table.add(&rows()[..2]).unwrap();
        table.add(&rows()[2..]).unwrap();
        table.finish().unwrap();
        assert_eq!(read::<Row>(&path).unwrap(), rows());
        write::<Row>(&path, &[]).unwrap();
        assert_eq!(read::<Row>(&path).unwrap(), []);
    }

    #[test]
    fn some_columns_are_read_and_those_added_later_are_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        write(&path, &rows()).unwrap();
        let names: Vec<Name> = read(&path).unwrap();
        assert_eq!(names[4].name, "row 4");
        assert_eq!(names[4].added_later, None);
        let missing = read::<Other>(&path).unwrap_err().to_string();
        assert!(
            missing.contains("rows.parquet") && missing.contains("`other`"),
            "{missing}"
        );
        assert!(read_row::<Row>(&path, 9).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let row = |number: u64| Row {
            name: number.to_string(),
            bytes: number.to_le_bytes().to_vec(),
            sizes: None,
        };
        let rows: Vec<Row> = (0..100_000).map(row).collect();
        let error = write(Path::new("/dev/full"), &rows).unwrap_err();
        assert!(error.to_string().contains("free some space"), "{error}");
    }
}
