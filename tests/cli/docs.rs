//! The reference pages in `docs/`: a section for every entry of every registry, and examples that parse.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use verismo::formats::FORMATS;
use verismo::generators::GENERATORS;
use verismo::models::MODELS;
use verismo::sample::maps::MAPS;
use verismo::stages::STAGES;
use verismo::stages::augment::TRANSFORMS;
use verismo::tasks::TASKS;

/// Every registry's page in `docs/`, with the names of its entries.
fn pages() -> [(&'static str, Vec<&'static str>); 7] {
    [
        ("stages.md", STAGES.iter().map(|s| s.name).collect()),
        ("models.md", MODELS.iter().map(|m| m.name).collect()),
        ("generators.md", GENERATORS.iter().map(|g| g.name).collect()),
        ("tasks.md", TASKS.iter().map(|t| t.name).collect()),
        ("transforms.md", TRANSFORMS.iter().map(|t| t.name).collect()),
        ("formats.md", FORMATS.iter().map(|f| f.name).collect()),
        ("maps.md", MAPS.iter().map(|m| m.name).collect()),
    ]
}

/// What the tests look at in a page.
#[derive(Default)]
struct Page {
    /// Headings of the second level.
    headings: Vec<String>,
    /// Blocks of TOML, each with its first line's number.
    examples: Vec<(usize, String)>,
}

impl Page {
    fn read(name: &str) -> Page {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let text = std::fs::read_to_string(docs.join(name)).unwrap();
        let (mut page, mut fence) = (Page::default(), None);
        for (number, line) in (1..).zip(text.lines()) {
            match (line.strip_prefix("```"), fence) {
                (Some(_), Some(_)) => fence = None,
                (Some(language), None) => {
                    fence = Some(language);
                    if language == "toml" {
                        page.examples.push((number + 1, String::new()));
                    }
                }
                (None, Some("toml")) => {
                    let (_, example) = page.examples.last_mut().unwrap();
                    *example += line;
                    example.push('\n');
                }
                (None, Some(_)) => {}
                (None, None) => page
                    .headings
                    .extend(line.strip_prefix("## ").map(str::to_owned)),
            }
        }
        page
    }
}

#[test]
fn every_entry_has_a_section_and_every_section_an_entry() {
    let mut wrong = Vec::new();
    for (name, entries) in pages() {
        let headings = Page::read(name).headings;
        let expected: Vec<String> = entries.iter().map(|entry| format!("`{entry}`")).collect();
        let missing = expected.iter().filter(|entry| !headings.contains(entry));
        wrong.extend(missing.map(|entry| format!("docs/{name} has no section \"## {entry}\"")));
        let stray = headings
            .iter()
            .filter(|heading| !expected.contains(heading));
        wrong.extend(stray.map(|h| format!("docs/{name}: \"## {h}\" is not an entry")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_example_of_a_stage_is_accepted() {
    for (name, entries) in pages() {
        let examples = Page::read(name).examples.into_iter();
        let stages = examples.filter(|(_, example)| example.starts_with("[stages."));
        let mut accepted = 0;
        for (line, example) in stages {
            if let Err(problem) = accept(&example) {
                panic!("docs/{name}:{line}: {problem}");
            }
            accepted += 1;
        }
        // Formats that are only read are in no pipeline.
        let only_read = |name: &&&str| {
            FORMATS
                .iter()
                .any(|f| f.name == **name && f.write.is_none())
        };
        let needed = entries.iter().filter(|name| !only_read(name)).count();
        assert!(accepted >= needed, "docs/{name} lacks examples");
    }
}

/// Parses and checks every `[stages.ID]` of an example as a pipeline would.
fn accept(example: &str) -> Result<(), String> {
    let document = DeTable::parse(example).map_err(|e| e.to_string())?;
    let stages = document.get_ref().get("stages");
    let stages = stages.and_then(|stages| stages.get_ref().as_table());
    for (id, value) in stages.into_iter().flatten() {
        let id: &str = id.get_ref();
        let table = value.get_ref().as_table();
        let mut table = table.ok_or("a stage is a table")?.clone();
        let [used, from, like] = ["use", "from", "like"].map(|key| table.remove(key));
        let used = used.as_ref().and_then(|used| used.get_ref().as_str());
        let name = used.unwrap_or(id);
        let kind = STAGES.iter().find(|kind| kind.name == name);
        let kind = kind.ok_or(format!("there is no stage `{name}`"))?;
        let roles = from.as_ref().and_then(|from| from.get_ref().as_table());
        for (role, _) in roles.into_iter().flatten() {
            let role: &str = role.get_ref();
            if !kind.inputs.iter().any(|input| input.role == role) {
                return Err(format!("`{name}` reads nothing as `{role}`"));
            }
        }
        let own = Spanned::new(value.span(), DeValue::Table(table));
        let stage = (kind.parse)(own).map_err(|e| e.to_string())?;
        // What a stage is `like` may hold what it cannot do without.
        if like.is_none() {
            stage.check()?;
        }
    }
    Ok(())
}

#[test]
fn a_wrong_example_is_noticed() {
    for (example, expected) in [
        ("[stages.emit]\ntitle = \"x\"\n", "title"),
        ("[stages.split]\nval = 2.0\n", "`val`"),
        ("[stages.photos]\nuse = \"ingst\"\n", "`ingst`"),
        ("[stages.task]\nfrom = { renders = \"r\" }\n", "`renders`"),
        ("[stages.augment.affine]\nturn = 1.0\n", "turn"),
    ] {
        let problem = accept(example).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }
}
