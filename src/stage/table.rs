//! Reading and describing a stage's table when some of the tables in it belong to entries of a registry: the
//! stage takes those out, hands each to its entry, and reads the rest as its own settings.

use std::borrow::Cow;
use std::convert::Infallible;
use std::ops::Range;

use schemars::Schema;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use crate::registry::{Entry, Name};

/// The table that `value` is.
///
/// # Errors
/// If it is not a table.
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

/// An entry of a registry that a setting of the stage chooses, and whose own settings stand in a table of its name.
pub trait Tabled: Entry {
    /// Reads its table, and forgets it.
    ///
    /// # Errors
    /// The first key or value that is wrong.
    fn check_table(&self, table: ValueDeserializer) -> Result<(), Error>;
}

/// The entry that the setting `key` chooses, else `default`, and its table, taken out of that of the stage.
///
/// # Errors
/// If the choice is not known, or where the table of another entry is written, unless it stands before the choice: a file
/// that extends another, `like`, `--set` and `[matrix]` may choose another entry than the tables that they find were
/// written for.
pub fn choose<'a, E: Tabled>(
    table: &mut Spanned<DeTable<'a>>,
    key: &str,
    default: Name<E>,
) -> Result<(Name<E>, ValueDeserializer<'a>), Error> {
    let (choice, chosen_at) = match table.get_ref().get(key) {
        Some(value) => {
            let choice = Name::<E>::deserialize(ValueDeserializer::from(value.clone()));
            let unknown = |e: Error| error_at(value.span(), e.message().to_owned());
            (choice.map_err(unknown)?, value.span().start)
        }
        None => (default, 0),
    };
    let chosen = choice.entry().name();
    for other in E::ALL.iter().filter(|other| other.name() != chosen) {
        if let Some((place, value)) = table.get_mut().remove_entry(other.name()) {
            if latest(&place, &value) > chosen_at {
                let (other, noun) = (other.name(), E::NOUN);
                return Err(error_at(
                    place.span(),
                    format!(
                        "`{other}` is the table of another {noun} than `{chosen}`, which is trained\n\
                         help: set `{key} = \"{other}\"`, or write the settings of `{chosen}` into a table of that name"
                    ),
                ));
            }
            other.check_table(value.into())?;
        }
    }
    Ok((choice, take(table, chosen)))
}

/// Where the last of what a table holds was written.
fn latest(key: &Spanned<Cow<str>>, value: &Spanned<DeValue>) -> usize {
    let inner = value.get_ref().as_table().into_iter().flatten();
    let places = inner.map(|(key, _)| key.span().start);
    places.chain([key.span().start]).max().unwrap_or_default()
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
