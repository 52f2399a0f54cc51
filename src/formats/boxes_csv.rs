//! A CSV of boxes, one a row, and the pictures in `images/SPLIT`.
//!
//! A picture without objects has one row without class and box. Corners are in pixels from the upper left
//! corner of the picture; the right and lower edges lie outside the box.

use std::fs::File;
use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::{
    DatasetInfo, Format, Holds, ImageEntry, Picture, Reader, Writer, entries, inside, wrong,
};
use crate::sample::{Extent, Labels, Object};
use crate::{Error, Result};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "csv",
    about: "annotations.csv: file, w, h, class, xmin, ymin, xmax, ymax, split",
    required: false,
    holds: Holds {
        objects: true,
        ..Holds::NOTHING
    },
    write: Some(write),
    detect: |path| find(path).is_some(),
    read,
};

const HEAD: [&str; 9] = [
    "file", "w", "h", "class", "xmin", "ymin", "xmax", "ymax", "split",
];

/// Other names of the columns in [`HEAD`].
const ALIASES: [&[&str]; 9] = [
    &["filename", "file_name", "image", "path", "image_path"],
    &["width", "image_width"],
    &["height", "image_height"],
    &["label", "category", "class_name"],
    &["x1", "x_min", "left"],
    &["y1", "y_min", "top"],
    &["x2", "x_max", "right"],
    &["y2", "y_max", "bottom"],
    &["subset", "set"],
];

struct Boxes<'a> {
    out: &'a Path,
    path: PathBuf,
    file: csv::Writer<File>,
}

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    let path = dataset.out.join("annotations.csv");
    let file = File::create(&path).map_err(|e| Error::io(&path, e))?;
    let mut boxes = Boxes {
        out: dataset.out,
        path,
        file: csv::Writer::from_writer(file),
    };
    boxes.row(&HEAD.map(str::to_owned))?;
    Ok(Box::new(boxes))
}

impl Boxes<'_> {
    fn row(&mut self, fields: &[String]) -> Result<()> {
        let written = self.file.write_record(fields);
        written.map_err(|e| Error::io(&self.path, e.into()))
    }
}

impl Writer for Boxes<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let Some(objects) = &entry.sample.labels.objects else {
            // Its objects are unknown; a row without one would say that there are none.
            return Ok(());
        };
        let file = format!("images/{}/{}", entry.split, entry.name());
        entry.place_at(self.out, &file)?;
        let Extent { width, height } = entry.sample.extent;
        let row = |class: &str, corners: [String; 4]| {
            let head = [
                file.clone(),
                width.to_string(),
                height.to_string(),
                class.to_owned(),
            ];
            [&head[..], &corners, &[entry.split.to_owned()]].concat()
        };
        if objects.is_empty() {
            self.row(&row("", [const { String::new() }; 4]))?;
        }
        for object in objects {
            let [x, y, w, h] = object.bbox_xywh.map(f64::from);
            let corners = [x, y, x + w, y + h].map(|v| v.to_string());
            self.row(&row(&object.class, corners))?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.file.flush().map_err(|e| Error::io(&self.path, e))
    }
}

/// The first CSV whose head names the file, class and corners, and the places of its columns.
fn find(path: &Path) -> Option<(PathBuf, Columns)> {
    let files = match path.is_dir() {
        true => entries(path).ok()?,
        false => vec![path.to_path_buf()],
    };
    let csv = |file: &PathBuf| file.extension().is_some_and(|e| e == "csv");
    files.into_iter().filter(csv).find_map(|file| {
        let columns = Columns::find(open(&file).ok()?.headers().ok()?)?;
        Some((file, columns))
    })
}

fn open(path: &Path) -> Result<csv::Reader<File>> {
    use std::io::Read;
    let opened = || File::open(path).map_err(|e| Error::io(path, e));
    crate::sample::input::check_regular(path)?;
    let mut head = Vec::new();
    let read = opened()?.take(4096).read_to_end(&mut head);
    read.map_err(|e| Error::io(path, e))?;
    let head = head.split(|&b| b == b'\n').next().unwrap_or_default();
    let delimiter = if head.contains(&b';') && !head.contains(&b',') {
        b';'
    } else {
        b','
    };
    let file = opened()?;
    Ok(csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(file))
}

/// Where each column of [`HEAD`] is.
struct Columns([Option<usize>; 9]);

impl Columns {
    fn find(head: &StringRecord) -> Option<Self> {
        let names: Vec<String> = head
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').trim().to_lowercase())
            .collect();
        let mut places = [None; 9];
        for ((place, own), others) in places.iter_mut().zip(HEAD).zip(ALIASES) {
            let mut known = std::iter::once(own).chain(others.iter().copied());
            *place = known.find_map(|known| names.iter().position(|name| name == known));
        }
        let needed = [0, 3, 4, 5, 6, 7];
        let complete = needed.iter().all(|&column| places[column].is_some());
        complete.then_some(Columns(places))
    }

    fn text<'a>(&self, record: &'a StringRecord, column: usize) -> &'a str {
        let text = self.0[column].and_then(|place| record.get(place));
        text.unwrap_or_default().trim()
    }

    fn number(&self, record: &StringRecord, column: usize) -> Result<f64, String> {
        let text = self.text(record, column);
        let number = text.parse();
        number.map_err(|_| format!("has `{text}` as {}, which is not a number", HEAD[column]))
    }

    /// A picture without labels.
    fn picture(&self, record: &StringRecord, root: &Path) -> Result<Picture, String> {
        let file = inside(root, self.text(record, 0))?;
        let extent = match (self.0[1], self.0[2]) {
            (Some(_), Some(_)) => Some(Extent::new(
                self.number(record, 1)? as u32,
                self.number(record, 2)? as u32,
            )),
            _ => None,
        };
        let labels = Labels {
            objects: Some(Vec::new()),
            ..Labels::default()
        };
        Ok(Picture {
            extent,
            split: Some(self.text(record, 8).to_owned()).filter(|split| !split.is_empty()),
            ..Picture::new(file, labels)
        })
    }

    /// The object of a row; `None` if the row says that there is none.
    fn object(&self, record: &StringRecord) -> Result<Option<Object>, String> {
        if (3..8).all(|column| self.text(record, column).is_empty()) {
            return Ok(None);
        }
        let [left, top, right, bottom] = [4, 5, 6, 7].map(|column| self.number(record, column));
        let (left, top) = (left?, top?);
        let bbox = [left, top, right? - left, bottom? - top].map(|v| v as f32);
        Ok(Some(Object::new(self.text(record, 3), bbox)))
    }
}

/// Rows of one picture may lie apart, so all are read before the first picture is handed on.
fn read(path: &Path, reader: &mut Reader) -> Result<()> {
    let (file, columns) = find(path).ok_or_else(|| wrong(path, "has no CSV of boxes"))?;
    let root = file.parent().unwrap_or(Path::new(""));
    let mut rows = open(&file)?;
    let mut order = Vec::new();
    let mut pictures: std::collections::HashMap<PathBuf, Picture> =
        std::collections::HashMap::new();
    let mut record = StringRecord::new();
    loop {
        let more = rows.read_record(&mut record);
        let line = record.position().map_or(0, csv::Position::line);
        let place = format!("{}:{line}", file.display());
        match more {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => {
                reader.flaw(place, e)?;
                continue;
            }
        }
        let Some(picture) = reader.some(&place, columns.picture(&record, root))? else {
            continue;
        };
        let object = reader.some(&place, columns.object(&record))?;
        let name = picture.file.clone();
        let known = pictures.entry(name.clone()).or_insert_with(|| {
            order.push((name, place));
            picture
        });
        if let Some(objects) = &mut known.labels.objects {
            objects.extend(object.flatten());
        }
    }
    for (name, place) in order {
        if let Some(picture) = pictures.remove(&name) {
            reader.add(place, picture)?;
        }
    }
    Ok(())
}
