//! Which modules may import which, as shown in ARCHITECTURE.md: only those below.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rows from top to bottom. A module may import lower rows, and modules after it in its own row.
const ROWS: &[&[&str]] = &[
    &["cli"],
    &["pipeline", "report"],
    &["stages"],
    &["tasks"],
    &["generators"],
    &["models"],
    &["nn"],
    &["formats", "appearance"],
    &["stage", "artifact"],
    &["sample"],
    &["seed", "registry", "error"],
];

/// Modules outside the rows: they hold the crate together, or serve tests.
const OUTSIDE: &[&str] = &["lib", "main", "testing"];

/// Folders whose own modules must not import each other in cycles either.
const ONE_WAY: &[&str] = &["pipeline", "report", "models", "stages/gate"];

/// External crates, and the only modules that may use them.
const CRATES: &[(&str, &[&str])] = &[
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("console", &["cli"]),
    ("tracing_subscriber", &["cli"]),
    ("ctrlc", &["cli"]),
    (
        "burn",
        &[
            "nn",
            "models",
            "generators",
            "tasks",
            "testing",
            "stages/learn",
            "stages/generate",
            "stages/task",
            "stages/train",
            "stages/translate",
            "stages/gate",
        ],
    ),
];

#[test]
fn every_module_has_its_row() {
    let modules: BTreeSet<String> = sources().iter().map(|(path, _)| first(path)).collect();
    let known = |module: &&String| OUTSIDE.contains(&module.as_str()) || place(module).is_some();
    let strangers: Vec<&String> = modules.iter().filter(|m| !known(m)).collect();
    assert!(
        strangers.is_empty(),
        "say in ROWS whom these modules may import: {strangers:?}"
    );
}

#[test]
fn modules_import_only_what_lies_below() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = first(&path);
        if OUTSIDE.contains(&module.as_str()) {
            continue;
        }
        for (number, import) in imports(&text) {
            // `Error` and `Result` are re-exported at the top and belong to no row.
            if place(&import).is_some_and(|import| Some(import) < place(&module)) {
                wrong.push(format!("{path}:{number}: `{module}` imports `{import}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_of_a_folder_import_each_other_one_way() {
    for folder in ONE_WAY {
        let mut above: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, text) in sources() {
            let Some(inner) = path.strip_prefix(&format!("{folder}/")) else {
                continue;
            };
            let module = first(inner);
            if ["mod", "tests"].contains(&module.as_str()) {
                continue;
            }
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let mut imports = named(text, &format!("crate::{folder}::"));
            if !inner.contains('/') {
                imports.extend(named(text, "super::"));
            }
            let imports = imports.into_iter().map(|(_, name)| name);
            above.entry(module).or_default().extend(imports);
        }
        // Repeatedly removes modules that import none of the rest, until none are left or all are in a cycle.
        loop {
            let left: BTreeSet<String> = above.keys().cloned().collect();
            above.retain(|module, imports| imports.iter().any(|i| i != module && left.contains(i)));
            if above.len() == left.len() {
                break;
            }
        }
        assert!(
            above.is_empty(),
            "in a ring, or above one, in {folder}: {above:#?}"
        );
    }
}

#[test]
fn stages_never_import_each_other() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(own) = path
            .strip_prefix("stages/")
            .and_then(|rest| rest.split('/').next())
        else {
            continue;
        };
        for (index, line) in code(&text) {
            let Some((_, rest)) = line.split_once("crate::stages::") else {
                continue;
            };
            let other: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if other != own && own != "mod.rs" {
                wrong.push(format!("{path}:{index}: `{own}` imports `{other}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn terminal_and_network_crates_stay_in_their_modules() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (name, places) in CRATES {
            let allowed = places.iter().any(|place| {
                path.starts_with(&format!("{place}/")) || path == format!("{place}.rs")
            });
            let used = |line: &str| {
                line.match_indices(&format!("{name}::")).any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                })
            };
            for (number, line) in code(&text).filter(|(_, line)| !allowed && used(line)) {
                wrong.push(format!("{path}:{number}: uses `{name}`: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(
        silent.is_empty(),
        "no `//!` at the head of {}",
        silent.join(", ")
    );
}

/// Every Rust file below `src`: its path with forward slashes, and its text.
pub(crate) fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open = vec![root.clone()];
    let mut found: Vec<PathBuf> = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    let read = |path: PathBuf| {
        let name = path
            .strip_prefix(&root)
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/");
        (name, std::fs::read_to_string(path).unwrap())
    };
    found.into_iter().map(read).collect()
}

/// The module that a file belongs to: `stages` for `stages/render/mod.rs`, `seed` for `seed.rs`.
fn first(path: &str) -> String {
    path.split('/')
        .next()
        .unwrap()
        .trim_end_matches(".rs")
        .to_owned()
}

/// Row, and position in it.
fn place(module: &str) -> Option<(usize, usize)> {
    let places = ROWS.iter().enumerate();
    let mut places = places.filter_map(|(row, modules)| {
        let place = modules.iter().position(|known| *known == module)?;
        Some((row, place))
    });
    places.next()
}

/// Lines with their numbers, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The crate's modules that a file names, with the line: `crate::x::y` and `crate::{x, y::{a, b}}`.
fn imports(text: &str) -> Vec<(usize, String)> {
    named(text, "crate::")
}

/// The names that follow `prefix` in a file, with the line.
fn named(text: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in code(text) {
        for (at, _) in line.match_indices(prefix) {
            let rest = &line[at + prefix.len()..];
            if rest.starts_with('{') {
                // The group may continue on the next lines.
                let start = line.as_ptr() as usize - text.as_ptr() as usize + at + prefix.len() + 1;
                let names = group(&text[start..]);
                found.extend(names.into_iter().map(|name| (number, name)));
            } else {
                found.push((number, identifier(rest)));
            }
        }
    }
    found
}

/// The first names of the items in a group, after its opening brace.
fn group(text: &str) -> Vec<String> {
    let (mut depth, mut names, mut fresh) = (0, Vec::new(), true);
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && c.is_alphabetic() => {
                names.push(identifier(&text[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn groups_over_several_lines_are_read() {
    let text =
        "use crate::{\n    nn::{a, b},\n    Error,\n    stages::x,\n};\nuse crate::seed::Seed;\n";
    let names: Vec<String> = imports(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["nn", "Error", "stages", "seed"]);
}
