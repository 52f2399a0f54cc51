//! Labels against each other, before they are published: a box must be that of its mask, and keypoints should be
//! where pose and camera put them.
//!
//! The models are not at hand here. `render` has compared the labels with them; what happened to the labels since is
//! what is looked for. Where a keypoint is on its model, all pictures together say, so that one which lies elsewhere
//! may be right, on a rare model of the class: it is a warning, while a wrong box is a fault and fails the run.

use crate::formats::verify::Places;
use crate::sample::Sample;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// What was compared.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// Objects whose box is that of their mask.
    boxes: u64,
    /// Objects whose keypoints were compared with their pose.
    posed: u64,
    /// Of these, those with keypoints elsewhere, and the first sample that shows one.
    odd: (u64, Option<String>),
    /// Objects that have keypoints and no pose or camera, such as mirrored ones.
    no_pose: u64,
}

impl Proof {
    /// Compares the labels of a sample.
    ///
    /// # Errors
    /// If a box is not that of its mask; the message names the sample and its model.
    pub(super) fn add(
        &mut self,
        context: &Context,
        sample: &Sample,
        places: &Places,
    ) -> Result<()> {
        for (number, object) in sample.labels.objects().iter().enumerate() {
            if let Some(mask) = &object.mask {
                let tight = mask.bbox_xywh(sample.extent.height);
                if tight != Some(object.bbox_xywh) {
                    return Err(wrong_box(context, sample, number, tight));
                }
                self.boxes += 1;
            }
            match places.is_off(object, sample.labels.camera) {
                Some(is_off) => {
                    self.posed += 1;
                    if is_off {
                        self.odd.0 += 1;
                        self.odd.1.get_or_insert_with(|| sample.id.clone());
                    }
                }
                None => self.no_pose += u64::from(!object.keypoints.is_empty()),
            }
        }
        Ok(())
    }

    /// Warns of keypoints that lie elsewhere.
    pub(super) fn warn(&self, context: &Context) {
        if let (odd, Some(first)) = &self.odd {
            let text = format!(
                "{odd} of {} objects have keypoints elsewhere than their poses say, first in {first}; look at them \
                 with `verismo verify`",
                self.posed
            );
            context.emit(Event::Warning { text });
        }
    }

    /// For the summary.
    pub(super) fn summary(&self) -> serde_json::Value {
        serde_json::json!({
            "boxes": self.boxes,
            "posed": self.posed,
            "odd": self.odd.0,
            "no_pose": self.no_pose,
        })
    }

    /// A sentence for the data card; empty if there was nothing to compare.
    pub(super) fn tell(&self) -> String {
        let mut text = String::new();
        if self.boxes > 0 {
            text += &format!("{} boxes were compared with their masks", self.boxes);
            if self.posed > 0 {
                let (posed, odd) = (self.posed, self.odd.0);
                text += &format!(
                    ", and the keypoints of {posed} objects with their poses, of which {odd} do not agree"
                );
            }
            text += ". ";
        }
        if self.no_pose > 0 {
            text += &format!(
                "{} objects have keypoints and no pose to compare them with, as mirrored ones do. ",
                self.no_pose
            );
        }
        text
    }
}

fn wrong_box(context: &Context, sample: &Sample, number: usize, tight: Option<[f32; 4]>) -> Error {
    let object = &sample.labels.objects()[number];
    Error::failed(
        format!("{}: {}", context.id, sample.id),
        format!(
            "object {number} (`{}`, made from {}) has the box {:?}, and its mask {tight:?}",
            object.class, sample.provenance.source, object.bbox_xywh
        ),
        "this is a fault of verismo or of the machine: remove the result that the sample comes from, run again, and \
         report it if it stays",
    )
}
