//! What the gate found, in words: how far the adapter moved the pictures towards the photos, whether it changed
//! them at all, and what was rejected.

use serde_json::Value;

use super::criteria::CRITERIA;
use crate::stage::finding::{self, Finding, Level, percent};

/// A mean change per pixel below this is hardly to be seen: two and a half of 255 steps.
const NEARLY_THE_INPUT: f64 = 0.01;

/// Largest share rejected that is as it should be, and that is not yet bad.
const FEW: f64 = 0.05;
const SOME: f64 = 0.2;

/// What the summary's figures come to; what was not measured is left out.
pub(super) fn findings(summary: &Value) -> Vec<Finding> {
    let found = [
        adapter(summary),
        unchanged(summary),
        flicker(summary),
        rejected(summary),
        spoiled(summary),
    ];
    found.into_iter().flatten().collect()
}

/// A number at a place of the summary, if it is one.
fn number(summary: &Value, pointer: &str) -> Option<f64> {
    let value = summary.pointer(pointer)?.as_f64()?;
    value.is_finite().then_some(value)
}

/// How far the pictures came from renders to photos.
fn adapter(summary: &Value) -> Option<Finding> {
    let told = told_apart(summary);
    match number(summary, "/ruler/closed/share") {
        Some(share) => {
            let more = told.map_or(String::new(), |told| format!("; {told}"));
            Some(finding::closed(share, &more, advice(summary)))
        }
        // Renders that are as near as photos leave no distance to close.
        None => {
            let after = number(summary, "/ruler/translations/two_sample/accuracy")?;
            Some(Finding::new(Level::Note, "adapter", percent(after), told?))
        }
    }
}

/// What the classifier says before and after, and how much the pictures changed.
fn told_apart(summary: &Value) -> Option<String> {
    let share = |set: &str| {
        let of = |key: &str| number(summary, &format!("/ruler/{set}/two_sample/{key}"));
        let error =
            of("plus_minus").map_or(String::new(), |error| format!(" ± {:.0}", 100.0 * error));
        Some(format!("{:.0}{error} %", 100.0 * of("accuracy")?))
    };
    let mut text = format!(
        "a classifier tells the translations from photos in {} of cases, the renders in {} (50 is guessing)",
        share("translations")?,
        share("renders")?
    );
    if let Some(taken) = number(summary, "/ruler/taken_for_renders") {
        let taken = percent(taken);
        text += &format!(
            "; the one that tells renders from photos takes {taken} of the translations for renders"
        );
    }
    if let Some(change) = number(summary, "/change") {
        let change = percent(change);
        text += &format!("; on average, a value of a pixel changed by {change}");
    }
    Some(text)
}

/// What to do where the adapter did little: it changed little, or it changed the wrong things.
fn advice(summary: &Value) -> &'static str {
    match number(summary, "/change") {
        Some(change) if change < NEARLY_THE_INPUT => TOO_CAUTIOUS,
        _ => {
            "raise `steps` of `train`, or bring the renders nearer first with `verismo fit`; compare with \
             `model = \"histogram\"`, which needs no training"
        }
    }
}

const TOO_CAUTIOUS: &str = "let the adapter change more: lower the weights `identity` and `cycle` of its model, \
                            or raise `steps` of `train`";

/// An adapter that gives back what it was given.
fn unchanged(summary: &Value) -> Option<Finding> {
    let change = number(summary, "/change").filter(|change| *change < NEARLY_THE_INPUT)?;
    let text = format!(
        "the translations are nearly the renders: on average, a value of a pixel changed by {}",
        percent(change)
    );
    let finding = Finding::new(Level::Warning, "change", percent(change), text);
    Some(finding.with_advice(TOO_CAUTIOUS))
}

/// How much more clips flicker than their renders.
fn flicker(summary: &Value) -> Option<Finding> {
    let [before, after] =
        ["renders", "translations"].map(|set| number(summary, &format!("/flicker/{set}")));
    let (before, after) = (before?, after?);
    let [floor, error] = [before, after].map(percent);
    let text = format!(
        "from a frame of a clip to the next, a value of a translation changes by {error} where things only moved; of \
         a render by {floor}"
    );
    let finding = |level| Finding::new(level, "flicker", percent(after), text);
    Some(match after {
        little if little <= 1.5 * before => finding(Level::Good),
        some if some <= 3.0 * before => finding(Level::Note),
        _ => finding(Level::Warning).with_advice(STEADIER),
    })
}

const STEADIER: &str = "compare with an adapter that maps colours alone, such as `model = \"histogram\"`, or let the \
                        adapter change less: raise the weights `identity` and `cycle` of its model";

/// What was rejected, and mostly why.
fn rejected(summary: &Value) -> Option<Finding> {
    let (kept, rejected) = (number(summary, "/kept")?, number(summary, "/rejected")?);
    if kept + rejected < 1.0 {
        return None;
    }
    let share = rejected / (kept + rejected);
    let count = |name: &str| number(summary, &format!("/criteria/{name}/rejected")).unwrap_or(0.0);
    let mut criteria: Vec<_> = CRITERIA.iter().collect();
    criteria.sort_by(|a, b| count(b.name).total_cmp(&count(a.name)));
    let main = criteria
        .first()
        .filter(|criterion| count(criterion.name) > 0.0);
    let why = main.map_or(String::new(), |criterion| {
        let (name, about) = (criterion.name, criterion.about);
        format!("; {:.0} by `{name}`: {about}", count(name))
    });
    // Only translations are compared with what they were.
    let (what, advice) = match number(summary, "/change") {
        Some(_) => (
            "translations",
            main.map_or("", |criterion| criterion.advice),
        ),
        None => ("pictures", NOT_TRANSLATED),
    };
    let text = format!(
        "the gate rejected {rejected:.0} of {:.0} {what}{why}",
        kept + rejected
    );
    let finding = |level| Finding::new(level, "gate", percent(share), text);
    Some(match share {
        few if few <= FEW => finding(Level::Good),
        some if some <= SOME => finding(Level::Note),
        _ => finding(Level::Warning).with_advice(advice),
    })
}

/// What to do where many pictures without renders are rejected.
pub(super) const NOT_TRANSLATED: &str = "raise `steps` of the stage that learned to draw them, and look at the rejected \
                                         ones in the report; a task network that has seen too little misreads good ones";

/// Single objects that lost their shape in frames that are otherwise right.
fn spoiled(summary: &Value) -> Option<Finding> {
    let of = |key: &str| number(summary, &format!("/objects/{key}"));
    let (judged, spoiled) = (of("judged")?, of("spoiled")?);
    if judged < 1.0 {
        return None;
    }
    let share = spoiled / judged;
    let text =
        format!("{spoiled:.0} of {judged:.0} objects in frames were spoiled by the translation");
    let finding = |level| Finding::new(level, "objects", percent(share), text);
    Some(match share {
        few if few <= FEW => finding(Level::Good),
        some if some <= SOME => finding(Level::Note),
        _ => finding(Level::Warning)
            .with_advice("raise the adapter's cycle and identity weights, so that it changes less"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn summary(closed: f64, change: f64, rejected: u64) -> Value {
        json!({
            "kept": 100 - rejected, "rejected": rejected, "change": change,
            "criteria": { "edges": { "rejected": 1 }, "speckle": { "rejected": rejected } },
            "ruler": {
                "renders": { "two_sample": { "accuracy": 0.8, "plus_minus": 0.03 } },
                "translations": { "two_sample": { "accuracy": 0.83, "plus_minus": 0.03 } },
                "taken_for_renders": 0.42,
                "closed": { "share": closed, "low": closed - 0.1, "high": closed + 0.1 },
            },
        })
    }

    /// What is found, as `about level number`.
    fn found(summary: &Value) -> Vec<String> {
        let line = |f: Finding| format!("{} {} {}", f.about, f.level.name(), f.number);
        findings(summary).into_iter().map(line).collect()
    }

    #[test]
    fn a_training_that_closed_less_than_a_quarter_says_so_with_what_to_do() {
        let summary = summary(0.03, 0.04, 2);
        assert_eq!(found(&summary), ["adapter warning 3 %", "gate good 2 %"]);
        let adapter = findings(&summary).remove(0);
        assert!(
            adapter.text.contains("closed 3 % of the distance"),
            "{}",
            adapter.text
        );
        let told = "translations from photos in 83 ± 3 % of cases, the renders in 80 ± 3 %";
        assert!(adapter.text.contains(told), "{}", adapter.text);
        let ends = "takes 42 % of the translations for renders; on average, a value of a pixel changed by 4 %";
        assert!(adapter.text.ends_with(ends), "{}", adapter.text);
        assert!(adapter.advice.contains("`steps`") && adapter.advice.contains("verismo fit"));
    }

    #[test]
    fn one_that_closed_most_of_it_is_good() {
        assert_eq!(
            found(&summary(0.85, 0.06, 0)),
            ["adapter good 85 %", "gate good 0 %"]
        );
        assert_eq!(found(&summary(0.4, 0.06, 0))[0], "adapter note 40 %");
    }

    #[test]
    fn where_there_is_no_distance_to_close_the_classifier_is_quoted() {
        let mut near = summary(0.0, 0.06, 0);
        near["ruler"]["closed"] = Value::Null;
        assert_eq!(found(&near), ["adapter note 83 %", "gate good 0 %"]);
    }

    #[test]
    fn an_adapter_that_gives_back_its_input_is_told_of() {
        let found = findings(&summary(0.05, 0.004, 0));
        assert_eq!(
            (found[1].about.as_str(), found[1].level),
            ("change", Level::Warning)
        );
        assert!(
            found[1].text.contains("nearly the renders"),
            "{}",
            found[1].text
        );
        assert!(
            found[1].text.ends_with("changed by 0.4 %"),
            "{}",
            found[1].text
        );
        assert!(
            found
                .iter()
                .take(2)
                .all(|f| f.advice.contains("`identity`"))
        );
    }

    #[test]
    fn clips_that_flicker_more_than_their_renders_are_told_of() {
        let flicker = |translations: f64| {
            let flicker = json!({ "pairs": 7, "renders": 0.02, "translations": translations });
            findings(&json!({ "flicker": flicker })).remove(0)
        };
        let levels = [0.025, 0.05, 0.09].map(|error| flicker(error).level);
        assert_eq!(levels, [Level::Good, Level::Note, Level::Warning]);
        let told = flicker(0.09);
        assert_eq!(
            (told.about.as_str(), told.number.as_str()),
            ("flicker", "9 %")
        );
        assert!(told.text.ends_with("of a render by 2 %"), "{}", told.text);
    }

    #[test]
    fn many_rejected_are_a_warning_with_the_main_reason() {
        let rejected = findings(&summary(0.9, 0.1, 98)).pop().unwrap();
        assert_eq!(
            (rejected.level, rejected.number.as_str()),
            (Level::Warning, "98 %")
        );
        assert!(rejected.text.contains("98 of 100") && rejected.text.contains("98 by `speckle`"));
        assert!(rejected.advice.contains("`train`"), "{}", rejected.advice);
        assert_eq!(
            found(&summary(0.9, 0.1, 12)).pop().unwrap(),
            "gate note 12 %"
        );
    }

    #[test]
    fn pictures_that_were_not_translated_are_not_called_translations() {
        let found = findings(&json!({ "kept": 1, "rejected": 3, "change": null, "ruler": null }));
        assert!(found[0].text.contains("3 of 4 pictures"), "{found:?}");
        assert_eq!(found[0].advice, NOT_TRANSLATED);
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        assert!(findings(&Value::Null).is_empty());
        let alone = json!({ "kept": 3, "rejected": 0, "change": 0.05, "ruler": null });
        assert_eq!(found(&alone), ["gate good 0 %"]);
        let nothing = json!({ "kept": 0, "rejected": 0 });
        assert!(findings(&nothing).is_empty());
    }
}
