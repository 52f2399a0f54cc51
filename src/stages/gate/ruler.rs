//! How far renders and translations are from the photos, for the record: no sample is judged by it.

use std::cell::Cell;
use std::fs;

use crate::artifact::files::{read_json, write_json};
use crate::nn::device;
use crate::nn::ruler::{Figures, MOST, Pictures, Sets, Sight, measure};
use crate::stage::exhibit::{Cell as TableCell, Column, Content, Table, Value};
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// What the figures do not depend on: the task network and all settings.
const EXCEPT: &[&str] = &["/inputs/task", "/config"];

/// In the folder of the scope.
const FILE: &str = "ruler.json";

/// The figures of renders, samples and photos, or those that an earlier run measured; `None` without photos.
///
/// # Errors
/// If a picture cannot be read, or the run is interrupted.
pub(super) fn figures(context: &Context) -> Result<Option<Figures>> {
    let Some(photos) = context.inputs.get("photos") else {
        return Ok(None);
    };
    let kept = context.resume.map(|resume| resume.scope(EXCEPT));
    // A file that cannot be read is measured again.
    let known = kept
        .as_ref()
        .and_then(|folder| read_json(&folder.join(FILE), "").ok());
    let figures = match known {
        Some(figures) => figures,
        None => {
            let sets = Sets {
                renders: Pictures::of_artifact(context.input("renders")?, MOST)?,
                translations: Some(Pictures::of_artifact(context.input("samples")?, MOST)?),
                // Photos are also compared with other photos.
                photos: Pictures::of_artifact(photos, 2 * MOST)?,
            };
            let done = Cell::new(0);
            let tick = || {
                done.set(done.get() + 1);
                context.progress(
                    done.get(),
                    Figures::STEPS,
                    "measures the distance to the photos",
                )
            };
            let chosen = device::choose(context.device)?;
            measure(&sets, &context.seed.attempt(1), &chosen, &tick)?
        }
    };
    if let Some(folder) = kept.filter(|folder| !folder.join(FILE).exists()) {
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        let written = context.out.join(FILE);
        write_json(&written, &figures)?;
        // Best effort: if it cannot be kept, a later run measures again.
        let _ = fs::rename(&written, folder.join(FILE));
        let _ = fs::remove_file(&written);
    }
    context.emit(Event::Note {
        text: figures.in_words(),
    });
    Ok(Some(figures))
}

/// A row for photos, renders and translations each.
pub(super) fn table(figures: &Figures) -> Content {
    let row = |name: &str, sight: &Sight, closed: Option<f64>| {
        let accuracy = sight.two_sample.as_ref();
        let number =
            |value: Option<f64>| TableCell::Value(Value::Number(value.unwrap_or(f64::NAN)));
        let share = |value: Option<f64>| TableCell::Value(Value::Share(value.unwrap_or(f64::NAN)));
        vec![
            TableCell::text(name),
            share(accuracy.map(|a| a.accuracy)),
            share(accuracy.map(|a| a.plus_minus)),
            number(sight.distance.map(|d| d.value)),
            number(sight.distance.map(|d| d.low)),
            number(sight.distance.map(|d| d.high)),
            share(closed),
        ]
    };
    let mut rows = vec![
        row("photos", &figures.photos, None),
        row("renders", &figures.renders, None),
    ];
    if let Some(sight) = &figures.translations {
        rows.push(row(
            "translations",
            sight,
            figures.closed.map(|closed| closed.share),
        ));
    }
    let columns = [
        "",
        "told from photos",
        "±",
        "distance to the photos",
        "from",
        "to",
        "distance closed",
    ];
    Content::Table(Table {
        columns: Column::plain(&columns),
        rows,
    })
}
