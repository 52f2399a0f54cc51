//! The CSV of boxes or whole photos: which columns hold them, and every row with its place for messages.

use std::collections::HashMap;
use std::path::Path;

use super::photos::Photos;
use crate::Result;
use crate::formats::spreadsheet::{
    BOX_COLUMNS, CAPTION_COLUMNS, CLASS_COLUMNS, Record, Spreadsheet, quoted,
};

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
    /// A sentence about it, if there is one and it is read.
    pub caption: Option<String>,
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
        caption: None,
    };
    places.iter().enumerate().map(row).collect()
}

/// Which labels of a CSV are read, and the names that the file gives for their columns.
#[derive(Clone, Copy)]
pub(super) struct LabelColumns<'a> {
    pub class: Option<&'a str>,
    pub caption: Option<&'a str>,
}

/// A CSV of boxes, whose columns were found.
pub(super) struct Boxes {
    sheet: Spreadsheet,
    file: usize,
    /// Of left, top, right and bottom; `None` in a CSV of whole photos.
    corners: Option<[usize; 4]>,
    track: Option<usize>,
    class: Option<usize>,
    caption: Option<usize>,
}

impl Boxes {
    /// Opens the CSV at `path`; `columns` overrides the search for column names. Rows with the same text in
    /// the column `track` show the same thing; one without text stands alone. With `labels`, it may do without boxes.
    ///
    /// # Errors
    /// If the file or a column is missing.
    pub(super) fn open(
        path: &Path,
        columns: Option<&[String; 5]>,
        track: &str,
        labels: Option<LabelColumns>,
    ) -> Result<Self> {
        let sheet = Spreadsheet::read(path)?;
        let mut places = [None; 5];
        for (number, place) in places.iter_mut().enumerate() {
            *place = sheet.column(&wanted(columns, number));
        }
        let is_whole = labels.is_some() && columns.is_none() && places[1..] == [None; 4];
        if is_whole {
            places[1..].fill(Some(0));
        }
        if let Some(number) = places.iter().position(Option::is_none) {
            let remedy = "name those of file, left, top, right and bottom with \
                          columns = [\"…\", \"…\", \"…\", \"…\", \"…\"]";
            return Err(sheet.no_column(&wanted(columns, number), remedy));
        }
        let [file, corners @ ..] = places.map(Option::unwrap_or_default);
        let mut boxes = Boxes {
            sheet,
            file,
            corners: (!is_whole).then_some(corners),
            track: None,
            class: None,
            caption: None,
        };
        if !track.is_empty() {
            let found = boxes.sheet.column(&[track]);
            let remedy = "name that of the tracks, or write track = \"\" if it has none";
            boxes.track = Some(found.ok_or_else(|| boxes.sheet.no_column(&[track], remedy))?);
        }
        if let Some(labels) = labels {
            boxes.find_labels(labels)?;
        }
        Ok(boxes)
    }

    /// Finds the classes, and captions if there are any: by the name that is given, or by a usual one.
    fn find_labels(&mut self, labels: LabelColumns) -> Result<()> {
        let names = labels.class.as_ref();
        let names = names.map_or(CLASS_COLUMNS, std::slice::from_ref);
        let found = self.sheet.column(names);
        let remedy = "name the column with `class_column`, or remove `labelled`";
        self.class = Some(found.ok_or_else(|| self.sheet.no_column(names, remedy))?);
        let names = labels.caption.as_ref();
        let names = names.map_or(CAPTION_COLUMNS, std::slice::from_ref);
        self.caption = self.sheet.column(names);
        if self.caption.is_none() && labels.caption.is_some() {
            let remedy = "name the column with `caption_column`, or remove that";
            return Err(self.sheet.no_column(names, remedy));
        }
        Ok(())
    }

    /// Whether rows stand for whole photos.
    pub(super) fn are_whole(&self) -> bool {
        self.corners.is_none()
    }

    /// What the user should know about how the CSV was read.
    pub(super) fn warnings(&self) -> Vec<String> {
        let whole = self.are_whole().then(|| {
            format!(
                "{} has no columns of boxes, such as `xmin`: each row stands for a whole photo",
                self.sheet.path().display()
            )
        });
        self.sheet.warning().into_iter().chain(whole).collect()
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
        let area = match &self.corners {
            Some(columns) => self.area(record, columns)?,
            None => Area::Whole,
        };
        let file = record.get(self.file);
        if file.is_empty() {
            let problem = format!("names no file in column `{}`", self.sheet.name(self.file));
            return Err(record.wrong(problem, "name the photo, or remove the row"));
        }
        let class = self.class.map(|column| record.get(column));
        if class == Some("") && area != Area::Nothing {
            return Err(record.wrong("names no class", "name the class, or remove the row"));
        }
        let caption = self.caption.map(|column| record.get(column));
        Ok(Row {
            file: file.to_owned(),
            photo: None,
            number: record.number,
            line: record.line,
            area,
            first: record.number,
            class: class.map(str::to_owned),
            caption: caption
                .filter(|caption| !caption.is_empty())
                .map(str::to_owned),
        })
    }

    fn area(&self, record: &Record, columns: &[usize; 4]) -> Result<Area> {
        let mut corners = [None; 4];
        for (corner, column) in corners.iter_mut().zip(columns) {
            *corner = record.number(*column)?;
        }
        match corners {
            [Some(left), Some(top), Some(right), Some(bottom)] => {
                Ok(Area::Box([left, top, right, bottom]))
            }
            [None, None, None, None] => Ok(Area::Nothing),
            _ => {
                let number = corners.iter().position(Option::is_none).unwrap_or_default();
                let column = self.sheet.name(columns[number]);
                Err(record.wrong(
                    format!("has no number in column `{}`", quoted(column)),
                    "give all four numbers, or none if there is nothing in the photo",
                ))
            }
        }
    }
}

/// The names that a column of file, left, top, right or bottom may have.
fn wanted(columns: Option<&[String; 5]>, number: usize) -> Vec<&str> {
    match columns {
        Some(names) => vec![names[number].as_str()],
        None => BOX_COLUMNS[number].to_vec(),
    }
}
