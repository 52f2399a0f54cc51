//! `[variables]` of a pipeline file: `${name}` inside its strings.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Source;
use super::suggest;
use crate::{Error, Result};

/// Replaces `${name}` in every string of the document, and removes `[variables]` from it.
///
/// A string that is only `${name}` becomes the variable's value, with its type. `$${` stands for a literal
/// `${`.
///
/// # Errors
/// The first unknown variable, unclosed `${`, or variable that is not a plain value, with its position.
pub(super) fn substitute<'a>(source: &Source, table: &mut DeTable<'a>) -> Result<()> {
    let variables = match table.remove("variables") {
        None => DeTable::new(),
        Some(value) => match value.get_ref() {
            DeValue::Table(variables) => variables.clone(),
            _ => {
                return Err(source.error(
                    value.span(),
                    "`variables` is not a table",
                    "write `[variables]` and, below it, `name = \"default\"`",
                ));
            }
        },
    };
    let expander = Expander { source, variables };
    // An unused variable must be valid as well.
    for (name, value) in &expander.variables {
        let mut value = value.clone();
        expander.value(&mut value, &mut vec![name.get_ref().to_string()])?;
    }
    table
        .iter_mut()
        .try_for_each(|(_, value)| expander.value(value, &mut Vec::new()))
}

/// Escapes a text so that reading it gives the same text.
pub(super) fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

struct Expander<'s, 'a> {
    source: &'s Source,
    variables: DeTable<'a>,
}

impl<'a> Expander<'_, 'a> {
    /// Replaces variables in a value and everything in it; `above` are the variables being expanded.
    fn value(&self, value: &mut Spanned<DeValue<'a>>, above: &mut Vec<String>) -> Result<()> {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(text) if text.contains("${") => {
                let expanded = self.text(&text.clone(), &span, above)?;
                *value = Spanned::new(span, expanded);
            }
            DeValue::Array(values) => {
                for value in values.iter_mut() {
                    self.value(value, above)?;
                }
            }
            DeValue::Table(table) => {
                for (_, value) in table.iter_mut() {
                    self.value(value, above)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn text(
        &self,
        text: &str,
        span: &Range<usize>,
        above: &mut Vec<String>,
    ) -> Result<DeValue<'a>> {
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                out.push_str(&rest[..at - 1]);
                out.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            // A name contains no `$`: one before the brace starts the next variable.
            let length = rest[at + 1..].find(['}', '$']).map(|found| found + 1);
            let Some(length) = length.filter(|&l| rest[at + l..].starts_with('}')) else {
                return Err(self.error(
                    span,
                    &rest[at..],
                    format!("`{}` is not closed", &rest[at..]),
                    "write `${name}`; write `$${` for a literal `${`".to_owned(),
                ));
            };
            let written = &rest[at..=at + length];
            let value = self.variable(written, span, above)?;
            if written == text {
                return Ok(value);
            }
            out.push_str(&rest[..at]);
            out.push_str(&self.inserted(&value, written, span)?);
            rest = &rest[at + length + 1..];
        }
        out.push_str(rest);
        Ok(DeValue::String(Cow::Owned(out)))
    }

    /// The value of the variable in `written`, which is `${name}`.
    fn variable(
        &self,
        written: &str,
        span: &Range<usize>,
        above: &mut Vec<String>,
    ) -> Result<DeValue<'a>> {
        let name = written[2..written.len() - 1].trim();
        if above.iter().any(|seen| seen == name) {
            let round = above.join(" -> ");
            return Err(self.error(
                span,
                written,
                format!("variables form a cycle: {round} -> {name}"),
                "give one of them a value without variables".to_owned(),
            ));
        }
        let Some(value) = self.variables.get(name) else {
            let known: Vec<&str> = self.variables.keys().map(|k| &**k.get_ref()).collect();
            return Err(self.error(
                span,
                written,
                format!("there is no variable `{name}`"),
                suggest::remedy(name, "variables", &known) + "; write `$${` for a literal `${`",
            ));
        };
        let mut value = value.clone();
        above.push(name.to_owned());
        self.value(&mut value, above)?;
        above.pop();
        Ok(value.into_inner())
    }

    /// A value as part of a longer string.
    fn inserted(&self, value: &DeValue, written: &str, span: &Range<usize>) -> Result<String> {
        Ok(match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(truth) => truth.to_string(),
            _ => {
                return Err(self.error(
                    span,
                    written,
                    format!("`{written}` is part of a string, but is not a string or number"),
                    "make the variable the whole string, or make it a string itself".to_owned(),
                ));
            }
        })
    }

    /// An error at `written` within the string at `span`, if it can be found there.
    fn error(&self, span: &Range<usize>, written: &str, problem: String, remedy: String) -> Error {
        let inside = self.source.written(span.clone()).find(written);
        let start = span.start + inside.unwrap_or(0);
        self.source.error(start..start, problem, remedy)
    }
}
