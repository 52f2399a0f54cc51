//! Lists of 3D models as triangle meshes, for stages that learn shapes; the registry says which stage's list that is.

use std::path::PathBuf;

use glam::Vec3A;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Context, Misfit};
use crate::Result;

/// The surface of a model.
pub struct Shape {
    /// What the list says that it is.
    pub class: String,
    /// Its file, as the list names it.
    pub path: String,
    /// Corners in metres, +y up.
    pub triangles: Vec<[Vec3A; 3]>,
}

/// A list of model files in a pipeline file, each with its class.
pub trait ShapeList:
    Serialize + DeserializeOwned + JsonSchema + Default + Send + Sync + 'static
{
    /// Every file that is read.
    fn files(&self) -> Vec<PathBuf>;

    /// The classes of the list, sorted.
    ///
    /// # Errors
    /// If the list is empty, an entry is wrong, or it names no class.
    fn classes(&self) -> Result<Vec<String>, String>;

    /// Checks that the files are of formats that can be read.
    ///
    /// # Errors
    /// The first that is not.
    fn check_files(&self) -> Result<(), Misfit>;

    /// Reads all models, one after another, and gives `each` of them away.
    ///
    /// # Errors
    /// If one cannot be read, the run is interrupted, and those of `each`.
    fn read(&self, context: &Context, each: &mut dyn FnMut(Shape) -> Result<()>) -> Result<()>;
}
