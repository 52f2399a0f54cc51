//! CVAT for images 1.1: `annotations.xml` and the pictures in `images/SPLIT`:
//! <https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/>.
//!
//! An object is a `<mask>`, or a `<box>` if its mask is unknown; the class of a picture is a `<tag>`.

use std::collections::BTreeMap;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use roxmltree::Node;

use super::outline::{Point, fill};
use super::reader::checked;
use super::xml::{self, attribute, escaped, text_of};
use super::{
    Category, DatasetInfo, Format, Holds, ImageEntry, Picture, Reader, Writer, create, inside,
};
use crate::sample::{Extent, Labels, Mask, Object};
use crate::{Error, Result};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "cvat",
    about: "annotations.xml and images/ of CVAT for images 1.1: boxes and masks",
    required: false,
    holds: Holds {
        class: true,
        objects: true,
        masks: true,
        ..Holds::NOTHING
    },
    write: Some(write),
    detect: |path| begins_like_cvat(&file(path)),
    read,
};

struct Cvat<'a> {
    dataset: DatasetInfo<'a>,
    path: PathBuf,
    /// The images, until their number is known; a file without a name.
    /// The images, until their number is known; a file without a name.
    images: BufWriter<std::fs::File>,
    /// How many there are, by split.
    counts: BTreeMap<String, u64>,
}

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    let spool = tempfile::tempfile_in(dataset.out).map_err(|e| Error::io(dataset.out, e))?;
    Ok(Box::new(Cvat {
        dataset: *dataset,
        path: dataset.out.join("annotations.xml"),
        images: BufWriter::new(spool),
        counts: BTreeMap::new(),
    }))
}

impl Writer for Cvat<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let Some(objects) = &entry.sample.labels.objects else {
            // Its objects are unknown; an image without shapes would say that there are none.
            return Ok(());
        };
        let to = format!("images/{}/{}", entry.split, entry.name());
        entry.place_at(self.dataset.out, &to)?;
        let extent = entry.sample.extent;
        let mut text = format!(
            "  <image id=\"{}\" name=\"{}\" subset=\"{}\" width=\"{}\" height=\"{}\">\n",
            self.counts.values().sum::<u64>(),
            escaped(entry.name()),
            escaped(entry.split),
            extent.width,
            extent.height
        );
        objects
            .iter()
            .for_each(|object| text += &shape(object, extent));
        if let Some(class) = entry.class {
            let class = escaped(class);
            text += &format!("    <tag label=\"{class}\" source=\"auto\"></tag>\n");
        }
        text += "  </image>\n";
        *self.counts.entry(entry.split.to_owned()).or_default() += 1;
        let written = self.images.write_all(text.as_bytes());
        written.map_err(|e| Error::io(&self.path, e))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let path = self.path.clone();
        self.end().map_err(|e| Error::io(&path, e))
    }
}

impl Cvat<'_> {
    fn end(self) -> std::io::Result<()> {
        let mut file = create(&self.path).map_err(std::io::Error::other)?;
        let name = escaped(self.dataset.name);
        let labels = self.dataset.categories.iter().map(|category| {
            let name = escaped(&category.name);
            format!("        <label><name>{name}</name><type>any</type><attributes></attributes></label>\n")
        });
        let splits: Vec<String> = self.counts.keys().map(|split| escaped(split)).collect();
        // As of a project in CVAT, whose tasks are the splits; readers look for them here.
        let tasks = splits.iter().zip(self.counts.values()).map(|(split, count)| {
            format!(
                "        <task><name>{name} {split}</name><size>{count}</size><mode>annotation</mode>\
                 <subset>{split}</subset></task>\n"
            )
        });
        write!(
            file,
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n  <version>1.1</version>\n  \
             <meta>\n    <project>\n      <name>{name}</name>\n      <subsets>{}</subsets>\n      \
             <tasks>\n{}      </tasks>\n      <labels>\n{}      </labels>\n    </project>\n  </meta>\n",
            splits.join("\n"),
            tasks.collect::<String>(),
            labels.collect::<String>(),
        )?;
        let mut images = self
            .images
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        images.seek(SeekFrom::Start(0))?;
        std::io::copy(&mut images, &mut file)?;
        file.write_all(b"</annotations>\n")?;
        file.flush()
    }
}

fn shape(object: &Object, extent: Extent) -> String {
    let class = escaped(&object.class);
    let occluded = u8::from(object.visible_fraction < 0.9);
    let whole = object.mask.as_ref();
    match whole.and_then(|mask| Some((mask, mask.bbox_xywh(extent.height)?))) {
        Some((mask, bbox)) => {
            let [left, top, width, height] = bbox.map(|v| v as u32);
            let runs = cut(mask, extent, [left, top, width, height]);
            let runs: Vec<String> = runs.iter().map(u32::to_string).collect();
            format!(
                "    <mask label=\"{class}\" source=\"auto\" occluded=\"{occluded}\" rle=\"{}\" \
                 left=\"{left}\" top=\"{top}\" width=\"{width}\" height=\"{height}\" z_order=\"0\"></mask>\n",
                runs.join(", ")
            )
        }
        None => {
            let [x, y, width, height] = object.bbox_xywh.map(f64::from);
            format!(
                "    <box label=\"{class}\" source=\"auto\" occluded=\"{occluded}\" xtl=\"{x}\" \
                 ytl=\"{y}\" xbr=\"{}\" ybr=\"{}\" z_order=\"0\"></box>\n",
                x + width,
                y + height
            )
        }
    }
}

/// The run lengths of a mask inside a box, row by row, beginning with those of zeros.
fn cut(mask: &Mask, extent: Extent, [left, top, width, height]: [u32; 4]) -> Vec<u32> {
    let bitmap = mask.to_bitmap(extent.width, extent.height);
    let (mut runs, mut value, mut run) = (Vec::new(), false, 0);
    for y in top..top + height {
        let row = y as usize * extent.width as usize;
        for x in left..left + width {
            if bitmap[row + x as usize] != value {
                runs.push(run);
                (value, run) = (!value, 0);
            }
            run += 1;
        }
    }
    runs.push(run);
    runs
}

fn file(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join("annotations.xml"),
        false => path.to_path_buf(),
    }
}

fn begins_like_cvat(file: &Path) -> bool {
    use std::io::Read;
    let mut head = Vec::new();
    let is_xml = file.extension().is_some_and(|e| e == "xml");
    let Some(opened) = std::fs::File::open(file).ok().filter(|_| is_xml) else {
        return false;
    };
    let read = opened.take(4096).read_to_end(&mut head);
    read.is_ok() && String::from_utf8_lossy(&head).contains("<annotations")
}

fn read(path: &Path, reader: &mut Reader) -> Result<()> {
    let file = file(path);
    let root = file.parent().unwrap_or(Path::new(""));
    let text = xml::text(&file)?;
    let document = xml::parse(&file, &text)?;
    let top = document.root_element();
    let labels = document
        .descendants()
        .filter(|node| node.has_tag_name("label"));
    for name in labels.filter_map(|label| text_of(label, "name")) {
        reader.class(Category {
            name: name.to_owned(),
            ..Category::default()
        });
    }
    for node in top.children().filter(|node| node.has_tag_name("image")) {
        let line = |node: Node| document.text_pos_at(node.range().start).row;
        let place = format!("{}:{}", file.display(), line(node));
        let Some(mut picture) = reader.some(&place, picture(root, node))? else {
            continue;
        };
        let extent = picture.extent.unwrap_or(Extent::new(1, 1));
        let mut objects = Vec::new();
        for shape in node.children().filter(Node::is_element) {
            if shape.has_tag_name("tag") {
                picture.labels.class = shape.attribute("label").map(str::to_owned);
                continue;
            }
            let place = format!("{}:{}", file.display(), line(shape));
            objects.extend(reader.some(place, object(shape, extent))?);
        }
        picture.labels.objects = Some(objects);
        reader.add(place, picture)?;
    }
    Ok(())
}

/// A picture, without its labels.
fn picture(root: &Path, node: Node) -> Result<Picture, String> {
    let name: String = attribute(node, "name")?;
    let extent = Extent::new(attribute(node, "width")?, attribute(node, "height")?);
    let split = node.attribute("subset").map(str::to_owned);
    let images = root.join("images");
    let subset = split.as_ref().map(|split| inside(&images, split));
    let folders = subset
        .and_then(Result::ok)
        .into_iter()
        .chain([images, root.to_path_buf()]);
    let places: Result<Vec<PathBuf>, String> =
        folders.map(|folder| inside(&folder, &name)).collect();
    let places = places?;
    let found = places.iter().find(|place| place.is_file());
    let file = found.or(places.first()).cloned().unwrap_or_default();
    Ok(Picture {
        split,
        extent: Some(checked(extent)?),
        ..Picture::new(file, Labels::default())
    })
}

fn object(shape: Node, extent: Extent) -> Result<Object, String> {
    let class: String = attribute(shape, "label")?;
    let mask = match shape.tag_name().name() {
        "box" => {
            let corners = ["xtl", "ytl", "xbr", "ybr"].map(|name| attribute::<f64>(shape, name));
            let [left, top, right, bottom] = corners;
            let (left, top) = (left?, top?);
            let bbox = [left, top, right? - left, bottom? - top];
            return Ok(Object::new(class, bbox.map(|v| v as f32)));
        }
        "polygon" => {
            let points: String = attribute(shape, "points")?;
            let points: Result<Vec<Point>, String> = points.split(';').map(point).collect();
            fill(&points?, extent)?
        }
        "mask" => pasted(shape, extent)?,
        kind => return Err(format!("has a shape <{kind}>, which is left out")),
    };
    let bbox = mask.bbox_xywh(extent.height);
    let bbox = bbox.ok_or_else(|| format!("has a mask `{class}` without a pixel"))?;
    Ok(Object::new(class, bbox).with_mask(mask))
}

fn point(text: &str) -> Result<Point, String> {
    let numbers = text.split_once(',').and_then(|(x, y)| {
        let number = |text: &str| text.trim().parse::<f64>().ok();
        Some([number(x)?, number(y)?])
    });
    numbers.ok_or_else(|| format!("has `{text}` in a polygon, which is not a point"))
}

/// A mask from its runs inside a box.
fn pasted(shape: Node, extent: Extent) -> Result<Mask, String> {
    let [left, top, width, height] =
        ["left", "top", "width", "height"].map(|n| attribute::<u32>(shape, n));
    let (left, top, width, height) = (left?, top?, width?, height?);
    let fits = |start: u32, length: u32, side: u32| {
        start.checked_add(length).is_some_and(|end| end <= side)
    };
    if !fits(left, width, extent.width) || !fits(top, height, extent.height) || width == 0 {
        return Err("has a mask that reaches beyond the picture".to_owned());
    }
    let runs: String = attribute(shape, "rle")?;
    let mut bitmap = vec![false; extent.area()];
    let (mut at, end) = (0_u64, u64::from(width) * u64::from(height));
    for (number, run) in runs.split(',').enumerate() {
        let run = run.trim().parse::<u32>();
        let run = run.map_err(|_| "has a mask whose `rle` is not all numbers".to_owned())?;
        let next = at + u64::from(run);
        if next > end {
            return Err("has a mask with more pixels than its box".to_owned());
        }
        if number % 2 == 1 {
            for pixel in at..next {
                let (x, y) = (pixel % u64::from(width), pixel / u64::from(width));
                let row = u64::from(top) + y;
                bitmap[(row * u64::from(extent.width) + u64::from(left) + x) as usize] = true;
            }
        }
        at = next;
    }
    Ok(Mask::from_bitmap(&bitmap, extent.width, extent.height))
}
