//! Pipeline files that extend others, with variables and a matrix: their result, and the positions of their
//! mistakes.

use std::fs;
use std::path::Path;

use super::TEST_STAGES;
use crate::pipeline::spec::Spec;
use crate::{Error, Result};

/// Reads the first of these files from a folder that holds them all.
fn read(files: &[(&str, &str)], sets: &[&str]) -> Result<Vec<Spec>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    Spec::read_points(&folder.path().join(files[0].0), &sets, TEST_STAGES)
}

fn one(files: &[(&str, &str)], sets: &[&str]) -> Spec {
    match read(files, sets) {
        Ok(mut specs) => specs.remove(0),
        Err(error) => panic!("{error}"),
    }
}

/// The error, as `FILE:LINE:COLUMN: PROBLEM` and the remedy, FILE without its folder.
#[track_caller]
fn refused(files: &[(&str, &str)], sets: &[&str]) -> String {
    let error = read(files, sets).err().expect("was accepted");
    assert_eq!(error.exit_code(), 2);
    match error {
        Error::Pipeline {
            file,
            line,
            column,
            problem,
            remedy,
        } => {
            let file = file.file_name().unwrap().to_string_lossy().into_owned();
            format!("{file}:{line}:{column}: {problem}; {remedy}")
        }
        other => other.to_string(),
    }
}

#[track_caller]
fn says(message: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(message.contains(piece), "no `{piece}` in:\n{message}");
    }
}

fn setting(spec: &Spec, id: &str, pointer: &str) -> serde_json::Value {
    let resolved = spec.stage(id).unwrap().stage.resolved();
    resolved.pointer(pointer).unwrap().clone()
}

const BASE: &str = "\
name = 'base'
seed = 4
[stages.solid]
count = 3
colour = { red = 1, green = 2 }
[stages.copy]
from = { samples = 'solid' }
";

#[test]
fn a_file_that_extends_another_changes_what_it_names() {
    let over = "extends = 'base.toml'\nseed = 5\n[stages.solid.colour]\nred = 9\n[stages.more]\nuse = 'copy'\nfrom = { samples = 'copy' }\n";
    let top = "extends = 'over.toml'\nname = 'top'\n";
    let files = [("top.toml", top), ("over.toml", over), ("base.toml", BASE)];
    let spec = one(&files, &["solid.count=8"]);
    assert_eq!((spec.name.as_str(), spec.seed), ("top", 5));
    let ids: Vec<&str> = spec.stages.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["solid", "copy", "more"]);
    assert_eq!(setting(&spec, "solid", "/colour/red"), 9);
    assert_eq!(setting(&spec, "solid", "/colour/green"), 2);
    assert_eq!(setting(&spec, "solid", "/count"), 8);
}

#[test]
fn the_base_cannot_be_set() {
    let error = read(&[("base.toml", BASE)], &["extends=other.toml"]).err();
    let error = error.expect("was accepted");
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().contains("`extends` cannot be set here"),
        "{error}"
    );
}

#[test]
fn an_error_stands_in_the_file_that_holds_the_text() {
    let over = "extends = 'base.toml'\n\n[stages.solid]\n  clour = 3\n";
    let message = refused(&[("over.toml", over), ("base.toml", BASE)], &[]);
    says(
        &message,
        &["over.toml:4:3:", "`clour`", "did you mean `colour`?"],
    );

    let base = BASE.replace("green", "grene");
    let over = "extends = 'base.toml'\n[stages.solid]\ncount = 9\n";
    let message = refused(&[("over.toml", over), ("base.toml", &base)], &[]);
    says(&message, &["base.toml:5:21:", "`grene`"]);

    let base = format!("\u{feff}{}[stages\n", BASE);
    let message = refused(&[("over.toml", over), ("base.toml", &base)], &[]);
    says(&message, &["base.toml:8:"]);

    let wires = "extends = 'base.toml'\n[stages.copy]\nfrom = { samples = 'solit' }\n";
    let message = refused(&[("over.toml", wires), ("base.toml", BASE)], &[]);
    says(&message, &["over.toml:3:20:", "did you mean `solid`?"]);

    let set = refused(
        &[("over.toml", over), ("base.toml", BASE)],
        &["solid.cuont=3"],
    );
    says(&set, &["--set solid.cuont=3", "did you mean `count`?"]);
}

#[test]
fn extends_in_a_circle_or_of_nothing_is_refused() {
    let (a, b) = ("\nextends = 'b.toml'\n", "extends = 'a.toml'\n");
    says(
        &refused(&[("a.toml", a), ("b.toml", b)], &[]),
        &["b.toml:1:11:", "forms a cycle"],
    );
    says(
        &refused(&[("a.toml", a)], &[]),
        &["a.toml:2:11:", "cannot be read"],
    );
    says(
        &refused(&[("a.toml", "extends = 3\n")], &[]),
        &["a.toml:1:11:", "is not a string"],
    );
}

const VARIABLES: &str = "\
[variables]
word = 'plain'
root = 'in/${word}'
count = 6
[stages.solid]
count = '${count}'
[stages.copy]
from = { samples = 'solid' }
tag = '${root}/${count} $${word} $1'
";

#[test]
fn variables_stand_in_strings_and_keep_their_type() {
    let spec = one(&[("v.toml", VARIABLES)], &[]);
    assert_eq!(setting(&spec, "solid", "/count"), 6);
    assert_eq!(setting(&spec, "copy", "/tag"), "in/plain/6 ${word} $1");
    let spec = one(
        &[("v.toml", VARIABLES)],
        &["variables.word=other", "variables.count=7"],
    );
    assert_eq!(setting(&spec, "copy", "/tag"), "in/other/7 ${word} $1");

    // The pipeline that a run records means the same.
    let resolved = spec.resolved_toml().unwrap();
    let again = one(&[("v.toml", &resolved)], &[]);
    assert_eq!(setting(&again, "copy", "/tag"), "in/other/7 ${word} $1");
}

#[test]
fn an_unknown_variable_is_named_with_its_place_and_the_nearest() {
    let wrong = VARIABLES.replace("/${count}", "/${cuont}");
    says(
        &refused(&[("v.toml", &wrong)], &[]),
        &["v.toml:9:16:", "`cuont`", "did you mean `count`?"],
    );
    says(
        &refused(&[("v.toml", VARIABLES)], &["variables.wrod=3"]),
        &["--set variables.wrod=3", "did you mean `word`?"],
    );
    let open = VARIABLES.replace("/${count}", "/${count");
    says(
        &refused(&[("v.toml", &open)], &[]),
        &["v.toml:9:", "`${count"],
    );
    let round = VARIABLES.replace("'plain'", "'${root}'");
    says(
        &refused(&[("v.toml", &round)], &[]),
        &["v.toml:", "form a cycle"],
    );
    let list = VARIABLES.replace("'plain'", "[1, 2]");
    says(
        &refused(&[("v.toml", &list)], &[]),
        &["v.toml:3:12:", "is not a string or number"],
    );
}

const MATRIX: &str = "\
[matrix]
'solid.count' = [3, 4]
copy.tag = ['a', 'b', 'c']
[stages.solid]
[stages.copy]
from = { samples = 'solid' }
";

#[test]
fn a_matrix_is_every_point_of_its_grid() {
    let specs = read(&[("m.toml", MATRIX)], &[]).unwrap();
    let points: Vec<_> = specs
        .iter()
        .map(|spec| {
            (
                setting(spec, "solid", "/count"),
                setting(spec, "copy", "/tag"),
            )
        })
        .collect();
    assert_eq!(points.len(), 6);
    assert_eq!(points[0], (3.into(), "a".into()));
    assert_eq!(points[5], (4.into(), "c".into()));
    assert_eq!(specs[5].point[0].path, "solid.count");
    assert_eq!(specs[5].point[1].value, "c");
    // Works from the command line too; without a matrix there is a single point.
    let text = "[stages.solid]\n";
    assert_eq!(
        read(&[("p.toml", text)], &["matrix.seed=[1, 2]"])
            .unwrap()
            .len(),
        2
    );
    assert_eq!(read(&[("p.toml", text)], &[]).unwrap()[0].point, []);
    // As a plain pipeline it is read without its matrix.
    let plain = Spec::parse(Path::new("m.toml"), MATRIX, &[], TEST_STAGES).unwrap();
    assert_eq!(setting(&plain, "solid", "/count"), 5);
}

#[test]
fn what_is_wrong_in_a_matrix_has_its_place() {
    let with = |line: &str| MATRIX.replace("'solid.count' = [3, 4]", line);
    for (line, pieces) in [
        (
            "'solid.cuont' = [3]",
            ["m.toml:2:1:", "`cuont`", "did you mean `count`?"],
        ),
        (
            "'solit.count' = [3]",
            ["m.toml:2:1:", "`solit`", "did you mean `solid`?"],
        ),
        (
            "'solid.count' = [3, 'x']",
            [
                "m.toml:2:21:",
                "stage `solid`",
                "not a whole number of at least 0",
            ],
        ),
        (
            "'solid.count' = 3",
            ["m.toml:2:17:", "non-empty list", "= [1, 2]"],
        ),
        (
            "'solid.count' = []",
            ["m.toml:2:17:", "non-empty list", "= [1, 2]"],
        ),
        (
            "sede = [3]",
            ["m.toml:2:1:", "`sede`", "did you mean `seed`?"],
        ),
    ] {
        says(&refused(&[("m.toml", &with(line))], &[]), &pieces);
    }
}

#[test]
fn a_matrix_of_too_many_points_is_refused_before_it_is_laid_out() {
    let counts: Vec<String> = (0..400).map(|i| i.to_string()).collect();
    let text = MATRIX.replace("[3, 4]", &format!("[{}]", counts.join(", ")));
    says(
        &refused(&[("m.toml", &text)], &[]),
        &["m.toml:3:", "more than 1000 points"],
    );
}

#[test]
fn what_is_wrong_in_the_requirements_has_its_place() {
    let with =
        |line: &str| format!("[require]\n{line}\n{BASE}").replace("name = 'base'\nseed = 4\n", "");
    for (line, pieces) in [
        (
            "'solit.samples' = '> 3'",
            [
                "m.toml:2:1:",
                "does not begin with a stage",
                "did you mean `solid`?",
            ],
        ),
        (
            "'solid.samples' = '=> 3'",
            ["m.toml:2:19:", "not a comparison", ">= <= == > <"],
        ),
        (
            "'solid.samples' = 3",
            ["m.toml:2:19:", "not a comparison", ">= 0.95"],
        ),
        (
            "solid.samples = '> many'",
            ["m.toml:2:17:", "`solid.samples`", "not a comparison"],
        ),
    ] {
        says(&refused(&[("m.toml", &with(line))], &[]), &pieces);
    }
    let keep = format!("keep = 0\n{BASE}");
    says(
        &refused(&[("m.toml", &keep)], &[]),
        &["m.toml:1:8:", "`keep` is 0"],
    );
    let spec = one(
        &[("m.toml", &with("'solid.samples' = '> 3'"))],
        &["require.solid.samples=< 4"],
    );
    assert_eq!(spec.require.len(), 1);
    assert_eq!(spec.require[0].condition, "< 4");
}
