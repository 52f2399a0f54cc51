//! `verismo inspect`: counts, classes, label statistics, and a contact sheet with boxes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use image::{Rgb, RgbImage};

use super::dataset::Dataset;
use super::{columns, print_line, unreadable};
use crate::artifact::{Artifact, DATASET_TABLE, MANIFEST, parts};
use crate::formats::{self, Picture};
use crate::sample::{Labels, Sample, image as picture};
use crate::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  verismo inspect outputs/datasets/dice/latest
  verismo inspect outputs/cache/render-0123456789abcdef
  verismo inspect outputs/cache/render-0123456789abcdef/part-00000.parquet --sheet renders.png
  verismo inspect outputs/cache/gate-0123456789abcdef/rejected-00000.parquet
  verismo inspect coco/annotations/instances_train.json";

/// Arguments of `inspect`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Inspect {
    /// An artifact's folder, a part file, or a dataset in a format of `verismo list formats`.
    path: PathBuf,

    /// Where to write the contact sheet [default: `NAME-sheet.png` in the current folder].
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
}

/// Number of pictures on a contact sheet.
const CELLS: usize = 64;
const COLUMNS: u32 = 8;
/// Width and height of each picture in pixels.
pub(super) const CELL: u32 = 112;

impl Inspect {
    pub(super) fn execute(self) -> Result<()> {
        let mut survey = Survey::default();
        if self.path.join(MANIFEST).exists() {
            let artifact = Artifact::open(&self.path)?;
            describe(&artifact);
            if self.path.join(DATASET_TABLE).exists() {
                survey.dataset(&Dataset::open(&self.path)?)?;
            } else {
                survey.parts(
                    &artifact.parts().collect::<Vec<_>>(),
                    artifact.manifest.count,
                )?;
            }
        } else if self.path.join(DATASET_TABLE).exists() {
            survey.dataset(&Dataset::open(&self.path)?)?;
        } else if self.path.extension().is_some_and(|e| e == "parquet") {
            survey.parts(std::slice::from_ref(&self.path), 256)?;
        } else if self.path.exists() {
            let format = formats::detect(&self.path)?;
            print_line(format!("{}: {}\n", format.name, format.about));
            survey.pictures(&format.pictures(&self.path)?)?;
        } else {
            return Err(unreadable(&self.path, "does not exist"));
        }
        survey.print();
        if !survey.cells.is_empty() {
            let path = self.sheet.unwrap_or_else(|| sheet_name(&self.path));
            let sheet = picture::contact_sheet(&survey.cells, COLUMNS, CELL);
            let png = picture::encode_png(&sheet)?;
            std::fs::write(&path, png).map_err(|e| Error::io(&path, e))?;
            print_line(format!("\ncontact sheet: {}", path.display()));
        }
        Ok(())
    }
}

/// `dice-0123abcd-sheet.png` for `outputs/datasets/dice/0123abcd`.
fn sheet_name(path: &Path) -> PathBuf {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let stem = real.file_stem().unwrap_or_default().to_string_lossy();
    let parent = real.parent().and_then(Path::file_name).unwrap_or_default();
    let parent = parent.to_string_lossy();
    PathBuf::from(format!("{parent}-{stem}-sheet.png"))
}

fn describe(artifact: &Artifact) {
    let m = &artifact.manifest;
    print_line(format!(
        "{} ({}), {:?}, key {}\n{} files, made in {}\nconfig {}\nsummary {}\n",
        m.id,
        m.stage,
        m.kind,
        &m.key[..m.key.len().min(16)],
        m.files.len(),
        super::duration(m.cost.seconds),
        m.config,
        m.summary
    ));
}

/// Statistics of all samples.
#[derive(Default)]
struct Survey {
    count: u64,
    /// Counts by what is counted: `size`, `class`, `split`, `domain`, …
    tallies: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// Ranges of the numbers measured for each object or sample, by name.
    ranges: BTreeMap<&'static str, Range>,
    cells: Vec<RgbImage>,
}

#[derive(Clone, Copy)]
struct Range {
    min: f64,
    max: f64,
    sum: f64,
    count: u64,
}

impl Survey {
    fn tally(&mut self, what: &'static str, value: impl Into<String>) {
        let tally = self.tallies.entry(what).or_default();
        *tally.entry(value.into()).or_default() += 1;
    }

    fn measure(&mut self, what: &'static str, value: f64) {
        let empty = Range {
            min: value,
            max: value,
            sum: 0.0,
            count: 0,
        };
        let range = self.ranges.entry(what).or_insert(empty);
        range.min = range.min.min(value);
        range.max = range.max.max(value);
        range.sum += value;
        range.count += 1;
    }

    /// Adds the samples of parts; `expected` is their approximate number.
    fn parts(&mut self, paths: &[PathBuf], expected: u64) -> Result<()> {
        let every = (expected / CELLS as u64).max(1);
        for path in paths {
            for sample in parts::read_part(path)? {
                if self.count.is_multiple_of(every) && self.cells.len() < CELLS {
                    self.cells
                        .push(cell(&sample.pixels()?, &boxes(&sample.labels)));
                }
                self.sample(&sample);
            }
        }
        Ok(())
    }

    /// Adds the pictures that a format has read.
    fn pictures(&mut self, pictures: &[Picture]) -> Result<()> {
        let every = (pictures.len() as u64 / CELLS as u64).max(1);
        for found in pictures {
            if self.count.is_multiple_of(every) && self.cells.len() < CELLS {
                self.cells
                    .push(cell(&found.pixels()?, &boxes(&found.labels)));
            }
            self.count += 1;
            if let Some(extent) = found.extent {
                self.tally("size", extent.to_string());
            }
            if let Some(split) = &found.split {
                self.tally("split", split);
            }
            self.labels(&found.labels);
        }
        Ok(())
    }

    fn sample(&mut self, sample: &Sample) {
        self.count += 1;
        self.tally("size", sample.extent.to_string());
        self.tally("domain", sample.provenance.domain.name());
        if let Some(split) = &sample.provenance.split {
            self.tally("split", split);
        }
        if let Some(note) = &sample.provenance.gate {
            self.gate(note);
        }
        self.labels(&sample.labels);
    }

    fn labels(&mut self, labels: &Labels) {
        self.tally("class", labels.class.as_deref().unwrap_or("(none)"));
        let has = [
            ("maps", labels.maps.iter().next().is_some()),
            ("camera", labels.camera.is_some()),
            ("objects", !labels.objects().is_empty()),
            ("unknown objects", labels.objects.is_none()),
        ];
        for (what, _) in has.into_iter().filter(|(_, present)| *present) {
            self.tally("samples with", what);
        }
        if let Some(objects) = &labels.objects {
            self.measure("objects per sample", objects.len() as f64);
        }
        for object in labels.objects() {
            self.tally("class of objects", &object.class);
            self.boxed(object.bbox_xywh);
            self.measure("visible fraction", object.visible_fraction.into());
            self.measure("keypoints", object.keypoints.len() as f64);
            if let Some(mask) = &object.mask {
                self.measure("mask area, pixels", mask.area().into());
            }
            if object.pose.is_some() {
                self.tally("objects with", "pose");
            }
        }
    }

    /// Counts the reasons why the gate rejected a sample; only parts of rejected samples have them.
    fn gate(&mut self, note: &str) {
        let note: serde_json::Value = serde_json::from_str(note).unwrap_or_default();
        for reason in note["reasons"].as_array().into_iter().flatten() {
            self.tally("rejected for", reason.as_str().unwrap_or_default());
        }
    }

    fn boxed(&mut self, [_, _, width, height]: [f32; 4]) {
        self.measure("box width, pixels", width.into());
        self.measure("box height, pixels", height.into());
    }

    fn dataset(&mut self, dataset: &Dataset) -> Result<()> {
        let every = (dataset.len() / CELLS).max(1);
        for row in 0..dataset.len() {
            self.count += 1;
            for what in ["class", "split", "domain", "source"] {
                if let Some(value) = dataset.text(what, row) {
                    self.tally(what, value);
                }
            }
            let boxes = dataset.boxes(row);
            self.measure("objects per sample", boxes.len() as f64);
            boxes.iter().for_each(|(_, bbox)| self.boxed(*bbox));
            if row % every == 0 && self.cells.len() < CELLS {
                self.cells.push(cell(&dataset.pixels(row)?, &boxes));
            }
        }
        Ok(())
    }

    fn print(&self) {
        print_line(format!("{} samples", self.count));
        for (what, tally) in &self.tallies {
            const SHOWN: usize = 50;
            print_line(format!("\n{what}:"));
            let row = |(value, n): (&String, &u64)| vec![value.clone(), n.to_string()];
            let rows: Vec<Vec<String>> = tally.iter().take(SHOWN).map(row).collect();
            print_line(columns(&rows));
            if tally.len() > SHOWN {
                print_line(format!("  and {} more", tally.len() - SHOWN));
            }
        }
        if self.ranges.is_empty() {
            return;
        }
        let mut rows = vec![
            ["", "smallest", "mean", "largest"]
                .map(String::from)
                .to_vec(),
        ];
        for (what, range) in &self.ranges {
            let mean = range.sum / range.count as f64;
            let numbers = [range.min, mean, range.max].map(|v| format!("{v:.2}"));
            rows.push([vec![what.to_string()], numbers.to_vec()].concat());
        }
        print_line(format!("\nlabels:\n{}", columns(&rows)));
    }
}

/// The boxes of the known objects with their classes.
fn boxes(labels: &Labels) -> Vec<(String, [f32; 4])> {
    let objects = labels.objects().iter();
    objects.map(|o| (o.class.clone(), o.bbox_xywh)).collect()
}

/// A picture for the contact sheet, with its boxes drawn.
pub(super) fn cell(pixels: &RgbImage, boxes: &[(String, [f32; 4])]) -> RgbImage {
    let (width, height) = pixels.dimensions();
    let scale = CELL as f32 / width.max(height) as f32;
    let scaled = |side: u32| ((side as f32 * scale).round() as u32).max(1);
    let mut cell = picture::resize(pixels, scaled(width), scaled(height));
    for (class, [x, y, w, h]) in boxes {
        let corners = [*x, *y, x + w, y + h].map(|edge| edge * scale);
        draw_box(&mut cell, corners, colour(class));
    }
    cell
}

/// The outline of a box: left, top, right, bottom in pixels.
fn draw_box(image: &mut RgbImage, [left, top, right, bottom]: [f32; 4], colour: Rgb<u8>) {
    let (width, height) = image.dimensions();
    let inside = |v: f32, size: u32| v.round().clamp(0.0, (size - 1) as f32) as u32;
    let (left, right) = (inside(left, width), inside(right - 1.0, width));
    let (top, bottom) = (inside(top, height), inside(bottom - 1.0, height));
    for x in left..=right {
        image.put_pixel(x, top, colour);
        image.put_pixel(x, bottom, colour);
    }
    for y in top..=bottom {
        image.put_pixel(left, y, colour);
        image.put_pixel(right, y, colour);
    }
}

/// A bright colour that is always the same for the same class.
fn colour(class: &str) -> Rgb<u8> {
    const BRIGHT: [[u8; 3]; 8] = [
        [255, 64, 64],
        [64, 255, 64],
        [80, 140, 255],
        [255, 220, 0],
        [255, 64, 255],
        [0, 255, 255],
        [255, 150, 40],
        [180, 255, 120],
    ];
    let hash = blake3::hash(class.as_bytes());
    Rgb(BRIGHT[usize::from(hash.as_bytes()[0]) % BRIGHT.len()])
}
