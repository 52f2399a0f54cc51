//! Two domains out of one folder of photos, and an adapter between them.

use predicates::prelude::*;
use predicates::str::contains;
use verismo::artifact::Artifact;
use verismo::sample::{Domain, Sample};

use crate::project::{Project, Tiny};

/// Bright and dark dice photos, an adapter between them, and the bright ones translated.
fn project(train: &str) -> Project {
    let root = env!("CARGO_MANIFEST_DIR");
    let pipeline = Tiny::new("").stages(&format!(
        "[stages.photos]
use = \"ingest\"
path = \"{root}/photos/dice/train\"
boxes = \"{root}/photos/dice/train.csv\"
limit = 60
size = 32
[stages.bright]
use = \"select\"
from = {{ samples = \"photos\" }}
by = \"rank\"
brightness = [0.5, 1.0]
[stages.dark]
use = \"select\"
from = {{ samples = \"photos\" }}
by = \"rank\"
brightness = [0.0, 0.5]
[stages.train]
from = {{ renders = \"bright\", photos = \"dark\" }}
steps = 4
batch = 2
watch_every = 2
watch_pictures = 8
{train}
[stages.train.generator]
channels = 4
blocks = 1
[stages.train.discriminator]
channels = 4
[stages.translate]
from = {{ renders = \"bright\", model = \"train\" }}"
    ));
    Project::new().file("tiny.toml", pipeline.text())
}

/// What the stage `id` of the latest run made.
fn samples(project: &Project, id: &str) -> Vec<Sample> {
    let record = project.json("outputs/runs/tiny/latest/run.json");
    let mut stages = record["stages"].as_array().unwrap().iter();
    let stage = stages.find(|stage| stage["id"] == id).unwrap();
    let folder = project.path(stage["folder"].as_str().unwrap());
    let samples = Artifact::open(&folder).unwrap();
    samples.samples().map(Result::unwrap).collect()
}

fn brightness(sample: &Sample) -> f64 {
    let pixels = sample.pixels().unwrap();
    let sum: f64 = pixels.as_raw().iter().map(|&value| f64::from(value)).sum();
    sum / pixels.as_raw().len() as f64
}

#[test]
fn bright_photos_are_translated_by_what_was_learned_from_dark_ones() {
    let project = project("");
    let run = ["run", "tiny.toml", "--device", "cpu"];
    project.verismo(&run).assert().success();
    let [all, bright, dark] = ["photos", "bright", "dark"].map(|id| samples(&project, id));
    assert_eq!(bright.len() + dark.len(), all.len());
    assert!(
        bright
            .iter()
            .chain(&dark)
            .all(|sample| all.contains(sample))
    );
    let mean =
        |samples: &[Sample]| samples.iter().map(brightness).sum::<f64>() / samples.len() as f64;
    assert!(mean(&bright) > mean(&dark) + 10.0);
    let night = samples(&project, "translate");
    assert_eq!(night.len(), bright.len());
    for (night, bright) in night.iter().zip(&bright) {
        assert_eq!(night.provenance.domain, Domain::Translated);
        assert_eq!(night.provenance.origin, bright.provenance.origin);
        assert_eq!(night.labels, bright.labels);
    }
    let report = std::fs::read_to_string(project.path("outputs/runs/tiny/latest/report.html"));
    assert!(report.unwrap().contains("Selection"));
}

#[test]
fn what_cannot_be_selected_or_learned_is_refused_before_anything_runs() {
    let plan = |project: &Project, set: &[&str]| {
        let mut arguments = vec!["plan", "tiny.toml"];
        arguments.extend(set.iter().flat_map(|set| ["--set", set]));
        project.verismo(&arguments).assert()
    };
    let plain = project("");
    plan(&plain, &[]).success();
    plan(&plain, &["dark.brightness=[0.5, 0.2]"])
        .code(2)
        .stderr(contains("`brightness` is [LEAST, MOST]"));
    plan(&plain, &["dark.brigthness=[0.0, 0.2]"])
        .code(2)
        .stderr(contains("did you mean `brightness`?"));
    plan(&plain, &["dark.class=[\"six\"]"])
        .code(2)
        .stderr(contains("have no classes to select by `class`"));
    plan(&project("label_safety = { inside = 1.0 }"), &[])
        .code(2)
        .stderr(
            contains("tiny.toml:").and(contains("`inside` of `label_safety` reads the objects")),
        );
    let empty = [
        "run",
        "tiny.toml",
        "--set",
        "dark.by=value",
        "--set",
        "dark.brightness=[0.99, 1.0]",
    ];
    plain.verismo(&empty).assert().code(1).stderr(contains(
        "dark: takes none of 60 samples: `brightness` is 0.",
    ));
}
