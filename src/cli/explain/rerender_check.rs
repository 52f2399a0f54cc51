//! Compares an image made again with the published one.

use std::path::Path;

use image::RgbImage;
use serde_json::{Value, json};

use super::super::columns;
use super::super::dataset::Dataset;
use crate::pipeline::provenance::{Trail, open};
use crate::pipeline::rerender::{Rerendered, rerender};
use crate::sample::image as picture;
use crate::stage::DeviceChoice;
use crate::stages::emit::Emit;
use crate::{Error, Result};

/// The result of making an image again.
pub(super) struct RerenderCheck {
    steps: Vec<Rerendered>,
    /// What is missing, if the image could not be made.
    missing: Vec<String>,
    /// Whether the image has the published bytes.
    matches: bool,
    /// Describes how the pictures differ; empty if they do not.
    difference: String,
}

impl RerenderCheck {
    /// Makes the image at the end of `trail` again, which was published in a row of `dataset`.
    ///
    /// # Errors
    /// If a stage fails, or the image cannot be encoded. Missing inputs are not an error; they are listed in the
    /// result.
    pub(super) fn make(
        trail: &Trail,
        outputs: &Path,
        (dataset, row): (&Dataset, usize),
        device: Option<DeviceChoice>,
    ) -> Result<Self> {
        let device = device.unwrap_or_else(|| recorded_device(trail));
        let (steps, mut missing) = match rerender(trail, outputs, device)? {
            Ok(steps) => (steps, Vec::new()),
            Err(missing) => (Vec::new(), missing),
        };
        let hash = dataset.text("blake3", row).unwrap_or_default();
        let published = dataset.picture(row);
        let file = dataset
            .folder
            .join(dataset.text("file", row).unwrap_or_default());
        match &published {
            Ok(bytes) if *blake3::hash(bytes).to_hex() == *hash => {}
            Ok(_) => missing.push(format!(
                "{} has changed since it was published",
                file.display()
            )),
            Err(_) => missing.push(format!("{} no longer exists", file.display())),
        }
        let last = steps.last().map(|step| &step.sample);
        let made = match last {
            Some(sample) => Some(blake3::hash(&emit_of(trail, outputs).picture(sample)?)),
            None => None,
        };
        let matches = missing.is_empty() && made.is_some_and(|made| *made.to_hex() == *hash);
        let difference = match last.filter(|_| missing.is_empty() && !matches) {
            Some(sample) => difference(&dataset.pixels(row)?, &sample.pixels()?),
            None => String::new(),
        };
        Ok(RerenderCheck {
            steps,
            missing,
            matches,
            difference,
        })
    }

    /// # Errors
    /// If the image differs or could not be made.
    pub(super) fn verdict(&self, file: &str) -> Result<()> {
        if self.matches {
            return Ok(());
        }
        if !self.missing.is_empty() {
            return Err(Error::failed(
                file,
                format!("cannot be made again:\n    {}", self.missing.join("\n    ")),
                "restore what is missing, or run the pipeline again",
            ));
        }
        let first = self.steps.iter().find(|step| !step.same);
        Err(Error::failed(
            file,
            format!(
                "differs from the published image when made again, starting at `{}`: {}",
                first.map_or("emit", |step| &step.stage),
                self.difference
            ),
            "networks give the same bytes only on the same kind of device; see --device",
        ))
    }

    pub(super) fn format_text(&self) -> String {
        let row = |step: &Rerendered| {
            let result = match (step.ran, step.same) {
                (false, _) => "passed through",
                (true, true) => "same bytes",
                (true, false) => "different picture",
            };
            vec![
                step.stage.clone(),
                step.sample.id.clone(),
                result.to_owned(),
            ]
        };
        let rows: Vec<Vec<String>> = self.steps.iter().map(row).collect();
        let end = match self.matches {
            true => "\n  identical to the published image, byte for byte",
            false => "",
        };
        format!("\nmade again:\n{}{end}", columns(&rows))
    }

    pub(super) fn as_json(&self) -> Value {
        let step = |step: &Rerendered| json!({ "stage": step.stage, "sample": step.sample.id, "ran": step.ran, "same": step.same });
        json!({
            "matches": self.matches,
            "missing": self.missing,
            "difference": self.difference,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

/// The settings that the dataset was emitted with; the usual ones if they are no longer in the cache.
fn emit_of(trail: &Trail, outputs: &Path) -> Emit {
    let artifact = trail
        .emit
        .as_ref()
        .and_then(|emit| open(outputs, emit).ok());
    let config = artifact.map(|artifact| artifact.manifest.config);
    let config = config.and_then(|config| serde_json::from_value(config).ok());
    config.unwrap_or_default()
}

/// The CPU if the networks ran there, otherwise automatic.
fn recorded_device(trail: &Trail) -> DeviceChoice {
    let own = trail.steps.iter().find_map(|step| {
        let summary = step.artifact.manifest.summary.get("device");
        summary.and_then(Value::as_str)
    });
    match own.unwrap_or(&trail.run.device).starts_with("CPU") {
        true => DeviceChoice::Cpu,
        false => DeviceChoice::Auto,
    }
}

fn difference(published: &RgbImage, made: &RgbImage) -> String {
    if published.dimensions() != made.dimensions() {
        let ((w, h), (v, u)) = (published.dimensions(), made.dimensions());
        return format!("{v}×{u} pixels instead of {w}×{h}");
    }
    let pairs = published.pixels().zip(made.pixels());
    let other = pairs.filter(|(a, b)| a != b).count();
    let channels = published.as_raw().iter().zip(made.as_raw());
    let most = channels.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    let all = published.width() * published.height();
    format!("{other} of {all} pixels differ, by at most {most} of 255")
}

/// Width and height of each picture of the sheet in pixels.
const CELL: u32 = 160;

/// Draws the picture after each step, then the published one; the next row shows those made again.
///
/// # Errors
/// If a picture cannot be read, or the sheet cannot be written.
pub(super) fn draw(
    trail: &Trail,
    made: Option<&RerenderCheck>,
    published: RgbImage,
    out: &Path,
) -> Result<()> {
    let befores = std::iter::once(None).chain(trail.steps.iter().map(Some));
    let mut rows: Vec<Vec<RgbImage>> = vec![Vec::new()];
    for (step, before) in trail.steps.iter().zip(befores) {
        if step.changes(before) {
            rows[0].push(step.sample.pixels()?);
        }
    }
    rows[0].push(published);
    if let Some(made) = made.filter(|made| !made.steps.is_empty()) {
        let ran = made.steps.iter().filter(|step| step.ran);
        let mut row: Vec<RgbImage> = ran.map(|s| s.sample.pixels()).collect::<Result<_>>()?;
        row.extend(row.last().cloned());
        rows.push(row);
    }
    let width = rows[0].len() as u32;
    let sheet = picture::contact_sheet(&rows.concat(), width, CELL);
    std::fs::write(out, picture::encode_png(&sheet)?).map_err(|e| Error::io(out, e))
}
