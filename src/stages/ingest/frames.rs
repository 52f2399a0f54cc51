//! Whole frames of the photos that a CSV of boxes names, in place of a crop a box.

use std::collections::HashSet;

use super::Ingest;
use super::boxes::{Area, Row};
use super::labelled::Cut;
use crate::sample::{Extent, crop};

impl Ingest {
    /// What each sample shows: what a CSV of boxes tells to cut, unless frames are asked for.
    pub(super) fn cut(&self) -> Cut {
        self.cut.unwrap_or(match self.boxes {
            Some(_) => Cut::Objects,
            None => Cut::Frames,
        })
    }

    /// Whether the photo in this place, in the order of names or of the CSV, is one of those that are wanted.
    pub(super) fn is_dealt(&self, place: usize) -> bool {
        let [wanted, shares] = self.share;
        (place.rem_euclid(shares) == wanted) != self.others
    }

    /// What a whole photo of this extent becomes.
    pub(super) fn size_of_whole(&self, photo: Extent) -> Extent {
        match self.keep_shape {
            true => crop::largest(self.size, photo),
            false => self.size,
        }
    }

    /// Rows of a CSV as they are, or, where whole frames are wanted, one for each photo, numbered in their order.
    /// Rows that stand for one photo must name it alike.
    pub(super) fn framed(&self, rows: Vec<Row>) -> Vec<Row> {
        if self.cut() == Cut::Objects {
            return rows;
        }
        let mut seen = HashSet::new();
        let firsts = rows.into_iter().filter(|row| seen.insert(row.file.clone()));
        let frame = |(number, row): (u64, Row)| Row {
            number,
            first: number,
            // What a row says of its box, it does not say of the photo.
            ..match row.area {
                Area::Whole => row,
                Area::Box(_) | Area::Nothing => Row {
                    area: Area::Whole,
                    class: None,
                    caption: None,
                    ..row
                },
            }
        };
        (0..).zip(firsts).map(frame).collect()
    }
}
