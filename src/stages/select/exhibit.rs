//! What a selection shows: how many it took by each condition, where the ends of its ranges lie, and some of what was
//! taken and left.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::judging::{FILE, Judged, Spread};
use crate::Result;
use crate::artifact::{parts, table};
use crate::sample::Sample;
use crate::stage::exhibit::{
    Cell, Column, Content, Evidence, Exhibit, Figure, Histogram, Place, Row, Section, Sheet, Table,
    Value, examples,
};

/// Samples shown of those taken, and of those left.
const SHOWN: usize = 16;

const SECTION: Section = (Place::Work, "Selection");

/// The exhibits of a selection, with pictures from what it chose from.
///
/// # Errors
/// If the table or a part cannot be read.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
    let judged: Vec<Judged> = table::read(&evidence.artifact.folder.join(FILE))?;
    let summary = evidence.summary();
    let looks = Vec::<Spread>::deserialize(&summary["looks"]).unwrap_or_default();
    let show = |title: &str, content| Exhibit::new(SECTION, title, content);
    let mut exhibits = vec![show("", figures(summary))];
    let conditions = summary["conditions"].as_str().unwrap_or_default();
    if !conditions.is_empty() {
        let text = format!("Only of {conditions}.");
        exhibits.push(show("Of these", Content::Text(text)));
    }
    if !looks.is_empty() {
        let by = summary["by"].as_str().unwrap_or_default();
        let note = match by {
            "rank" => "ranges of ranks among all that was measured, 0 to 1",
            _ => "ranges of the measured values",
        };
        exhibits.push(show("Conditions", conditions_table(&looks, judged.len())).with_note(note));
        let histograms = looks.iter().enumerate();
        let histograms = histograms.map(|(place, look)| histogram(place, look, &judged));
        exhibits.push(
            show("Measured", Content::Histograms(histograms.collect()))
                .with_note("blue: taken, red: left"),
        );
    }
    let sheet = sheet(evidence)?;
    if !sheet.rows.is_empty() {
        exhibits.push(
            show("Examples", Content::Pictures(sheet)).with_note("taken, and beside it left"),
        );
    }
    Ok(exhibits)
}

fn figures(summary: &serde_json::Value) -> Content {
    let count = |key: &str| summary["samples"][key].as_u64().unwrap_or(0);
    let (read, taken) = (count("read"), count("taken"));
    let share = taken as f64 / read.max(1) as f64;
    let figures = [
        ("taken", Value::Count(taken), "samples taken"),
        ("taken share", Value::Share(share), "of all samples"),
    ];
    Content::Figures {
        figures: figures
            .map(|(name, value, about)| Figure::new(name, value, about))
            .into(),
        chance: None,
    }
}

fn conditions_table(looks: &[Spread], origins: usize) -> Content {
    let number = |value: f64| Cell::Value(Value::Number(value));
    let row = |look: &Spread| {
        let [low, high] = look.range;
        let mut cells = vec![
            Cell::text(&look.measure),
            Cell::text(&look.about),
            Cell::text(format!("{low} to {high}")),
        ];
        cells.extend(look.measured.map(number));
        cells.push(Cell::share(look.within as f64 / origins.max(1) as f64));
        cells
    };
    Content::Table(Table {
        columns: Column::plain(&[
            "measure", "meaning", "range", "least", "median", "most", "within",
        ]),
        rows: looks.iter().map(row).collect(),
    })
}

/// What was measured, by whether it was taken.
fn histogram(place: usize, look: &Spread, judged: &[Judged]) -> Histogram {
    let side = |taken: bool| {
        let side = judged.iter().filter(|origin| origin.taken == taken);
        side.map(|origin| origin.values[place]).collect()
    };
    Histogram {
        name: look.measure.clone(),
        passed: side(true),
        failed: side(false),
        // A range has two ends.
        limit: f64::NAN,
    }
}

/// Rows of one sample that was taken and one that was left, as far as they are at hand.
fn sheet(evidence: &Evidence) -> Result<Sheet> {
    let mut ids = BTreeSet::new();
    for path in evidence.artifact.parts() {
        ids.extend(parts::read_ids(&path)?);
    }
    let of = |wanted: bool| -> Result<Vec<Sample>> {
        let Some(input) = evidence.input("samples") else {
            return Ok(Vec::new());
        };
        let fit = |sample: &Sample| ids.contains(&sample.id) == wanted;
        let mut found = examples(input.parts(), SHOWN, 1, fit)?;
        found.truncate(SHOWN);
        Ok(found.into_iter().map(|(_, sample)| sample).collect())
    };
    let (taken, left) = (of(true)?, of(false)?);
    let row = |place: usize| Row {
        pictures: vec![taken.get(place).cloned(), left.get(place).cloned()],
        caption: String::new(),
        fault: String::new(),
        details: String::new(),
    };
    Ok(Sheet {
        columns: ["taken", "left"].map(String::from).into(),
        rows: (0..taken.len().max(left.len())).map(row).collect(),
        labels: false,
    })
}
