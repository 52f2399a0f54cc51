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
    let mut figures = vec![images];
    let left_out = &evidence.artifact.manifest.summary["left_out"];
    let counts = left_out.as_object().into_iter().flatten();
    let left_out: u64 = counts.filter_map(|(_, count)| count.as_u64()).sum();
    if left_out > 0 {
        let about = "objects without a label, since they are too small or too hidden";
        figures.push(Figure::new("left_out", Value::Count(left_out), about));
    }
    let figures = Content::Figures {
        figures,
        chance: None,
    };
    Ok(vec![Exhibit::new((Place::Head, ""), "", figures)])
}
