//! The name of a dataset format in a configuration, checked against the registry on parsing.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{FORMATS, Format};

/// An index into [`FORMATS`]; files use the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct FormatName(usize);

impl FormatName {
    /// Every format.
    pub fn all() -> Vec<Self> {
        (0..FORMATS.len()).map(FormatName).collect()
    }

    pub fn format(self) -> &'static Format {
        &FORMATS[self.0]
    }
}

impl TryFrom<String> for FormatName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = FormatName::all();
        let found = known.iter().find(|known| known.format().name == name);
        found.copied().ok_or_else(|| {
            let names: Vec<String> = FORMATS.iter().map(|f| format!("`{}`", f.name)).collect();
            format!(
                "unknown format `{name}`, expected one of {}",
                names.join(", ")
            )
        })
    }
}

impl From<FormatName> for &'static str {
    fn from(name: FormatName) -> Self {
        name.format().name
    }
}

impl JsonSchema for FormatName {
    fn schema_name() -> Cow<'static, str> {
        "FormatName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}
