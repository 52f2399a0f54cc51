//! Frames with objects from end to end: rendered, emitted, found in photos, and what is refused.

use serde_json::json;

use super::*;
use crate::artifact::Artifact;
use crate::stage::exhibit::{Content, Evidence, Exhibit, Place};

/// Frames as photos: no labels, and the rows of their CSV.
fn photos(count: u64, seed: u64) -> (Vec<Sample>, String) {
    let mut samples = testing::frames(count, Extent::new(160, 128), seed);
    let mut csv = "file,class,x1,y1,x2,y2\n".to_string();
    for (number, sample) in samples.iter_mut().enumerate() {
        let labels = std::mem::take(&mut sample.labels);
        sample.id = format!("photos-{number:06}");
        sample.provenance.source = format!("{number}.jpg");
        sample.provenance.transforms.clear();
        if labels.objects().is_empty() {
            csv += &format!("{number}.jpg,,,,,\n");
        }
        for object in labels.objects() {
            let [x, y, w, h] = object.bbox_xywh;
            csv += &format!(
                "{number}.jpg,{},{x},{y},{},{}\n",
                object.class,
                x + w,
                y + h
            );
        }
    }
    (samples, csv)
}

const SETTINGS: &str = "seeds = 2\nsteps = 80\nbatch = 4\nchannels = 8\ncrop = 64\nrate = 4e-3\n";

fn config(folder: &std::path::Path, csv: &str) -> Evaluate {
    let path = folder.join("test.csv");
    std::fs::write(&path, csv).unwrap();
    let mut config: Evaluate = toml::from_str(&format!("{SETTINGS}task = 'detection'")).unwrap();
    config.test_labels = Some(path);
    config
}

/// The result of `config` beside what it read: 40 frames as they are and emitted, and the photos of `test`.
fn evaluated(
    config: &Evaluate,
    test: &[Sample],
    folder: &std::path::Path,
) -> (Result<Value>, Vec<String>, Artifact) {
    let frames = testing::frames(40, Extent::square(96), 1);
    let places = ["emit", "source", "test", "out"].map(|name| {
        let place = folder.join(name);
        std::fs::create_dir_all(&place).unwrap();
        place
    });
    let emit = testing::stage("emit", "{ formats = [\"coco\", \"yolo\"] }");
    testing::run_into(emit.as_ref(), "emit", &frames, 16, &places[0]).unwrap();
    let test = testing::publish(&places[2], test, 16);
    let inputs = [
        ("adapted", testing::publish(&places[0], &[], 16)),
        ("source", testing::publish(&places[1], &frames, 16)),
        ("test", test.clone()),
    ];
    let run = |context: &Context| config.run(context);
    let (summary, warnings) = testing::in_context("evaluate", inputs, 16, &places[3], run);
    (summary, warnings, test)
}

/// Frames as photos whose labels are a dataset of COCO's, and a configuration that is tested on them by masks.
fn with_masks(folder: &std::path::Path, mut test: Vec<Sample>) -> (Evaluate, Vec<Sample>) {
    let truth = folder.join("truth");
    std::fs::create_dir_all(&truth).unwrap();
    let emit = testing::stage("emit", "{ formats = [\"coco\"] }");
    testing::run_into(emit.as_ref(), "emit", &test, 16, &truth).unwrap();
    for sample in &mut test {
        sample.labels = crate::sample::Labels::default();
        sample.provenance.source = format!("{}.png", sample.id);
        sample.provenance.transforms.clear();
    }
    let mut config: Evaluate = toml::from_str(&format!("{SETTINGS}task = 'segmentation'")).unwrap();
    config.test_labels = Some(truth);
    (config, test)
}

/// What the result beside what [`evaluated`] read shows.
fn exhibits(folder: &std::path::Path, summary: Value, test: &Artifact) -> Vec<Exhibit> {
    let mut artifact = testing::describe(&folder.join("out"), &[]);
    artifact.manifest.summary = summary;
    exhibit::exhibit(&Evidence {
        artifact: &artifact,
        inputs: [("test", test)].into(),
    })
    .unwrap()
}

#[test]
fn frames_of_any_size_are_learned_from_and_photos_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (test, csv) = photos(10, 2);
    let config = config(folder.path(), &csv);
    config.check().unwrap();
    let (summary, warnings, test) = evaluated(&config, &test, folder.path());
    let summary = summary.unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let table = &summary["detection"];
    assert_eq!(table["classes"], json!(["disc", "square"]));
    let [source, adapted] = ["source_only", "adapted"].map(|name| &table[name]);
    // The same pictures, in files or in parts.
    assert_eq!(source["mean"], adapted["mean"]);
    assert_eq!(
        (&adapted["n_train"], &adapted["n_test"]),
        (&json!(40), &json!(10))
    );
    for key in ["map50", "map75", "missed", "invented", "objects"] {
        assert!(adapted[key].is_number(), "{key}: {adapted}");
    }
    assert!(adapted["map50"].as_f64() >= adapted["mean"].as_f64());
    assert_eq!(
        adapted["quintiles"]["brightness"].as_array().unwrap().len(),
        5
    );

    let exhibits = exhibits(folder.path(), summary, &test);
    let sheets = exhibits
        .iter()
        .filter_map(|exhibit| match &exhibit.content {
            Content::Pictures(sheet) if exhibit.section.0 == Place::Results => Some(sheet),
            _ => None,
        });
    let sheets: Vec<_> = sheets.collect();
    assert_eq!(sheets.len(), 1);
    assert_eq!(sheets[0].columns, ["true boxes", "source_only", "adapted"]);
    assert_eq!(sheets[0].rows.len(), 6);
    assert!(sheets[0].rows.iter().all(|row| row.pictures.len() == 3));
}

#[test]
fn masks_are_learned_from_datasets_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let test = testing::frames(10, Extent::new(160, 128), 2);
    let (config, test) = with_masks(folder.path(), test);
    config.check().unwrap();
    let (summary, warnings, test) = evaluated(&config, &test, folder.path());
    let summary = summary.unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let [source, adapted] = ["source_only", "adapted"].map(|name| &summary["segmentation"][name]);
    // The same masks, in the dataset's table or in parts.
    assert_eq!(source["mean"], adapted["mean"]);
    assert!(adapted["map50"].as_f64() > Some(0.1), "{adapted}");
    assert!(adapted["box_map"].is_number(), "{adapted}");

    let exhibits = exhibits(folder.path(), summary, &test);
    let sheet = exhibits.iter().find_map(|exhibit| match &exhibit.content {
        Content::Pictures(sheet) => Some(sheet),
        _ => None,
    });
    let row = &sheet.unwrap().rows[0];
    assert!(row.caption.contains("mask mAP50–95"), "{}", row.caption);
    for picture in row.pictures.iter().flatten() {
        let mut objects = picture.labels.objects().iter();
        assert!(objects.all(|object| object.mask.is_some()));
    }
}

#[test]
fn masks_that_are_missing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, csv) = photos(2, 2);
    let table = Evaluate {
        test_labels: config(folder.path(), &csv).test_labels,
        ..toml::from_str("task = 'segmentation'").unwrap()
    };
    assert!(table.check().unwrap_err().contains("has no masks"));
    // COCO's labels may have boxes alone, which only reading them shows.
    let mut test = testing::frames(4, Extent::new(160, 128), 2);
    for sample in &mut test {
        let objects = sample.labels.objects_mut().iter_mut();
        objects.for_each(|object| object.mask = None);
    }
    let (mut config, test) = with_masks(folder.path(), test);
    config.steps = 2;
    let (summary, ..) = evaluated(&config, &test, folder.path());
    let error = summary.unwrap_err().to_string();
    assert!(
        error.contains("objects of the set `test` have a mask"),
        "{error}"
    );
}

#[test]
fn classes_without_objects_are_told_of_and_sets_without_any_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (test, csv) = photos(6, 2);
    let mut listed = config(folder.path(), &csv);
    listed.steps = 2;
    listed.classes = ["disc", "square", "cone"].map(String::from).into();
    let (summary, warnings, _) = evaluated(&listed, &test, folder.path());
    assert!(
        summary.unwrap()["detection"]["adapted"]["per_class"]
            .get("cone")
            .is_none()
    );
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        warnings[0].contains("`test` shows no object of cone"),
        "{warnings:?}"
    );

    let empty: String = csv
        .lines()
        .map(|line| match line.split_once(',') {
            Some((file, _)) if file != "file" => format!("{file},,,,,\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let config = config(folder.path(), &empty);
    let (summary, ..) = evaluated(&config, &test, folder.path());
    let error = summary.unwrap_err().to_string();
    assert!(
        error.contains("no picture of the set `test` shows an object"),
        "{error}"
    );
}

#[test]
fn found_boxes_are_drawn_like_those_of_the_photos() {
    let folder = tempfile::tempdir().unwrap();
    let (test, csv) = photos(1, 2);
    let mut config = config(folder.path(), &csv);
    let mut album = Album::new(folder.path()).unwrap();
    album
        .push_objects("a", &test[0].image, vec![], &[])
        .unwrap();
    let drawn = |config: &Evaluate| {
        let detection = tasks::Detection {
            class: 0,
            bbox_xywh: [20.0, 20.0, 20.0, 10.0],
            score: 0.9,
        };
        let mut found = [Prediction {
            detections: vec![detection],
            ..Prediction::default()
        }];
        config.draw_boxes(&mut found, &album).unwrap();
        found[0].detections[0].bbox_xywh
    };
    assert_eq!(drawn(&config), [20.0, 20.0, 20.0, 10.0]);
    config.test_boxes = Some(toml::from_str("square = true\nmargin = 0.1").unwrap());
    assert_eq!(drawn(&config), [18.0, 13.0, 24.0, 24.0]);
}

#[test]
fn settings_that_do_not_fit_the_task_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, csv) = photos(2, 2);
    for (text, problem) in [
        ("crop = 64", "for tasks of objects only"),
        ("task = 'detection'\ncrop = 8", "between 32 and 4096"),
        (
            "test_boxes = { square = true }",
            "for tasks of objects only",
        ),
        (
            "task = 'detection'\ntest_boxes = { margin = -1 }",
            "`margin` must be between",
        ),
    ] {
        let config = Evaluate {
            test_labels: config(folder.path(), &csv).test_labels,
            ..toml::from_str(text).unwrap()
        };
        let refused = config.check().unwrap_err();
        assert!(refused.contains(problem), "{refused}");
    }
    let empty = config(folder.path(), "file,class,x1,y1,x2,y2\n");
    assert!(empty.check().unwrap_err().contains("holds no rows"));
    // Classes of crops tell no boxes.
    let classes = config(folder.path(), "file,class\n0.jpg,disc\n");
    assert!(classes.check().unwrap_err().contains("has no column"));
    let mut folders = classes;
    folders.test_labels = Some(folder.path().to_owned());
    assert!(folders.check().unwrap_err().contains("has no boxes"));
}
