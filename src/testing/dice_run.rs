//! A whole run of the dice pipeline, with a stage of every kind but `select` and `join`. Its pictures are shapes, and
//! its measurements are made up.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{bare_record, describe, publish, shapes, stage_record};
use crate::artifact::run::{RunRecord, Status};
use crate::artifact::{Kind, MANIFEST, Manifest, verdicts};
use crate::sample::{Domain, Labels, Sample, Verdict};
use crate::stage::finding::{self, Finding, Level};
use crate::stages::STAGES;

/// `count` pictures that the stage `id` made from those of `parent`, with the same origins; photos have
/// neither labels nor a parent.
fn pictures(id: &str, domain: Domain, parent: Option<&str>, count: u64) -> Vec<Sample> {
    // Each stage has pictures of its own.
    let mut samples = shapes(count, 32, id.len() as u64);
    for sample in &mut samples {
        sample.id = format!("{id}-{:06}", sample.index);
        sample.provenance.domain = domain;
        sample.provenance.parent = parent.map(|parent| format!("{parent}-{:06}", sample.index));
        if domain == Domain::Photo {
            sample.provenance.origin = sample.id.clone();
            sample.labels = Labels::default();
        }
    }
    samples
}

fn history() -> Value {
    let step = |n: u64| {
        let decay = 1.0 / n as f64;
        // The value that is missing was not a number.
        let values = json!({
            "adversarial": 0.8 + decay,
            "discriminator": 0.5 - 0.3 * decay,
            "cycle": 2.0 * decay,
            "identity": (n != 20).then_some(1.5 * decay),
        });
        json!({ "step": 10 * n, "values": values })
    };
    json!({ "steps": (1..=400).map(step).collect::<Vec<_>>() })
}

fn evaluation() -> Value {
    let recogniser = |mean: f64, confusion: [[u64; 2]; 2]| {
        json!({
            "mean": mean, "std": 0.012, "seeds": [mean - 0.013, mean + 0.002, mean + 0.011],
            "n_train": 3600, "n_test": 100, "confusion": confusion,
            "per_class": { "disc": mean - 0.02, "square": mean + 0.02 },
            "quintiles": { "brightness": [mean - 0.1, mean, mean + 0.02, mean, mean - 0.05] },
        })
    };
    let mut summary = json!({ "classification": {
        "classes": ["disc", "square"],
        "source_only": recogniser(0.7, [[102, 48], [42, 108]]),
        "adapted": recogniser(0.9, [[132, 18], [12, 138]]),
        "target_only": recogniser(0.97, [[150, 0], [9, 141]]),
        "gap_closed": 0.741,
    } });
    let text =
        "trained on the dataset, a recogniser reads 90 % right, 70 % if trained on plain renders";
    let gain = Finding::new(Level::Good, "recogniser", "+20.0 points", text);
    finding::record(&mut summary, &[gain]);
    summary
}

/// Rejects one sample in ten for its edges and one in ten for its likeness to no photo.
fn judge(sample: &Sample) -> Verdict {
    let place = sample.index % 10;
    let score = |failing: u64, bad: f32, good: f32| match place == failing {
        true => bad,
        false => good + place as f32 / 50.0,
    };
    let reason = match place {
        0 => Some("edges"),
        5 => Some("photo"),
        _ => None,
    };
    let scores = [
        ("edges".to_owned(), score(0, 0.4, 0.6)),
        ("photo".to_owned(), score(5, 2.1, 1.2)),
    ];
    Verdict {
        reasons: reason.map(String::from).into_iter().collect(),
        ..Verdict::of(sample, scores.into())
    }
}

fn training() -> Value {
    let distance =
        |value: f64| json!({ "value": value, "low": value - 0.02, "high": value + 0.02 });
    json!({ "ruler": {
        "name": "distance/0123abcd",
        "floor": { "value": 0.0, "low": 0.0, "high": 0.09 },
        "ceiling": distance(0.42),
        "kept": distance(0.31),
        "closed": { "share": 0.262, "low": 0.21, "high": 0.31 },
    } })
}

fn figures() -> Value {
    let sight = |accuracy: f64, distance: f64| {
        json!({
            "two_sample": {
                "accuracy": accuracy, "plus_minus": 0.021,
                "halves": [accuracy - 0.004, accuracy + 0.004], "pictures": [700, 700],
            },
            "distance": { "value": distance, "low": distance - 0.02, "high": distance + 0.02 },
        })
    };
    json!({
        "photos": sight(0.505, 0.02), "renders": sight(0.9, 0.42), "translations": sight(0.86, 0.31),
        "closed": { "share": 0.262, "low": 0.21, "high": 0.31 },
    })
}

fn gate_summary(verdicts: &[Verdict]) -> Value {
    let kept = verdicts.iter().filter(|verdict| verdict.is_kept()).count();
    let mut summary = json!({
        "kept": kept, "rejected": verdicts.len() - kept, "ruler": figures(),
        "criteria": {
            "edges": { "about": "its edges moved", "limit": 0.45, "rejects": "below" },
            "photo": { "about": "it is far from the photos", "limit": 2.0, "rejects": "above" },
        },
    });
    let closed = "the adapter closed 12 % of the distance between renders and photos";
    let findings = [
        Finding::new(Level::Warning, "adapter", "12 %", closed)
            .with_advice("raise `steps` of `train`"),
        Finding::new(
            Level::Note,
            "gate",
            "20 %",
            "the gate rejected one of five translations",
        ),
    ];
    finding::record(&mut summary, &findings);
    summary
}

/// `samples`, and after them the first `count` photos with the class that they were read as.
fn joined(samples: &[Sample], count: u64) -> (Vec<Sample>, Value) {
    let mut photos = pictures("photo", Domain::Photo, None, count);
    for photo in &mut photos {
        let class = ["disc", "square"][photo.index as usize % 2];
        photo.labels.class = Some(class.into());
        let note = format!("pseudo_label({class}, 0.913)");
        photo.provenance.transforms.push(note);
    }
    let mut all = [samples, &photos].concat();
    for (index, sample) in (0..).zip(&mut all) {
        sample.index = index;
        let id = format!("pseudo_label-{index:06}");
        sample.provenance.parent = Some(std::mem::replace(&mut sample.id, id));
    }
    let summary = json!({
        "photos": 2 * count, "joined": count, "mean_confidence": 0.913,
        "classes": { "disc": count.div_ceil(2), "square": count / 2 },
    });
    (all, summary)
}

/// The run as it grows, stage by stage.
struct Run<'a> {
    root: &'a Path,
    record: RunRecord,
}

impl Run<'_> {
    /// The folder of the artifact of stage `id`.
    fn folder(&self, id: &str) -> PathBuf {
        let folder = self.root.join(id);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Adds a stage with the artifact of its kind, which has `samples` and the files that lie in its folder.
    fn add(
        &mut self,
        (id, name): (&str, &str),
        from: &[(&str, &str)],
        samples: &[Sample],
        summary: Value,
    ) {
        let place = self.record.stages.len() as u64;
        let mut record = stage_record(id, name, from);
        record.folder = self.folder(id);
        record.cached = place < 5;
        record.cost.seconds = 2.5 * (place + 1) as f64;
        record.cost.peak_memory = (180 + 40 * place) << 20;
        let kind = STAGES.iter().find(|kind| kind.name == name).unwrap().output;
        let artifact = match kind {
            Kind::Dataset => describe(&record.folder, samples),
            _ => publish(&record.folder, samples, 256),
        };
        let manifest = Manifest {
            kind,
            stage: name.into(),
            id: id.into(),
            key: record.key.clone(),
            summary: summary.clone(),
            cost: record.cost,
            ..artifact.manifest
        };
        record.count = manifest.count;
        record.classes.clone_from(&manifest.classes);
        let text = serde_json::to_string(&manifest).unwrap();
        std::fs::write(record.folder.join(MANIFEST), text).unwrap();
        self.record.metrics.insert(id.into(), summary);
        self.record.stages.push(record);
    }
}

/// A run with `count` renders, its artifacts under `root`.
pub(crate) fn dice_run(root: &Path, count: u64) -> RunRecord {
    let renders = pictures("render", Domain::Render, None, count);
    let mut translated = pictures("translate", Domain::Translated, Some("render"), count);
    let verdicts: Vec<Verdict> = translated.iter().map(judge).collect();
    let rejected = verdicts.iter().filter(|v| !v.is_kept()).count();
    let is_kept = |sample: &Sample| verdicts[sample.index as usize].is_kept();
    let mut augmented = pictures("augment", Domain::Translated, Some("translate"), count);
    augmented.retain(is_kept);
    let photos = pictures("photo", Domain::Photo, None, count / 2);
    let (joined, pseudo_label) = joined(&augmented, count / 4);

    let mut run = Run {
        root,
        record: bare_record(),
    };
    let none = || json!({});
    let few = |samples: &[Sample]| samples[..samples.len() / 3].to_vec();
    run.add(("photos", "ingest"), &[], &photos, json!({ "crops": 900 }));
    run.add(("sketch", "render"), &[], &few(&renders), none());
    let from = [("renders", "sketch"), ("photos", "photos")];
    let fit = json!({ "candidates": 62, "distance": { "before": 0.41, "after": 0.19 } });
    run.add(("fit", "fit"), &from, &[], fit);
    run.add(("render", "render"), &[("fit", "fit")], &renders, none());
    let task = json!({ "model": "task", "accuracy": 0.994 });
    run.add(("task", "task"), &[("samples", "render")], &[], task);
    let from = [
        ("renders", "render"),
        ("photos", "photos"),
        ("task", "task"),
    ];
    let history = history().to_string();
    std::fs::write(run.folder("train").join("history.json"), history).unwrap();
    run.add(("train", "train"), &from, &[], training());
    let from = [("renders", "render"), ("model", "train")];
    run.add(("translate", "translate"), &from, &translated, none());
    translated.retain(is_kept);
    let from = [
        ("samples", "translate"),
        ("renders", "render"),
        ("photos", "photos"),
        ("task", "task"),
    ];
    verdicts::write(&run.folder("gate").join(verdicts::FILE), &verdicts).unwrap();
    let summary = gate_summary(&verdicts);
    run.add(("gate", "gate"), &from, &translated, summary);
    let from = [("samples", "gate")];
    run.add(("augment", "augment"), &from, &augmented, none());
    let from = [("samples", "photos")];
    run.add(("augment_target", "augment"), &from, &photos, none());
    let from = [("samples", "augment"), ("photos", "augment_target")];
    let id = ("pseudo_label", "pseudo_label");
    run.add(id, &from, &joined, pseudo_label);
    let from = [("samples", "pseudo_label")];
    run.add(("split", "split"), &from, &joined, none());
    let from = [("samples", "split"), ("gate", "gate")];
    let emit = json!({ "name": "dice", "version": null, "rejected": rejected });
    run.add(("emit", "emit"), &from, &joined, emit);
    run.add(("test_photos", "ingest"), &[], &few(&photos), none());
    let from = [("samples", "render")];
    run.add(("augment_source", "augment"), &from, &renders, none());
    let from = [
        ("adapted", "emit"),
        ("source", "augment_source"),
        ("target", "augment_target"),
        ("test", "test_photos"),
    ];
    run.add(("evaluate", "evaluate"), &from, &[], evaluation());

    let mut record = run.record;
    record.status = Status::Done;
    record.seconds = 708.0;
    let dataset = "outputs/datasets/dice/2026-03-01-0f3a";
    record.datasets.insert("dice".into(), dataset.into());
    let text = "photos: 3 files are not pictures and were left out";
    record.warnings.push(text.into());
    record
}
