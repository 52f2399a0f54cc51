//! Pascal VOC: pictures in `JPEGImages`, an XML file for each in `Annotations`, and the names of a split's
//! pictures in `ImageSets/Main/SPLIT.txt`: <http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/>.
//!
//! VOC counts pixels from 1, and the last pixel is still in the box. Some programs write pixels from 0 all the
//! same; a coordinate of 0, which VOC does not have, tells them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::xml::{self, child, escaped, number_of, text_of};
use super::{
    Category, DatasetInfo, Format, Holds, ImageEntry, Picture, Reader, Writer, create, entries,
    file_name, inside, is_called_picture, wrong,
};
use crate::sample::input;
use crate::sample::{Extent, Labels, Object};
use crate::{Error, Result};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "voc",
    about: "Annotations/ID.xml, JPEGImages/ and ImageSets/ of Pascal VOC: boxes",
    required: false,
    holds: Holds {
        objects: true,
        ..Holds::NOTHING
    },
    write: Some(write),
    detect: |path| path.join(ANNOTATIONS).is_dir() && !annotations(path).is_empty(),
    read,
};

const ANNOTATIONS: &str = "Annotations";
const PICTURES: &str = "JPEGImages";
const SETS: &str = "ImageSets/Main";

/// The classes in order, as CVAT and Datumaro keep them for classes that are not VOC's own: a line
/// `NAME:COLOUR:PARTS:ACTIONS` each, of which only the name is used.
const CLASSES: &str = "labelmap.txt";

struct Voc<'a> {
    dataset: DatasetInfo<'a>,
    sets: BTreeMap<&'a str, (PathBuf, BufWriter<File>)>,
}

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    for name in [ANNOTATIONS, PICTURES] {
        let folder = dataset.out.join(name);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    }
    let path = dataset.out.join(CLASSES);
    let names = dataset.categories.iter();
    let lines: String = names.map(|c| format!("{}:::\n", c.name)).collect();
    std::fs::write(&path, lines).map_err(|e| Error::io(&path, e))?;
    let set = |split: &'a String| {
        let path = dataset.out.join(SETS).join(format!("{split}.txt"));
        let file = create(&path)?;
        Ok((split.as_str(), (path, file)))
    };
    Ok(Box::new(Voc {
        dataset: *dataset,
        sets: dataset.images.keys().map(set).collect::<Result<_>>()?,
    }))
}

impl Writer for Voc<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let Some(objects) = &entry.sample.labels.objects else {
            // Its objects are unknown; a file without objects would say that there are none.
            return Ok(());
        };
        let Some((set, file)) = self.sets.get_mut(entry.split) else {
            return Ok(());
        };
        writeln!(file, "{}", entry.stem()).map_err(|e| Error::io(set, e))?;
        let out = self.dataset.out;
        entry.place_at(out, &format!("{PICTURES}/{}", entry.name()))?;
        let mut text = format!(
            "<annotation>\n  <folder>{PICTURES}</folder>\n  <filename>{}</filename>\n  <source>\
             <database>{}</database></source>\n  <size><width>{}</width><height>{}</height>\
             <depth>3</depth></size>\n  <segmented>0</segmented>\n",
            escaped(entry.name()),
            escaped(self.dataset.name),
            entry.sample.extent.width,
            entry.sample.extent.height,
        );
        objects.iter().for_each(|o| text += &element(o));
        text += "</annotation>\n";
        let path = out.join(ANNOTATIONS).join(format!("{}.xml", entry.stem()));
        std::fs::write(&path, text).map_err(|e| Error::io(&path, e))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        for (path, mut file) in self.sets.into_values() {
            file.flush().map_err(|e| Error::io(&path, e))?;
        }
        Ok(())
    }
}

fn element(object: &Object) -> String {
    let [x, y, width, height] = object.bbox_xywh.map(f64::from);
    let truncated = u8::from(object.truncation.is_some_and(|share| share > 0.0));
    format!(
        "  <object>\n    <name>{}</name>\n    <pose>Unspecified</pose>\n    \
         <truncated>{truncated}</truncated>\n    <difficult>0</difficult>\n    <bndbox><xmin>{}</xmin>\
         <ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>\n  </object>\n",
        escaped(&object.class),
        x + 1.0,
        y + 1.0,
        x + width,
        y + height,
    )
}

fn annotations(root: &Path) -> Vec<PathBuf> {
    let mut files = entries(&root.join(ANNOTATIONS)).unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|e| e == "xml"));
    files
}

fn read(root: &Path, reader: &mut Reader) -> Result<()> {
    let sets = sets(root)?;
    read_classes(root, reader)?;
    let files = annotations(root);
    let pictures = pictures(root);
    let first = f64::from(u8::from(!counts_from_zero(&files)));
    for path in files {
        let stem = path.file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy().into_owned();
        let split = sets.get(&stem).cloned();
        let picture = picture(root, &path, pictures.get(&stem), first, reader);
        let Some(picture) = reader.file(picture)? else {
            continue;
        };
        reader.add(path.display(), Picture { split, ..picture })?;
    }
    Ok(())
}

/// Tells the reader the classes, if the dataset lists them.
fn read_classes(root: &Path, reader: &mut Reader) -> Result<()> {
    let path = root.join(CLASSES);
    if !path.is_file() {
        return Ok(());
    }
    let text = input::read(&path, input::MOST_BYTES)?;
    let text = String::from_utf8_lossy(&text);
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        let mut parts = line.rsplitn(4, ':');
        if let Some(name) = parts.nth(3).filter(|name| !name.is_empty()) {
            reader.class(Category {
                name: name.to_owned(),
                ..Category::default()
            });
        }
    }
    Ok(())
}

/// The split of each name, without those that are unions of others.
fn sets(root: &Path) -> Result<HashMap<String, String>> {
    let mut sets = HashMap::new();
    let files = entries(&root.join(SETS)).unwrap_or_default();
    let of_split = |file: &PathBuf| {
        let name = file_name(file);
        // `cat_train.txt` lists whether each picture shows a cat.
        name.ends_with(".txt") && name != "trainval.txt"
    };
    for file in files.into_iter().filter(of_split) {
        let text = input::read(&file, input::MOST_BYTES)?;
        let text = String::from_utf8_lossy(&text);
        let split = file.file_stem().unwrap_or_default().to_string_lossy();
        let lines = text.lines().map(str::trim);
        // A name may have spaces, but a list of one class has a number behind each name.
        if lines
            .clone()
            .any(|line| line.ends_with(" 1") || line.ends_with(" -1"))
        {
            continue;
        }
        for line in lines.filter(|line| !line.is_empty()) {
            sets.entry(line.to_owned()).or_insert(split.to_string());
        }
    }
    Ok(sets)
}

/// The pictures by their names without endings.
fn pictures(root: &Path) -> HashMap<String, PathBuf> {
    let files = entries(&root.join(PICTURES)).unwrap_or_default();
    let pictures = files.into_iter().filter(|file| is_called_picture(file));
    let named = pictures.map(|file| {
        let stem = file.file_stem().unwrap_or_default();
        (stem.to_string_lossy().into_owned(), file)
    });
    named.collect()
}

/// Whether one of the first files has a box whose pixels are counted from 0.
fn counts_from_zero(files: &[PathBuf]) -> bool {
    const LOOKED_AT: usize = 500;
    files.iter().take(LOOKED_AT).any(|file| {
        let text = std::fs::read(file).unwrap_or_default();
        let zeros = [&b"min>0<"[..], b"min>0.0<"];
        let mut found = zeros
            .iter()
            .map(|zero| text.windows(zero.len()).any(|w| w == *zero));
        found.any(|found| found)
    })
}

/// # Errors
/// If the file cannot be read, or is not an annotation.
fn picture(
    root: &Path,
    path: &Path,
    beside: Option<&PathBuf>,
    first: f64,
    reader: &mut Reader,
) -> Result<Picture> {
    let text = xml::text(path)?;
    let document = xml::parse(path, &text)?;
    let top = document.root_element();
    if !top.has_tag_name("annotation") {
        return Err(wrong(path, "is not an annotation of VOC"));
    }
    let file = match (beside, text_of(top, "filename")) {
        (Some(file), _) => file.clone(),
        (None, name) => {
            inside(&root.join(PICTURES), name.unwrap_or_default()).map_err(|e| wrong(path, e))?
        }
    };
    let size = child(top, "size").ok_or_else(|| wrong(path, "lacks <size>"))?;
    let side = |name| number_of::<f64>(size, name).map_err(|e| wrong(path, e));
    let extent = Extent::new(side("width")? as u32, side("height")? as u32);
    let mut objects = Vec::new();
    for node in top.children().filter(|node| node.has_tag_name("object")) {
        let position = document.text_pos_at(node.range().start);
        let place = format!("{}:{}", path.display(), position.row);
        let object = || {
            let corners = child(node, "bndbox").ok_or("has an object without <bndbox>")?;
            let [xmin, ymin, xmax, ymax] =
                ["xmin", "ymin", "xmax", "ymax"].map(|name| number_of::<f64>(corners, name));
            let (left, top) = (xmin? - first, ymin? - first);
            let bbox = [left, top, xmax? - left, ymax? - top].map(|v| v as f32);
            Ok(Object::new(text_of(node, "name").unwrap_or_default(), bbox))
        };
        objects.extend(reader.some(place, object())?);
    }
    let labels = Labels {
        objects: Some(objects),
        ..Labels::default()
    };
    Ok(Picture {
        extent: Some(extent),
        ..Picture::new(file, labels)
    })
}
