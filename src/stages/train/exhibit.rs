//! What a training shows: the curves of its losses and of what was watched.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::stage::exhibit::{Chart, Content, Curve, Evidence, Exhibit, Place};
use crate::{Error, Result};

/// `history.json`.
#[derive(Deserialize)]
struct History {
    steps: Vec<Step>,
}

/// Values at one step; `None` is a value that was not a number.
#[derive(Deserialize)]
struct Step {
    step: f64,
    values: BTreeMap<String, Option<f64>>,
}

/// One chart for each group of values whose names begin alike, e.g. `cycle_a` and `cycle_b`.
///
/// # Errors
/// If the history cannot be read.
pub(super) fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
    let path = evidence.artifact.folder.join("history.json");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    let history: History = serde_json::from_str(&text).map_err(|e| {
        let problem = format!("is not a training's history: {e}");
        Error::failed(
            path.display(),
            problem,
            "run the training again with --force",
        )
    })?;
    let mut groups: BTreeMap<String, BTreeMap<String, Vec<(f64, f64)>>> = BTreeMap::new();
    for step in history.steps {
        for (name, value) in step.values {
            let group = name.split(['_', '/', '.']).next().unwrap_or(&name);
            let curves = groups.entry(group.to_owned()).or_default();
            let points = curves.entry(name).or_default();
            points.push((step.step, value.unwrap_or(f64::NAN)));
        }
    }
    let curve = |(name, points)| Curve { name, points };
    let chart = |(title, curves): (String, BTreeMap<_, _>)| Chart {
        title,
        curves: curves.into_iter().map(curve).collect(),
    };
    let charts = match groups.is_empty() {
        true => Content::Text("No steps were recorded.".into()),
        false => Content::Curves(groups.into_iter().map(chart).collect()),
    };
    let curves = Exhibit::new((Place::Work, "Losses"), "", charts);
    Ok(vec![curves.with_note(
        "single values and their running mean, over training steps",
    )])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn values_whose_names_begin_alike_share_a_chart() {
        let folder = tempfile::tempdir().unwrap();
        let artifact = testing::publish(folder.path(), &[], 16);
        let evidence = Evidence {
            artifact: &artifact,
            inputs: BTreeMap::new(),
        };
        let path = folder.path().join("history.json");
        std::fs::write(&path, "{").unwrap();
        let error = exhibit(&evidence).err().unwrap();
        assert!(error.to_string().contains("history.json"), "{error}");

        let steps = r#"{ "steps": [
            { "step": 1, "values": { "cycle_a": 0.5, "cycle_b": null, "identity": 1.0 } },
            { "step": 2, "values": { "cycle_a": 0.25 } }
        ] }"#;
        std::fs::write(&path, steps).unwrap();
        let exhibits = exhibit(&evidence).unwrap();
        let Content::Curves(charts) = &exhibits[0].content else {
            panic!("no curves");
        };
        let titles: Vec<&str> = charts.iter().map(|chart| chart.title.as_str()).collect();
        assert_eq!(titles, ["cycle", "identity"]);
        assert_eq!(charts[0].curves[0].points, [(1.0, 0.5), (2.0, 0.25)]);
        assert!(charts[0].curves[1].points[0].1.is_nan());
    }
}
