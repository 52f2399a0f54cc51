//! The image made again beside what was published.

use std::path::Path;

use image::RgbImage;
use serde_json::{Value, json};

use super::super::columns;
use crate::artifact::hash_file;
use crate::pipeline::provenance::Trail;
use crate::pipeline::rerender::{Rerendered, rerender};
use crate::sample::image as picture;
use crate::stage::DeviceChoice;
use crate::{Error, Result};

/// What came of making an image again.
pub struct Comparison {
    steps: Vec<Rerendered>,
    /// What there is not, so that it could not be made.
    missing: Vec<String>,
    /// Whether it has the published bytes.
    matches: bool,
    /// How the pictures differ, in words.
    difference: String,
}

impl Comparison {
    /// Makes the image at the end of `trail` again, which was published as `file`; `hash` is its
    /// blake3 in the dataset's manifest.
    ///
    /// # Errors
    /// If a stage fails; what is missing is no error but part of the comparison.
    pub fn make(
        trail: &Trail,
        outputs: &Path,
        file: &Path,
        hash: &str,
        device: Option<DeviceChoice>,
    ) -> Result<Self> {
        let device = device.unwrap_or_else(|| recorded_device(trail));
        let (steps, mut missing) = match rerender(trail, outputs, device)? {
            Ok(steps) => (steps, Vec::new()),
            Err(missing) => (Vec::new(), missing),
        };
        if hash_file(file).is_ok_and(|now| now != hash) {
            missing.push(format!("{} is not as it was published", file.display()));
        } else if !file.exists() {
            missing.push(format!("{} is gone", file.display()));
        }
        let last = steps.last().map(|step| &step.sample);
        let matches = missing.is_empty()
            && last.is_some_and(|s| blake3::hash(&s.image).to_hex().as_str() == hash);
        let difference = match last.filter(|_| missing.is_empty() && !matches) {
            Some(sample) => difference(&picture::read_rgb(file)?, &sample.pixels()?),
            None => String::new(),
        };
        Ok(Comparison {
            matches,
            steps,
            missing,
            difference,
        })
    }

    /// # Errors
    /// If the image is another one, or could not be made.
    pub fn verdict(&self, file: &str) -> Result<()> {
        if self.matches {
            return Ok(());
        }
        if !self.missing.is_empty() {
            return Err(Error::failed(
                file,
                format!("cannot be made again:\n    {}", self.missing.join("\n    ")),
                "bring back what is missing, or run the pipeline again",
            ));
        }
        let first = self.steps.iter().find(|step| !step.same);
        Err(Error::failed(
            file,
            format!(
                "made again, it is another picture from `{}` on: {}",
                first.map_or("emit", |step| &step.stage),
                self.difference
            ),
            "networks give the same bytes on the same kind of device only; see --device",
        ))
    }

    pub fn in_words(&self) -> String {
        let said = |step: &Rerendered| {
            let word = match (step.ran, step.same) {
                (false, _) => "handed on",
                (true, true) => "the same bytes",
                (true, false) => "another picture",
            };
            vec![step.stage.clone(), step.sample.id.clone(), word.to_owned()]
        };
        let rows: Vec<Vec<String>> = self.steps.iter().map(said).collect();
        let end = match self.matches {
            true => "\n  the published image, byte for byte",
            false => "",
        };
        format!("\nmade again:\n{}{end}", columns(&rows))
    }

    pub fn as_json(&self) -> Value {
        let step = |step: &Rerendered| json!({ "stage": step.stage, "sample": step.sample.id, "ran": step.ran, "same": step.same });
        json!({
            "matches": self.matches,
            "missing": self.missing,
            "difference": self.difference,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

/// The CPU if the networks ran there, else what there is.
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

/// Writes the pictures that the steps left, then the published one; below them those made again.
///
/// # Errors
/// If a picture cannot be read, or the sheet not be written.
pub fn draw(trail: &Trail, made: Option<&Comparison>, published: &Path, out: &Path) -> Result<()> {
    let befores = std::iter::once(None).chain(trail.steps.iter().map(Some));
    let mut rows: Vec<Vec<RgbImage>> = vec![Vec::new()];
    for (step, before) in trail.steps.iter().zip(befores) {
        if step.changes(before) {
            rows[0].push(step.sample.pixels()?);
        }
    }
    rows[0].push(picture::read_rgb(published)?);
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
