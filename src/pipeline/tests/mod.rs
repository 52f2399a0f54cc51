//! Tests of the engine on small real stages: what is refused, what runs, and what is left behind.

mod control;
mod files;
mod reading;
mod resuming;
mod running;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact::{CHECKSUMS, Kind};
use crate::sample::{Domain, Labels, Provenance, Sample, image::encode_png};
use crate::stage::{Context, DatasetName, Input, Stage, StageKind, parse};
use crate::{Error, Result};

const SAMPLES: &[Input] = &[Input::required("samples", Kind::Samples, "what is read")];
const EITHER: &[Input] = &[
    Input::one_of("samples", Kind::Samples, "what is read"),
    Input::one_of("dataset", Kind::Dataset, "what is read instead"),
];

macro_rules! kind {
    ($name:literal, $config:ty, $inputs:expr, $output:ident) => {
        StageKind {
            name: $name,
            about: "for tests",
            version: 1,
            inputs: $inputs,
            output: Kind::$output,
            parse: parse::<$config>,
            schema: || schemars::schema_for!($config),
            exhibit: crate::stage::exhibit::nothing,
        }
    };
}

/// The registry of the tests.
const TEST_STAGES: &[StageKind] = &[
    kind!("solid", Solid, &[], Samples),
    kind!("copy", Copy, SAMPLES, Samples),
    kind!("count", Count, SAMPLES, Metrics),
    kind!("count_either", Count, EITHER, Metrics),
    kind!("shelve", Shelve, SAMPLES, Dataset),
];

/// Makes pictures of one colour.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Solid {
    count: u64,
    colour: Colour,
    palette: Option<PathBuf>,
    /// Stops with Ctrl-C after this many.
    interrupt_at: Option<u64>,
    /// The same, read from this file; the setting is not part of the key.
    #[serde(skip_serializing)]
    stop_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Colour {
    red: u8,
    green: u8,
}

impl Default for Solid {
    fn default() -> Self {
        Solid {
            count: 5,
            colour: Colour::default(),
            palette: None,
            interrupt_at: None,
            stop_file: None,
        }
    }
}

impl Stage for Solid {
    fn files(&self) -> Vec<PathBuf> {
        self.palette.iter().cloned().collect()
    }

    fn check(&self) -> Result<(), String> {
        match self.count {
            0 => Err("`count` must be at least 1".into()),
            _ => Ok(()),
        }
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        context.generate(self.count, "count", |index| {
            let stop_at = self.stop_file.as_ref().and_then(|path| {
                let text = std::fs::read_to_string(path).ok()?;
                text.parse().ok()
            });
            if self.interrupt_at.or(stop_at) == Some(index) {
                return Err(Error::Interrupted);
            }
            let colour = image::Rgb([self.colour.red, self.colour.green, index as u8]);
            Ok(Sample {
                id: format!("{}-{index:06}", context.id),
                index,
                image: encode_png(&image::RgbImage::from_pixel(4, 4, colour))?,
                extent: (4, 4).into(),
                labels: Labels {
                    class: Some(["even", "odd"][index as usize % 2].into()),
                    ..Labels::default()
                },
                provenance: Provenance {
                    domain: Domain::Render,
                    source: "solid".into(),
                    origin: format!("{index}"),
                    parent: None,
                    seed: context.seed.hex(index),
                    checkpoint: None,
                    transforms: Vec::new(),
                    split: None,
                    gate: None,
                },
            })
        })?;
        Ok(serde_json::Value::Null)
    }
}

/// Passes samples through.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Copy {
    tag: String,
}

impl Stage for Copy {
    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        context.map_each("samples", |sample| {
            let mut provenance = sample.provenance.clone();
            provenance.transforms.push(self.tag.clone());
            Ok(vec![Sample {
                provenance,
                ..sample
            }])
        })?;
        Ok(serde_json::Value::Null)
    }
}

/// Counts samples; fails or panics on request.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Count {
    fail: bool,
    fall_over: bool,
}

impl Stage for Count {
    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        assert!(!self.fall_over, "a test that falls over");
        if self.fail {
            return Err(Error::failed(
                context.id,
                "fails on request",
                "set `fail = false`",
            ));
        }
        let counted = context.input("samples")?.samples().count();
        Ok(serde_json::json!({ "counted": counted }))
    }
}

/// Publishes one text as the dataset `texts`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Shelve {
    text: String,
    version: Option<String>,
}

impl Stage for Shelve {
    fn dataset(&self) -> Option<DatasetName<'_>> {
        Some(DatasetName {
            name: "texts",
            version: self.version.as_deref(),
        })
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let path = context.out.join("train/text.txt");
        std::fs::create_dir(context.out.join("train")).map_err(|e| Error::io(&path, e))?;
        std::fs::write(&path, &self.text).map_err(|e| Error::io(&path, e))?;
        let sums = context.out.join(CHECKSUMS);
        let sum = crate::artifact::soundness::sha256_file(&path)?;
        std::fs::write(&sums, format!("{sum}  train/text.txt\n"))
            .map_err(|e| Error::io(&sums, e))?;
        Ok(serde_json::json!({ "name": "texts" }))
    }
}
