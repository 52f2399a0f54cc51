//! Every format reads back what it writes, as far as it holds it.

use std::collections::{BTreeMap, BTreeSet};

use image::RgbImage;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::artifact::parts;
use crate::sample::image::encode_png;
use crate::sample::{Camera, Keypoint, Maps, Mask, Object, Visibility};
use crate::testing::mutations::assert_survived;

const EXTENT: Extent = Extent::new(37, 23);

/// Names that break careless readers: spaces, Unicode, only digits, quotes.
fn any_class() -> impl Strategy<Value = String> {
    let odd = ["a b", "vélo", "交通", "07", "it's", "\"x\"", "a,b", "null"].map(str::to_owned);
    prop_oneof![prop::sample::select(odd.to_vec()), "[a-z]{1,8}"]
}

fn any_object() -> impl Strategy<Value = Object> {
    let corner = (0..EXTENT.width, 0..EXTENT.height);
    let place = corner.prop_flat_map(|(x, y)| {
        let sides = (1..=EXTENT.width - x, 1..=EXTENT.height - y);
        sides.prop_map(move |(w, h)| [x, y, w, h])
    });
    let point = (0.0..37.0_f32, 0.0..23.0_f32, 1_u8..=2);
    let points = prop::collection::vec(point, 3);
    (any_class(), place, points, any::<bool>()).prop_map(|(class, [x, y, w, h], points, masked)| {
        let keypoints = points.into_iter().zip(["nose", "left eye", "tail"]);
        let object = Object {
            keypoints: keypoints
                .map(|((x, y, visibility), name)| Keypoint {
                    name: name.into(),
                    x,
                    y,
                    visibility: Visibility::from_coco(visibility),
                })
                .collect(),
            pose: Some([0.25; 12]),
            visible_fraction: 0.5,
            ..Object::new(class, [x, y, w, h].map(|v| v as f32))
        };
        let inside = |i: u32| {
            let (px, py) = (i % EXTENT.width, i / EXTENT.width);
            (x..x + w).contains(&px) && (y..y + h).contains(&py)
        };
        let bitmap: Vec<bool> = (0..EXTENT.area() as u32).map(inside).collect();
        match masked {
            true => object.with_mask(Mask::from_bitmap(&bitmap, EXTENT.width, EXTENT.height)),
            false => object,
        }
    })
}

fn any_labels() -> impl Strategy<Value = Labels> {
    let objects = prop::option::of(prop::collection::vec(any_object(), 0..4));
    (any_class(), objects, any::<bool>()).prop_map(|(class, objects, camera)| Labels {
        class: Some(class),
        objects,
        camera: camera.then_some(Camera {
            fx: 30.0,
            fy: 31.0,
            cx: 18.5,
            cy: 11.5,
        }),
        ..Labels::default()
    })
}

fn samples(labels: Vec<Labels>) -> Vec<Sample> {
    let base = parts::tests::examples().remove(0);
    let pixels = RgbImage::new(EXTENT.width, EXTENT.height);
    let sample = |(index, labels): (usize, Labels)| Sample {
        id: format!("split-{index:06}"),
        image: encode_png(&pixels).unwrap(),
        extent: EXTENT,
        labels,
        ..base.clone()
    };
    labels.into_iter().enumerate().map(sample).collect()
}

/// Writes `samples` as class folders and in `format`, below `out`.
fn write(format: &Format, samples: &[Sample], out: &Path) {
    let split = |index: usize| if index % 3 == 2 { "fold_2" } else { "train" };
    let (mut images, mut categories) =
        (BTreeMap::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for (index, sample) in samples.iter().enumerate() {
        let class = sample.labels.class.clone().unwrap();
        categories.entry(class.clone()).or_default();
        let classes: &mut BTreeMap<String, u64> =
            images.entry(split(index).to_owned()).or_default();
        *classes.entry(class).or_default() += 1;
        for object in sample.labels.objects() {
            let names = object.keypoints.iter().map(|k| k.name.clone());
            categories
                .entry(object.class.clone())
                .or_default()
                .extend(names);
        }
    }
    let categories = categories
        .into_iter()
        .map(|(class, names)| (class, names.into_iter().collect()));
    let dataset = DatasetInfo {
        out,
        name: "test",
        version: None,
        description: None,
        license: Some("cc0-1.0"),
        images: &images,
        categories: &categories.collect(),
    };
    let written = FORMATS
        .iter()
        .filter(|other| other.name == "folders" || other.name == format.name);
    for other in written {
        let mut writer = (other.write)(&dataset).unwrap();
        for (index, sample) in samples.iter().enumerate() {
            let class = sample.labels.class.as_deref();
            writer
                .add(&ImageEntry {
                    sample,
                    class,
                    split: split(index),
                    file: format!("{}/{}/{}.png", split(index), class.unwrap(), sample.id),
                })
                .unwrap();
        }
        writer.finish().unwrap();
    }
}

/// What `format` reads of `samples` after it has written them.
fn round_trip(format: &Format, samples: &[Sample]) -> Vec<Picture> {
    let out = tempfile::tempdir().unwrap();
    write(format, samples, out.path());
    assert!(
        (format.detect)(out.path()),
        "{} does not know its own",
        format.name
    );
    let mut pictures = (format.read)(out.path()).unwrap();
    for picture in &mut pictures {
        assert!(picture.file.is_file(), "{}", picture.file.display());
        picture.file = picture.file.file_name().unwrap().into();
    }
    pictures.sort_by(|a, b| a.file.cmp(&b.file));
    pictures
}

/// The part of `labels` that a format holds.
fn restrict(holds: Holds, labels: &Labels) -> Labels {
    let object = |object: &Object| {
        let sorted = |mut keypoints: Vec<Keypoint>| {
            keypoints.sort_by(|a, b| a.name.cmp(&b.name));
            keypoints
        };
        Object {
            mask: object.mask.clone().filter(|_| holds.masks),
            keypoints: match holds.keypoints {
                true => sorted(object.keypoints.clone()),
                false => Vec::new(),
            },
            pose: object.pose.filter(|_| holds.poses),
            visible_fraction: match holds.visible_fraction {
                true => object.visible_fraction,
                false => 1.0,
            },
            ..Object::new(&object.class, object.bbox_xywh)
        }
    };
    let objects = labels.objects.as_ref().filter(|_| holds.objects);
    let objects: Option<Vec<Object>> = objects.map(|all| all.iter().map(object).collect());
    Labels {
        class: labels.class.clone().filter(|_| holds.class),
        objects: match holds.objects && !holds.unknown_objects {
            true => Some(objects.unwrap_or_default()),
            false => objects,
        },
        maps: Maps::default(),
        camera: labels.camera.filter(|_| holds.camera),
        caption: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_a_format_writes_it_reads_back(labels in prop::collection::vec(any_labels(), 1..8)) {
        let samples = samples(labels);
        for format in FORMATS {
            let mut expected: Vec<&Sample> = samples.iter().collect();
            if format.name == "coco" {
                // A picture with unknown objects is not listed, since that would mean that there are none.
                expected.retain(|sample| sample.labels.objects.is_some());
                if expected.is_empty() {
                    continue;
                }
            }
            let read = round_trip(format, &samples);
            prop_assert_eq!(read.len(), expected.len(), "{}", format.name);
            for (mut picture, sample) in read.into_iter().zip(expected) {
                for object in picture.labels.objects_mut() {
                    object.keypoints.sort_by(|a, b| a.name.cmp(&b.name));
                }
                prop_assert_eq!(&picture.labels, &restrict(format.holds, &sample.labels), "{}", format.name);
                prop_assert!(picture.extent.is_none_or(|extent| extent == EXTENT));
                prop_assert!(picture.split.is_some());
            }
        }
    }
}

#[test]
fn a_folder_of_no_known_format_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let error = detect(folder.path()).err().unwrap().to_string();
    assert!(
        error.contains("known format") && error.contains("coco"),
        "{error}"
    );
    assert!(detect(&folder.path().join("none")).is_err());
}

#[test]
fn polygons_and_plain_run_lengths_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("instances_train.json");
    let coco = serde_json::json!({
        "images": [{ "id": 7, "file_name": "a.jpg", "width": 10, "height": 8 }],
        "categories": [{ "id": 0, "name": "first" }, { "id": 3, "name": "second" }],
        "annotations": [
            { "image_id": 7, "category_id": 0, "bbox": [2, 1, 4, 3], "area": [12.0],
              "segmentation": [[2, 1, 6, 1, 6, 4, 2, 4]] },
            { "image_id": 7, "category_id": 3,
              "segmentation": { "counts": [3, 5, 72], "size": [8, 10] } },
            { "image_id": 7, "category_id": 3, "bbox": [0, 0, 10, 8], "iscrowd": 1,
              "segmentation": { "counts": [0, 80], "size": [8, 10] } },
        ],
    });
    std::fs::write(&file, coco.to_string()).unwrap();
    let format = detect(folder.path()).unwrap();
    assert_eq!(format.name, "coco");
    let [picture] = &(format.read)(folder.path()).unwrap()[..] else {
        panic!("one picture");
    };
    let [first, second] = picture.labels.objects() else {
        panic!("the crowd is left out");
    };
    assert_eq!(
        (first.class.as_str(), first.mask.as_ref().unwrap().area()),
        ("first", 12)
    );
    assert_eq!(
        first.mask.as_ref().unwrap().bbox_xywh(8),
        Some([2.0, 1.0, 4.0, 3.0])
    );
    assert_eq!(
        (second.class.as_str(), second.bbox_xywh),
        ("second", [0.0, 3.0, 1.0, 5.0])
    );
}

#[test]
fn a_mask_of_another_size_is_refused_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("instances_val.json");
    let coco = serde_json::json!({
        "images": [{ "id": 1, "file_name": "a.jpg", "width": 10, "height": 8 }],
        "categories": [{ "id": 1, "name": "a" }],
        "annotations": [{ "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1],
                          "segmentation": { "counts": [80], "size": [10, 8] } }],
    });
    std::fs::write(&file, coco.to_string()).unwrap();
    let error = (detect(&file).unwrap().read)(&file)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("instances_val.json") && error.contains("8×10"),
        "{error}"
    );
}

#[test]
fn mutated_labels_are_read_or_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let labels = prop::collection::vec(any_labels(), 4).new_tree(&mut runner);
    let samples = samples(labels.unwrap().current());
    for format in FORMATS.iter().filter(|format| format.name != "folders") {
        let out = tempfile::tempdir().unwrap();
        write(format, &samples, out.path());
        let files = crate::artifact::walk(out.path()).unwrap().into_iter();
        let own = files.filter(|path| {
            let kind = path.extension().and_then(|kind| kind.to_str());
            matches!(kind, Some("json" | "jsonl" | "parquet"))
        });
        for path in own {
            let name = format!("{} {}", format.name, path.file_name().unwrap().display());
            let sound = std::fs::read(&path).unwrap();
            assert_survived(
                &name,
                &sound,
                |_| {},
                |bytes| {
                    std::fs::write(&path, bytes).unwrap();
                    (format.read)(out.path())
                },
            );
            std::fs::write(&path, sound).unwrap();
        }
    }
}
