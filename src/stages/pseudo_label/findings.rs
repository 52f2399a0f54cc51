//! What pseudo labels came to: the share of the photos that joined.

use serde_json::Value;

use crate::stage::finding::{Finding, Level, percent};

/// Fewer photos than this share are hardly worth their training; more than the other are many.
const FEW: f64 = 0.1;
const MANY: f64 = 0.5;

/// What the summary's figures come to; nothing if there were no photos.
pub(super) fn findings(summary: &Value) -> Vec<Finding> {
    let number = |key: &str| summary[key].as_f64().filter(|value| value.is_finite());
    let Some((photos, joined)) = number("photos").zip(number("joined")) else {
        return Vec::new();
    };
    if photos < 1.0 {
        return Vec::new();
    }
    let share = joined / photos;
    let sure = match number("mean_confidence").filter(|_| joined > 0.0) {
        Some(confidence) => format!(", with a mean confidence of {}", percent(confidence)),
        None => String::new(),
    };
    let text = format!("{joined:.0} of {photos:.0} photos joined with a pseudo label{sure}");
    let finding = |level| Finding::new(level, "pseudo labels", percent(share), text);
    vec![match share {
        few if few < FEW => finding(Level::Warning).with_advice(
            "bring the renders nearer to the photos (`verismo fit`), raise `steps` of `pseudo_label`, or \
             lower its `confidence`",
        ),
        some if some < MANY => finding(Level::Note),
        _ => finding(Level::Good),
    }]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn many_photos_are_good_and_few_are_not() {
        let level = |joined: u64| {
            let summary = json!({ "photos": 200, "joined": joined, "mean_confidence": 0.9 });
            let found = findings(&summary);
            assert_eq!(found.len(), 1);
            (found[0].level, found[0].advice.is_empty())
        };
        assert_eq!(level(180), (Level::Good, true));
        assert_eq!(level(60), (Level::Note, true));
        assert_eq!(level(0), (Level::Warning, false));
    }

    #[test]
    fn the_sentence_has_the_numbers() {
        let summary = json!({ "photos": 1487, "joined": 1339, "mean_confidence": 0.94 });
        let found = findings(&summary).remove(0);
        assert_eq!(found.number, "90 %");
        assert_eq!(
            found.text,
            "1339 of 1487 photos joined with a pseudo label, with a mean confidence of 94 %"
        );
        assert!(findings(&json!({})).is_empty());
        assert!(findings(&json!({ "photos": 0, "joined": 0 })).is_empty());
    }
}
