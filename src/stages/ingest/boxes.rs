//! The CSV of boxes: which columns hold them, and every row with its place for messages.

use std::collections::HashMap;
use std::path::Path;

use super::photos::Photos;
use crate::Result;
use crate::formats::spreadsheet::{BOX_COLUMNS, CLASS_COLUMNS, Record, Spreadsheet, quoted};

/// What a row says about its photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Area {
    /// All of it is meant.
    Whole,
    /// Left, top, right, bottom in pixels of the photo.
    Box([f64; 4]),
    /// There is nothing in it.
    Nothing,
}

/// A photo, or one box in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// As it is listed, or as the CSV names it if it is not.
    pub file: String,
    /// Its place in the listing.
    pub photo: Option<usize>,
    /// Row of the CSV without its header, or place in the sorted list of files; from 0.
    pub number: u64,
    /// Line of the CSV, from 1.
    pub line: u64,
    pub area: Area,
    /// Number of the first row that shows the same thing: its own if it stands alone.
    pub first: u64,
    /// What the box shows, if that is read.
    pub class: Option<String>,
}

/// One row for each photo of `places`.
pub(super) fn whole(photos: &Photos, places: &[usize]) -> Vec<Row> {
    let row = |(number, place): (usize, &usize)| Row {
        file: photos.listing().name(*place).to_owned(),
        photo: Some(*place),
        number: number as u64,
        line: 0,
        area: Area::Whole,
        first: number as u64,
        class: None,
    };
    places.iter().enumerate().map(row).collect()
}

/// A CSV of boxes, whose columns were found.
pub(super) struct Boxes {
    sheet: Spreadsheet,
    /// Of file, left, top, right and bottom.
    columns: [usize; 5],
    track: Option<usize>,
    class: Option<usize>,
}

impl Boxes {
    /// Opens the CSV at `path`; `columns` overrides the search for column names. Rows with the same text in
    /// the column `track` show the same thing; one without text stands alone.
    ///
    /// # Errors
    /// If the file or a column is missing.
    pub(super) fn open(path: &Path, columns: Option<&[String; 5]>, track: &str) -> Result<Self> {
        let sheet = Spreadsheet::read(path)?;
        let mut places = [0; 5];
        for (number, place) in places.iter_mut().enumerate() {
            let wanted = match columns {
                Some(names) => vec![names[number].as_str()],
                None => BOX_COLUMNS[number].to_vec(),
            };
            let remedy = "name those of file, left, top, right and bottom with \
                          columns = [\"…\", \"…\", \"…\", \"…\", \"…\"]";
            let found = sheet.column(&wanted);
            *place = found.ok_or_else(|| sheet.no_column(&wanted, remedy))?;
        }
        let mut boxes = Boxes {
            sheet,
            columns: places,
            track: None,
            class: None,
        };
        if !track.is_empty() {
            let found = boxes.sheet.column(&[track]);
            let remedy = "name that of the tracks, or write track = \"\" if it has none";
            boxes.track = Some(found.ok_or_else(|| boxes.sheet.no_column(&[track], remedy))?);
        }
        Ok(boxes)
    }

    /// Reads the classes, too: from the column `name`, or from one that goes by a usual name.
    ///
    /// # Errors
    /// If there is no such column.
    pub(super) fn with_classes(mut self, name: Option<&str>) -> Result<Self> {
        let names = name.as_ref().map_or(CLASS_COLUMNS, std::slice::from_ref);
        let found = self.sheet.column(names);
        let remedy = "name the column with `class_column`, or remove `labelled`";
        self.class = Some(found.ok_or_else(|| self.sheet.no_column(names, remedy))?);
        Ok(self)
    }

    /// What the user should know about how the CSV was read.
    pub(super) fn warning(&self) -> Option<String> {
        self.sheet.warning()
    }

    /// All rows, in their order.
    ///
    /// # Errors
    /// If a number cannot be read, or there is no row; the message names the line.
    pub(super) fn rows(&self, interrupt: &dyn Fn() -> Result<()>) -> Result<Vec<Row>> {
        let (mut rows, mut firsts) = (Vec::new(), HashMap::new());
        for record in self.sheet.records() {
            interrupt()?;
            let record = record?;
            let mut row = self.row(&record)?;
            let track = self.track.map_or("", |column| record.get(column));
            if !track.is_empty() {
                row.first = *firsts.entry(track.to_owned()).or_insert(row.number);
            }
            rows.push(row);
        }
        if rows.is_empty() {
            return Err(self.sheet.wrong(
                "holds no rows",
                "give it one row per box, below the header, or leave `boxes` out to take whole photos",
            ));
        }
        Ok(rows)
    }

    fn row(&self, record: &Record) -> Result<Row> {
        let mut corners = [None; 4];
        for (corner, column) in corners.iter_mut().zip(&self.columns[1..]) {
            *corner = record.number(*column)?;
        }
        let area = match corners {
            [Some(left), Some(top), Some(right), Some(bottom)] => {
                Area::Box([left, top, right, bottom])
            }
            [None, None, None, None] => Area::Nothing,
            _ => {
                let number = corners.iter().position(Option::is_none).unwrap_or_default();
                let column = self.sheet.name(self.columns[number + 1]);
                return Err(record.wrong(
                    format!("has no number in column `{}`", quoted(column)),
                    "give all four numbers, or none if there is nothing in the photo",
                ));
            }
        };
        let file = record.get(self.columns[0]);
        if file.is_empty() {
            let problem = format!(
                "names no file in column `{}`",
                self.sheet.name(self.columns[0])
            );
            return Err(record.wrong(problem, "name the photo, or remove the row"));
        }
        let class = self.class.map(|column| record.get(column));
        if class == Some("") && area != Area::Nothing {
            return Err(record.wrong("names no class", "name the class, or remove the row"));
        }
        Ok(Row {
            file: file.to_owned(),
            photo: None,
            number: record.number,
            line: record.line,
            area,
            first: record.number,
            class: class.map(str::to_owned),
        })
    }
}
