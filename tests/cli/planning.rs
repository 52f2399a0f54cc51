//! What `plan` says of times, and of what a change costs.

use predicates::prelude::*;
use predicates::str::{contains, is_match};

use crate::project::{Project, Tiny};

/// A pipeline with copies of renders, for a network and for a dataset, of two signs.
const SIGNS: &str = "\
name = \"signs\"
part_size = 4
[stages.render]
count = 12
size = 16
[stages.render.template]
templates = \"signs\"
[stages.augment]
from = { samples = \"render\" }
[stages.augment_source]
use = \"augment\"
like = \"augment\"
from = { samples = \"render\" }
[stages.task]
from = { samples = \"augment_source\" }
steps = 2
batch = 2
channels = 4
[stages.emit]
from = { samples = \"augment\" }
";

fn project() -> Project {
    let sign = |colour: &str| {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 10 10\">\
             <circle cx=\"5\" cy=\"5\" r=\"5\" fill=\"{colour}\"/></svg>"
        )
    };
    Project::new()
        .file("signs/a.svg", sign("#c22"))
        .file("signs/b.svg", sign("#26c"))
        .file("p.toml", SIGNS)
}

#[test]
fn a_first_run_has_rough_times_and_a_later_one_measured_ones() {
    let project = project();
    let plan = project.verismo(&["plan", "p.toml"]).assert().success();
    let each = ["render", "augment", "augment_source", "task", "emit"];
    let mut plan = plan.stdout(contains("5 to run in roughly ").and(contains("rough: told from")));
    for stage in each {
        let row = format!(r"(?m)^ +{stage} .*will run +~ [0-9.]+ s \(rough\)");
        plan = plan.stdout(is_match(row).unwrap());
    }
    assert!(!project.path("outputs").exists(), "a plan makes nothing");
    project.verismo(&["run", "p.toml"]).assert().success();
    project
        .verismo(&["plan", "p.toml", "--set", "render.count=24"])
        .assert()
        .success()
        .stdout(contains("(rough)").not().and(contains("in about ")));
    // A stage that never ran here is told from another of its kind.
    let more =
        format!("{SIGNS}[stages.more]\nuse = \"augment\"\nfrom = {{ samples = \"render\" }}\n");
    let project = project.file("p.toml", more);
    project
        .verismo(&["plan", "p.toml"])
        .assert()
        .success()
        .stdout(is_match(r"more .*~ [0-9.]+ s \(rough\) +no earlier result").unwrap());
}

#[test]
fn what_is_done_already_is_said() {
    let project = project();
    let only = ["--only", "render"];
    project
        .verismo(&[&["run", "p.toml"][..], &only].concat())
        .assert()
        .success();
    project
        .verismo(&[
            "plan",
            "p.toml",
            "--set",
            "render.count=24",
            "--only",
            "render",
        ])
        .assert()
        .success()
        .stdout(contains("50 % is done"));
}

#[test]
fn a_change_says_what_it_makes_again_and_what_need_not_be() {
    let project = project();
    project.verismo(&["run", "p.toml"]).assert().success();
    let change = ["plan", "p.toml", "--set", "augment.jpeg.probability=0.3"];
    project.verismo(&change).assert().success().stdout(
        contains("made again because of what changed:")
            .and(contains("after augment: emit in about "))
            .and(contains("after augment_source: task in about "))
            .and(contains("`augment_source` is `like = \"augment\"`"))
            .and(contains("Settings of its own would leave task as they are")),
    );
    let own = SIGNS.replace("like = \"augment\"\n", "copies = 2\n");
    let project = project.file("p.toml", own);
    project
        .verismo(&change)
        .assert()
        .success()
        .stdout(contains("after augment: emit in about ").and(contains("task in about").not()));
}

#[test]
fn what_the_shipped_pipelines_augment_trains_nothing_again() {
    let root = env!("CARGO_MANIFEST_DIR");
    for name in ["dice", "traffic-signs"] {
        let text = std::fs::read_to_string(format!("{root}/pipelines/{name}.toml")).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let stages = table["stages"].as_table().unwrap();
        let read = stages["task"]["from"]["samples"].as_str().unwrap();
        assert!(
            stages[read].get("like").is_none(),
            "{name}: {read} changes with `augment`"
        );
    }
}

#[test]
fn a_change_of_nothing_says_nothing() {
    let project = Project::new()
        .photos("photos", 3)
        .file("p.toml", Tiny::new("").photos(16).text());
    project.verismo(&["run", "p.toml"]).assert().success();
    project
        .verismo(&["plan", "p.toml", "--set", "photos.size=24"])
        .assert()
        .success()
        .stdout(contains("made again").not());
}
