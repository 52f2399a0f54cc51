//! WebDataset: tars `SPLIT-000000.tar`, in which the files of a sample follow each other and share a name:
//! `KEY.png`, `KEY.json` with the labels and, if the picture has them, its class as a number in `KEY.cls` and its
//! caption in `KEY.txt`:
//! <https://github.com/webdataset/webdataset>.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use hotcoco::mask as rle;
use serde::{Deserialize, Serialize};

use super::reader::checked;
use super::{
    DatasetInfo, Format, Holds, ImageEntry, Picture, Reader, Writer, create, entries, file_name,
    from_json, is_called_picture,
};
use crate::sample::input::{self, MOST_BYTES, guarded};
use crate::sample::{Camera, Extent, Keypoint, Labels, Mask, Object};
use crate::{Error, Result};

/// The registry entry.
pub(super) const FORMAT: Format = Format {
    name: "webdataset",
    about: "SPLIT-000000.tar: shards of KEY.png, KEY.json, KEY.cls and KEY.txt",
    required: false,
    holds: Holds {
        class: true,
        captions: true,
        objects: true,
        masks: true,
        keypoints: true,
        poses: true,
        boxes_3d: true,
        camera: true,
        visible_fraction: true,
        unknown_objects: true,
        pictures: true,
        ..Holds::NOTHING
    },
    write: Some(write),
    detect: |path| !shards(path).is_empty(),
    read,
};

/// The most pictures of one shard.
const SHARD: u64 = 10_000;

/// The most bytes of a name in a tar.
const LONGEST_NAME: u64 = 1 << 20;

const REMEDY: &str = "the tar is cut off, compressed or none; unpack it, or fetch it again";

/// `KEY.json`.
#[derive(Serialize, Deserialize)]
struct Sample {
    /// The picture's name, whose dots the key cannot have.
    file: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    class: Option<String>,
    /// Null: not known.
    objects: Option<Vec<Item>>,
    camera: Option<Camera>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    class: String,
    /// x, y, width, height in pixels.
    bbox: [f32; 4],
    /// COCO's compressed run lengths, with height and width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segmentation: Option<Runs>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keypoints: Vec<Point>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pose: Option<[f32; 12]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    box_3d: Option<[f32; 6]>,
    #[serde(default)]
    visible_fraction: Option<f32>,
}

#[derive(Serialize, Deserialize)]
struct Runs {
    counts: String,
    size: [u32; 2],
}

#[derive(Serialize, Deserialize)]
struct Point {
    name: String,
    /// x, y in pixels and COCO's visibility.
    xyv: [f32; 3],
}

struct WebDataset<'a> {
    dataset: DatasetInfo<'a>,
    /// The classes of pictures, as numbered in `KEY.cls`.
    classes: Vec<&'a str>,
    shards: BTreeMap<&'a str, Shard>,
    /// The last picture: its shard, and its name in there.
    placed: String,
}

struct Shard {
    path: PathBuf,
    tar: tar::Builder<BufWriter<File>>,
    number: u64,
    /// Pictures in it.
    filled: u64,
    /// Bytes in it.
    bytes: u64,
}

/// What a file of `length` bytes takes in a tar: its header, and whole blocks.
fn in_tar(length: usize) -> u64 {
    const BLOCK: u64 = 512;
    BLOCK + (length as u64).next_multiple_of(BLOCK)
}

impl Shard {
    fn start(out: &Path, split: &str, number: u64) -> Result<Self> {
        let path = out.join(format!("{split}-{number:06}.tar"));
        Ok(Shard {
            tar: tar::Builder::new(create(&path)?),
            path,
            number,
            filled: 0,
            bytes: 0,
        })
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.bytes += in_tar(bytes.len());
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let added = self.tar.append_data(&mut header, name, bytes);
        added.map_err(|e| Error::io(&self.path, e))
    }

    fn finish(self) -> Result<()> {
        let file = self.tar.into_inner().and_then(|mut file| file.flush());
        file.map_err(|e| Error::io(&self.path, e))
    }
}

fn write<'a>(dataset: &DatasetInfo<'a>) -> Result<Box<dyn Writer + 'a>> {
    let start = |split: &'a String| Ok((split.as_str(), Shard::start(dataset.out, split, 0)?));
    Ok(Box::new(WebDataset {
        dataset: *dataset,
        classes: dataset.classes(),
        shards: dataset.images.keys().map(start).collect::<Result<_>>()?,
        placed: String::new(),
    }))
}

impl Writer for WebDataset<'_> {
    fn add(&mut self, entry: &ImageEntry) -> Result<()> {
        let Some(shard) = self.shards.get_mut(entry.split) else {
            return Ok(());
        };
        // The key ends at the first dot.
        let key = entry.stem().replace('.', "_");
        let picture = entry.bytes()?;
        let text =
            serde_json::to_vec(&sample(entry)).map_err(|e| Error::io(&shard.path, e.into()))?;
        let number = self
            .classes
            .iter()
            .position(|class| Some(*class) == entry.class);
        let number = number.map(|number| number.to_string());
        let caption = entry.sample.labels.caption.as_deref();
        let files = [
            (entry.ending(), Some(&*picture)),
            ("json", Some(text.as_slice())),
            ("cls", number.as_deref().map(str::as_bytes)),
            ("txt", caption.map(str::as_bytes)),
        ];
        let files = files.map(|(ending, bytes)| Some((format!("{key}.{ending}"), bytes?)));
        let files: Vec<(String, &[u8])> = files.into_iter().flatten().collect();
        let bytes: u64 = files.iter().map(|(_, bytes)| in_tar(bytes.len())).sum();
        let is_full = shard.bytes + bytes > self.dataset.shard_bytes;
        if shard.filled == SHARD || is_full && shard.filled > 0 {
            let next = Shard::start(self.dataset.out, entry.split, shard.number + 1)?;
            std::mem::replace(shard, next).finish()?;
        }
        shard.filled += 1;
        self.placed = format!("{}/{key}.{}", file_name(&shard.path), entry.ending());
        let mut files = files.into_iter();
        files.try_for_each(|(name, bytes)| shard.add(&name, bytes))
    }

    fn placed(&self) -> Option<&str> {
        Some(&self.placed)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.shards.into_values().try_for_each(Shard::finish)
    }
}

fn sample(entry: &ImageEntry) -> Sample {
    let labels = &entry.sample.labels;
    let extent = entry.sample.extent;
    let objects = labels.objects.as_ref();
    Sample {
        file: Some(entry.name().to_owned()),
        width: Some(extent.width),
        height: Some(extent.height),
        class: entry.class.map(str::to_owned),
        objects: objects.map(|all| all.iter().map(|o| item(o, extent)).collect()),
        camera: labels.camera,
    }
}

fn item(object: &Object, Extent { width, height }: Extent) -> Item {
    Item {
        class: object.class.clone(),
        bbox: object.bbox_xywh,
        segmentation: object.mask.as_ref().map(|mask| Runs {
            counts: rle::rle_to_string(&hotcoco::Rle {
                h: height,
                w: width,
                counts: mask.counts.clone(),
            }),
            size: [height, width],
        }),
        keypoints: object
            .keypoints
            .iter()
            .map(|keypoint| Point {
                name: keypoint.name.clone(),
                xyv: keypoint.xyv(),
            })
            .collect(),
        pose: object.pose,
        box_3d: object.box_3d,
        visible_fraction: Some(object.visible_fraction),
    }
}

/// The tars of a folder, or the file itself, if the first entries look like samples.
fn shards(path: &Path) -> Vec<PathBuf> {
    let mut files = match path.is_dir() {
        true => entries(path).unwrap_or_default(),
        false => vec![path.to_path_buf()],
    };
    files.retain(|file| file.extension().is_some_and(|e| e == "tar"));
    files
}

fn read(path: &Path, reader: &mut Reader) -> Result<()> {
    for shard in shards(path) {
        input::check_regular(&shard)?;
        let open = || {
            let file = File::open(&shard).map_err(|e| Error::io(&shard, e))?;
            Ok(tar::Archive::new(BufReader::new(file)))
        };
        check_names(&shard, &mut open()?)?;
        let stem = shard.file_stem().unwrap_or_default().to_string_lossy();
        let split = stem.rsplit_once('-').map(|(split, _)| split.to_owned());
        let mut archive = open()?;
        let mut found = archive.entries().map_err(|e| broken(&shard, e))?;
        let mut group = Group::default();
        while let Some((name, bytes)) = next(&shard, &mut found, reader)? {
            let (key, ending) = split_name(&name);
            if key != group.key {
                std::mem::take(&mut group).hand_on(&shard, split.as_deref(), reader)?;
                group.key = key;
            }
            group.files.insert(ending, bytes);
        }
        group.hand_on(&shard, split.as_deref(), reader)?;
    }
    Ok(())
}

fn broken(shard: &Path, e: std::io::Error) -> Error {
    Error::failed(
        shard.display(),
        format!("cannot be read as a tar: {e}"),
        REMEDY,
    )
}

/// Refuses names of any length, which would be read whole.
fn check_names(shard: &Path, archive: &mut tar::Archive<BufReader<File>>) -> Result<()> {
    guarded(shard.display(), REMEDY, || {
        let entries = archive.entries_with_seek().map_err(|e| broken(shard, e))?;
        for entry in entries.raw(true) {
            let entry = entry.map_err(|e| broken(shard, e))?;
            let is_file = entry.header().entry_type().is_file();
            if !is_file && entry.size() > LONGEST_NAME {
                return Err(broken(
                    shard,
                    std::io::Error::other("a name has more than 1 MiB"),
                ));
            }
        }
        Ok(())
    })
}

/// The name and content of the next file.
fn next(
    shard: &Path,
    entries: &mut tar::Entries<BufReader<File>>,
    reader: &mut Reader,
) -> Result<Option<(String, Vec<u8>)>> {
    loop {
        let read = guarded(shard.display(), REMEDY, || {
            let Some(entry) = entries.next() else {
                return Ok(None);
            };
            let entry = entry.map_err(|e| broken(shard, e))?;
            if !entry.header().entry_type().is_file() {
                return Ok(Some(None));
            }
            let name = entry.path().map_err(|e| broken(shard, e))?;
            let name = name.to_string_lossy().into_owned();
            let size = entry.size();
            if size > MOST_BYTES {
                return Ok(Some(Some((name, None))));
            }
            let mut bytes = Vec::new();
            let read = entry.take(size).read_to_end(&mut bytes);
            read.map_err(|e| broken(shard, e))?;
            Ok(Some(Some((name, Some(bytes)))))
        })?;
        match read {
            None => return Ok(None),
            Some(Some((name, Some(bytes)))) => return Ok(Some((name, bytes))),
            Some(Some((name, None))) => {
                let place = format!("{name} in {}", shard.display());
                reader.flaw(place, "is too large; it is left out")?;
            }
            Some(None) => {}
        }
    }
}

/// The key, with its folders, and the ending, which begins at the first dot of the file's name.
fn split_name(name: &str) -> (String, String) {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name[start..]
        .find('.')
        .map_or(name.len(), |dot| start + dot);
    let ending = name[dot..].trim_start_matches('.').to_lowercase();
    (name[..dot].to_owned(), ending)
}

/// The files of one sample.
#[derive(Default)]
struct Group {
    key: String,
    /// Content by ending.
    files: BTreeMap<String, Vec<u8>>,
}

impl Group {
    fn hand_on(mut self, shard: &Path, split: Option<&str>, reader: &mut Reader) -> Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        let place = format!("{} in {}", self.key, shard.display());
        let is_picture = |ending: &&String| is_called_picture(Path::new(&format!("x.{ending}")));
        let Some(ending) = self.files.keys().find(is_picture).cloned() else {
            return reader.flaw(place, "has no picture; it is left out");
        };
        let bytes = self.files.remove(&ending);
        let own = self.files.remove("json");
        let own = own.map(|text| from_json::<Sample>(&text).map_err(|e| e.to_string()));
        let sample = match own {
            Some(sample) => reader.some(&place, sample)?,
            None => None,
        };
        let class = self.files.remove("cls").or(self.files.remove("class"));
        let plain = |text: Vec<u8>| String::from_utf8_lossy(&text).trim().to_owned();
        let class = class.map(plain);
        let caption = self.files.remove("txt").map(plain);
        let name = sample.as_ref().and_then(|sample| sample.file.as_deref());
        let name = name.map(|name| file_name(Path::new(name)));
        let name = name.unwrap_or_else(|| file_name(Path::new(&format!("{}.{ending}", self.key))));
        let mut picture = Picture::new(shard.join(name), Labels::default());
        picture.bytes = bytes;
        picture.split = split.map(str::to_owned);
        picture.labels.class = class;
        picture.labels.caption = caption.filter(|caption| !caption.is_empty());
        if let Some(sample) = sample {
            sample.label(&place, &mut picture, reader)?;
        }
        reader.add(place, picture)
    }
}

impl Sample {
    fn label(self, place: &str, picture: &mut Picture, reader: &mut Reader) -> Result<()> {
        let extent = self.width.zip(self.height);
        let extent = extent.map(|(width, height)| checked(Extent::new(width, height)));
        picture.extent = match extent {
            Some(extent) => reader.some(place, extent)?,
            None => None,
        };
        // The number in `KEY.cls` stands for the name.
        picture.labels.class = self.class.or(picture.labels.class.take());
        picture.labels.camera = self.camera;
        let Some(items) = self.objects else {
            return Ok(());
        };
        let mut objects = Vec::new();
        for item in items {
            objects.extend(reader.some(place, item.object(picture.extent))?);
        }
        picture.labels.objects = Some(objects);
        Ok(())
    }
}

impl Item {
    fn object(self, extent: Option<Extent>) -> Result<Object, String> {
        let mask = match self.segmentation {
            Some(Runs { counts, size }) => {
                let [height, width] = size;
                if extent != Some(Extent::new(width, height)) {
                    return Err(format!(
                        "has a mask of {width}×{height}, unlike the picture"
                    ));
                }
                let read = rle::rle_from_string(&counts, height, width);
                let counts = read.map_err(|e| e.to_string())?.counts;
                Some(Mask { counts })
            }
            None => None,
        };
        let keypoint = |point: Point| Keypoint::from_xyv(point.name, point.xyv);
        Ok(Object {
            mask,
            keypoints: self.keypoints.into_iter().map(keypoint).collect(),
            pose: self.pose,
            box_3d: self.box_3d,
            visible_fraction: self.visible_fraction.unwrap_or(1.0),
            ..Object::new(self.class, self.bbox)
        })
    }
}
