//! emit: a dataset to publish, in the formats that recognisers are trained from.
//!
//! The samples are read twice, part by part: a [`Survey`] first, which also refuses samples whose
//! labels are gone; then every writer is handed each sample in turn. The bytes depend on nothing
//! but the samples and the configuration: no dates, sorted order. Adding a format means one new
//! file and one line in [`WRITERS`].

mod card;
mod checksums;
mod coco;
mod folders;
mod format;
mod huggingface;
mod manifest;
mod rejected;
mod survey;

#[cfg(test)]
mod tests;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use format::Format;
pub use rejected::FILE as REJECTED;
pub use survey::Survey;

use crate::artifact::{Kind, parts};
use crate::sample::Sample;
use crate::stage::{Context, Input, Stage, StageKind, parse};
use crate::{Error, Result};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "emit",
    about: "a dataset to publish: class folders, COCO, Hugging Face, manifest, card, checksums",
    version: 4,
    inputs: &[
        Input::required(
            "samples",
            Kind::Samples,
            "labelled samples, with their split",
        ),
        Input::optional(
            "gate",
            Kind::Samples,
            "the gate that they passed, to list what it rejected",
        ),
    ],
    output: Kind::Dataset,
    parse: parse::<Emit>,
    schema: || schemars::schema_for!(Emit),
};

/// One entry of the registry of dataset formats.
pub struct WriterKind {
    /// What `formats` calls it.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    /// Whether it is written whatever `formats` says, as others refer to its files.
    pub required: bool,
    pub open: for<'a> fn(&Plan<'a>) -> Result<Box<dyn Writer + 'a>>,
}

/// Every format. `SHA256SUMS` is not one of them: it is written last, over all their files.
pub const WRITERS: &[WriterKind] = &[
    WriterKind {
        name: "folders",
        about: "SPLIT/CLASS/ID.png and classes.txt, as torchvision's ImageFolder reads them",
        required: true,
        open: folders::open,
    },
    WriterKind {
        name: "manifest",
        about: "manifest.parquet: a row an image, with its provenance and hash",
        required: true,
        open: manifest::open,
    },
    WriterKind {
        name: "card",
        about: "README.md: what the dataset holds, how it was made, how to load it",
        required: true,
        open: card::open,
    },
    WriterKind {
        name: "coco",
        about: "annotations/instances_SPLIT.json: boxes, masks and keypoints",
        required: false,
        open: coco::open,
    },
    WriterKind {
        name: "huggingface",
        about: "SPLIT/metadata.jsonl, as the imagefolder loader of Hugging Face reads it",
        required: false,
        open: huggingface::open,
    },
];

/// Writes one format below [`Plan::out`].
pub trait Writer {
    /// Takes the next image; they come in the order of the input.
    ///
    /// # Errors
    /// Where a file cannot be written.
    fn add(&mut self, entry: &Entry) -> Result<()>;

    /// Writes what stands after the last image.
    ///
    /// # Errors
    /// Where a file cannot be written.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What a writer knows before the first image.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// The dataset's folder.
    pub out: &'a Path,
    pub config: &'a Emit,
    pub survey: &'a Survey,
}

/// One image of the dataset.
pub struct Entry<'a> {
    pub sample: &'a Sample,
    pub class: &'a str,
    pub split: &'static str,
    /// Relative to the dataset's folder, e.g. `train/one/augment-000012.png`.
    pub file: String,
}

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
    pub formats: Vec<Format>,
}

impl Default for Emit {
    fn default() -> Self {
        Emit {
            name: "dataset".into(),
            version: None,
            description: None,
            license: None,
            formats: Format::all(),
        }
    }
}

impl Emit {
    /// The writers to use, in the order of the registry.
    fn writers(&self) -> impl Iterator<Item = &'static WriterKind> {
        WRITERS.iter().filter(|kind| self.writes(kind.name))
    }

    /// Whether the format `name` is written.
    pub fn writes(&self, name: &str) -> bool {
        let required = |kind: &WriterKind| kind.required && kind.name == name;
        WRITERS.iter().any(required) || self.formats.iter().any(|format| format.name() == name)
    }
}

impl Stage for Emit {
    fn check(&self) -> Result<(), String> {
        for (key, value) in [
            ("name", Some(&self.name)),
            ("version", self.version.as_ref()),
        ] {
            if value.is_some_and(|value| !is_folder_name(value)) {
                return Err(format!(
                    "`{key}` names a folder; use letters, digits, `-`, `_` and `.`, a letter or digit first"
                ));
            }
        }
        Ok(())
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let input = context.input("samples")?;
        let mut survey = Survey::of(context, input)?;
        survey.rejected = rejected::write(context, survey.gated)?;
        let plan = Plan {
            out: context.out,
            config: self,
            survey: &survey,
        };
        let mut writers = self
            .writers()
            .map(|kind| (kind.open)(&plan))
            .collect::<Result<Vec<_>>>()?;
        let mut done = 0;
        for path in input.parts() {
            for sample in parts::read_part(&path)? {
                let entry = Entry::of(context, &sample)?;
                for writer in &mut writers {
                    writer.add(&entry)?;
                }
                done += 1;
                context.progress(done, input.manifest.count, "writing")?;
            }
        }
        for writer in writers {
            writer.finish()?;
        }
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

impl<'a> Entry<'a> {
    /// # Errors
    /// Where the sample has no class, or one that cannot name a folder.
    fn of(context: &Context, sample: &'a Sample) -> Result<Self> {
        let Some(class) = sample.labels.class.as_deref() else {
            return Err(Error::failed(
                context.id,
                format!(
                    "emit refuses samples whose labels are gone: {} has no class",
                    sample.id
                ),
                "emit what comes from labelled renders, through a model that keeps labels",
            ));
        };
        if class.is_empty() || class.starts_with('.') || class.contains(['/', '\\', '\0', '\n']) {
            return Err(Error::failed(
                context.id,
                format!("the class {class:?} of {} cannot name a folder", sample.id),
                "rename the class in the render's configuration",
            ));
        }
        let split = match sample.provenance.split.as_deref() {
            Some("val") => "val",
            _ => "train",
        };
        Ok(Entry {
            sample,
            class,
            split,
            file: format!("{split}/{class}/{}.png", sample.id),
        })
    }
}

/// Whether `text` can stand in a path on every system.
fn is_folder_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain)
}

/// Creates `path` and the folders above it.
fn create(path: &Path) -> Result<std::io::BufWriter<std::fs::File>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    let file = std::fs::File::create(path).map_err(|e| Error::io(path, e))?;
    Ok(std::io::BufWriter::new(file))
}
