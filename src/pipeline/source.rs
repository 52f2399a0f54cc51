//! The text of a pipeline file and the `--set` arguments, as TOML whose every value knows its place.
//!
//! A `--set` value is parsed with blank lines before it, so that its spans lie past the end of the
//! file: one offset then tells where any value came from.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::suggest;
use crate::{Error, Result};

/// A pipeline file's text with the `--set` arguments.
pub struct Source {
    file: PathBuf,
    text: String,
    sets: Vec<Set>,
}

/// One `--set PATH=VALUE`.
struct Set {
    argument: String,
    path: Vec<String>,
    value: String,
    /// Where its spans begin.
    start: usize,
    /// `value` as TOML, padded with blank lines up to `start`.
    padded: String,
}

const PREFIX: &str = "value = ";

impl Source {
    /// Reads the pipeline file.
    ///
    /// # Errors
    /// Where it is missing, or a `--set` argument is not `stage.key=value`.
    pub fn read(file: &Path, sets: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => missing(file),
            _ => Error::usage(
                file.display(),
                e,
                "give a readable pipeline file, a text in TOML",
            ),
        })?;
        Source::new(file, text, sets)
    }

    /// From a text in memory; `file` is what messages call it.
    ///
    /// # Errors
    /// Where a `--set` argument is not `stage.key=value`.
    pub fn new(file: &Path, text: String, sets: &[String]) -> Result<Self> {
        let mut start = text.len() + 1;
        let mut parsed = Vec::new();
        for argument in sets {
            let set = Set::parse(argument, start)?;
            start = set.padded.len() + 1;
            parsed.push(set);
        }
        Ok(Source {
            file: file.to_path_buf(),
            text,
            sets: parsed,
        })
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The whole document, `--set` applied.
    ///
    /// # Errors
    /// Where the text is not TOML.
    pub fn table(&self) -> Result<DeTable<'_>> {
        let mut table = DeTable::parse(&self.text)
            .map_err(|e| {
                let problem = e.message().lines().collect::<Vec<_>>().join("; ");
                let remedy = if problem.contains("duplicate key") {
                    "every name may stand once; give a second stage of one kind its own id and `use = \"STAGE\"`"
                } else {
                    "correct the TOML here; strings stand in quotes, tables are `[stages.ID]`"
                };
                self.error(e.span().unwrap_or(0..0), problem, remedy)
            })?
            .into_inner();
        for set in &self.sets {
            self.apply(set, &mut table)?;
        }
        Ok(table)
    }

    fn apply<'a>(&'a self, set: &'a Set, table: &mut DeTable<'a>) -> Result<()> {
        let mut table = table;
        let (last, above) = set.path.split_last().expect("split gives at least one");
        for (depth, name) in above.iter().enumerate() {
            // Settings can be added so, stages cannot: it would be a slip of the pen.
            if depth == 1 && above[0] == "stages" && !table.contains_key(name.as_str()) {
                let ids: Vec<&str> = table.keys().map(|id| &**id.get_ref()).collect();
                return Err(self.error(
                    set.start..set.start,
                    format!("the pipeline has no stage with the id `{name}`"),
                    suggest::remedy(name, "ids", &ids),
                ));
            }
            let entry = table
                .entry(set.spanned(Cow::Borrowed(name.as_str())))
                .or_insert_with(|| set.spanned(DeValue::Table(DeTable::new())));
            table = match entry.get_mut() {
                DeValue::Table(inner) => inner,
                other => {
                    let at = above[..=depth].join(".");
                    let problem = format!("`{at}` is a {}, not a table", other.type_str());
                    return Err(self.error(
                        set.start..set.start,
                        problem,
                        "set the key itself, or a key of a table",
                    ));
                }
            };
        }
        // An equal key would keep the place of the old one.
        table.remove(last.as_str());
        table.insert(set.spanned(Cow::Borrowed(last.as_str())), set.parsed());
        Ok(())
    }

    /// An error at a place: line and column of the file, or the `--set` argument.
    pub fn error(
        &self,
        span: Range<usize>,
        problem: impl ToString,
        remedy: impl ToString,
    ) -> Error {
        let set = self.sets.iter().rev().find(|s| s.start <= span.start);
        if let Some(set) = set {
            return Error::usage(
                format!("--set {}", set.argument),
                problem.to_string(),
                remedy.to_string(),
            );
        }
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Error::Pipeline {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem: problem.to_string(),
            remedy: remedy.to_string(),
        }
    }
}

impl Set {
    fn parse(argument: &str, start: usize) -> Result<Self> {
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
        let mut path: Vec<String> = path.split('.').map(|name| name.trim().to_owned()).collect();
        if path.iter().any(String::is_empty) {
            return Err(wrong("has an empty name before the `=`"));
        }
        // Pipeline files say `[stages.ID]`; on the command line the stage's id is enough.
        if path.len() > 1 && path[0] != "stages" {
            path.insert(0, "stages".to_owned());
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

    fn spanned<T>(&self, value: T) -> Spanned<T> {
        Spanned::new(self.start..self.start, value)
    }

    /// The value as TOML, or as a string where it is no TOML.
    fn parsed(&self) -> Spanned<DeValue<'_>> {
        let single = DeTable::parse(&self.padded)
            .ok()
            .map(Spanned::into_inner)
            .filter(|table| table.len() == 1)
            .and_then(|mut table| table.remove("value"));
        single.unwrap_or_else(|| self.spanned(DeValue::String(Cow::Borrowed(self.value.as_str()))))
    }
}

/// The error for a pipeline file that is not there.
fn missing(file: &Path) -> Error {
    let mut names: Vec<String> = std::fs::read_dir("pipelines")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .map(|path| path.display().to_string())
        .collect();
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let remedy = if names.is_empty() {
        "check the path; `verismo new NAME` writes a pipeline to start from".to_owned()
    } else {
        suggest::remedy(&file.display().to_string(), "pipelines here", &names)
    };
    Error::usage(file.display(), "there is no such pipeline file", remedy)
}
