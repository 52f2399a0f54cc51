//! Pictures from a dataset of any format that is read: finished renders with their labels, or photos, of which
//! only the boxes are used, to cut them, unless `labelled = "few"` says that the labels are to be read.

use std::path::Path;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Ingest;
use super::crops::{Output, Photo};
use super::spread::Spread;
use super::tally::Tally;
use crate::formats::{Findings, Format, Picture};
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
    /// Photos. Their boxes say where to cut; no class or other label is read, except with `labelled`.
    Photos,
}

/// The most flaws of a dataset that a warning lists.
const MOST_FLAWS: usize = 10;

/// The largest file of labels, in bytes, with which pictures are counted before they are read.
const QUICKLY_COUNTED: u64 = 64 << 20;
/// The most pictures that are counted before they are read.
const MOST_COUNTED: u64 = 100_000;

/// A picture with the samples to make of it.
pub(super) struct Job {
    pub picture: Picture,
    /// Relative to the dataset, if it lies in it.
    pub name: String,
    /// What messages call it.
    pub called: String,
    pub wanted: Vec<Wanted>,
}

/// A sample to make.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Counted over all pictures or objects of the dataset, from 0.
    pub number: u64,
    /// The place of its object in the picture; `None` for a whole picture.
    pub object: Option<usize>,
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
        let is_dealt = self.config.is_dealt(self.frames);
        self.frames += 1;
        let objects = picture.labels.objects();
        let count = match self.config.cut() {
            Cut::Frames => 1,
            Cut::Objects => objects.len() as u64,
        };
        let first = self.numbered;
        self.numbered += count;
        if !is_dealt {
            return Vec::new();
        }
        if self.config.cut() == Cut::Objects && objects.is_empty() {
            tally.empty += 1;
        }
        let candidates = (0..count).filter_map(|place| match self.config.cut() {
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
    /// Checks which settings go together with `format`.
    ///
    /// # Errors
    /// Those that do not, as text.
    pub(super) fn check_format(&self) -> Result<(), String> {
        let Some(format) = self.format() else {
            if self.cut == Some(Cut::Objects) && self.boxes.is_none() {
                return Err(
                    "`cut` is of use with `format` or `boxes`, which tell objects; add one or remove `cut`".into(),
                );
            }
            let with_format = [
                ("pictures", self.pictures != Pictures::Renders),
                ("splits", !self.splits.is_empty()),
            ];
            return match with_format.into_iter().find(|(_, given)| *given) {
                Some((name, _)) => Err(format!(
                    "`{name}` is of use with `format` only; add it or remove `{name}`"
                )),
                None => Ok(()),
            };
        };
        if self.fps.is_some() {
            return Err("`fps` is for videos, which have no `format`; remove one".into());
        }
        if self.boxes.is_some() {
            return Err("`boxes` and `format` both say where the objects are; remove one".into());
        }
        if self.cut() == Cut::Objects && !format.holds.objects {
            return Err(format!(
                "`cut = \"objects\"` needs objects, and `{}` holds only {}; remove `cut`",
                format.name,
                format.holds.names()
            ));
        }
        Ok(())
    }

    /// Reads the dataset twice: to count its pictures or objects, then to make the samples.
    pub(super) fn run_labelled(
        &self,
        context: &Context,
        format: &Format,
    ) -> Result<serde_json::Value> {
        let datasets = self.datasets(context, format)?;
        let mut counter = Chooser::new(self, Spread::all());
        let mut count = 0;
        self.visit(&datasets, format, &mut |_, picture| {
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
        let findings = self.visit(&datasets, format, &mut |dataset, picture| {
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
                name: dataset.name(&picture),
                called: dataset.told(&picture.file.display().to_string()),
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
        let mut summary = serde_json::json!({
            "format": format.name,
            "photos": photos,
            "crops": tally.crops,
            "skipped": tally.skipped(),
            "empty": tally.empty,
            "bad": tally.bad.count,
            "copies": tally.copies,
            "flawed": findings.flawed,
        });
        self.record_labels(&mut summary, tally.crops, photos);
        Ok(summary)
    }

    /// How many samples the dataset gives; `None` if it is too large to tell quickly.
    pub(super) fn count_labelled(&self, format: &Format) -> Option<u64> {
        let datasets = self.unpacked_datasets(format)?;
        let is_large =
            |path: &Path| has_large_file(path) || has_large_file(&path.join("annotations"));
        if datasets.iter().any(|dataset| is_large(&dataset.path)) {
            return None;
        }
        let mut counter = Chooser::new(self, Spread::all());
        let (mut pictures, mut count) = (0, 0);
        let counted = self.visit(&datasets, format, &mut |_, picture| {
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
