//! Settings as an artifact: one stage determines them, another overlays them on its own configuration.

use serde_json::Value;

use super::Artifact;
use crate::{Error, Result};

/// The file of an artifact of kind [`Kind::Settings`](super::Kind::Settings): a JSON object that holds only
/// the keys of the reader's configuration that change.
pub const FILE: &str = "settings.json";

/// The settings in an artifact.
///
/// # Errors
/// If the file is missing or is not JSON.
pub fn read(artifact: &Artifact) -> Result<Value> {
    let path = artifact.folder.join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    serde_json::from_str(&text).map_err(|e| {
        Error::failed(
            path.display(),
            format!("is not a valid settings file: {e}"),
            format!("run again with --force {}", artifact.manifest.id),
        )
    })
}

/// Overlays `over` on `base`: objects key by key, anything else as a whole.
pub fn overlay(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                overlay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_named_changes() {
        let mut base = json!({"size": 64, "mesh": {"noise": [0.0, 0.1], "seam": 0.1}});
        overlay(&mut base, json!({"mesh": {"noise": [0.1, 0.2]}}));
        assert_eq!(
            base,
            json!({"size": 64, "mesh": {"noise": [0.1, 0.2], "seam": 0.1}})
        );
    }
}
