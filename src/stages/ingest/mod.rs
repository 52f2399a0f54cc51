//! ingest: reads real photos, without classes, and cuts crops from them.
//!
//! A CSV of boxes says where to cut. Whatever else it holds, classes above all, is never read.

mod boxes;
mod crops;
mod flaws;
mod photos;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact::{self, Kind};
use crate::sample::Extent;
use crate::sample::input::{self, MOST_BYTES};
use crate::stage::{
    Context, Effort, Event, Facts, Forecast, Givens, Misfit, Share, Stage, StageKind, parse,
};
use crate::{Error, Result};

use boxes::Row;
use flaws::Flaws;
use photos::Photos;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "ingest",
    about: "real photos, cropped to boxes, without their classes",
    version: 4,
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
    /// A folder, searched with its subfolders for .png, .jpg and .jpeg, or a .tar of such files.
    pub path: PathBuf,
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
}

impl Default for Ingest {
    fn default() -> Self {
        Ingest {
            path: PathBuf::new(),
            boxes: None,
            columns: None,
            track: String::new(),
            margin: 0.15,
            size: Extent::square(64),
            limit: 0,
            share: [0, 1],
            min_side: 8.0,
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
            return Err("`path` must name a folder or a .tar of photos".into());
        }
        self.size.check()?;
        if !(0.0..=4.0).contains(&self.margin) {
            return Err("`margin` must be between 0 and 4".into());
        }
        if !(0.0..f64::INFINITY).contains(&self.min_side) {
            return Err("`min_side` must be 0 or more".into());
        }
        if self.share[0] >= self.share[1] {
            return Err("`share` is [K, N]: the K-th of N shares, K from 0 to N - 1".into());
        }
        if self.columns.is_some() && self.boxes.is_none() {
            return Err("`columns` is of use with `boxes` only; add it or remove `columns`".into());
        }
        if !self.track.is_empty() && self.boxes.is_none() {
            return Err("`track` is of use with `boxes` only; add it or remove `track`".into());
        }
        Ok(())
    }

    fn check_files(&self) -> Result<(), Misfit> {
        if let Some(boxes) = self.boxes.as_ref().filter(|boxes| boxes.is_dir()) {
            return Err(Misfit::new(
                format!("`boxes` names a folder, {}", boxes.display()),
                "name the CSV of boxes, or leave `boxes` out to take whole photos",
            ));
        }
        Photos::check_kind(&self.path)
    }

    fn foresee(&self, _: &Givens) -> Result<Facts, Misfit> {
        Ok(Facts::unlabelled(self.size))
    }

    fn forecast(&self, _: &Givens) -> Forecast {
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
        let photos = Photos::open(&self.path, context)?;
        let mut tally = Tally::default();
        let mut rows = match &self.boxes {
            Some(csv) => boxes::read(csv, self.columns.as_ref(), &self.track, context)?,
            None => {
                let names = photos.names()?;
                warn_of_others(context, &photos)?;
                boxes::whole(names)
            }
        };
        rows.retain(|row| self.usable(row, &mut tally));
        let rows = dealt(rows, self.share);
        let mut rows = evenly_spread(rows, self.limit);
        if let Share::One(index) = context.share {
            rows.retain(|row| row.number == index);
        }
        let groups = group_by_file(&rows);
        for group in &groups {
            context.check_interrupt()?;
            photos.find(&group[0].file, &self.place(group[0]))?;
        }
        self.crop_all(context, &photos, &groups, &mut tally)?;
        tally.report(context, self)?;
        Ok(serde_json::json!({
            "photos": groups.len(),
            "crops": tally.crops,
            "skipped": tally.skipped(),
        }))
    }
}

/// What can be said of photos without opening one.
#[derive(Default)]
struct KnownPhotos {
    /// Bytes of all photos of the share.
    bytes: u64,
    /// Crops, if every box can be used.
    crops: Option<u64>,
}

impl Ingest {
    fn known_photos(&self) -> KnownPhotos {
        let share = self.share[1].max(1) as u64;
        let is_photo = |path: &PathBuf| {
            let extension = path.extension().unwrap_or_default();
            !["csv", "txt", "json"]
                .iter()
                .any(|other| extension.eq_ignore_ascii_case(other))
        };
        let files: Vec<PathBuf> = match self.path.is_dir() {
            true => artifact::walk(&self.path).unwrap_or_default(),
            false => vec![self.path.clone()],
        };
        let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
        let photos = files.iter().filter(|path| is_photo(path));
        let (count, bytes) = photos.fold((0, 0), |(count, bytes), path| {
            (count + 1, bytes + length(path))
        });
        let rows = self.boxes.as_ref().map(|csv| {
            let lines = input::read(csv, MOST_BYTES).ok()?;
            let lines = lines
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty());
            Some((lines.count() as u64).saturating_sub(1))
        });
        let crops = match rows {
            Some(rows) => rows,
            None => self.path.is_dir().then_some(count),
        };
        KnownPhotos {
            bytes: bytes / share,
            crops: crops.map(|crops| crops / share),
        }
    }
}

/// What became of the rows.
#[derive(Default)]
struct Tally {
    crops: usize,
    no_area: usize,
    too_small: usize,
    outside: usize,
    flaws: Flaws,
}

impl Tally {
    fn skipped(&self) -> usize {
        self.no_area + self.too_small + self.outside
    }

    /// Warns of skipped boxes.
    ///
    /// # Errors
    /// If nothing is left.
    fn report(&self, context: &Context, config: &Ingest) -> Result<()> {
        let csv = config.boxes.as_ref().unwrap_or(&config.path).display();
        let reasons = [
            (self.no_area, "have no area".to_owned()),
            (
                self.too_small,
                format!("are smaller than min_side = {} pixels", config.min_side),
            ),
            (self.outside, "lie wholly outside their photo".to_owned()),
        ];
        for (count, reason) in reasons.iter().filter(|(count, _)| *count > 0) {
            let text = format!("{csv}: skipped {count} boxes that {reason}");
            context.emit(Event::Warning { text });
        }
        self.flaws.report(context, self.crops, config.size);
        if self.crops == 0 {
            return Err(Error::failed(
                csv,
                format!("no box is left, {} were skipped", self.skipped()),
                "check that the boxes are left, top, right, bottom in pixels, or lower `min_side`",
            ));
        }
        Ok(())
    }
}

impl Ingest {
    /// Whether a row's box can be cut, as far as its numbers tell.
    fn usable(&self, row: &Row, tally: &mut Tally) -> bool {
        let Some([x1, y1, x2, y2]) = row.corners else {
            return true;
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

    /// Where a row stands, for messages.
    fn place(&self, row: &Row) -> String {
        match &self.boxes {
            Some(csv) => format!("{} line {} (row {})", csv.display(), row.line, row.number),
            None => format!("photo {} of the folder", row.number),
        }
    }
}

/// Says that pictures of formats that cannot be read are left out.
fn warn_of_others(context: &Context, photos: &Photos) -> Result<()> {
    let others = photos.others()?;
    if let Some(first) = others.first() {
        let text = format!(
            "left out {} pictures of other formats (first: {}); convert them to JPEG or PNG",
            others.len(),
            photos.describe(first)
        );
        context.emit(Event::Warning { text });
    }
    Ok(())
}

/// The rows of every photo whose place among the photos is that of the share.
fn dealt(mut rows: Vec<Row>, [wanted, shares]: [usize; 2]) -> Vec<Row> {
    let mut places = BTreeMap::new();
    rows.retain(|row| {
        let next = places.len();
        places
            .entry(row.file.clone())
            .or_insert(next)
            .rem_euclid(shares)
            == wanted
    });
    rows
}

/// `limit` of `rows` at even distances, or all where `limit` is 0 or more than there are.
fn evenly_spread(rows: Vec<Row>, limit: usize) -> Vec<Row> {
    let count = rows.len();
    if limit == 0 || limit >= count {
        return rows;
    }
    let mut next = 0;
    let wanted = rows.into_iter().enumerate().filter(|(i, _)| {
        let take = next < limit && *i == next * count / limit;
        next += usize::from(take);
        take
    });
    wanted.map(|(_, row)| row).collect()
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
