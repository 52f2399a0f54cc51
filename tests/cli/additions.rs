//! The additions that CONTRIBUTING.md shows as diffs: what they change is there, their registry entries have all fields,
//! and the program has functions of the same signatures.

use std::collections::BTreeSet;
use std::path::Path;

use crate::layering;

fn read(path: impl AsRef<Path>) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The lines of every diff.
fn diffs() -> Vec<Vec<String>> {
    let text = read("CONTRIBUTING.md");
    let blocks = text.split("```diff\n").skip(1);
    let lines = |block: &str| {
        let diff = block.split("```").next().unwrap();
        diff.lines().map(str::to_owned).collect()
    };
    blocks.map(lines).collect()
}

/// All sources of the program as one line, with single spaces and no trailing commas in lists.
fn sources() -> String {
    let texts: Vec<String> = layering::sources()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    one_line(&texts.concat())
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace("( ", "(").replace(", )", ")")
}

/// The public fields of a struct.
fn fields(sources: &str, kind: &str) -> BTreeSet<String> {
    let start = sources.find(&format!("pub struct {kind} {{")).unwrap();
    let body = sources[start..].split(" } ").next().unwrap();
    let named = body.split(" pub ").skip(1);
    named
        .map(|field| field.split(':').next().unwrap().to_owned())
        .collect()
}

#[test]
fn what_they_change_is_there() {
    for diff in diffs() {
        let mut file = None;
        for line in &diff {
            if let Some(path) = line.strip_prefix("--- ") {
                file = (path != "/dev/null").then(|| read(path));
                continue;
            }
            let (Some(text), Some(before)) = (&file, line.strip_prefix([' ', '-'])) else {
                continue;
            };
            let there = text.lines().any(|line| line == before);
            assert!(there, "CONTRIBUTING.md: `{before}` is not in the file");
        }
    }
}

#[test]
fn their_entries_have_all_fields() {
    let sources = sources();
    let mut kinds = BTreeSet::new();
    for diff in diffs() {
        let added = diff.iter().filter_map(|line| line.strip_prefix('+'));
        let mut entry: Option<(String, BTreeSet<String>)> = None;
        for line in added {
            if let Some((_, kind)) = line.strip_suffix(" {").and_then(|l| l.split_once(" = "))
                && line.starts_with("pub const ")
            {
                entry = Some((kind.to_owned(), BTreeSet::new()));
            } else if line == "};" {
                let (kind, named) = entry.take().unwrap();
                assert_eq!(named, fields(&sources, &kind), "CONTRIBUTING.md: `{kind}`");
                kinds.insert(kind);
            } else if let Some((_, named)) = &mut entry
                && let Some(field) = line.strip_prefix("    ")
                && !field.starts_with([' ', '}'])
            {
                let name = field.split([':', ',']).next().unwrap();
                named.insert(name.to_owned());
            }
        }
    }
    assert_eq!(kinds.len(), 7, "{kinds:?}");
}

#[test]
fn the_program_has_functions_of_their_signatures() {
    let sources = sources();
    let mut seen = 0;
    for line in diffs().iter().flatten() {
        let function = line.strip_prefix('+').unwrap_or_default().trim_start();
        if !function.starts_with("fn ") {
            continue;
        }
        let signature = function.split(" { ").next().unwrap();
        assert!(
            sources.contains(&one_line(signature)),
            "CONTRIBUTING.md: `{signature}` is in no source"
        );
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}
