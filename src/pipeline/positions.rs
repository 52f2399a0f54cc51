//! Where the settings of a stage stand in the pipeline file, for errors that are found after it was read.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where the settings of a stage stand.
#[derive(Default)]
pub(super) struct Positions {
    /// Those of its table and of the tables within, by name as in `--set STAGE.NAME=VALUE`.
    named: BTreeMap<String, Range<usize>>,
    /// Every string, wherever it stands in the table.
    strings: Vec<WrittenString>,
}

struct WrittenString {
    text: String,
    /// As in `--set STAGE.KEY=VALUE`.
    key: String,
    held: Held,
    span: Range<usize>,
}

/// How a setting holds a string.
#[derive(Clone, Copy)]
enum Held {
    Alone,
    Listed,
    /// In a table or a list that stands in a list, where `--set` does not reach.
    Deeper,
}

impl Held {
    fn in_list(self) -> Self {
        match self {
            Held::Alone => Held::Listed,
            Held::Listed | Held::Deeper => Held::Deeper,
        }
    }

    fn in_table(self) -> Self {
        match self {
            Held::Alone => Held::Alone,
            Held::Listed | Held::Deeper => Held::Deeper,
        }
    }
}

impl Positions {
    pub(super) fn of(table: &DeTable) -> Self {
        let mut positions = Positions::default();
        for (key, value) in table {
            positions.collect(key.get_ref(), value, Held::Alone);
        }
        positions
    }

    fn collect(&mut self, key: &str, value: &Spanned<DeValue>, held: Held) {
        if matches!(held, Held::Alone) {
            self.named.insert(key.to_owned(), value.span());
        }
        match value.get_ref() {
            DeValue::String(text) => self.strings.push(WrittenString {
                text: text.to_string(),
                key: key.to_owned(),
                held,
                span: value.span(),
            }),
            DeValue::Array(values) => {
                let within = held.in_list();
                values.iter().for_each(|v| self.collect(key, v, within));
            }
            DeValue::Table(inner) => {
                for (name, value) in inner {
                    let key = format!("{key}.{}", name.get_ref());
                    self.collect(&key, value, held.in_table());
                }
            }
            _ => {}
        }
    }

    /// The innermost setting that holds what stands at `span`, and whether that is all of it.
    pub(super) fn around(&self, span: &Range<usize>) -> Option<(&str, bool)> {
        let holds = |held: &Range<usize>| held.start <= span.start && span.end <= held.end;
        let holding = self.named.iter().filter(|(_, held)| holds(held));
        // Of a `--set` without quotes, and of the tables that it adds, all positions are the same.
        let innermost = holding.min_by_key(|(key, held)| (held.len(), Reverse(key.len())));
        innermost.map(|(key, held)| (key.as_str(), held == span))
    }

    /// The position of the first setting that `problem` names in backticks and the stage has; if that is a table, of what
    /// is named of it.
    pub(super) fn first_named(&self, problem: &str) -> Option<Range<usize>> {
        let names = problem.split('`').skip(1).step_by(2);
        let mut found = names.filter_map(|name| self.written(name));
        let (key, span) = found.next()?;
        let mut within = found.filter(|(other, _)| is_below(other, key));
        Some(within.next().map_or(span, |(_, span)| span).clone())
    }

    /// The setting of this name, or else the only one whose name ends in it.
    fn written(&self, name: &str) -> Option<(&String, &Range<usize>)> {
        let mut ending = self.named.iter().filter(|(key, _)| ends_in(key, name));
        let only = ending.next().filter(|_| ending.next().is_none());
        self.named.get_key_value(name).or(only)
    }

    /// The position of a path that stands in the settings, or else of the longest one that it begins with.
    pub(super) fn of_path(&self, path: &Path) -> Option<Range<usize>> {
        Some(self.string_of(path)?.span.clone())
    }

    /// How to change the setting that holds this path of the stage `id`, if the command line can.
    pub(super) fn set_path(&self, id: &str, path: &Path) -> Option<String> {
        let WrittenString { key, held, .. } = self.string_of(path)?;
        match held {
            Held::Alone => Some(format!("--set {id}.{key}=PATH")),
            Held::Listed => Some(format!("--set '{id}.{key}=[\"PATH\"]'")),
            Held::Deeper => None,
        }
    }

    fn string_of(&self, path: &Path) -> Option<&WrittenString> {
        let strings = self.strings.iter().filter(|string| !string.text.is_empty());
        let above = strings.filter(|string| path.starts_with(&string.text));
        above.max_by_key(|string| string.text.len())
    }
}

/// Whether a setting is one of the table `of`.
fn is_below(key: &str, of: &str) -> bool {
    key.strip_prefix(of)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a setting is one called `name` of some table.
fn ends_in(key: &str, name: &str) -> bool {
    key.strip_suffix(name)
        .is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_by_name_and_by_the_path_they_hold() {
        let text = "path = \"photos/all\"\n[mesh]\nmodels = [\"parts\", \"parts/cup.glb\"]\n\
                    [[mesh.others]]\npath = \"bolts\"\n";
        let table = DeTable::parse(text).unwrap();
        let positions = Positions::of(table.get_ref());
        let found = |span: Option<Range<usize>>| span.map(|span| &text[span]);
        let named = |problem| found(positions.first_named(problem));
        assert_eq!(named("in `parts`, `path` is wrong"), Some("\"photos/all\""));
        assert_eq!(named("nothing is named"), None);
        let models = Some("[\"parts\", \"parts/cup.glb\"]");
        assert_eq!(named("`mesh.models` is wrong"), models);
        assert_eq!(named("`models` is wrong"), models);
        assert_eq!(named("`mesh`: `models` is wrong"), models);
        let held = |path| found(positions.of_path(Path::new(path)));
        assert_eq!(held("parts/cup.glb"), Some("\"parts/cup.glb\""));
        assert_eq!(held("parts/mug.glb"), Some("\"parts\""));
        assert_eq!(held("partsof"), None);
        let set = |path| positions.set_path("render", Path::new(path)).unwrap();
        assert_eq!(set("photos/all"), "--set render.path=PATH");
        assert_eq!(
            set("parts/mug.glb"),
            "--set 'render.mesh.models=[\"PATH\"]'"
        );
        assert_eq!(held("bolts/m3.stl"), Some("\"bolts\""));
        assert_eq!(
            positions.set_path("render", Path::new("bolts/m3.stl")),
            None
        );
    }
}
