//! What the user wants to look at: a file or folder, or the newest result of a stage.

use std::path::{Path, PathBuf};

use crate::artifact::run::RunRecord;
use crate::cli::unreadable;
use crate::pipeline::cache::Cache;
use crate::pipeline::records;
use crate::pipeline::spec::Spec;
use crate::pipeline::suggest;
use crate::stages::STAGES;
use crate::{Error, Result};

/// The folder of the newest result of `stage`, where `path` is a pipeline file, an output folder, or a folder of
/// runs or of one run in it.
///
/// # Errors
/// If there is no such run, or it has no such stage.
pub(super) fn of_stage(path: &Path, stage: &str, outputs: &Path) -> Result<PathBuf> {
    let (outputs, runs) = runs_of(path, outputs)?;
    if runs.is_empty() {
        return Err(Error::usage(
            path.display(),
            format!("has no runs in {}", outputs.display()),
            format!("run the pipeline first: verismo run {}", path.display()),
        ));
    }
    let find = |run: &RunRecord| {
        let found = run.stages.iter().find(|known| known.id == stage)?;
        let folder = Cache::new(&outputs).place_of(&found.folder);
        folder.exists().then_some(folder)
    };
    runs.iter().find_map(find).ok_or_else(|| {
        let mut ids: Vec<&str> = runs
            .iter()
            .flat_map(|run| run.stages.iter().map(|known| known.id.as_str()))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        Error::usage(
            format!("{} {stage}", path.display()),
            "no run has a result of this stage that is still in the cache",
            suggest::remedy(stage, "stages", &ids),
        )
    })
}

/// Whether `path` names runs, so that a stage has to be chosen; the ids of the newest.
pub(super) fn stages_of(path: &Path, outputs: &Path) -> Option<Vec<String>> {
    let is_pipeline = path
        .extension()
        .is_some_and(|extension| extension == "toml");
    if !is_pipeline && !holds_runs(path) {
        return None;
    }
    let (_, runs) = runs_of(path, outputs).ok()?;
    let ids = runs
        .first()
        .map(|run| run.stages.iter().map(|stage| stage.id.clone()).collect());
    Some(ids.unwrap_or_default())
}

fn holds_runs(path: &Path) -> bool {
    path.join("runs").is_dir()
        || path.join("run.json").is_file()
        || path.parent().is_some_and(|parent| parent.ends_with("runs")) && path.is_dir()
}

/// The output folder, and the runs that `path` names, newest first.
fn runs_of(path: &Path, outputs: &Path) -> Result<(PathBuf, Vec<RunRecord>)> {
    if path.is_file() {
        let name = Spec::read(path, &[], STAGES)?.name;
        let runs = records::of_pipeline(outputs, &name).collect();
        return Ok((outputs.to_path_buf(), runs));
    }
    let above = |levels: usize| {
        let real = std::fs::canonicalize(path).map_err(|e| Error::io(path, e))?;
        let outputs = real.ancestors().nth(levels).map(Path::to_path_buf);
        outputs.ok_or_else(|| unreadable(path, "is not in an output folder"))
    };
    if path.join("run.json").is_file() {
        let text =
            std::fs::read_to_string(path.join("run.json")).map_err(|e| Error::io(path, e))?;
        let run = serde_json::from_str(&text)
            .map_err(|e| unreadable(path, &format!("has an unreadable run.json: {e}")))?;
        return Ok((above(3)?, vec![run]));
    }
    if path.join("runs").is_dir() {
        let mut runs: Vec<RunRecord> = records::all(path)?
            .into_iter()
            .map(|run| run.record)
            .collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.started));
        return Ok((path.to_path_buf(), runs));
    }
    if !holds_runs(path) {
        return Err(unreadable(
            path,
            "is neither a pipeline file nor a folder of runs",
        ));
    }
    let outputs = above(2)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let runs = records::of_pipeline(&outputs, &name).collect();
    Ok((outputs, runs))
}
