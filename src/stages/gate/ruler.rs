//! How far renders and translations are from the photos, for the record: no sample is judged by it.

use std::cell::Cell;
use std::fs;

use crate::artifact::files::{read_json, write_json};
use crate::artifact::soundness::{check_seal, seal};
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
    // What cannot be read or was damaged is measured again.
    let known = kept.as_ref().and_then(|folder| {
        check_seal(folder, "").ok()?;
        read_json(&folder.join(FILE), "").ok()
    });
    let is_known = known.is_some();
    let figures = match known {
        Some(figures) => figures,
        None => {
            // Half of them are learned from.
            let read = |artifact| Pictures::of_artifact(artifact, 2 * MOST);
            let sets = Sets {
                renders: read(context.input("renders")?)?,
                translations: Some(read(context.input("samples")?)?),
                photos: read(photos)?,
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
    if let Some(folder) = kept.filter(|_| !is_known) {
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        let written = context.out.join(FILE);
        write_json(&written, &figures)?;
        // Best effort: if it cannot be kept, a later run measures again.
        if fs::rename(&written, folder.join(FILE)).is_ok() {
            let _ = seal(&folder);
        }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use serde_json::json;

    use super::*;
    use crate::artifact::resume::Resume;
    use crate::sample::image::encode_png;
    use crate::sample::{Domain, Sample};
    use crate::seed::Seed;
    use crate::stage::{DeviceChoice, Share};
    use crate::testing;

    /// Shapes, each picture changed.
    fn changed(seed: u64, domain: Domain, change: fn(u8) -> u8) -> Vec<Sample> {
        let mut samples = testing::shapes(44, 16, seed);
        for sample in &mut samples {
            let mut pixels = sample.pixels().unwrap();
            pixels.iter_mut().for_each(|value| *value = change(*value));
            sample.image = encode_png(&pixels).unwrap();
            sample.provenance.domain = domain;
            sample.provenance.source = format!("{}.jpg", sample.id);
        }
        samples
    }

    #[test]
    fn figures_are_told_shown_and_not_measured_again_for_another_limit() {
        let folders = [(); 5].map(|()| tempfile::tempdir().unwrap());
        let publish = |place: usize, samples: Vec<Sample>| {
            testing::publish(folders[place].path(), &samples, 16)
        };
        // Translations are half as dark again as renders, and photos are bright.
        let inputs = BTreeMap::from([
            (
                "renders",
                publish(0, changed(1, Domain::Render, |value| value / 4)),
            ),
            (
                "samples",
                publish(1, changed(1, Domain::Translated, |value| value / 2)),
            ),
            (
                "photos",
                publish(2, changed(2, Domain::Photo, |value| value)),
            ),
        ]);
        let steps = Mutex::new(0);
        let notes = Mutex::new(Vec::new());
        let figures = |limit: f64| {
            let ingredients = json!({ "config": { "edges": limit }, "inputs": { "photos": "a" } });
            let resume = Resume::new(folders[3].path(), "gate", ingredients, false, &|| Ok(()));
            figures(&Context {
                id: "gate",
                seed: Seed::new(1, "gate"),
                inputs: inputs.clone(),
                share: Share::All,
                out: folders[4].path(),
                resume: Some(&resume),
                part_size: 16,
                device: DeviceChoice::Cpu,
                events: &|event| match event {
                    Event::Progress { .. } => *steps.lock().unwrap() += 1,
                    Event::Note { text } => notes.lock().unwrap().push(text),
                    _ => {}
                },
                interrupted: &AtomicBool::new(false),
            })
        };
        let first = figures(0.5).unwrap().unwrap();
        let taken = *steps.lock().unwrap();
        assert!(taken > 1000 && taken <= Figures::STEPS, "{taken}");
        assert_eq!(figures(0.6).unwrap().unwrap(), first);
        assert_eq!(*steps.lock().unwrap(), taken);
        assert_eq!(std::fs::read_dir(folders[4].path()).unwrap().count(), 0);

        let accuracy = first.renders.two_sample.as_ref().unwrap().accuracy;
        assert!(accuracy > 0.8, "{first:?}");
        let closed = first.closed.unwrap();
        assert!((0.1..1.0).contains(&closed.share), "{first:?}");
        let notes = notes.into_inner().unwrap();
        assert!(notes[0].contains("translations close"), "{notes:?}");
        let Content::Table(table) = table(&first) else {
            panic!("no table");
        };
        assert_eq!(table.rows.len(), 3);
        assert!(
            table
                .rows
                .iter()
                .all(|row| row.len() == table.columns.len())
        );
    }
}
