//! Stages: functions (config, input artifacts, seed) → artifact, and the context that they run in.

pub mod checkpoints;
pub mod exhibit;
pub mod ffmpeg;
pub mod finding;
mod foresight;
mod partwise;
pub mod shapes;
pub mod table;

pub use partwise::{generated, mapped};

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::artifact::resume::Resume;
use crate::artifact::{Artifact, Kind};
use crate::sample::listing::{self, LeftOut};
use crate::seed::Seed;
use crate::{Error, Result};

use exhibit::{Evidence, Exhibit};
pub use foresight::{Effort, Facts, Forecast, Given, Givens, LEAVES_DISCRIMINATOR, Misfit};

/// A configured stage. Implemented by its configuration struct.
pub trait Stage: Resolved + Send + Sync {
    /// Files and folders outside the cache that the stage reads, relative to the working folder; the cache
    /// key includes their contents.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Checks what types cannot: ranges, mutually exclusive options.
    ///
    /// # Errors
    /// Returns the problem and its remedy as text.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Looks at [`Stage::files`], all of which exist, as far as that is quick: whether they are of a kind that
    /// the stage can read, and fit what is known of the inputs. Before a run, nothing else would notice until the
    /// stage begins.
    ///
    /// # Errors
    /// Which file or setting is wrong, and the remedy.
    fn check_files(&self, _inputs: &Givens) -> Result<(), Misfit> {
        Ok(())
    }

    /// What the result will be like, given what is known of the inputs. Reads no more than [`Stage::check`] does.
    ///
    /// # Errors
    /// If the stage could not work with these inputs.
    fn foresee(&self, _inputs: &Givens) -> Result<Facts, Misfit> {
        Ok(Facts::default())
    }

    /// Hears of the classes that the pipeline file lists for what the stage reads, in their order, before anything
    /// else is asked of it. A stage that numbers classes keeps them in its configuration, and so in its key.
    fn take_classes(&mut self, _classes: &[String]) {}

    /// How many samples the result will have, and how much work it is to make it. May list folders.
    fn forecast(&self, _inputs: &Givens) -> Forecast {
        Forecast::default()
    }

    /// The share of the work that a stopped or a smaller run has left for this one to reuse, 0..1.
    fn left_over(&self, _resume: &Resume, _inputs: &Givens) -> f64 {
        0.0
    }

    /// The dataset that the stage makes, or `None` if it makes none.
    fn dataset(&self) -> Option<DatasetName<'_>> {
        None
    }

    /// Does the work, writing to `context.out`; returns the summary for `artifact.json`.
    ///
    /// # Errors
    /// If the work fails. The contents of `context.out` are then discarded.
    fn run(&self, context: &Context) -> Result<serde_json::Value>;
}

/// Where a dataset is published: `outputs/datasets/NAME/VERSION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatasetName<'a> {
    /// Names the folder that holds all versions.
    pub name: &'a str,
    /// `None`: derived from the content.
    pub version: Option<&'a str>,
}

/// The full configuration with defaults filled in, as it enters the cache key.
pub trait Resolved {
    /// As JSON; a change of any value changes the key.
    fn resolved(&self) -> serde_json::Value;
}

impl<T: Serialize> Resolved for T {
    fn resolved(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a configuration has string keys and finite numbers")
    }
}

/// One entry of the registry of stages.
pub struct StageKind {
    /// The name used in pipeline files.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    /// Raised whenever the same configuration would give different bytes.
    pub version: u32,
    /// Of those that must be given, what it continues comes first.
    pub inputs: &'static [Input],
    /// The kind of artifact that it writes.
    pub output: Kind,
    /// Reads the stage's table. See [`parse`].
    pub parse: Parse,
    /// The JSON Schema of its table, for editors.
    pub schema: fn() -> schemars::Schema,
    /// What it shows of its result, from its own artifact and those of its inputs.
    pub exhibit: fn(&Evidence) -> Result<Vec<Exhibit>>,
}

/// Reads a stage's table.
pub type Parse = fn(Spanned<DeValue>) -> Result<Box<dyn Stage>, toml::de::Error>;

/// An artifact that a stage reads in a given role.
pub struct Input {
    /// What `from` calls the input, e.g. `samples`.
    pub role: &'static str,
    /// The kind of artifact that the role reads; see [`Kind::serves_as`].
    pub kind: Kind,
    /// Whether a pipeline may leave the input out.
    pub need: Need,
    /// What it is, in a few words, for the JSON Schema of pipeline files.
    pub about: &'static str,
}

/// Whether an input must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A pipeline without it is rejected before anything runs.
    Required,
    /// At least one of the stage's `OneOf` inputs must be given.
    OneOf,
    /// The stage also works without it.
    Optional,
}

impl Input {
    /// An input that must be given.
    pub const fn required(role: &'static str, kind: Kind, about: &'static str) -> Self {
        Input {
            role,
            kind,
            need: Need::Required,
            about,
        }
    }

    /// An input that may be left out if another `one_of` input is given.
    pub const fn one_of(role: &'static str, kind: Kind, about: &'static str) -> Self {
        Input {
            role,
            kind,
            need: Need::OneOf,
            about,
        }
    }

    /// An input that may be left out.
    pub const fn optional(role: &'static str, kind: Kind, about: &'static str) -> Self {
        Input {
            role,
            kind,
            need: Need::Optional,
            about,
        }
    }
}

/// The parser of a configuration struct, for [`StageKind::parse`].
///
/// # Errors
/// The first unknown key or wrong value, with its place.
pub fn parse<C: Stage + DeserializeOwned + 'static>(
    value: Spanned<DeValue>,
) -> Result<Box<dyn Stage>, toml::de::Error> {
    Ok(Box::new(C::deserialize(ValueDeserializer::from(value))?))
}

/// The device that networks run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A real GPU if there is one, otherwise the CPU.
    Auto,
    /// Always there, and the reference for reproducible results.
    Cpu,
    /// The n-th GPU through wgpu.
    Gpu(usize),
    /// The n-th GPU through CUDA.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    /// Reads `auto`, `cpu`, `gpu`, `gpu:N`, `cuda` or `cuda:N`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => (
                name,
                index
                    .parse()
                    .map_err(|_| format!("`{index}` is not a number"))?,
            ),
            None => (text, 0),
        };
        match name {
            "auto" if !text.contains(':') => Ok(DeviceChoice::Auto),
            "cpu" if !text.contains(':') => Ok(DeviceChoice::Cpu),
            "gpu" => Ok(DeviceChoice::Gpu(index)),
            "cuda" => Ok(DeviceChoice::Cuda(index)),
            _ => Err("choose auto, cpu, gpu, gpu:N, cuda or cuda:N".into()),
        }
    }
}

/// What a stage reports while it works. Only the command line displays it.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// `done` of `total` units; `note` holds e.g. the losses.
    Progress {
        /// Units finished so far, e.g. samples or training steps.
        done: u64,
        /// All units of the work at hand, counted like `done`.
        total: u64,
        /// A few words beside the progress bar; may be empty.
        note: String,
    },
    /// Named values at a step, for curves.
    Metric {
        /// The training step that the values belong to.
        step: u64,
        /// By name, e.g. each loss; not necessarily finite.
        values: BTreeMap<String, f64>,
    },
    /// Something the user should know about.
    Warning {
        /// Without a full stop; the run's record keeps it.
        text: String,
    },
    /// Something worth one line of output.
    Note {
        /// Without a full stop; it is kept in `events.jsonl` alone.
        text: String,
    },
}

/// How much of its result a stage makes. A stage that must hold all its samples at once always makes all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// Every sample; what pipelines run.
    All,
    /// Only the sample with this index, in a part of its own; for stages that read no samples.
    One(u64),
    /// Only these parts, counted from 0, with the same names and bytes as in the full result. Numbers beyond
    /// the last part are ignored.
    Parts(Range<usize>),
}

impl Share {
    /// Whether the share includes part `number`.
    pub fn has_part(&self, number: usize) -> bool {
        match self {
            Share::All | Share::One(_) => true,
            Share::Parts(numbers) => numbers.contains(&number),
        }
    }
}

/// What a stage runs with: inputs, seed, output folder, and where events go.
pub struct Context<'a> {
    /// The stage's id in the pipeline, e.g. `augment_source`.
    pub id: &'a str,
    /// Derived from the pipeline's seed and the stage's id.
    pub seed: Seed,
    /// By role; optional inputs that the pipeline leaves out are missing.
    pub inputs: BTreeMap<&'static str, Artifact>,
    /// How much of its result the stage makes.
    pub share: Share,
    /// A fresh, empty folder.
    pub out: &'a Path,
    /// What earlier runs left to reuse, if there is a cache.
    pub resume: Option<&'a Resume<'a>>,
    /// Samples per part.
    pub part_size: usize,
    /// What the user asked for; only stages with networks use it.
    pub device: DeviceChoice,
    /// Receives events, possibly from several threads at once; see [`Context::emit`].
    pub events: &'a (dyn Fn(Event) + Sync),
    /// Set after Ctrl-C; see [`Context::check_interrupt`].
    pub interrupted: &'a AtomicBool,
}

impl Context<'_> {
    /// The input with this role.
    ///
    /// # Errors
    /// If the pipeline does not provide it.
    pub fn input(&self, role: &str) -> Result<&Artifact> {
        self.inputs.get(role).ok_or_else(|| {
            Error::usage(
                self.id,
                format!("has no input for the role `{role}`"),
                format!("add `from = {{ {role} = \"STAGE\" }}` to the stage"),
            )
        })
    }

    /// All files of a folder that the user gives, and of its subfolders, sorted. Says which names are left out:
    /// hidden ones, what systems leave behind, and links that lead nowhere.
    ///
    /// # Errors
    /// If a folder cannot be listed.
    pub fn files_of(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let tree = listing::tree(folder, &|| self.check_interrupt())?;
        self.report_left_out(folder, &tree.left_out);
        Ok(tree.files)
    }

    /// Says what a listing of `path` left out.
    pub fn report_left_out(&self, path: &Path, left_out: &LeftOut) {
        if let Some(text) = left_out.note(path) {
            self.emit(Event::Note { text });
        }
        for text in left_out.warnings(path) {
            self.emit(Event::Warning { text });
        }
    }

    /// Sends an event.
    pub fn emit(&self, event: Event) {
        (self.events)(event);
    }

    /// Reports progress, and stops the stage after Ctrl-C.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn progress(&self, done: u64, total: u64, note: impl Into<String>) -> Result<()> {
        self.emit(Event::Progress {
            done,
            total,
            note: note.into(),
        });
        self.check_interrupt()
    }

    /// Reports how many of `total` units earlier runs had already done, if any.
    pub fn report_reused(&self, taken: u64, total: u64, units: &str) {
        if taken == 0 {
            return;
        }
        if let Some(resume) = self.resume {
            resume.note(taken as f64 / total as f64);
        }
        let text = format!("{taken} of {total} {units} carried over from earlier runs");
        self.emit(Event::Note { text });
    }

    /// # Errors
    /// [`Error::Interrupted`] after Ctrl-C.
    pub fn check_interrupt(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        Ok(())
    }
}
