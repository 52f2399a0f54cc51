//! Whether the recogniser gained: how much more it reads right when it is trained on the dataset instead of
//! plain renders, and whether that is more than chance.

use serde_json::Value;

use crate::stage::finding::{Finding, Level, percent};

/// A mean with what its error depends on.
struct Score {
    mean: f64,
    /// Deviation between seeds.
    deviation: f64,
    seeds: f64,
    /// What was tested: photos, or the objects in them.
    tested: f64,
}

impl Score {
    fn of(results: &Value) -> Option<Self> {
        let number = |key: &str| results[key].as_f64();
        Some(Score {
            mean: number("mean")?,
            deviation: number("std").unwrap_or(0.0),
            seeds: results["seeds"].as_array().map_or(1, Vec::len).max(1) as f64,
            tested: number("objects")
                .or(number("n_test"))
                .unwrap_or(1.0)
                .max(1.0),
        })
    }

    /// Variance of the mean: other seeds, and other test photos.
    fn variance(&self) -> f64 {
        let drawn = (self.mean * (1.0 - self.mean)).max(0.0) / self.tested;
        self.deviation.powi(2) / self.seeds + drawn
    }
}

/// What the figures of every task come to.
pub(super) fn findings(summary: &Value) -> Vec<Finding> {
    let tasks = summary.as_object().into_iter().flatten();
    let found = tasks.flat_map(|(_, task)| [finding(task), generated(task), linear(task)]);
    found.flatten().collect()
}

/// How well photos are read by what the discriminator of `init` sees alone.
fn linear(task: &Value) -> Option<Finding> {
    let shares = task["linear"].as_object()?;
    let read =
        |(name, share): (&String, &Value)| Some(format!("{} ({name})", percent(share.as_f64()?)));
    let all: Vec<String> = shares.iter().filter_map(read).collect();
    let text = format!(
        "linear support vector machines on what the discriminator of `init` sees read {} of the test photos right",
        all.join(", ")
    );
    Some(Finding::new(Level::Note, "features", all.join(", "), text))
}

/// What generated pictures are worth: alone, and beside plain renders.
fn generated(task: &Value) -> Option<Finding> {
    let alone = Score::of(&task["generated_only"])?;
    let reads = format!(
        "trained on generated pictures alone, a recogniser reads {} of the test photos right",
        percent(alone.mean)
    );
    let both = Score::of(&task["with_generated"]).zip(Score::of(&task["source_only"]));
    let Some((both, source)) = both else {
        let found = Finding::new(Level::Note, "generator", percent(alone.mean), reads);
        return Some(found);
    };
    let gain = both.mean - source.mean;
    let error = 2.0 * (both.variance() + source.variance()).sqrt();
    let text = format!(
        "{reads}; beside plain renders they change {} by {} ± {:.1} points",
        percent(source.mean),
        points(gain),
        100.0 * error
    );
    let level = match gain {
        gain if gain > error => Level::Good,
        gain if gain < -error => Level::Warning,
        _ => Level::Note,
    };
    let found = Finding::new(level, "generator", format!("{} points", points(gain)), text);
    Some(match level {
        Level::Warning => {
            found.with_advice("leave the generated pictures out, or train the generator longer")
        }
        _ => found,
    })
}

fn finding(task: &Value) -> Option<Finding> {
    let adapted = Score::of(&task["adapted"])?;
    let with = match task["adapted"]["real_labels"].as_u64() {
        None => String::new(),
        Some(count) => format!(" with {count} real labels"),
    };
    let mean = percent(adapted.mean);
    let reads = match task["adapted"]["map50"].as_f64() {
        None => format!(
            "trained on the dataset{with}, a recogniser reads {mean} of the test photos right"
        ),
        Some(map50) => format!(
            "trained on the dataset{with}, a detector reaches {mean} mAP50–95 on the test photos ({} mAP50)",
            percent(map50)
        ),
    };
    let Some(source) = Score::of(&task["source_only"]) else {
        let text = format!("{reads}; how many after plain renders was not measured");
        let found = Finding::new(Level::Note, "recogniser", percent(adapted.mean), text);
        return Some(found.with_advice("give `evaluate` the role `source`, to see what it gained"));
    };
    let gain = adapted.mean - source.mean;
    // Two deviations hold 95 of 100 repetitions.
    let error = 2.0 * (adapted.variance() + source.variance()).sqrt();
    let closed = task["gap_closed"]
        .as_f64()
        .filter(|share| share.is_finite());
    let closed = closed.map_or(String::new(), |share| {
        format!("; that closes {} of the gap to real labels", percent(share))
    });
    let text = format!(
        "{reads}, {} if trained on plain renders: {} ± {:.1} points{closed}",
        percent(source.mean),
        points(gain),
        100.0 * error,
    );
    let found = |level, text| {
        Finding::new(
            level,
            "recogniser",
            format!("{} points", points(gain)),
            text,
        )
    };
    Some(if gain > error {
        found(Level::Good, text)
    } else {
        let text = match gain < -error {
            true => format!("{text}. The dataset is worse than its renders"),
            false => format!("{text}. That is not a gain beyond the error"),
        };
        found(Level::Warning, text).with_advice(
            "give the dataset what only photos show: raise `steps` of `train` or choose another `model`, add \
             `pseudo_label`; more test photos or `seeds` of `evaluate` make the error smaller",
        )
    })
}

fn points(difference: f64) -> String {
    format!("{:+.1}", 100.0 * difference)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(mean: f64) -> Value {
        json!({ "mean": mean, "std": 0.02, "seeds": [mean, mean, mean], "n_test": 308 })
    }

    fn of(task: Value) -> Vec<Finding> {
        findings(&json!({ "classification": task }))
    }

    #[test]
    fn a_gain_beyond_the_error_is_good() {
        let task = json!({
            "adapted": row(0.93), "source_only": row(0.84), "gap_closed": 0.94, "classes": ["a"],
        });
        let found = of(task).remove(0);
        assert_eq!(
            (found.level, found.number.as_str()),
            (Level::Good, "+9.0 points")
        );
        assert!(found.text.contains("+9.0 ± 6."), "{}", found.text);
        assert!(
            found
                .text
                .ends_with("that closes 94 % of the gap to real labels")
        );
        assert!(found.advice.is_empty());
    }

    #[test]
    fn what_the_features_of_a_discriminator_are_worth_is_said() {
        let linear = json!({ "source_only": 0.7, "target_only": 0.88 });
        let found = of(json!({ "source_only": row(0.6), "linear": linear })).remove(0);
        assert_eq!(found.number, "70 % (source_only), 88 % (target_only)");
    }

    #[test]
    fn a_detector_is_judged_by_its_objects() {
        let row = |mean: f64| {
            let mut row = row(mean);
            (row["map50"], row["objects"]) = (0.95.into(), 1000.into());
            row
        };
        let found = of(json!({ "adapted": row(0.7), "source_only": row(0.6) })).remove(0);
        assert_eq!(found.level, Level::Good);
        let text = "a detector reaches 70 % mAP50–95 on the test photos (95 % mAP50), 60 % if trained on plain";
        assert!(found.text.contains(text), "{}", found.text);
    }

    #[test]
    fn no_gain_and_a_loss_say_so_with_advice() {
        let task = |mean| json!({ "adapted": row(mean), "source_only": row(0.84) });
        let none = of(task(0.85)).remove(0);
        assert_eq!(
            (none.level, none.number.as_str()),
            (Level::Warning, "+1.0 points")
        );
        assert!(
            none.text.ends_with("That is not a gain beyond the error"),
            "{}",
            none.text
        );
        assert!(none.advice.contains("`steps`"));
        let loss = of(task(0.5)).remove(0);
        assert!(
            loss.text.ends_with("worse than its renders"),
            "{}",
            loss.text
        );
    }

    #[test]
    fn real_labels_in_the_dataset_are_told() {
        let mut adapted = row(0.93);
        adapted["real_labels"] = 20.into();
        let found = of(json!({ "adapted": adapted, "source_only": row(0.84) })).remove(0);
        let text = "trained on the dataset with 20 real labels, a recogniser reads 93 %";
        assert!(found.text.starts_with(text), "{}", found.text);
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        assert!(of(json!({ "source_only": row(0.5) })).is_empty());
        assert!(of(json!({ "adapted": { "mean": null } })).is_empty());
        let alone = of(json!({ "adapted": row(0.5) })).remove(0);
        assert_eq!(alone.level, Level::Note);
        assert!(alone.advice.contains("`source`"));
        assert!(findings(&Value::Null).is_empty());
    }
}
