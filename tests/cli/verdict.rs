//! The verdict at the end of a run: in the terminal, at the top of the report and of the data card.

use predicates::prelude::*;
use predicates::str::contains;

use crate::project::{Project, Tiny};

fn read(project: &Project, path: &str) -> String {
    std::fs::read_to_string(project.path(path)).unwrap()
}

#[test]
fn a_run_ends_with_its_verdict_in_terminal_report_and_card() {
    // Renders as their own translations: the gate rejects none, and nothing was changed.
    let pipeline = Tiny::new("part_size = 10")
        .dice(24, 24)
        .stages(
            "[stages.gate]\nfrom = { samples = \"render\", renders = \"render\" }\n\
             [stages.augment]\nfrom = { samples = \"gate\" }\ncopies = 1",
        )
        .publish("augment");
    let project = Project::new().file("tiny.toml", pipeline);
    project
        .verismo(&["run", "tiny.toml"])
        .assert()
        .success()
        .stdout(
            contains("verdict: not good enough yet: change")
                .and(contains("WARNING  change"))
                .and(contains("good     gate"))
                .and(contains("the gate rejected 0 of 24 translations"))
                .and(contains("next:\n  - let the adapter change more")),
        );
    let report = read(&project, "outputs/runs/tiny/latest/report.html");
    let first = report.split("<section id=\"").nth(1).unwrap();
    assert!(first.starts_with("verdict"), "{first}");
    for shown in [
        "Not good enough yet: change.",
        "What to do next",
        "<code>identity</code>",
    ] {
        assert!(first.contains(shown), "{shown}");
    }
    let card = read(&project, "outputs/datasets/tiny/latest/README.md");
    let (_, text) = card.split_once("# tiny").unwrap();
    assert!(
        text.trim_start()
            .starts_with("**Verdict: not good enough yet: change.**"),
        "{text}"
    );
    assert!(
        text.contains("- gate: **0 %**: the gate rejected 0 of 24"),
        "{text}"
    );
    let record = project.json("outputs/runs/tiny/latest/run.json");
    let findings = &record["metrics"]["gate"]["findings"];
    assert_eq!(findings[0]["level"], "warning", "{findings}");
}

#[test]
fn a_training_of_sixty_steps_on_the_wrong_photos_fails_at_the_gate_with_its_reason() {
    let pipeline = Tiny::new("part_size = 32")
        .dice(48, 32)
        .photos(32)
        .stages(
            "[stages.train]\nfrom = { renders = \"render\", photos = \"photos\" }\nsteps = 60\n\
             [stages.translate]\nfrom = { renders = \"render\", model = \"train\" }\n\
             [stages.gate]\n\
             from = { samples = \"translate\", renders = \"render\", photos = \"photos\" }",
        )
        .publish("gate");
    let project = Project::new()
        .photos("photos", 32)
        .file("tiny.toml", pipeline);
    project
        .verismo(&["run", "tiny.toml"])
        .assert()
        .code(1)
        .stderr(contains("by `speckle`").and(contains("help: mostly")));
    let report = read(&project, "outputs/runs/tiny/latest/report.html");
    assert!(
        report.contains("class=\"stage broken\""),
        "no box for the gate"
    );
    assert!(report.contains("did not finish") && report.contains("by `speckle`"));
    let record = project.json("outputs/runs/tiny/latest/run.json");
    assert_eq!(record["failed"]["id"], "gate");

    // With what is lost allowed, the run ends, and says so loudly.
    project
        .verismo(&[
            "run",
            "tiny.toml",
            "--only",
            "gate",
            "--set",
            "gate.max_lost=1.0",
        ])
        .assert()
        .success()
        .stdout(contains("WARNING  gate").and(contains("rejected 48 of 48 translations")));
}
