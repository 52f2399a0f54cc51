//! emit: a dataset to publish, in the formats that recognisers are trained from.
//!
//! The samples are read twice, part by part: a [`Survey`] first, which also refuses samples whose
//! labels are gone; then every writer is handed each sample in turn. The bytes depend on nothing
//! but the samples and the configuration: no dates, sorted order.

mod card;
mod checksums;
mod exhibit;
mod maps;
mod rejected;
mod survey;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use rejected::FILE as REJECTED;
pub use survey::Survey;

use crate::artifact::files::{FOLDER_NAME, is_folder_name};
use crate::artifact::{Kind, parts};
use crate::formats::{self, Entry, FORMATS, Format, FormatName};
use crate::sample::Sample;
use crate::sample::maps::MapName;
use crate::stage::{Context, DatasetName, Input, Stage, StageKind, parse};
use crate::{Error, Result};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "emit",
    about: "a dataset to publish: class folders, COCO, Hugging Face, manifest, card, checksums",
    version: 5,
    inputs: &[
        Input::required(
            "samples",
            Kind::Samples,
            "labelled samples, with their split",
        ),
        Input::optional(
            "gate",
            Kind::Judged,
            "the gate that they passed, to list what it rejected",
        ),
    ],
    output: Kind::Dataset,
    parse: parse::<Emit>,
    schema: || schemars::schema_for!(Emit),
    exhibit: exhibit::exhibit,
};

/// The usual splits, in the order in which they are listed; others follow by their names. All images of
/// samples that were not divided are in the first.
const SPLITS: [&str; 3] = ["train", "val", "test"];

/// Configuration of `emit`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Emit {
    /// The dataset's name, and that of its folder.
    pub name: String,
    /// Its version; if left out, it follows from the content.
    pub version: Option<String>,
    /// What it shows, for the data card.
    pub description: Option<String>,
    /// The identifier of its licence, e.g. `cc-by-4.0`.
    pub license: Option<String>,
    /// The formats to write, beside class folders, manifest and card.
    pub formats: Vec<FormatName>,
    /// The maps to write as PNGs of their own, `maps/NAME/SPLIT/ID.png`, e.g. `["depth"]`; what a sample does
    /// not have is left out.
    pub maps: Vec<MapName>,
}

impl Default for Emit {
    fn default() -> Self {
        Emit {
            name: "dataset".into(),
            version: None,
            description: None,
            license: None,
            formats: FormatName::all(),
            maps: Vec::new(),
        }
    }
}

impl Emit {
    /// The formats to write, in the order of the registry.
    fn formats(&self) -> impl Iterator<Item = &'static Format> {
        FORMATS.iter().filter(|format| self.writes(format))
    }

    /// Whether a format is written.
    fn writes(&self, format: &Format) -> bool {
        let chosen = |name: &FormatName| name.format().name == format.name;
        format.required || self.formats.iter().any(chosen)
    }
}

impl Stage for Emit {
    fn check(&self) -> Result<(), String> {
        for (key, value) in [
            ("name", Some(&self.name)),
            ("version", self.version.as_ref()),
        ] {
            if value.is_some_and(|value| !is_folder_name(value)) {
                return Err(format!("`{key}` names a folder: {FOLDER_NAME}"));
            }
        }
        Ok(())
    }

    fn dataset(&self) -> Option<DatasetName<'_>> {
        Some(DatasetName {
            name: &self.name,
            version: self.version.as_deref(),
        })
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let input = context.input("samples")?;
        let mut survey = Survey::of(context, input)?;
        survey.rejected = rejected::write(context, survey.gated)?;
        let plan = formats::Plan {
            out: context.out,
            name: &self.name,
            version: self.version.as_deref(),
            description: self.description.as_deref(),
            license: self.license.as_deref(),
            images: &survey.images,
            categories: &survey.categories,
        };
        let mut writers = self
            .formats()
            .map(|format| (format.write)(&plan))
            .collect::<Result<Vec<_>>>()?;
        let mut done = 0;
        for path in input.parts() {
            for sample in parts::read_part(&path)? {
                let entry = entry(context, &sample)?;
                for writer in &mut writers {
                    writer.add(&entry)?;
                }
                maps::write(context.out, &self.maps, &entry)?;
                done += 1;
                context.progress(done, input.manifest.count, "writing")?;
            }
        }
        for writer in writers {
            writer.finish()?;
        }
        card::write(context.out, self, &survey)?;
        checksums::write(context, done)?;
        let mut summary = serde_json::json!({
            "name": self.name,
            "version": self.version,
            "images": survey.images,
        });
        if let Some(rejected) = survey.rejected {
            summary["rejected"] = rejected.into();
        }
        Ok(summary)
    }
}

/// # Errors
/// If nothing is known of the sample, or its class or split cannot name a folder.
fn entry<'a>(context: &Context, sample: &'a Sample) -> Result<Entry<'a>> {
    let class = sample.labels.class.as_deref();
    if class.is_none() && sample.labels.objects.is_none() {
        return Err(Error::failed(
            context.id,
            format!(
                "emit refuses samples whose labels are gone: {} has neither a class nor objects",
                sample.id
            ),
            "emit what comes from labelled renders, through a model that keeps labels",
        ));
    }
    let forbidden =
        |c: &str| c.is_empty() || c.starts_with('.') || c.contains(['/', '\\', '\0', '\n']);
    if let Some(class) = class.filter(|class| forbidden(class)) {
        return Err(Error::failed(
            context.id,
            format!("the class {class:?} of {} cannot name a folder", sample.id),
            "rename the class in the render's configuration",
        ));
    }
    let split = sample.provenance.split.as_deref().unwrap_or(SPLITS[0]);
    if !is_folder_name(split) {
        return Err(Error::failed(
            context.id,
            format!("the split {split:?} of {} cannot name a folder", sample.id),
            FOLDER_NAME,
        ));
    }
    let folder = class.map_or(split.to_owned(), |class| format!("{split}/{class}"));
    Ok(Entry {
        sample,
        class,
        split,
        file: format!("{folder}/{}.png", sample.id),
    })
}
