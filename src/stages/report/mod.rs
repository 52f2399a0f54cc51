//! report: one self-contained HTML page about a run, written at the end of every run.
//!
//! No stage of a pipeline: it reads the run's record and whatever artifacts that names. What is
//! missing or unreadable is left out with a line saying so, so a failed run has its report too.

mod believed;
mod charts;
mod dag;
mod evaluation;
mod evidence;
mod gate;
mod gates;
mod pages;
mod pictures;
mod recognisers;
mod tables;
pub mod words;

#[cfg(test)]
mod example;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::artifact::run::RunRecord;
use crate::{Error, Result};

/// Writes the report of a run: one HTML file that needs no other file and no network.
///
/// # Errors
/// Where `path` cannot be written. Artifacts that cannot be read are no error.
pub fn write(record: &RunRecord, path: &Path) -> Result<()> {
    let evidence = evidence::Evidence::gather(record);
    let page = pages::page(&evidence).into_string();
    std::fs::write(path, page).map_err(|e| Error::io(path, e))
}
