//! Datasets from elsewhere: `convert`, `verify` and `inspect`.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::json;

use crate::project::{Project, Tiny};

/// A COCO dataset as a script writes it, with two pictures and one that is missing.
fn project() -> Project {
    let annotation = |id: u32, image: u32, category: u32, bbox: [u32; 4]| {
        json!({ "id": id, "image_id": image, "category_id": category, "bbox": bbox,
                "area": bbox[2] * bbox[3], "iscrowd": 0, "segmentation": [] })
    };
    let coco = json!({
        "images": [
            { "id": 5, "file_name": "00000.jpg", "width": 48, "height": 32 },
            { "id": 6, "file_name": "00001.jpg", "width": 48, "height": 32 },
            { "id": 7, "file_name": "gone.jpg", "width": 48, "height": 32 },
        ],
        "categories": [{ "id": 0, "name": "two words" }, { "id": 4, "name": "bolt" }],
        "annotations": [
            annotation(1, 5, 0, [1, 2, 8, 6]),
            annotation(2, 5, 4, [10, 10, 3, 4]),
            annotation(3, 6, 9, [1, 1, 2, 2]),
        ],
    });
    let project = Project::new().file("coco/instances_train.json", coco.to_string());
    for name in ["00000", "00001"] {
        let mut pixels = image::RgbImage::new(48, 32);
        let shade = name.as_bytes()[4];
        pixels.enumerate_pixels_mut().for_each(|(x, y, p)| {
            p.0 = [x as u8 * 5, y as u8 * 7, shade.wrapping_mul(x as u8)];
        });
        pixels
            .save(project.path(&format!("coco/{name}.jpg")))
            .unwrap();
    }
    project
}

#[test]
fn convert_writes_another_format_and_says_what_was_left_out() {
    let project = project();
    project
        .verismo(&["convert", "coco", "yolo", "--to", "yolo"])
        .assert()
        .success()
        .stdout(
            contains("2 pictures from coco to yolo")
                .and(contains("category 9"))
                .and(contains("gone.jpg")),
        );
    let labels = std::fs::read_to_string(project.path("yolo/labels/train/00000.txt")).unwrap();
    let mut lines = labels.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("0 0.104166666667 0.15625 0.166666666667 0.1875")
    );
    assert!(lines.next().unwrap().starts_with("1 "));
    let empty = std::fs::read_to_string(project.path("yolo/labels/train/00001.txt")).unwrap();
    assert_eq!(empty, "");
    let names = std::fs::read_to_string(project.path("yolo/data.yaml")).unwrap();
    assert!(
        names.contains("  0: \"two words\"\n  1: \"bolt\"\n"),
        "{names}"
    );
    // And back, with the same numbers.
    project
        .verismo(&["convert", "yolo", "again", "--to", "coco"])
        .assert()
        .success();
    let again = project.json("again/annotations/instances_train.json");
    assert_eq!(
        again["annotations"][1]["bbox"],
        json!([10.0, 10.0, 3.0, 4.0])
    );
    assert_eq!(again["categories"][1]["name"], "bolt");
}

#[test]
fn convert_refuses_and_leaves_nothing_behind() {
    let project = project().file("there/x", "");
    for (arguments, code, words) in [
        (
            &["convert", "coco", "there", "--to", "voc"][..],
            2,
            "exists already",
        ),
        (
            &["convert", "coco", "out", "--to", "vco"],
            2,
            "the formats are manifest",
        ),
        (
            &["convert", "none", "out", "--to", "voc"],
            1,
            "check the path",
        ),
        (
            &["convert", "there", "out", "--to", "voc"],
            2,
            "known format",
        ),
        (
            &["convert", "coco", "out", "--to", "voc", "--from", "kitti"],
            2,
            "leave `--from` out",
        ),
        (
            &["convert", "coco", "out", "--to", "voc", "--strict"],
            1,
            "category 9",
        ),
        (
            &["convert", "coco", "out", "--to", "yolo-pose"],
            1,
            "has no keypoints",
        ),
    ] {
        project
            .verismo(arguments)
            .assert()
            .code(code)
            .stderr(contains(words));
        let left = std::fs::read_dir(project.path(".")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}

#[test]
fn verify_shows_what_is_doubtful_and_draws_it() {
    let project = project();
    project
        .verismo(&["verify", "coco", "--sheet", "doubts.png"])
        .assert()
        .code(1)
        .stdout(contains("category 9").and(contains("gone.jpg")))
        .stderr(contains("doubts"));
    project
        .verismo(&["convert", "coco", "voc", "--to", "voc"])
        .assert()
        .success();
    project
        .verismo(&["verify", "voc"])
        .assert()
        .success()
        .stdout(contains("nothing is doubtful").and(contains("two words")));
    let report = project
        .verismo(&["verify", "voc", "--json"])
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(
        (&report["pictures"], &report["objects"]),
        (&2.into(), &2.into())
    );
}

#[test]
fn the_order_of_listed_classes_is_that_of_their_numbers() {
    let pipeline = Tiny::new("").dice(3, 16).publish("render");
    let project = Project::new().file("tiny.toml", pipeline);
    let numbered = |classes: &str| {
        let set = format!("render.classes={classes}");
        project
            .verismo(&["run", "tiny.toml", "--set", &set])
            .assert()
            .success();
        let path = project.path("outputs/datasets/tiny/latest/classes.txt");
        std::fs::read_to_string(path).unwrap()
    };
    // Three pictures show three classes at most; the renders are the same.
    let first = numbered(r#"["six", "five", "four", "three", "two", "one"]"#);
    assert_eq!(first, "six\nfive\nfour\nthree\ntwo\none\n");
    let second = numbered(r#"["one", "two", "three", "four", "five", "six"]"#);
    assert_eq!(second, "one\ntwo\nthree\nfour\nfive\nsix\n");
    project
        .verismo(&[
            "convert",
            "outputs/datasets/tiny/latest",
            "yolo",
            "--to",
            "yolo",
        ])
        .assert()
        .success();
    let names = std::fs::read_to_string(project.path("yolo/data.yaml")).unwrap();
    assert!(
        names.contains("  0: \"one\"\n  1: \"two\"\n  2: \"three\"\n"),
        "{names}"
    );
}
