//! Labels that are too little to learn from: objects of a few pixels, or of which hardly anything is seen.

use super::Emit;
use crate::sample::{Object, Sample};

/// How many objects are left out, and why. One that is too small and too hidden counts as too small.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The shorter side of their box is below `min_box`.
    pub small: u64,
    /// Their visible fraction is below `min_visible`.
    pub hidden: u64,
}

impl LeftOut {
    /// Whether there are any.
    pub(super) fn any(self) -> bool {
        self.small + self.hidden > 0
    }

    /// For the summary; `None` if nothing was to be left out.
    pub(super) fn summary(self, config: &Emit) -> Option<serde_json::Value> {
        let wanted = config.min_box > 0.0 || config.min_visible > 0.0;
        wanted.then(|| serde_json::json!({ "min_box": self.small, "min_visible": self.hidden }))
    }
}

impl Emit {
    /// Takes out of the sample's labels what the settings leave out. The picture and its class stay.
    pub(super) fn leave_out(&self, sample: &mut Sample) -> LeftOut {
        let mut left_out = LeftOut::default();
        let is_small = |object: &Object| {
            let [_, _, width, height] = object.bbox_xywh;
            f64::from(width.min(height)) < self.min_box
        };
        if let Some(objects) = &mut sample.labels.objects {
            objects.retain(|object| {
                let small = is_small(object);
                let hidden = f64::from(object.visible_fraction) < self.min_visible;
                left_out.small += u64::from(small);
                left_out.hidden += u64::from(hidden && !small);
                !small && !hidden
            });
        }
        left_out
    }

    /// A sentence for the data card; empty if nothing is left out.
    pub(super) fn tell_left_out(&self, left_out: LeftOut) -> String {
        let mut text = String::new();
        if self.min_box > 0.0 {
            text += &format!(
                "Objects whose box is less than {} pixels wide or high are not labelled: {} were left out. ",
                self.min_box, left_out.small
            );
        }
        if self.min_visible > 0.0 {
            text += &format!(
                "Objects of which less than {} % is visible are not labelled: {} were left out. ",
                100.0 * self.min_visible,
                left_out.hidden
            );
        }
        text
    }
}
