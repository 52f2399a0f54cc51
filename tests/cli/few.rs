//! A few photos with labels that people gave join the renders, and the dataset says so.

use predicates::prelude::*;
use predicates::str::contains;

use crate::project::{Project, Tiny};

fn pipeline(last: &str) -> String {
    let few = "\
[stages.few]
use = \"ingest\"
path = \"ROOT/photos/dice/train\"
boxes = \"ROOT/photos/dice/train.csv\"
labelled = \"few\"
limit = 6
size = 16
[stages.test_photos]
use = \"ingest\"
path = \"ROOT/photos/dice/test\"
boxes = \"ROOT/photos/dice/test.csv\"
limit = 8
size = 16
[stages.join]
from = { samples = \"render\", others = \"few\" }
repeat = 2
[stages.augment]
from = { samples = \"join\" }
copies = 1";
    let evaluate = "\
[stages.evaluate]
from = { adapted = \"emit\", source = \"render\", test = \"test_photos\" }
test_labels = \"ROOT/photos/dice/test.csv\"
classes = [\"one\", \"two\", \"three\", \"four\", \"five\", \"six\"]
seeds = 1
steps = 4
channels = 4
";
    let root = env!("CARGO_MANIFEST_DIR");
    let tiny = Tiny::new("")
        .dice(12, 16)
        .stages(&few.replace("ROOT", root));
    tiny.publish(last) + "formats = [\"coco\"]\n" + &evaluate.replace("ROOT", root)
}

#[test]
fn labelled_photos_join_the_renders_and_card_manifest_and_verdict_count_them() {
    let project = Project::new().file("tiny.toml", pipeline("augment"));
    project
        .verismo(&["run", "tiny.toml"])
        .assert()
        .success()
        .stdout(contains("real labels"));
    let record = project.json("outputs/runs/tiny/latest/run.json");
    assert_eq!(record["metrics"]["few"]["crops"], 6);
    let joined = &record["metrics"]["join"];
    assert_eq!(
        (&joined["samples"], &joined["others"]),
        (&12.into(), &6.into())
    );
    let adapted = &record["metrics"]["evaluate"]["classification"]["adapted"];
    // Some of the six may be in the split `val`.
    let read = adapted["real_labels"].as_u64().unwrap();
    assert!((1..=6).contains(&read), "{adapted}");
    let finding = &record["metrics"]["evaluate"]["findings"][0];
    let text = format!("with {read} real labels");
    assert!(
        finding["text"].as_str().unwrap().contains(&text),
        "{finding}"
    );

    let dataset = project.path("outputs/datasets/tiny/latest");
    let card = std::fs::read_to_string(dataset.join("README.md")).unwrap();
    for words in [
        "**6 labels of real photos were used**: 12 images",
        "- real labels: **6**: 6 samples have the labels that people gave to",
    ] {
        assert!(card.contains(words), "{words}\n{card}");
    }
    assert!(
        !card.contains("were not used") && !card.contains("is a guess"),
        "{card}"
    );
    // Photos have boxes, so COCO lists them, too.
    let images = |split| {
        let coco = project.json(&format!(
            "outputs/datasets/tiny/latest/annotations/instances_{split}.json"
        ));
        coco["images"].as_array().unwrap().len()
    };
    assert_eq!(images("train") + images("val"), 12 + 12);
    let manifest =
        verismo::artifact::parts::read_classes(&dataset.join("manifest.parquet")).unwrap();
    assert!(manifest.iter().all(Option::is_some));
    project
        .verismo(&["verify", "outputs/datasets/tiny/latest"])
        .assert()
        .stdout(contains("mask").not());
}

#[test]
fn without_the_setting_no_label_is_read_and_photos_do_not_join() {
    let text = pipeline("augment").replace("labelled = \"few\"\n", "");
    let project = Project::new().file("tiny.toml", text);
    project
        .verismo(&["plan", "tiny.toml"])
        .assert()
        .code(2)
        .stderr(
            contains("`few`")
                .and(contains("have no labels"))
                .and(contains("labelled = \"few\"")),
        );
    let text = pipeline("augment").replace("labelled = \"few\"", "labelled = \"all\"");
    let project = project.file("tiny.toml", text);
    project
        .verismo(&["plan", "tiny.toml"])
        .assert()
        .code(2)
        .stderr(contains("`few`"));
}
