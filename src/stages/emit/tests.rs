//! Every file is read back by an independent reader if there is one.

mod coco;
mod encodings;
mod left_out;
mod proof;
mod shards;
mod splits;
mod video;

use std::collections::BTreeSet;
use std::path::Path;

use image::{Rgb, RgbImage};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use sha2::{Digest, Sha256};

use super::*;
use crate::artifact::{self, table};
use crate::sample::image::encode_png;
use crate::sample::maps::{self, depth, semantic};
use crate::sample::{Keypoint, Labels, Mask, Object, Visibility};
use crate::testing;

const SIZE: (u32, u32) = (40, 32);

/// A coloured rectangle x, y, width, height on grey, as an object with `keypoints` corners.
fn object(pixels: &mut RgbImage, class: &str, [x, y, w, h]: [u32; 4], keypoints: usize) -> Object {
    let mut bitmap = vec![false; (SIZE.0 * SIZE.1) as usize];
    for (px, py) in (y..y + h).flat_map(|py| (x..x + w).map(move |px| (px, py))) {
        bitmap[(py * SIZE.0 + px) as usize] = true;
        pixels.put_pixel(px, py, Rgb([200, 50, 50]));
    }
    let corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)];
    let corner = |(i, &(x, y)): (usize, &(u32, u32))| Keypoint {
        name: format!("p{i}"),
        x: x as f32,
        y: y as f32,
        visibility: if i == 3 {
            Visibility::Outside
        } else {
            Visibility::Visible
        },
    };
    Object {
        mask: Some(Mask::from_bitmap(&bitmap, SIZE.0, SIZE.1)),
        keypoints: corners
            .iter()
            .enumerate()
            .take(keypoints)
            .map(corner)
            .collect(),
        ..Object::new(class, [x, y, w, h].map(|v| v as f32))
    }
}

/// Twelve images of two classes; every fourth also shows an object of a third.
fn samples() -> Vec<Sample> {
    let base = crate::artifact::parts::tests::examples().remove(0);
    (0..12)
        .map(|index| {
            let mut pixels = RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([120; 3]));
            let (class, keypoints) = if index % 3 == 0 {
                ("two", 2)
            } else {
                ("one", 4)
            };
            let at = index as u32;
            let mut objects = vec![object(&mut pixels, class, [2 + at, 3, 12, 9], keypoints)];
            if index % 4 == 0 {
                objects.push(object(&mut pixels, "other", [20, 20, 20, 12], 0));
            }
            let mut sample = base.clone();
            sample.id = format!("split-{index:06}");
            sample.index = index;
            sample.extent = SIZE.into();
            sample.image = encode_png(&pixels).unwrap();
            sample.labels.class = Some(class.into());
            sample.labels.objects = Some(objects);
            sample.provenance.origin = format!("render-{:06}", index / 2);
            sample.provenance.transforms = vec![format!("blur({index})")];
            sample.provenance.split = Some(if index < 8 { "train" } else { "val" }.into());
            sample
        })
        .collect()
}

fn emit(text: &str, samples: &[Sample], part_size: usize, out: &Path) -> Result<serde_json::Value> {
    let config: Emit = toml::from_str(text).unwrap();
    assert_eq!(config.check(), Ok(()));
    testing::run_into(&config, "emit", samples, part_size, out)
}

const CONFIG: &str = "name = 'blocks'\nlicense = 'CC-BY-4.0'\nversion = '1.2'";

/// The dataset of [`samples`].
fn dataset() -> (tempfile::TempDir, serde_json::Value) {
    let out = tempfile::tempdir().unwrap();
    let summary = emit(CONFIG, &samples(), 5, out.path()).unwrap();
    (out, summary)
}

#[test]
fn the_summary_counts_images() {
    let (_out, summary) = dataset();
    assert_eq!(
        summary,
        serde_json::json!({
            "name": "blocks",
            "version": "1.2",
            "images": { "train": { "one": 5, "two": 3 }, "val": { "one": 3, "two": 1 } },
            "objects": { "one": 8, "two": 4, "other": 3 },
            "proof": { "boxes": 15, "posed": 0, "odd": 0, "no_pose": 12 },
        })
    );
}

#[test]
fn listed_classes_have_their_numbers_whatever_the_images_show() {
    let out = tempfile::tempdir().unwrap();
    let config = "name = 'blocks'\nclasses = ['two', 'none', 'one']";
    emit(config, &samples(), 5, out.path()).unwrap();
    let classes = std::fs::read_to_string(out.path().join("classes.txt")).unwrap();
    assert_eq!(classes, "two\nnone\none\n");
    let coco = std::fs::read(out.path().join("annotations/instances_train.json")).unwrap();
    let coco: serde_json::Value = serde_json::from_slice(&coco).unwrap();
    let categories = coco["categories"].as_array().unwrap().iter();
    let names: Vec<&str> = categories.map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["two", "none", "one", "other"]);
    assert!(!out.path().join("train/none").exists());
    let twice: Emit = toml::from_str("classes = ['a', 'a']").unwrap();
    assert!(twice.check().unwrap_err().contains("`a` twice"));
}

#[test]
fn class_folders_hold_the_pictures_as_they_are() {
    let (out, _) = dataset();
    for (i, sample) in samples().iter().enumerate() {
        let split = if i < 8 { "train" } else { "val" };
        let class = sample.labels.class.as_ref().unwrap();
        let path = out
            .path()
            .join(format!("{split}/{class}/{}.png", sample.id));
        assert_eq!(std::fs::read(path).unwrap(), sample.image);
    }
    let classes = std::fs::read_to_string(out.path().join("classes.txt")).unwrap();
    assert_eq!(classes, "one\ntwo\n");
}

#[test]
fn the_manifest_has_a_row_an_image() {
    let (out, _) = dataset();
    let file = std::fs::File::open(out.path().join("manifest.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let schema = reader.metadata().file_metadata().schema().clone();
    let names: Vec<&str> = schema.get_fields().iter().map(|f| f.name()).collect();
    let column = |name: &str| names.iter().position(|n| *n == name).unwrap();
    let rows: Vec<_> = reader
        .get_row_iter(None)
        .unwrap()
        .map(|r| r.unwrap())
        .collect();
    let samples = samples();
    assert_eq!(rows.len(), samples.len());
    for (row, sample) in rows.iter().zip(&samples) {
        let bytes =
            std::fs::read(out.path().join(row.get_string(column("file")).unwrap())).unwrap();
        let hash = blake3::hash(&bytes).to_hex().to_string();
        assert_eq!(row.get_string(column("blake3")).unwrap(), &hash);
        assert_eq!(
            row.get_string(column("origin")).unwrap(),
            &sample.provenance.origin
        );
        assert_eq!(
            Some(row.get_string(column("class")).unwrap()),
            sample.labels.class.as_ref()
        );
        assert_eq!(row.get_uint(column("width")).unwrap(), SIZE.0);
        let boxes = row.get_list(column("boxes")).unwrap().elements().len();
        assert_eq!(boxes, 4 * sample.labels.objects().len());
        let transforms = row.get_list(column("transforms")).unwrap();
        assert_eq!(
            transforms.elements()[0].to_string(),
            format!("\"blur({})\"", sample.index)
        );
    }
}

#[test]
fn metadata_lines_point_at_their_pictures() {
    let (out, _) = dataset();
    for (split, count) in [("train", 8), ("val", 4)] {
        let folder = out.path().join(split);
        let text = std::fs::read_to_string(folder.join("metadata.jsonl")).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), count);
        for line in lines {
            let file = line["file_name"].as_str().unwrap();
            assert!(folder.join(file).is_file());
            assert!(file.starts_with(line["label"].as_str().unwrap()));
            let objects = line["objects"].as_object().unwrap();
            let lengths = objects.values().map(|list| list.as_array().unwrap().len());
            assert_eq!(lengths.collect::<BTreeSet<_>>().len(), 1);
        }
    }
}

#[test]
fn checksums_cover_every_other_file() {
    let (out, _) = dataset();
    let sums = std::fs::read_to_string(out.path().join(checksums::FILE)).unwrap();
    let mut named = BTreeSet::new();
    for line in sums.lines() {
        let (hash, name) = line.split_once("  ").unwrap();
        let bytes = std::fs::read(out.path().join(name)).unwrap();
        let digest = Sha256::digest(&bytes);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, hex, "{name}");
        named.insert(name.to_owned());
    }
    let files = artifact::list_files(out.path()).unwrap();
    let all: BTreeSet<String> = files.into_iter().map(|f| f.file).collect();
    assert_eq!(all.len(), named.len() + 1);
    assert!(named.is_subset(&all));
}

#[test]
fn the_card_counts_and_shows_how_to_load() {
    let (out, _) = dataset();
    let card = std::fs::read_to_string(out.path().join("README.md")).unwrap();
    for expected in [
        "---\nlicense: \"cc-by-4.0\"\n",
        "- n<1K\n",
        "- split: validation\n    path: val/**\n",
        "| one | 5 | 3 |\n",
        "| all | 8 | 4 |\n",
        "- die.gltf: 12 images",
        "- blur: 12 images",
        "Labels of real photos were not used",
        "load_dataset(",
        "ImageFolder(",
        "annToMask",
    ] {
        assert!(card.contains(expected), "{expected}\n{card}");
    }
}

#[test]
fn same_bytes_for_any_part_size() {
    let digest = |part_size| {
        let out = tempfile::tempdir().unwrap();
        emit(CONFIG, &samples(), part_size, out.path()).unwrap();
        artifact::list_files(out.path()).unwrap()
    };
    assert_eq!(digest(1), digest(256));
}

#[test]
fn formats_can_be_left_out() {
    let out = tempfile::tempdir().unwrap();
    emit("formats = []", &samples(), 5, out.path()).unwrap();
    assert!(!out.path().join("annotations").exists());
    assert!(!out.path().join("train/metadata.jsonl").exists());
    assert!(out.path().join("manifest.parquet").is_file());
    let card = std::fs::read_to_string(out.path().join("README.md")).unwrap();
    assert!(!card.contains("pycocotools") && !card.contains("## Loading"));
    // Without class folders pictures lie in the folder of their split, and nothing lists classes.
    assert!(out.path().join("train/split-000000.png").is_file());
    assert!(!out.path().join("classes.txt").exists());
    let chosen = |kind: &&Format| !kind.required && kind.write.is_some();
    for kind in FORMATS.iter().filter(chosen) {
        let out = tempfile::tempdir().unwrap();
        let formats = format!("formats = ['{}']", kind.name);
        emit(&formats, &samples(), 5, out.path()).unwrap();
    }
}

#[test]
fn maps_are_files_of_their_own_if_asked_for() {
    let out = tempfile::tempdir().unwrap();
    let samples = samples();
    emit("maps = ['depth']", &samples, 5, out.path()).unwrap();
    let written = std::fs::read(out.path().join("maps/depth/val/split-000009.png")).unwrap();
    assert_eq!(Some(&written[..]), samples[9].labels.maps.get(&depth::MAP));
    let sums = std::fs::read_to_string(out.path().join("SHA256SUMS")).unwrap();
    assert!(sums.contains("maps/depth/val/split-000009.png"));
    assert!(!out.path().join("maps/normals").exists());
    let error = toml::from_str::<Emit>("maps = ['dept']").unwrap_err();
    assert!(error.message().contains("`depth`"), "{error}");
}

#[test]
fn the_semantic_map_counts_the_classes_of_the_dataset() {
    let mut samples = samples();
    for sample in &mut samples {
        // The renderer knew more classes than the dataset has.
        let maps = &mut sample.labels.maps;
        let values = vec![[77, 0, 0]; (SIZE.0 * SIZE.1) as usize];
        maps.draw(&semantic::MAP, &values, SIZE).unwrap();
    }
    let out = tempfile::tempdir().unwrap();
    emit("maps = ['semantic']", &samples, 5, out.path()).unwrap();
    let coco = std::fs::read(out.path().join("annotations/instances_val.json")).unwrap();
    let coco: serde_json::Value = serde_json::from_slice(&coco).unwrap();
    let sample = &samples[9];
    let png = std::fs::read(
        out.path()
            .join(format!("maps/semantic/val/{}.png", sample.id)),
    )
    .unwrap();
    let (values, _) = maps::decode(&semantic::MAP, &png, "").unwrap();
    // These objects overlap; the last lies on top.
    for object in sample.labels.objects().iter().rev().take(1) {
        let mut categories = coco["categories"].as_array().unwrap().iter();
        let category = categories.find(|category| category["name"] == object.class);
        let id = category.unwrap()["id"].as_u64().unwrap();
        let mask = object.mask.as_ref().unwrap().to_bitmap(SIZE.0, SIZE.1);
        let inside = values.iter().zip(mask).filter(|(_, inside)| *inside);
        assert!(inside.clone().count() > 0);
        inside.for_each(|(value, _)| assert_eq!(u64::from(value[0]), id));
    }
    assert!(values.contains(&semantic::MAP.nothing));
}

#[test]
fn an_unknown_format_is_an_error_with_its_place() {
    let text = "name = 'x'\nformats = ['coco', 'yoloo']";
    let error = toml::from_str::<Emit>(text).unwrap_err();
    assert!(
        error.message().contains("unknown format `yoloo`"),
        "{error}"
    );
    assert!(error.message().contains("`huggingface`"), "{error}");
    assert!(
        error
            .span()
            .is_some_and(|span| text[span].contains("yoloo")),
        "{error}"
    );
}

#[test]
fn samples_without_labels_are_refused_and_nothing_is_written() {
    let mut samples = samples();
    samples[11].labels.class = None;
    samples[11].labels.objects = None;
    let out = tempfile::tempdir().unwrap();
    let error = emit("", &samples, 5, out.path()).unwrap_err().to_string();
    assert!(
        error.contains("emit rejects samples without labels"),
        "{error}"
    );
    assert!(error.contains("split-000011"), "{error}");
    assert!(artifact::walk(out.path()).unwrap().is_empty());
}

#[test]
fn a_picture_of_nothing_is_published_as_one() {
    let mut samples = samples();
    samples[11].labels = Labels {
        objects: Some(Vec::new()),
        ..Labels::default()
    };
    let out = tempfile::tempdir().unwrap();
    emit(CONFIG, &samples, 5, out.path()).unwrap();
    assert!(out.path().join("val/split-000011.png").is_file());
    let coco = hotcoco::COCO::new(&out.path().join("annotations/instances_val.json")).unwrap();
    let ids = coco.get_img_ids(&[], &[]);
    let empty = ids
        .iter()
        .filter(|id| coco.get_ann_ids(&[**id], &[], None, None).is_empty());
    assert_eq!((ids.len(), empty.count()), (4, 1));
}

#[test]
fn class_folders_refuse_pictures_without_a_class_only_if_they_are_asked_for() {
    let foreseen = |text: &str| {
        let config: Emit = toml::from_str(text).unwrap();
        let given = crate::stage::Given {
            id: "render",
            facts: Facts {
                classes: Some(false),
                objects: Some(true),
                ..Facts::default()
            },
            count: None,
            artifact: None,
            stage: &Emit::default(),
        };
        let givens = Givens([("samples", given)].into());
        config.foresee(&givens).map(drop)
    };
    assert!(foreseen("").is_ok());
    let refused = foreseen("formats = ['folders']").unwrap_err();
    assert!(refused.problem.contains("`folders`"), "{}", refused.problem);
}

#[test]
fn nothing_to_emit_is_an_error() {
    let out = tempfile::tempdir().unwrap();
    let error = emit("", &[], 5, out.path()).unwrap_err().to_string();
    assert!(error.contains("no samples"), "{error}");
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for name in ["", "..", "a/b", ".hidden", "a b", "latest"] {
        let config = Emit {
            name: name.into(),
            ..Emit::default()
        };
        assert!(config.check().unwrap_err().contains("`name`"));
    }
    let mut samples = samples();
    samples[0].labels.class = Some("../up".into());
    let out = tempfile::tempdir().unwrap();
    assert!(emit("", &samples, 5, out.path()).is_err());
    // Only class folders are named after classes.
    let out = tempfile::tempdir().unwrap();
    emit("formats = ['coco']", &samples, 5, out.path()).unwrap();
}

/// A gate that judged two samples and rejected one, as an artifact in `folder`.
fn gate(folder: &Path) -> artifact::Artifact {
    let verdict = |id: &str, reasons: &[&str]| crate::sample::Verdict {
        id: id.into(),
        origin: "render-000001".into(),
        source: "die.gltf".into(),
        class: Some("one".into()),
        objects: None,
        reasons: reasons.iter().map(|r| (*r).into()).collect(),
        scores: [("edges".to_owned(), 0.25)].into(),
    };
    let both = [verdict("kept", &[]), verdict("lost", &["edges", "mask"])];
    artifact::verdicts::write(&folder.join(artifact::verdicts::FILE), &both).unwrap();
    testing::publish(folder, &[], 5)
}

#[test]
fn what_a_gate_rejected_is_listed_and_is_no_image() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let config: Emit = toml::from_str(CONFIG).unwrap();
    let samples = testing::publish(folders[0].path(), &samples(), 5);
    let inputs = [("samples", samples), ("gate", gate(folders[1].path()))];
    let out = folders[2].path();
    let summary = testing::run_with(&config, "emit", inputs, 5, out).unwrap();
    assert_eq!(summary["rejected"], 1);
    let listed = artifact::verdicts::read(&out.join(REJECTED)).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0].id[..], listed[0].scores["edges"]),
        ("lost", 0.25)
    );
    assert_eq!(listed[0].reasons, ["edges", "mask"]);
    let sums = std::fs::read_to_string(out.join(checksums::FILE)).unwrap();
    assert!(sums.contains("  rejected.parquet"));
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    assert!(
        card.contains("the samples that the gate rejected (1)"),
        "{card}"
    );

    // The rest of the dataset is the same as without the role, byte for byte.
    let (plain, _) = dataset();
    let files = |folder: &Path| artifact::list_files(folder).unwrap();
    let others = |files: Vec<artifact::FileEntry>| -> Vec<_> {
        let own = [REJECTED, "README.md", checksums::FILE];
        files
            .into_iter()
            .filter(|f| !own.contains(&f.file.as_str()))
            .collect()
    };
    assert_eq!(others(files(out)), others(files(plain.path())));
}
