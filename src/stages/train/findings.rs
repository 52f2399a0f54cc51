//! What a training found: how near its translations came to the photos while it was watched.

use serde_json::Value;

use crate::stage::finding::{self, Finding};

/// What the summary's figures come to; nothing where the distance was not measured. A gate measures it again, on all
/// translations and photos.
pub(super) fn findings(summary: &Value) -> Vec<Finding> {
    let share = summary["ruler"]["closed"]["share"].as_f64();
    let advice = "raise `steps`, lower the weights `identity` and `cycle` of the model if the pictures hardly change, \
                  or bring the renders nearer first with `verismo fit`";
    let share = share.filter(|share| share.is_finite());
    let found = share
        .map(|share| finding::closed(share, ", on the pictures watched during training", advice));
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stage::finding::Level;

    #[test]
    fn little_of_the_distance_closed_is_a_warning_with_settings_to_change() {
        let found = findings(&json!({ "ruler": { "closed": { "share": 0.1 } } })).remove(0);
        assert_eq!(
            (found.level, found.number.as_str()),
            (Level::Warning, "10 %")
        );
        assert!(found.advice.contains("`steps`"), "{}", found.advice);
        assert!(findings(&json!({ "ruler": null })).is_empty());
        assert!(findings(&json!({ "ruler": { "closed": null } })).is_empty());
    }
}
