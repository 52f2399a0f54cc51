//! ingest: reads real photos, without classes, and cuts crops from them; or finished renders with their labels.
//!
//! Of photos, a CSV of boxes or a labelled dataset says where to cut. Whatever else these hold, classes above
//! all, is never read.

mod bad;
mod boxes;
mod crops;
mod flaws;
mod known;
mod labelled;
mod photos;
mod spread;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::artifact::Kind;
use crate::formats::spreadsheet::quoted;
use crate::formats::{FORMATS, Format, FormatName};
use crate::sample::Extent;
use crate::sample::listing::{self, Listing};
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Misfit, Share, Stage, StageKind, parse,
};

use boxes::{Area, Boxes, Row};
use labelled::{Cut, Pictures};
use photos::Photos;
use spread::{dealt, evenly_spread};
use tally::Tally;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "ingest",
    about: "real photos, cropped to boxes, without their classes; or finished renders with labels",
    version: 5,
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
    /// .zip of such files. Their content counts, not their names. With `format`, a dataset of that format.
    pub path: PathBuf,
    /// The format of a dataset with labels; see `verismo list formats`. Without it, `path` holds photos.
    pub format: Option<FormatName>,
    /// With `format`: what its pictures are.
    pub pictures: Pictures,
    /// With `format`: what each sample shows.
    pub cut: Cut,
    /// With `format`: the splits to read, such as `["train"]`; empty reads all pictures.
    pub splits: Vec<String>,
    /// A CSV with one box a row; without it, the middle of each photo is taken, as much of it as has
    /// the shape of `size`.
    pub boxes: Option<PathBuf>,
    /// Names of the columns that hold file, left, top, right and bottom in pixels. Without it, they
    /// are found by name: file, and x1, y1, x2, y2 or xmin, ymin, xmax, ymax.
    pub columns: Option<[String; 5]>,
    /// The column of the CSV that tells which boxes show one and the same thing, as the frames of a
    /// video in which it was tracked do. `pseudo_label` then reads it as one class in all of them,
    /// and `split` keeps them on one side. Empty: every box stands alone.
    pub track: String,
    /// Added on each side of a box, as a fraction of the box's longer side; for crops that are not
    /// square, of the width and height of the smallest crop that holds the box.
    pub margin: f64,
    /// Width and height of the crops in pixels: `64`, or `[640, 480]`. A crop has this shape in the
    /// photo too, so that nothing is stretched.
    pub size: Extent,
    /// Crops to make, spread evenly over all; 0 makes all.
    pub limit: usize,
    /// `[K, N]` deals the photos out to N shares in turn, by the order of their names or of the
    /// CSV, and takes the K-th, counted from 0: two stages that share photos but see none in common.
    pub share: [usize; 2],
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
            cut: Cut::Frames,
            splits: Vec::new(),
            boxes: None,
            columns: None,
            track: String::new(),
            margin: 0.15,
            size: Extent::square(64),
            limit: 0,
            share: [0, 1],
            min_side: 8.0,
            max_bad: 0.05,
            strict: false,
            max_megapixels: 180.0,
        }
    }
}

impl Stage for Ingest {
    fn files(&self) -> Vec<PathBuf> {
        std::iter::once(self.path.clone())
            .chain(self.boxes.clone())
            .collect()
    }

    fn check(&self) -> Result<(), String> {
        if self.path.as_os_str().is_empty() {
            return Err("`path` must name a folder, tar or zip of photos".into());
        }
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
        if self.share[0] >= self.share[1] {
            return Err("`share` is [K, N]: the K-th of N shares, K from 0 to N - 1".into());
        }
        self.check_format()?;
        if self.columns.is_some() && self.boxes.is_none() {
            return Err("`columns` is of use with `boxes` only; add it or remove `columns`".into());
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
        if let Some(format) = self.format() {
            return self.check_dataset(format);
        }
        if let Some(boxes) = self.boxes.as_ref().filter(|boxes| boxes.is_dir()) {
            return Err(Misfit::new(
                format!("`boxes` names a folder, {}", boxes.display()),
                "name the CSV of boxes, or leave `boxes` out to take whole photos",
            ));
        }
        let of_path = |error| Misfit::of_error(error, "the file", &self.path);
        listing::check(&self.path).map_err(of_path)?;
        let Some(csv) = &self.boxes else {
            return Ok(());
        };
        // A compressed tar would have to be unpacked first.
        let missing = match listing::is_quick(&self.path).map_err(of_path)? {
            true => self.missing_photos(csv).map_err(of_path)?,
            false => None,
        };
        missing.map_or(Ok(()), Err)
    }

    fn foresee(&self, _: &Givens) -> Result<Facts, Misfit> {
        let labelled = self.format().filter(|_| self.pictures == Pictures::Renders);
        let Some(format) = labelled else {
            return Ok(Facts::unlabelled(self.size));
        };
        let holds = format.holds;
        Ok(Facts {
            // Frames have one if all their objects do.
            classes: match self.cut {
                Cut::Objects => Some(true),
                Cut::Frames => (!holds.class && !holds.objects).then_some(false),
            },
            objects: (!holds.objects).then_some(false),
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
                if let Some(text) = boxes.warning() {
                    context.emit(Event::Warning { text });
                }
                let mut rows = boxes.rows(&|| context.check_interrupt())?;
                photos::find_all(photos.listing(), &mut rows);
                rows
            }
            None => boxes::whole(&photos, &photos.all(self, context)?),
        };
        let mut rows = self.chosen(rows, &mut tally);
        if let Share::One(index) = context.share {
            rows.retain(|row| row.number == index);
        }
        let groups = group_by_file(&rows);
        self.crop_all(context, &photos, &groups, &mut tally)?;
        tally.report(context, self, groups.len())?;
        Ok(serde_json::json!({
            "photos": groups.len(),
            "crops": tally.crops,
            "skipped": tally.skipped(),
            "empty": tally.empty,
            "bad": tally.bad.count,
            "copies": tally.copies,
        }))
    }
}

impl Ingest {
    /// The format of a dataset with labels.
    fn format(&self) -> Option<&'static Format> {
        self.format.map(FormatName::entry)
    }

    /// Checks which settings go together with `format`.
    fn check_format(&self) -> Result<(), String> {
        let Some(format) = self.format() else {
            let with_format = [
                ("pictures", self.pictures != Pictures::Renders),
                ("cut", self.cut != Cut::Frames),
                ("splits", !self.splits.is_empty()),
            ];
            return match with_format.into_iter().find(|(_, given)| *given) {
                Some((name, _)) => Err(format!(
                    "`{name}` is of use with `format` only; add it or remove `{name}`"
                )),
                None => Ok(()),
            };
        };
        if self.boxes.is_some() {
            return Err("`boxes` and `format` both say where the objects are; remove one".into());
        }
        if self.cut == Cut::Objects && !format.holds.objects {
            return Err(format!(
                "`cut = \"objects\"` needs objects, and `{}` holds only {}; remove `cut`",
                format.name,
                format.holds.names()
            ));
        }
        Ok(())
    }

    /// Whether a dataset looks like one of `format`.
    fn check_dataset(&self, format: &Format) -> Result<(), Misfit> {
        if (format.detect)(&self.path) {
            return Ok(());
        }
        let others = FORMATS.iter().filter(|other| (other.detect)(&self.path));
        let others: Vec<String> = others.map(|other| format!("`{}`", other.name)).collect();
        let looks = match others.is_empty() {
            true => "does not look like a dataset of any format".to_owned(),
            false => format!("looks like {}", others.join(" or ")),
        };
        Err(Misfit::new(
            format!(
                "`format` is `{}`, but {} {looks}",
                format.name,
                self.path.display()
            ),
            "correct `format` or `path`; `verismo list formats` says what each format is",
        )
        .of_file(&self.path))
    }

    /// Opens the CSV of boxes.
    fn boxes(&self, csv: &Path) -> Result<Boxes> {
        Boxes::open(csv, self.columns.as_ref(), &self.track)
    }

    /// The rows that crops are to be made of.
    fn chosen(&self, mut rows: Vec<Row>, tally: &mut Tally) -> Vec<Row> {
        rows.retain(|row| self.usable(row, tally));
        evenly_spread(dealt(rows, self.share), self.limit)
    }

    /// What is said of the photos that the CSV names and that are not there; nothing where they may be skipped.
    ///
    /// # Errors
    /// If the photos cannot be listed.
    fn missing_photos(&self, csv: &Path) -> Result<Option<Misfit>> {
        const NAMED: usize = 3;
        let mut rows = self.boxes(csv)?.rows(&|| Ok(()))?;
        let listing = Listing::open(&self.path, Path::new("."), &|| Ok(()))?;
        photos::find_all(&listing, &mut rows);
        let rows = self.chosen(rows, &mut Tally::default());
        let groups = group_by_file(&rows);
        let missing = groups.iter().filter(|group| group[0].photo.is_none());
        let missing: Vec<&Row> = missing.map(|group| group[0]).collect();
        if missing.is_empty() || !self.is_too_bad(missing.len(), groups.len()) {
            return Ok(None);
        }
        let named = missing.iter().take(NAMED);
        let named: Vec<String> = named
            .map(|row| format!("`{}` (line {})", quoted(&row.file), row.line))
            .collect();
        let more = match missing.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let problem = format!(
            "{} of the {} photos that `boxes` names are not in {}: {}{more}",
            missing.len(),
            groups.len(),
            self.path.display(),
            named.join(", ")
        );
        let remedy = "file names are relative to `path`; correct `path` or the rows, add the photos, or raise \
                      `max_bad` to skip them";
        Ok(Some(Misfit::new(problem, remedy).of_file(csv)))
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
