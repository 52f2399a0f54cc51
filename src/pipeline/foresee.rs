//! What each stage's result will be like, as far as settings tell, and whether stages fit together.

use std::collections::BTreeMap;

use super::require::Requirement;
use super::source::Source;
use super::spec::StageSpec;
use super::suggest;
use crate::stage::{Given, Givens, Misfit};
use crate::{Error, Result};

/// Tells each of `stages`, which stand in order of execution, what it will read, and notes what it foresees.
pub(super) fn foresee(stages: &mut [StageSpec]) {
    for number in 0..stages.len() {
        let (before, rest) = stages.split_at_mut(number);
        let stage = &mut rest[0];
        let givens = givens(stage, before, &BTreeMap::new());
        let mut listed = givens.0.values().map(|given| &given.facts);
        let listed = listed.find(|facts| facts.is_listed);
        let listed = listed.map(|facts| facts.class_names.clone());
        let foreseen = stage.stage.foresee(&givens);
        stage.stage.take_classes(&listed.unwrap_or_default());
        match foreseen {
            Ok(facts) => stage.facts = facts,
            Err(misfit) => stage.misfit = Some(misfit),
        }
    }
}

/// Checks that `stages`, those of a run, can work with what they will read.
///
/// # Errors
/// The first that cannot, at its `from` or the setting that is wrong.
pub(super) fn check(source: &Source, stages: &[&StageSpec]) -> Result<()> {
    let mut misfits = stages
        .iter()
        .filter_map(|stage| Some((stage, stage.misfit.clone()?)));
    match misfits.next() {
        Some((stage, misfit)) => Err(error(source, stage, misfit)),
        None => Ok(()),
    }
}

/// Checks that the requirements name classes that there will be, as far as these are foreseen.
///
/// # Errors
/// The first class of a stage's `per_class` that is none of its classes.
pub(super) fn check_classes(requirements: &[Requirement], stages: &[&StageSpec]) -> Result<()> {
    for requirement in requirements {
        let (id, rest) = requirement.path.split_once('.').unwrap_or_default();
        let class = rest.split_once("per_class.").map(|(_, class)| class);
        let stage = stages.iter().find(|stage| stage.id == id);
        let (Some(class), Some(stage)) = (class, stage) else {
            continue;
        };
        let classes: Vec<&str> = stage.facts.class_names.iter().map(String::as_str).collect();
        if !classes.is_empty() && !classes.contains(&class) {
            return Err(requirement.place.error(
                format!("`{}` names no class of `{id}`", requirement.path),
                suggest::remedy(class, "classes", &classes),
            ));
        }
    }
    Ok(())
}

/// What `stage` reads from `stages`; `counts` are the numbers of samples that are known, by stage id.
pub(super) fn givens<'s>(
    stage: &StageSpec,
    stages: &'s [StageSpec],
    counts: &BTreeMap<String, u64>,
) -> Givens<'s> {
    let find = |id: &String| stages.iter().find(|other| other.id == *id);
    let given = |other: &'s StageSpec| Given {
        id: &other.id,
        facts: other.facts.clone(),
        count: counts.get(&other.id).copied(),
        artifact: None,
        stage: other.stage.as_ref(),
    };
    let wires = stage.from.iter();
    Givens(
        wires
            .filter_map(|(role, id)| Some((*role, given(find(id)?))))
            .collect(),
    )
}

/// The error for something that a stage found wrong.
pub(super) fn error(source: &Source, stage: &StageSpec, misfit: Misfit) -> Error {
    let named = stage.positions.first_named(&misfit.problem);
    let path = misfit.path.as_deref();
    let named = named.or_else(|| stage.positions.of_path(path?));
    source.error(
        named.unwrap_or(stage.from_span.clone()),
        format!("stage `{}`: {}", stage.id, misfit.problem),
        misfit.remedy,
    )
}
