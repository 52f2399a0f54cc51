//! The classes of real photos, from a CSV with one row per crop, a dataset with labels, or the names of their folders.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::formats::spreadsheet::{BOX_COLUMNS, CLASS_COLUMNS, Record, Spreadsheet, quoted};
use crate::formats::{FORMATS, Format};
use crate::sample::content::is_called_picture;
use crate::sample::listing;
use crate::{Error, Result};

use super::names::{base_name, listed, number, place_of, plain_name};

/// What tells the classes of photos.
pub(super) struct Labels {
    path: PathBuf,
    classes: Classes,
}

enum Classes {
    /// Of every row of a CSV, counted from 0, and those of whole photos by the file that the CSV names.
    Rows(Vec<Row>, HashMap<String, Whole>),
    /// Of a dataset with labels, by the picture's name in it.
    Dataset(HashMap<String, Pictured>),
    /// By name: photos lie in a folder that is named after their class.
    Folders(Vec<String>),
}

/// What a dataset says of a picture.
struct Pictured {
    /// The class of the picture, or of all its objects if they are of one.
    whole: Option<usize>,
    /// The class of each object.
    objects: Vec<usize>,
}

/// The format of a dataset whose labels are more than folders or a table.
pub(super) fn dataset_format(path: &Path) -> Option<&'static Format> {
    let found = FORMATS.iter().find(|format| (format.detect)(path));
    found.filter(|format| !["folders", "csv"].contains(&format.name))
}

/// A row of a CSV.
struct Row {
    /// `None` if there is nothing in the photo.
    class: Option<usize>,
    /// The name of the photo's file, if the CSV has it.
    file: Option<String>,
}

/// What the rows of one file say about it.
#[derive(Clone, Copy, PartialEq)]
enum Whole {
    Class(usize),
    /// Different classes.
    Several,
}

/// A CSV of classes, whose columns were found.
pub(super) struct Table {
    pub sheet: Spreadsheet,
    class: usize,
    pub file: Option<usize>,
    side: Option<usize>,
}

impl Table {
    pub(super) fn open(path: &Path, column: Option<&str>) -> Result<Self> {
        let sheet = Spreadsheet::read(path)?;
        let names = column.as_ref().map_or(CLASS_COLUMNS, std::slice::from_ref);
        let class = sheet.column(names);
        let class =
            class.ok_or_else(|| sheet.no_column(names, "name the column with `class_column`"))?;
        Ok(Table {
            class,
            file: sheet.column(BOX_COLUMNS[0]),
            side: sheet.column(BOX_COLUMNS[1]),
            sheet,
        })
    }

    /// # Errors
    /// If it has no rows.
    pub(super) fn check_rows(&self, rows: usize) -> Result<()> {
        match rows {
            0 => Err(self.sheet.wrong(
                "holds no rows",
                "give it one row per crop or object, below the header",
            )),
            _ => Ok(()),
        }
    }

    /// The class as the row names it; `None` if the row says that there is nothing in the photo.
    ///
    /// # Errors
    /// If there is something, but of no class.
    pub(super) fn class<'r>(&self, record: &'r Record) -> Result<Option<&'r str>> {
        let class = record.get(self.class);
        let side = self.side.map(|side| record.number(side)).transpose()?;
        match (class.is_empty(), side) {
            (false, _) => Ok(Some(class)),
            (true, Some(None)) => Ok(None),
            (true, _) => Err(record.wrong(
                format!(
                    "names no class in column `{}`",
                    quoted(self.sheet.name(self.class))
                ),
                "name the class; only a row without a box may have none",
            )),
        }
    }
}

/// Checks that the CSV at `path` can be read and has a class in every row. Of a folder or dataset nothing is
/// checked, nor of a file that is missing.
///
/// # Errors
/// The problem and its remedy as text.
pub(super) fn check(path: &Path, column: Option<&str>) -> Result<(), String> {
    if !path.is_file() || dataset_format(path).is_some() {
        return Ok(());
    }
    let checked = Table::open(path, column).and_then(|table| {
        let mut rows = 0;
        for record in table.sheet.records() {
            table.class(&record?)?;
            rows += 1;
        }
        table.check_rows(rows)
    });
    checked.map_err(|e| e.in_one_line())
}

/// Checks that every class in the CSV at `path` is one of `classes`, and of a folder that its pictures lie in
/// folders which are.
///
/// # Errors
/// The first that is not, with its line or folder.
pub(super) fn check_classes(path: &Path, column: Option<&str>, classes: &[String]) -> Result<()> {
    let labels = Labels::read(path, column, classes)?;
    if let Classes::Folders(_) = labels.classes {
        let tree = listing::tree(path, &|| Ok(()))?;
        for file in tree.files.iter().filter(|file| is_called_picture(file)) {
            let inside = file.strip_prefix(path).unwrap_or(file);
            labels.class_of(&inside.to_string_lossy())?;
        }
    }
    Ok(())
}

impl Labels {
    /// Reads the class of every row of a CSV: a name from `classes`, or a number, which is the
    /// place in that list. Of a folder nothing is read.
    ///
    /// # Errors
    /// If the file, the column or a class is missing; the message names file and line.
    pub(super) fn read(path: &Path, column: Option<&str>, classes: &[String]) -> Result<Self> {
        if let Some(format) = dataset_format(path) {
            return Ok(Labels {
                path: path.to_owned(),
                classes: Classes::Dataset(dataset(path, format, classes)?),
            });
        }
        if path.is_dir() {
            return Ok(Labels {
                path: path.to_owned(),
                classes: Classes::Folders(classes.to_vec()),
            });
        }
        let table = Table::open(path, column)?;
        let (mut rows, mut whole) = (Vec::new(), HashMap::new());
        for record in table.sheet.records() {
            let record = record?;
            let name = table.class(&record)?;
            let class = name
                .map(|name| number(name, classes, &record))
                .transpose()?;
            let name = table.file.map(|column| plain_name(record.get(column)));
            let file = name.as_deref().map(base_name);
            if let Some(class) = class {
                for name in [&name, &file].into_iter().flatten() {
                    let known = whole.entry(name.clone()).or_insert(Whole::Class(class));
                    if *known != Whole::Class(class) {
                        *known = Whole::Several;
                    }
                }
            }
            rows.push(Row { class, file });
        }
        Ok(Labels {
            path: path.to_owned(),
            classes: Classes::Rows(rows, whole),
        })
    }

    /// The class of a crop by its source, `FILE#ROW`, or `FILE` for a whole photo.
    ///
    /// # Errors
    /// If the CSV has no such row, or the photo's folder is not a class.
    pub(super) fn class_of(&self, source: &str) -> Result<usize> {
        let cropped = source
            .rsplit_once('#')
            .and_then(|(file, row)| Some((file, row.parse().ok()?)));
        let missing = |problem, remedy| Error::failed(self.path.display(), problem, remedy);
        match &self.classes {
            Classes::Rows(rows, whole) => {
                const REMEDY: &str = "use the CSV that the photos were cropped by";
                let Some((file, row)) = cropped else {
                    return whole_class(whole, source).map_err(|problem| {
                        missing(problem, "give each photo one row with its file")
                    });
                };
                let row: Option<&Row> = rows.get::<usize>(row);
                let row = row
                    .ok_or_else(|| missing(format!("has no row for the crop {source}"), REMEDY))?;
                match (&row.file, row.class) {
                    (Some(own), _) if *own != base_name(&plain_name(file)) => Err(missing(
                        format!("has `{}` in the row for the crop {source}", quoted(own)),
                        REMEDY,
                    )),
                    (_, Some(class)) => Ok(class),
                    (_, None) => Err(missing(
                        format!("has no class in the row for the crop {source}"),
                        REMEDY,
                    )),
                }
            }
            Classes::Dataset(pictures) => {
                let (file, object) = match cropped {
                    Some((file, object)) => (file, Some(object)),
                    None => (source, None),
                };
                let picture = pictures.get(&plain_name(file));
                let class = picture.and_then(|picture| match object {
                    Some(object) => picture.objects.get::<usize>(object).copied(),
                    None => picture.whole,
                });
                class.ok_or_else(|| {
                    missing(
                        format!("has no class for the photo {source}"),
                        "let `ingest` read the photos from this dataset, with `pictures = \"photos\"`",
                    )
                })
            }
            Classes::Folders(classes) => {
                let file = cropped.map_or(source, |(file, _)| file);
                let folder = Path::new(file).parent().and_then(Path::file_name);
                let folder = folder.unwrap_or_default().to_string_lossy();
                classes.iter().position(|c| *c == folder).ok_or_else(|| {
                    missing(
                        format!(
                            "{source} lies in `{folder}`, which is not one of the classes {}",
                            listed(classes)
                        ),
                        "put each photo into a folder named after its class in the dataset",
                    )
                })
            }
        }
    }
}

/// The classes of all pictures of a dataset.
fn dataset(path: &Path, format: &Format, classes: &[String]) -> Result<HashMap<String, Pictured>> {
    let mut pictures = HashMap::new();
    format.visit(path, false, &mut |picture| {
        let name = picture.name_in(path);
        let place = |class: &str| place_of(class, classes, path, &name);
        let labels = &picture.labels;
        let objects = labels.objects().iter().map(|object| place(&object.class));
        let whole = labels.class.as_deref().or_else(|| labels.only_class());
        let pictured = Pictured {
            objects: objects.collect::<Result<_>>()?,
            whole: whole.map(place).transpose()?,
        };
        pictures.insert(plain_name(&name), pictured);
        Ok(())
    })?;
    Ok(pictures)
}

/// The class of a whole photo.
fn whole_class(classes: &HashMap<String, Whole>, file: &str) -> Result<usize, String> {
    let name = plain_name(file);
    match classes
        .get(&name)
        .or_else(|| classes.get(&base_name(&name)))
    {
        Some(Whole::Class(class)) => Ok(*class),
        Some(Whole::Several) => Err(format!("names {file} in rows of different classes")),
        None => Err(format!("has no row for the photo {file}")),
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
    fn a_dataset_tells_the_classes_of_its_objects() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instances.json");
        let text = |category: u32| {
            format!(
                r#"{{"images": [{{"id": 1, "file_name": "sub/A.png", "width": 9, "height": 9}}],
                "categories": [{{"id": 3, "name": "four"}}, {{"id": 4, "name": "nine"}}],
                "annotations": [{{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4]}},
                    {{"id": 2, "image_id": 1, "category_id": {category}, "bbox": [5, 5, 2, 2]}}]}}"#
            )
        };
        let classes = ["five".to_string(), "four".to_string()];
        std::fs::write(&path, text(3)).unwrap();
        for path in [path.as_path(), folder.path()] {
            let labels = Labels::read(path, None, &classes).unwrap();
            assert_eq!(labels.class_of("sub/A.png").unwrap(), 1);
            assert_eq!(labels.class_of("sub/a.png#1").unwrap(), 1);
            for source in ["sub/A.png#2", "b.png#0", "b.png"] {
                let error = labels.class_of(source).unwrap_err().to_string();
                assert!(error.contains(source) && error.contains("help:"), "{error}");
            }
        }
        std::fs::write(&path, text(4)).unwrap();
        let error = Labels::read(&path, None, &classes).err().unwrap();
        assert!(error.to_string().contains("`nine`"), "{error}");
    }

    #[test]
    fn whole_photos_have_the_class_of_their_file() {
        let labels =
            read("image;Class\na.jpg;four\nsub\\B.jpg;five\na.jpg;four\nc.jpg;0\nc.jpg;1\n");
        let labels = labels.unwrap();
        assert_eq!(labels.class_of("x/a.jpg").unwrap(), 1);
        assert_eq!(labels.class_of("sub/b.jpg").unwrap(), 0);
        for (source, problem) in [
            ("c.jpg", "c.jpg in rows of different classes"),
            ("d.jpg", "no row for the photo d.jpg"),
        ] {
            let error = labels.class_of(source).unwrap_err().to_string();
            assert!(
                error.contains(problem) && error.contains("help:"),
                "{error}"
            );
        }
    }

    #[test]
    fn rows_without_a_box_need_no_class() {
        let labels = read("file,x1,class\na.jpg,,\na.jpg,5,four\n").unwrap();
        assert_eq!(labels.class_of("a.jpg#1").unwrap(), 1);
        let error = labels.class_of("a.jpg#0").unwrap_err().to_string();
        assert!(error.contains("has no class in the row"), "{error}");
        for text in ["file,x1,class\na.jpg,7,\n", "file,class\na.jpg,\n"] {
            let error = read(text).err().unwrap().to_string();
            assert!(
                error.contains("line 2 (row 0): names no class in column `class`"),
                "{error}"
            );
        }
    }

    #[test]
    fn tables_are_checked_before_the_classes_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        assert_eq!(check(&path, None), Ok(()));
        for (text, problem) in [
            ("file,class\na.jpg,four\n", ""),
            ("file,class\n", "holds no rows"),
            (
                "file,kind\na.jpg,four\n",
                "has no column `class` or `class_id`",
            ),
            ("file,class\na.jpg,\n", "names no class"),
            ("{\"images\": [], \"annotations\": []}", "is a COCO file"),
        ] {
            std::fs::write(&path, text).unwrap();
            match check(&path, None) {
                Ok(()) => assert_eq!(problem, ""),
                Err(text) => assert!(text.contains(problem) && !problem.is_empty(), "{text}"),
            }
        }
    }

    #[test]
    fn classes_are_checked_without_the_photos() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("labels.csv");
        let classes = ["3009".to_string(), "3021".to_string()];
        std::fs::write(&csv, "file,class\na.jpg,3009\nb.jpg,1\n").unwrap();
        assert!(check_classes(&csv, None, &classes).is_ok());
        std::fs::write(&csv, "file,class\na.jpg,3009\nb.jpg,3010\n").unwrap();
        let error = check_classes(&csv, None, &classes).unwrap_err().to_string();
        assert!(
            error.contains("line 3 (row 1): `3010` is not one of the classes 3009, 3021"),
            "{error}"
        );

        std::fs::create_dir(folder.path().join("3021")).unwrap();
        std::fs::write(folder.path().join("3021/a.jpg"), "").unwrap();
        assert!(check_classes(folder.path(), None, &classes).is_ok());
        std::fs::create_dir(folder.path().join("3012")).unwrap();
        std::fs::write(folder.path().join("3012/a.jpg"), "").unwrap();
        let error = check_classes(folder.path(), None, &classes)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("3012/a.jpg lies in `3012`, which is not one"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_class_names_its_line() {
        let error = read("file,class\na.jpg,four\na.jpg,nine\n").err().unwrap();
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}
