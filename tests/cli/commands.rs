//! The commands other than `run` and `plan`.

use predicates::prelude::*;
use predicates::str::contains;
use verismo::formats::FORMATS;
use verismo::models::MODELS;
use verismo::sample::maps::MAPS;
use verismo::stages::STAGES;
use verismo::stages::augment::TRANSFORMS;

use crate::project::{Project, names};

#[test]
fn help_teaches_by_examples() {
    let project = Project::new();
    project
        .verismo(&["--help"])
        .assert()
        .success()
        .stdout(contains("Examples:").and(contains("Exit codes")));
    for command in [
        "run",
        "plan",
        "fit",
        "new",
        "inspect",
        "explain",
        "diff",
        "gc",
        "list",
        "convert",
        "verify",
        "completions",
        "man",
    ] {
        project
            .verismo(&[command, "--help"])
            .assert()
            .success()
            .stdout(contains("Example"));
    }
}

#[test]
fn list_names_every_entry_of_every_registry() {
    let entries = [
        (
            "stages",
            STAGES.iter().map(|e| (e.name, e.about)).collect::<Vec<_>>(),
        ),
        ("models", MODELS.iter().map(|e| (e.name, e.about)).collect()),
        (
            "transforms",
            TRANSFORMS.iter().map(|e| (e.name, e.about)).collect(),
        ),
        (
            "formats",
            FORMATS.iter().map(|e| (e.name, e.about)).collect(),
        ),
        ("maps", MAPS.iter().map(|e| (e.name, e.about)).collect()),
    ];
    for (what, entries) in entries {
        let output = Project::new().verismo(&["list", what]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with(what), "{text}");
        for (name, about) in entries {
            assert!(
                text.contains(name) && text.contains(about),
                "{what}: {name}"
            );
        }
    }
}

#[test]
fn devices_begin_with_the_cpu() {
    let output = Project::new().verismo(&["devices"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.trim_start().starts_with("cpu"), "{text}");
    let for_gpus = cfg!(any(feature = "wgpu", feature = "cuda"));
    assert_eq!(text.contains("--features wgpu"), !for_gpus, "{text}");
}

#[test]
fn the_schema_describes_every_stage() {
    let output = Project::new().verismo(&["schema"]).output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for stage in STAGES {
        let own = &schema["$defs"][stage.name];
        assert_eq!(own["properties"]["use"]["const"], stage.name);
        for input in stage.inputs {
            assert!(own["properties"]["from"]["properties"][input.role].is_object());
        }
    }
    // Every reference resolves.
    let text = schema.to_string();
    for (at, _) in text.match_indices("\"#/") {
        let pointer = text[at + 2..].split('"').next().unwrap();
        assert!(schema.pointer(pointer).is_some(), "{pointer}");
    }
}

#[test]
fn new_writes_a_pipeline_once() {
    let project = Project::new();
    project
        .verismo(&["new", "screws"])
        .assert()
        .success()
        .stdout(contains("verismo plan pipelines/screws.toml"));
    let text = std::fs::read_to_string(project.path("pipelines/screws.toml")).unwrap();
    assert!(text.contains("name = \"screws\"") && !text.contains("NAME"));
    project
        .verismo(&["new", "screws"])
        .assert()
        .code(2)
        .stderr(contains("already exists"));
}

#[test]
fn inspect_counts_and_draws() {
    let pipeline = "[stages.photos]\nuse = \"ingest\"\npath = \"photos\"\nsize = 16\n";
    let project = Project::new().photos("photos", 3).file("p.toml", pipeline);
    project.verismo(&["run", "p.toml"]).assert().success();
    let artifact = names(&project.path("outputs/cache")).remove(0);
    let folder = format!("outputs/cache/{artifact}");
    for path in [folder.clone(), format!("{folder}/part-00000.parquet")] {
        project
            .verismo(&["inspect", &path, "--sheet", "sheet.png"])
            .assert()
            .success()
            .stdout(
                contains("3 samples")
                    .and(contains("16×16"))
                    .and(contains("sheet.png")),
            );
        let sheet = verismo::sample::image::read_rgb(&project.path("sheet.png")).unwrap();
        assert_eq!(sheet.width(), 3 * 114 + 2);
    }
    for nothing in ["nowhere", "photos"] {
        project
            .verismo(&["inspect", nothing])
            .assert()
            .code(2)
            .stderr(contains(nothing));
    }
}

#[test]
fn inspect_reads_datasets_that_others_wrote() {
    let coco = r#"{
        "images": [{ "id": 5, "file_name": "000.png", "width": 24, "height": 20 },
                   { "id": 6, "file_name": "001.png", "width": 24, "height": 20 }],
        "categories": [{ "id": 0, "name": "mug" }],
        "annotations": [{ "image_id": 5, "category_id": 0, "bbox": [2, 3, 10, 8],
                          "segmentation": [[2, 3, 12, 3, 12, 11, 2, 11]] }]
    }"#;
    let project = Project::new()
        .photos("coco/images", 2)
        .file("coco/annotations/instances_val.json", coco)
        .photos("folders/train/mug", 2);
    for path in ["coco", "coco/annotations/instances_val.json"] {
        let inspect = ["inspect", path, "--sheet", "sheet.png"];
        project.verismo(&inspect).assert().success().stdout(
            contains("coco: ")
                .and(contains("2 samples"))
                .and(contains("mask area, pixels   80.00"))
                .and(contains("mug"))
                .and(contains("24×20")),
        );
    }
    project
        .verismo(&["inspect", "folders", "--sheet", "sheet.png"])
        .assert()
        .success()
        .stdout(contains("folders: ").and(contains("unknown objects")));
    std::fs::remove_file(project.path("coco/images/001.png")).unwrap();
    project
        .verismo(&["inspect", "coco"])
        .assert()
        .code(1)
        .stderr(contains("001.png"));
}

#[test]
fn explain_wants_a_dataset() {
    Project::new()
        .verismo(&["explain", "nowhere", "x.png"])
        .assert()
        .code(2)
        .stderr(contains("nowhere").and(contains("manifest.parquet")));
}
