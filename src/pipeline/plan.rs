//! What a run would do, and why: each stage from the cache, or to be run.

use std::collections::{BTreeMap, BTreeSet};

use super::cache::{Cache, Lookup};
use super::contents::Contents;
use super::key::{Key, changes};
use super::spec::{Spec, StageSpec};
use super::{estimate, suggest};
use crate::artifact::Artifact;
use crate::{Error, Result};

/// Which stages to run, beyond what has changed.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// This stage and all that follow from it run anew.
    pub from: Option<String>,
    /// Just these; what they read comes from the cache.
    pub only: Vec<String>,
    /// These run anew.
    pub force: Vec<String>,
}

/// One stage of a plan.
pub struct Step<'s> {
    pub stage: &'s StageSpec,
    pub state: State,
    /// In words, why it runs; empty if it is cached.
    pub reasons: Vec<String>,
    /// `None` while an input is still to be made.
    pub key: Option<Key>,
    /// Seconds that it will take, as far as earlier runs tell.
    pub estimate: Option<f64>,
}

/// Whether a stage's result is there.
pub enum State {
    Cached(Box<Artifact>),
    ToRun,
}

impl Step<'_> {
    pub fn is_cached(&self) -> bool {
        matches!(self.state, State::Cached(_))
    }
}

/// Decides stage by stage, in the spec's order.
pub struct Planner<'s> {
    spec: &'s Spec,
    cache: &'s Cache,
    /// Stages that the choice leaves in.
    needed: BTreeSet<&'s str>,
    /// Stages that may run.
    selected: BTreeSet<&'s str>,
    /// Stages that run whatever the cache holds, and why.
    forced: BTreeMap<&'s str, String>,
    contents: Contents,
}

impl<'s> Planner<'s> {
    /// # Errors
    /// If the choice names a stage that the pipeline does not have.
    pub fn new(spec: &'s Spec, cache: &'s Cache, choice: &Choice) -> Result<Self> {
        let mut forced = BTreeMap::new();
        for id in &choice.force {
            forced.insert(
                find(spec, "--force", id)?,
                "asked for by --force".to_owned(),
            );
        }
        if let Some(id) = &choice.from {
            let first = find(spec, "--from", id)?;
            let mut after = BTreeSet::from([first]);
            for stage in &spec.stages {
                if stage
                    .from
                    .values()
                    .any(|input| after.contains(input.as_str()))
                {
                    after.insert(&stage.id);
                }
            }
            let why = format!("asked for by --from {id}");
            forced.extend(after.into_iter().map(|id| (id, why.clone())));
        }
        let all = spec.stages.iter().map(|s| s.id.as_str());
        let mut selected: BTreeSet<&str> = all.collect();
        if !choice.only.is_empty() {
            selected.clear();
            for id in &choice.only {
                selected.insert(find(spec, "--only", id)?);
            }
        }
        let mut needed = selected.clone();
        for stage in spec.stages.iter().rev() {
            if needed.contains(stage.id.as_str()) {
                needed.extend(stage.from.values().map(String::as_str));
            }
        }
        Ok(Planner {
            spec,
            cache,
            needed,
            selected,
            forced,
            contents: Contents::open(cache.folder()),
        })
    }

    /// The stages that the choice leaves in.
    pub fn stages(&self) -> Vec<&'s StageSpec> {
        let needed = |stage: &&StageSpec| self.needed.contains(stage.id.as_str());
        self.spec.stages.iter().filter(needed).collect()
    }

    /// Whether the stage was chosen itself, not only as an input.
    pub fn is_selected(&self, stage: &StageSpec) -> bool {
        self.selected.contains(stage.id.as_str())
    }

    /// Whether the stage runs anew whatever the cache holds.
    pub fn is_forced(&self, stage: &StageSpec) -> bool {
        self.forced.contains_key(stage.id.as_str())
    }

    /// What is to be done for `stage`, `made` holding the artifacts that are there by stage id.
    ///
    /// # Errors
    /// If a file of the stage cannot be read, or `--only` leaves out a stage that would have to run.
    pub fn step(
        &mut self,
        stage: &'s StageSpec,
        made: &BTreeMap<String, Artifact>,
    ) -> Result<Step<'s>> {
        let mut inputs = BTreeMap::new();
        let mut waits = Vec::new();
        for (role, id) in &stage.from {
            match made.get(id) {
                Some(artifact) => drop(inputs.insert(*role, artifact.clone())),
                None => waits.push(id.as_str()),
            }
        }
        let key = Key::new(self.spec, stage, &inputs, &mut self.contents)?;
        let (state, reasons) = if waits.is_empty() {
            self.decide(stage, &key)
        } else {
            (State::ToRun, vec![format!("after {}", waits.join(", "))])
        };
        if matches!(state, State::ToRun) && !self.is_selected(stage) {
            return Err(Error::usage(
                "--only",
                format!(
                    "needs the result of `{}`, which is not in the cache as configured ({})",
                    stage.id,
                    reasons.join(", ")
                ),
                format!("leave out --only, or add --only {}", stage.id),
            ));
        }
        let estimate = match state {
            State::ToRun => estimate::seconds(self.cache, &stage.id, &key.ingredients),
            State::Cached(_) => None,
        };
        Ok(Step {
            stage,
            estimate,
            state,
            reasons,
            key: waits.is_empty().then_some(key),
        })
    }

    /// Looks at the files again before the next step: they may have changed.
    pub fn look_again(&mut self) {
        self.contents.look_again();
    }

    /// Every step as far as it can be told before anything has run.
    ///
    /// # Errors
    /// As [`Planner::step`].
    pub fn all(&mut self) -> Result<Vec<Step<'s>>> {
        let mut made = BTreeMap::new();
        let mut steps = Vec::new();
        for stage in self.stages() {
            let step = self.step(stage, &made)?;
            if let State::Cached(artifact) = &step.state {
                made.insert(stage.id.clone(), (**artifact).clone());
            }
            steps.push(step);
        }
        Ok(steps)
    }

    fn decide(&self, stage: &StageSpec, key: &Key) -> (State, Vec<String>) {
        if let Some(why) = self.forced.get(stage.id.as_str()) {
            return (State::ToRun, vec![why.clone()]);
        }
        let damage = match self.cache.lookup(&stage.id, key) {
            Lookup::Found(artifact) => return (State::Cached(artifact), Vec::new()),
            Lookup::Damaged(what) => Some(format!("earlier result damaged: {what}")),
            Lookup::Missing => None,
        };
        let mut reasons = match self.cache.newest(&stage.id) {
            None => vec!["no earlier result".to_owned()],
            Some((folder, old)) => {
                let listed = |file: &str| Cache::listing(&folder, file);
                changes(&old, key, listed, &stage.from)
            }
        };
        if let Some(damage) = damage {
            reasons = vec![damage];
        } else if reasons.is_empty() {
            reasons.push("no earlier result".to_owned());
        }
        (State::ToRun, reasons)
    }
}

/// The whole plan, without running anything.
///
/// # Errors
/// As [`Planner::new`] and [`Planner::step`].
pub fn plan<'s>(spec: &'s Spec, cache: &'s Cache, choice: &Choice) -> Result<Vec<Step<'s>>> {
    Planner::new(spec, cache, choice)?.all()
}

fn find<'s>(spec: &'s Spec, flag: &str, id: &str) -> Result<&'s str> {
    let ids: Vec<&str> = spec.stages.iter().map(|s| s.id.as_str()).collect();
    ids.iter()
        .find(|known| **known == id)
        .copied()
        .ok_or_else(|| {
            Error::usage(
                format!("{flag} {id}"),
                "the pipeline has no stage with this id",
                suggest::remedy(id, "ids", &ids),
            )
        })
}
