//! Nightly runs: what changed, what must hold before publishing, and what is kept.

use predicates::prelude::*;
use predicates::str::contains;

use crate::project::{Project, Tiny, names};

/// Renders of the shipped die, and a folder of photos with pseudo labels, with hardly any training.
fn project() -> Project {
    let base = Tiny::new("keep = 2\n[variables]\nphotos = \"photos\"")
        .dice(12, 32)
        .stages(
            "\
[stages.photos]
use = \"ingest\"
path = \"${photos}\"
size = 32
[stages.pseudo_label]
from = { samples = \"render\", photos = \"photos\" }
networks = 1
steps = 1
rounds = 1
round_steps = 1
batch = 2
channels = 4
keep = 1.0
confidence = 0.0",
        )
        .publish("pseudo_label");
    let nightly = "\
extends = \"base.toml\"
[require]
\"pseudo_label.joined\" = \">= 4\"
\"emit.samples_per_class\" = \">= 1\"
";
    Project::new()
        .photos("photos", 4)
        .file("base.toml", base)
        .file("nightly.toml", nightly)
}

const RUN: [&str; 2] = ["run", "nightly.toml"];

fn latest(project: &Project) -> std::path::PathBuf {
    std::fs::read_link(project.path("outputs/datasets/tiny/latest")).unwrap()
}

#[test]
fn three_nights() {
    let project = project();
    project
        .verismo(&RUN)
        .assert()
        .success()
        .stdout(contains("required:").and(contains("met    pseudo_label.joined is 4: >= 4")));
    let first = latest(&project);
    // `split` stands between: what was found before is handed on.
    let card = project.path("outputs/datasets/tiny/latest/README.md");
    let card = std::fs::read_to_string(card).unwrap();
    assert!(
        card.contains("- pseudo labels: **100 %**: 4 of 4 photos joined"),
        "{card}"
    );
    project
        .verismo(&["diff", "tiny"])
        .assert()
        .code(2)
        .stderr(contains("no version before"));

    // Nothing changed.
    project
        .verismo(&RUN)
        .assert()
        .success()
        .stdout(contains("everything was in the cache"));
    assert_eq!(names(&project.path("outputs/datasets/tiny")).len(), 2);

    // More photos.
    let project = project.photos("photos", 14);
    project.verismo(&RUN).assert().success();
    let second = latest(&project);
    assert_ne!(first, second);
    let diff = ["diff", "tiny", "--sheet", "diff.png"];
    project.verismo(&diff).assert().success().stdout(
        contains("added")
            .and(contains("pseudo_label.joined"))
            .and(contains("picture: diff.png")),
    );
    let sheet = verismo::sample::image::read_rgb(&project.path("diff.png")).unwrap();
    assert!(sheet.width() > 500);
    let first = format!("tiny/{}", first.display());
    let output = project
        .verismo(&["diff", &first, "tiny/latest", "--json"])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["images"]["added"].as_array().unwrap().len(), 10);
    for nothing in ["removed", "picture changed"] {
        assert_eq!(json["images"][nothing], serde_json::json!([]));
    }
    let joined = &json["metrics"]["pseudo_label.joined"];
    assert_eq!(*joined, serde_json::json!({ "before": 4.0, "after": 14.0 }));

    // A worse model.
    let worse = [&RUN[..], &["--set", "pseudo_label.keep=0.0"]].concat();
    project
        .verismo(&worse)
        .assert()
        .code(3)
        .stdout(
            contains("UNMET  pseudo_label.joined is 0, required >= 4")
                .and(contains("verdict: not good enough yet: pseudo labels"))
                .and(contains("report: ")),
        )
        .stderr(
            contains("UNMET  pseudo_label.joined is 0, required >= 4")
                .and(contains("nothing was published")),
        );
    assert_eq!(latest(&project), second);
    assert_eq!(
        project.json("outputs/runs/tiny/latest/run.json")["status"],
        "unmet"
    );
}

#[test]
fn old_versions_and_results_go_and_the_newest_stay() {
    let project = project();
    for seed in ["seed=1", "seed=2", "seed=3"] {
        let run = [&RUN[..], &["--set", seed]].concat();
        project.verismo(&run).assert().success();
    }
    let shelf = project.path("outputs/datasets/tiny");
    assert_eq!(names(&shelf).len(), 3, "two versions and `latest`");
    let version = latest(&project);
    assert!(shelf.join(&version).join("manifest.parquet").exists());

    let cached = |project: &Project| names(&project.path("outputs/cache")).len();
    let mistyped = ["gc", "--outputs", "output"];
    let refusal = project.verismo(&mistyped).assert().code(2);
    refusal.stderr(contains("output: is not a folder"));
    let before = cached(&project);
    project
        .verismo(&["gc", "--keep-runs", "0", "--dry-run"])
        .assert()
        .success()
        .stdout(contains("kept runs: 2").and(contains("would free")));
    assert_eq!(cached(&project), before);
    let output = project
        .verismo(&["gc", "--keep-runs", "0", "--json"])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        json["unneeded"].as_array().unwrap().len(),
        before - cached(&project)
    );
    assert!(cached(&project) < before);
    project
        .verismo(&[&RUN[..], &["--set", "seed=3"]].concat())
        .assert()
        .success()
        .stdout(contains("everything was in the cache"));
}

#[test]
fn a_matrix_runs_every_point_publishes_nothing_and_compares() {
    let project = project().file(
        "sweep.toml",
        "extends = \"base.toml\"\nname = \"sweep\"\n[matrix]\n\"pseudo_label.keep\" = [0.0, 1.0]\n",
    );
    let run = ["run", "sweep.toml"];
    project
        .verismo(&[&run[..], &["--dry-run"]].concat())
        .assert()
        .success()
        .stdout(contains("pseudo_label.keep = 0.0").and(contains("pseudo_label.keep = 1.0")));
    let others = ["--dry-run", "--set", "matrix.pseudo_label.keep=[0.25, 0.5]"];
    let shown = contains("pseudo_label.keep = 0.25").and(contains("pseudo_label.keep = 0.5"));
    project
        .verismo(&[&run[..], &others].concat())
        .assert()
        .success()
        .stdout(shown.and(contains("pseudo_label.keep = 1.0").not()));
    project.verismo(&run).assert().success().stdout(
        contains("point 2/2: pseudo_label.keep = 1.0")
            .and(contains("images"))
            .and(contains("nothing was published")),
    );
    assert!(!project.path("outputs/datasets").exists());
    let runs = project.path("outputs/runs/sweep");
    assert_eq!(names(&runs).len(), 6, "{:?}", names(&runs));
    let comparison = project.json("outputs/runs/sweep/matrix.json");
    let images = |point: usize| comparison["points"][point]["images"].as_u64();
    assert!(images(0) < images(1), "{comparison}");
    // Only what differs is made again.
    let renders = names(&project.path("outputs/cache"));
    let renders = renders.iter().filter(|name| name.starts_with("render-"));
    assert_eq!(renders.count(), 1);

    let wrong = project.file(
        "sweep.toml",
        "extends = \"base.toml\"\n[matrix]\n\"pseudo_label.kepe\" = [0.5, 1.0]\n",
    );
    wrong
        .verismo(&run)
        .assert()
        .code(2)
        .stderr(contains("sweep.toml:3:1").and(contains("did you mean `keep`?")));
}

#[test]
fn diff_names_the_datasets_that_are_there() {
    let project = Project::new();
    project
        .verismo(&["diff", "a", "b"])
        .assert()
        .code(2)
        .stderr(contains("a: is not a dataset"));
}
