//! Adapters that need no training, from renders to a dataset.

use predicates::prelude::*;
use predicates::str::contains;
use verismo::artifact::Artifact;
use verismo::sample::{Extent, Sample};

use crate::project::{Project, Tiny, names};

fn project(model: &str, part_size: u32) -> Project {
    let pipeline = Tiny::new(&format!("part_size = {part_size}"))
        .dice(12, 24)
        .photos(24)
        .stages(&format!(
            "[stages.train]
from = {{ renders = \"render\", photos = \"photos\" }}
model = \"{model}\"
[stages.translate]
from = {{ renders = \"render\", model = \"train\" }}"
        ))
        .publish("translate");
    Project::new()
        .photos("photos", 12)
        .file("tiny.toml", pipeline)
}

/// The published version, which is a hash of the dataset's content.
fn version(model: &str, part_size: u32, threads: &str) -> String {
    let project = project(model, part_size);
    let run = ["run", "tiny.toml", "--device", "cpu", "--threads", threads];
    project.verismo(&run).assert().success();
    let record = project.json("outputs/runs/tiny/latest/run.json");
    let train = &record["stages"][2];
    assert_eq!(train["id"], "train");
    let versions = names(&project.path("outputs/datasets/tiny"));
    versions.into_iter().find(|name| name != "latest").unwrap()
}

#[test]
fn photos_are_drawn_alike_for_any_number_of_threads_and_part_size() {
    let histogram = version("histogram", 5, "1");
    assert_eq!(histogram, version("histogram", 12, "3"));
    let fda = version("fda", 5, "3");
    assert_eq!(fda, version("fda", 4, "1"));
    assert_ne!(histogram, fda);
}

/// A pipeline that trains on the photos of `photos` with these settings of `train`, at line 5 and below.
fn training(settings: &str) -> Project {
    let pipeline = format!(
        "\
[stages.photos]
use = \"ingest\"
path = \"photos\"
[stages.train]
{settings}
[stages.train.from]
renders = \"photos\"
photos = \"photos\"
"
    );
    Project::new()
        .photos("photos", 2)
        .file("base.toml", pipeline)
        .file("p.toml", "extends = \"base.toml\"\n")
}

#[test]
fn a_model_s_table_is_refused_with_its_place() {
    for (settings, words) in [
        (
            "cyclegan.cicle = 1.0",
            ["base.toml:5:10", "did you mean `cycle`?"],
        ),
        (
            "cyclegna.cycle = 1.0",
            ["base.toml:5:1", "did you mean `cyclegan`?"],
        ),
        (
            "cyclegan.cycle = -1.0",
            ["base.toml:", "`cyclegan`: `cycle` must be"],
        ),
        (
            "model = \"fastcat\"",
            ["base.toml:5:9", "did you mean `fastcut`?"],
        ),
        ("cut.nce = 1.0", ["base.toml:5:1", "set `model = \"cut\"`"]),
    ] {
        let plan = training(settings).verismo(&["plan", "p.toml"]).assert();
        let error = String::from_utf8(plan.code(2).get_output().stderr.clone()).unwrap();
        assert!(
            words.iter().all(|word| error.contains(word)),
            "{settings}: {error}"
        );
    }
}

#[test]
fn another_model_is_chosen_over_the_table_of_the_first() {
    let project = training("cyclegan.identity = 2.0");
    let plan = |set: &[&str]| {
        let mut arguments = vec!["plan", "p.toml"];
        arguments.extend(set.iter().flat_map(|set| ["--set", set]));
        project.verismo(&arguments).assert()
    };
    plan(&["train.model=cut"]).success();
    plan(&["train.model=cut", "train.cut.nce=1.0"]).success();
    plan(&["train.cut.nce=1.0"])
        .code(2)
        .stderr(contains("--set train.cut.nce=1.0").and(contains("set `model = \"cut\"`")));
    let like = "\
extends = \"base.toml\"
[stages.second]
use = \"train\"
like = \"train\"
model = \"fda\"
from = { renders = \"photos\", photos = \"photos\" }
[matrix]
\"train.model\" = [\"cyclegan\", \"simgan\"]
";
    let project = project.file("like.toml", like);
    project.verismo(&["plan", "like.toml"]).assert().success();
}

#[test]
fn what_is_enlarged_has_its_labels_and_its_size_is_foreseen() {
    let pipeline = Tiny::new("").dice(12, 32).photos(32).stages(
        "[stages.train]
from = { renders = \"render\", photos = \"photos\" }
model = \"srgan\"
steps = 4
batch = 2
watch_every = 2
watch_pictures = 4
srgan = { pretrain = 2, channels = 4, blocks = 1 }
discriminator = { channels = 4 }
[stages.translate]
from = { renders = \"render\", model = \"train\" }",
    );
    let text = pipeline.text();
    let project = Project::new()
        .photos("photos", 12)
        .file("tiny.toml", &text)
        .file(
            "wrong.toml",
            text + "[stages.pseudo_label]\nfrom = { samples = \"translate\", photos = \"photos\" }\n",
        );
    project
        .verismo(&["plan", "wrong.toml"])
        .assert()
        .code(2)
        .stderr(contains("64×64").and(contains("32×32")));
    project
        .verismo(&["run", "tiny.toml", "--device", "cpu"])
        .assert()
        .success();
    let record = project.json("outputs/runs/tiny/latest/run.json");
    let of = |id: &str| -> Vec<Sample> {
        let mut stages = record["stages"].as_array().unwrap().iter();
        let stage = stages.find(|stage| stage["id"] == id).unwrap();
        let artifact = Artifact::open(&project.path(stage["folder"].as_str().unwrap())).unwrap();
        artifact.samples().map(Result::unwrap).collect()
    };
    let (renders, enlarged) = (of("render"), of("translate"));
    assert_eq!(enlarged.len(), renders.len());
    for (before, after) in renders.iter().zip(&enlarged) {
        assert_eq!(after.extent, Extent::square(64));
        let [old, new] = [before, after].map(|sample| &sample.labels.objects()[0]);
        assert_eq!(new.bbox_xywh, old.bbox_xywh.map(|side| 2.0 * side));
        assert_eq!(new.pose, old.pose);
        let [small, large] = [before, after].map(|sample| sample.labels.camera.unwrap().to_array());
        assert_eq!(large, small.map(|number| 2.0 * number));
        for (small, large) in old.keypoints.iter().zip(&new.keypoints) {
            assert!((large.x - 2.0 * small.x).abs() < 1e-3);
        }
    }
    let fidelity = &record["metrics"]["train"]["fidelity"];
    assert!(fidelity["psnr"].is_f64() && fidelity["ssim_bicubic"].is_f64());
}
