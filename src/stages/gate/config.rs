//! The stage as it is configured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of `gate`: the limit of each criterion, and how much may be lost.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// Least probability that the task network gives the labelled class, 0..1. Judged where it reads
    /// the render right. 0 switches it off.
    pub label: f64,
    /// Least overlap (intersection over union) of the mask that the task network sees with the
    /// label's, as a share of the overlap in the render, 0..1. 0 switches it off.
    pub mask: f64,
    /// Least correlation of the strength of edges in and around the mask, render against
    /// translation, −1..1. −1 switches it off.
    pub edges: f64,
    /// Least correlation of luminance, render against translation, −1..1; inverted colours are near
    /// −1. −1 switches it off.
    pub luminance: f64,
    /// Least spread of luminance as a share of the render's; blank pictures are near 0. 0 switches
    /// it off.
    pub contrast: f64,
    /// Largest share of pixels that are clipped (every channel at an end) beyond the render's share,
    /// 0..1. 1 switches it off.
    pub clipped: f64,
    /// Most grain, colour speckle or checkerboard that a translation adds to its render, where 1 is as
    /// much as `photo_quantile` of the photos have, or any camera. 0 switches it off.
    pub speckle: f64,
    /// Least share of the difference between two renders that is left between their translations,
    /// for the translation most alike, 0..1; outputs that collapsed are near 0. 0 switches it off.
    pub duplicate: f64,
    /// Largest distance from the photos, where 1 is the distance that `photo_quantile` of the photos
    /// have from each other. 0 switches it off.
    pub photo: f64,
    /// Share of the photos that count as near to the others, 0..1.
    pub photo_quantile: f64,
    /// Largest share of a class that may be rejected, 0..1; beyond it the run fails.
    pub max_lost: f64,
    /// Whether the objects of frames are judged one by one, each by `edges`, `luminance`, `contrast` and `clipped` in a
    /// cut around it, and what becomes of a frame with one that is spoiled: `"mend"` keeps it with the render's pixels
    /// there, `"drop"` rejects it. Without it, pictures are judged whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<Spoiled>,
    /// Whether to measure how far renders and translations are from the photos, for the report. It takes a minute
    /// or two and changes no verdict.
    pub ruler: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Gate {
            label: 0.05,
            mask: 0.6,
            edges: 0.5,
            luminance: 0.0,
            contrast: 0.2,
            clipped: 0.1,
            speckle: 1.5,
            duplicate: 0.2,
            photo: 2.0,
            photo_quantile: 0.99,
            max_lost: 0.5,
            objects: None,
            ruler: true,
        }
    }
}

/// What becomes of a frame with an object that the translation spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Spoiled {
    /// It is kept with the render's pixels where the object is.
    Mend,
    /// It is rejected.
    Drop,
}
