//! A small pipeline from renders to a published dataset, and the shipped pipelines.

use predicates::prelude::*;
use predicates::str::contains;
use verismo::pipeline::spec::Spec;
use verismo::stages::STAGES;

use crate::project::{Project, names};

/// Renders of the shipped die, varied, split and published; no training.
fn project() -> Project {
    let root = env!("CARGO_MANIFEST_DIR");
    let pipeline = format!(
        "\
name = \"tiny\"
part_size = 10
[stages.render]
count = 24
size = 24
[stages.render.mesh]
models = [\"{root}/renders/dice/die.gltf\"]
environments = [\"{root}/renders/hdri/studio.exr\"]
[stages.augment]
from = {{ samples = \"render\" }}
[stages.split]
from = {{ samples = \"augment\" }}
[stages.emit]
name = \"tiny\"
from = {{ samples = \"split\" }}
"
    );
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
        .stdout(contains("dataset tiny: outputs/datasets/tiny/").and(contains("images a class")));
    let dataset = project.path("outputs/datasets/tiny/latest");
    assert!(dataset.join("SHA256SUMS").exists());
    let record = project.json("outputs/runs/tiny/latest/run.json");
    let emit = &record["stages"][3];
    assert_eq!(emit["id"], "emit");
    let classes = emit["classes"].as_object().unwrap();
    let sum: u64 = classes.values().filter_map(|n| n.as_u64()).sum();
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
        .stderr(contains("images are called like"));
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
