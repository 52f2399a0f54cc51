//! `docs/first-hour.md` does what it shows: its commands are run one after the other, and print its lines.

use std::fs;
use std::path::Path;

use crate::project::Project;

/// A command and the lines below it.
struct Step {
    line: usize,
    command: String,
    shown: Vec<String>,
}

/// The commands of the page's `console` blocks.
fn steps(page: &str) -> Vec<Step> {
    let (mut steps, mut inside): (Vec<Step>, _) = (Vec::new(), false);
    for (number, text) in (1..).zip(page.lines()) {
        if text.starts_with("```") {
            inside = text == "```console";
        } else if let Some(command) = text.strip_prefix("$ ").filter(|_| inside) {
            steps.push(Step {
                line: number,
                command: command.to_owned(),
                shown: Vec::new(),
            });
        } else if inside && !text.trim().is_empty() {
            steps.last_mut().unwrap().shown.push(text.to_owned());
        }
    }
    steps
}

/// Whether a line has the parts of `shown`, in which `…` stands for anything, in their order.
fn matches(line: &str, shown: &str) -> bool {
    let mut rest = line;
    shown.split('…').map(str::trim).all(|part| {
        let found = rest.find(part);
        found.is_some_and(|place| {
            rest = &rest[place + part.len()..];
            true
        })
    })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn the_first_hour_goes_as_the_page_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Project::new();
    fs::create_dir(project.path("parts")).unwrap();
    for name in ["die.gltf", "die.bin"] {
        let from = root.join("renders/dice").join(name);
        fs::copy(from, project.path("parts").join(name)).unwrap();
    }
    copy(&root.join("photos/dice/train"), &project.path("photos"));
    fs::copy(
        root.join("photos/dice/train.csv"),
        project.path("boxes.csv"),
    )
    .unwrap();

    let page = fs::read_to_string(root.join("docs/first-hour.md")).unwrap();
    let steps = steps(&page);
    assert!(steps.len() > 5);
    for Step {
        line,
        command,
        shown,
    } in steps
    {
        let words: Vec<&str> = command.split_whitespace().collect();
        let (program, arguments) = words.split_first().unwrap();
        assert_eq!(*program, "verismo", "docs/first-hour.md:{line}");
        let run = project.verismo(arguments).output().unwrap();
        let output =
            [run.stderr, run.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let output = output.concat();
        assert!(run.status.success(), "docs/first-hour.md:{line}: {output}");
        let mut lines = output.lines();
        for shown in shown {
            let found = lines.any(|line| matches(line, &shown));
            assert!(
                found,
                "docs/first-hour.md:{line}: no `{shown}` in\n{output}"
            );
        }
    }
}
