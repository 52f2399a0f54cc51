//! The CSV of boxes: which columns hold them, and every row with its place for messages.

use std::collections::HashMap;
use std::path::Path;

use csv::StringRecord;

use crate::sample::input::{self, MOST_BYTES};
use crate::stage::Context;
use crate::{Error, Result};

/// A photo, or one box in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// As the CSV names it, or relative to the folder.
    pub file: String,
    /// Row of the CSV without its head, or place in the sorted list of files; from 0.
    pub number: u64,
    /// Line of the CSV, from 1.
    pub line: u64,
    /// Left, top, right, bottom in pixels of the photo; `None` is the whole photo.
    pub corners: Option<[f64; 4]>,
    /// Number of the first row that shows the same thing: its own if it stands alone.
    pub first: u64,
}

/// Names that the columns file, left, top, right, bottom go by.
const NAMES: [[&str; 2]; 5] = [
    ["file", "file"],
    ["x1", "xmin"],
    ["y1", "ymin"],
    ["x2", "xmax"],
    ["y2", "ymax"],
];

/// One row a photo, without a box.
pub(super) fn whole(files: Vec<String>) -> Vec<Row> {
    let row = |(number, file)| Row {
        file,
        number: number as u64,
        line: 0,
        corners: None,
        first: number as u64,
    };
    files.into_iter().enumerate().map(row).collect()
}

/// Reads the boxes of the CSV at `path`; `columns` overrides the search for column names. Rows with
/// the same text in the column `track` show the same thing; one without text stands alone.
///
/// # Errors
/// If the file or a column is missing, or a number cannot be read; the message names the line.
pub(super) fn read(
    path: &Path,
    columns: Option<&[String; 5]>,
    track: &str,
    context: &Context,
) -> Result<Vec<Row>> {
    let bytes = input::read(path, MOST_BYTES)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let head = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let delimiter = if head.contains(&b';') && !head.contains(&b',') {
        b';'
    } else {
        b','
    };
    let broken = |e: csv::Error| {
        Error::failed(
            path.display(),
            format!("is not a CSV: {e}"),
            "give every row as many fields as the head has",
        )
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let head = reader.headers().map_err(broken)?;
    let places = find_columns(path, head, columns)?;
    let track = find_track(path, head, track)?;
    let (mut rows, mut firsts) = (Vec::new(), HashMap::new());
    for (number, record) in reader.records().enumerate() {
        context.check_interrupt()?;
        let record = record.map_err(broken)?;
        let mut row = read_row(path, &record, number as u64, &places)?;
        let track = track.map_or("", |place| &record[place]);
        if !track.is_empty() {
            row.first = *firsts.entry(track.to_owned()).or_insert(row.number);
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(Error::failed(
            path.display(),
            "holds no rows",
            "give it one row a box, below the head, or leave `boxes` out to take whole photos",
        ));
    }
    Ok(rows)
}

/// A column's place and name.
type Column = (usize, String);

fn find_columns(
    path: &Path,
    head: &StringRecord,
    columns: Option<&[String; 5]>,
) -> Result<Vec<Column>> {
    let find = |i: usize| {
        let wanted = match columns {
            Some(names) => vec![names[i].as_str()],
            None => NAMES[i].to_vec(),
        };
        let place = head.iter().position(|name| {
            wanted.contains(&name)
                || columns.is_none() && wanted.iter().any(|w| w.eq_ignore_ascii_case(name))
        });
        let place = place.ok_or_else(|| {
            let mut wanted = wanted.clone();
            wanted.dedup();
            let remedy = "name those of file, left, top, right and bottom with \
                          columns = [\"…\", \"…\", \"…\", \"…\", \"…\"]";
            no_column(path, head, &wanted.join("` or `"), remedy)
        })?;
        Ok((place, head[place].to_owned()))
    };
    (0..NAMES.len()).map(find).collect()
}

fn find_track(path: &Path, head: &StringRecord, name: &str) -> Result<Option<usize>> {
    if name.is_empty() {
        return Ok(None);
    }
    let place = head.iter().position(|other| other == name);
    place.map(Some).ok_or_else(|| {
        let remedy = "name that of the tracks, or write track = \"\" if it has none";
        no_column(path, head, name, remedy)
    })
}

fn no_column(path: &Path, head: &StringRecord, name: &str, remedy: &str) -> Error {
    let columns: Vec<&str> = head.iter().collect();
    Error::failed(
        path.display(),
        format!("has no column `{name}`"),
        format!("its columns are {}; {remedy}", columns.join(", ")),
    )
}

fn read_row(path: &Path, record: &StringRecord, number: u64, columns: &[Column]) -> Result<Row> {
    let line = record.position().map_or(0, csv::Position::line);
    let mut corners = [0.0; 4];
    for (corner, (place, name)) in corners.iter_mut().zip(&columns[1..]) {
        let text = &record[*place];
        *corner = match text.parse::<f64>() {
            Ok(value) if value.is_finite() => value,
            _ => {
                return Err(Error::failed(
                    format!("{} line {line} (row {number})", path.display()),
                    format!("`{text}` in column `{name}` is not a number"),
                    "write pixels with a decimal point, or remove the row",
                ));
            }
        };
    }
    Ok(Row {
        file: record[columns[0].0].to_owned(),
        number,
        line,
        corners: Some(corners),
        first: number,
    })
}
