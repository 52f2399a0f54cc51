//! A published dataset as its `manifest.parquet` describes it.

use std::path::{Path, PathBuf};

use image::RgbImage;
use polars::prelude::{AnyValue, DataFrame};

use super::unreadable;
use crate::Result;
use crate::artifact::{DATASET_TABLE, parts};
use crate::sample::image as picture;

/// The rows of a dataset's `manifest.parquet`.
pub struct Dataset {
    pub folder: PathBuf,
    frame: DataFrame,
}

impl Dataset {
    /// # Errors
    /// Where `folder` is no dataset.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(DATASET_TABLE);
        if !path.exists() {
            return Err(unreadable(folder, "holds no manifest.parquet"));
        }
        Ok(Dataset {
            folder: folder.to_path_buf(),
            frame: parts::read_frame(&path)?,
        })
    }

    /// Images.
    pub fn len(&self) -> usize {
        self.frame.height()
    }

    /// A cell as text; `None` where there is no such column or no value.
    pub fn text(&self, column: &str, row: usize) -> Option<String> {
        let value = self.frame.column(column).ok()?.get(row).ok()?;
        Some(said(&value)).filter(|text| !text.is_empty())
    }

    /// A cell that is a list of strings.
    pub fn texts(&self, column: &str, row: usize) -> Vec<String> {
        match self.frame.column(column).and_then(|c| c.get(row)) {
            Ok(AnyValue::List(series)) => series.iter().map(|value| said(&value)).collect(),
            _ => Vec::new(),
        }
    }

    /// A cell that is a list of numbers.
    pub fn numbers(&self, column: &str, row: usize) -> Vec<f32> {
        match self.frame.column(column).and_then(|c| c.get(row)) {
            Ok(AnyValue::List(series)) => series
                .iter()
                .filter_map(|value| value.extract::<f32>())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The boxes of a row with their classes: x, y, width, height in pixels.
    pub fn boxes(&self, row: usize) -> Vec<(String, [f32; 4])> {
        let flat = self.numbers("boxes", row);
        let boxes = flat.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
        self.texts("box_classes", row)
            .into_iter()
            .zip(boxes)
            .collect()
    }

    /// # Errors
    /// Where the picture of a row cannot be read.
    pub fn pixels(&self, row: usize) -> Result<RgbImage> {
        let file = self.text("file", row).unwrap_or_default();
        picture::read_rgb(&self.folder.join(file))
    }

    /// The rows whose file is `image`: its path in the dataset, its name, or a path that ends so.
    pub fn find(&self, image: &str) -> Vec<(usize, String)> {
        let image = image.replace('\\', "/");
        let ends = |long: &str, short: &str| {
            long.strip_suffix(short)
                .is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        let plain = format!("{}.png", image.trim_end_matches(".png"));
        (0..self.len())
            .filter_map(|row| Some((row, self.text("file", row)?)))
            .filter(|(_, file)| ends(file, &plain) || ends(&image, file))
            .collect()
    }
}

fn said(value: &AnyValue) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::List(series) => {
            let items: Vec<String> = series.iter().map(|value| said(&value)).collect();
            items.join(", ")
        }
        other => match other.extract::<f64>() {
            Some(number) => number.to_string(),
            None => format!("{other:?}"),
        },
    }
}
