//! What the training shows: figures, curves, and clips that it animates.

use super::looking::{COLUMNS, FILE};
use crate::Result;
use crate::artifact::parts;
use crate::models::history;
use crate::stage::exhibit::{
    Content, Evidence, Exhibit, Place, Row, Sheet, Value, Wanted, figures,
};

const SECTION: (Place, &str) = (Place::Work, "Motion");

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
    let rows = shown.chunks(COLUMNS.len()).map(|samples| Row {
        pictures: samples.iter().cloned().map(Some).collect(),
        caption: samples[0].labels.class.clone().unwrap_or_default(),
        fault: String::new(),
        details: String::new(),
    });
    let sheet = Sheet {
        columns: COLUMNS.map(String::from).to_vec(),
        rows: rows.collect(),
        labels: false,
    };
    let clips = Exhibit::new(SECTION, "Animated renders", Content::Pictures(sheet));
    exhibits.push(clips.with_note(
        "what the first frame of a clip becomes, beside what it should become, the last",
    ));
    exhibits.extend(history::exhibit(evidence)?);
    Ok(exhibits)
}

/// The figures of the summary.
const FIGURES: [Wanted; 5] = [
    (
        "points astray",
        "/figures/animated/points",
        "pixels between key points and what is read in animated pictures of held-out clips",
        Value::Number,
    ),
    (
        "astray, not moved",
        "/figures/repeated/points",
        "the same in sources that do not move",
        Value::Number,
    ),
    (
        "astray, renders",
        "/figures/points_of_renders",
        "the same in the renders themselves: how well points are read",
        Value::Number,
    ),
    (
        "difference",
        "/figures/animated/difference_object",
        "of animated objects from the renders', 0..1",
        Value::Share,
    ),
    (
        "difference, not moved",
        "/figures/repeated/difference_object",
        "the same of sources that do not move",
        Value::Share,
    ),
];
