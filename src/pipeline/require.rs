//! `[require]` of a pipeline file: what the measurements of a run must be for its datasets to be
//! published.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Place, Source};
use super::suggest;
use crate::artifact::run::{Judgement, RunRecord};
use crate::{Error, Result};

/// One line of `[require]`.
#[derive(Debug)]
pub struct Requirement {
    /// Stage id and path into what it measured, e.g. `evaluate.adapted.mean`.
    pub path: String,
    /// As the file has it, e.g. `>= 0.95`.
    pub condition: String,
    comparison: Comparison,
    limit: f64,
    pub(super) place: Place,
}

type Comparison = fn(&f64, &f64) -> bool;

/// Longer ones first: `>=` begins with `>`.
const COMPARISONS: [(&str, Comparison); 5] = [
    (">=", f64::ge),
    ("<=", f64::le),
    ("==", f64::eq),
    (">", f64::gt),
    ("<", f64::lt),
];

/// The requirements of a document, in the order of the file; `ids` are its stages.
///
/// # Errors
/// If a line is not a comparison with a number, or does not begin with a stage's id.
pub fn read(source: &Source, table: &DeTable, ids: &[&str]) -> Result<Vec<Requirement>> {
    let Some(require) = table.get("require") else {
        return Ok(Vec::new());
    };
    let DeValue::Table(lines) = require.get_ref() else {
        return Err(source.error(
            require.span(),
            "`require` is not a table",
            "write `[require]` and below it `\"evaluate.adapted.mean\" = \">= 0.95\"`",
        ));
    };
    let mut found = Vec::new();
    collect(source, "", lines, ids, &mut found)?;
    found.sort_by_key(|(start, _)| *start);
    let mut requirements: Vec<Requirement> = Vec::new();
    for (_, requirement) in found {
        // With and without quotes a path may stand twice: a `--set`, which comes last, goes before.
        requirements.retain(|earlier| earlier.path != requirement.path);
        requirements.push(requirement);
    }
    Ok(requirements)
}

/// `gate.kept` without quotes is a table in a table: the same path as with quotes.
fn collect(
    source: &Source,
    above: &str,
    lines: &DeTable,
    ids: &[&str],
    found: &mut Vec<(usize, Requirement)>,
) -> Result<()> {
    for (key, value) in lines {
        let path = format!("{above}{}", key.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            collect(source, &format!("{path}."), inner, ids, found)?;
            continue;
        }
        let id = path.split('.').next().unwrap_or_default();
        if !ids.contains(&id) {
            return Err(source.error(
                key.span(),
                format!("`{path}` does not begin with a stage of the pipeline"),
                suggest::remedy(id, "stages", ids),
            ));
        }
        found.push((
            key.span().start,
            requirement(source, path, key.span(), value)?,
        ));
    }
    Ok(())
}

fn requirement(
    source: &Source,
    path: String,
    span: Range<usize>,
    value: &Spanned<DeValue>,
) -> Result<Requirement> {
    let condition = value.get_ref().as_str().unwrap_or_default().trim();
    let parsed = COMPARISONS.iter().find_map(|(sign, comparison)| {
        let limit = condition.strip_prefix(sign)?.trim().parse().ok()?;
        Some((*comparison, limit))
    });
    let Some((comparison, limit)) = parsed else {
        let signs = COMPARISONS.map(|(sign, _)| sign).join(" ");
        return Err(source.error(
            value.span(),
            format!("`{path}` in `[require]` is not a comparison with a number"),
            format!("write `\"{path}\" = \">= 0.95\"`; comparisons: {signs}"),
        ));
    };
    Ok(Requirement {
        condition: condition.to_owned(),
        comparison,
        limit,
        place: source.place(span),
        path,
    })
}

/// Holds every requirement against what the stages of a run measured.
///
/// A stage that `--only` left out has measured nothing: its requirements are unmet.
///
/// # Errors
/// If a path does not lead to a number; the message has the names that are near.
pub fn judge(requirements: &[Requirement], record: &RunRecord) -> Result<Vec<Judgement>> {
    let judged = |requirement: &Requirement| {
        let (id, names) = match requirement.path.split_once('.') {
            Some((id, names)) => (id, names.split('.').collect()),
            None => (requirement.path.as_str(), Vec::new()),
        };
        let measured = measured(record, id);
        let value = match &measured {
            None => None,
            Some(measured) => match find(measured, &names) {
                Some(Value::Null) => None,
                Some(Value::Number(number)) => number.as_f64(),
                _ => return Err(unknown(requirement, id, measured)),
            },
        };
        Ok(Judgement {
            path: requirement.path.clone(),
            condition: requirement.condition.clone(),
            value,
            met: value.is_some_and(|value| (requirement.comparison)(&value, &requirement.limit)),
        })
    };
    requirements.iter().map(judged).collect()
}

/// # Errors
/// [`Error::Unmet`] with every requirement and its value, where one is not met; `run` is the run's folder.
pub fn all_met(pipeline: &str, judged: &[Judgement], run: &Path) -> Result<()> {
    let unmet = judged.iter().filter(|judgement| !judgement.met).count();
    if unmet == 0 {
        return Ok(());
    }
    let lines: String = judged.iter().map(|j| format!("\n  {}", line(j))).collect();
    Err(Error::Unmet {
        subject: pipeline.to_owned(),
        problem: format!(
            "{unmet} of {} requirements not met; nothing was published, `latest` is as it was{lines}",
            judged.len()
        ),
        remedy: format!(
            "look at {}; the rejected dataset is in the cache, where `verismo inspect` and \
             `verismo diff` read it",
            run.join("report.html").display()
        ),
    })
}

/// `UNMET  evaluate.adapted.mean is 0.931, required >= 0.95`.
pub fn line(judgement: &Judgement) -> String {
    let Judgement {
        path,
        condition,
        met,
        ..
    } = judgement;
    let value = judgement.measured();
    match met {
        true => format!("met    {path} is {value}: {condition}"),
        false => format!("UNMET  {path} is {value}, required {condition}"),
    }
}

/// What a stage measured, with its counts; nothing where the run left it out.
fn measured(record: &RunRecord, id: &str) -> Option<Value> {
    let stage = record.stages.iter().find(|stage| stage.id == id)?;
    let mut measured = match record.metrics.get(id) {
        Some(Value::Object(summary)) => summary.clone(),
        _ => Map::new(),
    };
    measured.insert("samples".to_owned(), stage.count.into());
    if !stage.classes.is_empty() {
        // A class that an earlier stage had and this one lost has no sample.
        let all = record.stages.iter().flat_map(|stage| stage.classes.keys());
        let of_class = |class| stage.classes.get(class).copied().unwrap_or(0);
        let least = all.collect::<BTreeSet<_>>().into_iter().map(of_class).min();
        measured.insert("samples_per_class".to_owned(), json!(least));
    }
    Some(Value::Object(measured))
}

/// The value at the end of a path. A table that is the only one in its own may be left out of it.
fn find<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Value> {
    let Some((name, rest)) = names.split_first() else {
        return Some(value);
    };
    let direct = value.get(name).and_then(|inner| find(inner, rest));
    direct.or_else(|| find(only_table(value)?.1, names))
}

/// The table within `value`, with its name, if there is only one.
fn only_table(value: &Value) -> Option<(&String, &Value)> {
    let mut tables = value
        .as_object()?
        .iter()
        .filter(|(_, inner)| inner.is_object());
    tables.next().filter(|_| tables.next().is_none())
}

fn unknown(requirement: &Requirement, id: &str, measured: &Value) -> Error {
    let mut known = Vec::new();
    numbers(id, measured, &mut known);
    let near = suggest::nearest(&requirement.path, known.iter().map(String::as_str));
    let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
    // Those of single classes come last, and are many.
    known.sort_by_key(|path| path.matches('.').count());
    const SHOWN: usize = 20;
    let more = match known.len() > SHOWN {
        true => format!(" and {} more", known.len() - SHOWN),
        false => String::new(),
    };
    known.truncate(SHOWN);
    requirement.place.error(
        format!("`{}` does not lead to a number", requirement.path),
        format!(
            "{near}numbers of `{id}`: {}{more}; nothing was published",
            known.join(", ")
        ),
    )
}

/// The paths of all numbers below `value`, as short as they may be written.
fn numbers(above: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Number(_) => found.push(above.to_owned()),
        Value::Object(map) => {
            let only = only_table(value).map(|(name, _)| name);
            for (name, inner) in map {
                match only == Some(name) {
                    true => numbers(above, inner, found),
                    false => numbers(&format!("{above}.{name}"), inner, found),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_the_only_one_may_be_left_out_of_a_path() {
        let measured = json!({
            "samples": 0,
            "readings": { "adapted": { "mean": 0.5, "by_class": { "a": 1.0 } }, "raw": { "mean": 0.2 } },
        });
        let number = |path: &str| {
            let names: Vec<&str> = path.split('.').collect();
            find(&measured, &names).and_then(Value::as_f64)
        };
        assert_eq!(number("samples"), Some(0.0));
        assert_eq!(number("readings.adapted.mean"), Some(0.5));
        assert_eq!(number("adapted.mean"), Some(0.5));
        assert_eq!(number("adapted.a"), Some(1.0));
        // Two tables hold a mean, so neither may be left out.
        assert_eq!(number("mean"), None);
        let mut known = Vec::new();
        numbers("test", &measured, &mut known);
        assert_eq!(known.len(), 4);
        for path in known {
            assert!(
                number(path.strip_prefix("test.").unwrap()).is_some(),
                "{path}"
            );
        }
    }
}
