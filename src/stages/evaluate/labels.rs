//! The classes of real photos, from a CSV with a row a crop or from the names of their folders.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// What tells the classes of photos.
pub(super) struct Labels {
    path: PathBuf,
    classes: Classes,
}

enum Classes {
    /// Of every row of a CSV, counted from 0, with the photo's file where the CSV names it.
    Rows(Vec<(usize, Option<String>)>),
    /// By name: photos lie in a folder that is named after their class.
    Folders(Vec<String>),
}

/// Names of the class column, the likeliest first.
const COLUMNS: [&str; 4] = ["class", "class_id", "label", "ClassId"];

impl Labels {
    /// Reads the class of every row of a CSV: a name from `classes`, or a number, which is the
    /// place in that sorted list. Of a folder nothing is read.
    ///
    /// # Errors
    /// If the file, the column or a class is missing; the message names file and line.
    pub(super) fn read(path: &Path, column: Option<&str>, classes: &[String]) -> Result<Self> {
        if path.is_dir() {
            return Ok(Labels {
                path: path.to_owned(),
                classes: Classes::Folders(classes.to_vec()),
            });
        }
        let wrong = |problem: String, remedy: &str| Error::failed(path.display(), problem, remedy);
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        let mut reader = csv::Reader::from_reader(file);
        let no_csv = |e: csv::Error| wrong(format!("is not a CSV: {e}"), "check the file");
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
        let file_at = named("file");
        let mut found = Vec::new();
        for record in reader.records() {
            let record = record.map_err(no_csv)?;
            let line = record.position().map_or(0, csv::Position::line);
            let text = record.get(at).unwrap_or_default().trim();
            let class = classes.iter().position(|c| c == text).or_else(|| {
                let number = text.parse::<usize>().ok()?;
                (number < classes.len()).then_some(number)
            });
            let class = class.ok_or_else(|| {
                wrong(
                    format!("line {line}: `{text}` is none of the classes {classes:?}"),
                    "name the classes in the CSV as in the dataset",
                )
            })?;
            let file = file_at.and_then(|at| record.get(at)).map(base_name);
            found.push((class, file));
        }
        Ok(Labels {
            path: path.to_owned(),
            classes: Classes::Rows(found),
        })
    }

    /// The class of a crop by its source, `FILE#ROW`, or `FILE` for a whole photo.
    ///
    /// # Errors
    /// If the CSV has no such row, or the photo's folder is no class.
    pub(super) fn class_of(&self, source: &str) -> Result<usize> {
        let (file, row) = match source.rsplit_once('#') {
            Some((file, row)) => (file, row.parse::<usize>().ok()),
            None => (source, None),
        };
        let missing = |problem, remedy| Error::failed(self.path.display(), problem, remedy);
        match &self.classes {
            Classes::Rows(classes) => {
                const REMEDY: &str = "use the CSV that the photos were cropped by";
                let found = row.and_then(|row| classes.get(row));
                let (class, own) = found
                    .ok_or_else(|| missing(format!("has no row for the crop {source}"), REMEDY))?;
                match own {
                    Some(own) if *own != base_name(file) => Err(missing(
                        format!("has `{own}` in the row for the crop {source}"),
                        REMEDY,
                    )),
                    _ => Ok(*class),
                }
            }
            Classes::Folders(classes) => {
                let folder = Path::new(file).parent().and_then(Path::file_name);
                let folder = folder.unwrap_or_default().to_string_lossy();
                classes.iter().position(|c| *c == folder).ok_or_else(|| {
                    missing(
                        format!(
                            "{source} lies in `{folder}`, which is none of the classes {classes:?}"
                        ),
                        "put each photo into a folder named after its class in the dataset",
                    )
                })
            }
        }
    }
}

/// The last part of a path: folders may be named from elsewhere.
fn base_name(file: &str) -> String {
    let file = file.trim();
    file.rsplit(['/', '\\']).next().unwrap_or(file).to_owned()
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
        let error = labels.class_of("b.jpg#1").unwrap_err().to_string();
        assert!(error.contains("has `a.jpg` in the row"), "{error}");
        assert_eq!(labels.class_of("photos/a.jpg#1").unwrap(), 0);
    }

    #[test]
    fn folders_are_classes() {
        let folder = tempfile::tempdir().unwrap();
        let classes = ["3009".to_string(), "3021".to_string()];
        let labels = Labels::read(folder.path(), None, &classes).unwrap();
        assert_eq!(labels.class_of("3021/000.jpg").unwrap(), 1);
        assert_eq!(labels.class_of("set/3009/000.jpg#7").unwrap(), 0);
        for source in ["9999/000.jpg", "000.jpg"] {
            let error = labels.class_of(source).unwrap_err().to_string();
            assert!(error.contains(source) && error.contains("help:"), "{error}");
        }
    }

    #[test]
    fn an_unknown_class_names_its_line() {
        let error = read("file,class\na.jpg,four\na.jpg,nine\n").err().unwrap();
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}
