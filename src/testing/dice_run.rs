//! A whole run of dice with made-up pictures, and records, stages and samples of which tests need little.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use serde_json::{Value, json};

use crate::artifact::run::{RunRecord, StageRecord, Status};
use crate::artifact::{self, Cost, Kind, MANIFEST, Manifest, SCHEMA, parts, verdicts};
use crate::sample::{
    Domain, Keypoint, Labels, Mask, Object, Provenance, Sample, Verdict, Visibility,
    image as pictures,
};
use crate::stages::STAGES;

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
    sample.provenance.domain = match look {
        0 => Domain::Render,
        3 => Domain::Photo,
        _ => Domain::Translated,
    };
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

fn history() -> Value {
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

fn evaluation() -> Value {
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
            "quintiles": {"brightness": [mean - 0.1, mean, mean + 0.02, mean, mean - 0.05]},
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

/// The run as it grows, stage by stage.
struct Run<'a> {
    root: &'a Path,
    record: RunRecord,
}

impl Run<'_> {
    /// Adds a stage with the artifact of its kind: `samples`, a `summary`, and what `write` puts beside.
    fn add(
        &mut self,
        (id, name): (&str, &str),
        from: &[(&str, &str)],
        (seconds, cached): (f64, bool),
        samples: &[Sample],
        summary: Value,
        write: impl Fn(&Path),
    ) {
        let mut record = stage(id, name, from);
        record.cached = cached;
        record.cost = Cost {
            seconds,
            peak_memory: (180 + self.record.stages.len() as u64 * 40) << 20,
            ..Cost::default()
        };
        record.folder = self.root.join(id);
        std::fs::create_dir_all(&record.folder).unwrap();
        let output = STAGES.iter().find(|kind| kind.name == name).unwrap().output;
        if output != Kind::Dataset {
            for (number, part) in samples.chunks(256).enumerate() {
                parts::write_part(&record.folder.join(artifact::part_name(number)), part).unwrap();
            }
        }
        write(&record.folder);
        record.count = samples.len() as u64;
        for class in samples.iter().filter_map(|s| s.labels.class.clone()) {
            *record.classes.entry(class).or_default() += 1;
        }
        let files = artifact::list_files(&record.folder).unwrap();
        let manifest = Manifest {
            schema: SCHEMA,
            kind: output,
            stage: name.into(),
            id: id.into(),
            key: record.key.clone(),
            config: json!({}),
            digest: artifact::digest(&files),
            count: record.count,
            classes: record.classes.clone(),
            files,
            summary: summary.clone(),
            cost: record.cost,
        };
        let text = serde_json::to_string(&manifest).unwrap();
        std::fs::write(record.folder.join(MANIFEST), text).unwrap();
        if summary.is_object() {
            self.record.metrics.insert(id.into(), summary);
        }
        self.record.stages.push(record);
    }
}

/// A number in 0..1 that seems drawn.
fn noise(index: u64, salt: u64) -> f64 {
    (index.wrapping_mul(2_654_435_761).wrapping_add(salt * 7_919) % 1_000) as f64 / 1_000.0
}

/// Scores that reject about one translation in ten, for edges or a likeness to no photo.
fn judged(samples: &[Sample]) -> (Vec<Verdict>, Value) {
    let verdict = |sample: &Sample| {
        let (edges, photo) = (
            0.4 + 0.6 * noise(sample.index, 1),
            2.1 * noise(sample.index, 2),
        );
        let mut reasons = Vec::new();
        if edges < 0.45 {
            reasons.push("edges".to_owned());
        }
        if photo > 2.0 {
            reasons.push("photo".to_owned());
        }
        Verdict {
            id: sample.id.clone(),
            origin: sample.provenance.origin.clone(),
            source: sample.provenance.source.clone(),
            class: sample.labels.class.clone(),
            reasons,
            scores: [
                ("edges".to_owned(), edges as f32),
                ("photo".to_owned(), photo as f32),
            ]
            .into(),
        }
    };
    let verdicts: Vec<Verdict> = samples.iter().map(verdict).collect();
    let kept = verdicts.iter().filter(|v| v.is_kept()).count();
    let rejected = verdicts.len() - kept;
    let summary = json!({
        "kept": kept, "rejected": rejected,
        "rejected_share": rejected as f64 / verdicts.len() as f64,
        "criteria": {
            "edges": { "about": "the edges in and around the object are not those of the render",
                       "limit": 0.45, "rejects": "below", "judged": verdicts.len() },
            "photo": { "about": "it is further from the photos than they are from each other",
                       "limit": 2.0, "rejects": "above", "judged": verdicts.len() },
        },
    });
    (verdicts, summary)
}

/// `samples`, and after them the first `count` photos with the class that they were read as.
fn joined(samples: &[Sample], count: u64) -> (Vec<Sample>, Value) {
    let mut all = samples.to_vec();
    let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
    for index in 0..count {
        let mut photo = die(index, 3, &format!("photo-{index:06}"));
        let class = CLASSES[index as usize % 6];
        *classes.entry(class).or_default() += 1;
        let note = format!("pseudo_label({class}, {:.3})", 0.8 + 0.2 * noise(index, 3));
        photo.labels.class = Some(class.into());
        photo.provenance.transforms.push(note);
        all.push(photo);
    }
    for (index, sample) in all.iter_mut().enumerate() {
        sample.index = index as u64;
        sample.provenance.parent = Some(std::mem::replace(
            &mut sample.id,
            format!("pseudo_label-{index:06}"),
        ));
    }
    let summary = json!({
        "device": "CPU", "photos": 4 * count / 3, "believed": count, "classes": classes,
        "mean_confidence": 0.913,
    });
    (all, summary)
}

/// A whole run of dice with `count` renders and a stage of every kind, its artifacts under `root`.
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
    let (verdicts, gate) = judged(&translated);
    let is_kept = |sample: &Sample| verdicts[sample.index as usize].is_kept();
    let kept: Vec<Sample> = translated.iter().filter(|s| is_kept(s)).cloned().collect();
    let mut augmented = child(some(count, 2, "augment"), "translate");
    augmented.retain(is_kept);
    let photos = some(count / 2, 3, "photo");
    let (joined, pseudo_label) = joined(&augmented, count / 4);
    let mut run = Run {
        root,
        record: bare_record(),
    };
    let none = || json!({});
    let nothing = |_: &Path| ();
    run.add(
        ("photos", "ingest"),
        &[],
        (1.9, true),
        &photos,
        json!({"photos": 900, "crops": 900, "skipped": 3}),
        nothing,
    );
    run.add(
        ("sketch", "render"),
        &[],
        (0.9, true),
        &renders[..96.min(renders.len())],
        none(),
        nothing,
    );
    let from = [("renders", "sketch"), ("photos", "photos")];
    let fit = json!({"candidates": 62, "distance": {"before": 0.41, "after": 0.19}});
    run.add(("fit", "fit"), &from, (41.0, true), &[], fit, nothing);
    run.add(
        ("render", "render"),
        &[("fit", "fit")],
        (11.2, true),
        &renders,
        none(),
        nothing,
    );
    let task = json!({"model": "task", "accuracy": 0.994, "mask_iou": 0.93});
    run.add(
        ("task", "task"),
        &[("samples", "render")],
        (64.0, true),
        &[],
        task,
        nothing,
    );
    let from = [
        ("renders", "render"),
        ("photos", "photos"),
        ("task", "task"),
    ];
    run.add(
        ("train", "train"),
        &from,
        (512.0, false),
        &[],
        json!({"steps": 4000, "kid": 0.0831}),
        |folder| {
            std::fs::write(folder.join("history.json"), history().to_string()).unwrap();
        },
    );
    let from = [("renders", "render"), ("model", "train")];
    run.add(
        ("translate", "translate"),
        &from,
        (24.0, false),
        &translated,
        none(),
        nothing,
    );
    let from = [
        ("samples", "translate"),
        ("renders", "render"),
        ("photos", "photos"),
        ("task", "task"),
    ];
    run.add(
        ("gate", "gate"),
        &from,
        (9.3, false),
        &kept,
        gate,
        |folder| {
            verdicts::write(&folder.join(verdicts::FILE), &verdicts).unwrap();
        },
    );
    run.add(
        ("augment", "augment"),
        &[("samples", "gate")],
        (6.4, false),
        &augmented,
        json!({"variants": 1}),
        nothing,
    );
    run.add(
        ("augment_target", "augment"),
        &[("samples", "photos")],
        (5.7, true),
        &photos,
        json!({"variants": 1}),
        nothing,
    );
    let from = [("samples", "augment"), ("photos", "augment_target")];
    run.add(
        ("pseudo_label", "pseudo_label"),
        &from,
        (98.0, false),
        &joined,
        pseudo_label,
        nothing,
    );
    let origins = json!({"origins": {"train": 1500, "val": 300}});
    run.add(
        ("split", "split"),
        &[("samples", "pseudo_label")],
        (0.8, false),
        &joined,
        origins,
        nothing,
    );
    let from = [("samples", "split"), ("gate", "gate")];
    let emit = json!({"name": "dice", "version": null, "images": joined.len(), "rejected": verdicts.len() - kept.len()});
    run.add(
        ("emit", "emit"),
        &from,
        (2.1, false),
        &joined,
        emit,
        nothing,
    );
    run.add(
        ("test_photos", "ingest"),
        &[],
        (0.7, true),
        &photos[..photos.len() / 3],
        none(),
        nothing,
    );
    run.add(
        ("augment_source", "augment"),
        &[("samples", "render")],
        (5.9, true),
        &renders,
        none(),
        nothing,
    );
    let from = [
        ("adapted", "emit"),
        ("source", "augment_source"),
        ("target", "augment_target"),
        ("test", "test_photos"),
    ];
    run.add(
        ("evaluate", "evaluate"),
        &from,
        (161.0, false),
        &[],
        evaluation(),
        nothing,
    );
    let mut record = run.record;
    record.status = Status::Done;
    record.seconds = 708.0;
    record.datasets.insert(
        "dice".into(),
        "outputs/datasets/dice/2026-03-01-0f3a".into(),
    );
    let text = "photos: 3 files are not pictures and were left out";
    record.warnings.push(text.into());
    record
}
