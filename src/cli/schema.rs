//! `verismo schema`: the JSON Schema of a pipeline file, assembled from those of the stages.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::print_line;
use crate::stage::{Need, StageKind};
use crate::stages::STAGES;
use crate::{Error, Result};

pub(super) fn execute() -> Result<()> {
    print_line(serde_json::to_string_pretty(&pipeline(STAGES)).unwrap_or_default());
    Ok(())
}

/// Writes the schema to a file, for editors that follow the `#:schema` line of a pipeline file.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(path: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(&pipeline(STAGES)).unwrap_or_default();
    std::fs::write(path, text + "\n").map_err(|e| Error::io(path, e))
}

/// The schema of a pipeline file with these stages.
pub(super) fn pipeline(registry: &[StageKind]) -> Value {
    let mut definitions = Map::new();
    let mut named = Map::new();
    let reference = |kind: &StageKind| json!({ "$ref": format!("#/$defs/{}", kind.name) });
    let any: Vec<Value> = registry.iter().map(reference).collect();
    for kind in registry {
        define(kind, &mut definitions);
        // Without `use`, the id names the stage.
        named.insert(
            kind.name.to_owned(),
            json!({ "if": { "required": ["use"] }, "then": { "oneOf": any }, "else": reference(kind) }),
        );
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "verismo pipeline",
        "type": "object",
        "anyOf": [{ "required": ["stages"] }, { "required": ["extends"] }],
        "additionalProperties": false,
        "properties": {
            "name": { "type": "string", "description": "The name of its runs." },
            "extends": { "type": "string", "description": "The pipeline file that this one extends; the path is relative to this file." },
            "variables": {
                "type": "object", "description": "Values for `${name}` in strings; change them with --set variables.NAME=VALUE.",
                "additionalProperties": { "type": ["string", "number", "boolean", "array"] },
            },
            "matrix": { "type": "object", "description": "Settings with the values to try, e.g. `\"train.steps\" = [200, 400]`." },
            "require": { "type": "object", "description": "What must hold before a dataset is published, e.g. `\"evaluate.adapted.mean\" = \">= 0.95\"`." },
            "keep": { "type": "integer", "minimum": 1, "description": "How many of the newest versions of the dataset to keep; all by default." },
            "seed": { "type": "integer", "minimum": 0, "default": 1 },
            "part_size": { "type": "integer", "minimum": 1, "default": 256, "description": "Samples per part." },
            "stages": {
                "type": "object",
                "properties": named,
                "additionalProperties": { "required": ["use"], "oneOf": any },
            },
        },
        "$defs": definitions,
    })
}

/// Adds a stage's schema, and the schemas it refers to under names of their own.
fn define(kind: &StageKind, definitions: &mut Map<String, Value>) {
    let mut schema = (kind.schema)().to_value();
    rename_references(&mut schema, kind.name);
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("$schema");
    // `like` may provide any of them.
    object.remove("required");
    if let Some(Value::Object(inner)) = object.remove("$defs") {
        for (name, value) in inner {
            definitions.insert(format!("{}.{name}", kind.name), value);
        }
    }
    let roles: Map<String, Value> = kind
        .inputs
        .iter()
        .map(|i| {
            let schema = json!({ "type": "string", "description": i.about });
            (i.role.to_owned(), schema)
        })
        .collect();
    let required: Vec<&str> = kind
        .inputs
        .iter()
        .filter(|i| i.need == Need::Required)
        .map(|i| i.role)
        .collect();
    let wiring = json!({
        "use": { "const": kind.name, "description": kind.about },
        "like": { "type": "string", "description": "The stage whose settings are the defaults." },
        "from": {
            "type": "object", "description": "The stage to read in each role.",
            "properties": roles, "required": required, "additionalProperties": false,
        },
    });
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    if let (Value::Object(properties), Value::Object(wiring)) = (properties, wiring) {
        properties.extend(wiring);
    }
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(["from"]));
    }
    definitions.insert(kind.name.to_owned(), schema);
}

fn rename_references(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match inner {
                    Value::String(text) if key == "$ref" => {
                        *text = text.replace("#/$defs/", &format!("#/$defs/{prefix}."));
                    }
                    other => rename_references(other, prefix),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|v| rename_references(v, prefix)),
        _ => {}
    }
}
