//! Tables of boxes and classes as spreadsheets and programs save them: in any encoding, separated by commas,
//! semicolons, tabs or bars, with decimal commas, and with heads in letters of any case.

mod encoding;
mod mistaken;

use std::path::{Path, PathBuf};

use csv::StringRecord;

use crate::sample::input::{self, MOST_BYTES};
use crate::{Error, Result};

/// The most letters of a field that a message quotes, and the most columns that it lists.
const LONGEST: usize = 80;
const MOST_COLUMNS: usize = 20;

/// Names that the columns file, left, top, right and bottom go by, the likeliest first.
pub const BOX_COLUMNS: [&[&str]; 5] = [
    &["file", "filename", "image", "path"],
    &["x1", "xmin", "left", "roi.x1"],
    &["y1", "ymin", "top", "roi.y1"],
    &["x2", "xmax", "right", "roi.x2"],
    &["y2", "ymax", "bottom", "roi.y2"],
];

/// Names that the column with the class goes by, the likeliest first.
pub const CLASS_COLUMNS: &[&str] = &["class", "class_id", "label", "ClassId"];

/// Names that the column with a sentence about the picture goes by, the likeliest first.
pub const CAPTION_COLUMNS: &[&str] = &["caption", "text", "title"];

/// What may stand between fields.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// A table with a header.
pub struct Spreadsheet {
    path: PathBuf,
    text: String,
    delimiter: char,
    /// Names of the columns.
    head: Vec<String>,
    /// Lines before the head.
    skipped: u64,
    is_guessed: bool,
}

/// A row of a table.
pub struct Record<'s> {
    sheet: &'s Spreadsheet,
    /// Place among the rows, from 0; empty rows do not count.
    pub number: u64,
    /// Line of the file, from 1.
    pub line: u64,
    fields: StringRecord,
}

impl Spreadsheet {
    /// Reads the table at `path`.
    ///
    /// # Errors
    /// If the file is missing, or no table.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = input::read(path, MOST_BYTES)?;
        let (mut text, is_guessed) = encoding::decode(&bytes);
        if let Some((problem, remedy)) = mistaken::recognise(&bytes, &text) {
            return Err(Error::failed(path.display(), problem, remedy));
        }
        drop(bytes);
        // Lines of old Macs.
        if !text.contains('\n') {
            text = text.replace('\r', "\n");
        }
        let named = named_delimiter(text.lines().next().unwrap_or_default());
        let skipped = u64::from(named.is_some());
        if named.is_some() {
            text = text
                .split_once('\n')
                .map_or_else(String::new, |(_, rest)| rest.to_owned());
        }
        let delimiter = named.unwrap_or_else(|| likely_delimiter(&text));
        let mut sheet = Spreadsheet {
            path: path.to_path_buf(),
            text,
            delimiter,
            head: Vec::new(),
            skipped,
            is_guessed,
        };
        let mut reader = sheet.reader();
        let mut head = StringRecord::new();
        let read = reader
            .read_record(&mut head)
            .map_err(|e| sheet.broken(&e))?;
        if !read {
            return Err(Error::failed(
                path.display(),
                "is empty",
                "give it a head and rows",
            ));
        }
        sheet.head = head.iter().map(|name| plain(name).to_owned()).collect();
        while sheet.head.len() > 1 && sheet.head.last().is_some_and(String::is_empty) {
            sheet.head.pop();
        }
        Ok(sheet)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the user should know about how the table was read; `None` if there is nothing.
    pub fn warning(&self) -> Option<String> {
        let path = self.path.display();
        self.is_guessed.then(|| {
            format!("{path}: is not UTF-8, and was read as Windows-1252 (Latin-1); check names with accents")
        })
    }

    /// The column that goes by the first of `names` that there is: by the very name, else by the same letters in
    /// whatever case, with or without spaces, `_` and `-`.
    pub fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| {
            let exact = self.head.iter().position(|other| other == name);
            let same = || {
                self.head
                    .iter()
                    .position(|other| letters(other) == letters(name))
            };
            exact.or_else(same)
        })
    }

    /// The names of all columns, as the head has them, cut short for a message.
    pub fn columns(&self) -> String {
        let columns = self.head.iter().take(MOST_COLUMNS);
        let columns: Vec<String> = columns.map(|name| quoted(name)).collect();
        match self.head.len().saturating_sub(MOST_COLUMNS) {
            0 => columns.join(", "),
            more => format!("{} and {more} more", columns.join(", ")),
        }
    }

    /// The name of a column, as the head has it.
    pub fn name(&self, column: usize) -> &str {
        self.head.get(column).map_or("", String::as_str)
    }

    /// Says that there is no column of one of these names.
    pub fn no_column(&self, names: &[&str], remedy: &str) -> Error {
        Error::failed(
            self.path.display(),
            format!("has no column `{}`", names.join("` or `")),
            format!("its columns are {}; {remedy}", self.columns()),
        )
    }

    /// An error that names the table.
    pub fn wrong(&self, problem: impl std::fmt::Display, remedy: &str) -> Error {
        Error::failed(self.path.display(), problem, remedy)
    }

    /// All rows but empty ones.
    pub fn records(&self) -> impl Iterator<Item = Result<Record<'_>>> {
        let mut number = 0;
        self.reader()
            .into_records()
            .skip(1)
            .filter_map(move |fields| {
                let record = fields.map_err(|e| self.broken(&e)).and_then(|fields| {
                    let record = Record {
                        sheet: self,
                        number,
                        line: self.line(fields.position()),
                        fields,
                    };
                    record.check()?;
                    Ok(record)
                });
                if record
                    .as_ref()
                    .is_ok_and(|record| record.fields.iter().all(|field| plain(field).is_empty()))
                {
                    return None;
                }
                number += 1;
                Some(record)
            })
    }

    /// The line of a record. Its position may be that of empty lines before it.
    fn line(&self, position: Option<&csv::Position>) -> u64 {
        let Some(position) = position else {
            return 0;
        };
        let rest = self
            .text
            .as_bytes()
            .get(position.byte() as usize..)
            .unwrap_or_default();
        let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        position.line() + self.skipped + ends.filter(|&&byte| byte == b'\n').count() as u64
    }

    fn reader(&self) -> csv::Reader<&[u8]> {
        csv::ReaderBuilder::new()
            .delimiter(self.delimiter as u8)
            .trim(csv::Trim::All)
            .has_headers(false)
            .flexible(true)
            .from_reader(self.text.as_bytes())
    }

    fn broken(&self, problem: &csv::Error) -> Error {
        let problem = format!("is not a CSV: {problem}");
        Error::failed(
            self.path.display(),
            problem,
            "give every row as many fields as the head has",
        )
    }
}

impl Record<'_> {
    /// The text in a column.
    pub fn get(&self, column: usize) -> &str {
        plain(self.fields.get(column).unwrap_or_default())
    }

    /// The number in a column, or `None` if there is none: nothing at all, `NaN`, `NA`, `null` or `none`.
    ///
    /// # Errors
    /// If there is something else.
    pub fn number(&self, column: usize) -> Result<Option<f64>> {
        let text = self.get(column);
        let is_nothing = |word: &str| text.eq_ignore_ascii_case(word);
        if ["", "nan", "na", "n/a", "null", "none"]
            .into_iter()
            .any(is_nothing)
        {
            return Ok(None);
        }
        // Where the delimiter is not a comma, the decimal point may be one.
        let has_comma = self.sheet.delimiter != ',' && text.contains(',') && !text.contains('.');
        let number = match has_comma {
            true => text.replacen(',', ".", 1).parse::<f64>(),
            false => text.parse::<f64>(),
        };
        match number {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.wrong(
                format!(
                    "`{}` in column `{}` is not a number",
                    quoted(text),
                    quoted(self.sheet.name(column))
                ),
                "write pixels with a decimal point, or remove the row",
            )),
        }
    }

    /// An error that names the row.
    pub fn wrong(&self, problem: impl std::fmt::Display, remedy: &str) -> Error {
        let path = self.sheet.path.display();
        let place = format!("{path} line {} (row {})", self.line, self.number);
        Error::failed(place, problem, remedy)
    }

    /// Rows are as long as the head; empty fields beyond it are left behind by spreadsheets.
    fn check(&self) -> Result<()> {
        let (fields, columns) = (self.fields.len(), self.sheet.head.len());
        let beyond = self.fields.iter().skip(columns);
        if fields >= columns && beyond.into_iter().all(str::is_empty) {
            return Ok(());
        }
        Err(self.wrong(
            format!("has {fields} fields, but the head has {columns}"),
            "give every row as many fields as the head has, and set fields that hold a delimiter in quotes",
        ))
    }
}

/// At most the first letters of a field: a file given by mistake may be all one field.
pub fn quoted(text: &str) -> String {
    let mut letters = text.chars();
    let mut short: String = letters.by_ref().take(LONGEST).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}

/// Without the quotes that stay where a space stands before them.
fn plain(field: &str) -> &str {
    let inner = field
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(field).trim()
}

/// The letters by which names of columns are compared.
fn letters(name: &str) -> String {
    let letters = name
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-'));
    letters.flat_map(char::to_lowercase).collect()
}

/// The delimiter of a first line such as `sep=;`, which Excel writes.
fn named_delimiter(line: &str) -> Option<char> {
    let line = line.trim_end_matches(['\r', '\n']).trim_matches('"');
    let start = line.get(..4)?;
    let rest = start.eq_ignore_ascii_case("sep=").then(|| &line[4..])?;
    let mut letters = rest.chars();
    let delimiter = letters.next().filter(char::is_ascii)?;
    // Excel fills the line up with delimiters.
    letters
        .all(|c| c == delimiter || c == '"')
        .then_some(delimiter)
}

/// The delimiter that stands in the head most often, outside quotes.
fn likely_delimiter(text: &str) -> char {
    let head = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let mut is_quoted = false;
    let mut counts = [0_usize; DELIMITERS.len()];
    for letter in head.chars() {
        is_quoted ^= letter == '"';
        if let Some(place) = DELIMITERS.iter().position(|&d| d == letter && !is_quoted) {
            counts[place] += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    let place = counts
        .iter()
        .position(|&count| count == most)
        .unwrap_or_default();
    DELIMITERS[place]
}

#[cfg(test)]
mod tests;
