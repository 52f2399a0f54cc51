//! Faults put in on purpose are found, and nothing else is doubted.

mod faults;

use std::collections::{BTreeMap, BTreeSet};

use image::{Rgb, RgbImage};
use rand::RngExt;
use serde_json::Value;

use super::*;
use crate::artifact::soundness::sha256_file;
use crate::formats::{
    About, Category, DatasetInfo, FORMATS, FormatName, ImageEntry, SHARD_BYTES, detect_for,
};
use crate::sample::image::encode_png;
use crate::sample::{
    Camera, Domain, Extent, Keypoint, Labels, Maps, Mask, Object, Provenance, Sample, Visibility,
};
use crate::seed::{Seed, Stream};

const EXTENT: Extent = Extent::new(96, 72);
const CAMERA: Camera = Camera {
    fx: 90.0,
    fy: 90.0,
    cx: 48.0,
    cy: 36.0,
};

/// Keypoints on a model, in metres.
const POINTS: [(&str, [f32; 3]); 4] = [
    ("left", [-0.1, 0.0, 0.02]),
    ("right", [0.1, 0.02, 0.0]),
    ("top", [0.0, -0.08, 0.05]),
    ("front", [0.02, 0.05, -0.06]),
];

/// A picture with noise for a ground and one or two ellipses that stand for objects.
fn sample(index: u64) -> Sample {
    let mut stream = Seed::new(5, "verify").stream(index);
    let mut pixels = RgbImage::new(EXTENT.width, EXTENT.height);
    // Coarse patches, as grounds have them.
    let patches: Vec<[u8; 3]> = (0..48)
        .map(|_| [0; 3].map(|_: u8| stream.random()))
        .collect();
    for (x, y, pixel) in pixels.enumerate_pixels_mut() {
        *pixel = Rgb(patches[(y / 12 * 8 + x / 12) as usize]);
    }
    let class = ["mug", "bolt", "nut"][index as usize % 3];
    let objects = (0..1 + index % 2).map(|number| object(class, number, &mut pixels, &mut stream));
    let labels = Labels {
        objects: Some(objects.collect()),
        class: Some(class.to_owned()),
        camera: Some(CAMERA),
        maps: Maps::default(),
        caption: None,
    };
    Sample {
        id: format!("render-{index:06}"),
        index,
        image: encode_png(&pixels).unwrap(),
        extent: EXTENT,
        labels,
        provenance: Provenance {
            domain: Domain::Render,
            source: format!("{class}.glb"),
            origin: format!("origin {index}"),
            parent: None,
            seed: String::new(),
            checkpoint: None,
            transforms: Vec::new(),
            split: None,
            gate: None,
        },
    }
}

fn object(class: &str, number: u64, pixels: &mut RgbImage, stream: &mut Stream) -> Object {
    let angle: f32 = stream.random_range(-0.6..0.6);
    let (sin, cos) = angle.sin_cos();
    let shift = [
        -0.2 + 0.4 * number as f32,
        stream.random_range(-0.1..0.1),
        0.9,
    ];
    let pose = [
        cos, -sin, 0.0, shift[0], sin, cos, 0.0, shift[1], 0.0, 0.0, 1.0, shift[2],
    ];
    let project = |[x, y, z]: [f32; 3]| {
        let row = |i: usize| pose[i] * x + pose[i + 1] * y + pose[i + 2] * z + pose[i + 3];
        let depth = row(8);
        [
            CAMERA.fx * row(0) / depth + CAMERA.cx,
            CAMERA.fy * row(4) / depth + CAMERA.cy,
        ]
    };
    let [x, y] = project([0.0; 3]);
    let inside = |i: u32| {
        let (dx, dy) = (
            (i % EXTENT.width) as f32 + 0.5 - x,
            (i / EXTENT.width) as f32 + 0.5 - y,
        );
        (dx / 13.0).powi(2) + (dy / 11.0).powi(2) < 1.0
    };
    let bitmap: Vec<bool> = (0..EXTENT.area() as u32).map(inside).collect();
    let colour = Rgb([stream.random(), stream.random(), stream.random()]);
    for (pixel, _) in pixels.pixels_mut().zip(&bitmap).filter(|(_, set)| **set) {
        *pixel = colour;
    }
    let mask = Mask::from_bitmap(&bitmap, EXTENT.width, EXTENT.height);
    let keypoints = POINTS.map(|(name, point)| {
        let [x, y] = project(point);
        Keypoint {
            name: name.to_owned(),
            x,
            y,
            visibility: Visibility::Visible,
        }
    });
    Object {
        keypoints: keypoints.to_vec(),
        pose: Some(pose),
        ..Object::new(class, mask.bbox_xywh(EXTENT.height).unwrap()).with_mask(mask)
    }
}

fn split(index: u64) -> &'static str {
    if index.is_multiple_of(5) {
        "val"
    } else {
        "train"
    }
}

/// The formats that `emit` writes unless others are chosen.
const USUAL: [&str; 5] = ["manifest", "coco", "huggingface", "croissant", "folders"];

/// Writes a dataset as `emit` does.
fn write(samples: &[Sample], root: &Path) {
    for name in USUAL {
        write_format(name, samples, samples, root);
    }
    list(root);
}

/// Writes a dataset in one format, the pictures in the folders of splits and classes where those of `placed` lie.
fn write_format(name: &str, samples: &[Sample], placed: &[Sample], root: &Path) {
    let split_of = |sample: &Sample| match &sample.provenance.split {
        Some(split) => split.clone(),
        None => split(sample.index).to_owned(),
    };
    let mut images: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for sample in samples {
        let class = sample.labels.class.clone().unwrap();
        *images
            .entry(split_of(sample))
            .or_default()
            .entry(class)
            .or_default() += 1;
    }
    let classes: BTreeSet<&str> = samples
        .iter()
        .filter_map(|s| s.labels.class.as_deref())
        .collect();
    let category = |name: &str| Category {
        name: name.to_owned(),
        keypoints: POINTS.map(|(name, _)| name.to_owned()).to_vec(),
        skeleton: Vec::new(),
    };
    let categories: Vec<Category> = classes.into_iter().map(category).collect();
    let dataset = DatasetInfo {
        out: root,
        name: "test",
        version: None,
        about: About::default(),
        images: &images,
        categories: &categories,
        listed: &[],
        loose: true,
        shard_bytes: SHARD_BYTES,
    };
    let format = FormatName::find(name).unwrap().entry();
    let mut writer = format.writer(&dataset).unwrap();
    for (sample, placed) in samples.iter().zip(placed) {
        let folder = placed.labels.class.as_deref().unwrap();
        let entry = ImageEntry {
            sample,
            class: sample.labels.class.as_deref(),
            split: &split_of(sample),
            file: format!("{}/{folder}/{}.png", split_of(placed), sample.id),
            original: None,
        };
        writer.add(&entry).unwrap();
    }
    writer.finish().unwrap();
}

/// Writes the checksums of the files as they are.
fn list(root: &Path) {
    let mut lines = String::new();
    crate::artifact::visit(root, &mut |path| {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if name != CHECKSUMS {
            lines += &format!("{}  {name}\n", sha256_file(path)?);
        }
        Ok(())
    })
    .unwrap();
    std::fs::write(root.join(CHECKSUMS), lines).unwrap();
}

fn check(root: &Path) -> Report {
    verify(root, &mut |_, _| Ok(())).unwrap()
}

const COUNT: u64 = 240;

fn dataset() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    write(&(0..COUNT).map(sample).collect::<Vec<_>>(), root.path());
    root
}

/// Changes the COCO file of the training pictures.
fn edit(root: &Path, change: impl FnOnce(&mut Value)) {
    let path = root.join("annotations/instances_train.json");
    let mut coco: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut coco);
    std::fs::write(&path, coco.to_string()).unwrap();
    list(root);
}

/// Annotations at every `step`th place, at most `count`.
fn some(coco: &mut Value, step: usize, count: usize) -> impl Iterator<Item = &mut Value> {
    let all = coco["annotations"].as_array_mut().unwrap();
    all.iter_mut().step_by(step).take(count)
}

/// The mask moved to the right by a pixel.
fn shift_mask(annotation: &mut Value) {
    let runs = annotation["segmentation"]["counts"].as_str().unwrap();
    let (height, width) = (EXTENT.height, EXTENT.width);
    let counts = hotcoco::mask::rle_from_string(runs, height, width)
        .unwrap()
        .counts;
    let bitmap = Mask { counts }.to_bitmap(width, height);
    let moved: Vec<bool> = (0..bitmap.len())
        .map(|i| i % width as usize > 0 && bitmap[i - 1])
        .collect();
    let counts = Mask::from_bitmap(&moved, width, height).counts;
    let rle = hotcoco::Rle {
        h: height,
        w: width,
        counts,
    };
    annotation["segmentation"]["counts"] = hotcoco::mask::rle_to_string(&rle).into();
}

/// The places of doubts of a kind.
fn places(report: &Report, kind: &str) -> BTreeSet<String> {
    let own = report.doubts.iter().filter(|doubt| doubt.kind == kind);
    own.map(|doubt| doubt.place.clone()).collect()
}

#[test]
fn formats_that_put_pictures_elsewhere_agree() {
    for copied in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let samples = (0..COUNT).map(sample).collect::<Vec<_>>();
        for name in ["manifest", "coco", "yolo", "bop"] {
            write_format(name, &samples, &samples, root.path());
        }
        if copied {
            // As from an archive, which knows no hard links.
            let images = root.path().join("images");
            for path in crate::artifact::walk(&images).unwrap() {
                let bytes = std::fs::read(&path).unwrap();
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, bytes).unwrap();
            }
        }
        let report = check(root.path());
        assert_eq!(report.pictures, samples.len() as u64);
        assert!(report.formats.contains(&"yolo"), "{:?}", report.formats);
        let doubts = report.doubts.iter().filter(|d| d.kind == "agreement");
        assert_eq!(doubts.count(), 0, "{:#?}", report.doubts);
    }
}

#[test]
fn a_sound_dataset_is_not_doubted() {
    let root = dataset();
    let report = check(root.path());
    assert_eq!(
        report.formats,
        ["coco", "croissant", "manifest", "huggingface", "folders"]
    );
    assert_eq!((report.pictures, report.objects), (COUNT, COUNT * 3 / 2));
    assert!(report.doubts.is_empty(), "{:#?}", report.doubts);
    assert_eq!(report.balance["val"]["mug"], 16);
    // Converting reads the one of these formats that has the most to tell the new one.
    for (to, from) in [
        ("yolo-segment", "manifest"),
        ("webdataset", "croissant"),
        ("folders", "manifest"),
        ("voc", "manifest"),
    ] {
        let holds = FormatName::find(to).unwrap().entry().holds;
        assert_eq!(detect_for(root.path(), holds).unwrap().name, from);
    }
}

/// Puts in 20 faults, and asserts that they are found and that only their pictures are doubted. Kinds that the
/// other formats of the dataset notice as well may be named, too.
#[track_caller]
fn assert_found(kind: &str, also: &[&str], change: impl Fn(&mut Value)) {
    let root = dataset();
    edit(root.path(), change);
    let report = check(root.path());
    let found = places(&report, kind);
    assert_eq!(found.len(), 20, "{:#?}", report.doubts);
    for other in report.counts.keys().filter(|other| **other != kind) {
        assert!(also.contains(other), "{other}: {:#?}", report.doubts);
        assert!(places(&report, other).is_subset(&found), "{other}");
    }
}

#[test]
fn a_mask_that_is_a_pixel_off_is_found() {
    assert_found("mask", &[], |coco| some(coco, 10, 20).for_each(shift_mask));
}

#[test]
fn a_box_that_is_a_pixel_off_is_found() {
    // The other formats still have the right box.
    assert_found("mask", &["agreement"], |coco| {
        for annotation in some(coco, 10, 20) {
            let x = annotation["bbox"][0].as_f64().unwrap();
            annotation["bbox"][0] = (x + 1.0).into();
        }
    });
}

#[test]
fn an_object_that_was_lost_is_found() {
    assert_found("agreement", &[], |coco| {
        let annotations = coco["annotations"].as_array_mut().unwrap();
        let mut number = 0;
        annotations.retain(|_| {
            number += 1;
            number % 10 != 0 || number > 200
        });
    });
}

#[test]
fn keypoints_that_were_exchanged_are_found() {
    assert_found("keypoints", &[], |coco| {
        for annotation in some(coco, 10, 20) {
            let points = annotation["keypoints"].as_array_mut().unwrap();
            for axis in 0..3 {
                points.swap(axis, 3 + axis);
            }
        }
    });
}

#[test]
fn a_class_that_was_exchanged_is_found() {
    // In all formats alike, so that only the model can tell.
    let mut samples: Vec<Sample> = (0..COUNT).map(sample).collect();
    for sample in samples.iter_mut().skip(3).step_by(30) {
        sample.labels.class = Some("nut".to_owned());
        sample
            .labels
            .objects_mut()
            .iter_mut()
            .for_each(|o| o.class = "nut".to_owned());
    }
    let wrong = samples.iter().filter(|s| {
        !s.provenance
            .source
            .starts_with(s.labels.class.as_deref().unwrap())
    });
    let wrong = wrong.count();
    let root = tempfile::tempdir().unwrap();
    write(&samples, root.path());
    let report = check(root.path());
    assert_eq!(wrong, 8);
    assert_eq!(
        places(&report, "class").len(),
        wrong,
        "{:#?}",
        report.doubts
    );
    // In one format only.
    assert_found("agreement", &[], |coco| {
        for annotation in some(coco, 10, 20) {
            let class = annotation["category_id"].as_u64().unwrap();
            annotation["category_id"] = (class % 3 + 1).into();
        }
    });
}

#[test]
fn splits_that_leak_are_found() {
    let mut samples: Vec<Sample> = (0..COUNT).map(sample).collect();
    // Five renders lie in both splits, each with another brightness; five pictures are the same files.
    for index in [0, 10, 20, 30, 40] {
        let mut pixels = samples[index].pixels().unwrap();
        pixels.iter_mut().for_each(|v| *v = v.saturating_add(2));
        samples[index + 1].image = encode_png(&pixels).unwrap();
        let [one, other] = [index, index + 5].map(|index| samples[index].clone());
        samples[index + 1].labels = one.labels;
        samples[index + 1].provenance.source = one.provenance.source;
        samples[index + 1].provenance.origin = match index {
            0 | 10 => one.provenance.origin,
            _ => format!("another {index}"),
        };
        samples[index + 3].image = other.image;
        samples[index + 3].labels = other.labels;
        samples[index + 3].provenance.source = other.provenance.source;
    }
    let root = tempfile::tempdir().unwrap();
    write(&samples, root.path());
    let report = check(root.path());
    assert_eq!(report.counts["split"], 2, "{:#?}", report.doubts);
    assert_eq!(report.counts["duplicate"], 10, "{:#?}", report.doubts);
    assert_eq!(report.counts.len(), 2, "{:#?}", report.doubts);
}

#[test]
fn files_that_changed_are_missing_or_new_are_found() {
    let root = dataset();
    let file = |name: &str| root.path().join(name);
    let mut bytes = std::fs::read(file("train/bolt/render-000001.png")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file("train/bolt/render-000001.png"), bytes).unwrap();
    std::fs::remove_file(file("train/nut/render-000002.png")).unwrap();
    std::fs::write(file("notes.txt"), "mine").unwrap();
    let report = check(root.path());
    let files = places(&report, "files");
    for name in [
        "bolt/render-000001.png",
        "nut/render-000002.png",
        "notes.txt",
    ] {
        assert!(
            files.iter().any(|file| file.ends_with(name)),
            "{name}: {files:?}"
        );
    }
}

#[test]
fn sizes_ids_and_classes_that_cannot_be_are_found() {
    let root = dataset();
    edit(root.path(), |coco| {
        coco["images"][0]["width"] = EXTENT.height.into();
        coco["images"][0]["height"] = EXTENT.width.into();
        coco["images"][2]["id"] = coco["images"][1]["id"].clone();
        coco["images"][5]["file_name"] = coco["images"][4]["file_name"].clone();
        coco["annotations"][20]["category_id"] = 99.into();
        coco["annotations"][30]["keypoints"][0] = 500.into();
        coco["annotations"][40]["bbox"] = serde_json::json!([90, 60, 40, 40]);
    });
    let report = check(root.path());
    let labels = places(&report, "labels").len();
    assert!(labels >= 4, "{:#?}", report.doubts);
    assert_eq!(report.counts["size"], 1, "{:#?}", report.doubts);
    assert!(report.counts["keypoints"] >= 1 && report.counts["box"] >= 1);
}
