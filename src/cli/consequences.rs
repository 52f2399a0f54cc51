//! What changes cost: which stages are made again because of each, and how long that takes.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::total;
use crate::pipeline::forecast::Time;
use crate::pipeline::plan::Step;

/// Lines that name, for each stage that changed since this pipeline last ran, what follows from it. Empty if
/// nothing follows.
pub(super) fn of_changes(steps: &[Step], times: &[Option<Time>]) -> Vec<String> {
    let changed: Vec<&Step> = steps.iter().filter(|step| step.changed).collect();
    let followers: Vec<(&Step, Vec<usize>)> = changed
        .iter()
        .map(|root| (*root, dependents(root, steps)))
        .filter(|(_, followers)| !followers.is_empty())
        .collect();
    if followers.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["\nmade again because of what changed:".to_owned()];
    for (root, followers) in &followers {
        let ids: Vec<&str> = followers
            .iter()
            .map(|&n| steps[n].stage.id.as_str())
            .collect();
        let times: Vec<Option<Time>> = followers.iter().map(|&n| times[n]).collect();
        lines.push(format!(
            "  after {}: {}{}",
            root.stage.id,
            ids.join(", "),
            total(&times)
        ));
    }
    // A stage may have changed only because its settings are those of another one.
    let by_id: BTreeMap<&str, &Step> = changed.iter().map(|s| (s.stage.id.as_str(), *s)).collect();
    for (root, followers) in &followers {
        let like = root.stage.like.as_deref().and_then(|like| by_id.get(like));
        let Some(like) = like.filter(|like| same_changes(like, root)) else {
            continue;
        };
        let own: BTreeSet<usize> = dependents(like, steps).into_iter().collect();
        let alone: Vec<&str> = followers
            .iter()
            .filter(|number| !own.contains(number))
            .map(|&number| steps[number].stage.id.as_str())
            .collect();
        if !alone.is_empty() {
            let (id, like) = (&root.stage.id, &like.stage.id);
            lines.push(format!(
                "`{id}` is `like = \"{like}\"`, so it changes with it. Settings of its own would leave {} as \
                 they are",
                alone.join(", ")
            ));
        }
    }
    lines
}

/// The stages that run and depend on `root`, by their places in `steps`.
fn dependents(root: &Step, steps: &[Step]) -> Vec<usize> {
    let mut found = BTreeSet::from([root.stage.id.as_str()]);
    let mut numbers = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let follows = step
            .stage
            .from
            .values()
            .any(|id| found.contains(id.as_str()));
        if follows && !step.is_cached() {
            found.insert(&step.stage.id);
            numbers.push(number);
        }
    }
    numbers
}

/// Whether two stages changed in the same settings alone.
fn same_changes(one: &Step, other: &Step) -> bool {
    let plain = |step: &Step| -> Vec<String> {
        let own = format!(" {}.", step.stage.id);
        step.reasons
            .iter()
            .map(|reason| reason.replacen(&own, " ", 1))
            .collect()
    };
    let settings = |reasons: Vec<String>| -> BTreeSet<String> {
        reasons
            .into_iter()
            .filter(|reason| reason.starts_with("config changed"))
            .collect()
    };
    let (one, other) = (settings(plain(one)), settings(plain(other)));
    !one.is_empty() && one == other
}
