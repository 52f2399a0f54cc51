//! Where the settings of a stage stand in the pipeline file, for errors that are found after it was read.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where the settings of a stage stand.
#[derive(Default)]
pub(super) struct Positions {
    /// Those at the top of its table, by name.
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
            let key = key.get_ref();
            positions.named.insert(key.to_string(), value.span());
            positions.collect(key, value, Held::Alone);
        }
        positions
    }

    fn collect(&mut self, key: &str, value: &Spanned<DeValue>, held: Held) {
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

    /// The position of the first setting that `problem` names in backticks and the stage has.
    pub(super) fn first_named(&self, problem: &str) -> Option<Range<usize>> {
        let mut names = problem.split('`').skip(1).step_by(2);
        names.find_map(|name| self.named.get(name).cloned())
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
