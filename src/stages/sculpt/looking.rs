//! Looking at shapes: sheets of what the generator draws, what the report shows, and how like held-out models it is.

use std::path::Path;

use serde_json::{Value, json};

use super::data::Shapes;
use super::grid::Grid;
use super::measures::{self, Figures, SurfaceDistances};
use super::picture::{self, picture};
use super::{MADE, MOST_COMPARED};
use crate::artifact::parts;
use crate::generators::gan3d::{self, Sculptor};
use crate::generators::kind::normal;
use crate::sample::image::{contact_sheet, encode_png};
use crate::stage::Context;
use crate::stage::exhibit::made_up;
use crate::stage::finding::{Finding, Level, percent};
use crate::{Error, Result};

/// Examples of each class that are shown.
pub(super) const SHOWN: usize = 8;

/// The first of the streams that sheets are drawn from.
const SHEET_STREAMS: u64 = MADE / 2;

/// What the report shows.
pub(super) const FILE: &str = "shown.parquet";

/// What a picture of [`FILE`] shows, as its transform says.
pub(super) const MODEL: &str = "given";
pub(super) const SCULPTED: &str = "made";

/// Writes a sheet of what the generator draws, a row for each class, to `path`.
///
/// # Errors
/// If it cannot be written.
pub(super) fn sheet(
    context: &Context,
    shapes: &Shapes,
    sculptor: &Sculptor,
    path: &Path,
) -> Result<()> {
    const CLASSES: usize = 10;
    let mut pictures = Vec::new();
    let classes = shapes.classes.len();
    for class in 0..classes.min(CLASSES) {
        let stream = |turn: usize| {
            let number = SHEET_STREAMS + (class * SHOWN + turn) as u64;
            normal(sculptor.numbers(), &mut context.seed.stream(number))
        };
        let latents: Vec<Vec<f32>> = (0..SHOWN).map(stream).collect();
        let drawn = gan3d::draw(sculptor, &[class; SHOWN], &latents, classes);
        pictures.extend(drawn.iter().map(|values| picture(&shapes.part_of(values))));
    }
    let png = encode_png(&contact_sheet(&pictures, SHOWN as u32, picture::SIDE))?;
    std::fs::write(path, png).map_err(|e| Error::io(path, e))
}

/// Writes what the report shows, and compares what was made, and what was learned from, with held-out models.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn look(
    context: &Context,
    shapes: &Shapes,
    made: &[(usize, Grid)],
    summary: &mut Value,
) -> Result<Vec<Finding>> {
    show(context, shapes, made)?;
    // Of every class that has models held out.
    let (mut figures, mut known) = (Vec::new(), Vec::new());
    for class in 0..shapes.classes.len() {
        context.check_interrupt()?;
        let of_class = made.iter().filter(|(other, _)| *other == class);
        let ours: Vec<&Grid> = of_class.map(|(_, grid)| grid).collect();
        let some = |grids: &[&Grid]| SurfaceDistances::some(grids, MOST_COMPARED);
        let held_out = some(&shapes.of_class(class, &shapes.held_out));
        figures.extend(measures::compare(&some(&ours), &held_out));
        let given = some(&shapes.of_class(class, &shapes.known));
        known.extend(measures::compare(&given, &held_out));
    }
    let (figures, known) = (Figures::mean(&figures), Figures::mean(&known));
    summary["figures"] = json!({ "made": figures, "given": known });
    Ok(vec![match figures.zip(known) {
        Some((made, given)) => told(&made, &given),
        None => Finding::new(
            Level::Note,
            "shapes",
            "not compared",
            "too few models are held out, or made, to tell how like them the made ones are",
        )
        .with_advice("give more models, or raise `held_out` and `per_class`"),
    }])
}

/// What the figures come to.
fn told(made: &Figures, given: &Figures) -> Finding {
    let text = format!(
        "the models that were made are the nearest ones to {} of the held-out ones (coverage; {} for models that were \
         learned from), and the nearest neighbour tells both sets apart in {} of cases (50 % would be guessing; {})",
        percent(made.coverage),
        percent(given.coverage),
        percent(made.nearest_neighbour_accuracy),
        percent(given.nearest_neighbour_accuracy),
    );
    // Far below one half, too, the sets are not alike.
    let level = match (made.nearest_neighbour_accuracy - 0.5).abs() {
        ..0.25 => Level::Good,
        ..0.45 => Level::Note,
        _ => Level::Warning,
    };
    let finding = Finding::new(level, "shapes", percent(made.coverage), text);
    match level {
        Level::Good => finding,
        _ => finding.with_advice("raise `steps`, or give more models to learn from"),
    }
}

fn show(context: &Context, shapes: &Shapes, made: &[(usize, Grid)]) -> Result<()> {
    let mut samples = Vec::new();
    for (class, name) in shapes.classes.iter().enumerate() {
        let of_class = |(other, _): &&(usize, Grid)| *other == class;
        let given = shapes.known.iter().map(|number| &shapes.grids[*number]);
        let given = given.filter(of_class).map(|pair| (MODEL, pair));
        let made = made.iter().filter(of_class).map(|pair| (SCULPTED, pair));
        for (what, (_, grid)) in given.take(SHOWN).chain(made.take(SHOWN)) {
            let index = samples.len() as u64;
            samples.push(made_up(index, name, what, &picture(grid))?);
        }
    }
    parts::write_part(&context.out.join(FILE), &samples)
}
