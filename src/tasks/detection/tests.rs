//! A detector learns frames of shapes, and its scores are those of COCO.

use super::*;
use crate::models::album::ObjectBox;
use crate::nn::device;
use crate::stage::DeviceChoice;
use crate::tasks::{Detection, Order, Recipe, train};
use crate::testing;

const CLASSES: [&str; 2] = ["disc", "square"];

/// Frames of several shapes as an album.
fn frames(count: u64, extent: Extent, seed: u64) -> Album {
    let folder = tempfile::tempdir().unwrap();
    let mut album = Album::new(folder.path()).unwrap();
    for sample in testing::frames(count, extent, seed) {
        let objects = testing::object_boxes(&sample, &CLASSES);
        let masks = sample.labels.objects().iter();
        let masks: Vec<_> = masks.map(|object| object.mask.clone()).collect();
        album
            .push_objects(&sample.id, &sample.image, objects, &masks)
            .unwrap();
    }
    album
}

#[test]
fn it_learns_from_parts_of_frames_and_finds_in_frames_of_any_size() {
    let device = device::choose(DeviceChoice::Cpu).unwrap();
    let album = frames(40, Extent::new(128, 96), 1);
    let setting = Setting {
        classes: 2,
        extent: Extent::new(128, 96),
        crop: Some(64),
        init: None,
        channels: 8,
        device: &device,
    };
    let mut stream = Seed::new(1, "detection").stream(0);
    let mut detector = Training::with_masks(&setting, &mut stream);
    let recipe = Recipe {
        steps: 500,
        rate: 4e-3,
    };
    let mut order = Order::new(album.len());
    let draw = || album.examples(order.next(8, &mut stream));
    train(&mut detector, recipe, draw, |_| Ok(())).unwrap();
    let test = frames(10, Extent::new(190, 150), 2);
    let all: Vec<usize> = (0..test.len()).collect();
    let predictions = detector.predict(&test, &all).unwrap();
    let score = (TASK.score)(&test, &predictions, &all).unwrap();
    assert!(score > 0.5, "{score}");
    // What it finds, it also draws.
    let task = &crate::tasks::segmentation::TASK;
    let score = (task.score)(&test, &predictions, &all).unwrap();
    assert!(score > 0.5, "{score}");
    // The average of its weights follows it.
    let mut average = detector.finder();
    detector.lead(&mut average, 0.5);
    let picture = &test.get(0).unwrap().picture;
    assert_eq!(
        average.find(picture).len(),
        detector.finder().find(picture).len()
    );
}

#[test]
fn pictures_of_different_sizes_and_without_objects_are_learned_from_at_once() {
    let device = device::choose(DeviceChoice::Cpu).unwrap();
    let setting = Setting {
        classes: 2,
        extent: Extent::square(80),
        crop: None,
        init: None,
        channels: 4,
        device: &device,
    };
    let mut detector = Training::new(&setting, &mut Seed::new(1, "sizes").stream(0));
    let (wide, high) = (
        frames(1, Extent::new(80, 40), 1),
        frames(1, Extent::new(33, 70), 2),
    );
    let empty = testing::album(&[image::RgbImage::new(20, 20)]);
    let pictures = [&wide, &high, &empty].map(|album| album.get(0).unwrap());
    assert!(
        detector
            .learn(pictures.iter().map(AsRef::as_ref), 1e-3)
            .is_finite()
    );
    assert!(
        detector
            .learn(std::iter::once(&*pictures[2]), 1e-3)
            .is_finite()
    );
}

/// An album of one picture with two objects, of classes 0 and 1.
fn two() -> Album {
    let folder = tempfile::tempdir().unwrap();
    let mut album = Album::new(folder.path()).unwrap();
    let picture = testing::picture_of(100, 100).image;
    let objects =
        [(0, 10.0), (1, 60.0)].map(|(class, x)| ObjectBox::new(class, [x, 10.0, 20.0, 20.0]));
    album
        .push_objects("two", &picture, objects.into(), &[])
        .unwrap();
    album
}

fn found(detections: &[(usize, [f32; 4], f32)]) -> Vec<Prediction> {
    let detection = |&(class, bbox_xywh, score): &(usize, [f32; 4], f32)| Detection {
        class,
        bbox_xywh,
        score,
    };
    vec![Prediction {
        detections: detections.iter().map(detection).collect(),
        ..Prediction::default()
    }]
}

#[test]
fn precision_by_hand() {
    let album = two();
    let [a, b] = [[10.0, 10.0, 20.0, 20.0], [60.0, 10.0, 20.0, 20.0]];
    let score = |found: &[Prediction]| (TASK.score)(&album, found, &[0]);
    let is = |found: &[(usize, [f32; 4], f32)], wanted: f64| {
        let score = score(&super::tests::found(found)).unwrap();
        assert!((score - wanted).abs() < 1e-9, "{score} {wanted}");
    };
    is(&[(0, a, 0.9), (1, b, 0.9)], 1.0);
    // One class is found, the other is not.
    is(&[(0, a, 0.9)], 0.5);
    is(&[], 0.0);
    // Four fifths of the box are right: seven of the ten limits, 0.5 to 0.8, are met.
    let narrow = [60.0, 10.0, 16.0, 20.0];
    is(&[(0, a, 0.9), (1, narrow, 0.9)], 0.85);
    let details = (TASK.details)(&album, &[found(&[(0, a, 0.9), (1, narrow, 0.9)])], &names());
    for value in [&details["map50"], &details["per_class"]["disc"]] {
        assert!((value.as_f64().unwrap() - 1.0).abs() < 1e-9, "{value}");
    }
    assert_eq!(details["by_size"].as_object().unwrap().len(), 1);
    // Without objects there is nothing to be right about.
    let empty = testing::album(&[image::RgbImage::new(20, 20)]);
    assert_eq!((TASK.score)(&empty, &found(&[]), &[0]), None);
}

fn names() -> Vec<String> {
    CLASSES.map(String::from).into()
}

#[test]
fn missed_and_invented_objects_are_counted() {
    let album = two();
    let a = [10.0, 10.0, 20.0, 20.0];
    let predictions = found(&[
        (1, a, 0.9),
        (0, [80.0, 80.0, 9.0, 9.0], 0.8),
        (1, [60.0, 10.0, 20.0, 20.0], 0.1),
    ]);
    let details = (TASK.details)(&album, &[predictions], &names());
    assert_eq!(
        details["confusion"],
        serde_json::json!([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    );
    assert_eq!(
        (&details["missed"], &details["invented"]),
        (&1.into(), &1.into())
    );
    assert_eq!(details["objects"], 2);
}
