//! Labels of photos that the user asks for, by `labelled = "few"`: the classes beside the boxes of a CSV.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Ingest;
use super::boxes::{Area, Row};
use super::labelled::Pictures;
use crate::sample::{Extent, LABELLED, Labels, Object, crop};
use crate::stage::finding::{self, Finding, Level};

/// Whether the labels of photos are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Labelled {
    /// They are, and go with the photos.
    Few,
}

impl Ingest {
    /// Whether the samples get labels.
    pub(super) fn reads_labels(&self) -> bool {
        self.labelled.is_some() || self.format.is_some() && self.pictures == Pictures::Renders
    }

    /// What the provenance says of photos whose labels are read.
    pub(super) fn note(&self) -> Vec<String> {
        self.labelled.iter().map(|_| LABELLED.to_owned()).collect()
    }

    /// The same of a whole photo of this extent: also what it measured, if its sample does not.
    pub(super) fn note_of_frame(&self, photo: Extent) -> Vec<String> {
        let frame = crop::frame_note(photo, self.size_of_whole(photo));
        self.note().into_iter().chain(frame).collect()
    }

    /// # Errors
    /// If there are no labels of photos to read.
    pub(super) fn check_labelled(&self) -> Result<(), String> {
        if self.class_column.is_some() && (self.labelled.is_none() || self.boxes.is_none()) {
            return Err(
                "`class_column` is of use with `labelled` and `boxes` only; remove it".into(),
            );
        }
        if self.caption_column.is_some() && (self.labelled.is_none() || self.boxes.is_none()) {
            return Err(
                "`caption_column` is of use with `labelled` and `boxes` only; remove it".into(),
            );
        }
        if self.labelled.is_none() || self.boxes.is_some() {
            return Ok(());
        }
        match (self.format.is_some(), self.pictures) {
            (true, Pictures::Photos) => Ok(()),
            (true, Pictures::Renders) => Err(
                "`labelled` is for photos, and the labels of renders are always read; write \
                 `pictures = \"photos\"`, or remove `labelled`"
                    .into(),
            ),
            (false, _) => Err(
                "`labelled` needs labels: add `boxes`, a CSV with boxes and classes, or `format`, with \
                 `pictures = \"photos\"`"
                    .into(),
            ),
        }
    }

    /// Tells in the summary how many labels of real photos were read.
    pub(super) fn record_labels(&self, summary: &mut Value, crops: usize, photos: usize) {
        if self.labelled.is_none() {
            return;
        }
        let text =
            format!("{crops} samples have the labels that people gave to {photos} real photos");
        let finding = Finding::new(Level::Note, "real labels", crops.to_string(), text);
        finding::record(summary, &[finding]);
    }
}

/// What a CSV says of its photos, by file: the rows, and their objects in the same order.
#[derive(Default)]
pub(super) struct PhotoLabels(HashMap<String, (Vec<u64>, Labels)>);

impl PhotoLabels {
    /// From all rows, also those of which no crop is made: what they label may be in view of another.
    pub(super) fn of(rows: &[Row]) -> Self {
        let mut labels = PhotoLabels::default();
        for row in rows {
            let (Some(class), Area::Box([left, top, right, bottom])) = (&row.class, row.area)
            else {
                continue;
            };
            if right <= left || bottom <= top {
                continue;
            }
            let bbox = [left, top, right - left, bottom - top].map(|side| side as f32);
            let (numbers, labels) = labels.0.entry(row.file.clone()).or_default();
            numbers.push(row.number);
            labels
                .objects
                .get_or_insert_default()
                .push(Object::new(class, bbox));
        }
        labels
    }

    /// The labels of a whole photo, which may show nothing.
    pub(super) fn of_frame(&self, row: &Row) -> Labels {
        if row.class.is_some() {
            return Labels {
                class: row.class.clone(),
                ..Labels::default()
            };
        }
        let known = self.0.get(&row.file).map(|(_, labels)| labels.clone());
        known.unwrap_or_else(|| Labels {
            objects: Some(Vec::new()),
            ..Labels::default()
        })
    }

    /// The labels of a row's photo, and the place of its own object among them.
    pub(super) fn find(&self, row: &Row) -> Option<(&Labels, usize)> {
        let (numbers, labels) = self.0.get(&row.file)?;
        // Rows are numbered in their order.
        let place = numbers.binary_search(&row.number).ok()?;
        Some((labels, place))
    }
}
