//! What is known about an image, as text and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::columns;
use super::super::dataset::Dataset;
use crate::Error;
use crate::pipeline::provenance::{Step, Trail};
use crate::sample::{Domain, Object, Sample, Verdict};
use crate::stages::pseudo_label;

/// The rows of the text, in order: the column, and its meaning.
const ROWS: [(&str, &str); 14] = [
    ("file", "image"),
    ("split", "split"),
    ("class", "class"),
    ("boxes", "boxes, x y width height in pixels"),
    ("transforms", "transforms, in order"),
    ("id", "sample"),
    ("parent", "made from sample"),
    ("checkpoint", "translated by checkpoint"),
    ("gate", "gate scores"),
    ("origin", "originally"),
    ("domain", "domain"),
    ("source", "model or photo"),
    ("seed", "random stream"),
    ("blake3", "blake3 of the file"),
];

/// Everything known about an image, for a person.
pub(super) fn format_text(dataset: &Dataset, row: usize, trail: Result<&Trail, &Error>) -> String {
    let row_of = |(column, meaning): (&str, &str)| {
        let mut value = dataset.text(column, row)?;
        if column == "gate" {
            value = format_scores(&value);
        }
        Some(vec![meaning.to_owned(), value])
    };
    let mut rows: Vec<Vec<String>> = ROWS.into_iter().filter_map(row_of).collect();
    if let Some((class, confidence)) = pseudo_label::read_note(&dataset.texts("transforms", row)) {
        let read = format!("{class}, confidence {confidence}; not checked by a human");
        rows.push(vec!["pseudo-label".to_owned(), read]);
    }
    let trail = match trail {
        Ok(trail) => trail,
        Err(error) => return format!("{}\n\nnothing more is known: {error}", columns(&rows)),
    };
    if let Some(step) = trail.steps.last() {
        rows.extend(format_geometry(&step.sample));
    }
    let mut text = columns(&rows);
    text += &format!(
        "\n\nmade by run {} of pipeline {} (seed {}, {}): {}",
        trail.run.run,
        trail.run.pipeline,
        trail.steps.first().map_or(0, |step| step.ingredients.seed),
        trail.run.device,
        trail.folder.display()
    );
    if trail.first_run != trail.run.run {
        text += &format!("\nfirst published by run {}", trail.first_run);
    }
    let steps: Vec<Vec<String>> = with_before(&trail.steps)
        .map(|(step, before)| format_step(trail, step, before))
        .collect();
    text += &format!("\n\nstep by step:\n{}", columns(&steps));
    if let Some(problem) = &trail.broken {
        text += &format!("\n  before that: {problem}");
    }
    text
}

/// Each step, paired with the previous one.
fn with_before(steps: &[Step]) -> impl Iterator<Item = (&Step, Option<&Step>)> {
    let before = std::iter::once(None).chain(steps.iter().map(Some));
    steps.iter().zip(before)
}

/// Stage, sample, what was done, and the folder of the result.
fn format_step(trail: &Trail, step: &Step, before: Option<&Step>) -> Vec<String> {
    let provenance = &step.sample.provenance;
    let mut done = Vec::new();
    match before {
        None if provenance.domain == Domain::Photo => {
            done.push(format!("cut from {}", provenance.source));
        }
        None => done.push(format!("made from {}", provenance.source)),
        Some(before) => {
            let (old, new) = (&before.sample, &step.sample);
            if new.provenance.checkpoint != old.provenance.checkpoint {
                done.extend(checkpoint(trail, step).map(|found| {
                    let short = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
                    let digest = short("digest");
                    let digest = &digest[..digest.len().min(12)];
                    format!("through {} {digest} in {}", short("model"), short("folder"))
                }));
            }
            let applied = &new.provenance.transforms;
            let known = old.provenance.transforms.len().min(applied.len());
            done.extend(applied[known..].iter().cloned());
            if let Some(gate) = &new.provenance.gate
                && old.provenance.gate.is_none()
            {
                done.push(format_scores(gate));
            }
            if let Some(split) = &new.provenance.split
                && old.provenance.split.is_none()
            {
                done.push(split.clone());
            }
            if !step.changes(Some(before)) {
                done.push("the picture is passed through".to_owned());
            }
        }
    }
    vec![
        step.stage.id.clone(),
        step.sample.id.clone(),
        done.join(", "),
    ]
}

/// Camera and pose in the published picture.
fn format_geometry(sample: &Sample) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    if let Some(camera) = &sample.labels.camera {
        let numbers = camera.to_array();
        let row = format_numbers(&numbers);
        rows.push(vec!["camera, fx fy cx cy in pixels".to_owned(), row]);
    }
    for Object { class, pose, .. } in sample.labels.objects() {
        if let Some(pose) = pose {
            let meaning = format!("pose of {class}, object to camera in metres");
            let lines: Vec<String> = pose.chunks(4).map(format_numbers).collect();
            rows.push(vec![meaning, lines.join(" | ")]);
        }
    }
    rows
}

fn format_numbers(numbers: &[f32]) -> String {
    let texts: Vec<String> = numbers.iter().map(|n| format!("{n:.4}")).collect();
    texts.join(" ")
}

/// `{"edges":0.7,"mask":0.9}` as `edges 0.7, mask 0.9`; any other text unchanged.
fn format_scores(note: &str) -> String {
    match serde_json::from_str::<BTreeMap<String, Value>>(note) {
        Ok(scores) => {
            let texts = scores.iter().map(|(name, score)| format!("{name} {score}"));
            texts.collect::<Vec<_>>().join(", ")
        }
        Err(_) => note.to_owned(),
    }
}

/// Everything known about an image, as JSON.
pub(super) fn as_json(dataset: &Dataset, row: usize, trail: Result<&Trail, &Error>) -> Value {
    let text = |column: &str| json!(dataset.text(column, row));
    let parsed = |column: &str| {
        let text = dataset.text(column, row);
        text.and_then(|text| serde_json::from_str::<Value>(&text).ok())
    };
    let transforms = dataset.texts("transforms", row);
    let pseudo = pseudo_label::read_note(&transforms).map(|(class, confidence)| {
        json!({ "class": class, "confidence": confidence.parse::<f64>().ok() })
    });
    let boxes = dataset.numbers("boxes", row);
    let mut story = json!({
        "file": text("file"),
        "blake3": text("blake3"),
        "sample": text("id"),
        "split": text("split"),
        "class": text("class"),
        "domain": text("domain"),
        "boxes_xywh": boxes.chunks(4).collect::<Vec<_>>(),
        "source": text("source"),
        "origin": text("origin"),
        "random_stream": text("seed"),
        "gate": parsed("gate"),
        "pseudo_label": pseudo,
        "transforms": transforms,
        "broken": null,
    });
    let trail = match trail {
        Ok(trail) => trail,
        Err(error) => {
            story["broken"] = json!(error.to_string());
            return story;
        }
    };
    if let Some(step) = trail.steps.last() {
        story["camera"] = json!(step.sample.labels.camera);
        story["poses"] = poses(&step.sample);
    }
    let translated = trail.steps.iter().find_map(|step| checkpoint(trail, step));
    story["checkpoint"] = json!(translated);
    story["run"] = json!({
        "run": trail.run.run,
        "first_run": trail.first_run,
        "pipeline": trail.run.pipeline,
        "folder": trail.folder,
        "device": trail.run.device,
        "started": trail.run.started,
    });
    let steps = with_before(&trail.steps);
    story["steps"] = steps
        .map(|(step, before)| step_as_json(trail, step, before))
        .collect();
    story["broken"] = json!(trail.broken);
    story
}

fn step_as_json(trail: &Trail, step: &Step, before: Option<&Step>) -> Value {
    let (ingredients, provenance) = (&step.ingredients, &step.sample.provenance);
    let inputs = step.stage.from.iter().map(|(role, id)| {
        let record = trail.input(&step.stage, role);
        let folder = record.map(|record| &record.folder);
        let digest = ingredients.inputs.get(role);
        (
            role.clone(),
            json!({ "stage": id, "artifact": folder, "digest": digest }),
        )
    });
    json!({
        "stage": step.stage.id,
        "use": ingredients.stage,
        "version": ingredients.version,
        "key": step.stage.key,
        "artifact": step.artifact.folder,
        "seed": ingredients.seed,
        "config": ingredients.config,
        "inputs": inputs.collect::<serde_json::Map<_, _>>(),
        "files": ingredients.files,
        "sample": step.sample.id,
        "index": step.sample.index,
        "random_stream": provenance.seed,
        "parent": provenance.parent,
        "class": step.sample.labels.class,
        "camera": step.sample.labels.camera,
        "poses": poses(&step.sample),
        "transforms": provenance.transforms,
        "changed_the_picture": step.changes(before),
    })
}

/// Each object's class, pose and visible fraction.
fn poses(sample: &Sample) -> Value {
    let objects = sample.labels.objects().iter();
    let one = |i: &Object| json!({ "class": i.class, "pose": i.pose, "visible_fraction": i.visible_fraction });
    objects.map(one).collect()
}

/// The checkpoint that `step` translated with, if any.
fn checkpoint(trail: &Trail, step: &Step) -> Option<Value> {
    let digest = step.sample.provenance.checkpoint.as_ref()?;
    let (role, _) = step.ingredients.inputs.iter().find(|(_, d)| *d == digest)?;
    let train = trail.input(&step.stage, role)?;
    let summary = trail.run.metrics.get(&train.id);
    Some(json!({
        "digest": digest,
        "stage": train.id,
        "folder": train.folder,
        "key": train.key,
        "model": summary.map_or("the model", |s| s["model"].as_str().unwrap_or("the model")),
    }))
}

/// What is known about a sample that is not in the dataset.
pub(super) fn rejection(verdict: &Verdict) -> Vec<Vec<String>> {
    let scores = verdict.scores.iter();
    let scores: Vec<String> = scores.map(|(name, s)| format!("{name} {s:.4}")).collect();
    let rows = [
        ("sample", verdict.id.clone()),
        (
            "rejected by the gate because of",
            verdict.reasons.join(", "),
        ),
        ("gate scores", scores.join(", ")),
        ("class", verdict.class.clone().unwrap_or_default()),
        ("originally", verdict.origin.clone()),
        ("model or photo", verdict.source.clone()),
    ];
    rows.into_iter()
        .map(|(meaning, value)| vec![meaning.to_owned(), value])
        .collect()
}

/// The same as JSON.
pub(super) fn rejection_as_json(verdict: &Verdict) -> Value {
    json!({
        "sample": verdict.id,
        "rejected_for": verdict.reasons,
        "gate": verdict.scores,
        "class": verdict.class,
        "origin": verdict.origin,
        "source": verdict.source,
    })
}
