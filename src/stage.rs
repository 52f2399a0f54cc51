//! What a stage is: a function (config, input artifacts, seed) → artifact, and its surroundings.

pub mod exhibit;
mod partwise;

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
use crate::seed::Seed;
use crate::{Error, Result};

use exhibit::{Evidence, Exhibit};

/// A configured stage. Implemented by its configuration struct.
pub trait Stage: Resolved + Send + Sync {
    /// Files and folders outside the cache that it reads, relative to where verismo is run; their
    /// contents are part of the cache key.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Checks what the types of the configuration cannot: ranges, exclusive options.
    ///
    /// # Errors
    /// What is wrong and the remedy, in words.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// What the dataset is called that it makes; `None` of a stage that makes none.
    fn dataset(&self) -> Option<DatasetName<'_>> {
        None
    }

    /// Does the work, writing into `context.out`; returns the summary for `artifact.json`.
    ///
    /// # Errors
    /// Whatever hindered it. Nothing of `context.out` is used then.
    fn run(&self, context: &Context) -> Result<serde_json::Value>;
}

/// Where a dataset is published: `outputs/datasets/NAME/VERSION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatasetName<'a> {
    pub name: &'a str,
    /// If it is not given, it follows from the content.
    pub version: Option<&'a str>,
}

/// The full configuration, defaults filled in: what the cache key holds.
pub trait Resolved {
    fn resolved(&self) -> serde_json::Value;
}

impl<T: Serialize> Resolved for T {
    fn resolved(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a configuration has string keys and finite numbers")
    }
}

/// One entry of the registry of stages.
pub struct StageKind {
    /// What pipeline files call it.
    pub name: &'static str,
    /// One line for `verismo list`.
    pub about: &'static str,
    /// Raised whenever the same configuration would give other bytes.
    pub version: u32,
    /// Of those that must be given, what it goes on with comes first.
    pub inputs: &'static [Input],
    pub output: Kind,
    /// Reads the stage's table. See [`parse`].
    pub parse: fn(Spanned<DeValue>) -> Result<Box<dyn Stage>, toml::de::Error>,
    pub schema: fn() -> schemars::Schema,
    /// What it shows of its result, from its own artifact and those of its inputs.
    pub exhibit: fn(&Evidence) -> Result<Vec<Exhibit>>,
}

/// An artifact that a stage reads, by its role.
pub struct Input {
    pub role: &'static str,
    pub kind: Kind,
    pub need: Need,
    pub about: &'static str,
}

/// Whether an input must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Always,
    /// At least one of the stage's inputs of this need.
    OneOf,
    Never,
}

impl Input {
    /// An input that must be given.
    pub const fn required(role: &'static str, kind: Kind, about: &'static str) -> Self {
        Input {
            role,
            kind,
            need: Need::Always,
            about,
        }
    }

    /// An input that may be left out where another one of these is given.
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
            need: Need::Never,
            about,
        }
    }
}

/// The parser of a configuration struct, for [`StageKind::parse`].
pub fn parse<C: Stage + DeserializeOwned + 'static>(
    value: Spanned<DeValue>,
) -> Result<Box<dyn Stage>, toml::de::Error> {
    Ok(Box::new(C::deserialize(ValueDeserializer::from(value))?))
}

/// Where networks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A real GPU if there is one, else the CPU.
    Auto,
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
                    .map_err(|_| format!("`{index}` is no number"))?,
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

/// What a stage tells while it works. Only the command line draws.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// `done` of `total` units; `note` holds e.g. the losses.
    Progress { done: u64, total: u64, note: String },
    /// Named values at a step, for curves.
    Metric {
        step: u64,
        values: BTreeMap<String, f64>,
    },
    /// Something the user should know of.
    Warning { text: String },
    /// Something worth a line.
    Note { text: String },
}

/// What of its result a stage makes. A stage that must hold all its samples at once makes all, whatever
/// its share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    All,
    /// The sample of this index alone, in a part of its own: of a stage that reads no samples.
    One(u64),
    /// These parts alone, counted from 0, with the names and bytes that they have in the whole. There are
    /// none beyond the last.
    Parts(Range<usize>),
}

impl Share {
    /// Whether part `number` is in it.
    pub fn has_part(&self, number: usize) -> bool {
        match self {
            Share::All | Share::One(_) => true,
            Share::Parts(numbers) => numbers.contains(&number),
        }
    }
}

/// A stage's surroundings: inputs, seed, where to write, whom to tell.
pub struct Context<'a> {
    /// The stage's place in the pipeline, e.g. `augment_source`.
    pub id: &'a str,
    pub seed: Seed,
    pub inputs: BTreeMap<&'static str, Artifact>,
    /// What of its result the stage makes.
    pub share: Share,
    /// A fresh, empty folder.
    pub out: &'a Path,
    /// What earlier runs left to be taken over, where there is a cache.
    pub resume: Option<&'a Resume<'a>>,
    /// Samples a part.
    pub part_size: usize,
    pub device: DeviceChoice,
    pub events: &'a (dyn Fn(Event) + Sync),
    pub interrupted: &'a AtomicBool,
}

impl Context<'_> {
    /// The input with this role.
    ///
    /// # Errors
    /// Where the pipeline gives none.
    pub fn input(&self, role: &str) -> Result<&Artifact> {
        self.inputs.get(role).ok_or_else(|| {
            Error::usage(
                self.id,
                format!("has no input for the role `{role}`"),
                format!("add `from = {{ {role} = \"STAGE\" }}` to the stage"),
            )
        })
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

    /// Says how many of `total` units of work earlier runs had done, where they had.
    pub fn tell_of_earlier(&self, taken: u64, total: u64, units: &str) {
        if taken == 0 {
            return;
        }
        if let Some(resume) = self.resume {
            resume.note(taken as f64 / total as f64);
        }
        let text = format!("{taken} of {total} {units} taken over from earlier runs");
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
