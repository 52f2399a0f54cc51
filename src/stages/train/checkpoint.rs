//! The state of a training on disk: all that the next step depends on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::faults::Fault;
use super::schedule::Plateau;
use crate::models::Adapter;
use crate::seed::Position;
use crate::{Error, Result};

/// A point of the curves: losses are means since the point before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub step: u64,
    pub values: BTreeMap<String, f64>,
}

/// What the loop knows beside the model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// Restarts so far.
    pub restarts: u64,
    /// Where the stream that draws batches stands.
    pub stream: Position,
    pub plateau: Plateau,
    /// Steps for which the discriminator has been always right.
    pub saturated: u64,
    pub history: Vec<Point>,
    /// Losses since the last point, and how many steps they are of.
    pub sums: BTreeMap<String, f64>,
    pub summed: u64,
    /// Every fault at the step at which it was first seen.
    pub faults: Vec<(u64, Fault)>,
    /// The step whose networks are kept, and its score, higher for better.
    pub kept: Option<(u64, f64)>,
}

impl State {
    /// Before the first step.
    pub fn new(stream: Position) -> Self {
        State {
            step: 0,
            restarts: 0,
            stream,
            plateau: Plateau::default(),
            saturated: 0,
            history: Vec::new(),
            sums: BTreeMap::new(),
            summed: 0,
            faults: Vec::new(),
            kept: None,
        }
    }
}

/// Writes model and state into `folder`, in place of what was there; a kill leaves the one or the other.
///
/// # Errors
/// Where a file cannot be written.
pub fn save(folder: &Path, model: &dyn Adapter, state: &State) -> Result<()> {
    let next = with_suffix(folder, "next");
    remove(&next)?;
    std::fs::create_dir_all(&next).map_err(|e| Error::io(&next, e))?;
    model.save_state(&next)?;
    let path = next.join(FILE);
    let text = serde_json::to_vec(state)
        .map_err(|e| Error::failed(path.display(), e, "report this as a bug"))?;
    std::fs::write(&path, text).map_err(|e| Error::io(&path, e))?;
    remove(folder)?;
    std::fs::rename(&next, folder).map_err(|e| Error::io(folder, e))
}

/// Loads what [`save`] wrote.
///
/// # Errors
/// Where the folder holds no training of this model.
pub fn load(folder: &Path, model: &mut dyn Adapter) -> Result<State> {
    let path = folder.join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    model.load_state(folder)?;
    serde_json::from_str(&text)
        .map_err(|e| Error::failed(path.display(), e, "remove the folder and train again"))
}

const FILE: &str = "training.json";

fn with_suffix(folder: &Path, suffix: &str) -> PathBuf {
    folder.with_added_extension(suffix)
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder, e)),
        _ => Ok(()),
    }
}
