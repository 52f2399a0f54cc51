//! Checks a dataset: that its files are those that were written, that labels fit the pictures and each other,
//! and that its splits are apart.
//!
//! What is doubtful may still be right: a person decides. All formats of a dataset are read, and must agree.

mod agreement;
mod checksums;
mod keypoints;
mod labels;
mod likeness;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use self::agreement::Record;
pub use self::keypoints::{Observations, Places};
use self::likeness::Fingerprint;
use super::{Findings, Format, Picture};
use crate::artifact::CHECKSUMS;
use crate::sample::Extent;
use crate::sample::image::decode_rgb;
use crate::{Error, Result};

/// Something that is probably wrong.
#[derive(Debug, Clone)]
pub struct Doubt {
    /// What kind of check found it, e.g. `mask`.
    pub kind: &'static str,
    /// The file, or the picture and the object in it.
    pub place: String,
    /// What is doubtful about it.
    pub problem: String,
    /// The picture to look at, with the boxes to draw.
    pub picture: Option<(PathBuf, Boxes)>,
}

/// Classes and boxes (x, y, width, height in pixels) of the objects of a picture.
pub type Boxes = Vec<(String, [f32; 4])>;

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// The formats that the dataset has.
    pub formats: Vec<&'static str>,
    /// Pictures checked.
    pub pictures: u64,
    /// Objects checked.
    pub objects: u64,
    /// How many doubts there are of each kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first [`LISTED`] doubts of each kind.
    pub doubts: Vec<Doubt>,
    /// Pictures by split and class; a picture counts for the classes of its objects.
    pub balance: BTreeMap<String, BTreeMap<String, u64>>,
    /// What may be as it is, but deserves a look.
    pub remarks: Vec<String>,
}

/// The most doubts of each kind that are listed one by one.
pub const LISTED: u64 = 500;

/// Pictures that are decoded side by side.
const AT_ONCE: usize = 128;

impl Report {
    fn doubt(&mut self, doubt: Doubt) {
        let count = self.counts.entry(doubt.kind).or_default();
        *count += 1;
        if *count <= LISTED {
            self.doubts.push(doubt);
        }
    }

    fn add_findings(&mut self, findings: &Findings) {
        for flaw in &findings.flaws {
            self.doubt(Doubt {
                kind: "labels",
                place: flaw.place.clone(),
                problem: flaw.problem.clone(),
                picture: None,
            });
        }
        let unlisted = findings.flawed - findings.flaws.len() as u64;
        if unlisted > 0 {
            *self.counts.entry("labels").or_default() += unlisted;
        }
    }
}

/// Checks the dataset at `root`; `progress` is told how many pictures are done, and stops the check with an
/// error.
///
/// # Errors
/// If it is not a dataset, or its labels cannot be read.
pub fn verify(root: &Path, progress: super::convert::Progress) -> Result<Report> {
    let formats = formats(root)?;
    let mut report = Report {
        formats: formats.iter().map(|format| format.name).collect(),
        ..Report::default()
    };
    if root.join(CHECKSUMS).is_file() {
        checksums::check(root, &mut report)?;
    }
    let mut check = Check {
        records: Vec::new(),
        by_file: HashMap::new(),
        by_link: HashMap::new(),
        by_content: HashMap::new(),
        observations: Observations::default(),
        report,
    };
    for (number, format) in formats.iter().enumerate() {
        check.read(root, format, number == 0, progress)?;
        check.missing(format, number == 0);
    }
    let Check {
        records,
        observations,
        mut report,
        ..
    } = check;
    agreement::sources(&records, &mut report);
    agreement::origins(&records, &mut report);
    observations.check(&records, &mut report);
    likeness::check(&records, &mut report);
    balance(&records, &mut report);
    Ok(report)
}

/// The formats of a dataset: first the one with the most labels. Where that holds the pictures, only the manifest
/// names the same ones, and where it does not, formats that do have other names for them.
fn formats(root: &Path) -> Result<Vec<&'static Format>> {
    let mut found = super::detect_all(root)?;
    let richness = |format: &&Format| {
        let holds = format.holds;
        let kinds = [holds.objects, holds.masks, holds.keypoints, holds.poses];
        std::cmp::Reverse(kinds.iter().filter(|kind| **kind).count())
    };
    found.sort_by_key(richness);
    match found.first() {
        Some(&first) if first.holds.pictures => {
            found.retain(|format| format.name == first.name || format.name == "manifest");
        }
        _ => found.retain(|format| !format.holds.pictures),
    }
    Ok(found)
}

/// A check that is under way.
struct Check {
    records: Vec<Record>,
    /// Positions in `records`.
    by_file: HashMap<PathBuf, usize>,
    /// Positions of files with several names: formats of one dataset share pictures by hard links.
    by_link: HashMap<Link, usize>,
    /// Positions by the hash of the file; `None` if several files are equal.
    by_content: HashMap<u64, Option<usize>>,
    observations: Observations,
    report: Report,
}

impl Check {
    fn read(
        &mut self,
        root: &Path,
        format: &'static Format,
        is_first: bool,
        progress: super::convert::Progress,
    ) -> Result<()> {
        let mut batch = Vec::new();
        let mut done = 0;
        let findings = format.visit(root, false, &mut |picture| {
            done += 1;
            progress(done, None)?;
            if let Some(known) = self.known(&picture.file, is_first) {
                // A picture that waits in the batch has no record yet.
                let record = self.records.get_mut(known);
                let record = record.filter(|record| !record.formats.contains(&format.name));
                match record {
                    Some(record) => agreement::compare(record, &picture, format, &mut self.report),
                    None => self.report.doubt(Doubt {
                        kind: "labels",
                        place: picture.file.display().to_string(),
                        problem: format!("is listed twice in {}", format.name),
                        picture: None,
                    }),
                }
                return Ok(());
            }
            self.by_file.insert(picture.file.clone(), usize::MAX);
            batch.push(picture);
            if batch.len() == AT_ONCE {
                self.check(std::mem::take(&mut batch), format, is_first);
            }
            Ok(())
        })?;
        self.check(batch, format, is_first);
        self.report.add_findings(&findings);
        Ok(())
    }

    /// The position of a file that was listed before, whatever its name then.
    fn known(&self, file: &Path, is_first: bool) -> Option<usize> {
        let by_file = self.by_file.get(file).copied();
        by_file.or_else(|| {
            let link = link(file).filter(|_| !is_first)?;
            self.by_link.get(&link).copied()
        })
    }

    /// Checks pictures that no earlier format has listed.
    fn check(&mut self, batch: Vec<Picture>, format: &'static Format, is_first: bool) {
        let seen: Vec<Seen> = batch.par_iter().map(Seen::of).collect();
        for (picture, seen) in batch.into_iter().zip(seen) {
            let Seen {
                sight,
                problems,
                link,
            } = seen;
            let content = sight.as_ref().map_or(0, |sight| sight.content);
            if let Some(Some(known)) = self.by_content.get(&content).copied()
                && let Some(record) = self.records.get_mut(known)
                && !record.formats.contains(&format.name)
            {
                agreement::compare(record, &picture, format, &mut self.report);
                self.by_file.insert(picture.file, known);
                continue;
            }
            self.judge(&picture, format, (problems, sight.is_ok()), is_first);
            self.report.pictures += 1;
            self.report.objects += picture.labels.objects().len() as u64;
            let number = self.records.len();
            self.by_file.insert(picture.file.clone(), number);
            if let Some(link) = link {
                self.by_link.insert(link, number);
            }
            if sight.is_ok() {
                let known = self.by_content.entry(content);
                known
                    .and_modify(|known| *known = None)
                    .or_insert(Some(number));
            }
            self.observations.add(number, &picture.labels);
            let likeness = sight.ok().map(|sight| sight.likeness);
            self.records
                .push(Record::new(picture, format, likeness, content));
        }
    }

    /// Doubts what is wrong with one picture, which may be one that cannot be decoded.
    fn judge(
        &mut self,
        picture: &Picture,
        format: &Format,
        (mut problems, is_sound): (Problems, bool),
        is_first: bool,
    ) {
        if !is_first && picture.labels.objects.is_some() && format.holds.objects {
            let first = self.report.formats.first().copied().unwrap_or_default();
            let problem = format!("has objects in {}, but no entry in {first}", format.name);
            problems.push(("agreement", problem));
        }
        let can_be_drawn = picture.bytes.is_none() && is_sound;
        for (kind, problem) in problems {
            let boxes = || agreement::boxes(&picture.labels);
            self.report.doubt(Doubt {
                kind,
                place: picture.file.display().to_string(),
                problem,
                picture: can_be_drawn.then(|| (picture.file.clone(), boxes())),
            });
        }
    }

    /// Doubts pictures that a format should list and does not.
    fn missing(&mut self, format: &'static Format, is_first: bool) {
        if is_first {
            return;
        }
        for record in &self.records {
            let listed = record.formats.contains(&format.name);
            if listed || (format.holds.needs_objects() && record.objects.is_none()) {
                continue;
            }
            self.report.doubt(Doubt {
                kind: "agreement",
                place: record.file.display().to_string(),
                problem: format!("is not listed in {}", format.name),
                picture: Some((record.file.clone(), record.boxes())),
            });
        }
    }
}

/// The device and the number of a file.
type Link = (u64, u64);

/// What tells a file that has several names from others.
#[cfg(unix)]
fn link(file: &Path) -> Option<Link> {
    use std::os::unix::fs::MetadataExt;
    let known = std::fs::metadata(file).ok()?;
    (known.nlink() > 1).then(|| (known.dev(), known.ino()))
}

#[cfg(not(unix))]
fn link(_: &Path) -> Option<Link> {
    None
}

/// Kinds and descriptions of what is doubtful.
type Problems = Vec<(&'static str, String)>;

/// What can be said of a picture without the others.
struct Seen {
    sight: Result<Sight>,
    problems: Problems,
    link: Option<Link>,
}

impl Seen {
    fn of(picture: &Picture) -> Self {
        let sight = Sight::of(picture);
        let mut problems = Vec::new();
        let mut size = picture.extent;
        match &sight {
            Ok(Sight { extent: real, .. }) => {
                if let Some(said) = size.filter(|said| said != real) {
                    let problem = format!("has {real} pixels, but its labels say {said}");
                    problems.push(("size", problem));
                }
                size = Some(*real);
            }
            Err(error) => problems.push(("files", reason(error))),
        }
        if let Some(extent) = size {
            problems.extend(labels::doubts(&picture.labels, extent));
        }
        Seen {
            sight,
            problems,
            link: link(&picture.file),
        }
    }
}

/// What decoding a picture shows.
struct Sight {
    extent: Extent,
    likeness: Fingerprint,
    /// Hash of the file.
    content: u64,
}

impl Sight {
    /// # Errors
    /// If the picture cannot be read.
    fn of(picture: &Picture) -> Result<Self> {
        let bytes = picture.encoded()?;
        let pixels = decode_rgb(&bytes, &picture.file.display().to_string())?;
        let hash = blake3::hash(&bytes);
        let hash = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        Ok(Sight {
            extent: pixels.dimensions().into(),
            likeness: Fingerprint::of(&pixels),
            content: u64::from_le_bytes(hash),
        })
    }
}

/// What an error says, without its remedy.
fn reason(error: &Error) -> String {
    match error {
        Error::Failed { problem, .. } | Error::Usage { problem, .. } => problem.clone(),
        other => other.to_string(),
    }
}

/// Counts pictures by split and class; classes that training never sees are doubtful.
fn balance(records: &[Record], report: &mut Report) {
    for record in records {
        let split = record.split.clone().unwrap_or_else(|| "all".to_owned());
        let row = report.balance.entry(split).or_default();
        for class in record.classes() {
            *row.entry(class.to_owned()).or_default() += 1;
        }
    }
    let trained = report.balance.get("train").cloned();
    if let Some(trained) = &trained {
        let others = report.balance.clone();
        for (split, classes) in others.iter().filter(|(split, _)| *split != "train") {
            for class in classes.keys().filter(|class| !trained.contains_key(*class)) {
                report.doubt(Doubt {
                    kind: "classes",
                    place: split.clone(),
                    problem: format!("has the class `{class}`, which `train` does not have"),
                    picture: None,
                });
            }
        }
    }
    for (split, classes) in &report.balance {
        let least = classes.iter().min_by_key(|(_, count)| **count);
        let most = classes.iter().max_by_key(|(_, count)| **count);
        if let (Some((rare, few)), Some((common, many))) = (least, most)
            && *many > 10 * few
        {
            report.remarks.push(format!(
                "{split}: `{common}` is in {many} pictures, `{rare}` in {few} only"
            ));
        }
    }
}
