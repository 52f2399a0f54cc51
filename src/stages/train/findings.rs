//! What a training found: how near its translations came to the photos while it was watched.

use serde_json::Value;

use crate::stage::finding::{self, Finding, Level};

/// What the summary's figures come to; nothing where nothing was measured. A gate measures the distance again, on all
/// translations and photos.
pub(super) fn findings(summary: &Value) -> Vec<Finding> {
    let fidelity = &summary["fidelity"];
    let [psnr, bicubic] = ["psnr", "psnr_bicubic"].map(|name| fidelity[name].as_f64());
    if let Some((psnr, bicubic)) = psnr.zip(bicubic) {
        return vec![enlarged(psnr, bicubic)];
    }
    let share = summary["ruler"]["closed"]["share"].as_f64();
    let advice = "raise `steps`, lower the weights `identity` and `cycle` of the model if the pictures hardly change, \
                  or bring the renders nearer first with `verismo fit`";
    let share = share.filter(|share| share.is_finite());
    let found = share
        .map(|share| finding::closed(share, ", on the pictures watched during training", advice));
    found.into_iter().collect()
}

/// How near a model that enlarges came to photos that were held out, beside bicubic enlargement; both in dB.
fn enlarged(psnr: f64, bicubic: f64) -> Finding {
    let gain = psnr - bicubic;
    let text = format!(
        "photos made smaller and enlarged again come to a PSNR of {psnr:.1} dB, and of {bicubic:.1} dB by bicubic \
         enlargement"
    );
    let finding = |level| Finding::new(level, "adapter", format!("{gain:+.1} dB"), text);
    match gain > 0.0 {
        true => finding(Level::Good),
        false => finding(Level::Warning).with_advice(
            "raise `steps` and `srgan.pretrain`, or lower `srgan.adversarial`, which trades PSNR for detail",
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn little_of_the_distance_closed_is_a_warning_with_settings_to_change() {
        let found = findings(&json!({ "ruler": { "closed": { "share": 0.1 } } })).remove(0);
        assert_eq!(
            (found.level, found.number.as_str()),
            (Level::Warning, "10 %")
        );
        assert!(found.advice.contains("`steps`"), "{}", found.advice);
        let fidelity = json!({ "fidelity": { "psnr": 31.0, "psnr_bicubic": 29.5 } });
        let found = findings(&fidelity).remove(0);
        assert_eq!(
            (found.level, found.number.as_str()),
            (Level::Good, "+1.5 dB")
        );
        assert!(findings(&json!({ "ruler": null })).is_empty());
        assert!(findings(&json!({ "ruler": { "closed": null } })).is_empty());
    }
}
