//! What a run would do, and why: whether each stage comes from the cache or has to run.

use std::collections::{BTreeMap, BTreeSet};

use super::cache::{Cache, Lookup};
use super::contents::Contents;
use super::key::{Key, changes};
use super::spec::{Spec, StageSpec};
use super::{estimate, suggest};
use crate::artifact::Artifact;
use crate::{Error, Result};

/// Which stages to run, besides those that have changed.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Run this stage and everything that depends on it again.
    pub from: Option<String>,
    /// Run only these; their inputs come from the cache.
    pub only: Vec<String>,
    /// Run these again.
    pub force: Vec<String>,
}

/// One stage of a plan.
pub struct Step<'s> {
    /// The stage as the pipeline file describes it.
    pub stage: &'s StageSpec,
    /// Whether the stage will be taken from the cache or run.
    pub state: StepState,
    /// Why it runs; empty if it is cached.
    pub reasons: Vec<String>,
    /// `None` if an input has yet to be made.
    pub key: Option<Key>,
    /// Estimated duration in seconds, if earlier runs allow an estimate.
    pub estimate: Option<f64>,
}

/// Whether a stage's result is in the cache.
pub enum StepState {
    /// The result that the run will use.
    Cached(Box<Artifact>),
    /// The stage has to run, for the step's reasons.
    ToRun,
}

impl Step<'_> {
    /// Whether the run takes the result from the cache.
    pub fn is_cached(&self) -> bool {
        matches!(self.state, StepState::Cached(_))
    }
}

/// Decides stage by stage, in the order of the spec.
pub struct Planner<'s> {
    spec: &'s Spec,
    cache: &'s Cache,
    /// Stages that are part of the run, including those only needed as inputs.
    needed: BTreeSet<&'s str>,
    /// Stages that may run.
    selected: BTreeSet<&'s str>,
    /// Stages that run whatever the cache contains, with the reason.
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
                "requested by --force".to_owned(),
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
            let reason = format!("requested by --from {id}");
            forced.extend(after.into_iter().map(|id| (id, reason.clone())));
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

    /// The stages that are part of the run.
    pub fn stages(&self) -> Vec<&'s StageSpec> {
        let needed = |stage: &&StageSpec| self.needed.contains(stage.id.as_str());
        self.spec.stages.iter().filter(needed).collect()
    }

    /// Whether the stage was chosen itself, rather than only as an input.
    pub fn is_selected(&self, stage: &StageSpec) -> bool {
        self.selected.contains(stage.id.as_str())
    }

    /// Whether the stage runs whatever the cache contains.
    pub fn is_forced(&self, stage: &StageSpec) -> bool {
        self.forced.contains_key(stage.id.as_str())
    }

    /// What to do for `stage`, given the `made` artifacts by stage id.
    ///
    /// # Errors
    /// If a file of the stage cannot be read, or `--only` leaves out a stage that would have to run.
    pub fn step(
        &mut self,
        stage: &'s StageSpec,
        made: &BTreeMap<String, Artifact>,
    ) -> Result<Step<'s>> {
        let inputs = stage.from.values().map(String::as_str);
        let waits: Vec<&str> = inputs.filter(|id| !made.contains_key(*id)).collect();
        let key = self.key(stage, made)?;
        let (state, reasons) = if waits.is_empty() {
            self.decide(stage, &key)
        } else {
            (
                StepState::ToRun,
                vec![format!("after {}", waits.join(", "))],
            )
        };
        if matches!(state, StepState::ToRun) && !self.is_selected(stage) {
            return Err(Error::usage(
                "--only",
                format!(
                    "needs the result of `{}`, which is not in the cache for this configuration ({})",
                    stage.id,
                    reasons.join(", ")
                ),
                format!("leave out --only, or add --only {}", stage.id),
            ));
        }
        let estimate = match state {
            StepState::ToRun => estimate::seconds(self.cache, &stage.id, &key.ingredients),
            StepState::Cached(_) => None,
        };
        Ok(Step {
            stage,
            estimate,
            state,
            reasons,
            key: waits.is_empty().then_some(key),
        })
    }

    /// The key of a stage, as far as its inputs are `made`.
    ///
    /// # Errors
    /// If a file of the stage cannot be read.
    pub fn key(&mut self, stage: &'s StageSpec, made: &BTreeMap<String, Artifact>) -> Result<Key> {
        let inputs = stage.from.iter();
        let inputs = inputs.filter_map(|(role, id)| Some((*role, made.get(id)?.clone())));
        Key::new(self.spec, stage, &inputs.collect(), &mut self.contents)
    }

    /// Forgets the files' contents before the next step: they may have changed.
    pub fn look_again(&mut self) {
        self.contents.look_again();
    }

    /// Every step, as far as it can be decided before anything has run.
    ///
    /// # Errors
    /// The errors of [`Planner::step`].
    pub fn all(&mut self) -> Result<Vec<Step<'s>>> {
        let mut made = BTreeMap::new();
        let mut steps = Vec::new();
        for stage in self.stages() {
            let step = self.step(stage, &made)?;
            if let StepState::Cached(artifact) = &step.state {
                made.insert(stage.id.clone(), (**artifact).clone());
            }
            steps.push(step);
        }
        Ok(steps)
    }

    fn decide(&self, stage: &StageSpec, key: &Key) -> (StepState, Vec<String>) {
        if let Some(reason) = self.forced.get(stage.id.as_str()) {
            return (StepState::ToRun, vec![reason.clone()]);
        }
        let damage = match self.cache.lookup(&stage.id, key) {
            Lookup::Found(artifact) => return (StepState::Cached(artifact), Vec::new()),
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
        (StepState::ToRun, reasons)
    }
}

/// The whole plan, without running anything.
///
/// # Errors
/// The errors of [`Planner::new`] and [`Planner::step`].
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
