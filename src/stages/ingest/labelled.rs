//! Pictures from a dataset of any format that is read: finished renders with their labels, or photos, of which
//! only the boxes are used, to cut them.

use std::path::Path;

use image::RgbImage;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Ingest;
use super::crops::{Output, Photo, check_crop};
use super::flaws::Flaw;
use super::spread::Spread;
use super::tally::{Tally, fingerprint};
use crate::formats::{Findings, Format, Picture};
use crate::sample::crop::{self, Rectangle};
use crate::sample::image::{decode_photo, encode_png, resize};
use crate::sample::mapping::Border;
use crate::sample::{Domain, Extent, Labels, Provenance, Sample};
use crate::stage::{Context, Event, Share};
use crate::{Error, Result};

/// What a sample shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// A whole picture, or as much of its middle as has the shape of `size`.
    #[default]
    Frames,
    /// One object, cut out by its box, whose class becomes the picture's. Other objects in view stay labelled.
    Objects,
}

/// What the pictures of a dataset are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pictures {
    /// Renders, whose labels are read.
    #[default]
    Renders,
    /// Photos. Their boxes say where to cut; no class or other label is read.
    Photos,
}

/// The most flaws of a dataset that a warning lists.
const MOST_FLAWS: usize = 10;

/// The largest file of labels, in bytes, with which pictures are counted before they are read.
const QUICKLY_COUNTED: u64 = 64 << 20;
/// The most pictures that are counted before they are read.
const MOST_COUNTED: u64 = 100_000;

/// A picture with the samples to make of it.
struct Job {
    picture: Picture,
    /// Relative to the dataset, if it lies in it.
    name: String,
    wanted: Vec<Wanted>,
}

/// A sample to make.
#[derive(Clone, Copy)]
struct Wanted {
    /// Counted over all pictures or objects of the dataset, from 0.
    number: u64,
    /// The place of its object in the picture; `None` for a whole picture.
    object: Option<usize>,
}

/// Finds out which pictures and objects of a dataset become samples. It is asked for each picture in turn.
struct Chooser<'a> {
    config: &'a Ingest,
    frames: usize,
    numbered: u64,
    spread: Spread,
    seen_splits: Vec<String>,
}

impl<'a> Chooser<'a> {
    fn new(config: &'a Ingest, spread: Spread) -> Self {
        Chooser {
            config,
            frames: 0,
            numbered: 0,
            spread,
            seen_splits: Vec::new(),
        }
    }

    /// The samples to make of the next picture.
    fn choose(&mut self, picture: &Picture, tally: &mut Tally) -> Vec<Wanted> {
        let split = picture.split.as_deref().unwrap_or_default();
        let splits = &self.config.splits;
        if !splits.is_empty() && !splits.iter().any(|wanted| wanted == split) {
            if !self.seen_splits.iter().any(|seen| seen == split) {
                self.seen_splits.push(split.to_owned());
            }
            return Vec::new();
        }
        let [wanted, shares] = self.config.share;
        let is_dealt = self.frames.rem_euclid(shares) == wanted;
        self.frames += 1;
        let objects = picture.labels.objects();
        let count = match self.config.cut {
            Cut::Frames => 1,
            Cut::Objects => objects.len() as u64,
        };
        let first = self.numbered;
        self.numbered += count;
        if !is_dealt {
            return Vec::new();
        }
        if self.config.cut == Cut::Objects && objects.is_empty() {
            tally.empty += 1;
        }
        let candidates = (0..count).filter_map(|place| match self.config.cut {
            Cut::Frames => Some((place, None)),
            Cut::Objects => {
                let [_, _, width, height] = objects[place as usize].bbox_xywh;
                let is_large = f64::from(width.max(height)) >= self.config.min_side;
                tally.too_small += usize::from(!is_large);
                is_large.then_some((place, Some(place as usize)))
            }
        });
        let spread = &mut self.spread;
        candidates
            .filter(|_| spread.takes())
            .map(|(place, object)| Wanted {
                number: first + place,
                object,
            })
            .collect()
    }
}

impl Ingest {
    /// Reads the dataset twice: to count its pictures or objects, then to make the samples.
    pub(super) fn run_labelled(
        &self,
        context: &Context,
        format: &Format,
    ) -> Result<serde_json::Value> {
        let mut counter = Chooser::new(self, Spread::all());
        let mut count = 0;
        format.visit(&self.path, self.strict, &mut |picture| {
            count += counter.choose(&picture, &mut Tally::default()).len();
            context.check_interrupt()
        })?;
        self.check_splits(context, &counter)?;

        let total = match self.limit {
            0 => count,
            limit => limit.min(count),
        };
        let mut chooser = Chooser::new(self, Spread::new(count, self.limit));
        let mut tally = Tally::default();
        let mut output = Output::default();
        let (mut jobs, mut waiting, mut photos, mut done) = (Vec::new(), 0, 0, 0);
        let part_size = context.part_size.max(1);
        let findings = format.visit(&self.path, self.strict, &mut |picture| {
            let mut wanted = chooser.choose(&picture, &mut tally);
            if let Share::One(index) = context.share {
                wanted.retain(|wanted| wanted.number == index);
            }
            if wanted.is_empty() {
                return context.check_interrupt();
            }
            waiting += wanted.len();
            photos += 1;
            jobs.push(Job {
                name: picture.name_in(&self.path),
                picture,
                wanted,
            });
            if waiting >= part_size {
                self.make_all(context, &mut jobs, &mut output, &mut tally)?;
                done += std::mem::take(&mut waiting);
            }
            context.progress(done as u64, total as u64, "samples")
        })?;
        self.make_all(context, &mut jobs, &mut output, &mut tally)?;
        output.write(context, &mut tally)?;
        self.report_flaws(context, &findings);
        tally.report(context, self, photos)?;
        Ok(serde_json::json!({
            "format": format.name,
            "photos": photos,
            "crops": tally.crops,
            "skipped": tally.skipped(),
            "empty": tally.empty,
            "bad": tally.bad.count,
            "copies": tally.copies,
            "flawed": findings.flawed,
        }))
    }

    /// How many samples the dataset gives; `None` if it is too large to tell quickly.
    pub(super) fn count_labelled(&self, format: &Format) -> Option<u64> {
        if has_large_file(&self.path) || has_large_file(&self.path.join("annotations")) {
            return None;
        }
        let mut counter = Chooser::new(self, Spread::all());
        let (mut pictures, mut count) = (0, 0);
        let counted = format.visit(&self.path, false, &mut |picture| {
            pictures += 1;
            count += counter.choose(&picture, &mut Tally::default()).len() as u64;
            match pictures > MOST_COUNTED {
                // Stops the count.
                true => Err(Error::Interrupted),
                false => Ok(()),
            }
        });
        counted.ok().map(|_| count)
    }

    fn check_splits(&self, context: &Context, counter: &Chooser) -> Result<()> {
        if counter.frames > 0 || self.splits.is_empty() {
            return Ok(());
        }
        let seen = counter
            .seen_splits
            .iter()
            .map(|split| match split.as_str() {
                "" => "pictures without a split".to_owned(),
                split => format!("`{split}`"),
            });
        Err(Error::failed(
            context.id,
            format!(
                "{} has no picture in the `splits` {:?}; there are {}",
                self.path.display(),
                self.splits,
                seen.collect::<Vec<_>>().join(", ")
            ),
            "name splits that it has, or leave `splits` out to read all",
        ))
    }

    /// Makes the samples of all `jobs`, in their order, and forgets these.
    fn make_all(
        &self,
        context: &Context,
        jobs: &mut Vec<Job>,
        output: &mut Output,
        tally: &mut Tally,
    ) -> Result<()> {
        let made: Vec<Photo<Vec<_>>> = jobs
            .par_iter()
            .map(|job| {
                context.check_interrupt()?;
                self.decode_labelled(job)?
                    .map(|photo| self.make(context, job, &photo))
            })
            .collect::<Result<_>>()?;
        for (photo, job) in made.into_iter().zip(jobs.drain(..)) {
            let samples = photo.counted(&job.name, tally).unwrap_or_default();
            output.add(samples, context, tally)?;
        }
        Ok(())
    }

    fn decode_labelled(&self, job: &Job) -> Result<Photo<RgbImage>> {
        let name = job.picture.file.display().to_string();
        let read = job.picture.encoded().and_then(|bytes| {
            let decoded = decode_photo(&bytes, &name, self.max_megapixels)?;
            let extent = decoded.dimensions().into();
            check_labels(&job.picture, extent, &name)?;
            Ok(Photo::Read(decoded, fingerprint(&bytes)))
        });
        match read {
            Err(error @ Error::Failed { .. }) => Ok(Photo::Bad(error)),
            other => other,
        }
    }

    /// The samples of one picture; `None` for an object of which nothing lies in it.
    fn make(
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
        let rectangle = match wanted.object {
            None => Some(crop::centre(extent, self.size)),
            Some(place) => {
                let [x, y, width, height] = job.picture.labels.objects()[place].bbox_xywh;
                let corners = [x, y, x + width, y + height].map(f64::from);
                crop::around_box(corners, self.margin, extent, self.size)
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
        let labels = match self.pictures {
            Pictures::Photos => Labels::default(),
            Pictures::Renders => {
                let mapped = self.labels(&job.picture.labels, wanted.object, extent, rectangle);
                match mapped? {
                    Some(labels) => labels,
                    None => return Ok(None),
                }
            }
        };
        let cut = crop::cut(photo, rectangle);
        let pixels = match rectangle.extent == self.size {
            true => cut.clone(),
            false => resize(&cut, self.size.width, self.size.height),
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
            extent: self.size,
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
                transforms: Vec::new(),
                split: None,
                gate: None,
            },
        };
        Ok(Some((sample, Flaw::of(&cut, self.size))))
    }

    /// The labels of a picture as they are in the part of it that `rectangle` cuts out; the wanted object comes
    /// first. `None` if nothing of that is left.
    fn labels(
        &self,
        labels: &Labels,
        object: Option<usize>,
        extent: Extent,
        rectangle: Rectangle,
    ) -> Result<Option<Labels>> {
        let mapping = rectangle.mapping(extent, self.size);
        let name = self.path.display().to_string();
        let mut labels = labels.clone();
        if let (Some(place), Some(objects)) = (object, &mut labels.objects) {
            objects[..=place].rotate_right(1);
            labels.class = Some(objects[0].class.clone());
            let own = Labels {
                objects: Some(vec![objects[0].clone()]),
                ..Labels::default()
            };
            let own = own.map(&mapping, Border::Replicate, &name)?;
            if own.objects().is_empty() {
                return Ok(None);
            }
        }
        if labels.class.is_none() {
            labels.class = labels.only_class().map(str::to_owned);
        }
        // Boxes become those of their masks, even if the picture stays as it is.
        labels.map(&mapping, Border::Replicate, &name).map(Some)
    }

    /// Warns of what is wrong in the dataset and was left out.
    fn report_flaws(&self, context: &Context, findings: &Findings) {
        if findings.flawed == 0 {
            return;
        }
        let flaws = findings.flaws.iter().take(MOST_FLAWS);
        let flaws: Vec<String> = flaws
            .map(|flaw| format!("{}: {}", flaw.place, flaw.problem))
            .collect();
        let more = match findings.flawed.saturating_sub(flaws.len() as u64) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let text = format!(
            "{}: {} labels or pictures are wrong: {}{more}",
            self.path.display(),
            findings.flawed,
            flaws.join("; ")
        );
        context.emit(Event::Warning { text });
    }
}

/// Whether a file, or one in a folder, takes long to read.
fn has_large_file(path: &Path) -> bool {
    let own = std::fs::metadata(path).into_iter();
    let files = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut all = own.chain(files.flat_map(|file| file.metadata()));
    all.any(|file| file.is_file() && file.len() > QUICKLY_COUNTED)
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
