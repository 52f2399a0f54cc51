//! Cuts the crops of all rows, and writes them in parts.

use image::RgbImage;
use rayon::prelude::*;

use super::Ingest;
use super::boxes::{Area, Row};
use super::few::PhotoLabels;
use super::flaws::Flaw;
use super::photos::Photos;
use super::tally::{Tally, fingerprint};
use crate::artifact::{self, parts};
use crate::formats::spreadsheet::quoted;
use crate::sample::image::{decode_photo, encode_png, resize};
use crate::sample::input::MOST_BYTES;
use crate::sample::{Domain, Extent, Labels, Provenance, Sample, crop};
use crate::stage::Context;
use crate::{Error, Result};

impl Ingest {
    /// Cuts all crops, decoding each photo once, and writes them in the order of `groups`. Holds the crops
    /// of about one part, however many boxes a photo has.
    pub(super) fn crop_all(
        &self,
        context: &Context,
        photos: &Photos,
        groups: &[Vec<&Row>],
        labels: &PhotoLabels,
        tally: &mut Tally,
    ) -> Result<()> {
        let part_size = context.part_size.max(1);
        let mut output = Output::default();
        let mut done = 0;
        for batch in batches(groups, part_size) {
            if let [group] = batch {
                let photo = self.decode(photos, group)?;
                if let Some(photo) = photo.counted(&group[0].file, tally) {
                    for rows in group.chunks(part_size) {
                        let crops = rows
                            .par_iter()
                            .map(|row| self.crop(context, &photo, row, labels))
                            .collect::<Result<_>>()?;
                        output.add(crops, context, tally)?;
                    }
                }
            } else {
                let crops: Vec<Photo<Vec<_>>> = batch
                    .par_iter()
                    .map(|group| {
                        context.check_interrupt()?;
                        let rows = group.iter();
                        self.decode(photos, group)?.map(|photo| {
                            rows.map(|row| self.crop(context, &photo, row, labels))
                                .collect()
                        })
                    })
                    .collect::<Result<_>>()?;
                for (photo, group) in crops.into_iter().zip(batch) {
                    let crops = photo.counted(&group[0].file, tally).unwrap_or_default();
                    output.add(crops, context, tally)?;
                }
            }
            done += batch.len();
            context.progress(done as u64, groups.len() as u64, "photos")?;
        }
        output.write(context, tally)
    }

    /// The photo of a group of rows.
    fn decode(&self, photos: &Photos, group: &[&Row]) -> Result<Photo<RgbImage>> {
        let row = group[0];
        let place = self.place(row);
        let Some(photo) = row.photo else {
            return Ok(Photo::Bad(Error::failed(
                place,
                format!(
                    "names `{}`, which is not in {}",
                    quoted(&row.file),
                    self.path.display()
                ),
                "file names are relative to `path`; correct the row or `path`, or add the photo",
            )));
        };
        let mut name = photos.listing().describe(photo);
        if !place.is_empty() {
            name = format!("{name}, {place}");
        }
        let read = photos.read(photo).and_then(|bytes| {
            let decoded = decode_photo(&bytes, &name, self.max_megapixels)?;
            Ok(Photo::Read(decoded, fingerprint(&bytes)))
        });
        match read {
            Err(error @ Error::Failed { .. }) => Ok(Photo::Bad(error)),
            other => other,
        }
    }

    /// The crop of a row, or `None` for a box wholly outside its photo.
    fn crop(
        &self,
        context: &Context,
        photo: &RgbImage,
        row: &Row,
        labels: &PhotoLabels,
    ) -> Result<Option<(Sample, Flaw)>> {
        context.check_interrupt()?;
        let extent = photo.dimensions().into();
        let size = match row.area {
            Area::Whole => self.size_of_whole(extent),
            Area::Box(_) | Area::Nothing => self.size,
        };
        let rectangle = match row.area {
            Area::Box(corners) => crop::around_box(corners, self.margin, extent, size),
            Area::Whole => Some(crop::centre(extent, size)),
            Area::Nothing => None,
        };
        let Some(rectangle) = rectangle else {
            return Ok(None);
        };
        check_crop(rectangle.extent, || {
            format!("{}, {}", row.file, self.place(row))
        })?;
        let mapping = rectangle.mapping(extent, size);
        let labels = match (row.area, labels.find(row)) {
            (Area::Whole, _) if self.reads_labels() => {
                self.labels(&labels.of_frame(row), None, &mapping)?
            }
            (_, Some((all, own))) => self.labels(all, Some(own), &mapping)?,
            (_, None) => Some(Labels::default()),
        };
        let Some(mut labels) = labels else {
            return Ok(None);
        };
        labels.caption.clone_from(&row.caption);
        let cut = crop::cut(photo, rectangle);
        let pixels = resize(&cut, size.width, size.height);
        let id = |number| format!("{}-{number:06}", context.id);
        let sample = Sample {
            id: id(row.number),
            index: row.number,
            image: encode_png(&pixels)?,
            extent: size,
            labels,
            provenance: Provenance {
                domain: Domain::Photo,
                source: match row.area {
                    Area::Whole => row.file.clone(),
                    Area::Box(_) | Area::Nothing => format!("{}#{}", row.file, row.number),
                },
                origin: id(row.first),
                parent: None,
                seed: context.seed.hex(row.number),
                checkpoint: None,
                transforms: match row.area {
                    Area::Whole => self.note_of_frame(extent),
                    Area::Box(_) | Area::Nothing => self.note(),
                },
                split: None,
                gate: None,
            },
        };
        Ok(Some((sample, Flaw::of(&cut, size))))
    }
}

/// # Errors
/// If a crop has more pixels than are held; the message calls it `name`.
pub(super) fn check_crop(extent: Extent, name: impl FnOnce() -> String) -> Result<()> {
    let Extent { width, height } = extent;
    if 3 * u64::from(width) * u64::from(height) <= MOST_BYTES {
        return Ok(());
    }
    Err(Error::failed(
        name(),
        format!(
            "its crop is {width}×{height} pixels, more than the {} MiB that are held",
            MOST_BYTES >> 20
        ),
        "lower `margin`, or remove the row",
    ))
}

/// A photo, or what was made of it.
pub(super) enum Photo<T> {
    /// With the fingerprint of its bytes.
    Read(T, [u8; 16]),
    /// Why it cannot be read.
    Bad(Error),
}

impl<T> Photo<T> {
    pub(super) fn map<U>(self, make: impl FnOnce(T) -> Result<U>) -> Result<Photo<U>> {
        Ok(match self {
            Photo::Read(photo, fingerprint) => Photo::Read(make(photo)?, fingerprint),
            Photo::Bad(error) => Photo::Bad(error),
        })
    }

    /// What was read of the photo that is called `name`; counts it if it is bad or a copy of another.
    pub(super) fn counted(self, name: &str, tally: &mut Tally) -> Option<T> {
        match self {
            Photo::Read(photo, fingerprint) => {
                tally.see(fingerprint, name);
                Some(photo)
            }
            Photo::Bad(error) => {
                tally.bad.add(error);
                None
            }
        }
    }
}

/// Crops on their way into parts.
#[derive(Default)]
pub(super) struct Output {
    waiting: Vec<Sample>,
    parts: usize,
}

impl Output {
    /// Takes crops in their order, and writes every part that is full.
    pub(super) fn add(
        &mut self,
        crops: Vec<Option<(Sample, Flaw)>>,
        context: &Context,
        tally: &mut Tally,
    ) -> Result<()> {
        for crop in crops {
            match crop {
                Some((sample, flaw)) => {
                    tally.flaws.add(flaw, &sample.provenance.source);
                    self.waiting.push(sample);
                }
                None => tally.outside += 1,
            }
        }
        let part_size = context.part_size.max(1);
        while self.waiting.len() >= part_size {
            let rest = self.waiting.split_off(part_size);
            self.write(context, tally)?;
            self.waiting = rest;
        }
        Ok(())
    }

    /// Writes what waits as a part.
    pub(super) fn write(&mut self, context: &Context, tally: &mut Tally) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let name = artifact::part_name(self.parts);
        parts::write_part(&context.out.join(name), &self.waiting)?;
        tally.crops += self.waiting.len();
        self.parts += 1;
        self.waiting.clear();
        Ok(())
    }
}

/// Neighbouring photos with at most `most` boxes together; a photo with more of its own stands alone.
fn batches<'g, 'r>(
    groups: &'g [Vec<&'r Row>],
    most: usize,
) -> impl Iterator<Item = &'g [Vec<&'r Row>]> {
    let mut together = 0;
    groups.chunk_by(move |photo, next| {
        together += photo.len();
        let fits = together + next.len() <= most;
        if !fits {
            together = 0;
        }
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_a_bounded_number_of_boxes() {
        let row = Row {
            file: "a.png".to_owned(),
            photo: None,
            number: 0,
            line: 0,
            area: Area::Whole,
            first: 0,
            class: None,
            caption: None,
        };
        let groups: Vec<Vec<&Row>> = [1, 2, 9, 1, 1, 2, 3].map(|boxes| vec![&row; boxes]).into();
        let sizes: Vec<Vec<usize>> = batches(&groups, 4)
            .map(|batch| batch.iter().map(Vec::len).collect())
            .collect();
        assert_eq!(sizes, [vec![1, 2], vec![9], vec![1, 1, 2], vec![3]]);
    }
}
