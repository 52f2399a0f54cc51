//! The classes of real photos, from a CSV with a row a crop.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The class of every row of a CSV.
pub struct Labels {
    path: PathBuf,
    /// By row, counted from 0.
    classes: Vec<usize>,
}

/// Names of the class column, the likeliest first.
const COLUMNS: [&str; 4] = ["class", "class_id", "label", "ClassId"];

impl Labels {
    /// Reads the class of every row: a name from `classes`, or a number, which is the place in
    /// that sorted list.
    ///
    /// # Errors
    /// Where the file, the column or a class is missing; the message names file and line.
    pub fn read(path: &Path, column: Option<&str>, classes: &[String]) -> Result<Self> {
        let wrong = |problem: String, remedy: &str| Error::failed(path.display(), problem, remedy);
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        let mut reader = csv::Reader::from_reader(file);
        let no_csv = |e: csv::Error| wrong(format!("is no CSV: {e}"), "check the file");
        let headers = reader.headers().map_err(no_csv)?.clone();
        let named = |name: &str| headers.iter().position(|h| h.trim() == name);
        let at = match column {
            Some(name) => named(name),
            None => COLUMNS.into_iter().find_map(named),
        };
        let at = at.ok_or_else(|| {
            let wanted = column.map_or(COLUMNS.join("`, `"), str::to_owned);
            wrong(
                format!("has no column `{wanted}`"),
                "name the column with `class_column`",
            )
        })?;
        let mut found = Vec::new();
        for (row, record) in reader.records().enumerate() {
            let record = record.map_err(no_csv)?;
            let text = record.get(at).unwrap_or_default().trim();
            let class = classes.iter().position(|c| c == text).or_else(|| {
                let number = text.parse::<usize>().ok()?;
                (number < classes.len()).then_some(number)
            });
            found.push(class.ok_or_else(|| {
                wrong(
                    format!(
                        "line {}: `{text}` is none of the classes {classes:?}",
                        row + 2
                    ),
                    "name the classes in the CSV as in the dataset",
                )
            })?);
        }
        Ok(Labels {
            path: path.to_owned(),
            classes: found,
        })
    }

    /// The class of a crop by its source, `FILE#ROW`.
    ///
    /// # Errors
    /// Where the CSV has no such row.
    pub fn class_of(&self, source: &str) -> Result<usize> {
        let row = source
            .rsplit_once('#')
            .and_then(|(_, row)| row.parse().ok());
        row.and_then(|row: usize| self.classes.get(row).copied())
            .ok_or_else(|| {
                Error::failed(
                    self.path.display(),
                    format!("has no row for the crop {source}"),
                    "use the CSV that the photos were cropped by",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Labels> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        Labels::read(&path, None, &["five".to_string(), "four".to_string()])
    }

    #[test]
    fn names_and_numbers_are_classes() {
        let labels = read("file,class\na.jpg,four\na.jpg,0\n").unwrap();
        assert_eq!(labels.class_of("a.jpg#0").unwrap(), 1);
        assert_eq!(labels.class_of("a.jpg#1").unwrap(), 0);
        assert!(labels.class_of("a.jpg#2").is_err());
    }

    #[test]
    fn an_unknown_class_names_its_line() {
        let error = read("file,class\na.jpg,four\na.jpg,nine\n").err().unwrap();
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}
