//! KITTI's object labels: `SPLIT/image_2/ID.png` and `SPLIT/label_2/ID.txt`, a line for each object:
//! <https://www.cvlibs.net/datasets/kitti/eval_object.php>.
//!
//! The fields are separated by spaces, so a space in the name of a class is written as `%20`, as in URLs. What
//! is known only in 3D (size, place and direction) has KITTI's values for "unknown". Areas to be ignored
//! (`DontCare`) are left out.

use std::path::{Path, PathBuf};

use super::{
    DatasetInfo, Format, Holds, ImageEntry, Picture, Reader, Writer, entries, file_name,
    folders_in, is_called_picture, wrong,
};
use crate::sample::image::extent_of;
use crate::sample::input;
use crate::sample::{Labels, Object};
use crate::{Error, Result};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "kitti",
    about: "SPLIT/image_2/ID.png and SPLIT/label_2/ID.txt of KITTI: boxes",
    required: false,
    holds: Holds {
        objects: true,
        ..Holds::NOTHING
    },
    write: Some(write),
    detect: |path| !splits(path).is_empty(),
    read,
};

const PICTURES: &str = "image_2";
const LABELS: &str = "label_2";

/// The most bytes of a label file.
const MOST: u64 = 64 << 20;

struct Kitti<'a> {
    out: &'a Path,
}

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    for split in dataset.images.keys() {
        for name in [PICTURES, LABELS] {
            let folder = dataset.out.join(split).join(name);
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        }
    }
    Ok(Box::new(Kitti { out: dataset.out }))
}

impl Writer for Kitti<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let Some(objects) = &entry.sample.labels.objects else {
            // Its objects are unknown; an empty file would say that there are none.
            return Ok(());
        };
        let folder = self.out.join(entry.split);
        let to = format!("{}/{PICTURES}/{}", entry.split, entry.name());
        entry.place_at(self.out, &to)?;
        let path = folder.join(LABELS).join(format!("{}.txt", entry.stem()));
        let lines: String = objects.iter().map(line).collect();
        std::fs::write(&path, lines).map_err(|e| Error::io(&path, e))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn line(object: &Object) -> String {
    let [x, y, width, height] = object.bbox_xywh.map(f64::from);
    let truncated = object.truncation.unwrap_or(0.0);
    let occluded = match object.visible_fraction {
        0.9.. => 0,
        0.5.. => 1,
        _ => 2,
    };
    format!(
        "{} {truncated:.2} {occluded} -10 {x:.6} {y:.6} {:.6} {:.6} -1 -1 -1 -1000 -1000 -1000 -10\n",
        without_spaces(&object.class),
        x + width,
        y + height,
    )
}

/// A name as one field.
fn without_spaces(name: &str) -> String {
    let mut field = String::with_capacity(name.len());
    for c in name.chars() {
        if c == '%' || c.is_whitespace() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                field += &format!("%{byte:02X}");
            }
        } else {
            field.push(c);
        }
    }
    field
}

/// The folders that have pictures and labels, each with its split.
fn splits(root: &Path) -> Vec<(Option<String>, PathBuf)> {
    let named = folders_in(root).unwrap_or_default().into_iter();
    let mut splits: Vec<_> = named
        .map(|folder| (Some(file_name(&folder)), folder))
        .collect();
    splits.insert(0, (None, root.to_path_buf()));
    splits.retain(|(_, folder)| folder.join(PICTURES).is_dir() && folder.join(LABELS).is_dir());
    splits
}

fn read(root: &Path, reader: &mut Reader) -> Result<()> {
    for (split, folder) in splits(root) {
        let files = entries(&folder.join(PICTURES))?.into_iter();
        for file in files.filter(|file| is_called_picture(file)) {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let labels = folder.join(LABELS).join(format!("{stem}.txt"));
            let picture = picture(file.clone(), &labels, split.clone(), reader);
            if let Some(picture) = reader.file(picture)? {
                reader.add(labels.display(), picture)?;
            }
        }
    }
    Ok(())
}

/// # Errors
/// If a file cannot be read.
fn picture(
    file: PathBuf,
    path: &Path,
    split: Option<String>,
    reader: &mut Reader,
) -> Result<Picture> {
    // The pictures to test on have no labels.
    let text = match path.is_file() {
        true => Some(input::read(path, MOST)?),
        false => None,
    };
    let text = text.map(String::from_utf8).transpose();
    let text = text.map_err(|e| wrong(path, e))?;
    let mut objects = text.is_some().then(Vec::new);
    for (number, line) in (1..).zip(text.iter().flat_map(|text| text.lines())) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.is_empty() || fields[0] == "DontCare" {
            continue;
        }
        let place = format!("{}:{number}", path.display());
        let object = reader.some(place, object(&fields))?;
        objects
            .iter_mut()
            .for_each(|all| all.extend(object.clone()));
    }
    let labels = Labels {
        objects,
        ..Labels::default()
    };
    Ok(Picture {
        extent: Some(extent_of(&file)?),
        split,
        ..Picture::new(file, labels)
    })
}

fn object(fields: &[&str]) -> Result<Object, String> {
    let corners = fields
        .get(4..8)
        .ok_or_else(|| format!("has {} fields, not 15", fields.len()))?;
    let mut numbers = [0.0; 4];
    for (number, field) in numbers.iter_mut().zip(corners) {
        let parsed = field.parse::<f64>();
        *number = parsed.map_err(|_| format!("has `{field}` in its box, which is not a number"))?;
    }
    let [left, top, right, bottom] = numbers;
    let bbox = [left, top, right - left, bottom - top].map(|v| v as f32);
    Ok(Object::new(input::percent_decoded(fields[0]), bbox))
}
