//! `verismo fit`, `--settings`, and `fit` as a stage, on two signs of 16 pixels.

use predicates::prelude::*;
use predicates::str::contains;

use crate::project::Project;

/// Dark "photos" that are renders too, so that the tests know what must be found.
const PIPELINE: &str = "\
name = \"signs\"
[stages.render]
count = 24
size = 16
[stages.render.template]
templates = \"signs\"
[stages.render.template.light]
exposure = [0.6, 1.2]
[stages.photos]
use = \"render\"
like = \"render\"
count = 40
[stages.photos.template.light]
exposure = [0.1, 0.4]
";

fn project(more: &str) -> Project {
    let sign = |shape: &str| {
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 10 10\">{shape}</svg>")
    };
    Project::new()
        .file(
            "signs/a.svg",
            sign("<circle cx=\"5\" cy=\"5\" r=\"5\" fill=\"#c22\"/>"),
        )
        .file(
            "signs/b.svg",
            sign("<path d=\"M0 9H10L5 0z\" fill=\"#26c\"/>"),
        )
        .file("signs.toml", format!("{PIPELINE}{more}"))
}

/// Keeps everything except the light, so that a few candidates are enough.
const FIT: [&str; 18] = [
    "fit",
    "signs.toml",
    "--renders",
    "render",
    "--photos",
    "photos",
    "--pictures",
    "48",
    "--keep",
    "template.camera",
    "--keep",
    "template.background",
    "--keep",
    "template.surface",
    "--keep",
    "template.geometry",
    "--keep",
    "template.surroundings",
];

#[test]
fn ranges_are_written_as_settings_that_a_run_takes() {
    // The pipeline's requirements do not apply to `fit`, which leaves stages out.
    let project = project(
        "[stages.copy]\nuse = \"render\"\nlike = \"render\"\n[require]\n\"copy.samples\" = \">= 24\"\n",
    );
    project.verismo(&FIT).assert().success().stdout(
        contains("template.light.exposure")
            .and(contains("A classifier tells renders from photos"))
            .and(contains("--settings outputs/fit/signs.toml")),
    );
    let text = std::fs::read_to_string(project.path("outputs/fit/signs.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let exposure = &table["stages"]["render"]["template"]["light"]["exposure"];
    let end = |i: usize| exposure[i].as_float().unwrap();
    assert!(end(0) < 0.4 && end(1) < 0.95, "{text}");
    assert!(text.contains("# was [0.6, 1.2]"), "{text}");
    assert!(project.path("outputs/fit/signs.png").exists());

    let run = ["run", "signs.toml", "--settings", "outputs/fit/signs.toml"];
    project.verismo(&run).assert().success();
    let used = std::fs::read_to_string(project.path("outputs/runs/signs/latest/pipeline.toml"));
    assert!(used.unwrap().contains(&format!("exposure = {exposure}")));
    project
        .verismo(&["run", "signs.toml", "--settings", "signs/a.svg"])
        .assert()
        .code(2)
        .stderr(contains("signs/a.svg").and(contains("[stages.ID]")));
}

#[test]
fn a_fit_that_gains_nothing_recommends_nothing() {
    let project = project("");
    let equal = ["--set", "photos.template.light.exposure=[0.6, 1.2]"];
    project
        .verismo(&[&FIT[..], &equal].concat())
        .assert()
        .success()
        .stdout(
            contains("not a gain beyond the error")
                .and(contains("settings: none written"))
                .and(contains("--settings").not()),
        );
    assert!(!project.path("outputs/fit/signs.toml").exists());
    assert!(project.path("outputs/fit/signs.png").exists());
}

#[test]
fn as_a_stage_it_gives_its_ranges_to_the_renders() {
    let project = project(
        "\
[stages.fit]
from = { renders = \"render\", photos = \"photos\" }
pictures = 48
keep = [\"template.camera\", \"template.background\", \"template.surface\", \"template.geometry\"]
[stages.fitted]
use = \"render\"
like = \"render\"
from = { fit = \"fit\" }
",
    );
    project.verismo(&["run", "signs.toml"]).assert().success();
    let record = project.json("outputs/runs/signs/latest/run.json");
    let settings = &record["metrics"]["fitted"]["settings"]["template"]["light"];
    assert!(
        settings["exposure"][1].as_f64().unwrap() < 0.95,
        "{settings}"
    );
    assert!(record["metrics"]["fit"]["two_sample"]["before"]["accuracy"].is_number());
    project
        .verismo(&["run", "signs.toml"])
        .assert()
        .success()
        .stdout(contains("everything was in the cache"));
}

#[test]
fn the_stages_to_fit_must_be_given() {
    let project = project("");
    for (arguments, expected) in [
        (vec!["fit", "signs.toml"], "--renders ID; ids: "),
        (
            vec![
                "fit",
                "signs.toml",
                "--renders",
                "rendr",
                "--photos",
                "photos",
            ],
            "render",
        ),
        (vec!["fit", "nowhere.toml"], "nowhere.toml"),
    ] {
        let output = project.verismo(&arguments).assert().code(2);
        output.stderr(contains(expected).and(contains("help: ")));
    }
}
