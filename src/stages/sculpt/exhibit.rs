//! What the making of models shows: figures, curves, and the models of each class, given and made.

use super::looking::{FILE, MODEL, SCULPTED, SHOWN};
use crate::Result;
use crate::artifact::parts;
use crate::models::history;
use crate::stage::exhibit::{
    Content, Evidence, Exhibit, Place, Row, Sheet, Value, Wanted, figures,
};

const SECTION: (Place, &str) = (Place::Work, "Shapes");

/// # Errors
/// If a file of the training cannot be read.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
    let mut exhibits = Vec::new();
    let figures = figures(evidence.summary(), &FIGURES);
    if !figures.is_empty() {
        let chance = None;
        exhibits.push(Exhibit::new(
            SECTION,
            "",
            Content::Figures { figures, chance },
        ));
    }
    let shown = parts::read_part(&evidence.artifact.folder.join(FILE))?;
    for (kind, title, note) in [
        (MODEL, "Given models", "that were learned from, as voxels"),
        (
            SCULPTED,
            "Made models",
            "of each class, from random numbers",
        ),
    ] {
        let of_kind = shown
            .iter()
            .filter(|sample| sample.provenance.transforms == [kind]);
        let samples: Vec<_> = of_kind.cloned().collect();
        let rows = samples.chunk_by(|a, b| a.labels.class == b.labels.class);
        let rows: Vec<Row> = rows
            .map(|samples| Row {
                pictures: samples.iter().cloned().map(Some).collect(),
                caption: samples[0].labels.class.clone().unwrap_or_default(),
                fault: String::new(),
                details: String::new(),
            })
            .collect();
        let widest = rows.iter().map(|row| row.pictures.len()).max();
        let sheet = Sheet {
            columns: vec![String::new(); widest.unwrap_or(0).min(SHOWN)],
            rows,
            labels: false,
        };
        exhibits.push(Exhibit::new(SECTION, title, Content::Pictures(sheet)).with_note(note));
    }
    exhibits.extend(history::exhibit(evidence)?);
    Ok(exhibits)
}

/// The figures of the summary.
const FIGURES: [Wanted; 6] = [
    (
        "coverage",
        "/figures/made/coverage",
        "held-out models that are the nearest one to some that was made",
        Value::Share,
    ),
    (
        "coverage, given",
        "/figures/given/coverage",
        "the same of models that were learned from",
        Value::Share,
    ),
    (
        "distance",
        "/figures/made/minimum_matching_distance",
        "of a held-out model from the nearest that was made, as a share of the grid's side",
        Value::Number,
    ),
    (
        "distance, given",
        "/figures/given/minimum_matching_distance",
        "of a held-out model from the nearest that was learned from",
        Value::Number,
    ),
    (
        "told apart",
        "/figures/made/nearest_neighbour_accuracy",
        "how often the nearest other model is of the same set; 50 % if made and held-out ones are alike",
        Value::Share,
    ),
    (
        "told apart, given",
        "/figures/given/nearest_neighbour_accuracy",
        "the same of models that were learned from",
        Value::Share,
    ),
];
