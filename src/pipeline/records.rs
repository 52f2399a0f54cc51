//! The records of earlier runs below `outputs/runs`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::artifact::run::RunRecord;
use crate::{Error, Result};

/// A run that left a record.
pub struct Recorded {
    /// `outputs/runs/PIPELINE/RUN`.
    pub folder: PathBuf,
    /// The content of the folder's `run.json`.
    pub record: RunRecord,
}

/// Every run with a record, pipeline by pipeline, newest first.
///
/// # Errors
/// If a record exists but cannot be read: what it needs is then unknown.
pub fn all(outputs: &Path) -> Result<Vec<Recorded>> {
    let mut found = Vec::new();
    for pipeline in folders(&outputs.join("runs")) {
        let mut runs = Vec::new();
        for folder in folders(&pipeline) {
            runs.extend(read(folder)?);
        }
        // Runs that started in the same second have a number appended to their name.
        let age = |run: &Recorded| {
            (
                run.record.started,
                run.record.run.len(),
                run.record.run.clone(),
            )
        };
        runs.sort_by_key(|run| std::cmp::Reverse(age(run)));
        found.extend(runs);
    }
    Ok(found)
}

/// Characters of the time in the name of a run.
const SECONDS: usize = 15;

/// The runs of one pipeline, newest first, each read when it is asked for; those whose record cannot be read
/// are left out.
pub fn of_pipeline(outputs: &Path, name: &str) -> impl Iterator<Item = RunRecord> {
    let mut runs = folders(&outputs.join("runs").join(name));
    // Named after the time; a number is appended to those of the same second.
    runs.sort_by_key(|folder| {
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        std::cmp::Reverse((name.get(..SECONDS).map(str::to_owned), name.len(), name))
    });
    let records = runs
        .into_iter()
        .filter_map(|folder| read(folder).ok().flatten());
    records.map(|recorded| recorded.record)
}

/// The runs that published the dataset in `folder`, newest first.
///
/// # Errors
/// As [`all`], and if the folder does not exist.
pub fn that_published(outputs: &Path, folder: &Path) -> Result<Vec<Recorded>> {
    let real = fs::canonicalize(folder).map_err(|e| Error::io(folder, e))?;
    let own = name_and_version(&real);
    let mut runs = all(outputs)?;
    runs.retain(|run| {
        let mut made = run.record.datasets.values();
        made.any(|folder| name_and_version(folder) == own)
    });
    // Runs of different pipelines; within one pipeline they are already in order.
    runs.sort_by_key(|run| std::cmp::Reverse(run.record.started));
    Ok(runs)
}

/// `NAME/VERSION` of a dataset's folder, wherever the output folder is.
pub fn name_and_version(folder: &Path) -> Option<PathBuf> {
    let name = folder.parent()?.file_name()?;
    Some(Path::new(name).join(folder.file_name()?))
}

/// The run in a folder; `None` if it was killed before it wrote a record.
fn read(folder: PathBuf) -> Result<Option<Recorded>> {
    let path = folder.join("run.json");
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    let record = serde_json::from_str(&text).map_err(|e| {
        Error::failed(
            path.display(),
            format!("is not a run record: {e}"),
            "remove the run's folder if you no longer need it",
        )
    })?;
    Ok(Some(Recorded { folder, record }))
}

/// Visible subfolders, sorted; excludes links such as `latest`.
pub fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}
