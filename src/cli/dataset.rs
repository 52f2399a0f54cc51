//! A published dataset, as described by its `manifest.parquet`.

use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use image::RgbImage;

use super::unreadable;
use crate::Result;
use crate::artifact::{DATASET_TABLE, table};
use crate::formats::Shelf;
use crate::sample::content::is_called_picture;
use crate::sample::image as picture;

/// The rows of a dataset's `manifest.parquet`, whichever version of verismo wrote its columns.
pub(super) struct Dataset {
    pub folder: PathBuf,
    shelf: Shelf,
    batches: Vec<RecordBatch>,
}

impl Dataset {
    /// # Errors
    /// If `folder` is not a dataset.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(DATASET_TABLE);
        if !path.exists() {
            return Err(unreadable(folder, "contains no manifest.parquet"));
        }
        Ok(Dataset {
            folder: folder.to_path_buf(),
            shelf: Shelf::of(folder),
            batches: table::read_batches(&path)?,
        })
    }

    /// Number of images.
    pub(super) fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The column, and the index in it, that hold the value of a row; `None` if there is no such column or
    /// value.
    fn cell(&self, column: &str, mut row: usize) -> Option<(&ArrayRef, usize)> {
        for batch in &self.batches {
            if row < batch.num_rows() {
                let values = batch.column_by_name(column)?;
                return values.is_valid(row).then_some((values, row));
            }
            row -= batch.num_rows();
        }
        None
    }

    /// The items of a cell that is a list; empty if it is not.
    fn items(&self, column: &str, row: usize) -> Option<ArrayRef> {
        let (lists, row) = self.cell(column, row)?;
        Some(lists.as_list_opt::<i64>()?.value(row))
    }

    /// A cell as text; `None` if there is no such column or value.
    pub(super) fn text(&self, column: &str, row: usize) -> Option<String> {
        let (values, place) = self.cell(column, row)?;
        let text = match self.items(column, row) {
            Some(items) => {
                let items = (0..items.len()).map(|i| written(&items, i));
                items.collect::<Vec<_>>().join(", ")
            }
            None => written(values, place),
        };
        Some(text).filter(|text| !text.is_empty())
    }

    /// A cell that is a list of strings.
    pub(super) fn texts(&self, column: &str, row: usize) -> Vec<String> {
        match self.items(column, row) {
            Some(items) => (0..items.len()).map(|i| written(&items, i)).collect(),
            None => Vec::new(),
        }
    }

    /// A cell that is a list of numbers.
    pub(super) fn numbers(&self, column: &str, row: usize) -> Vec<f32> {
        let items = self.items(column, row);
        let numbers = items
            .as_ref()
            .and_then(|i| i.as_primitive_opt::<Float32Type>());
        numbers.map_or_else(Vec::new, |numbers| numbers.values().to_vec())
    }

    /// The boxes of a row with their classes: x, y, width, height in pixels.
    pub(super) fn boxes(&self, row: usize) -> Vec<(String, [f32; 4])> {
        let flat = self.numbers("boxes", row);
        let boxes = flat.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
        self.texts("box_classes", row)
            .into_iter()
            .zip(boxes)
            .collect()
    }

    /// The encoded picture of a row.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn picture(&self, row: usize) -> Result<Vec<u8>> {
        self.shelf.read(&self.text("file", row).unwrap_or_default())
    }

    /// # Errors
    /// If the row's picture cannot be read.
    pub(super) fn pixels(&self, row: usize) -> Result<RgbImage> {
        let file = self.text("file", row).unwrap_or_default();
        picture::decode_rgb(&self.picture(row)?, &file)
    }

    /// The rows whose file is `image`: its path in the dataset, its name, or the end of its path.
    pub(super) fn find(&self, image: &str) -> Vec<(usize, String)> {
        let image = image.replace('\\', "/");
        let ends = |long: &str, short: &str| {
            long.strip_suffix(short)
                .is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        (0..self.len())
            .filter_map(|row| Some((row, self.text("file", row)?)))
            .filter(|(_, file)| {
                let plain = without_ending(file);
                ends(file, &image) || ends(plain, &image) || ends(&image, file)
            })
            .collect()
    }
}

/// The name of a picture without its ending.
pub(super) fn without_ending(name: &str) -> &str {
    let parts = name.rsplit_once('.');
    let parts = parts.filter(|_| is_called_picture(Path::new(name)));
    parts.map_or(name, |(stem, _)| stem)
}

/// A value, if it has one of the types that the table uses.
fn written(values: &dyn Array, place: usize) -> String {
    if let Some(texts) = values.as_string_opt::<i64>() {
        return texts.value(place).to_owned();
    }
    if let Some(numbers) = values.as_primitive_opt::<UInt32Type>() {
        return numbers.value(place).to_string();
    }
    match values.as_primitive_opt::<Float32Type>() {
        Some(numbers) => numbers.value(place).to_string(),
        None => String::new(),
    }
}
