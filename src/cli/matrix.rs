//! `verismo run` for a pipeline with a `[matrix]`: runs every point of the grid, then compares them.

use std::path::Path;

use serde_json::json;

use super::comparison::{MatrixComparison, format_settings};
use super::run::{Machine, prepare, run_once};
use super::{plan, print_line};
use crate::pipeline::plan::Choice;
use crate::pipeline::spec::Spec;
use crate::{Error, Result};

/// Runs every point; if one fails, the comparison says so and the others still run.
///
/// Nothing is published, since the last point is not necessarily the best.
///
/// # Errors
/// The first error of a point, after all have run; immediately if the user interrupts.
pub(super) fn execute(
    points: &[Spec],
    outputs: &Path,
    choice: &Choice,
    machine: &Machine,
) -> Result<()> {
    if machine.dry_run {
        for point in points {
            print_line(format!("\n{}", format_settings(&point.point)));
            plan::show(point, outputs, choice, machine.device, false)?;
        }
        return Ok(());
    }
    prepare(machine)?;
    let Some(first) = points.first() else {
        return Ok(());
    };
    let folder = outputs.join("runs").join(&first.name);
    let mut comparison = MatrixComparison::new(&first.name);
    let mut failed = None;
    for (number, point) in points.iter().enumerate() {
        if !machine.json {
            let settings = format_settings(&point.point);
            print_line(format!("point {}/{}: {settings}", number + 1, points.len()));
        }
        match run_once(point, outputs, choice, machine, false) {
            Ok(outcome) => comparison.add(point, &outcome),
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => {
                comparison.add_failed(point, &error);
                failed.get_or_insert(error);
            }
        }
        // Written after every point, so that an interrupted matrix leaves a table of the points that ran.
        if folder.is_dir() {
            comparison.write(&folder)?;
        }
    }
    match machine.json {
        true => print_line(json!({ "event": "matrix", "comparison": comparison })),
        false => print_line(format!(
            "\n{}\ntables: {}/matrix.html, matrix.md, matrix.json; nothing was published",
            comparison.format_table(),
            folder.display()
        )),
    }
    failed.map_or(Ok(()), Err)
}
