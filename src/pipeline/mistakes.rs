//! Mistakes that are found while a pipeline file is read, in the words of people who write such files.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::DeValue;

use super::positions::Positions;
use super::source::Source;
use super::spec::WIRING;
use super::suggest;
use crate::Error;

const SCHEMA: &str =
    "`verismo schema` prints every key with its type; `verismo new NAME` shows examples";

/// Rewords a parse error of serde: the key, what it is and what belongs there; or the unknown name, and the known ones. A
/// stage that parses its table itself can add a remedy, in a line of its own after `help: `.
pub(super) fn explain(
    source: &Source,
    error: &toml::de::Error,
    subject: &str,
    positions: &Positions,
    top_keys: &[Range<usize>],
    fallback: Range<usize>,
) -> Error {
    let span = error.span().unwrap_or(fallback);
    if let Some((problem, remedy)) = error.message().split_once("\nhelp: ") {
        return source.error(span, format!("{subject}: {problem}"), remedy);
    }
    let message = error.message().lines().collect::<Vec<_>>().join("; ");
    if let Some((what, name, mut known)) = unknown_name(&message) {
        if what == "key" && top_keys.contains(&span) {
            known.extend(WIRING);
        }
        return source.error(
            span,
            format!("{subject} has an unknown {what} `{name}`"),
            suggest::remedy(name, "known", &known),
        );
    }
    let (key, whole) = match positions.around(&span) {
        Some((key, whole)) => (format!("`{key}`"), whole),
        None => (subject.to_owned(), true),
    };
    let problem = reworded(&message, &key, whole).unwrap_or(message);
    source.error(span, format!("{subject}: {problem}"), SCHEMA)
}

/// The parts of "unknown field `a`, expected one of `b`, `c`": what is unknown, its name and the known ones.
fn unknown_name(message: &str) -> Option<(&str, &str, Vec<&str>)> {
    let what = match message.strip_prefix("unknown ")?.split(' ').next()? {
        "field" => "key",
        "variant" => "value",
        other => other,
    };
    // Every second piece between backticks is a name.
    let mut names = message.split('`').skip(1).step_by(2);
    Some((what, names.next()?, names.collect()))
}

/// "invalid type: string "x", expected u64" and the like, of a setting `key`, or of a value that it holds if not `whole`.
fn reworded(message: &str, key: &str, whole: bool) -> Option<String> {
    if let Some(missing) = message.strip_prefix("missing field ") {
        return Some(format!("{missing} is missing"));
    }
    // A text that was found may hold anything.
    let (found, expected) = message.rsplit_once(", expected ")?;
    if let Some(length) = found.strip_prefix("invalid length ") {
        let values = if length == "1" { "value" } else { "values" };
        let wanted = match expected.rsplit_once(' ') {
            Some(("an array of length" | "a tuple of size", wanted)) => {
                format!(" instead of {wanted}")
            }
            _ => format!("; it should be {expected}"),
        };
        return Some(format!("{key} has {length} {values}{wanted}"));
    }
    let found = found
        .strip_prefix("invalid type: ")
        .or_else(|| found.strip_prefix("invalid value: "))?;
    let is = if whole { "is" } else { "holds" };
    Some(format!(
        "{key} {is} {}, not {}",
        value(found),
        belonging(expected)
    ))
}

/// A value as serde names it, as it would be written.
fn value(found: &str) -> &str {
    match found {
        "sequence" => "a list",
        "map" => "a table",
        _ => ["boolean ", "integer ", "floating point ", "string "]
            .iter()
            .find_map(|kind| found.strip_prefix(kind))
            .map_or(found, |value| value.trim_matches('`')),
    }
}

/// What serde expected, by the name of a Rust type or in words of ours.
fn belonging(expected: &str) -> String {
    let named = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "u128" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "path string" => "a text in quotes",
        "a sequence" => "a list",
        "a map" => "a table",
        _ => match expected.rsplit_once(' ') {
            Some(("an array of length" | "a tuple of size", length)) => {
                return format!("a list of {length} values");
            }
            Some(("struct", _)) => "a table",
            Some(("a nonzero", _)) => "a whole number of at least 1",
            _ => expected,
        },
    };
    named.to_owned()
}

/// The first value of a list that is longer than what was read of it, and how many were: serde takes from a list what it
/// needs, and says nothing of the rest.
pub(super) fn surplus(given: &Spanned<DeValue>, read: &Value) -> Option<(Range<usize>, usize)> {
    match (given.get_ref(), read) {
        (DeValue::Array(given), Value::Array(read)) => match given.get(read.len()) {
            Some(first) => Some((first.span(), read.len())),
            None => given
                .iter()
                .zip(read)
                .find_map(|(given, read)| surplus(given, read)),
        },
        (DeValue::Table(given), Value::Object(read)) => given
            .iter()
            .find_map(|(key, given)| surplus(given, read.get(&**key.get_ref())?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_in_plain_words() {
        for (message, expected) in [
            (
                r#"invalid type: string "x", expected u64"#,
                r#"`k` is "x", not a whole number of at least 0"#,
            ),
            (
                r#"invalid type: string "a, expected b", expected u64"#,
                r#"`k` is "a, expected b", not a whole number of at least 0"#,
            ),
            (
                "invalid type: floating point `1.5`, expected u8",
                "`k` is 1.5, not a whole number from 0 to 255",
            ),
            (
                "invalid value: integer `-3`, expected usize",
                "`k` is -3, not a whole number of at least 0",
            ),
            (
                "invalid type: boolean `true`, expected struct Mesh",
                "`k` is true, not a table",
            ),
            (
                "invalid type: integer `4`, expected an array of length 2",
                "`k` is 4, not a list of 2 values",
            ),
            (
                "invalid type: sequence, expected a string",
                "`k` is a list, not a text in quotes",
            ),
            (
                "invalid length 1, expected an array of length 2",
                "`k` has 1 value instead of 2",
            ),
            ("missing field `models`", "`models` is missing"),
        ] {
            assert_eq!(reworded(message, "`k`", true).as_deref(), Some(expected));
        }
        let inner = reworded("invalid type: map, expected f32", "`k`", false);
        assert_eq!(inner.as_deref(), Some("`k` holds a table, not a number"));
        assert_eq!(reworded("no such thing", "`k`", true), None);
    }
}
