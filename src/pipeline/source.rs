//! The text of a pipeline file, the files it extends and the `--set` arguments, as TOML whose values know
//! their position.
//!
//! Each text is parsed with blank lines before it, so that its spans start after the end of the previous
//! text: a single offset then identifies the source of any value. Offset 0 belongs to no text and stands for
//! the pipeline file as a whole.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::set::Set;
use super::suggest;
use crate::{Error, Result};

/// The texts of a pipeline file and of the files it extends, and the `--set` arguments.
pub struct Source {
    file: PathBuf,
    /// Base file first, the pipeline file last.
    texts: Vec<Text>,
    sets: Vec<Set>,
}

/// The text of one file.
struct Text {
    file: PathBuf,
    text: String,
    /// Offset at which its spans start.
    start: usize,
    /// `text`, padded with blank lines up to `start`.
    padded: String,
}

/// The position of something, for errors that are found later.
#[derive(Debug, Clone)]
pub enum Place {
    /// A `--set` argument.
    Set(String),
    File {
        file: PathBuf,
        line: usize,
        column: usize,
    },
}

impl Place {
    /// An error at this position.
    pub fn error(&self, problem: impl ToString, remedy: impl ToString) -> Error {
        match self.clone() {
            Place::Set(argument) => Error::usage(
                format!("--set {argument}"),
                problem.to_string(),
                remedy.to_string(),
            ),
            Place::File { file, line, column } => Error::Pipeline {
                file,
                line,
                column,
                problem: problem.to_string(),
                remedy: remedy.to_string(),
            },
        }
    }
}

impl Source {
    /// Reads the pipeline file and those it extends.
    ///
    /// # Errors
    /// If one is missing, is not TOML or extends itself, or a `--set` argument does not have the form
    /// `stage.key=value`.
    pub fn read(file: &Path, sets: &[String]) -> Result<Self> {
        Source::new(file, read_text(file)?, sets)
    }

    /// Like [`Source::read`], from a string; messages call it `file`, and `extends` is relative to it.
    ///
    /// # Errors
    /// The errors of [`Source::read`].
    pub fn new(file: &Path, text: String, sets: &[String]) -> Result<Self> {
        let mut texts = with_bases(file, text)?;
        texts.reverse();
        let mut start = 1;
        for text in &mut texts {
            text.start = start;
            text.padded = format!("{}{}", "\n".repeat(start), text.text);
            start = text.padded.len() + 1;
        }
        let mut parsed = Vec::new();
        for argument in sets {
            let set = Set::parse(argument, start)?;
            start = set.end() + 1;
            parsed.push(set);
        }
        Ok(Source {
            file: file.to_path_buf(),
            texts,
            sets: parsed,
        })
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The whole document: the file overlaid on those it extends, and `--set` over both. Variables are not
    /// yet replaced.
    ///
    /// # Errors
    /// If a text is not TOML, or a `--set` names a stage or variable that does not exist.
    pub fn table(&self) -> Result<DeTable<'_>> {
        let mut table = DeTable::new();
        for text in &self.texts {
            let mut own = text.parse(&text.padded)?;
            own.remove("extends");
            overlay(&mut table, own);
        }
        for set in &self.sets {
            let place = set.start..set.start;
            self.lay(&mut table, &set.path, place, set.parsed())?;
        }
        Ok(table)
    }

    /// Sets `path` in the document to `value`, which comes from `place`.
    ///
    /// # Errors
    /// If `path` leads through something that is not a table, or to a stage or variable that does not exist.
    /// Settings can be added this way, but a new stage or variable would be a typo.
    pub fn lay<'a>(
        &'a self,
        table: &mut DeTable<'a>,
        path: &[String],
        place: Range<usize>,
        value: Spanned<DeValue<'a>>,
    ) -> Result<()> {
        let mut table = table;
        let name_at = |name: &str| Spanned::new(place.clone(), Cow::Owned(name.to_owned()));
        for (depth, name) in path.iter().enumerate() {
            let fixed = match path[0].as_str() {
                "stages" => Some(("stage with the id", "ids")),
                "variables" => Some(("variable", "variables")),
                _ => None,
            };
            if let (1, Some((what, known))) = (depth, fixed)
                && !table.contains_key(name.as_str())
            {
                let ids: Vec<&str> = table.keys().map(|id| &**id.get_ref()).collect();
                return Err(self.error(
                    place,
                    format!("the pipeline has no {what} `{name}`"),
                    suggest::remedy(name, known, &ids),
                ));
            }
            if depth + 1 == path.len() {
                // Inserting an equal key would keep the position of the old one.
                table.remove(name.as_str());
                table.insert(name_at(name), value);
                return Ok(());
            }
            let entry = table
                .entry(name_at(name))
                .or_insert_with(|| Spanned::new(place.clone(), DeValue::Table(DeTable::new())));
            table = match entry.get_mut() {
                DeValue::Table(inner) => inner,
                other => {
                    let at = path[..=depth].join(".");
                    let problem = format!("`{at}` is a {}, not a table", other.type_str());
                    let remedy = "set this key itself, or a key inside a table";
                    return Err(self.error(place, problem, remedy));
                }
            };
        }
        Ok(())
    }

    /// The position of a span: file, line and column, or the `--set` argument.
    pub fn place(&self, span: Range<usize>) -> Place {
        if let Some(set) = self.sets.iter().rev().find(|s| s.start <= span.start) {
            return Place::Set(set.argument.clone());
        }
        match self.texts.iter().rev().find(|t| t.start <= span.start) {
            Some(text) => text.place(span.start - text.start),
            None => Place::File {
                file: self.file.clone(),
                line: 1,
                column: 1,
            },
        }
    }

    /// The text of a span as written; empty for a `--set`.
    pub fn written(&self, span: Range<usize>) -> &str {
        let text = self.texts.iter().rev().find(|t| t.start <= span.start);
        text.and_then(|text| text.padded.get(span))
            .unwrap_or_default()
    }

    /// An error at a position: file, line and column, or the `--set` argument.
    pub fn error(
        &self,
        span: Range<usize>,
        problem: impl ToString,
        remedy: impl ToString,
    ) -> Error {
        self.place(span).error(problem, remedy)
    }
}

impl Text {
    fn new(file: PathBuf, text: &str) -> Self {
        Text {
            file,
            // After blank lines, a byte order mark would be invalid TOML.
            text: text.trim_start_matches('\u{feff}').to_owned(),
            start: 0,
            padded: String::new(),
        }
    }

    /// Parses `text`: this text before its position is known, or its padded form.
    fn parse<'a>(&self, text: &'a str) -> Result<DeTable<'a>> {
        let table = DeTable::parse(text).map_err(|e| {
            let problem = e.message().lines().collect::<Vec<_>>().join("; ");
            let remedy = if problem.contains("duplicate key") {
                "names must be unique; give a second stage of the same kind its own id and `use = \"STAGE\"`"
            } else {
                "fix the TOML here; strings are in quotes, tables look like `[stages.ID]`"
            };
            let offset = e.span().map_or(0, |span| span.start);
            self.place(offset.saturating_sub(self.start)).error(problem, remedy)
        })?;
        Ok(table.into_inner())
    }

    /// Line and column of an offset into `text`.
    fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::File {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The file named by `extends`, and the position of `extends`.
    fn base(&self) -> Result<Option<(PathBuf, Place)>> {
        let table = self.parse(&self.text)?;
        let Some(value) = table.get("extends") else {
            return Ok(None);
        };
        let place = self.place(value.span().start);
        match value.get_ref().as_str() {
            Some(base) => {
                let folder = self.file.parent().unwrap_or(Path::new(""));
                Ok(Some((folder.join(base), place)))
            }
            None => Err(place.error(
                "`extends` is not a string",
                "give the path of one pipeline file, relative to this one: `extends = \"base.toml\"`",
            )),
        }
    }
}

/// The pipeline file, the file that it extends, and so on.
fn with_bases(file: &Path, text: String) -> Result<Vec<Text>> {
    let same = |a: &Path, b: &Path| a == b || a.canonicalize().ok() == b.canonicalize().ok();
    let mut texts = vec![Text::new(file.to_path_buf(), &text)];
    while let Some((base, place)) = texts.last().map(Text::base).transpose()?.flatten() {
        if texts.iter().any(|text| same(&text.file, &base)) {
            let seen = texts.iter().map(|text| text.file.display().to_string());
            let round: Vec<String> = seen.chain([base.display().to_string()]).collect();
            return Err(place.error(
                format!("`extends` forms a cycle: {}", round.join(" -> ")),
                "remove one of these `extends`",
            ));
        }
        let text = read_text(&base).map_err(|_| {
            place.error(
                format!("`extends` names {}, which cannot be read", base.display()),
                "the path is relative to the folder of this file",
            )
        })?;
        texts.push(Text::new(base, &text));
    }
    Ok(texts)
}

/// Overlays `over` on `base`: tables key by key, anything else as a whole.
pub(super) fn overlay<'a>(base: &mut DeTable<'a>, over: DeTable<'a>) {
    for (key, value) in over {
        let name = key.get_ref().to_string();
        // Inserting an equal key would keep the position of the old one.
        match (base.remove(name.as_str()), value.get_ref()) {
            (Some(mut under), DeValue::Table(inner)) if under.get_ref().is_table() => {
                if let DeValue::Table(under) = under.get_mut() {
                    overlay(under, inner.clone());
                }
                base.insert(key, under);
            }
            _ => drop(base.insert(key, value)),
        }
    }
}

fn read_text(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => missing(file),
        _ => Error::usage(
            file.display(),
            e,
            "give a pipeline file that is readable and in TOML",
        ),
    })
}

/// The error for a missing pipeline file.
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
