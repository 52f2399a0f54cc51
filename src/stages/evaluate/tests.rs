//! An evaluation of shapes from end to end, and what it refuses.

mod objects;

use serde_json::json;

use super::*;
use crate::sample::Sample;
use crate::testing;

/// Shapes as photos: no label, and the row of their CSV in the source.
fn photos(count: u64, seed: u64) -> (Vec<Sample>, String) {
    let mut samples = testing::shapes(count, 16, seed);
    let mut csv = "file,class\n".to_string();
    for (row, sample) in samples.iter_mut().enumerate() {
        csv += &format!("{row}.jpg,{}\n", sample.labels.class.take().unwrap());
        sample.provenance.source = format!("{row}.jpg#{row}");
    }
    (samples, csv)
}

/// Runs `config` on 80 shapes emitted as a dataset; `target` photos only where asked for.
fn evaluate(config: &Evaluate, test: &[Sample], target: Option<&[Sample]>) -> Result<Value> {
    let folders = [(); 5].map(|()| tempfile::tempdir().unwrap());
    let publish =
        |place: usize, samples: &[Sample]| testing::publish(folders[place].path(), samples, 32);
    let shapes = testing::shapes(80, 16, 1);
    let emit = testing::stage("emit", "{ formats = [] }");
    testing::run_into(emit.as_ref(), "emit", &shapes, 32, folders[0].path())?;
    let adapted = ("adapted", publish(0, &[]));
    let source = ("source", publish(1, &shapes));
    let test = ("test", publish(2, test));
    let out = folders[3].path();
    match target {
        Some(target) => {
            let target = ("target", publish(4, target));
            testing::run_with(config, "evaluate", [adapted, source, test, target], 32, out)
        }
        None => testing::run_with(config, "evaluate", [adapted, source, test], 32, out),
    }
}

fn config(folder: &std::path::Path, test_csv: &str) -> Evaluate {
    let path = folder.join("test.csv");
    std::fs::write(&path, test_csv).unwrap();
    Evaluate {
        seeds: 2,
        steps: 30,
        batch: 8,
        channels: 4,
        test_labels: Some(path),
        ..Evaluate::default()
    }
}

#[test]
fn every_set_is_measured_on_the_same_photos() {
    let folder = tempfile::tempdir().unwrap();
    let ((test, csv), (target, target_csv)) = (photos(20, 2), photos(40, 3));
    let mut config = config(folder.path(), &csv);
    let labels = folder.path().join("target.csv");
    std::fs::write(&labels, target_csv).unwrap();
    config.target_labels = Some(labels);
    let table = evaluate(&config, &test, Some(&target)).unwrap();
    let table = &table["classification"];
    assert_eq!(table["classes"], json!(["disc", "square"]));
    for (name, n_train) in [("source_only", 80), ("adapted", 80), ("target_only", 40)] {
        let row = &table[name];
        assert_eq!(
            (&row["n_train"], &row["n_test"]),
            (&json!(n_train), &json!(20))
        );
        assert_eq!(row["seeds"].as_array().unwrap().len(), 2);
        let cells = row["confusion"].as_array().unwrap().iter();
        let cells = cells.flat_map(|row| row.as_array().unwrap());
        assert_eq!(
            cells.filter_map(Value::as_u64).sum::<u64>(),
            40,
            "two seeds of 20"
        );
    }
    assert_eq!(
        table["source_only"]["mean"], table["adapted"]["mean"],
        "the same pictures"
    );

    // Without their labels, target photos cannot be learned from.
    config.target_labels = None;
    let table = evaluate(&config, &test, Some(&target)).unwrap();
    assert!(table["classification"].get("target_only").is_none());
}

#[test]
fn labelled_samples_need_not_be_emitted_to_be_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (test, csv) = photos(20, 2);
    let config = config(folder.path(), &csv);
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let publish =
        |place: usize, samples: &[Sample]| testing::publish(folders[place].path(), samples, 32);
    let source = ("source", publish(0, &testing::shapes(80, 16, 1)));
    let test_photos = ("test", publish(1, &test));
    let out = folders[2].path();
    let measured = testing::run_with(&config, "evaluate", [source, test_photos], 32, out);
    let with_both = evaluate(&config, &test, None).unwrap();
    assert_eq!(
        measured.unwrap()["classification"]["source_only"],
        with_both["classification"]["source_only"]
    );
}

#[test]
fn labelled_samples_are_tested_on_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (unlabelled, csv) = photos(20, 2);
    let by_csv = config(folder.path(), &csv);
    let by_themselves = Evaluate {
        test_labels: None,
        ..config(folder.path(), &csv)
    };
    let mut labelled = testing::shapes(20, 16, 2);
    let known = evaluate(&by_csv, &unlabelled, None).unwrap();
    let own = evaluate(&by_themselves, &labelled, None).unwrap();
    let adapted = |found: &Value| found["classification"]["adapted"].clone();
    assert_eq!(adapted(&own), adapted(&known));
    labelled[3].labels.class = None;
    let own = evaluate(&by_themselves, &labelled, None).unwrap();
    assert_eq!(adapted(&own)["n_test"], 19);
    assert!(evaluate(&by_themselves, &unlabelled, None).is_err());
}

#[test]
fn images_of_the_dataset_without_a_class_are_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (test, csv) = photos(20, 2);
    let config = config(folder.path(), &csv);
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut shapes = testing::shapes(80, 16, 1);
    // Their objects are known, so they are emitted nonetheless.
    shapes
        .iter_mut()
        .take(8)
        .for_each(|shape| shape.labels.class = None);
    let emit = testing::stage("emit", "{ formats = [] }");
    testing::run_into(emit.as_ref(), "emit", &shapes, 32, folders[0].path()).unwrap();
    let inputs = [
        ("adapted", testing::publish(folders[0].path(), &[], 32)),
        ("test", testing::publish(folders[1].path(), &test, 32)),
    ];
    let run = |context: &Context| config.run(context);
    let (measured, warnings) = testing::in_context("evaluate", inputs, 32, folders[2].path(), run);
    let table = &measured.unwrap()["classification"];
    assert_eq!(table["classes"], json!(["disc", "square"]));
    assert_eq!(table["adapted"]["n_train"], 72);
    assert_eq!(
        warnings,
        ["8 images of `adapted` have no class and are left out"]
    );
}

#[test]
fn photos_of_another_size_or_unknown_class_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (mut test, csv) = photos(10, 2);
    for (test_csv, expected) in [
        (
            csv.replace("disc", "cone"),
            "`cone` is not one of the classes",
        ),
        (
            csv.lines()
                .take(5)
                .map(|line| format!("{line}\n"))
                .collect(),
            "has no row for the crop",
        ),
    ] {
        let error = evaluate(&config(folder.path(), &test_csv), &test, None).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let large = testing::shapes(10, 32, 2);
    for (photo, large) in test.iter_mut().zip(large) {
        photo.image = large.image;
    }
    let error = evaluate(&config(folder.path(), &csv), &test, None).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`test` are 32×32, but there is one of 16×16"),
        "{error}"
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    for text in [
        "seeds = 0",
        "steps = 0",
        "batch = 1",
        "channels = 0",
        "rate = nan",
        "rate = inf",
        "rate = 0.0",
    ] {
        let config: Evaluate = toml::from_str(text).unwrap();
        assert!(config.check().is_err(), "{text}");
    }
}
