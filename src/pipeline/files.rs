//! The files that stages read: are they there, and can the stages read them? Asked before anything runs.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::foresee;
use super::spec::{Spec, StageSpec};
use crate::sample::listing;
use crate::{Error, Result};

/// Files named in one message; the others are counted.
const NAMED: usize = 5;

/// Checks that everything that `stages` read from disk exists, and that they can read it.
///
/// # Errors
/// What is missing, at the setting that names it, or what a stage finds wrong.
pub(super) fn check(spec: &Spec, stages: &[&StageSpec]) -> Result<()> {
    let missing: Vec<(&StageSpec, PathBuf)> = stages
        .iter()
        .flat_map(|stage| absent(stage).map(|path| (*stage, path)))
        .collect();
    if let [(stage, path), others @ ..] = &missing[..] {
        return Err(missing_error(spec, stage, path, others));
    }
    for stage in stages {
        let givens = foresee::givens(stage, &spec.stages, &BTreeMap::new());
        let checked = stage.stage.check_files(&givens);
        checked.map_err(|misfit| foresee::error(&spec.source, stage, misfit))?;
    }
    Ok(())
}

/// The files of a stage that do not exist.
fn absent(stage: &StageSpec) -> impl Iterator<Item = PathBuf> {
    let is_absent = |path: &PathBuf| {
        let found = std::fs::metadata(path);
        found.is_err_and(|e| matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
    };
    stage.stage.files().into_iter().filter(is_absent)
}

fn missing_error(
    spec: &Spec,
    stage: &StageSpec,
    path: &Path,
    others: &[(&StageSpec, PathBuf)],
) -> Error {
    let position = stage.positions.of_path(path);
    let mut remedy = "relative paths start from the current folder".to_owned();
    if let Some(set) = stage.positions.set_path(&stage.id, path) {
        remedy += &format!("; to change the path: {set}");
    }
    if !others.is_empty() {
        let named = others.iter().take(NAMED);
        let named: Vec<String> = named
            .map(|(stage, path)| format!("{} (stage `{}`)", path.display(), stage.id))
            .collect();
        remedy += &format!("\n  also missing: {}", named.join(", "));
        if others.len() > NAMED {
            remedy += &format!(" and {} more", others.len() - NAMED);
        }
    }
    let problem = match listing::is_pattern(path) {
        true => "matches no file",
        false => "does not exist",
    };
    spec.source.error(
        position.unwrap_or(stage.span.clone()),
        format!("stage `{}`: {} {problem}", stage.id, path.display()),
        remedy,
    )
}
