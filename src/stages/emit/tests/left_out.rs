//! Objects that get no label.

use super::*;

#[test]
fn objects_that_are_too_small_or_too_hidden_are_left_out_and_counted() {
    let mut samples = samples();
    samples[4].labels.objects.as_mut().unwrap()[1].bbox_xywh = [20.0, 20.0, 20.0, 4.0];
    samples[8].labels.objects.as_mut().unwrap()[1].visible_fraction = 0.1;
    let stage = testing::stage("emit", "{ min_box = 5.0, min_visible = 0.2 }");
    let out = tempfile::tempdir().unwrap();
    let summary = testing::run_into(stage.as_ref(), "emit", &samples, 4, out.path()).unwrap();
    assert_eq!(
        summary["left_out"],
        serde_json::json!({ "min_box": 1, "min_visible": 1 })
    );
    let card = std::fs::read_to_string(out.path().join("README.md")).unwrap();
    assert!(card.contains("less than 5 pixels wide or high are not labelled: 1 were left out"));
    assert!(card.contains("less than 20 % is visible are not labelled: 1 were left out"));
    let format = formats::detect(out.path()).unwrap();
    let pictures = format.pictures(out.path()).unwrap();
    assert_eq!(pictures.len(), 12, "pictures stay");
    let objects = pictures
        .iter()
        .map(|picture| picture.labels.objects().len());
    assert_eq!(objects.sum::<usize>(), 12 + 3 - 2);
    let mut only_small = samples.clone();
    for sample in &mut only_small {
        sample.labels.class = None;
    }
    let stage = testing::stage("emit", "{ min_box = 1000.0 }");
    let out = tempfile::tempdir().unwrap();
    let refused = testing::run_into(stage.as_ref(), "emit", &only_small, 4, out.path());
    let problem = refused.unwrap_err().to_string();
    assert!(problem.contains("without a single label"), "{problem}");
    // The classes of whole pictures are labels, too, but nothing for a detector.
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let input = testing::publish(folder.path(), &samples, 4);
    let (done, warnings) = testing::in_context("emit", [("samples", input)], 4, out.path(), |c| {
        stage.run(c)
    });
    done.unwrap();
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("no object is left")),
        "{warnings:?}"
    );
    for wrong in ["min_box = -1.0", "min_visible = 1.5", "min_visible = nan"] {
        let stage = testing::stage("emit", &format!("{{ {wrong} }}"));
        assert!(stage.check().is_err(), "{wrong}");
    }
}

#[test]
fn classes_that_a_list_leaves_out_are_named() {
    let warnings_of = |settings: &str| {
        let stage = testing::stage("emit", settings);
        let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let input = testing::publish(folder.path(), &samples(), 4);
        let (done, warnings) =
            testing::in_context("emit", [("samples", input)], 4, out.path(), |c| {
                stage.run(c)
            });
        done.unwrap();
        warnings.join("\n")
    };
    assert!(!warnings_of("{ }").contains("does not list"));
    let warnings = warnings_of("{ classes = [\"cpu\"] }");
    assert!(warnings.contains("`classes` does not list"), "{warnings}");
}
