//! The report of a run: one self-contained HTML page, written at the end of every run.
//!
//! It draws what stages exhibit, and around that what the run's record says. It knows no stage, and is
//! not one: times and cache hits differ from run to run. What is missing or cannot be read is left out
//! with a line that says so, so a failed run has its report too.

mod charts;
mod dag;
mod exhibition;
mod exhibits;
mod figures;
pub mod format;
mod histogram;
mod lineage;
mod matrix;
mod overview;
mod page;
mod pictures;
mod scale;
mod table;
mod verdict;

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::artifact::run::RunRecord;
use crate::stage::StageKind;
use crate::stage::exhibit::Figure;
use crate::{Error, Result};

use exhibition::Exhibition;

/// Writes the report of a run whose stages are of these `kinds`: one HTML file that needs no other file
/// and no network. Returns the figures that the stages exhibit, each with the id of its stage.
///
/// # Errors
/// If `path` cannot be written. Artifacts that cannot be read are not an error.
pub fn write(
    record: &RunRecord,
    kinds: &[&StageKind],
    path: &Path,
) -> Result<Vec<(String, Figure)>> {
    let exhibition = Exhibition::of(record, kinds);
    let page = page::page(&exhibition).into_string();
    std::fs::write(path, page).map_err(|e| Error::io(path, e))?;
    Ok(exhibition.into_figures())
}
