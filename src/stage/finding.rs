//! Findings: what a stage has to say, in words and one number each, on whether the run did what it was for.
//!
//! A stage puts them into its summary. They stand in the run's record from there, so the command line, the
//! report and later stages read them without knowing which stage they came from.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::run::RunRecord;

/// The key of the findings in a summary.
pub const KEY: &str = "findings";

/// The key of what the stages before had found.
const EARLIER: &str = "earlier_findings";

/// One thing that a reader of the results must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How good or bad it is.
    pub level: Level,
    /// What is judged, in a word or two, e.g. `adapter`.
    pub about: String,
    /// The one number to remember, with its unit, e.g. `3 %`.
    pub number: String,
    /// What was found: a sentence without a full stop.
    pub text: String,
    /// What to do next, with settings by name; empty if nothing is to be done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Good,
    /// Neither good nor bad, or not much of either.
    Note,
    /// The run did not do what it was for.
    Warning,
}

impl Level {
    /// As it is written in front of a finding.
    pub fn name(self) -> &'static str {
        match self {
            Level::Good => "good",
            Level::Note => "note",
            Level::Warning => "warning",
        }
    }
}

impl Finding {
    /// One without advice.
    pub fn new(
        level: Level,
        about: impl Into<String>,
        number: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Finding {
            level,
            about: about.into(),
            number: number.into(),
            text: text.into(),
            advice: String::new(),
        }
    }

    /// The same with what to do next.
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

/// Puts the findings into a summary.
pub fn record(summary: &mut Value, findings: &[Finding]) {
    if let (Value::Object(summary), Ok(findings)) = (summary, serde_json::to_value(findings)) {
        summary.insert(KEY.into(), findings);
    }
}

/// The findings in a summary; those that cannot be read are left out.
pub fn of(summary: &Value) -> Vec<Finding> {
    read(summary, KEY)
}

/// What the stages found that made these summaries, and all stages before them. Where two judged the same thing,
/// the later one counts.
pub fn up_to<'s>(summaries: impl IntoIterator<Item = &'s Value>) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for summary in summaries {
        for finding in [read(summary, EARLIER), of(summary)].concat() {
            match found.iter_mut().find(|known| known.about == finding.about) {
                Some(known) => *known = finding,
                None => found.push(finding),
            }
        }
    }
    found
}

/// Notes in a summary what was found before its stage ran, so that later stages can tell of it.
pub fn record_earlier(summary: &mut Value, earlier: &[Finding]) {
    if earlier.is_empty() {
        return;
    }
    if summary.is_null() {
        *summary = Value::Object(serde_json::Map::new());
    }
    if let (Value::Object(summary), Ok(earlier)) = (summary, serde_json::to_value(earlier)) {
        summary.insert(EARLIER.into(), earlier);
    }
}

fn read(summary: &Value, key: &str) -> Vec<Finding> {
    let recorded = summary[key].as_array().into_iter().flatten();
    recorded
        .filter_map(|finding| Finding::deserialize(finding).ok())
        .collect()
}

/// The findings of all stages of a run, in the order in which they ran. Where two stages judge the same thing, the
/// later one counts if it builds on the other; else each finding names its stage.
pub fn of_run(record: &RunRecord) -> Vec<Finding> {
    let stages = record.stages.iter();
    let found = stages.filter_map(|stage| Some((&stage.id, of(record.metrics.get(&stage.id)?))));
    let mut all: Vec<(&String, Finding)> = found
        .flat_map(|(id, findings)| findings.into_iter().map(move |finding| (id, finding)))
        .collect();
    let judged: Vec<(&String, String)> = all.iter().map(|(id, f)| (*id, f.about.clone())).collect();
    all.retain(|(id, finding)| {
        let mut later = judged.iter().filter(|(_, about)| *about == finding.about);
        !later.any(|(later, _)| later != id && builds_on(record, later, id))
    });
    let is_shared = |id: &String, about: &str| {
        let mut others = all.iter().filter(|(other, _)| *other != id);
        others.any(|(_, finding)| finding.about == about)
    };
    let named = all.iter().map(|(id, finding)| {
        let mut finding = finding.clone();
        if is_shared(id, &finding.about) {
            finding.about = format!("{} ({id})", finding.about);
        }
        finding
    });
    named.collect()
}

/// Whether the stage `later` reads what came of `earlier`, through any number of stages.
fn builds_on(record: &RunRecord, later: &str, earlier: &str) -> bool {
    let (mut open, mut seen) = (vec![later], BTreeSet::new());
    while let Some(id) = open.pop() {
        let stage = record.stages.iter().find(|stage| stage.id == id);
        for input in stage.iter().flat_map(|stage| stage.from.values()) {
            if input == earlier {
                return true;
            }
            if seen.insert(input) {
                open.push(input);
            }
        }
    }
    false
}

/// How much of the distance between renders and photos an adapter closed: less than a quarter is a training that
/// did not do its work. `more` goes on with the sentence, and may be empty; `advice` is for where it was little.
pub fn closed(share: f64, more: &str, advice: &str) -> Finding {
    const LITTLE: f64 = 0.25;
    const MUCH: f64 = 0.6;
    let way = match share {
        back if back < 0.0 => format!(
            "the translations are further from the photos than the renders, by {} of the distance",
            percent(-back)
        ),
        share => format!(
            "the adapter closed {} of the distance between renders and photos",
            percent(share)
        ),
    };
    let finding = |level| Finding::new(level, "adapter", percent(share), way + more);
    match share {
        little if little < LITTLE => finding(Level::Warning).with_advice(advice),
        some if some < MUCH => finding(Level::Note).with_advice(
            "to come nearer, raise `steps` of `train`, or bring the renders nearer first with `verismo fit`",
        ),
        _ => finding(Level::Good),
    }
}

/// What it all comes to, in a sentence; `None` without findings.
pub fn headline(findings: &[Finding]) -> Option<String> {
    let of = |level| findings.iter().filter(move |f: &&Finding| f.level == level);
    let mut wrong: Vec<&str> = of(Level::Warning)
        .map(|finding| finding.about.as_str())
        .collect();
    wrong.dedup();
    let good = of(Level::Good).count();
    Some(match (wrong.as_slice(), findings.len()) {
        (_, 0) => return None,
        ([], all) if good == all => "all that was judged is good".to_owned(),
        ([], _) => "nothing that was judged is bad".to_owned(),
        ([one], _) => format!("not good enough yet: {one}"),
        ([first @ .., last], _) => {
            format!("not good enough yet: {} and {last}", first.join(", "))
        }
    })
}

/// What to do next: the advice of the worst findings, each once, at most three.
pub fn next_steps(findings: &[Finding]) -> Vec<&str> {
    const MOST: usize = 3;
    let mut steps = Vec::new();
    for level in [Level::Warning, Level::Note, Level::Good] {
        let advice = findings.iter().filter(|finding| finding.level == level);
        for advice in advice.map(|finding| finding.advice.as_str()) {
            if !advice.is_empty() && !steps.contains(&advice) {
                steps.push(advice);
            }
        }
    }
    steps.truncate(MOST);
    steps
}

/// A share as a percentage: whole, or with a decimal if it is below ten.
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    match percent.abs() < 9.95 && percent.fract() != 0.0 {
        true => format!("{percent:.1} %"),
        false => format!("{percent:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{bare_record, stage_record};

    fn finding(level: Level, about: &str, advice: &str) -> Finding {
        Finding::new(level, about, "3 %", "it was so").with_advice(advice)
    }

    #[test]
    fn findings_go_into_a_summary_and_come_back() {
        let all = [
            finding(Level::Good, "gate", ""),
            finding(Level::Warning, "adapter", "raise `steps`"),
        ];
        let mut summary = json!({ "kept": 3 });
        record(&mut summary, &all);
        assert_eq!(summary["findings"][1]["level"], "warning");
        assert_eq!(summary["findings"][0].get("advice"), None);
        assert_eq!(of(&summary), all);
    }

    #[test]
    fn what_was_found_before_is_handed_on() {
        let mut trained = json!({});
        record(
            &mut trained,
            &[finding(Level::Warning, "adapter", "raise `steps`")],
        );
        let mut judged = json!({ "kept": 3 });
        let adapter = finding(Level::Good, "adapter", "");
        record_earlier(&mut judged, &up_to([&trained]));
        record(
            &mut judged,
            &[adapter.clone(), finding(Level::Good, "gate", "")],
        );
        let mut divided = Value::Null;
        record_earlier(&mut divided, &up_to([&judged]));
        let about = |found: Vec<Finding>| found.into_iter().map(|f| f.about).collect::<Vec<_>>();
        assert_eq!(of(&divided), []);
        let known = up_to([&judged, &divided]);
        assert_eq!(known[0], adapter);
        assert_eq!(about(known), ["adapter", "gate"]);
        let mut nothing = Value::Null;
        record_earlier(&mut nothing, &[]);
        assert_eq!(nothing, Value::Null);
    }

    #[test]
    fn what_is_no_finding_is_left_out() {
        assert_eq!(of(&Value::Null), []);
        assert_eq!(of(&json!({ "findings": "none" })), []);
        assert_eq!(of(&json!({ "findings": [{ "level": "superb" }, 7] })), []);
    }

    #[test]
    fn findings_of_two_stages_about_one_thing_name_their_stage() {
        let mut run = bare_record();
        for (id, about) in [("gate", "gate"), ("strict", "gate"), ("test", "recogniser")] {
            run.stages.push(stage_record(id, "judge", &[]));
            let mut summary = json!({});
            record(&mut summary, &[finding(Level::Good, about, "")]);
            run.metrics.insert(id.into(), summary);
        }
        run.metrics
            .insert("left out".into(), json!({ "findings": [] }));
        let about: Vec<String> = of_run(&run).into_iter().map(|f| f.about).collect();
        assert_eq!(about, ["gate (gate)", "gate (strict)", "recogniser"]);
    }

    #[test]
    fn of_two_stages_about_one_thing_the_one_that_builds_on_the_other_counts() {
        let mut run = bare_record();
        let stages = [
            stage_record("learn", "learn", &[("photos", "learn")]),
            stage_record("paint", "paint", &[("model", "learn")]),
            stage_record("judge", "judge", &[("samples", "paint")]),
        ];
        run.stages.extend(stages);
        for (id, number) in [("learn", "3 %"), ("judge", "5 %")] {
            let mut summary = json!({});
            record(
                &mut summary,
                &[Finding::new(Level::Note, "adapter", number, "it was so")],
            );
            run.metrics.insert(id.into(), summary);
        }
        let found = of_run(&run);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].about.as_str(), found[0].number.as_str()),
            ("adapter", "5 %")
        );
    }

    #[test]
    fn little_of_the_distance_closed_is_a_warning() {
        let level = |share| closed(share, "", "raise `steps`").level;
        let levels = [-0.2, 0.03, 0.24, 0.25, 0.59, 0.6, 1.1].map(level);
        use Level::{Good, Note, Warning};
        assert_eq!(levels, [Warning, Warning, Warning, Note, Note, Good, Good]);
        let back = closed(-0.2, "; so it is", "raise `steps`");
        assert!(
            back.text
                .ends_with("than the renders, by 20 % of the distance; so it is")
        );
        assert_eq!(back.advice, "raise `steps`");
    }

    #[test]
    fn the_headline_names_what_is_wrong() {
        assert_eq!(headline(&[]), None);
        let good = finding(Level::Good, "gate", "");
        let note = finding(Level::Note, "photos", "");
        let text = |all: &[Finding]| headline(all).unwrap();
        assert_eq!(
            text(std::slice::from_ref(&good)),
            "all that was judged is good"
        );
        assert_eq!(
            text(&[good.clone(), note]),
            "nothing that was judged is bad"
        );
        let bad = |about| finding(Level::Warning, about, "");
        let all = [bad("adapter"), good, bad("gate"), bad("recogniser")];
        assert_eq!(text(&all[..2]), "not good enough yet: adapter");
        assert_eq!(
            text(&all),
            "not good enough yet: adapter, gate and recogniser"
        );
    }

    #[test]
    fn the_worst_is_to_be_done_first_and_nothing_twice() {
        let all = [
            finding(Level::Note, "photos", "give more photos"),
            finding(Level::Warning, "adapter", "raise `steps`"),
            finding(Level::Warning, "gate", "raise `steps`"),
            finding(Level::Good, "recogniser", ""),
        ];
        assert_eq!(next_steps(&all), ["raise `steps`", "give more photos"]);
    }

    #[test]
    fn small_shares_keep_a_decimal() {
        let written = [0.0, 0.004, 0.0996, 0.32, 1.0, -0.031].map(percent);
        assert_eq!(written, ["0 %", "0.4 %", "10 %", "32 %", "100 %", "-3.1 %"]);
    }
}
