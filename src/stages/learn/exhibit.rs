//! What the training of a generator shows: figures, curves, what it draws of each class, and what it learned from that
//! is nearest.

use std::collections::BTreeMap;

use super::looking::{DRAWN, FILE, NEAREST, SHOWN, WAY};
use crate::Result;
use crate::artifact::parts;
use crate::models::history;
use crate::sample::Sample;
use crate::stage::exhibit::{Content, Evidence, Exhibit, Figure, Place, Row, Sheet, Tone, Value};

const SECTION: (Place, &str) = (Place::Work, "Generator");

/// # Errors
/// If a file of the training cannot be read.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
    let mut exhibits = vec![Exhibit::new(
        SECTION,
        "",
        Content::Figures {
            figures: figures(&evidence.artifact.manifest.summary),
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

/// A figure's name, what it tells, where it stands in the summary, and its kind.
type Wanted = (&'static str, &'static str, &'static str, fn(f64) -> Value);

fn figures(summary: &serde_json::Value) -> Vec<Figure> {
    let at = |path: &str| summary.pointer(path).and_then(serde_json::Value::as_f64);
    let share = Value::Share;
    let number = Value::Number;
    let wanted: [Wanted; 10] = [
        (
            "told apart",
            "how often a classifier tells generated pictures from others; 50 % is guessing",
            "/figures/renders/two_sample/accuracy",
            share,
        ),
        (
            "distance",
            "of generated pictures from those that were learned from",
            "/figures/renders/distance/value",
            number,
        ),
        (
            "floor",
            "the distance of those from one another",
            "/figures/photos/distance/value",
            number,
        ),
        (
            "precision",
            "generated pictures that look like some that were learned from",
            "/figures/fidelity/precision",
            share,
        ),
        (
            "recall",
            "of what was learned from, what looks like some generated pictures",
            "/figures/fidelity/recall",
            share,
        ),
        (
            "repetition",
            "generated pictures nearer to one learned from than nine in ten held out; 10 % is usual",
            "/repeated/share",
            share,
        ),
        (
            "as told",
            "pictures with the brightness and colour that their captions say",
            "/told/known/right",
            share,
        ),
        (
            "as told, unseen",
            "the same, in combinations that were not learned from",
            "/told/unseen/right",
            share,
        ),
        (
            "bits, learned from",
            "that a value takes in pictures that were learned from",
            "/bits/known",
            number,
        ),
        (
            "bits, held out",
            "that a value takes in others",
            "/bits/held_out",
            number,
        ),
    ];
    let figure = |(name, about, path, value): Wanted| {
        Some(Figure {
            name: name.to_owned(),
            about: about.to_owned(),
            value: value(at(path)?),
            spread: None,
            counts: Vec::new(),
            tone: Tone::Series(0),
            headline: None,
        })
    };
    wanted.into_iter().filter_map(figure).collect()
}
