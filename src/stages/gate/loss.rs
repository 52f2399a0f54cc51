//! Fails a run that would lose too much of a class: few samples are left to train on, and they are
//! no fair draw of what was rendered.

use std::collections::BTreeMap;

use super::config::Gate;
use super::criteria::CRITERIA;
use super::findings::NOT_TRANSLATED;
use crate::sample::Verdict;
use crate::stage::Context;
use crate::{Error, Result};

/// # Errors
/// If a class lost more than `max_lost`; names the worst class, why, and what to do.
pub(super) fn check(gate: &Gate, context: &Context, verdicts: &[Verdict]) -> Result<()> {
    let mut classes: BTreeMap<Option<&str>, Vec<&Verdict>> = BTreeMap::new();
    for verdict in verdicts {
        let class = verdict.class.as_deref();
        classes.entry(class).or_default().push(verdict);
    }
    let share = |verdicts: &[&Verdict]| {
        let lost = verdicts.iter().filter(|v| !v.is_kept()).count();
        lost as f64 / verdicts.len() as f64
    };
    let worst = classes
        .iter()
        .max_by(|a, b| share(a.1).total_cmp(&share(b.1)));
    let Some((class, members)) = worst.filter(|(_, members)| share(members) > gate.max_lost) else {
        return Ok(());
    };
    let by_reason = reasons(members);
    let counts: Vec<String> = by_reason
        .iter()
        .map(|(name, count)| format!("{count} by `{name}`"))
        .collect();
    let subject = class.map_or("samples without a class".into(), |c| format!("class `{c}`"));
    let main = by_reason.first().map_or("", |(name, _)| name);
    let criterion = CRITERIA.iter().find(|criterion| criterion.name == main);
    let (about, mut advice) = criterion.map_or(("", ""), |c| (c.about, c.advice));
    if !context.inputs.contains_key("renders") {
        advice = NOT_TRANSLATED;
    }
    Err(Error::failed(
        context.id,
        format!(
            "{subject} lost {:.0} % of its {} samples, and {:.0} % are allowed: {}",
            100.0 * share(members),
            members.len(),
            100.0 * gate.max_lost,
            counts.join(", "),
        ),
        format!(
            "mostly {about}: {advice}. To see them in the report, set `max_lost = 1`; if they are \
             good, loosen `{main}`"
        ),
    ))
}

/// How many samples failed each criterion, the most frequent first.
fn reasons<'v>(verdicts: &[&'v Verdict]) -> Vec<(&'v str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in verdicts.iter().flat_map(|v| &v.reasons) {
        *counts.entry(reason).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}
