//! `[matrix]` of a pipeline file: settings with the values to try, and the points of their grid.

use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::set::setting_path;
use super::source::Source;
use crate::Result;

/// One setting at one point: its path as written in the file, and its value.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Setting {
    /// Dotted, e.g. `train.steps`.
    pub path: String,
    /// Null if JSON cannot represent it.
    pub value: Value,
}

/// One line of `[matrix]`.
pub struct Axis<'a> {
    path: String,
    span: Range<usize>,
    values: Vec<Spanned<DeValue<'a>>>,
}

/// Removes `[matrix]` from the document and returns its axes; no axes if there is none.
///
/// # Errors
/// If a line is not a list of values, or the list is empty.
pub fn axes<'a>(source: &Source, table: &mut DeTable<'a>) -> Result<Vec<Axis<'a>>> {
    let mut axes = Vec::new();
    let Some(matrix) = table.remove("matrix") else {
        return Ok(axes);
    };
    match matrix.get_ref() {
        DeValue::Table(lines) => collect(source, "", lines, &mut axes)?,
        _ => {
            return Err(source.error(
                matrix.span(),
                "`matrix` is not a table",
                "write `[matrix]` and, below it, `\"train.steps\" = [200, 400]`",
            ));
        }
    }
    axes.sort_by_key(|axis| axis.span.start);
    // `--set` comes last and replaces what the file says of a setting, whether that is in quotes or not.
    let mut last: Vec<Axis> = Vec::new();
    for axis in axes {
        let path = setting_path(&axis.path);
        let known = last
            .iter_mut()
            .find(|known| setting_path(&known.path) == path);
        match known {
            Some(known) => *known = axis,
            None => last.push(axis),
        }
    }
    Ok(last)
}

/// `train.steps` without quotes is a nested table: it gives the same axis as with quotes.
fn collect<'a>(
    source: &Source,
    above: &str,
    lines: &DeTable<'a>,
    axes: &mut Vec<Axis<'a>>,
) -> Result<()> {
    for (key, value) in lines {
        let path = format!("{above}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => collect(source, &format!("{path}."), inner, axes)?,
            DeValue::Array(values) if !values.is_empty() => axes.push(Axis {
                path,
                span: key.span(),
                values: values.iter().cloned().collect(),
            }),
            _ => {
                return Err(source.error(
                    value.span(),
                    format!("`{path}` in `[matrix]` is not a non-empty list of values"),
                    format!("write the values to try: `\"{path}\" = [1, 2]`"),
                ));
            }
        }
    }
    Ok(())
}

/// Points of a grid; each is a whole run.
const MOST_POINTS: usize = 1000;

/// The document at every point of the grid; the last axis changes fastest.
///
/// # Errors
/// If an axis names a stage or a variable that does not exist.
pub fn points<'a>(
    source: &'a Source,
    table: &DeTable<'a>,
    axes: &[Axis<'a>],
) -> Result<Vec<(Vec<Setting>, DeTable<'a>)>> {
    let mut points = vec![(Vec::new(), table.clone())];
    for axis in axes {
        if points.len() * axis.values.len() > MOST_POINTS {
            return Err(source.error(
                axis.span.clone(),
                format!("with this line, `[matrix]` has more than {MOST_POINTS} points"),
                "leave out values, or write several files",
            ));
        }
        let path = setting_path(&axis.path);
        let mut finer = Vec::new();
        for (settings, table) in &points {
            for value in &axis.values {
                let (mut settings, mut table) = (settings.clone(), table.clone());
                source.lay(&mut table, &path, axis.span.clone(), value.clone())?;
                settings.push(Setting {
                    path: axis.path.clone(),
                    value: as_json(value),
                });
                finer.push((settings, table));
            }
        }
        points = finer;
    }
    Ok(points)
}

/// The value as written in the file; null if JSON cannot represent it.
fn as_json(value: &Spanned<DeValue>) -> Value {
    Value::deserialize(ValueDeserializer::from(value.clone())).unwrap_or_default()
}
