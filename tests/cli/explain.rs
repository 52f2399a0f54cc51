//! From a published image back to its origin, and from there to the same bytes again.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use crate::project::{Project, Tiny, names};

const DATASET: &str = "outputs/datasets/tiny/latest";

/// A project that was run: `start` renders, then a trained network, a gate and augmentation.
fn project(start: Tiny) -> Project {
    let pipeline = start
        .photos(24)
        .stages(
            "\
[stages.train]
from = { renders = \"render\", photos = \"photos\" }
steps = 2
batch = 2
[stages.train.generator]
channels = 4
[stages.translate]
from = { renders = \"render\", model = \"train\" }
[stages.gate]
from = { samples = \"translate\", renders = \"render\" }
max_lost = 1.0
[stages.augment]
from = { samples = \"gate\" }
keep_original = true
[stages.augment_photos]
use = \"augment\"
from = { samples = \"photos\" }
copies = 2
[stages.pseudo_label]
from = { samples = \"augment\", photos = \"augment_photos\" }
steps = 3
rounds = 1
round_steps = 2
networks = 1
channels = 4
confidence = 0.0",
        )
        .publish("pseudo_label");
    let project = Project::new()
        .photos("photos", 12)
        .file("tiny.toml", pipeline);
    let run = ["run", "tiny.toml", "--device", "cpu"];
    project.verismo(&run).assert().success();
    project
}

fn meshes() -> Project {
    project(Tiny::new("part_size = 5").dice(12, 24))
}

/// Paths of all published images.
fn images(project: &Project) -> Vec<String> {
    let sums = project.path(DATASET).join("SHA256SUMS");
    let sums = std::fs::read_to_string(sums).unwrap();
    let files = sums.lines().filter_map(|line| line.split_once("  "));
    let is_image =
        |file: &str| file.contains('/') && [".png", ".jpg"].iter().any(|e| file.ends_with(e));
    let images = files.filter(|(_, file)| is_image(file));
    images.map(|(_, file)| file.to_owned()).collect()
}

/// The output of `explain --json --rerender` for an image, which must match.
fn made_again(project: &Project, image: &str) -> Value {
    let explain = ["explain", DATASET, image, "--json", "--rerender"];
    let output = project.verismo(&explain).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{image}: {errors}");
    let story: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(story["rerender"]["matches"], true);
    story
}

/// Makes one image of each domain again, and returns their stories.
fn of_each_domain(project: &Project) -> Vec<Value> {
    let mut stories: Vec<Value> = Vec::new();
    for image in images(project) {
        let explain = ["explain", DATASET, &image, "--json"];
        let output = project.verismo(&explain).output().unwrap();
        let story: Value = serde_json::from_slice(&output.stdout).unwrap();
        let alike = |known: &Value| known["domain"] == story["domain"];
        if !stories.iter().any(alike) {
            stories.push(made_again(project, &image));
        }
        if stories.len() == 2 {
            return stories;
        }
    }
    panic!("not both domains: {stories:?}");
}

#[test]
fn a_jpeg_is_made_again_byte_for_byte() {
    let pipeline = Tiny::new("").dice(12, 24).publish("render") + "image = \"jpeg\"\n";
    let project = Project::new().file("tiny.toml", pipeline);
    let run = ["run", "tiny.toml", "--device", "cpu"];
    project.verismo(&run).assert().success();
    let image = images(&project).remove(0);
    assert!(image.ends_with(".jpg"), "{image}");
    made_again(&project, &image);
}

fn stages(story: &Value) -> Vec<&str> {
    let steps = story["steps"].as_array().unwrap().iter();
    steps.map(|step| step["stage"].as_str().unwrap()).collect()
}

#[test]
fn meshes_and_photos_are_made_again_byte_for_byte() {
    let project = meshes();
    let stories = of_each_domain(&project);
    let of = |domain: &str| stories.iter().find(|s| s["domain"] == domain).unwrap();

    let translated = of("translated");
    assert_eq!(
        stages(translated),
        [
            "render",
            "translate",
            "gate",
            "augment",
            "pseudo_label",
            "split"
        ]
    );
    assert!(translated["source"].as_str().unwrap().ends_with("die.gltf"));
    assert_eq!(translated["poses"][0]["pose"].as_array().unwrap().len(), 12);
    assert!(translated["camera"]["fx"].as_f64() > Some(0.0));
    assert_eq!(translated["checkpoint"]["model"], "cyclegan");
    assert!(translated["gate"].is_object());
    assert_eq!(translated["pseudo_label"], Value::Null);
    assert_eq!(translated["run"]["pipeline"], "tiny");
    let render = &translated["steps"][0];
    assert_eq!(
        (&render["seed"], &render["config"]["count"]),
        (&1.into(), &12.into())
    );
    assert!(render["files"].as_object().unwrap().len() >= 2);

    let photo = of("photo");
    assert_eq!(
        stages(photo),
        ["photos", "augment_photos", "pseudo_label", "split"]
    );
    assert_eq!(photo["pseudo_label"]["class"], photo["class"]);
    assert!(photo["pseudo_label"]["confidence"].as_f64() > Some(0.0));
    assert!(!photo["transforms"].as_array().unwrap().is_empty());
}

#[test]
fn templates_are_made_again_byte_for_byte() {
    let signs = concat!(env!("CARGO_MANIFEST_DIR"), "/renders/traffic-signs");
    let render = "[stages.render]\ncount = 12\nsize = 24\n[stages.render.template]\n";
    let render = format!("{render}templates = \"{signs}\"");
    of_each_domain(&project(Tiny::new("part_size = 5").stages(&render)));
}

#[test]
fn the_steps_are_printed_and_drawn() {
    let project = meshes();
    let image = images(&project).into_iter().find(|i| !i.contains("photo"));
    let image = image.unwrap();
    let explain = ["explain", DATASET, &image, "--rerender", "--out", "way.png"];
    let expected = contains("step by step").and(contains("byte for byte"));
    project
        .verismo(&explain)
        .assert()
        .success()
        .stdout(expected);
    let sheet = verismo::sample::image::read_rgb(&project.path("way.png")).unwrap();
    assert!(sheet.width() > 300 && sheet.height() > 300);
}

#[test]
fn missing_inputs_are_reported() {
    let project = meshes();
    let rerender = |image: &str| {
        project
            .verismo(&["explain", DATASET, image, "--rerender"])
            .assert()
            .code(1)
    };
    let files = images(&project);
    let photo = files.iter().find(|image| {
        let explain = ["explain", DATASET, image, "--json"];
        let output = project.verismo(&explain).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains("\"domain\": \"photo\"")
    });
    let photo = photo.unwrap().clone();

    let published = project.path(DATASET).join(&photo);
    let bytes = std::fs::read(&published).unwrap();
    std::fs::write(&published, [&bytes[..], b"x"].concat()).unwrap();
    rerender(&photo).stderr(contains("has changed since it was published"));
    std::fs::write(&published, bytes).unwrap();

    std::fs::write(project.path("photos/new.png"), b"x").unwrap();
    rerender(&photo).stderr(contains("photos has changed since `photos` read it"));
    std::fs::remove_file(project.path("photos/new.png")).unwrap();
    made_again(&project, &photo);

    let cache = project.path("outputs/cache");
    let name = names(&cache)
        .into_iter()
        .find(|n| n.starts_with("augment_photos-"));
    std::fs::remove_dir_all(cache.join(name.unwrap())).unwrap();
    rerender(&photo).stderr(contains("`augment_photos` is no longer in the cache"));

    std::fs::remove_dir_all(project.path("outputs/runs")).unwrap();
    rerender(&photo).stderr(contains("no run in outputs/runs published it"));
    let explain = ["explain", DATASET, &photo];
    project
        .verismo(&explain)
        .assert()
        .success()
        .stdout(contains("nothing more is known"));
}
