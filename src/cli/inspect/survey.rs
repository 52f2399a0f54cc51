//! Counts and ranges of what samples hold, and some of their pictures.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::sheet::{CELLS, Sheet};
use crate::Result;
use crate::artifact::parts;
use crate::cli::dataset::Dataset;
use crate::cli::{columns, print_line};
use crate::formats::Picture;
use crate::sample::{Labels, Sample};

/// Statistics of all samples.
pub(super) struct Survey {
    count: u64,
    /// Counts by what is counted: `size`, `class`, `split`, `domain`, …
    tallies: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// Ranges of the numbers measured for each object or sample, by name.
    ranges: BTreeMap<&'static str, Range>,
    pub sheet: Sheet,
}

#[derive(Clone, Copy)]
struct Range {
    min: f64,
    max: f64,
    sum: f64,
    count: u64,
}

impl Survey {
    /// One of nothing yet, with pictures of `tile` pixels on its sheet.
    pub(super) fn new(tile: u32) -> Self {
        Survey {
            count: 0,
            tallies: BTreeMap::new(),
            ranges: BTreeMap::new(),
            sheet: Sheet::new(tile),
        }
    }

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
    pub(super) fn parts(&mut self, paths: &[PathBuf], expected: u64) -> Result<()> {
        let every = (expected / CELLS as u64).max(1);
        for path in paths {
            for sample in parts::read_part(path)? {
                if self.count.is_multiple_of(every) && self.sheet.has_room() {
                    self.sheet.add(
                        &sample.pixels()?,
                        sample.labels.class.clone(),
                        boxes(&sample.labels),
                    );
                }
                self.sample(&sample);
            }
        }
        Ok(())
    }

    /// Adds the pictures that a format has read.
    pub(super) fn pictures(&mut self, pictures: &[Picture]) -> Result<()> {
        let every = (pictures.len() as u64 / CELLS as u64).max(1);
        for found in pictures {
            if self.count.is_multiple_of(every) && self.sheet.has_room() {
                let pixels = found.pixels()?;
                self.sheet
                    .add(&pixels, found.labels.class.clone(), boxes(&found.labels));
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

    pub(super) fn dataset(&mut self, dataset: &Dataset) -> Result<()> {
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
            if row % every == 0 && self.sheet.has_room() {
                self.sheet
                    .add(&dataset.pixels(row)?, dataset.text("class", row), boxes);
            }
        }
        Ok(())
    }

    pub(super) fn print(&self) {
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
