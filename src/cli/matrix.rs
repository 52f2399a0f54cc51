//! `verismo run` of a pipeline with a `[matrix]`: every point of the grid, then one comparison.

use std::path::Path;

use serde_json::json;

use super::comparison::{Comparison, settings_in_words};
use super::run::{Machine, prepare, run_once};
use super::{plan, say};
use crate::pipeline::plan::Choice;
use crate::pipeline::spec::Spec;
use crate::{Error, Result};

/// Runs every point; one that fails is told in the comparison, and the others still run.
///
/// Nothing is published: which point came last says nothing about which is best.
///
/// # Errors
/// The first error of a point, after all have run; at once where the user stops them.
pub fn execute(points: &[Spec], outputs: &Path, choice: &Choice, machine: &Machine) -> Result<()> {
    if machine.dry_run {
        for point in points {
            say(format!("\n{}", settings_in_words(&point.point)));
            plan::show(point, outputs, choice, false)?;
        }
        return Ok(());
    }
    prepare(machine)?;
    let Some(first) = points.first() else {
        return Ok(());
    };
    let folder = outputs.join("runs").join(&first.name);
    let mut comparison = Comparison::new(&first.name);
    let mut failed = None;
    for (number, point) in points.iter().enumerate() {
        if !machine.json {
            let settings = settings_in_words(&point.point);
            say(format!("point {}/{}: {settings}", number + 1, points.len()));
        }
        match run_once(point, outputs, choice, machine, false) {
            Ok(outcome) => comparison.add(point, &outcome),
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => {
                comparison.add_failed(point, &error);
                failed.get_or_insert(error);
            }
        }
        // After every point: whoever stops the rest has a table of those that ran.
        if folder.is_dir() {
            comparison.write(&folder)?;
        }
    }
    match machine.json {
        true => say(json!({ "event": "matrix", "comparison": comparison })),
        false => say(format!(
            "\n{}\ntables: {}/matrix.html, matrix.md, matrix.json; nothing was published",
            comparison.in_words(),
            folder.display()
        )),
    }
    failed.map_or(Ok(()), Err)
}
