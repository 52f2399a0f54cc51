//! What a training of a generator found: how well what it draws is told from what it learned from, whether it repeats
//! that, and whether it learned by heart.

use serde_json::Value;

use crate::stage::finding::{Finding, Level, percent};

/// What the summary's figures come to; nothing where nothing was measured.
pub(super) fn findings(summary: &Value) -> Vec<Finding> {
    let told = summary["figures"]["renders"]["two_sample"]["accuracy"].as_f64();
    let repeated = summary["repeated"]["share"].as_f64();
    let bits = ["known", "held_out"].map(|name| summary["bits"][name].as_f64());
    let [known, held_out] = bits;
    [
        told.map(drawn),
        covered(&summary["figures"]["fidelity"]),
        repeated.map(repeats),
        told_what(&summary["told"]),
        known
            .zip(held_out)
            .map(|(known, held_out)| coded(known, held_out)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How often drawn pictures are told from those that were learned from.
fn drawn(accuracy: f64) -> Finding {
    let text = format!(
        "a classifier tells generated pictures from those that were learned from in {:.0} % of cases; 50 % would be \
         guessing",
        100.0 * accuracy
    );
    let level = match accuracy {
        ..0.75 => Level::Good,
        ..0.95 => Level::Note,
        _ => Level::Warning,
    };
    let finding = Finding::new(
        level,
        "generator",
        format!("{:.0} %", 100.0 * accuracy),
        text,
    );
    match level {
        Level::Good => finding,
        _ => finding.with_advice("raise `steps`, or give more pictures to learn from"),
    }
}

/// How many drawn pictures could be of those that were learned from, and how many of these could be drawn.
fn covered(fidelity: &Value) -> Option<Finding> {
    let [precision, recall] = ["precision", "recall"].map(|name| fidelity[name].as_f64());
    let (precision, recall) = (precision?, recall?);
    let [could, reached] = [precision, recall].map(percent);
    let text = format!(
        "{could} of the generated pictures look like some that were learned from (precision), and {reached} of these \
         like some that are generated (recall)"
    );
    let finding = |level| Finding::new(level, "variety", format!("{could}, {reached}"), text);
    Some(match precision.min(recall) {
        0.5.. => finding(Level::Good),
        0.2.. => finding(Level::Note),
        _ if recall < precision => finding(Level::Warning).with_advice(
            "it draws few of the looks that it learned from: raise `steps` or the channels of its model",
        ),
        _ => finding(Level::Warning).with_advice("raise `steps`, or give more pictures to learn from"),
    })
}

/// How many drawn pictures are nearer to one that was learned from than others are.
fn repeats(share: f64) -> Finding {
    let text = format!(
        "{:.0} % of the generated pictures are nearer to one that was learned from than nine in ten held-out pictures \
         are; 10 % would be usual",
        100.0 * share
    );
    let finding =
        |level| Finding::new(level, "repetition", format!("{:.0} %", 100.0 * share), text);
    match share {
        ..0.3 => finding(Level::Good),
        ..0.6 => finding(Level::Note),
        _ => finding(Level::Warning).with_advice(
            "look at the nearest pictures in the report: lower `steps`, or give more pictures",
        ),
    }
}

/// How many pictures show what their captions say.
fn told_what(told: &Value) -> Option<Finding> {
    let of = |kind: &str| {
        let [right, chance] = ["right", "by_chance"].map(|name| told[kind][name].as_f64());
        right.zip(chance)
    };
    let (right, chance) = of("known")?;
    let unseen = of("unseen").map_or(String::new(), |(right, chance)| {
        format!(
            "; in combinations that were not learned from {:.0} %, by chance {:.0} %",
            100.0 * right,
            100.0 * chance
        )
    });
    let text = format!(
        "{:.0} % of the pictures have the brightness and the colour that their captions say, by chance {:.0} %{unseen}",
        100.0 * right,
        100.0 * chance
    );
    let level = match right > 2.0 * chance {
        true => Level::Good,
        false => Level::Warning,
    };
    Some(Finding::new(
        level,
        "captions",
        format!("{:.0} %", 100.0 * right),
        text,
    ))
}

/// Bits a value of pictures that were learned from and of others.
fn coded(known: f64, held_out: f64) -> Finding {
    let text = format!(
        "coding a value takes {held_out:.2} bits in pictures that were held out, and {known:.2} in those that were \
         learned from"
    );
    let finding = |level| Finding::new(level, "likelihood", format!("{held_out:.2} bits"), text);
    match held_out - known {
        ..0.3 => finding(Level::Good),
        _ => finding(Level::Warning)
            .with_advice("it learns the pictures by heart: lower `steps`, or give more pictures"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_measured_is_judged() {
        let levels = |told: f64, share: f64, gap: f64| {
            let summary = json!({
                "figures": {
                    "renders": { "two_sample": { "accuracy": told } },
                    "fidelity": { "precision": 1.0 - share, "recall": 1.1 - told },
                },
                "repeated": { "share": share },
                "bits": { "known": 3.0, "held_out": 3.0 + gap },
            });
            let found = findings(&summary);
            found
                .iter()
                .map(|finding| finding.level)
                .collect::<Vec<_>>()
        };
        assert_eq!(levels(0.6, 0.1, 0.1), [Level::Good; 4]);
        assert_eq!(levels(0.99, 0.8, 0.9), [Level::Warning; 4]);
        assert!(findings(&json!({})).is_empty());
    }
}
