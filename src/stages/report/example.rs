//! Records, stages and samples for the tests of the report: a whole run of dice, with made-up pictures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use serde_json::json;

use crate::artifact::run::{RunRecord, StageRecord, Status};
use crate::artifact::{self, Cost, Kind, MANIFEST, Manifest, SCHEMA, parts};
use crate::sample::{
    Domain, Keypoint, Labels, Mask, Object, Provenance, Sample, Visibility, image as pictures,
};

const CLASSES: [&str; 6] = ["five", "four", "one", "six", "three", "two"];

/// An interrupted run before its first stage ended.
pub fn bare_record() -> RunRecord {
    RunRecord {
        schema: 1,
        pipeline: "dice".into(),
        run: "2026-03-01T14-05-00".into(),
        status: Status::Interrupted,
        started: 1_772_373_900,
        seconds: 3.5,
        device: "CPU, 2 threads".into(),
        stages: Vec::new(),
        metrics: BTreeMap::new(),
        datasets: BTreeMap::new(),
        warnings: Vec::new(),
        requirements: Vec::new(),
        error: None,
    }
}

/// A stage without an artifact.
pub fn stage(id: &str, name: &str, from: &[(&str, &str)]) -> StageRecord {
    StageRecord {
        id: id.into(),
        stage: name.into(),
        from: from
            .iter()
            .map(|(role, id)| ((*role).into(), (*id).into()))
            .collect(),
        cached: false,
        cost: Cost::default(),
        key: "0f".repeat(32),
        folder: PathBuf::from("nowhere"),
        count: 0,
        classes: BTreeMap::new(),
    }
}

/// A picture of one grey, without labels.
pub fn picture_of(width: u32, height: u32) -> Sample {
    let pixels = RgbImage::from_pixel(width, height, Rgb([90; 3]));
    Sample {
        id: "grey".into(),
        index: 0,
        image: pictures::encode_png(&pixels).unwrap(),
        extent: (width, height).into(),
        labels: Labels::default(),
        provenance: Provenance {
            domain: Domain::Photo,
            source: "grey.png".into(),
            origin: "grey".into(),
            parent: None,
            seed: String::new(),
            checkpoint: None,
            transforms: Vec::new(),
            split: None,
            gate: None,
        },
    }
}

/// A die face of `look` (0 render, 1 translated, 2 augmented, 3 photo), with its labels.
fn die(index: u64, look: u32, id: &str) -> Sample {
    let n = index as u32;
    let spots = [5, 4, 1, 6, 3, 2][n as usize % 6];
    let (x0, y0, side) = (12 + n * 7 % 9, 10 + n * 5 % 11, 30 + n % 8);
    let noise = |x: u32, y: u32| (x * 7919 + y * 104_729 + n * 31) % 23;
    let pixels = RgbImage::from_fn(64, 64, |x, y| {
        let inside = x >= x0 && x < x0 + side && y >= y0 && y < y0 + side;
        let (u, v) = (
            x.saturating_sub(x0) * 3 / side,
            y.saturating_sub(y0) * 3 / side,
        );
        let (du, dv) = (x.wrapping_sub(x0) * 3 % side, y.wrapping_sub(y0) * 3 % side);
        let spot =
            u + 3 * v < spots && du.abs_diff(side / 2).pow(2) + dv.abs_diff(side / 2).pow(2) < 70;
        let base: [u32; 3] = match (inside, spot) {
            (true, true) => [40, 30, 30],
            (true, false) => [200 - x / 2, 190 - y / 2, 170],
            _ => [60 + n * 13 % 60, 80, 50 + n * 29 % 80],
        };
        let grain = if look == 0 { 0 } else { noise(x, y) };
        let warm = if look == 0 { 0 } else { 20 };
        let dim = if look == 2 { x / 3 } else { 0 };
        Rgb([base[0] + warm + grain, base[1] + grain, base[2] + grain]
            .map(|v| v.saturating_sub(dim).min(255) as u8))
    });
    let bitmap: Vec<bool> = (0..64 * 64)
        .map(|i| (i % 64, i / 64))
        .map(|(x, y)| x >= x0 && x < x0 + side && y >= y0 && y < y0 + side && x + y > x0 + y0 + 4)
        .collect();
    let mask = Mask::from_bitmap(&bitmap, 64, 64);
    let class = CLASSES[n as usize % 6].to_owned();
    let corner = |x: u32, y: u32, visibility| Keypoint {
        name: format!("{x} {y}"),
        x: x as f32,
        y: y as f32,
        visibility,
    };
    let labels = Labels {
        class: Some(class.clone()),
        objects: Some(vec![Object {
            keypoints: vec![
                corner(x0 + 4, y0 + side, Visibility::Visible),
                corner(x0 + side, y0 + side, Visibility::Hidden),
            ],
            visible_fraction: 0.97,
            ..Object::new(class, mask.bbox_xywh(64).unwrap()).with_mask(mask)
        }]),
        ..Labels::default()
    };
    let mut sample = picture_of(64, 64);
    sample.id = id.into();
    sample.index = index;
    sample.image = pictures::encode_png(&pixels).unwrap();
    sample.provenance.origin = format!("render-{index:06}");
    if look == 3 {
        sample.provenance.origin = id.into();
    } else {
        sample.labels = labels;
    }
    if look == 2 {
        sample.provenance.transforms = vec!["flip".into(), "gamma(1.2)".into()];
    }
    sample
}

/// Publishes `samples` (none for a checkpoint with `history`) and describes the stage.
fn publish(
    root: &Path,
    mut record: StageRecord,
    samples: &[Sample],
    history: Option<serde_json::Value>,
) -> StageRecord {
    record.folder = root.join(&record.id);
    std::fs::create_dir_all(&record.folder).unwrap();
    for (number, part) in samples.chunks(256).enumerate() {
        parts::write_part(&record.folder.join(artifact::part_name(number)), part).unwrap();
    }
    if let Some(history) = &history {
        std::fs::write(record.folder.join("history.json"), history.to_string()).unwrap();
    }
    record.count = samples.len() as u64;
    for class in samples.iter().filter_map(|s| s.labels.class.clone()) {
        *record.classes.entry(class).or_default() += 1;
    }
    let files = artifact::list_files(&record.folder).unwrap();
    let manifest = Manifest {
        schema: SCHEMA,
        kind: if history.is_some() {
            Kind::Adapter
        } else {
            Kind::Samples
        },
        stage: record.stage.clone(),
        id: record.id.clone(),
        key: record.key.clone(),
        config: json!({}),
        digest: artifact::digest(&files),
        count: record.count,
        classes: record.classes.clone(),
        files,
        summary: json!({}),
        cost: record.cost,
    };
    let text = serde_json::to_string(&manifest).unwrap();
    std::fs::write(record.folder.join(MANIFEST), text).unwrap();
    record
}

fn history() -> serde_json::Value {
    let wave = |step: u64, k: f64| ((step as f64 * k).sin() + (step as f64 * 7.7 * k).cos()) * 0.1;
    let steps: Vec<_> = (1..=400)
        .map(|i| {
            let step = i * 10;
            let decay = (-(step as f64) / 900.0).exp();
            json!({"step": step, "values": {
                "generator": 0.8 + decay + wave(step, 0.13),
                "discriminator_a": 0.25 + 0.3 * decay + wave(step, 0.31),
                "discriminator_b": 0.22 + 0.4 * decay + wave(step, 0.17),
                "cycle_a": 0.1 + 2.0 * decay + wave(step, 0.23),
                "cycle_b": if i == 200 { f64::NAN } else { 0.12 + 1.5 * decay + wave(step, 0.19) },
                "identity": 0.2 + decay,
            }})
        })
        .collect();
    json!({ "steps": steps })
}

fn evaluation() -> serde_json::Value {
    let recogniser = |mean: f64, train: u64| {
        let wrong = (51.0 * 3.0 * (1.0 - mean)) as u64;
        let confusion: Vec<Vec<u64>> = (0..6u64)
            .map(|i| {
                let cell = |j: u64| match (i + 6 - j) % 6 {
                    0 => 153 - wrong,
                    1 => wrong * (i + 1) / 9,
                    3 => wrong - wrong * (i + 1) / 9,
                    _ => 0,
                };
                (0..6).map(cell).collect()
            })
            .collect();
        let per_class: BTreeMap<&str, f64> = CLASSES
            .iter()
            .zip([0.02, -0.05, 0.04, -0.03, 0.0, 0.01])
            .map(|(c, d)| (*c, (mean + d).min(1.0)))
            .collect();
        json!({
            "mean": mean, "std": 0.012, "seeds": [mean - 0.013, mean + 0.002, mean + 0.011],
            "n_train": train, "n_test": 308, "per_class": per_class, "confusion": confusion,
            "fifths": {"brightness": [mean - 0.1, mean, mean + 0.02, mean, mean - 0.05]},
        })
    };
    json!({"classification": {
        "classes": CLASSES,
        "source_only": recogniser(0.712, 3600),
        "adapted": recogniser(0.889, 3600),
        "target_only": recogniser(0.971, 1204),
        "gap_closed": 0.683,
        "examples": [{"image": "…"}],
    }})
}

/// A whole run of dice with `count` renders, its artifacts under `root`.
pub fn dice_run(root: &Path, count: u64) -> RunRecord {
    let some = |count: u64, look: u32, name: &str| -> Vec<Sample> {
        (0..count)
            .map(|i| die(i, look, &format!("{name}-{i:06}")))
            .collect()
    };
    let child = |mut samples: Vec<Sample>, parent: &str| {
        for sample in &mut samples {
            sample.provenance.parent = Some(format!("{parent}-{:06}", sample.index));
        }
        samples
    };
    let renders = some(count, 0, "render");
    let translated = child(some(count, 1, "translate"), "render");
    let augmented = child(some(count, 2, "augment"), "translate");
    let photos = some(count / 2, 3, "photo");
    let mut record = bare_record();
    let mut add =
        |id: &str, name: &str, from: &[(&str, &str)], samples: &[Sample], seconds: f64, cached| {
            let mut stage = stage(id, name, from);
            stage.cached = cached;
            stage.cost = Cost {
                taken_over: 0.0,
                seconds,
                peak_memory: (180 + record.stages.len() as u64 * 60) << 20,
                since_start: false,
            };
            let history = (name == "train").then(history);
            record.stages.push(publish(root, stage, samples, history));
        };
    add("render", "render", &[], &renders, 11.2, true);
    add("photos", "ingest", &[], &photos, 1.9, true);
    add(
        "train",
        "train",
        &[("renders", "render"), ("photos", "photos")],
        &[],
        512.0,
        false,
    );
    add(
        "translate",
        "translate",
        &[("renders", "render"), ("model", "train")],
        &translated,
        24.0,
        false,
    );
    add(
        "augment",
        "augment",
        &[("samples", "translate")],
        &augmented,
        6.4,
        false,
    );
    add(
        "split",
        "split",
        &[("samples", "augment")],
        &augmented,
        0.8,
        false,
    );
    add(
        "emit",
        "emit",
        &[("samples", "split")],
        &augmented,
        2.1,
        false,
    );
    add(
        "test_photos",
        "ingest",
        &[],
        &photos[..photos.len() / 3],
        0.7,
        true,
    );
    add(
        "augment_source",
        "augment",
        &[("samples", "render")],
        &renders,
        5.9,
        true,
    );
    add(
        "augment_target",
        "augment",
        &[("samples", "photos")],
        &photos,
        5.7,
        true,
    );
    let roles = [
        ("adapted", "emit"),
        ("source", "augment_source"),
        ("target", "augment_target"),
        ("test", "test_photos"),
    ];
    add("evaluate", "evaluate", &roles, &[], 161.0, false);
    record.status = Status::Done;
    record.seconds = 708.0;
    record.metrics.insert("evaluate".into(), evaluation());
    record
        .metrics
        .insert("train".into(), json!({"steps": 4000, "best_score": 0.0831}));
    record.datasets.insert(
        "dice".into(),
        "outputs/datasets/dice/2026-03-01-0f3a".into(),
    );
    record
        .warnings
        .push("photos: 3 files are no pictures and were left out".into());
    record
}
