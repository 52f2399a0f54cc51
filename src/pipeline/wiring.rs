//! The inputs of each stage: all present, of the right kind, and without cycles; and an execution order.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;
use super::spec::StageSpec;
use crate::artifact::Kind;
use crate::stage::{Input, Need};
use crate::{Error, Result};

/// Checks that every required role is given, that every input is of the kind its role reads, and that no two
/// stages publish the same dataset.
///
/// # Errors
/// The first violation, at its stage.
pub(super) fn check(source: &Source, stages: &[StageSpec]) -> Result<()> {
    datasets(source, stages)?;
    let giving = |kind: Kind| {
        let ids = stages.iter().filter(|s| s.kind.output.serves_as(kind));
        let ids: Vec<&str> = ids.map(|s| s.id.as_str()).collect();
        match &ids[..] {
            [] => format!("no stage here gives {}", noun(kind)),
            _ => format!("stages that give {}: {}", noun(kind), ids.join(", ")),
        }
    };
    for stage in stages {
        let one_of = stage.kind.inputs.iter().filter(|i| i.need == Need::OneOf);
        let one_of: Vec<&str> = one_of.map(|input| input.role).collect();
        if !one_of.is_empty() && !one_of.iter().any(|role| stage.from.contains_key(*role)) {
            let roles = one_of.join("` or `");
            return Err(source.error(
                stage.span.clone(),
                format!("stage `{}` needs an input `{roles}`", stage.id),
                format!("add one of them to `from`: `{} = \"ID\"`", one_of[0]),
            ));
        }
        for Input {
            role,
            kind,
            need,
            about,
        } in stage.kind.inputs
        {
            let Some(target) = stage.from.get(role) else {
                if *need != Need::Required {
                    continue;
                }
                return Err(source.error(
                    stage.span.clone(),
                    format!("stage `{}` needs an input `{role}`: {about}", stage.id),
                    format!("add `from = {{ {role} = \"ID\" }}`; {}", giving(*kind)),
                ));
            };
            let given = stages.iter().find(|s| s.id == *target);
            if let Some(given) = given.filter(|g| !g.kind.output.serves_as(*kind)) {
                return Err(source.error(
                    stage.from_span.clone(),
                    format!(
                        "`{role}` of stage `{}` reads {}, but `{target}` gives {}",
                        stage.id,
                        noun(*kind),
                        noun(given.kind.output)
                    ),
                    giving(*kind),
                ));
            }
        }
    }
    Ok(())
}

/// `latest`, `keep` and run records identify a dataset by name, so only one stage may publish it.
fn datasets(source: &Source, stages: &[StageSpec]) -> Result<()> {
    let mut seen = BTreeMap::new();
    for stage in stages {
        let Some(dataset) = stage.stage.dataset() else {
            continue;
        };
        // Some file systems ignore case.
        if let Some(first) = seen.insert(dataset.name.to_lowercase(), &stage.id) {
            return Err(source.error(
                stage.span.clone(),
                format!(
                    "stages `{first}` and `{}` both publish the dataset `{}`",
                    stage.id, dataset.name
                ),
                "give one of them another `name`",
            ));
        }
    }
    Ok(())
}

/// What messages call an artifact of a kind.
fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Samples => "samples",
        Kind::Judged => "samples that a gate judged",
        Kind::Adapter => "an adapter",
        Kind::Task => "a task network",
        Kind::Generator => "a generator",
        Kind::Motion => "networks that animate",
        Kind::Models => "3D models",
        Kind::Dataset => "a dataset",
        Kind::Metrics => "measurements",
        Kind::Settings => "settings",
    }
}

/// Each stage after its inputs, otherwise in the file's order.
///
/// # Errors
/// If stages depend on each other in a cycle.
pub(super) fn in_order(source: &Source, mut waiting: Vec<StageSpec>) -> Result<Vec<StageSpec>> {
    let mut ordered: Vec<StageSpec> = Vec::new();
    let mut done = BTreeSet::new();
    while !waiting.is_empty() {
        let ready = |stage: &StageSpec| stage.from.values().all(|id| done.contains(id));
        let Some(next) = waiting.iter().position(ready) else {
            return Err(cycle(source, &waiting));
        };
        let stage = waiting.remove(next);
        done.insert(stage.id.clone());
        ordered.push(stage);
    }
    Ok(ordered)
}

/// The error for a cycle; every stage of `waiting` reads another of them.
fn cycle(source: &Source, waiting: &[StageSpec]) -> Error {
    let find = |id: &str| waiting.iter().find(|stage| stage.id == id);
    let mut path: Vec<&StageSpec> = Vec::new();
    let mut next = waiting.first();
    while let Some(stage) = next {
        if let Some(start) = path.iter().position(|seen| seen.id == stage.id) {
            path.drain(..start);
            path.push(stage);
            break;
        }
        path.push(stage);
        next = stage.from.values().find_map(|id| find(id));
    }
    let ids: Vec<&str> = path.iter().map(|stage| stage.id.as_str()).collect();
    source.error(
        path.first().map_or(0..0, |stage| stage.from_span.clone()),
        format!("the stages form a cycle: {}", ids.join(" <- ")),
        "make one of them read a stage outside the cycle",
    )
}
