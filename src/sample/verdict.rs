//! The gate's verdict on a sample, as used by the gate, `emit` and the report.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::Sample;

/// The gate's verdict on one sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Id of the sample judged.
    pub id: String,
    /// Id of its original render.
    pub origin: String,
    /// The model or template that it shows.
    pub source: String,
    /// The sample's class; `None` if it has no single one.
    pub class: Option<String>,
    /// The criteria that it failed; empty if it was kept.
    pub reasons: Vec<String>,
    /// Objects of it that were spoiled, by their place among its objects and their class, with the criteria that they
    /// failed: `2 four: edges; 5 six: edges, contrast`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<String>,
    /// By criterion; criteria that could not be judged are missing.
    #[serde(flatten, deserialize_with = "without_nulls")]
    pub scores: BTreeMap<String, f32>,
}

impl Verdict {
    /// Of a sample that failed nothing, with these scores.
    pub fn of(sample: &Sample, scores: BTreeMap<String, f32>) -> Self {
        Verdict {
            id: sample.id.clone(),
            origin: sample.provenance.origin.clone(),
            source: sample.provenance.source.clone(),
            class: sample.labels.class.clone(),
            reasons: Vec::new(),
            objects: None,
            scores,
        }
    }

    /// Whether it failed no criterion.
    pub fn is_kept(&self) -> bool {
        self.reasons.is_empty()
    }

    /// The scores as one JSON object, with a list `reasons` if the sample was rejected.
    pub fn note(&self) -> String {
        // Rounded: more digits carry no information, and JSON would write many.
        let round = |value: f32| (f64::from(value) * 1e4).round() / 1e4;
        let mut note = serde_json::Map::new();
        if !self.is_kept() {
            note.insert("reasons".into(), self.reasons.clone().into());
        }
        if let Some(objects) = &self.objects {
            note.insert("objects".into(), objects.clone().into());
        }
        for (name, score) in &self.scores {
            note.insert(name.clone(), round(*score).into());
        }
        serde_json::Value::Object(note).to_string()
    }
}

/// In a table, criteria that could not be judged are null.
fn without_nulls<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f32>, D::Error> {
    let all = BTreeMap::<String, Option<f32>>::deserialize(from)?;
    let judged = all
        .into_iter()
        .filter_map(|(name, score)| Some((name, score?)));
    Ok(judged.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_names_reasons_of_the_rejected_alone() {
        let mut verdict = Verdict {
            id: "translate-000001".into(),
            origin: "render-000001".into(),
            source: "die.gltf".into(),
            class: Some("one".into()),
            reasons: Vec::new(),
            objects: None,
            scores: [("edges".to_string(), 0.1), ("mask".to_string(), 0.75)].into(),
        };
        assert_eq!(verdict.note(), r#"{"edges":0.1,"mask":0.75}"#);
        verdict.reasons = vec!["edges".into()];
        assert_eq!(
            verdict.note(),
            r#"{"edges":0.1,"mask":0.75,"reasons":["edges"]}"#
        );
    }
}
