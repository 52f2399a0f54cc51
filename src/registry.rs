//! The names of registry entries in configurations, checked against the registry on parsing.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

/// An entry of a registry that configurations choose from by name.
pub trait Entry: Sized + 'static {
    /// The registry.
    const ALL: &'static [Self];
    /// What messages call an entry, e.g. `format`.
    const NOUN: &'static str;

    /// What configurations write; unique in the registry.
    fn name(&self) -> &'static str;

    /// One line for `verismo list`.
    fn about(&self) -> &'static str;
}

/// An entry chosen by its name.
pub struct Name<E: Entry>(&'static E);

impl<E: Entry> Name<E> {
    /// All entries, in registry order.
    pub fn all() -> Vec<Self> {
        E::ALL.iter().map(Name).collect()
    }

    /// The entry of this name; `None` if there is none.
    pub fn find(name: &str) -> Option<Self> {
        E::ALL.iter().find(|entry| entry.name() == name).map(Name)
    }

    /// The registry's entry that the name stands for.
    pub fn entry(self) -> &'static E {
        self.0
    }
}

impl<E: Entry> Clone for Name<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Entry> Copy for Name<E> {}

impl<E: Entry> PartialEq for Name<E> {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl<E: Entry> std::fmt::Debug for Name<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

impl<E: Entry> Serialize for Name<E> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.name())
    }
}

impl<'de, E: Entry> Deserialize<'de> for Name<E> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Name::find(&name).ok_or_else(|| {
            let known = E::ALL.iter().map(|entry| format!("`{}`", entry.name()));
            let known = known.collect::<Vec<_>>().join(", ");
            D::Error::custom(format!(
                "unknown {} `{name}`, expected one of {known}",
                E::NOUN
            ))
        })
    }
}

impl<E: Entry> JsonSchema for Name<E> {
    fn schema_name() -> Cow<'static, str> {
        E::NOUN.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = |entry: &E| json_schema!({ "const": entry.name(), "description": entry.about() });
        let all: Vec<Schema> = E::ALL.iter().map(one).collect();
        json_schema!({ "oneOf": all })
    }
}
