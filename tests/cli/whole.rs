//! A small pipeline from renders to a published dataset, and the shipped pipelines.

use predicates::prelude::*;
use predicates::str::contains;
use verismo::pipeline::spec::Spec;
use verismo::stages::STAGES;

use crate::project::{Project, Tiny, names};

/// Renders of the shipped die, augmented, split and published; no training.
fn project() -> Project {
    let pipeline = Tiny::new("part_size = 10")
        .dice(24, 24)
        .stages("[stages.augment]\nfrom = { samples = \"render\" }")
        .publish("augment");
    Project::new().file("tiny.toml", pipeline)
}

const RUN: [&str; 2] = ["run", "tiny.toml"];

fn with_set(set: &str) -> Vec<&str> {
    [&RUN[..], &["--set", set]].concat()
}

#[test]
fn renders_become_a_dataset_that_can_be_inspected_and_explained() {
    let project = project();
    project
        .verismo(&RUN)
        .assert()
        .success()
        .stdout(contains("dataset tiny: outputs/datasets/tiny/").and(contains("images per class")));
    let dataset = project.path("outputs/datasets/tiny/latest");
    assert!(dataset.join("SHA256SUMS").exists());
    let record = project.json("outputs/runs/tiny/latest/run.json");
    let emit = &record["stages"][3];
    assert_eq!(emit["id"], "emit");
    let classes = emit["classes"].as_object().unwrap();
    let sum: u64 = classes.values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(emit["count"].as_u64(), Some(sum));
    assert!(sum >= 24, "{classes:?}");

    let inspect = [
        "inspect",
        "outputs/datasets/tiny/latest",
        "--sheet",
        "sheet.png",
    ];
    project
        .verismo(&inspect)
        .assert()
        .success()
        .stdout(contains(format!("{sum} samples")).and(contains("box width")));
    assert!(project.path("sheet.png").exists());

    let class = classes.keys().next().unwrap();
    let image = names(&dataset.join("train").join(class)).remove(0);
    project
        .verismo(&["explain", "outputs/datasets/tiny/latest", &image])
        .assert()
        .success()
        .stdout(
            contains("die.gltf")
                .and(contains("render-"))
                .and(contains(class)),
        );
    project
        .verismo(&["explain", "outputs/datasets/tiny/latest", "x.png"])
        .assert()
        .code(2)
        .stderr(contains("image paths look like"));
}

#[test]
fn a_changed_setting_runs_what_follows_and_publishes_a_new_version() {
    let project = project();
    project.verismo(&RUN).assert().success();
    project
        .verismo(&RUN)
        .assert()
        .success()
        .stdout(contains("everything was in the cache"));
    let shelf = project.path("outputs/datasets/tiny");
    assert_eq!(names(&shelf).len(), 2, "one version and `latest`");
    let first = std::fs::read_link(shelf.join("latest")).unwrap();
    project
        .verismo(&with_set("augment.copies=3"))
        .assert()
        .success()
        .stdout(contains("3 stages ran, 1 from the cache"))
        .stderr(contains("config changed: augment.copies 2 -> 3"));
    assert_eq!(names(&shelf).len(), 3);
    assert_ne!(std::fs::read_link(shelf.join("latest")).unwrap(), first);
}

#[test]
fn threads_and_part_size_change_no_sample() {
    let files = |arguments: &[&str]| {
        let project = project();
        let run = [&RUN[..], arguments].concat();
        project.verismo(&run).assert().success();
        let sums = project.path("outputs/datasets/tiny/latest/SHA256SUMS");
        let sums = std::fs::read_to_string(sums).unwrap();
        let images = sums.lines().filter(|line| line.ends_with(".png"));
        images.map(str::to_owned).collect::<Vec<_>>()
    };
    let one = files(&["--threads", "1", "--set", "part_size=7"]);
    assert!(!one.is_empty());
    assert_eq!(one, files(&["--threads", "2", "--set", "part_size=256"]));
}

/// Renders made darker or lighter instead of translated, judged by a gate.
fn gated() -> Project {
    let pipeline = Tiny::new("part_size = 10")
        .dice(24, 24)
        .stages(
            "\
[stages.look]
use = \"augment\"
copies = 1
from = { samples = \"render\" }
[stages.look.affine]
probability = 1.0
rotate = 180.0
[stages.gate]
from = { samples = \"look\", renders = \"render\" }
max_lost = 1.0",
        )
        .publish("gate");
    Project::new().file("tiny.toml", pipeline)
}

#[test]
fn what_the_gate_rejects_is_in_no_dataset_but_in_its_list_and_in_the_report() {
    let project = gated();
    project.verismo(&RUN).assert().success();
    let record = project.json("outputs/runs/tiny/latest/run.json");
    let gate = &record["metrics"]["gate"];
    let (kept, rejected) = (gate["kept"].as_u64(), gate["rejected"].as_u64());
    assert!(kept > Some(0) && rejected > Some(0), "{gate}");
    assert_eq!(record["metrics"]["emit"]["rejected"].as_u64(), rejected);
    let emitted = &record["stages"].as_array().unwrap().last().unwrap()["count"];
    assert_eq!(emitted.as_u64(), kept);

    let dataset = project.path("outputs/datasets/tiny/latest");
    let listed = verismo::artifact::verdicts::read(&dataset.join("rejected.parquet")).unwrap();
    assert_eq!(listed.len() as u64, rejected.unwrap());
    let report = std::fs::read_to_string(project.path("outputs/runs/tiny/latest/report.html"));
    assert!(report.unwrap().contains("<section id=\"gate\""));

    let explain =
        |image: &str| project.verismo(&["explain", "outputs/datasets/tiny/latest", image]);
    // A class of which all were rejected has a folder, too.
    let classes = names(&dataset.join("train")).into_iter();
    let mut images = classes.flat_map(|class| names(&dataset.join("train").join(class)));
    let image = images.next().unwrap();
    let scores = contains("gate scores").and(contains("edges 0."));
    explain(&image).assert().success().stdout(scores);
    let reason = contains("rejected by the gate because of").and(contains(&listed[0].reasons[0]));
    explain(&listed[0].id).assert().success().stdout(reason);
    let again = [
        "explain",
        "outputs/datasets/tiny/latest",
        &listed[0].id,
        "--rerender",
    ];
    let refusal = project.verismo(&again).assert().code(1);
    refusal.stderr(contains("was rejected, so there is no published image"));

    let cached = names(&project.path("outputs/cache"));
    let folder = cached
        .iter()
        .find(|name| name.starts_with("gate-"))
        .unwrap();
    let rejected = names(&project.path("outputs/cache").join(folder));
    let rejected = rejected
        .iter()
        .find(|name| name.starts_with("rejected-"))
        .unwrap();
    for (path, expected) in [
        (folder.clone(), "contact sheet"),
        (format!("{folder}/{rejected}"), "rejected for"),
    ] {
        project
            .verismo(&["inspect", &format!("outputs/cache/{path}")])
            .assert()
            .success()
            .stdout(contains(expected));
    }
}

#[test]
fn a_class_that_the_gate_rejects_fails_the_run_with_advice() {
    let project = gated();
    project
        .verismo(
            &[
                &with_set("gate.edges=1.0")[..],
                &["--set", "gate.max_lost=0.5"],
            ]
            .concat(),
        )
        .assert()
        .code(1)
        .stderr(contains("by `edges`").and(contains("help: mostly")));
    assert!(!project.path("outputs/datasets/tiny").exists());
}

#[test]
fn every_shipped_pipeline_is_accepted() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let shipped = names(&folder);
    assert!(!shipped.is_empty());
    for name in shipped.iter().filter(|name| name.ends_with(".toml")) {
        if let Err(error) = Spec::read(&folder.join(name), &[], STAGES) {
            panic!("{error}");
        }
    }
}
