//! The list of models, for a stage that learns their shapes.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::names;
use super::list::{self, Listed, Source};
use super::model::Model;
use super::{cast, formats, sizes};
use crate::Result;
use crate::stage::shapes::{Shape, ShapeList};
use crate::stage::{Context, Event, Misfit};

/// Models as [`super::Mesh`] lists them, each with a class.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ModelList(Vec<Listed>);

impl ModelList {
    /// All files. What is wrong with the list, `classes` says.
    fn sources(&self) -> Vec<Source> {
        list::expand(&self.0).unwrap_or_default()
    }
}

impl ShapeList for ModelList {
    fn files(&self) -> Vec<PathBuf> {
        let sources = self.sources();
        let files = sources.iter();
        files
            .flat_map(|source| formats::files(&source.path))
            .collect()
    }

    fn classes(&self) -> Result<Vec<String>, String> {
        if self.0.is_empty() {
            return Err(
                "`models` names no model; list yours with their classes, e.g. `models = [{ path = \
                 \"chairs/*.obj\", class = \"chair\" }]`"
                    .into(),
            );
        }
        let own = |problem: String| problem.replace("`mesh.models`", "`models`");
        let sources = list::check(&self.0).map_err(own)?;
        if let Some(other) = self.0.iter().find(|listed| listed.has_weight_or_material()) {
            return Err(format!(
                "`weight` and `material` of {} have no effect on shapes; leave them out",
                other.path().display()
            ));
        }
        if let Some(nameless) = sources.iter().find(|source| source.class.is_none()) {
            let path = nameless.path.display();
            return Err(format!(
                "`models` does not say what {path} is; give its class: `{{ path = \"{path}\", class = \"chair\" }}`"
            ));
        }
        names::check(&list::classes(&sources), cast::REMEDY)?;
        let mut classes: Vec<String> = sources.into_iter().filter_map(|s| s.class).collect();
        classes.sort();
        classes.dedup();
        Ok(classes)
    }

    fn check_files(&self) -> Result<(), Misfit> {
        let sources = self.sources();
        sources
            .iter()
            .try_for_each(|source| formats::check(&source.path))
    }

    fn read(&self, context: &Context, each: &mut dyn FnMut(Shape) -> Result<()>) -> Result<()> {
        let sources = self.sources();
        for (number, source) in sources.iter().enumerate() {
            let (done, all) = (number as u64, sources.len() as u64);
            context.progress(done, all, "models read")?;
            // Metres, unless the entry has a `scale`: this list has no `unit_metres`.
            let model = Model::read(source, 1.0, &|| context.check_interrupt())?;
            for text in sizes::warnings(std::slice::from_ref(&model)) {
                context.emit(Event::Warning { text });
            }
            each(Shape {
                class: source.class.clone().unwrap_or_default(),
                triangles: model.triangle_corners().collect(),
                path: model.path,
            })?;
        }
        Ok(())
    }
}
