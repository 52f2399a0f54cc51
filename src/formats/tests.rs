//! Every format reads back what it writes, as far as it holds it.

mod conversion;
mod hostile;
mod renderers;

use std::collections::{BTreeMap, BTreeSet};

use image::RgbImage;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::outline::{fill, rectangle};
use super::*;
use crate::artifact::parts;
use crate::sample::image::encode_png;
use crate::sample::{Camera, Extent, Keypoint, Labels, Maps, Mask, Object, Sample, Visibility};
use crate::testing::mutations::assert_survived;

const EXTENT: Extent = Extent::new(37, 23);

/// Names that break careless readers: spaces, Unicode, only digits, quotes.
fn any_class() -> impl Strategy<Value = String> {
    let odd = [
        "a b", "vélo", "交通", "07", "it's", "\"x\"", "a,b", "null", "a: b", "50 %", "<&>", "- c",
        "#1",
    ];
    prop_oneof![
        prop::sample::select(odd.map(str::to_owned).to_vec()),
        "[a-z]{1,8}"
    ]
}

/// Classes of objects are not names of folders.
fn any_object_class() -> impl Strategy<Value = String> {
    prop_oneof![5 => any_class(), 1 => Just("a/b".to_owned())]
}

/// Boxes from one pixel to the whole picture; masks with holes and several parts.
fn any_object() -> impl Strategy<Value = Object> {
    let corner = (0..EXTENT.width, 0..EXTENT.height);
    let place = corner.prop_flat_map(|(x, y)| {
        let whole = (1..=EXTENT.width - x, 1..=EXTENT.height - y);
        let sides = prop_oneof![3 => whole, 1 => (Just(1), Just(1))];
        sides.prop_map(move |(w, h)| [x, y, w, h])
    });
    // Some formats round keypoints to less than a thousandth of a pixel.
    let point = (0..37 * 64_u16, 0..23 * 64_u16, 1_u8..=2);
    let points = prop::collection::vec(point, 3);
    let mask = prop::option::of(1..9_u32);
    (any_object_class(), place, points, mask).prop_map(|(class, [x, y, w, h], points, mask)| {
        let keypoints = points.into_iter().zip(["nose", "left eye", "tail"]);
        let object = Object {
            keypoints: keypoints
                .map(|((x, y, visibility), name)| Keypoint {
                    name: name.into(),
                    x: f32::from(x) / 64.0,
                    y: f32::from(y) / 64.0,
                    visibility: Visibility::from_coco(visibility),
                })
                .collect(),
            pose: Some([0.25; 12]),
            box_3d: Some([-0.5, -0.25, 0.0, 0.5, 0.25, 1.0]),
            visible_fraction: 0.5,
            ..Object::new(class, [x, y, w, h].map(|v| v as f32))
        };
        let Some(holes) = mask else { return object };
        let inside = |i: u32| {
            let (px, py) = (i % EXTENT.width, i / EXTENT.width);
            let is_hole = (px * 5 + py * 3) % (holes + 1) == 1 && (px, py) != (x, y);
            (x..x + w).contains(&px) && (y..y + h).contains(&py) && !is_hole
        };
        let bitmap: Vec<bool> = (0..EXTENT.area() as u32).map(inside).collect();
        let mask = Mask::from_bitmap(&bitmap, EXTENT.width, EXTENT.height);
        let bbox_xywh = mask.bbox_xywh(EXTENT.height).unwrap();
        Object {
            bbox_xywh,
            ..object
        }
        .with_mask(mask)
    })
}

fn any_labels() -> impl Strategy<Value = Labels> {
    let objects = prop::option::of(prop::collection::vec(any_object(), 0..4));
    let caption = prop::option::of(any_class());
    let labels = (any_class(), caption, objects, any::<bool>());
    labels.prop_map(|(class, caption, objects, camera)| Labels {
        class: Some(class),
        caption,
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
        id: format!("{index:06} ä.b {}", ["c", "x y"][index % 2]),
        image: encode_png(&pixels).unwrap(),
        extent: EXTENT,
        labels,
        ..base.clone()
    };
    labels.into_iter().enumerate().map(sample).collect()
}

/// The split of the sample at `index`.
fn split(index: usize) -> &'static str {
    if index % 3 == 2 { "fold_2" } else { "train" }
}

/// The formats that are written as well as read.
fn written() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter().filter(|format| format.write.is_some())
}

/// Writes `samples` in `format`, below `out`.
fn write(format: &Format, samples: &[Sample], out: &Path) {
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
    let categories = categories.into_iter().map(|(name, keypoints)| Category {
        name,
        keypoints: keypoints.into_iter().collect(),
        skeleton: Vec::new(),
    });
    let dataset = DatasetInfo {
        out,
        name: "test",
        version: None,
        about: About {
            license: Some("cc0-1.0"),
            ..About::default()
        },
        images: &images,
        categories: &categories.collect::<Vec<_>>(),
        listed: &[],
        loose: true,
        shard_bytes: SHARD_BYTES,
    };
    let mut writer = format.writer(&dataset).unwrap();
    for (index, sample) in samples.iter().enumerate() {
        let class = sample.labels.class.as_deref();
        writer
            .add(&ImageEntry {
                sample,
                class,
                split: split(index),
                file: format!("{}/{}/{}.png", split(index), class.unwrap(), sample.id),
                original: None,
            })
            .unwrap();
    }
    writer.finish().unwrap();
}

/// What `format` reads of `samples` after it has written them, sorted by name.
fn round_trip(format: &Format, samples: &[Sample]) -> Vec<Picture> {
    let out = tempfile::tempdir().unwrap();
    write(format, samples, out.path());
    let found = detect(out.path()).unwrap().name;
    let is_twin = (found, format.name) == ("coco", "coco-polygons");
    assert!(
        found == format.name || is_twin,
        "{} is taken for {found}",
        format.name
    );
    let mut pictures = Vec::new();
    let findings = format.visit(out.path(), true, &mut |picture| {
        assert_eq!(&*picture.encoded()?, &samples[0].image);
        pictures.push(picture);
        Ok(())
    });
    assert_eq!(findings.unwrap().pictures, pictures.len() as u64);
    pictures.sort_by(|a, b| a.file.file_name().cmp(&b.file.file_name()));
    pictures
}

/// The part of `labels` that a format holds.
fn restrict(holds: Holds, labels: &Labels) -> Labels {
    let object = |object: &Object| {
        let sorted = |mut keypoints: Vec<Keypoint>| {
            keypoints.sort_by(|a, b| a.name.cmp(&b.name));
            keypoints
        };
        let whole = || fill(&rectangle(object.bbox_xywh), EXTENT).unwrap();
        let mask = object.mask.clone();
        let mask = mask.or_else(|| (!holds.unknown_masks).then(whole));
        Object {
            mask: mask.filter(|_| holds.masks),
            keypoints: match holds.keypoints {
                true => sorted(object.keypoints.clone()),
                false => Vec::new(),
            },
            pose: object.pose.filter(|_| holds.poses),
            box_3d: object.box_3d.filter(|_| holds.boxes_3d),
            track: object.track.clone().filter(|_| holds.tracks),
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
        caption: labels.caption.clone().filter(|_| holds.captions),
    }
}

/// Writes and reads `samples` in `format`, and compares what it holds.
fn assert_round_trip(format: &Format, samples: &[Sample]) {
    let holds = format.holds;
    let mut expected: Vec<(usize, &Sample)> = samples.iter().enumerate().collect();
    if holds.needs_objects() {
        // A picture with unknown objects is not listed, since that would mean that there are none.
        expected.retain(|(_, sample)| sample.labels.objects.is_some());
    }
    let has_objects = samples.iter().any(|s| !s.labels.objects().is_empty());
    if expected.is_empty() || format.name == "yolo-pose" && !has_objects {
        return;
    }
    let read = round_trip(format, samples);
    assert_eq!(read.len(), expected.len(), "{}", format.name);
    for (mut picture, (index, sample)) in read.into_iter().zip(expected) {
        for object in picture.labels.objects_mut() {
            object.keypoints.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let mut labels = restrict(holds, &sample.labels);
        if holds.oriented {
            around(&mut picture.labels, &mut labels);
        }
        assert_eq!(picture.labels, labels, "{}", format.name);
        assert!(picture.extent.is_none_or(|extent| extent == EXTENT));
        assert_eq!(
            picture.split.as_deref(),
            Some(split(index)),
            "{}",
            format.name
        );
        if format.name != "bop" {
            let name = picture.file.file_name().unwrap().to_string_lossy();
            assert_eq!(name, format!("{}.png", sample.id), "{}", format.name);
        }
    }
}

/// Checks that the boxes that were read lie around those that were written, and makes them equal.
fn around(read: &mut Labels, written: &mut Labels) {
    for (read, written) in read.objects_mut().iter_mut().zip(written.objects_mut()) {
        let ([x, y, w, h], [x0, y0, w0, h0]) = (read.bbox_xywh, written.bbox_xywh);
        let contains =
            x <= x0 + 0.01 && y <= y0 + 0.01 && x + w >= x0 + w0 - 0.01 && y + h >= y0 + h0 - 0.01;
        assert!(contains, "{:?} in {:?}", written.bbox_xywh, read.bbox_xywh);
        read.bbox_xywh = written.bbox_xywh;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_a_format_writes_it_reads_back(labels in prop::collection::vec(any_labels(), 1..8)) {
        let samples = samples(labels);
        for format in written() {
            assert_round_trip(format, &samples);
        }
    }
}

#[test]
fn hundreds_of_classes_survive() {
    let labels = |number: usize| Labels {
        class: Some(format!("class {}", number % 7)),
        objects: Some(vec![Object {
            keypoints: vec![Keypoint::from_xyv("tip", [1.5, 2.5, 2.0])],
            pose: Some([0.25; 12]),
            box_3d: Some([-0.5, -0.25, 0.0, 0.5, 0.25, 1.0]),
            visible_fraction: 0.5,
            ..Object::new(format!("object {number}"), [1.0, 2.0, 3.0, 4.0])
        }]),
        ..Labels::default()
    };
    let samples = samples((0..300).map(labels).collect());
    for format in written() {
        assert_round_trip(format, &samples);
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
    let [picture] = &format.pictures(folder.path()).unwrap()[..] else {
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
    let format = detect(&file).unwrap();
    let error = format.visit(&file, true, &mut |_| Ok(()));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("instances_val.json") && error.contains("8×10"),
        "{error}"
    );
}

#[test]
fn mutated_labels_are_read_or_refused() {
    /// Label files of one kind that are mutated in each format.
    const FILES: usize = 2;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let labels = prop::collection::vec(any_labels(), 6).new_tree(&mut runner);
    let samples = samples(labels.unwrap().current());
    for format in written().filter(|format| format.name != "folders") {
        let out = tempfile::tempdir().unwrap();
        write(format, &samples, out.path());
        let files = crate::artifact::walk(out.path()).unwrap().into_iter();
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let own = files.filter(|path| {
            let kind = path.extension().unwrap().to_string_lossy().into_owned();
            let seen = kinds.entry(kind.clone()).or_default();
            *seen += 1;
            kind != "png" && *seen <= FILES
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
                    format.pictures(out.path())
                },
            );
            std::fs::write(&path, sound).unwrap();
        }
    }
}

#[test]
fn any_format_converts_to_any_other() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let labels = prop::collection::vec(any_labels(), 8).new_tree(&mut runner);
    let mut labels = labels.unwrap().current();
    // Class folders refuse what is no name of a folder, and one picture must have an object.
    for label in &mut labels {
        label.class = Some("a class".to_owned());
    }
    labels[0].objects.get_or_insert_default();
    let object = any_object().new_tree(&mut runner).unwrap().current();
    labels[0].objects.as_mut().unwrap().push(object);
    let samples = samples(labels);
    let known = samples
        .iter()
        .filter(|s| s.labels.objects.is_some())
        .count() as u64;
    for read_as in written() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        std::fs::create_dir(&from).unwrap();
        write(read_as, &samples, &from);
        let held = match read_as.holds.needs_objects() {
            true => known,
            false => samples.len() as u64,
        };
        for write_as in written() {
            let to = folder.path().join(write_as.name);
            let conversion = convert::Conversion {
                from: &from,
                read_as,
                to: &to,
                write_as,
                strict: true,
                link: true,
            };
            let pair = format!("{} to {}", read_as.name, write_as.name);
            let converted = conversion.run(&mut |_, _| Ok(()));
            let lacks_objects = write_as.holds.needs_objects() && !read_as.holds.objects;
            let lacks_keypoints = write_as.name == "yolo-pose" && !read_as.holds.keypoints;
            if lacks_objects || lacks_keypoints {
                let error = converted.unwrap_err().to_string();
                assert!(error.contains(write_as.name), "{pair}: {error}");
                assert!(!to.exists(), "{pair}");
                continue;
            }
            let expected = match write_as.holds.needs_objects() {
                true => known,
                false => held,
            };
            assert_eq!(converted.unwrap().pictures, expected, "{pair}");
            assert_eq!(
                write_as.pictures(&to).unwrap().len() as u64,
                expected,
                "{pair}"
            );
        }
        let left = std::fs::read_dir(folder.path()).unwrap().flatten();
        assert!(
            left.map(|entry| file_name(&entry.path()))
                .all(|name| !name.starts_with('.'))
        );
    }
}
