//! The curves of a training: its losses, and what was watched, from `history.json` in the folder of its result.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::curves::{self, CURVES};
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

/// The first word of a name that says what it belongs to, e.g. of `cycle_a` and `cycle_b`.
fn group(name: &str) -> &str {
    name.split(['_', '/', '.']).next().unwrap_or(name)
}

/// One chart for what can be compared: what the registry of curves says, else values whose names begin alike.
///
/// # Errors
/// If the history cannot be read.
pub fn exhibit(evidence: &Evidence) -> Result<Vec<Exhibit>> {
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
    let mut values: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for step in history.steps {
        for (name, value) in step.values {
            let points = values.entry(name).or_default();
            points.push((step.step, value.unwrap_or(f64::NAN)));
        }
    }
    let charts = match values.is_empty() {
        true => Content::Text("No steps were recorded.".into()),
        false => Content::Curves(charts(values)),
    };
    let curves = Exhibit::new((Place::Work, "Training"), "", charts);
    Ok(vec![curves.with_note(
        "single values and their running mean, over training steps",
    )])
}

/// The charts in the order of the registry, others behind them by name.
fn charts(values: BTreeMap<String, Vec<(f64, f64)>>) -> Vec<Chart> {
    let mut charts: Vec<Chart> = Vec::new();
    let place = |name: &str| CURVES.iter().position(|kind| kind.name == name);
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by_key(|(name, _)| place(name).unwrap_or(CURVES.len()));
    for (name, points) in values {
        let kind = curves::find(&name);
        let title = kind.map_or(group(&name), |kind| kind.chart);
        let unit = kind.map_or("value", |kind| kind.unit);
        let words = kind.map_or_else(|| name.replace('_', " "), |kind| kind.words.to_owned());
        let curve = Curve {
            name: words,
            points,
        };
        match charts.iter_mut().find(|chart| chart.title == title) {
            Some(chart) => chart.curves.push(curve),
            None => charts.push(Chart {
                title: title.to_owned(),
                axes: ["training step".to_owned(), unit.to_owned()],
                curves: vec![curve],
            }),
        }
    }
    charts
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
        assert_eq!(titles, ["What the adapter changes", "cycle"]);
        assert_eq!(charts[0].curves[0].name, "change of real photos");
        assert_eq!(charts[0].axes, ["training step", "loss"]);
        assert_eq!(charts[1].curves[0].points, [(1.0, 0.5), (2.0, 0.25)]);
        assert!(charts[1].curves[1].points[0].1.is_nan());
    }
}
