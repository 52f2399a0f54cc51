//! The name of a map in a configuration, checked against the registry on parsing.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{MAPS, MapKind};

/// An index into [`MAPS`]; files use the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct MapName(usize);

impl MapName {
    pub fn kind(self) -> &'static MapKind {
        &MAPS[self.0]
    }
}

impl TryFrom<String> for MapName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let place = MAPS.iter().position(|kind| kind.name == name);
        place.map(MapName).ok_or_else(|| {
            let names: Vec<String> = MAPS.iter().map(|m| format!("`{}`", m.name)).collect();
            format!("unknown map `{name}`, expected one of {}", names.join(", "))
        })
    }
}

impl From<MapName> for &'static str {
    fn from(name: MapName) -> Self {
        name.kind().name
    }
}

impl JsonSchema for MapName {
    fn schema_name() -> Cow<'static, str> {
        "MapName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = MAPS.iter().map(|kind| kind.name).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}
