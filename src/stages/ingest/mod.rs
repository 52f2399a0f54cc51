//! ingest: reads real photos, without classes, and cuts crops from them; or finished renders with their labels.
//!
//! Of photos, a CSV of boxes or a labelled dataset says where to cut. Whatever else these hold, classes above
//! all, is never read, unless `labelled = "few"` asks for it.

mod bad;
mod boxes;
mod crops;
mod few;
mod flaws;
mod frames;
mod known;
mod labelled;
mod labelled_sample;
mod photos;
mod source;
mod spread;
mod tally;
#[cfg(test)]
mod tests;
mod video;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::artifact::Kind;
use crate::formats::{Format, FormatName};
use crate::sample::Extent;
use crate::sample::listing;
use crate::sample::maps::NO_MAPS;
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Misfit, Share, Stage, StageKind, parse,
};

use boxes::{Area, Boxes, LabelColumns, Row};
use few::{Labelled, PhotoLabels};
use labelled::{Cut, Pictures};
use photos::{Photos, holds_none};
use spread::{dealt, evenly_spread};
use tally::Tally;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "ingest",
    about: "real photos, cropped to boxes, without their classes; or finished renders with labels",
    version: 7,
    inputs: &[],
    output: Kind::Samples,
    parse: parse::<Ingest>,
    schema: || schemars::schema_for!(Ingest),
    exhibit: crate::stage::exhibit::nothing,
};

/// Configuration of `ingest`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// A folder, searched with its subfolders for PNG, JPEG, WebP, TIFF and BMP, or a .tar, .tar.gz or
    /// .zip of such files. Their content counts, not their names. With `format`, a dataset of that format, or a
    /// .tar, .tar.gz or .zip of one. With `fps`, a video. Or a pattern such as `photos/**/*.jpg`.
    pub path: PathBuf,
    /// The format of a dataset with labels; see `verismo list formats`. Without it, `path` holds photos.
    pub format: Option<FormatName>,
    /// With `format`: what its pictures are.
    pub pictures: Pictures,
    /// `"few"` reads the labels of photos, of a dataset or of a CSV of boxes and classes, so that the photos can
    /// join the labelled renders. Without it only `evaluate` reads labels of photos.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labelled: Option<Labelled>,
    /// With `format` or `boxes`: what each sample shows. Without it, an object a row of `boxes`, else a frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// With `format`: the splits to read, such as `["train"]`; empty reads all pictures.
    pub splits: Vec<String>,
    /// A CSV with one box a row, or, with `labelled`, a whole photo a row; without it, the middle of each photo is taken, as much of it as has
    /// the shape of `size`.
    pub boxes: Option<PathBuf>,
    /// Names of the columns that hold file, left, top, right and bottom in pixels. Without it, they
    /// are found by name: file, and x1, y1, x2, y2 or xmin, ymin, xmax, ymax.
    pub columns: Option<[String; 5]>,
    /// With `labelled`: the CSV's column with the class; without it, `class`, `class_id`, `label` and `ClassId` are
    /// tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_column: Option<String>,
    /// With `labelled`: the CSV's column with a sentence about each row; without it, `caption`, `text` and `title` are
    /// tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caption_column: Option<String>,
    /// The column of the CSV that tells which boxes show one and the same thing, as the frames of a
    /// video in which it was tracked do. `pseudo_label` then reads it as one class in all of them,
    /// and `split` keeps them on one side. Empty: every box stands alone.
    pub track: String,
    /// Frames of each second of a video that become photos, through the program ffmpeg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Added on each side of a box, as a fraction of the box's longer side; for crops that are not
    /// square, of the width and height of the smallest crop that holds the box.
    pub margin: f64,
    /// Width and height of the crops in pixels: `64`, or `[640, 480]`. A crop has this shape in the
    /// photo too, so that nothing is stretched.
    pub size: Extent,
    /// Whole photos keep their shape, and are scaled to just fit into `size`, so that none loses its edges. Their sizes
    /// may differ then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_shape: bool,
    /// Crops to make, spread evenly over all; 0 makes all.
    pub limit: usize,
    /// `[K, N]` deals the photos out to N shares in turn, by the order of their names or of the
    /// CSV, and takes the K-th, counted from 0: two stages that share photos but see none in common.
    pub share: [usize; 2],
    /// Takes the photos of all other shares instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub others: bool,
    /// Boxes whose longer side is shorter than this, in pixels of the photo, are skipped.
    pub min_side: f64,
    /// Photos that cannot be read are skipped and listed, up to this share of them, 0..1; more are an
    /// error.
    pub max_bad: f64,
    /// Refuses any photo that cannot be read, and pictures of formats that are not read.
    pub strict: bool,
    /// The largest photo that is decoded, in megapixels of 8 bits a channel; with 16 bits, each counts
    /// twice. Each takes 3 MB of memory.
    pub max_megapixels: f64,
}

impl Default for Ingest {
    fn default() -> Self {
        Ingest {
            path: PathBuf::new(),
            format: None,
            pictures: Pictures::Renders,
            labelled: None,
            cut: None,
            splits: Vec::new(),
            boxes: None,
            columns: None,
            class_column: None,
            caption_column: None,
            track: String::new(),
            fps: None,
            margin: 0.15,
            size: Extent::square(64),
            keep_shape: false,
            limit: 0,
            share: [0, 1],
            others: false,
            min_side: 8.0,
            max_bad: 0.05,
            strict: false,
            max_megapixels: 180.0,
        }
    }
}

impl Stage for Ingest {
    fn files(&self) -> Vec<PathBuf> {
        let mut files = self.found().unwrap_or_else(|_| vec![self.path.clone()]);
        files.extend(self.boxes.clone());
        files
    }

    fn check(&self) -> Result<(), String> {
        if self.path.as_os_str().is_empty() {
            return Err("`path` must name a folder, tar or zip of photos".into());
        }
        self.found()?;
        self.size.check()?;
        if !(0.0..=4.0).contains(&self.margin) {
            return Err("`margin` must be between 0 and 4".into());
        }
        if !(0.0..f64::INFINITY).contains(&self.min_side) {
            return Err("`min_side` must be 0 or more".into());
        }
        if !(0.0..=1.0).contains(&self.max_bad) {
            return Err("`max_bad` must be between 0 and 1".into());
        }
        if !(1.0..=10_000.0).contains(&self.max_megapixels) {
            return Err("`max_megapixels` must be between 1 and 10000".into());
        }
        if !self.fps.is_none_or(|fps| (1e-3..=1e3).contains(&fps)) {
            return Err("`fps` must be between 0.001 and 1000 frames a second".into());
        }
        if self.share[0] >= self.share[1] {
            return Err("`share` is [K, N]: the K-th of N shares, K from 0 to N - 1".into());
        }
        if self.others && self.share[1] == 1 {
            return Err(
                "`others` needs shares: `share = [0, 5]` with it takes all photos but every fifth"
                    .into(),
            );
        }
        if self.keep_shape && self.cut() == Cut::Objects {
            return Err(
                "`keep_shape` is for whole photos: write `cut = \"frames\"`, or remove it".into(),
            );
        }
        self.check_format()?;
        self.check_labelled()?;
        if self.columns.is_some() && self.boxes.is_none() {
            return Err("`columns` is of use with `boxes` only; add it or remove `columns`".into());
        }
        if !self.track.is_empty() && self.cut() == Cut::Frames && self.boxes.is_some() {
            return Err(
                "`track` tells boxes apart, and frames are cut by none; remove it or `cut`".into(),
            );
        }
        if !self.track.is_empty() && self.boxes.is_none() {
            return Err("`track` is of use with `boxes` only; add it or remove `track`".into());
        }
        // One that is missing is found to be when the files are hashed.
        if let Some(csv) = self.boxes.as_ref().filter(|csv| csv.is_file()) {
            let rows = self.boxes(csv).and_then(|boxes| boxes.rows(&|| Ok(())));
            rows.map_err(|e| format!("`boxes`: {}", e.in_one_line()))?;
        }
        Ok(())
    }

    fn check_files(&self, _: &Givens) -> Result<(), Misfit> {
        self.check_source()?;
        if let Some(boxes) = self.boxes.as_ref().filter(|boxes| boxes.is_dir()) {
            return Err(Misfit::new(
                format!("`boxes` names a folder, {}", boxes.display()),
                "name the CSV of boxes, or leave `boxes` out to take whole photos",
            ));
        }
        if self.format().is_none() && self.is_empty_folder() {
            let error = holds_none(&self.path);
            return Err(Misfit::of_error(error, "the folder", &self.path));
        }
        // A compressed tar would have to be unpacked first, and the frames of a video do not exist yet.
        let (Some(csv), None) = (&self.boxes, self.fps) else {
            return Ok(());
        };
        let of_path = |error| Misfit::of_error(error, "the file", &self.path);
        let is_quick =
            listing::is_pattern(&self.path) || listing::is_quick(&self.path).map_err(of_path)?;
        let missing = match is_quick {
            true => self.missing_photos(csv).map_err(of_path)?,
            false => None,
        };
        missing.map_or(Ok(()), Err)
    }

    fn foresee(&self, _: &Givens) -> Result<Facts, Misfit> {
        let extent = (!self.keep_shape).then_some(self.size);
        let Some(format) = self.format().filter(|_| self.reads_labels()) else {
            let facts = match self.reads_labels() {
                false => Facts::unlabelled(self.size),
                true => Facts {
                    maps: Some(NO_MAPS),
                    // Frames have one if all their objects do.
                    classes: (self.cut() == Cut::Objects || self.are_whole()).then_some(true),
                    objects: Some(!self.are_whole()),
                    ..Facts::labelled(self.size)
                },
            };
            return Ok(Facts { extent, ..facts });
        };
        let holds = format.holds;
        Ok(Facts {
            // Frames have one if all their objects do.
            classes: match self.cut() {
                Cut::Objects => Some(true),
                Cut::Frames => (!holds.class && !holds.objects).then_some(false),
            },
            objects: (!holds.objects).then_some(false),
            extent,
            ..Facts::labelled(self.size)
        })
    }

    fn forecast(&self, _: &Givens) -> Forecast {
        if let Some(format) = self.format() {
            let count = self.count_labelled(format);
            let limit = (self.limit > 0).then_some(self.limit as u64);
            let count = count.map(|count| limit.map_or(count, |limit| limit.min(count)));
            let pixels = count.map(|count| count as f64 * self.size.area() as f64);
            return Forecast::new(count, pixels.map(Effort::pixels));
        }
        let known = self.known_photos();
        let limit = (self.limit > 0).then_some(self.limit as u64);
        let count = match (known.crops, limit) {
            (Some(count), Some(limit)) => Some(count.min(limit)),
            (count, limit) => count.or(limit),
        };
        let cut = count.unwrap_or(0) as f64 * self.size.area() as f64;
        // Spread evenly, a few crops are of as many photos.
        let read = match (count, known.crops) {
            (Some(count), Some(crops)) if crops > 0 => count as f64 / crops as f64,
            _ => 1.0,
        };
        // A byte of a JPEG holds several pixels, and decoding is quicker than encoding.
        Forecast::new(count, Some(Effort::pixels(cut + read * known.bytes as f64)))
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        if let Some(format) = self.format() {
            return self.run_labelled(context, format);
        }
        let photos = Photos::open(self, context)?;
        let mut tally = Tally::default();
        let rows = match &self.boxes {
            Some(csv) => {
                let boxes = self.boxes(csv)?;
                for text in boxes.warnings() {
                    context.emit(Event::Warning { text });
                }
                let mut rows = boxes.rows(&|| context.check_interrupt())?;
                photos::find_all(photos.listing(), &mut rows);
                rows
            }
            None => boxes::whole(&photos, &photos.all(self, context)?),
        };
        let labels = PhotoLabels::of(&rows);
        let mut rows = self.chosen(self.framed(rows), &mut tally);
        if let Share::One(index) = context.share {
            rows.retain(|row| row.number == index);
        }
        let groups = group_by_file(&rows);
        self.crop_all(context, &photos, &groups, &labels, &mut tally)?;
        tally.report(context, self, groups.len())?;
        let mut summary = serde_json::json!({
            "photos": groups.len(),
            "crops": tally.crops,
            "skipped": tally.skipped(),
            "empty": tally.empty,
            "bad": tally.bad.count,
            "copies": tally.copies,
        });
        self.record_labels(&mut summary, tally.crops, groups.len());
        Ok(summary)
    }
}

impl Ingest {
    /// The format of a dataset with labels.
    fn format(&self) -> Option<&'static Format> {
        self.format.map(FormatName::entry)
    }

    /// Opens the CSV of boxes.
    fn boxes(&self, csv: &Path) -> Result<Boxes> {
        let labels = self.labelled.map(|_| LabelColumns {
            class: self.class_column.as_deref(),
            caption: self.caption_column.as_deref(),
        });
        Boxes::open(csv, self.columns.as_ref(), &self.track, labels)
    }

    /// Whether each row of a CSV stands for a whole photo, of whose objects nothing is said.
    fn are_whole(&self) -> bool {
        let csv = self.boxes.as_ref();
        csv.is_some_and(|csv| self.boxes(csv).is_ok_and(|boxes| boxes.are_whole()))
    }

    /// The rows that crops are to be made of.
    fn chosen(&self, mut rows: Vec<Row>, tally: &mut Tally) -> Vec<Row> {
        rows.retain(|row| self.usable(row, tally));
        let dealt = dealt(rows, |place| self.is_dealt(place));
        evenly_spread(dealt, self.limit)
    }

    /// Whether so many bad photos are more than are skipped.
    fn is_too_bad(&self, bad: usize, photos: usize) -> bool {
        self.strict || bad == photos || bad as f64 > self.max_bad * photos as f64
    }

    /// Whether a row's box can be cut, as far as its numbers tell.
    fn usable(&self, row: &Row, tally: &mut Tally) -> bool {
        let [x1, y1, x2, y2] = match row.area {
            Area::Whole => return true,
            Area::Box(corners) => corners,
            Area::Nothing => {
                tally.empty += 1;
                return false;
            }
        };
        let (width, height) = (x2 - x1, y2 - y1);
        if width <= 0.0 || height <= 0.0 {
            tally.no_area += 1;
            return false;
        }
        if width.max(height) < self.min_side {
            tally.too_small += 1;
            return false;
        }
        true
    }

    /// Where a row stands, for messages; empty for whole photos.
    fn place(&self, row: &Row) -> String {
        match &self.boxes {
            Some(csv) => format!("{} line {} (row {})", csv.display(), row.line, row.number),
            None => String::new(),
        }
    }
}

/// The rows of each photo, photos in the order of their first row.
fn group_by_file(rows: &[Row]) -> Vec<Vec<&Row>> {
    let mut places = BTreeMap::new();
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        let place = *places.entry(row.file.as_str()).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(row);
    }
    groups
}
