//! Datasets with labels: what becomes of pictures, objects and labels, and what is refused.

use serde_json::json;

use super::*;
use crate::registry::Name;
use crate::sample::{Domain, Labels};

/// A COCO dataset with a picture of 40 × 20 pixels with two objects, one with a single object, one with none, and
/// one whose file is missing. Red counts columns and green rows.
fn coco() -> (tempfile::TempDir, Ingest) {
    let folder = tempfile::tempdir().unwrap();
    let pixels = RgbImage::from_fn(40, 20, |x, y| Rgb([4 * x as u8, 8 * y as u8, 0]));
    for name in ["a", "b", "c"] {
        pixels
            .save(folder.path().join(format!("{name}.png")))
            .unwrap();
    }
    let image =
        |id: u32, name: &str| json!({ "id": id, "file_name": name, "width": 40, "height": 20 });
    // Columns 10 to 19 of rows 4 to 13.
    let mut counts = vec![10 * 20 + 4];
    counts.extend([10].into_iter().chain([10; 18]));
    counts.push(6 + 20 * 20);
    let mask = json!({ "counts": counts, "size": [20, 40] });
    let object = |id: u32, image: u32, category: u32, bbox: [u32; 4]| {
        json!({ "id": id, "image_id": image, "category_id": category, "bbox": bbox, "iscrowd": 0,
                "area": bbox[2] * bbox[3] })
    };
    let mut masked = object(1, 1, 1, [10, 4, 10, 10]);
    masked["segmentation"] = mask;
    let text = json!({
        "images": [image(1, "a.png"), image(2, "b.png"), image(3, "c.png"), image(4, "gone.png")],
        "categories": [{ "id": 1, "name": "bolt" }, { "id": 2, "name": "nut" }],
        "annotations": [
            masked, object(2, 1, 2, [30, 10, 8, 8]), object(3, 2, 2, [0, 0, 16, 16]),
            object(4, 4, 2, [0, 0, 9, 9]),
        ],
    });
    let file = folder.path().join("instances.json");
    std::fs::write(file, text.to_string()).unwrap();
    let config = Ingest {
        path: folder.path().to_path_buf(),
        format: Name::find("coco"),
        size: Extent::new(40, 20),
        max_bad: 0.5,
        ..Ingest::default()
    };
    (folder, config)
}

#[test]
fn frames_keep_pixels_and_labels() {
    let (_folder, config) = coco();
    let (samples, summary, _) = run(&config, 2).unwrap();
    assert_eq!(samples.len(), 3, "{summary}");
    let first = &samples[0];
    assert_eq!(first.provenance.domain, Domain::Render);
    assert_eq!(first.provenance.source, "a.png");
    assert_eq!(first.labels.class, None, "it shows objects of two classes");
    let boxes: Vec<_> = first.labels.objects().iter().map(|o| o.bbox_xywh).collect();
    assert_eq!(boxes, [[10.0, 4.0, 10.0, 10.0], [30.0, 10.0, 8.0, 8.0]]);
    assert_eq!(
        first.pixels().unwrap().get_pixel(39, 19),
        &Rgb([156, 152, 0])
    );
    assert_eq!(samples[1].labels.class.as_deref(), Some("nut"));
    assert_eq!(samples[2].labels.objects, Some(Vec::new()));
}

#[test]
fn labels_follow_a_frame_that_is_scaled_and_cut() {
    let (_folder, mut config) = coco();
    config.size = Extent::square(40);
    let (samples, ..) = run(&config, 8).unwrap();
    // The middle 20 × 20 pixels, twice as large: columns 10 to 29.
    let objects = samples[0].labels.objects();
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0].bbox_xywh, [0.0, 8.0, 20.0, 20.0]);
    assert_eq!(objects[0].mask.as_ref().unwrap().area(), 400);
}

#[test]
fn objects_are_cut_out_with_their_class() {
    let (_folder, mut config) = coco();
    config.cut = Some(Cut::Objects);
    config.size = Extent::square(20);
    config.margin = 0.0;
    let (samples, summary, _) = run(&config, 2).unwrap();
    let found: Vec<_> = samples
        .iter()
        .map(|s| {
            let class = s.labels.class.as_deref().unwrap();
            (s.id.as_str(), s.provenance.source.as_str(), class)
        })
        .collect();
    let wanted = [
        ("photos-000000", "a.png#0", "bolt"),
        ("photos-000001", "a.png#1", "nut"),
        ("photos-000002", "b.png#0", "nut"),
    ];
    assert_eq!(found, wanted);
    assert_eq!(summary["empty"], 1);
    let bolt = &samples[0].labels.objects()[0];
    assert_eq!(bolt.bbox_xywh, [0.0, 0.0, 20.0, 20.0]);
    assert_eq!(bolt.mask.as_ref().unwrap().area(), 400);
    // Objects of one frame are of one origin.
    assert_eq!(samples[1].provenance.origin, "photos-000000");
    config.share = [1, 2];
    config.limit = 1;
    let (samples, ..) = run(&config, 2).unwrap();
    assert_eq!(samples[0].id, "photos-000002");
}

#[test]
fn parts_and_threads_do_not_change_labelled_samples() {
    let (_folder, config) = coco();
    let expected = run(&config, 256).unwrap().0;
    for part_size in [1, 2] {
        assert_eq!(run(&config, part_size).unwrap().0, expected);
    }
}

#[test]
fn photos_are_cut_and_their_labels_are_not_read() {
    let (_folder, mut config) = coco();
    config.cut = Some(Cut::Objects);
    config.pictures = Pictures::Photos;
    let (samples, ..) = run(&config, 8).unwrap();
    assert_eq!(samples.len(), 3);
    for sample in samples {
        assert_eq!(sample.labels, Labels::default());
        assert_eq!(sample.provenance.domain, Domain::Photo);
    }
}

#[test]
fn labels_of_photos_are_read_where_the_settings_say_so() {
    let (_folder, mut config) = coco();
    config.cut = Some(Cut::Objects);
    let renders = run(&config, 8).unwrap().0;
    config.pictures = Pictures::Photos;
    config.labelled = Some(Labelled::Few);
    let (samples, summary, _) = run(&config, 8).unwrap();
    assert_eq!(samples.len(), renders.len());
    for (photo, render) in samples.iter().zip(&renders) {
        assert_eq!(
            (&photo.image, &photo.labels),
            (&render.image, &render.labels)
        );
        assert!(photo.provenance.is_labelled_photo());
    }
    let finding = &crate::stage::finding::of(&summary)[0];
    assert_eq!(finding.number, "3");
    let facts = config.foresee(&Givens::default()).unwrap();
    assert_eq!(facts.classes, Some(true));
}

#[test]
fn what_is_wrong_is_skipped_and_named_or_refused() {
    let (folder, mut config) = coco();
    let (_, summary, warnings) = run(&config, 8).unwrap();
    assert_eq!(summary["bad"], 1);
    assert!(
        warnings.iter().any(|text| text.contains("gone.png")),
        "{warnings:?}"
    );
    config.max_bad = 0.05;
    assert!(message(&config).contains("gone.png"));
    config.max_bad = 0.5;
    config.strict = true;
    assert!(message(&config).contains("gone.png"));
    config.strict = false;
    // Labels of another size than their picture.
    RgbImage::new(20, 40)
        .save(folder.path().join("b.png"))
        .unwrap();
    config.max_bad = 0.25;
    let text = message(&config);
    assert!(
        text.contains("20×40") && text.contains("of 40×20"),
        "{text}"
    );
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let (folder, config) = coco();
    for (text, problem) in [
        (
            "path = 'a'\ncut = 'objects'",
            "`cut` is of use with `format`",
        ),
        ("path = 'a'\nsplits = ['train']", "`splits` is of use with"),
        ("path = 'a'\npictures = 'photos'", "`pictures` is of use"),
        ("path = 'a'\nformat = 'coco'\nboxes = 'b.csv'", "both say"),
        (
            "path = 'a'\nformat = 'folders'\ncut = 'objects'",
            "needs objects",
        ),
    ] {
        let config: Ingest = toml::from_str(text).unwrap();
        let refused = config.check().unwrap_err();
        assert!(refused.contains(problem), "{refused}");
    }
    let wrong = Ingest {
        format: Name::find("bop"),
        ..config.clone()
    };
    let misfit = wrong.check_files(&Givens::default()).unwrap_err();
    assert!(misfit.problem.contains("`coco`"), "{}", misfit.problem);
    assert!(config.check_files(&Givens::default()).is_ok());
    assert_eq!(config.forecast(&Givens::default()).count, Some(4));
    let none = Ingest {
        splits: vec!["val".to_owned()],
        ..config
    };
    let text = message(&none);
    assert!(text.contains("no picture in the `splits`"), "{text}");
    drop(folder);
}
