//! What must agree across a dataset: the entries of a picture in several formats, the classes of pictures of
//! one model, and the splits of pictures that began as one.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::likeness::Fingerprint;
use super::{Boxes, Doubt, Report};
use crate::formats::{Format, Picture};
use crate::sample::{Labels, Object, Provenance};
use crate::seed::number;

/// What is remembered of a picture.
pub(super) struct Record {
    pub file: PathBuf,
    pub split: Option<String>,
    pub class: Option<String>,
    /// Classes and boxes; `None` if the objects are not known.
    pub objects: Option<Boxes>,
    /// Names of the formats that list it.
    pub formats: Vec<&'static str>,
    /// Numbers that stand for the origin and the source, from the provenance.
    pub origin: Option<u64>,
    pub source: Option<u64>,
    /// `None` if it could not be decoded.
    pub likeness: Option<Fingerprint>,
    /// Hash of the file.
    pub content: u64,
}

impl Record {
    pub(super) fn new(
        picture: Picture,
        format: &'static Format,
        likeness: Option<Fingerprint>,
        content: u64,
    ) -> Self {
        let mut record = Record {
            objects: picture
                .labels
                .objects
                .as_ref()
                .map(|_| boxes(&picture.labels)),
            class: picture.labels.class,
            file: picture.file,
            split: picture.split,
            formats: vec![format.name],
            origin: None,
            source: None,
            likeness,
            content,
        };
        record.learn(picture.provenance.as_ref());
        record
    }

    fn learn(&mut self, provenance: Option<&Provenance>) {
        if let Some(provenance) = provenance {
            self.origin = Some(number(&provenance.origin));
            self.source = Some(number(&provenance.source));
        }
    }

    /// The classes that the picture shows, each once.
    pub(super) fn classes(&self) -> Vec<&str> {
        let objects = self
            .objects
            .iter()
            .flatten()
            .map(|(class, _)| class.as_str());
        let mut classes: Vec<&str> = objects.chain(self.class.as_deref()).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    pub(super) fn boxes(&self) -> Boxes {
        self.objects.clone().unwrap_or_default()
    }

    pub(super) fn doubt(&self, kind: &'static str, problem: String) -> Doubt {
        Doubt {
            kind,
            place: self.file.display().to_string(),
            problem,
            picture: Some((self.file.clone(), self.boxes())).filter(|(file, _)| file.is_file()),
        }
    }
}

/// Classes and boxes of the known objects.
pub(super) fn boxes(labels: &Labels) -> Boxes {
    let objects = labels.objects().iter();
    objects.map(|o| (o.class.clone(), o.bbox_xywh)).collect()
}

/// How far the boxes of two formats may differ, in pixels: formats round.
const SLACK: f32 = 0.05;

/// Compares what another format says about a picture, and learns what only that says.
pub(super) fn compare(
    record: &mut Record,
    picture: &Picture,
    format: &'static Format,
    report: &mut Report,
) {
    record.formats.push(format.name);
    record.learn(picture.provenance.as_ref());
    let mut problems = Vec::new();
    if let (Some(known), Some(other)) = (&record.split, &picture.split)
        && known != other
    {
        problems.push((
            "split",
            format!("is in `{known}`, but in `{other}` in {}", format.name),
        ));
    }
    match (&record.class, &picture.labels.class) {
        (Some(known), Some(other)) if known != other => {
            problems.push((
                "class",
                format!("is `{known}`, but `{other}` in {}", format.name),
            ));
        }
        (None, other) => record.class.clone_from(other),
        _ => {}
    }
    match (&record.objects, &picture.labels.objects) {
        (Some(known), Some(other)) if !format.holds.oriented && !is_equal(known, other) => {
            let extent = picture
                .extent
                .map(|extent| [extent.width as f32, extent.height as f32]);
            let problem = unlike(known, &boxes(&picture.labels), extent);
            let problem =
                problem.map(|problem| ("agreement", format!("{problem} in {}", format.name)));
            problems.extend(problem);
        }
        (None, Some(_)) => record.objects = Some(boxes(&picture.labels)),
        _ => {}
    }
    for (kind, problem) in problems {
        report.doubt(record.doubt(kind, problem));
    }
}

/// Whether the boxes of two formats are the same, as those of almost all pictures are.
fn is_equal(known: &[(String, [f32; 4])], other: &[Object]) -> bool {
    let is_same = |((class, bbox), other): (&(String, [f32; 4]), &Object)| {
        *class == other.class && is_near(bbox, &other.bbox_xywh)
    };
    known.len() == other.len() && known.iter().zip(other).all(is_same)
}

fn is_near(one: &[f32; 4], other: &[f32; 4]) -> bool {
    one.iter().zip(other).all(|(a, b)| (a - b).abs() <= SLACK)
}

/// How the objects of two formats differ. Some formats leave out or clip what lies beyond the frame.
fn unlike(
    known: &[(String, [f32; 4])],
    other: &[(String, [f32; 4])],
    extent: Option<[f32; 2]>,
) -> Option<String> {
    let clipped = |all: &[(String, [f32; 4])]| -> Boxes {
        let clip = |(class, [x, y, w, h]): &(String, [f32; 4])| {
            let [right, bottom] = extent.unwrap_or([f32::MAX; 2]);
            let (left, top) = (x.max(0.0), y.max(0.0));
            let (right, bottom) = ((x + w).min(right), (y + h).min(bottom));
            let inside = left < right && top < bottom;
            inside.then(|| (class.clone(), [left, top, right - left, bottom - top]))
        };
        all.iter().filter_map(clip).collect()
    };
    let (known, other) = (clipped(known), clipped(other));
    if known.len() != other.len() {
        return Some(format!("has {} objects, but {}", known.len(), other.len()));
    }
    for (number, ((class, bbox), (other_class, other_box))) in known.iter().zip(&other).enumerate()
    {
        if class != other_class {
            return Some(format!(
                "has object {number} as `{class}`, but as `{other_class}`"
            ));
        }
        if !is_near(bbox, other_box) {
            return Some(format!(
                "has the box of object {number} (`{class}`) elsewhere than"
            ));
        }
    }
    None
}

/// Doubts classes of pictures that are unlike those of almost all others of the same model.
pub(super) fn sources(records: &[Record], report: &mut Report) {
    const LEAST: u64 = 5;
    let mut votes: HashMap<u64, BTreeMap<&str, u64>> = HashMap::new();
    let voters = records
        .iter()
        .filter_map(|r| Some((r, r.source?, r.class.as_deref()?)));
    for (_, source, class) in voters.clone() {
        *votes.entry(source).or_default().entry(class).or_default() += 1;
    }
    for (record, source, class) in voters {
        let classes = &votes[&source];
        let all: u64 = classes.values().sum();
        let Some((usual, count)) = classes.iter().max_by_key(|(_, count)| **count) else {
            continue;
        };
        if all >= LEAST && *usual != class && *count * 10 >= all * 9 {
            let problem =
                format!("is `{class}`, but {count} of {all} pictures of its model are `{usual}`");
            report.doubt(record.doubt("class", problem));
        }
    }
}

/// Doubts pictures that began as the same render, photo or track as one in another split.
pub(super) fn origins(records: &[Record], report: &mut Report) {
    let mut first: HashMap<u64, &Record> = HashMap::new();
    for record in records {
        let Some(origin) = record.origin else {
            continue;
        };
        let known = *first.entry(origin).or_insert(record);
        if known.split != record.split {
            let split = known.split.as_deref().unwrap_or("no split");
            let problem = format!(
                "has the same origin as {} in `{split}`",
                known.file.display()
            );
            report.doubt(record.doubt("split", problem));
        }
    }
}
