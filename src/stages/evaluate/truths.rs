//! The objects in real photos: their classes and boxes, from a CSV with a row an object or a dataset with labels, as
//! they lie in whole frames.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::labels::{Table, dataset_format};
use super::names::{base_name, number, place_of, plain_name};
use crate::formats::Format;
use crate::formats::spreadsheet::BOX_COLUMNS;
use crate::sample::mapping::Border;
use crate::sample::{Extent, LABELLED, Labels, Object, Sample, crop};
use crate::{Error, Result};

/// What tells the objects in photos.
pub(super) struct Truths {
    path: PathBuf,
    /// By the photo's name in the file.
    photos: HashMap<String, Vec<Object>>,
    /// The name of each photo by the last part of it; `None` if several have that.
    names: HashMap<String, Option<String>>,
}

/// Checks that `path` tells boxes, and masks if they are needed; one that is missing is found to be when the files are
/// hashed.
///
/// # Errors
/// The problem and its remedy as text.
pub(super) fn check(path: &Path, column: Option<&str>, masks: bool) -> Result<(), String> {
    let what = if masks { "masks" } else { "boxes" };
    if let Some(format) = dataset_format(path) {
        return match format.holds.objects && (format.holds.masks || !masks) {
            true => Ok(()),
            false => Err(format!(
                "{} is a dataset of `{}`, which holds only {}; name labels with {what}",
                path.display(),
                format.name,
                format.holds.names()
            )),
        };
    }
    if path.is_dir() {
        return Err(format!(
            "{} is a folder of photos, which has no boxes; name a CSV with one row per object, or the dataset \
             that `ingest` read the photos from",
            path.display()
        ));
    }
    if !path.is_file() {
        return Ok(());
    }
    if masks {
        return Err(format!(
            "{} is a table, which has no masks; name a dataset with them, such as COCO's, or write \
             `task = \"detection\"`",
            path.display()
        ));
    }
    let checked = Table::open(path, column).and_then(|table| {
        let sides = Sides::of(&table)?;
        let mut rows = 0;
        for record in table.sheet.records() {
            let record = record?;
            table.class(&record)?;
            sides.bbox(&record)?;
            rows += 1;
        }
        table.check_rows(rows)
    });
    checked.map_err(|e| e.in_one_line())
}

/// The columns of a CSV that hold left, top, right and bottom.
struct Sides([usize; 4]);

impl Sides {
    fn of(table: &Table) -> Result<Self> {
        let mut sides = [0; 4];
        for (side, names) in sides.iter_mut().zip(&BOX_COLUMNS[1..]) {
            let found = table.sheet.column(names);
            let remedy =
                "detection is measured by boxes; name the columns `x1`, `y1`, `x2` and `y2`";
            *side = found.ok_or_else(|| table.sheet.no_column(names, remedy))?;
        }
        Ok(Sides(sides))
    }

    /// x, y, width, height; `None` if the row says that there is nothing in the photo.
    fn bbox(&self, record: &crate::formats::spreadsheet::Record) -> Result<Option<[f32; 4]>> {
        let mut corners = [None; 4];
        for (corner, column) in corners.iter_mut().zip(self.0) {
            *corner = record.number(column)?;
        }
        let [Some(left), Some(top), Some(right), Some(bottom)] = corners else {
            return match corners.iter().any(Option::is_some) {
                false => Ok(None),
                true => Err(record.wrong(
                    "has only some of the four sides of its box",
                    "give all four numbers, or none if there is nothing in the photo",
                )),
            };
        };
        if right <= left || bottom <= top {
            return Err(record.wrong(
                "has a box without an area",
                "correct its corners: right and bottom are the larger numbers",
            ));
        }
        let sides = [left, top, right - left, bottom - top];
        Ok(Some(sides.map(|side| side as f32)))
    }
}

impl Truths {
    /// Reads all objects; a class is one of `classes`, or its number in that list.
    ///
    /// # Errors
    /// If the file cannot be read, or has no boxes or other classes.
    pub(super) fn read(path: &Path, column: Option<&str>, classes: &[String]) -> Result<Self> {
        let mut truths = Truths {
            path: path.to_owned(),
            photos: HashMap::new(),
            names: HashMap::new(),
        };
        match dataset_format(path) {
            Some(format) => truths.read_dataset(format, classes)?,
            None => truths.read_rows(column, classes)?,
        }
        for name in truths.photos.keys() {
            let known = truths.names.entry(base_name(name));
            known
                .and_modify(|known| *known = None)
                .or_insert_with(|| Some(name.clone()));
        }
        Ok(truths)
    }

    fn read_dataset(&mut self, format: &Format, classes: &[String]) -> Result<()> {
        let path = self.path.clone();
        format.visit(&path, false, &mut |picture| {
            let name = picture.name_in(&path);
            if let Some(objects) = picture.labels.objects {
                let object = |object: Object| {
                    let place = place_of(&object.class, classes, &path, &name)?;
                    Ok(Object {
                        mask: object.mask,
                        ..Object::new(&classes[place], object.bbox_xywh)
                    })
                };
                let objects = objects.into_iter().map(object).collect::<Result<_>>()?;
                self.photos.insert(plain_name(&name), objects);
            }
            Ok(())
        })?;
        Ok(())
    }

    fn read_rows(&mut self, column: Option<&str>, classes: &[String]) -> Result<()> {
        let table = Table::open(&self.path, column)?;
        let sides = Sides::of(&table)?;
        let remedy = "name the column of the photos `file`";
        let file = table
            .file
            .ok_or_else(|| table.sheet.no_column(BOX_COLUMNS[0], remedy))?;
        for record in table.sheet.records() {
            let record = record?;
            let objects = self.photos.entry(plain_name(record.get(file))).or_default();
            let class = table
                .class(&record)?
                .map(|name| number(name, classes, &record));
            if let (Some(class), Some(bbox_xywh)) = (class.transpose()?, sides.bbox(&record)?) {
                objects.push(Object::new(&classes[class], bbox_xywh));
            }
        }
        Ok(())
    }

    /// The objects of a whole photo as they lie in its sample; what lies beyond is left out.
    ///
    /// # Errors
    /// If the file does not tell of the photo, or the sample is a crop of it or was changed.
    pub(super) fn of(&self, sample: &Sample) -> Result<Vec<Object>> {
        let source = &sample.provenance.source;
        let wrong = |problem: String, remedy: &str| Err(Error::failed(&sample.id, problem, remedy));
        let row = source.rsplit_once('#').map(|(_, row)| row);
        if row.is_some_and(|row| row.parse::<u64>().is_ok()) {
            return wrong(
                format!("is a crop of a photo, {source}; objects are found in whole frames"),
                "write `cut = \"frames\"` in the `ingest` of these photos",
            );
        }
        let mut notes = sample.provenance.transforms.iter();
        let is_whole = |note: &String| note == LABELLED || crop::frame_of(note).is_some();
        if let Some(note) = notes.find(|note| !is_whole(note)) {
            return wrong(
                format!("was changed by `{note}`, so that the boxes of its photo are not its own"),
                "give this role photos as `ingest` reads them; to augment photos with their boxes, read them with \
                 `labelled = \"few\"`",
            );
        }
        let name = plain_name(source);
        let by_last = || self.names.get(&base_name(&name))?.as_ref();
        let known = self
            .photos
            .get(&name)
            .or_else(|| self.photos.get(by_last()?));
        let Some(objects) = known else {
            return Err(Error::failed(
                self.path.display(),
                format!("does not tell what is in the photo {source}"),
                "give it a row for each object, and one without a box for a photo that shows nothing",
            ));
        };
        mapped(objects, sample)
    }
}

/// Objects of a photo in the pixels of the sample that was made of it.
fn mapped(objects: &[Object], sample: &Sample) -> Result<Vec<Object>> {
    let notes = sample.provenance.transforms.iter();
    let photo: Option<Extent> = notes.filter_map(|note| crop::frame_of(note)).next();
    let photo = photo.unwrap_or(sample.extent);
    let mapping = crop::centre(photo, sample.extent).mapping(photo, sample.extent);
    let labels = Labels {
        objects: Some(objects.to_vec()),
        ..Labels::default()
    };
    let labels = labels.map(&mapping, Border::Replicate, &sample.id)?;
    Ok(labels.objects.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::picture_of;

    const TEXT: &str =
        "file,class,x1,y1,x2,y2\na.jpg,four,10,20,30,40\nsub/b.jpg,,,,,\na.jpg,0,80,0,130,10\n";

    fn truths(text: &str) -> Result<Truths> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        check(&path, None, false).map_err(|problem| Error::failed("labels.csv", problem, ""))?;
        Truths::read(&path, None, &["five".into(), "four".into()])
    }

    fn sample(source: &str, notes: &[&str]) -> Sample {
        let mut sample = picture_of(50, 50);
        sample.provenance.source = source.into();
        sample.provenance.transforms = notes.iter().map(|&note| note.to_owned()).collect();
        sample
    }

    #[test]
    fn boxes_of_a_photo_come_to_lie_in_its_frame() {
        let truths = truths(TEXT).unwrap();
        let of = |sample: Sample| -> Vec<(String, [f32; 4])> {
            let objects = truths.of(&sample).unwrap().into_iter();
            objects
                .map(|object| (object.class, object.bbox_xywh))
                .collect()
        };
        // The second box lies beyond the 50 pixels.
        let four = |bbox_xywh| ("four".to_owned(), bbox_xywh);
        let whole = of(sample("A.jpg", &[]));
        assert_eq!(whole, [four([10.0, 20.0, 20.0, 20.0])]);
        // 120 by 100 pixels: ten of each side are cut off, and the rest is halved.
        let scaled = of(sample("x/a.jpg", &["frame(120x100)"]));
        let second = ("five".to_owned(), [35.0, 0.0, 15.0, 5.0]);
        assert_eq!(scaled, [four([0.0, 10.0, 10.0, 10.0]), second]);
        assert_eq!(of(sample("b.jpg", &[])), []);
    }

    #[test]
    fn crops_changed_photos_and_unknown_ones_are_refused() {
        let truths = truths(TEXT).unwrap();
        for (sample, problem) in [
            (sample("a.jpg#0", &[]), "cut = \"frames\""),
            (sample("a.jpg", &["flip"]), "changed by `flip`"),
            (
                sample("c.jpg", &[]),
                "does not tell what is in the photo c.jpg",
            ),
        ] {
            let error = truths.of(&sample).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn tables_without_boxes_and_boxes_without_area_are_refused() {
        for (text, problem) in [
            ("file,class\na.jpg,four\n", "has no column"),
            (
                "file,class,x1,y1,x2,y2\na.jpg,four,10,20,10,40\n",
                "without an area",
            ),
            (
                "file,class,x1,y1,x2,y2\na.jpg,four,10,,30,40\n",
                "only some of the four sides",
            ),
            (
                "file,class,x1,y1,x2,y2\na.jpg,nine,1,2,3,4\n",
                "`nine` is not one of the classes",
            ),
        ] {
            let error = truths(text).err().unwrap().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(
            check(folder.path(), None, false)
                .unwrap_err()
                .contains("has no boxes")
        );
    }

    #[test]
    fn a_dataset_tells_the_boxes_of_its_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instances.json");
        let text = r#"{"images": [{"id": 1, "file_name": "sub/a.png", "width": 50, "height": 50},
                {"id": 2, "file_name": "b.png", "width": 50, "height": 50}],
            "categories": [{"id": 3, "name": "four"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4]}]}"#;
        std::fs::write(&path, text).unwrap();
        check(&path, None, true).unwrap();
        let truths = Truths::read(&path, None, &["four".into()]).unwrap();
        assert_eq!(truths.of(&sample("sub/a.png", &[])).unwrap().len(), 1);
        assert!(truths.of(&sample("b.png", &[])).unwrap().is_empty());
        let error = Truths::read(&path, None, &["five".into()]).err().unwrap();
        assert!(error.to_string().contains("`four`"), "{error}");
    }
}
