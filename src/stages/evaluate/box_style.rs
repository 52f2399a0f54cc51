//! How people drew the boxes of test photos, where these are not the tightest around what is seen.
//!
//! Exact labels have the tightest boxes. Many datasets have others: squares, a margin, one size for all. A detector
//! that finds a die to the pixel overlaps a square half again as wide by 44 %, and mean average precision counts it as
//! wrong. How boxes were drawn is a convention that labellers are told, and no label of a photo.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sample::Extent;
use crate::tasks::detection::boxes::clipped;

/// How boxes are drawn around objects.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BoxStyle {
    /// Boxes are squares as wide as the object's longer side.
    pub square: bool,
    /// Added on each side, as a fraction of the box's longer side.
    pub margin: f32,
}

impl BoxStyle {
    /// # Errors
    /// The problem as text.
    pub(super) fn check(self) -> Result<(), String> {
        match (0.0..=2.0).contains(&self.margin) {
            true => Ok(()),
            false => Err("`margin` must be between 0 and 2".into()),
        }
    }

    /// What the report says of it, after a sentence.
    pub(super) fn told(self) -> String {
        let form = if self.square {
            "squares"
        } else {
            "tight boxes"
        };
        format!(
            " Boxes in the test photos are drawn as {form} with a margin of {:.1} % of the longer side (`test_boxes`); \
             boxes that were found are redrawn in the same way before they are compared, except those of target_only.",
            100.0 * self.margin
        )
    }

    /// The tightest box x, y, width, height in pixels, drawn like this, up to the edges of the picture.
    pub(super) fn draw(self, [x, y, width, height]: [f32; 4], picture: Extent) -> [f32; 4] {
        let longer = width.max(height);
        let [wide, high] = [width, height].map(|side| {
            let side = if self.square { longer } else { side };
            side + 2.0 * self.margin * longer
        });
        let middle = [x + width / 2.0, y + height / 2.0];
        let drawn = [middle[0] - wide / 2.0, middle[1] - high / 2.0, wide, high];
        clipped(
            drawn,
            [picture.width, picture.height].map(|side| side as f32),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_become_squares_with_a_margin_and_end_at_the_edge() {
        let picture = Extent::new(100, 50);
        let drawn = |square, margin, bbox| BoxStyle { square, margin }.draw(bbox, picture);
        let bbox = [20.0, 20.0, 20.0, 10.0];
        assert_eq!(drawn(false, 0.0, bbox), bbox);
        assert_eq!(drawn(true, 0.0, bbox), [20.0, 15.0, 20.0, 20.0]);
        assert_eq!(drawn(false, 0.1, bbox), [18.0, 18.0, 24.0, 14.0]);
        assert_eq!(drawn(true, 0.25, bbox), [15.0, 10.0, 30.0, 30.0]);
        assert_eq!(drawn(true, 1.0, [90.0, 0.0, 10.0, 10.0])[..2], [80.0, 0.0]);
        let told = BoxStyle {
            square: true,
            margin: 0.075,
        }
        .told();
        assert!(told.contains("squares with a margin of 7.5 %"), "{told}");
        let wrong = |margin| {
            BoxStyle {
                square: true,
                margin,
            }
            .check()
            .is_err()
        };
        assert!(wrong(-0.1) && wrong(f32::NAN) && wrong(2.5) && !wrong(0.0));
    }
}
