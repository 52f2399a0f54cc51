//! Estimates how long a stage will take from how long it took before.

use std::fs;

use serde::Deserialize;
use serde_json::Value;

use super::cache::Cache;
use super::key::{Ingredients, distance};
use crate::artifact::{Cost, MANIFEST};

/// How many earlier results to consider, newest first.
const MOST: usize = 20;

/// Settings to which the time is proportional.
const PROPORTIONAL: [&str; 2] = ["steps", "count"];

/// What an earlier result tells about the time.
#[derive(Deserialize)]
struct Earlier {
    stage: String,
    config: Value,
    cost: Cost,
}

/// Estimated seconds for the stage `id`: those of the earlier result with the most similar settings, scaled
/// by the number of steps or samples. `None` without an earlier result.
pub(super) fn seconds(cache: &Cache, id: &str, ingredients: &Ingredients) -> Option<f64> {
    let read = |folder: std::path::PathBuf| -> Option<Earlier> {
        let text = fs::read(folder.join(MANIFEST)).ok()?;
        serde_json::from_slice(&text).ok()
    };
    let earlier = cache.results(id).into_iter().take(MOST).filter_map(read);
    earlier
        .filter(|earlier| earlier.stage == ingredients.stage)
        .filter_map(|earlier| {
            let differ = distance(&earlier.config, &ingredients.config);
            Some((differ, scaled(&earlier, &ingredients.config)?))
        })
        // Takes the first of equals, which is the newest.
        .min_by_key(|(differ, _)| *differ)
        .map(|(_, seconds)| seconds)
}

/// Seconds for all of the work, scaled to another configuration.
fn scaled(earlier: &Earlier, config: &Value) -> Option<f64> {
    let done = 1.0 - earlier.cost.taken_over;
    if done < 0.05 {
        // Most of the measured time was not the work itself.
        return None;
    }
    let number = |config: &Value| {
        let value = PROPORTIONAL.iter().find_map(|key| config.get(key));
        value.and_then(Value::as_f64).filter(|value| *value > 0.0)
    };
    let ratio = match (number(&earlier.config), number(config)) {
        (Some(before), Some(now)) => now / before,
        _ => 1.0,
    };
    Some(earlier.cost.seconds / done * ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn time_grows_with_steps_and_counts_work_that_was_taken_over() {
        let earlier = |taken_over| Earlier {
            stage: "train".into(),
            config: json!({"steps": 100, "rate": 1.0}),
            cost: Cost {
                seconds: 30.0,
                peak_memory: 0,
                since_start: false,
                taken_over,
            },
        };
        let config = json!({"steps": 200, "rate": 2.0});
        assert_eq!(scaled(&earlier(0.0), &config), Some(60.0));
        assert_eq!(scaled(&earlier(0.5), &config), Some(120.0));
        assert_eq!(scaled(&earlier(1.0), &config), None);
        assert_eq!(scaled(&earlier(0.0), &json!({})), Some(30.0));
    }
}
