//! Cuts the crops of all rows, and writes them in parts.

use image::RgbImage;
use rayon::prelude::*;

use super::boxes::Row;
use super::flaws::Flaw;
use super::photos::Photos;
use super::{Ingest, Tally};
use crate::artifact::{self, parts};
use crate::sample::image::{decode_rgb, encode_png, resize};
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
        tally: &mut Tally,
    ) -> Result<()> {
        let part_size = context.part_size.max(1);
        let mut output = Output::default();
        let mut done = 0;
        for batch in batches(groups, part_size) {
            if let [group] = batch {
                let photo = self.decode(photos, group)?;
                for rows in group.chunks(part_size) {
                    let crops = rows
                        .par_iter()
                        .map(|row| self.crop(context, &photo, row))
                        .collect::<Result<_>>()?;
                    output.add(crops, context, tally)?;
                }
            } else {
                let crops: Vec<Vec<_>> = batch
                    .par_iter()
                    .map(|group| {
                        context.check_interrupt()?;
                        let photo = self.decode(photos, group)?;
                        let rows = group.iter();
                        rows.map(|row| self.crop(context, &photo, row)).collect()
                    })
                    .collect::<Result<_>>()?;
                output.add(crops.into_iter().flatten().collect(), context, tally)?;
            }
            done += batch.len();
            context.progress(done as u64, groups.len() as u64, "photos")?;
        }
        output.write(context, tally)
    }

    /// The photo of a group of rows.
    fn decode(&self, photos: &Photos, group: &[&Row]) -> Result<RgbImage> {
        let file = &group[0].file;
        let name = format!("{}, {}", photos.describe(file), self.place(group[0]));
        decode_rgb(&photos.read(file)?, &name)
    }

    /// The crop of a row, or `None` for a box wholly outside its photo.
    fn crop(
        &self,
        context: &Context,
        photo: &RgbImage,
        row: &Row,
    ) -> Result<Option<(Sample, Flaw)>> {
        context.check_interrupt()?;
        let extent = photo.dimensions().into();
        let rectangle = match row.corners {
            Some(corners) => crop::around_box(corners, self.margin, extent, self.size),
            None => Some(crop::centre(extent, self.size)),
        };
        let Some(rectangle) = rectangle else {
            return Ok(None);
        };
        let Extent { width, height } = rectangle.extent;
        if 3 * u64::from(width) * u64::from(height) > MOST_BYTES {
            return Err(Error::failed(
                format!("{}, {}", row.file, self.place(row)),
                format!(
                    "its crop is {width}×{height} pixels, more than the {} MiB that are held",
                    MOST_BYTES >> 20
                ),
                "lower `margin`, or remove the row",
            ));
        }
        let cut = crop::cut(photo, rectangle);
        let pixels = resize(&cut, self.size.width, self.size.height);
        let id = |number| format!("{}-{number:06}", context.id);
        let sample = Sample {
            id: id(row.number),
            index: row.number,
            image: encode_png(&pixels)?,
            extent: self.size,
            labels: Labels::default(),
            provenance: Provenance {
                domain: Domain::Photo,
                source: match row.corners {
                    Some(_) => format!("{}#{}", row.file, row.number),
                    None => row.file.clone(),
                },
                origin: id(row.first),
                parent: None,
                seed: context.seed.hex(row.number),
                checkpoint: None,
                transforms: Vec::new(),
                split: None,
                gate: None,
            },
        };
        Ok(Some((sample, Flaw::of(&cut, self.size))))
    }
}

/// Crops on their way into parts.
#[derive(Default)]
struct Output {
    waiting: Vec<Sample>,
    parts: usize,
}

impl Output {
    /// Takes crops in their order, and writes every part that is full.
    fn add(
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
    fn write(&mut self, context: &Context, tally: &mut Tally) -> Result<()> {
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
    use super::super::boxes;
    use super::*;

    #[test]
    fn batches_hold_a_bounded_number_of_boxes() {
        let row = boxes::whole(vec!["a.png".to_owned()]).remove(0);
        let groups: Vec<Vec<&Row>> = [1, 2, 9, 1, 1, 2, 3].map(|boxes| vec![&row; boxes]).into();
        let sizes: Vec<Vec<usize>> = batches(&groups, 4)
            .map(|batch| batch.iter().map(Vec::len).collect())
            .collect();
        assert_eq!(sizes, [vec![1, 2], vec![9], vec![1, 1, 2], vec![3]]);
    }
}
