//! Pictures that are not square, from render and photo to the dataset.

use predicates::prelude::*;
use predicates::str::contains;
use verismo::artifact::Artifact;
use verismo::sample::{Extent, Sample};

use crate::project::Project;

const SIGN: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 40">
  <rect width="60" height="40" fill="#c02020"/></svg>"##;

const PIPELINE: &str = "\
name = \"wide\"
[stages.photos]
use = \"ingest\"
path = \"photos\"
size = [24, 12]
[stages.render]
count = 6
size = [48, 32]
[stages.render.template]
templates = \"signs\"
[stages.augment]
from = { samples = \"render\" }
[stages.split]
from = { samples = \"augment\" }
[stages.emit]
from = { samples = \"split\" }
name = \"wide\"
";

fn project() -> Project {
    Project::new()
        .photos("photos", 2)
        .file("signs/red.svg", SIGN)
        .file("pipelines/p.toml", PIPELINE)
}

/// What the stage `id` of the latest run made.
fn samples(project: &Project, id: &str) -> Vec<Sample> {
    let record = project.json("outputs/runs/wide/latest/run.json");
    let mut stages = record["stages"].as_array().unwrap().iter();
    let stage = stages.find(|stage| stage["id"] == id).unwrap();
    let folder = project.path(stage["folder"].as_str().unwrap());
    let samples = Artifact::open(&folder).unwrap();
    samples.samples().map(Result::unwrap).collect()
}

#[test]
fn pictures_keep_the_shape_that_the_pipeline_gives_them() {
    let project = project();
    let run = project.verismo(&["run", "pipelines/p.toml"]).assert();
    run.success();
    for (id, size) in [
        ("photos", Extent::new(24, 12)),
        ("render", Extent::new(48, 32)),
        ("augment", Extent::new(48, 32)),
    ] {
        for sample in samples(&project, id) {
            assert_eq!(sample.extent, size, "{id}");
            assert_eq!(sample.pixels().unwrap().dimensions(), size.dimensions());
            for object in sample.labels.objects() {
                let [x, y, width, height] = object.bbox_xywh;
                assert!(x >= 0.0 && x + width <= 48.0 && y >= 0.0 && y + height <= 32.0);
                let mask = object.mask.as_ref().unwrap();
                assert_eq!(mask.bbox_xywh(32), Some(object.bbox_xywh));
            }
        }
    }
    let coco = project.json("outputs/datasets/wide/latest/annotations/instances_train.json");
    for image in coco["images"].as_array().unwrap() {
        assert_eq!(
            (&image["width"], &image["height"]),
            (&48.into(), &32.into())
        );
    }
}

#[test]
fn a_size_that_is_none_is_explained() {
    let project = project();
    for (size, words) in [
        ("[48]", "[width, height]"),
        ("\"48x32\"", "[width, height]"),
        ("[48, 4]", "between 8 and 4096"),
    ] {
        let setting = format!("render.size={size}");
        project
            .verismo(&["plan", "pipelines/p.toml", "--set", &setting])
            .assert()
            .code(2)
            .stderr(contains(words).and(contains("render")));
    }
}
