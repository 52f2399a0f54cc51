//! What the training of a generator shows: figures, curves, what it draws of each class, and what it learned from that
//! is nearest.

use std::collections::BTreeMap;

use super::looking::{DRAWN, FILE, NEAREST, SHOWN, WAY};
use crate::Result;
use crate::artifact::parts;
use crate::models::history;
use crate::sample::Sample;
use crate::stage::exhibit::{
    Content, Evidence, Exhibit, Place, Row, Sheet, Value, Wanted, figures,
};

const SECTION: (Place, &str) = (Place::Work, "Generator");

/// # Errors
/// If a file of the training cannot be read.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
    let mut exhibits = vec![Exhibit::new(
        SECTION,
        "",
        Content::Figures {
            figures: figures(evidence.summary(), &FIGURES),
            chance: None,
        },
    )];
    let shown = parts::read_part(&evidence.artifact.folder.join(FILE))?;
    let mut by_kind: BTreeMap<(&str, &str), Vec<&Sample>> = BTreeMap::new();
    for sample in &shown {
        let kind = sample.provenance.transforms.first().map_or("", |text| text);
        let class = sample.labels.class.as_deref().unwrap_or_default();
        by_kind.entry((kind, class)).or_default().push(sample);
    }
    for (kind, title, note) in [
        (DRAWN, "What it draws", "of each class, from random numbers"),
        (
            WAY,
            "From one to another",
            "what lies between the first two: without jumps where it has learned what varies",
        ),
        (
            NEAREST,
            "Nearest pictures",
            "of those that were learned from, to the ones that it draws",
        ),
    ] {
        let rows = by_kind.iter().filter(|((other, _), _)| *other == kind);
        let rows: Vec<Row> = rows
            .map(|((_, class), samples)| row(class, samples))
            .collect();
        if !rows.is_empty() {
            let sheet = Sheet {
                columns: vec![String::new(); SHOWN.min(rows[0].pictures.len())],
                rows,
                labels: false,
            };
            exhibits.push(Exhibit::new(SECTION, title, Content::Pictures(sheet)).with_note(note));
        }
    }
    exhibits.extend(history::exhibit(evidence)?);
    Ok(exhibits)
}

fn row(class: &str, samples: &[&Sample]) -> Row {
    Row {
        pictures: samples
            .iter()
            .map(|sample| Some((*sample).clone()))
            .collect(),
        caption: class.to_owned(),
        fault: String::new(),
        details: String::new(),
    }
}

/// The figures of the summary.
const FIGURES: [Wanted; 10] = [
    (
        "told apart",
        "/figures/renders/two_sample/accuracy",
        "how often a classifier tells generated pictures from others; 50 % is guessing",
        Value::Share,
    ),
    (
        "distance",
        "/figures/renders/distance/value",
        "of generated pictures from those that were learned from",
        Value::Number,
    ),
    (
        "floor",
        "/figures/photos/distance/value",
        "the distance of those from one another",
        Value::Number,
    ),
    (
        "precision",
        "/figures/fidelity/precision",
        "generated pictures that look like some that were learned from",
        Value::Share,
    ),
    (
        "recall",
        "/figures/fidelity/recall",
        "of what was learned from, what looks like some generated pictures",
        Value::Share,
    ),
    (
        "repetition",
        "/repeated/share",
        "generated pictures nearer to one learned from than nine in ten held out; 10 % is usual",
        Value::Share,
    ),
    (
        "as told",
        "/told/known/right",
        "pictures with the brightness and colour that their captions say",
        Value::Share,
    ),
    (
        "as told, unseen",
        "/told/unseen/right",
        "the same, in combinations that were not learned from",
        Value::Share,
    ),
    (
        "bits, learned from",
        "/bits/known",
        "that a value takes in pictures that were learned from",
        Value::Number,
    ),
    (
        "bits, held out",
        "/bits/held_out",
        "that a value takes in others",
        Value::Number,
    ),
];
