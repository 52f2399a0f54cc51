//! What the stage shows: the frames of some sources, with their labels.

use crate::Result;
use crate::artifact::parts;
use crate::sample::Sample;
use crate::stage::exhibit::{Content, Evidence, Exhibit, Place, Row, Sheet};

/// Sources that are shown.
const ROWS: usize = 8;

/// Frames of each that are shown.
const COLUMNS: usize = 6;

/// # Errors
/// If a part cannot be read.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
    let mut samples = Vec::new();
    for path in evidence.artifact.parts() {
        samples.extend(parts::read_part(&path)?);
        if clips(&samples).count() > ROWS {
            break;
        }
    }
    let rows: Vec<Row> = clips(&samples).take(ROWS).map(row).collect();
    let Some(columns) = rows.iter().map(|row| row.pictures.len()).max() else {
        return Ok(Vec::new());
    };
    let sheet = Sheet {
        columns: vec![String::new(); columns],
        rows,
        labels: true,
    };
    let section = (Place::Work, "Motion");
    let sources = Exhibit::new(section, "Animated sources", Content::Pictures(sheet));
    Ok(vec![sources.with_note(
        "frames of single pictures, with the labels of the renders that they follow",
    )])
}

fn clips(samples: &[Sample]) -> impl Iterator<Item = &[Sample]> {
    samples.chunk_by(|a, b| a.provenance.parent == b.provenance.parent)
}

/// Some frames of a clip, at equal distances.
fn row(frames: &[Sample]) -> Row {
    let count = frames.len().min(COLUMNS);
    let chosen = (0..count).map(|place| &frames[place * (frames.len() - 1) / (count - 1).max(1)]);
    Row {
        pictures: chosen.cloned().map(Some).collect(),
        caption: frames[0].labels.class.clone().unwrap_or_default(),
        fault: String::new(),
        details: String::new(),
    }
}
