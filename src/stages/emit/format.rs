//! The name of a dataset format in a configuration, checked against the registry as it is read.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::WRITERS;

/// One of [`WRITERS`], by its place there; in a file it is the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct Format(usize);

impl Format {
    /// Every format.
    pub fn all() -> Vec<Self> {
        (0..WRITERS.len()).map(Format).collect()
    }

    pub fn name(self) -> &'static str {
        WRITERS[self.0].name
    }
}

impl TryFrom<String> for Format {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = Format::all();
        let found = known.iter().find(|format| format.name() == name);
        found.copied().ok_or_else(|| {
            let names: Vec<String> = known.iter().map(|f| format!("`{}`", f.name())).collect();
            format!(
                "unknown format `{name}`, expected one of {}",
                names.join(", ")
            )
        })
    }
}

impl From<Format> for &'static str {
    fn from(format: Format) -> Self {
        format.name()
    }
}

impl JsonSchema for Format {
    fn schema_name() -> Cow<'static, str> {
        "Format".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = WRITERS.iter().map(|kind| kind.name).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}
