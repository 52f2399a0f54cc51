//! Examples for networks: encoded on the disk, decoded when they are drawn.
//!
//! Trainings draw at random, and a part can only be read as a whole. So the encoded pictures are copied
//! once, in their order, into a file without a name, and the examples used last are kept decoded. Memory
//! is bounded whatever the number and the size of the pictures.

mod common;
mod kept;
mod objects;

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use image::{ExtendedColorType, GrayImage, ImageFormat, ImageReader, RgbImage};

use crate::artifact::Artifact;
use crate::sample::image::{decode_rgb, encode};
use crate::sample::maps::{self, Decoded, MapKind, Value};
use crate::sample::{Extent, Mask, Sample};
use crate::{Error, Result};
use kept::Kept;

pub use common::common_extent;
pub use objects::ObjectBox;

/// Bytes of decoded examples that an album keeps: 40,000 pictures of 64×64, or 500 of 640×480.
const KEPT: usize = 512 << 20;

/// Examples that are numbered from 0 in the order in which they came.
pub struct Album {
    folder: PathBuf,
    file: Mutex<File>,
    /// Bytes in the file.
    length: u64,
    entries: Vec<Entry>,
    first: Option<Extent>,
    /// Of a picture that measures something else than the first.
    odd: Option<Extent>,
    /// As wide as the widest picture, and as high as the highest.
    largest: Option<Extent>,
    /// Objects whose mask is known.
    known_masks: usize,
    kept: Mutex<Kept>,
}

/// A decoded example.
#[derive(Default)]
pub struct Example {
    /// RGB with 8 bits a channel, in the sample's full size.
    pub picture: RgbImage,
    /// 255 where an object is visible; without a pixel if it was not asked for.
    pub mask: GrayImage,
    /// Those that were asked for and that the sample has.
    pub maps: Decoded,
    /// What is in the picture, in an album of objects.
    pub objects: Arc<[ObjectBox]>,
    /// The mask of each of them, if it is known; empty in an album without masks.
    pub masks: Vec<Option<Mask>>,
}

/// Where an example lies, its class, and its objects.
struct Entry {
    name: String,
    extent: Extent,
    at: u64,
    /// Bytes of the picture, of the mask after it, and of the masks of single objects after that.
    bytes: [usize; 3],
    /// The maps after them, with their bytes.
    maps: Vec<(&'static MapKind, usize)>,
    class: usize,
    objects: Arc<[ObjectBox]>,
}

impl Album {
    /// An empty one with its file in `folder`, from which it is gone when the album is.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|e| Error::io(folder, e))?;
        Ok(Album {
            folder: folder.to_path_buf(),
            file: Mutex::new(file),
            length: 0,
            entries: Vec::new(),
            first: None,
            odd: None,
            largest: None,
            known_masks: 0,
            kept: Mutex::new(Kept::new(KEPT)),
        })
    }

    /// The samples that have one of `classes`.
    ///
    /// # Errors
    /// If a part cannot be read or the file cannot be written.
    pub fn of_classes(folder: &Path, samples: &Artifact, classes: &[String]) -> Result<Self> {
        let mut album = Album::new(folder)?;
        album.add_of_classes(samples, classes)?;
        Ok(album)
    }

    /// Adds the samples that have one of `classes`.
    ///
    /// # Errors
    /// If a part cannot be read or the file cannot be written.
    pub fn add_of_classes(&mut self, samples: &Artifact, classes: &[String]) -> Result<()> {
        for sample in samples.samples() {
            let sample = sample?;
            if let Some(class) = class_of(&sample, classes) {
                self.push(&sample.id, &sample.image, class)?;
            }
        }
        Ok(())
    }

    /// Adds an encoded picture; `name` is what messages call it.
    ///
    /// # Errors
    /// If it is not a picture, or cannot be written.
    pub fn push(&mut self, name: &str, picture: &[u8], class: usize) -> Result<()> {
        self.add(name, [picture, &[], &[]], &[], class)
    }

    /// Adds an encoded picture with what is in it, which may be nothing, and the mask of each object if it is known
    /// (or no masks at all); its class is 0.
    ///
    /// # Errors
    /// As [`Album::push`].
    pub fn push_objects(
        &mut self,
        name: &str,
        picture: &[u8],
        objects: Vec<ObjectBox>,
        masks: &[Option<Mask>],
    ) -> Result<()> {
        self.add(name, [picture, &[], &objects::packed(masks)], &[], 0)?;
        self.known_masks += masks.iter().flatten().count();
        self.note_objects(objects);
        Ok(())
    }

    /// Says what is in the picture that was added last.
    pub fn note_objects(&mut self, objects: Vec<ObjectBox>) {
        if let Some(entry) = self.entries.last_mut() {
            entry.objects = objects.into();
        }
    }

    /// Adds a sample's picture with the mask of its objects.
    ///
    /// # Errors
    /// As [`Album::push`].
    pub fn push_with_mask(&mut self, sample: &Sample, class: usize) -> Result<()> {
        self.push_labelled(sample, class, &[])
    }

    /// Adds a sample's picture with the mask of its objects and those of the maps `wanted` that it has.
    ///
    /// # Errors
    /// As [`Album::push`].
    pub fn push_labelled(
        &mut self,
        sample: &Sample,
        class: usize,
        wanted: &[&'static MapKind],
    ) -> Result<()> {
        let mask = sample.object_mask();
        let mask = encode(mask.as_raw(), mask.dimensions(), ExtendedColorType::L8)?;
        let has = |&kind: &&'static MapKind| Some((kind, sample.labels.maps.get(kind)?));
        let maps: Vec<_> = wanted.iter().filter_map(has).collect();
        self.add(&sample.id, [&sample.image, &mask, &[]], &maps, class)
    }

    fn add(
        &mut self,
        name: &str,
        parts: [&[u8]; 3],
        maps: &[(&'static MapKind, &[u8])],
        class: usize,
    ) -> Result<()> {
        let extent = extent_of(parts[0], name)?;
        let first = *self.first.get_or_insert(extent);
        if extent != first {
            self.odd.get_or_insert(extent);
        }
        let largest = self.largest.unwrap_or(extent);
        self.largest = Some(Extent::new(
            largest.width.max(extent.width),
            largest.height.max(extent.height),
        ));
        let mut file = locked(&self.file);
        let written = file.seek(SeekFrom::Start(self.length));
        let mut all = parts.into_iter().chain(maps.iter().map(|(_, png)| *png));
        let written = written.and_then(|_| all.try_for_each(|part| file.write_all(part)));
        written.map_err(|e| Error::io(&self.folder, e))?;
        drop(file);
        self.entries.push(Entry {
            name: name.to_owned(),
            extent,
            at: self.length,
            bytes: parts.map(<[u8]>::len),
            maps: maps.iter().map(|(kind, png)| (*kind, png.len())).collect(),
            class,
            objects: Arc::default(),
        });
        let maps = maps.iter().map(|(_, png)| png.len());
        self.length += parts
            .iter()
            .map(|part| part.len())
            .chain(maps)
            .sum::<usize>() as u64;
        Ok(())
    }

    /// The number of examples added so far.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no example has been added yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The class of one example, without decoding it; panics if there is no such example.
    pub fn class(&self, number: usize) -> usize {
        self.entries[number].class
    }

    /// What is in the picture of one example, without decoding it; panics if there is no such example.
    pub fn objects(&self, number: usize) -> &[ObjectBox] {
        &self.entries[number].objects
    }

    /// The number of objects whose mask is known.
    pub fn known_masks(&self) -> usize {
        self.known_masks
    }

    /// The mask of each object of one example, as [`Example::masks`], without decoding its picture; panics if there is no
    /// such example.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn masks(&self, number: usize) -> Result<Vec<Option<Mask>>> {
        let entry = &self.entries[number];
        let [picture, mask, masks] = entry.bytes;
        let bytes = self.read(entry.at + (picture + mask) as u64, masks)?;
        Ok(objects::unpacked(&bytes))
    }

    /// What the picture of one example measures, without decoding it; panics if there is no such example.
    pub fn extent(&self, number: usize) -> Extent {
        self.entries[number].extent
    }

    /// What messages call one example; panics if there is no such example.
    pub fn name(&self, number: usize) -> &str {
        &self.entries[number].name
    }

    /// As wide as the widest picture, and as high as the highest; `None` without pictures.
    pub fn largest(&self) -> Option<Extent> {
        self.largest
    }

    /// The class of each example.
    pub fn classes(&self) -> Vec<usize> {
        self.entries.iter().map(|entry| entry.class).collect()
    }

    /// The share of each class, 0..1.
    pub fn ratio(&self, classes: usize) -> Vec<f64> {
        let mut ratio = vec![0.0; classes];
        for entry in &self.entries {
            ratio[entry.class] += 1.0 / self.len() as f64;
        }
        ratio
    }

    /// The numbers of at most `count` examples, evenly spread.
    pub fn spread(&self, count: usize) -> impl Iterator<Item = usize> {
        let (all, count) = (self.len(), count.min(self.len()));
        (0..count).map(move |place| place * all / count)
    }

    /// Bytes of memory that its examples take at most.
    pub fn memory(&self) -> usize {
        let area = self.first.map_or(0, Extent::area);
        let maps = self.entries.iter().map(|entry| entry.maps.len());
        KEPT.min(area * (4 * self.len() + size_of::<Value>() * maps.sum::<usize>()))
    }

    /// Example `number`, decoded.
    ///
    /// # Errors
    /// If it cannot be read; the message names it.
    pub fn get(&self, number: usize) -> Result<Arc<Example>> {
        if let Some(example) = locked(&self.kept).get(number) {
            return Ok(example);
        }
        let example = Arc::new(self.decode(&self.entries[number])?);
        locked(&self.kept).put(number, &example);
        Ok(example)
    }

    /// The examples with these numbers, decoded, each with its class.
    ///
    /// # Errors
    /// As [`Album::get`].
    pub fn examples(
        &self,
        numbers: impl IntoIterator<Item = usize>,
    ) -> Result<Vec<(Arc<Example>, usize)>> {
        let numbers = numbers.into_iter();
        numbers
            .map(|number| Ok((self.get(number)?, self.class(number))))
            .collect()
    }

    fn read(&self, at: u64, count: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        let mut file = locked(&self.file);
        let read = file.seek(SeekFrom::Start(at));
        let read = read.and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|e| Error::io(&self.folder, e))?;
        Ok(bytes)
    }

    fn decode(&self, entry: &Entry) -> Result<Example> {
        let [picture, mask, masks] = entry.bytes;
        let maps: usize = entry.maps.iter().map(|(_, bytes)| bytes).sum();
        let bytes = self.read(entry.at, picture + mask + masks + maps)?;
        let (picture, rest) = bytes.split_at(picture);
        let (mask, rest) = rest.split_at(mask);
        let (masks, mut rest) = rest.split_at(masks);
        let decoded = decode_rgb(picture, &entry.name)?;
        let mut maps = Vec::with_capacity(entry.maps.len());
        for (kind, bytes) in &entry.maps {
            let (png, after) = rest.split_at(*bytes);
            let extent = decoded.dimensions().into();
            maps.push((*kind, maps::decode_of(kind, png, extent, &entry.name)?));
            rest = after;
        }
        Ok(Example {
            maps,
            objects: entry.objects.clone(),
            masks: objects::unpacked(masks),
            picture: decoded,
            mask: match mask {
                [] => GrayImage::default(),
                mask => image::load_from_memory_with_format(mask, ImageFormat::Png)
                    .map_err(|e| unreadable(&entry.name, e))?
                    .into_luma8(),
            },
        })
    }
}

/// The place of a sample's class among `classes`.
pub fn class_of(sample: &Sample, classes: &[String]) -> Option<usize> {
    let name = sample.labels.class.as_ref()?;
    classes.iter().position(|class| class == name)
}

fn extent_of(picture: &[u8], name: &str) -> Result<Extent> {
    let reader = ImageReader::new(Cursor::new(picture)).with_guessed_format();
    let reader = reader.map_err(|e| unreadable(name, e.into()))?;
    let dimensions = reader.into_dimensions().map_err(|e| unreadable(name, e))?;
    Ok(dimensions.into())
}

fn unreadable(name: &str, error: image::ImageError) -> Error {
    let problem = format!("cannot be read as a picture: {error}");
    Error::failed(
        name,
        problem,
        "remove the folder that it comes from and run again",
    )
}

/// A thread that panicked leaves nothing half done here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// Shapes of 16×16 with their masks, of which `kept` stay decoded.
    fn album(count: u64, kept: usize) -> (Album, Vec<Sample>) {
        let folder = tempfile::tempdir().unwrap();
        let mut album = Album::new(folder.path()).unwrap();
        album.kept = Mutex::new(Kept::new(kept * 4 * 256));
        let samples = testing::shapes(count, 16, 1);
        for sample in &samples {
            album
                .push_with_mask(sample, sample.index as usize % 2)
                .unwrap();
        }
        (album, samples)
    }

    #[test]
    fn what_went_in_comes_out_however_little_is_kept() {
        for kept in [0, 3, 100] {
            let (album, samples) = album(12, kept);
            for round in 0..3 {
                for place in 0..12 {
                    let number = (place * 5 + round) % 12;
                    let example = album.get(number).unwrap();
                    assert_eq!(example.picture, samples[number].pixels().unwrap());
                    assert_eq!(example.mask, samples[number].object_mask());
                    assert_eq!(album.class(number), number % 2);
                }
            }
            assert_eq!(locked(&album.kept).examples.len(), kept.min(12));
        }
    }

    #[test]
    fn examples_come_in_the_order_asked_for_with_their_classes() {
        let (album, samples) = album(12, 3);
        let examples = album.examples([7, 0, 7]).unwrap();
        for (number, (example, class)) in [7, 0, 7].into_iter().zip(examples) {
            assert_eq!(example.picture, samples[number].pixels().unwrap());
            assert_eq!(class, number % 2);
        }
    }

    #[test]
    fn the_example_that_was_not_used_longest_goes_first() {
        let (album, _) = album(4, 2);
        for number in [0, 1, 0, 2] {
            album.get(number).unwrap();
        }
        let kept = locked(&album.kept);
        assert!(
            [0, 2]
                .iter()
                .all(|number| kept.examples.contains_key(number))
        );
        assert_eq!((kept.examples.len(), kept.order.len()), (2, 2));
    }

    #[test]
    fn examples_are_spread_evenly_and_counted_by_class() {
        let (album, _) = album(10, 1);
        assert_eq!(album.spread(4).collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(album.spread(20).count(), 10);
        assert!(
            album
                .ratio(2)
                .iter()
                .all(|share| (share - 0.5).abs() < 1e-9)
        );
    }

    #[test]
    fn pictures_of_different_sizes_are_told_of() {
        let (album, _) = album(2, 1);
        assert_eq!(
            common_extent("x", &[("a", &album)]).unwrap(),
            Extent::square(16)
        );
        let folder = tempfile::tempdir().unwrap();
        let mut other = Album::new(folder.path()).unwrap();
        assert!(common_extent("x", &[("b", &other)]).is_err());
        let wide = crate::sample::image::encode_png(&RgbImage::new(24, 16)).unwrap();
        other.push("wide", &wide, 0).unwrap();
        let problem = common_extent("x", &[("a", &album), ("b", &other)]).unwrap_err();
        assert!(problem.to_string().contains("24×16 in `b`"), "{problem}");
        let error = other.push("torn", &wide[..20], 0).unwrap_err();
        assert!(error.to_string().contains("torn"), "{error}");
    }
}
