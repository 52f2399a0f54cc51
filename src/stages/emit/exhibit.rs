//! What an emitted dataset shows: how many pictures it has.

use crate::Result;
use crate::stage::exhibit::{Content, Evidence, Exhibit, Figure, Place, Value};

/// The count of the dataset's pictures.
///
/// # Errors
/// None.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
    let images = Figure {
        headline: Some("labelled pictures"),
        ..Figure::new(
            "images",
            Value::Count(evidence.artifact.manifest.count),
            "labelled pictures in the dataset",
        )
    };
    let figures = Content::Figures {
        figures: vec![images],
        chance: None,
    };
    Ok(vec![Exhibit::new((Place::Head, ""), "", figures)])
}
