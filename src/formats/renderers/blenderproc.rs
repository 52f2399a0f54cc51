//! BlenderProc's HDF5, a file for each frame: `colors`, `depth`, `instance_segmaps`, `category_id_segmaps` and
//! `instance_attribute_maps`: <https://github.com/DLR-RM/BlenderProc>.
//!
//! The class of an object is its attribute `category_name` or `class`, or else its `category_id` if that is not 0,
//! or else its name without Blender's `.001`.

use std::path::{Path, PathBuf};

use hdf5_reader::{Dataset, Datatype, Hdf5File, OpenOptions};
use image::RgbImage;
use serde_json::Value;

use super::{insert_depth, masks};
use crate::Result;
use crate::formats::reader::checked;
use crate::formats::{Format, Holds, Picture, Reader, entries, from_json, wrong};
use crate::sample::image::encode_png;
use crate::sample::input::{self, MOST_BYTES, guarded};
use crate::sample::{Extent, Labels, Maps, Object};

/// The registry entry.
pub(in crate::formats) const FORMAT: Format = Format {
    name: "blenderproc",
    about: "0.hdf5, 1.hdf5, … of BlenderProc with colors, depth and instance_segmaps; only read",
    required: false,
    holds: Holds {
        objects: true,
        masks: true,
        unknown_objects: true,
        pictures: true,
        ..Holds::NOTHING
    },
    write: None,
    detect: |path| files(path).first().is_some_and(|file| is_hdf5(file)),
    read,
};

/// What BlenderProc says of pixels at which nothing is, in metres, or more.
const FARTHEST: f32 = 1e9;

/// The most bytes of a dataset: pictures of 44 megapixels, or 64-bit instances of 16.
const MOST_DATA: usize = 128 << 20;

const REMEDY: &str =
    "the file is cut off, damaged or none of BlenderProc; render the frame again, or remove it";

/// The files of a folder, numbers in their order, or the file itself.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = match path.is_dir() {
        true => entries(path).unwrap_or_default(),
        false => vec![path.to_path_buf()],
    };
    files.retain(|file| file.extension().is_some_and(|e| e == "hdf5" || e == "h5"));
    let number = |file: &PathBuf| -> Option<u64> { file.file_stem()?.to_str()?.parse().ok() };
    files.sort_by_key(number);
    files
}

fn is_hdf5(file: &Path) -> bool {
    use std::io::Read;
    let mut head = [0; 8];
    let opened = input::check_regular(file)
        .and_then(|()| std::fs::File::open(file).map_err(|e| crate::Error::io(file, e)));
    opened.is_ok_and(|mut file| file.read_exact(&mut head).is_ok() && head == *b"\x89HDF\r\n\x1a\n")
}

fn read(path: &Path, reader: &mut Reader) -> Result<()> {
    for file in files(path) {
        let picture = guarded(file.display(), REMEDY, || {
            // Mapping the file would end the program if somebody cut it off meanwhile.
            let bytes = input::read(&file, MOST_BYTES)?;
            let frame = Frame::open(bytes).map_err(|problem| wrong(&file, problem))?;
            frame.picture(&file)
        });
        if let Some((picture, flaws)) = reader.file(picture)? {
            for flaw in flaws {
                reader.flaw(file.display(), flaw)?;
            }
            reader.add(file.display(), picture)?;
        }
    }
    Ok(())
}

struct Frame(Hdf5File);

impl Frame {
    fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let options = OpenOptions {
            // Frames are read once.
            chunk_cache_bytes: 0,
            max_chunk_bytes: MOST_DATA,
            max_read_bytes: MOST_DATA,
            ..OpenOptions::default()
        };
        let file = Hdf5File::from_vec_with_options(bytes, options);
        file.map(Frame).map_err(|e| e.to_string())
    }

    /// The dataset with this name, if there is one.
    fn dataset(&self, name: &str) -> Result<Option<Dataset>, String> {
        let find = || {
            let root = self.0.root_group()?;
            let (_, names) = root.member_names()?;
            let is_there = names.iter().any(|other| other == name);
            is_there.then(|| root.dataset(name)).transpose()
        };
        find().map_err(|e| e.to_string())
    }

    /// The picture, and what is wrong with its labels.
    ///
    /// # Errors
    /// If there is no picture in the file.
    fn picture(&self, file: &Path) -> Result<(Picture, Vec<String>)> {
        let colours = self.colours().map_err(|problem| wrong(file, problem))?;
        let extent: Extent = colours.dimensions().into();
        let mut flaws = Vec::new();
        let objects = self.objects(extent).unwrap_or_else(|problem| {
            flaws.push(format!("{problem}; its objects are not known"));
            None
        });
        let depth = self.map("depth", extent).unwrap_or_else(|problem| {
            flaws.push(format!("{problem}; it is left out"));
            None
        });
        let mut maps = Maps::default();
        if let Some(depth) = depth {
            let metres: Vec<f32> = depth.into_iter().map(|v| v as f32).collect();
            insert_depth(&mut maps, &metres, FARTHEST, extent)?;
        }
        let labels = Labels {
            objects,
            maps,
            ..Labels::default()
        };
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let picture = Picture {
            bytes: Some(encode_png(&colours)?),
            extent: Some(extent),
            ..Picture::new(file.join(format!("{stem}.png")), labels)
        };
        Ok((picture, flaws))
    }

    fn colours(&self) -> Result<RgbImage, String> {
        let dataset = self.dataset("colors")?.ok_or("has no dataset `colors`")?;
        let &[height, width, channels @ (3 | 4)] = dataset.shape() else {
            let shape = dataset.shape();
            return Err(format!(
                "has `colors` of the shape {shape:?}; height, width and 3 colours are read"
            ));
        };
        if !matches!(dataset.dtype(), Datatype::FixedPoint { size: 1, .. }) {
            return Err("has `colors` that are not of 8 bits, which are not read".to_owned());
        }
        let side = |side: u64| u32::try_from(side).unwrap_or(u32::MAX);
        let Extent { width, height } = checked(Extent::new(side(width), side(height)))?;
        let values = dataset.read_native_bytes().map_err(|e| e.to_string())?;
        let pixels = values.chunks_exact(channels as usize);
        let pixels = pixels.flat_map(|pixel| &pixel[..3]).copied().collect();
        let image = RgbImage::from_raw(width, height, pixels);
        image.ok_or_else(|| "has `colors` with too few values".to_owned())
    }

    /// The values of a map with a number for each pixel, row by row; `None` if there is no such map.
    fn map(&self, name: &str, extent: Extent) -> Result<Option<Vec<f64>>, String> {
        let Some(dataset) = self.dataset(name)? else {
            return Ok(None);
        };
        let shape = dataset.shape();
        let expected = [u64::from(extent.height), u64::from(extent.width)];
        let sides = shape.strip_suffix(&[1]).filter(|_| shape.len() == 3);
        if sides.unwrap_or(shape) != expected {
            let problem = format!("has `{name}` of the shape {shape:?}, unlike its picture");
            return Err(problem);
        }
        let bytes = dataset.read_native_bytes().map_err(|e| e.to_string())?;
        let numbers = numbers(&bytes, dataset.dtype());
        let unread = || format!("has `{name}`, which holds no numbers that are read");
        numbers.map(Some).ok_or_else(unread)
    }

    fn objects(&self, extent: Extent) -> Result<Option<Vec<Object>>, String> {
        let Some(instances) = self.map("instance_segmaps", extent)? else {
            return Ok(None);
        };
        let name = "instance_attribute_maps";
        let attributes = self.dataset(name)?;
        let attributes = attributes.ok_or_else(|| format!("has no `{name}`"))?;
        let text = attributes.read_string().map_err(|e| e.to_string())?;
        let attributes: Vec<Attributes> = from_json(text.as_bytes())
            .map_err(|e| format!("has `{name}` that cannot be read: {e}"))?;
        let number = |attributes: &Attributes| attributes.get("idx").and_then(Value::as_i64);
        let pixels = instances.into_iter().map(|value| value as i64);
        let mut masks = masks(pixels, attributes.iter().filter_map(number), extent);
        let mut objects = Vec::new();
        for instance in &attributes {
            let mask = number(instance).and_then(|number| masks.remove(&number));
            let bbox = mask.as_ref().and_then(|mask| mask.bbox_xywh(extent.height));
            if let (Some(class), Some(mask), Some(bbox)) = (class(instance), mask, bbox) {
                objects.push(Object::new(class, bbox).with_mask(mask));
            }
        }
        Ok(Some(objects))
    }
}

/// What BlenderProc says of an instance.
type Attributes = serde_json::Map<String, Value>;

/// The class of an instance; `None` for the background.
fn class(attributes: &Attributes) -> Option<String> {
    let text = |key: &str| attributes.get(key).and_then(Value::as_str);
    if let Some(name) = text("category_name").or_else(|| text("class")) {
        return Some(name.to_owned());
    }
    match attributes.get("category_id").and_then(Value::as_i64) {
        Some(0) => return None,
        Some(id) => return Some(format!("category_{id}")),
        None => {}
    }
    let name = text("name")?;
    let is_copy = |end: &str| end.len() == 3 && end.bytes().all(|b| b.is_ascii_digit());
    let copied = name.rsplit_once('.').filter(|(_, end)| is_copy(end));
    Some(copied.map_or(name, |(stem, _)| stem).to_owned())
}

/// Numbers in the byte order of this machine; `None` if they are of a type that is not read.
fn numbers(bytes: &[u8], kind: &Datatype) -> Option<Vec<f64>> {
    macro_rules! values {
        ($kind:ty, $number:expr) => {{
            let words = bytes.as_chunks::<{ size_of::<$kind>() }>().0.iter();
            words
                .map(|word| $number(<$kind>::from_ne_bytes(*word)))
                .collect()
        }};
    }
    Some(match kind {
        Datatype::FixedPoint { size, signed, .. } => match (size, signed) {
            (1, false) => values!(u8, f64::from),
            (1, true) => values!(i8, f64::from),
            (2, false) => values!(u16, f64::from),
            (2, true) => values!(i16, f64::from),
            (4, false) => values!(u32, f64::from),
            (4, true) => values!(i32, f64::from),
            (8, false) => values!(u64, |number| number as f64),
            (8, true) => values!(i64, |number| number as f64),
            _ => return None,
        },
        Datatype::FloatingPoint { size: 4, .. } => values!(f32, f64::from),
        Datatype::FloatingPoint { size: 8, .. } => values!(f64, f64::from),
        _ => return None,
    })
}
