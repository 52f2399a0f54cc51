//! Reading and describing a stage's table when some of the tables in it belong to entries of a registry: the
//! stage takes those out, hands each to its entry, and reads the rest as its own settings.

use std::convert::Infallible;
use std::ops::Range;

use schemars::Schema;
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

/// The table that `value` is.
///
/// # Errors
/// If it is none.
pub fn open(value: Spanned<DeValue>) -> Result<Spanned<DeTable>, Error> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Ok(Spanned::new(span, table)),
        other => Err(error_at(
            span,
            format!("a {} is not a table", other.type_str()),
        )),
    }
}

/// Takes out the value of `name`, for the entry that reads it; an empty table if there is none.
pub fn take<'a>(table: &mut Spanned<DeTable<'a>>, name: &str) -> ValueDeserializer<'a> {
    let given = table.get_mut().remove(name);
    let empty = || Spanned::new(table.span(), DeValue::Table(DeTable::new()));
    given.unwrap_or_else(empty).into()
}

/// Reads what is left once the values of `taken` are taken out.
///
/// # Errors
/// The first key or value that is wrong. That of an unknown key has `taken` among the known ones.
pub fn rest<'a, C: DeserializeOwned>(
    table: Spanned<DeTable>,
    taken: impl IntoIterator<Item = &'a str>,
) -> Result<C, Error> {
    let left = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
    C::deserialize(ValueDeserializer::from(left)).map_err(|error| {
        match (error.message().strip_prefix("unknown field "), error.span()) {
            (Some(names), Some(span)) => {
                let taken = taken.into_iter().map(|name| format!(", `{name}`"));
                let taken: String = taken.collect();
                error_at(span, format!("unknown field {names}{taken}"))
            }
            _ => error,
        }
    })
}

/// Adds the schema of an entry's table to that of the stage, with a description.
pub fn describe(stage: &mut Schema, name: &str, mut table: Schema, description: &str) {
    table.insert("description".into(), description.into());
    if let Some(properties) = stage.get_mut("properties") {
        properties[name] = table.to_value();
    }
}

/// An error of our own at a place; TOML's errors take theirs from the value that is being read.
pub fn error_at(span: Range<usize>, message: String) -> Error {
    struct Refusal(String);
    impl Visitor<'_> for Refusal {
        type Value = Infallible;

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("nothing")
        }

        fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Infallible, E> {
            Err(E::custom(self.0))
        }
    }
    let place = ValueDeserializer::from(Spanned::new(span, DeValue::Boolean(true)));
    match place.deserialize_bool(Refusal(message)) {
        Err(error) => error,
        Ok(never) => match never {},
    }
}
