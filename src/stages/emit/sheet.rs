//! `samples.png`: a small contact sheet, for the data card.

use image::RgbImage;

use crate::formats::DatasetInfo;
use crate::sample::Sample;
use crate::sample::image::{contact_sheet, encode_png, resize};
use crate::{Error, Result};

/// The file's name. It lies beside the splits, where no loader of folders looks.
pub(super) const FILE: &str = "samples.png";

/// The most pictures.
const CELLS: u64 = 24;
const COLUMNS: u32 = 8;
/// Width and height of each in pixels.
const CELL: u32 = 96;

/// Pictures at even distances in the dataset.
pub(super) struct Sheet {
    total: u64,
    cells: Vec<RgbImage>,
}

impl Sheet {
    /// For a dataset of `total` pictures.
    pub(super) fn of(total: u64) -> Self {
        Sheet {
            total,
            cells: Vec::new(),
        }
    }

    /// Takes the picture at place `number` in the dataset, if it is one of the sheet's.
    ///
    /// # Errors
    /// If the picture cannot be decoded.
    pub(super) fn offer(&mut self, number: u64, sample: &Sample) -> Result<()> {
        let taken = self.cells.len() as u64;
        let wanted = taken * self.total / CELLS.min(self.total).max(1);
        if taken < CELLS && number == wanted {
            let pixels = sample.pixels()?;
            let longer = pixels.width().max(pixels.height());
            let fit = |side: u32| (side * CELL / longer).max(1);
            let small = resize(&pixels, fit(pixels.width()), fit(pixels.height()));
            self.cells.push(small);
        }
        Ok(())
    }

    /// # Errors
    /// If the file cannot be written.
    pub(super) fn write(&self, dataset: &DatasetInfo) -> Result<()> {
        let columns = COLUMNS.min(self.cells.len() as u32).max(1);
        let sheet = contact_sheet(&self.cells, columns, CELL);
        let path = dataset.out.join(FILE);
        std::fs::write(&path, encode_png(&sheet)?).map_err(|e| Error::io(&path, e))
    }
}
