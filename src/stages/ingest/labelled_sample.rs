//! One sample of a labelled picture: cut out, scaled, and with the labels of what is left.

use image::RgbImage;

use super::Ingest;
use super::crops::{Photo, check_crop};
use super::flaws::Flaw;
use super::labelled::{Job, Pictures, Wanted};
use super::tally::fingerprint;
use crate::formats::Picture;
use crate::sample::crop;
use crate::sample::image::{decode_photo, encode_png, resize};
use crate::sample::mapping::{Border, Mapping};
use crate::sample::{Domain, Extent, Labels, Provenance, Sample};
use crate::stage::Context;
use crate::{Error, Result};

impl Ingest {
    /// The picture of a job, decoded, or why it is bad.
    ///
    /// # Errors
    /// On an interrupt.
    pub(super) fn decode_labelled(&self, job: &Job) -> Result<Photo<RgbImage>> {
        let name = &job.called;
        let read = job.picture.encoded().and_then(|bytes| {
            let decoded = decode_photo(&bytes, name, self.max_megapixels)?;
            let extent = decoded.dimensions().into();
            check_labels(&job.picture, extent, name)?;
            Ok(Photo::Read(decoded, fingerprint(&bytes)))
        });
        match read {
            Err(error @ Error::Failed { .. }) => Ok(Photo::Bad(error)),
            other => other,
        }
    }

    /// The samples of one picture; `None` for an object of which nothing lies in it.
    ///
    /// # Errors
    /// If its labels cannot be cut with it.
    pub(super) fn make(
        &self,
        context: &Context,
        job: &Job,
        photo: &RgbImage,
    ) -> Result<Vec<Option<(Sample, Flaw)>>> {
        let first = job.wanted.first().map_or(0, |wanted| wanted.number);
        let made = job.wanted.iter();
        made.map(|wanted| self.make_one(context, job, photo, *wanted, first))
            .collect()
    }

    fn make_one(
        &self,
        context: &Context,
        job: &Job,
        photo: &RgbImage,
        wanted: Wanted,
        first: u64,
    ) -> Result<Option<(Sample, Flaw)>> {
        context.check_interrupt()?;
        let extent: Extent = photo.dimensions().into();
        let size = match wanted.object {
            None => self.size_of_whole(extent),
            Some(_) => self.size,
        };
        let rectangle = match wanted.object {
            None => Some(crop::centre(extent, size)),
            Some(place) => {
                let [x, y, width, height] = job.picture.labels.objects()[place].bbox_xywh;
                let corners = [x, y, x + width, y + height].map(f64::from);
                crop::around_box(corners, self.margin, extent, size)
            }
        };
        let Some(rectangle) = rectangle else {
            return Ok(None);
        };
        let source = match wanted.object {
            None => job.name.clone(),
            Some(place) => format!("{}#{place}", job.name),
        };
        check_crop(rectangle.extent, || source.clone())?;
        let labels = match self.reads_labels() {
            false => Some(Labels::default()),
            true => {
                let mapping = rectangle.mapping(extent, size);
                self.labels(&job.picture.labels, wanted.object, &mapping)?
            }
        };
        let Some(labels) = labels else {
            return Ok(None);
        };
        let cut = crop::cut(photo, rectangle);
        let pixels = match rectangle.extent == size {
            true => cut.clone(),
            false => resize(&cut, size.width, size.height),
        };
        let id = |number| format!("{}-{number:06}", context.id);
        let known = job.picture.provenance.as_ref();
        let domain = match self.pictures {
            Pictures::Renders => known.map_or(Domain::Render, |known| known.domain),
            Pictures::Photos => Domain::Photo,
        };
        let sample = Sample {
            id: id(wanted.number),
            index: wanted.number,
            image: encode_png(&pixels)?,
            extent: size,
            labels,
            provenance: Provenance {
                domain,
                source,
                // What the dataset made from one render stays together when it is split.
                origin: known.map_or_else(|| id(first), |known| known.origin.clone()),
                parent: None,
                // No random stream of ours drew it.
                seed: known.map_or_else(String::new, |known| known.seed.clone()),
                checkpoint: None,
                transforms: match wanted.object {
                    None if domain == Domain::Photo => self.note_of_frame(extent),
                    _ => self.note(),
                },
                split: None,
                gate: None,
            },
        };
        Ok(Some((sample, Flaw::of(&cut, size))))
    }

    /// The labels of a picture as they are in the part of it that `mapping` cuts out; the wanted object comes
    /// first. `None` if nothing of that is left.
    ///
    /// # Errors
    /// If a map cannot be decoded.
    pub(super) fn labels(
        &self,
        labels: &Labels,
        object: Option<usize>,
        mapping: &Mapping,
    ) -> Result<Option<Labels>> {
        let name = self.path.display().to_string();
        let mut labels = labels.clone();
        if let (Some(place), Some(objects)) = (object, &mut labels.objects) {
            objects[..=place].rotate_right(1);
            labels.class = Some(objects[0].class.clone());
            let own = Labels {
                objects: Some(vec![objects[0].clone()]),
                ..Labels::default()
            };
            let own = own.map(mapping, Border::Replicate, &name)?;
            if own.objects().is_empty() {
                return Ok(None);
            }
        }
        if labels.class.is_none() {
            labels.class = labels.only_class().map(str::to_owned);
        }
        // Boxes become those of their masks, even if the picture stays as it is.
        labels.map(mapping, Border::Replicate, &name).map(Some)
    }
}

/// # Errors
/// If the labels of a picture are of another size than its `extent`.
fn check_labels(picture: &Picture, extent: Extent, name: &str) -> Result<()> {
    if let Some(labelled) = picture.extent.filter(|labelled| *labelled != extent) {
        return Err(Error::failed(
            name,
            format!("has {extent} pixels, but its labels are of {labelled}"),
            "give the labels the size of the picture as it is seen, with its EXIF orientation applied",
        ));
    }
    let pixels = extent.area() as u64;
    for object in picture.labels.objects() {
        let masks = [
            object.mask.as_ref(),
            object.amodal.as_ref().and_then(|a| a.mask.as_ref()),
        ];
        for mask in masks.into_iter().flatten() {
            let of_mask: u64 = mask.counts.iter().map(|&run| u64::from(run)).sum();
            if of_mask != pixels {
                return Err(Error::failed(
                    name,
                    format!(
                        "has {extent} pixels, but the mask of a `{}` has {of_mask}",
                        object.class
                    ),
                    "give every mask the size of its picture",
                ));
            }
        }
    }
    picture.labels.maps.decoded(extent, name)?;
    Ok(())
}
