//! Cache keys: everything that determines a stage's result, as data, and how two keys differ.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contents::{Contents, Listing, differences};
use super::spec::{Spec, StageSpec};
use crate::artifact::Artifact;
use crate::{Error, Result};

/// What determines a stage's result. Its JSON is hashed, and stored as `key.json` beside the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ingredients {
    /// The stage's name in the registry, e.g. `render`.
    pub stage: String,
    /// The version of the stage's code.
    pub version: u32,
    /// The stage's id in the pipeline; it determines the random streams.
    pub id: String,
    /// The resolved configuration, with every default filled in.
    pub config: Value,
    /// The pipeline's seed.
    pub seed: u64,
    /// Role to digest of the input artifact.
    pub inputs: BTreeMap<String, String>,
    /// Files and folders outside the cache, with the hash of their content.
    pub files: BTreeMap<String, String>,
}

/// Ingredients and their hash.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// What was hashed; kept to explain why a later key differs.
    pub ingredients: Ingredients,
    /// `ingredients` as JSON, as hashed.
    pub json: String,
    /// The blake3 hash of `json`, 64 hexadecimal digits.
    pub hash: String,
    /// The contents of the folders among its files.
    pub listings: BTreeMap<String, Arc<Listing>>,
}

impl Key {
    /// The key of `stage` given its input artifacts.
    ///
    /// # Errors
    /// If one of the stage's files cannot be read.
    pub fn new(
        spec: &Spec,
        stage: &StageSpec,
        inputs: &BTreeMap<&'static str, Artifact>,
        contents: &mut Contents,
    ) -> Result<Self> {
        let digests = inputs
            .iter()
            .map(|(role, artifact)| (role.to_string(), artifact.manifest.digest.clone()));
        let (mut files, mut listings) = (BTreeMap::new(), BTreeMap::new());
        for path in stage.stage.files() {
            let content = contents
                .of(&path)
                .map_err(|e| unreadable(stage, &path, e))?;
            let name = name(&path);
            if let Some(listing) = content.listing {
                listings.insert(name.clone(), listing);
            }
            files.insert(name, content.hash);
        }
        let ingredients = Ingredients {
            stage: stage.kind.name.to_owned(),
            version: stage.kind.version,
            id: stage.id.clone(),
            config: stage.stage.resolved(),
            seed: spec.seed,
            inputs: digests.collect(),
            files,
        };
        let json = serde_json::to_string_pretty(&ingredients)
            .expect("ingredients are strings, numbers and JSON");
        let hash = blake3::hash(json.as_bytes()).to_hex().to_string();
        Ok(Key {
            ingredients,
            json,
            hash,
            listings,
        })
    }

    /// The ingredients and the device. Networks compute slightly different values on another device, so a
    /// part made there is not a part of this result.
    pub fn on_device(&self, device: &str) -> Value {
        let mut ingredients = serde_json::json!(self.ingredients);
        ingredients["device"] = device.into();
        ingredients
    }

    /// Checks that the files have not changed since the key was made.
    ///
    /// # Errors
    /// If one has changed or cannot be read.
    pub fn check_files(&self, stage: &StageSpec, contents: &mut Contents) -> Result<()> {
        for path in stage.stage.files() {
            let now = contents.of(&path)?.hash;
            if self.ingredients.files.get(&name(&path)) != Some(&now) {
                return Err(Error::failed(
                    path.display(),
                    format!("changed while stage `{}` read it", stage.id),
                    "run again when nothing writes to it",
                ));
            }
        }
        Ok(())
    }

    /// The first 16 digits, for folder names.
    pub fn short(&self) -> &str {
        &self.hash[..16]
    }
}

/// The name of a file or folder in a key.
fn name(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

fn unreadable(stage: &StageSpec, path: &Path, error: Error) -> Error {
    let Error::Failed {
        subject, problem, ..
    } = error
    else {
        return error;
    };
    let config = stage.stage.resolved();
    let holder = config.as_object().and_then(|config| {
        let text = path.to_string_lossy();
        config.iter().find(|(_, v)| v.as_str() == Some(&*text))
    });
    let key = holder.map_or("KEY", |(key, _)| key.as_str());
    Error::failed(
        subject,
        format!("{problem} (stage `{}` reads it)", stage.id),
        format!(
            "relative paths start from the current folder; to change the path: --set {}.{key}=PATH",
            stage.id
        ),
    )
}

/// Describes what changed from `old` to `new`. `from` maps roles to stages; `listed` returns what a folder
/// contained before.
pub fn changes(
    old: &Ingredients,
    key: &Key,
    listed: impl Fn(&str) -> Option<Listing>,
    from: &BTreeMap<&'static str, String>,
) -> Vec<String> {
    let new = &key.ingredients;
    let mut found = Vec::new();
    if (&old.stage, old.version) != (&new.stage, new.version) {
        found.push(format!(
            "code changed: {} version {} -> {} version {}",
            old.stage, old.version, new.stage, new.version
        ));
    }
    if old.seed != new.seed {
        found.push(format!("seed changed: {} -> {}", old.seed, new.seed));
    }
    config_changes(&new.id, &old.config, &new.config, &mut found);
    for role in new.inputs.keys() {
        if old.inputs.get(role) != new.inputs.get(role) {
            let source = from.get(role.as_str()).map_or("", String::as_str);
            found.push(format!("input {source} changed"));
        }
    }
    let removed = |role: &&String| !new.inputs.contains_key(*role);
    for role in old.inputs.keys().filter(removed) {
        found.push(format!("input {role} removed"));
    }
    for (file, hash) in &new.files {
        match old.files.get(file) {
            None => found.push(format!("file {file} added")),
            Some(before) if before != hash => {
                let folders = listed(file).zip(key.listings.get(file));
                let which = folders.map(|(old, new)| differences(&old, new));
                let which = which.map_or(String::new(), |which| format!(": {which}"));
                found.push(format!("file {file} changed{which}"));
            }
            Some(_) => {}
        }
    }
    found
}

/// The number of settings that differ.
pub fn distance(old: &Value, new: &Value) -> usize {
    let mut found = Vec::new();
    config_changes("", old, new, &mut found);
    found.len()
}

fn config_changes(at: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let keys: std::collections::BTreeSet<&String> =
                before.keys().chain(after.keys()).collect();
            for key in keys {
                let (old, new) = (before.get(key), after.get(key));
                let at = format!("{at}.{key}");
                let (old, new) = (old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null));
                config_changes(&at, old, new, found);
            }
        }
        _ if old == new => {}
        _ => found.push(format!(
            "config changed: {at} {} -> {}",
            brief(old),
            brief(new)
        )),
    }
}

/// A value, shortened to fit on a line.
fn brief(value: &Value) -> String {
    let text = format_value(value);
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A value as written in a pipeline file; a single-precision number with only the digits that it needs.
pub fn format_value(value: &Value) -> String {
    match value {
        Value::Null => "unset".to_owned(),
        Value::Object(values) => {
            let value =
                |(key, value): (&String, &Value)| format!("{key} = {}", format_value(value));
            let values: Vec<String> = values.iter().map(value).collect();
            match values.is_empty() {
                true => "{}".to_owned(),
                false => format!("{{ {} }}", values.join(", ")),
            }
        }
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(format_value).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Number(number) if number.is_f64() => {
            let double = number.as_f64().unwrap_or(f64::NAN);
            let single = double as f32;
            match f64::from(single) == double {
                true => format!("{single:?}"),
                false => format!("{double:?}"),
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changed_numbers_have_the_digits_that_they_need() {
        let changes = |old, new| {
            let mut found = Vec::new();
            config_changes("fog", &old, &new, &mut found);
            found
        };
        assert_eq!(
            changes(json!([0.4_f32, 1.0]), json!([0.1, 2])),
            ["config changed: fog [0.4, 1.0] -> [0.1, 2]"]
        );
        let long = "x".repeat(50);
        let found = changes(json!(null), json!(long));
        assert_eq!(
            found,
            [format!("config changed: fog unset -> \"{}…", &long[..39])]
        );
    }
}
