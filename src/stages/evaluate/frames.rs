//! Photos with true and found objects drawn in, and what was missed and invented in them, for the report.

use std::collections::BTreeMap;

use super::shown::{Photo, Shown};
use crate::Result;
use crate::models::album::ObjectBox;
use crate::sample::{Mask, Object, Sample};
use crate::stage::exhibit::{Content, Evidence, Exhibit, Place, Row, Section, Sheet};
use crate::tasks::Detection;
use crate::tasks::detection::{SURE, compared};

const SECTION: Section = (Place::Results, "Objects on test photos");

/// The photos that the stage chose to show; nothing if these are not at hand.
///
/// # Errors
/// If a file cannot be read.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Option<Exhibit>> {
    let (Some(shown), Some(test)) = (
        Shown::read(&evidence.artifact.folder)?,
        evidence.input("test"),
    ) else {
        return Ok(None);
    };
    let mut rows = Vec::new();
    for photo in &shown.photos {
        if let Some(sample) = test.find(&photo.id)? {
            rows.push(row(&shown, photo, &sample));
        }
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let truth = "true boxes".to_owned();
    let sheet = Sheet {
        columns: std::iter::once(truth)
            .chain(shown.recognisers.clone())
            .collect(),
        rows,
        labels: true,
    };
    let note = format!(
        "the best, median and worst by the score of each photo; boxes found with a confidence of at least {:.0} %",
        100.0 * SURE
    );
    Ok(Some(
        Exhibit::new(SECTION, "", Content::Pictures(sheet)).with_note(note),
    ))
}

fn row(shown: &Shown, photo: &Photo, sample: &Sample) -> Row {
    let name = |class: usize| shown.classes.get(class).map_or("?", String::as_str);
    let with = |objects: Vec<Object>| {
        let mut sample = sample.clone();
        sample.labels.objects = Some(objects);
        Some(sample)
    };
    let truth = |(place, object): (usize, &ObjectBox)| Object {
        mask: photo.masks.get(place).cloned().flatten(),
        ..Object::new(name(object.class), object.bbox_xywh)
    };
    let objects = photo.objects.iter().enumerate().map(truth);
    let mut pictures = vec![with(objects.collect())];
    let mut faults = Vec::new();
    for (place, (recogniser, found)) in shown.recognisers.iter().zip(&photo.found).enumerate() {
        let masks = photo.found_masks.get(place).map_or(&[][..], Vec::as_slice);
        let outcome = compared(&photo.objects, found);
        let right = outcome.pairs.iter().map(|(_, one)| one);
        let drawn = right.chain(&outcome.invented).map(|one| {
            let class = format!("{} {:.0} %", name(one.class), 100.0 * one.score);
            Object {
                mask: mask_of(one, found, masks).cloned(),
                ..Object::new(class, one.bbox_xywh)
            }
        });
        pictures.push(with(drawn.collect()));
        let missed = outcome
            .missed
            .iter()
            .map(|&place| name(photo.objects[place].class));
        let invented = outcome.invented.iter().map(|one| name(one.class));
        let confused = outcome.pairs.iter().filter_map(|(place, one)| {
            let truth = photo.objects[*place].class;
            (truth != one.class).then(|| format!("{} as {}", name(truth), name(one.class)))
        });
        let parts = [
            ("missed", counted(missed.map(str::to_owned))),
            ("invented", counted(invented.map(str::to_owned))),
            ("took", counted(confused)),
        ];
        let told = parts.into_iter().filter(|(_, what)| !what.is_empty());
        let told: Vec<String> = told.map(|(verb, what)| format!("{verb} {what}")).collect();
        if !told.is_empty() {
            faults.push(format!("{recogniser} {}", told.join(", ")));
        }
    }
    Row {
        caption: format!(
            "{}: {}, {} {:.0} %, {} objects",
            photo.kind,
            sample.provenance.source,
            shown.metric,
            100.0 * photo.score,
            photo.objects.len()
        ),
        pictures,
        fault: faults.join("; "),
        details: String::new(),
    }
}

/// The mask of one of these detections.
fn mask_of<'a>(one: &Detection, found: &[Detection], masks: &'a [Mask]) -> Option<&'a Mask> {
    masks.get(found.iter().position(|other| other == one)?)
}

/// `2 × four, six`.
fn counted(names: impl Iterator<Item = String>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let told = counts.into_iter().map(|(name, count)| match count {
        1 => name,
        count => format!("{count} × {name}"),
    });
    told.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::picture_of;

    #[test]
    fn what_was_missed_and_invented_is_told_by_recogniser() {
        let boxes = [
            [0.0, 0.0, 9.0, 9.0],
            [20.0, 0.0, 9.0, 9.0],
            [40.0, 0.0, 9.0, 9.0],
        ];
        let object = |class, bbox_xywh| ObjectBox::new(class, bbox_xywh);
        let found = |class, bbox_xywh| Detection {
            class,
            bbox_xywh,
            score: 0.9,
        };
        let shown = Shown {
            classes: vec!["four".into(), "six".into()],
            recognisers: vec!["source_only".into(), "adapted".into()],
            metric: "mAP50–95".into(),
            photos: Vec::new(),
        };
        let photo = Photo {
            id: "photos-000001".into(),
            kind: "worst".into(),
            score: 0.25,
            masks: Vec::new(),
            found_masks: Vec::new(),
            objects: vec![
                object(0, boxes[0]),
                object(0, boxes[1]),
                object(1, boxes[2]),
            ],
            found: vec![
                vec![found(1, boxes[2]), found(1, [60.0, 60.0, 9.0, 9.0])],
                vec![found(1, boxes[0]), found(0, boxes[1]), found(1, boxes[2])],
            ],
        };
        let row = row(&shown, &photo, &picture_of(80, 80));
        assert_eq!(
            row.fault,
            "source_only missed 2 × four, invented six; adapted took four as six"
        );
        assert_eq!(row.caption, "worst: picture.png, mAP50–95 25 %, 3 objects");
        let drawn: Vec<usize> = row
            .pictures
            .iter()
            .map(|picture| picture.as_ref().unwrap().labels.objects().len())
            .collect();
        assert_eq!(drawn, [3, 2, 3]);
    }
}
