//! One `--set PATH=VALUE` of the command line.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{Error, Result};

/// A `--set` argument, parsed as far as possible without the pipeline.
pub(super) struct Set {
    pub argument: String,
    pub path: Vec<String>,
    /// Offset at which its spans start.
    pub start: usize,
    value: String,
    /// `value` as TOML, padded with blank lines up to `start`.
    padded: String,
}

const PREFIX: &str = "value = ";

/// Tables of a pipeline file that a path may begin with; any other name is a stage id.
const TABLES: [&str; 4] = ["stages", "variables", "require", "matrix"];

impl Set {
    /// # Errors
    /// If it does not have the form `stage.key=value`.
    pub(super) fn parse(argument: &str, start: usize) -> Result<Self> {
        let wrong = |problem: &str| {
            Error::usage(
                format!("--set {argument}"),
                problem,
                "write --set stage.key=value, for example --set augment.copies=3",
            )
        };
        let (path, value) = argument
            .split_once('=')
            .ok_or_else(|| wrong("has no `=`"))?;
        let path = setting_path(path);
        if path.iter().any(String::is_empty) {
            return Err(wrong("has an empty name before the `=`"));
        }
        if path == ["extends"] {
            return Err(Error::usage(
                format!("--set {argument}"),
                "`extends` cannot be set here",
                "write a pipeline file that extends the other",
            ));
        }
        let value = value.trim().to_owned();
        Ok(Set {
            argument: argument.to_owned(),
            path,
            padded: format!("{}{PREFIX}{value}", "\n".repeat(start)),
            value,
            start,
        })
    }

    /// Offset at which its spans end.
    pub(super) fn end(&self) -> usize {
        self.padded.len()
    }

    /// The value as TOML, or as a string if it is not valid TOML.
    pub(super) fn parsed(&self) -> Spanned<DeValue<'_>> {
        let single = DeTable::parse(&self.padded)
            .ok()
            .map(Spanned::into_inner)
            .filter(|table| table.len() == 1)
            .and_then(|mut table| table.remove("value"));
        single.unwrap_or_else(|| {
            let text = DeValue::String(Cow::Borrowed(self.value.as_str()));
            Spanned::new(self.start..self.start, text)
        })
    }
}

/// A dotted path, as names from the top of the pipeline file.
///
/// Pipeline files write `[stages.ID]`; in a path the stage's id is enough.
pub(super) fn setting_path(text: &str) -> Vec<String> {
    let mut path: Vec<String> = text.split('.').map(|name| name.trim().to_owned()).collect();
    if path.len() > 1 && !TABLES.contains(&path[0].as_str()) {
        path.insert(0, "stages".to_owned());
    }
    path
}
