//! What a run would do, and why: whether each stage comes from the cache or has to run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::cache::{Cache, Lookup};
use super::contents::Contents;
use super::key::{Ingredients, Key, changes};
use super::spec::{Spec, StageSpec};
use super::{files, foresee, publish, records, suggest};
use crate::artifact::Artifact;
use crate::stage::Misfit;
use crate::{Error, Result};

/// How many earlier runs of a pipeline to search for the last result of a stage.
const MOST_RUNS: usize = 50;

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
    /// Whether this pipeline has made it before, from something else.
    pub changed: bool,
    /// `None` if an input has yet to be made.
    pub key: Option<Key>,
    /// What its key consists of, as far as its inputs are made.
    pub ingredients: Ingredients,
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
        let decision = match waits.is_empty() {
            true => self.decide(stage, &key),
            false => Decision::run(vec![format!("after {}", waits.join(", "))]),
        };
        let Decision {
            state,
            reasons,
            changed,
        } = decision;
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
        Ok(Step {
            stage,
            state,
            reasons,
            changed,
            ingredients: key.ingredients.clone(),
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

    /// Checks that the stages of the run fit together, that everything that they read from disk exists, and that
    /// they can read it.
    ///
    /// # Errors
    /// What is wrong or missing, at the setting that says so.
    pub fn check(&self) -> Result<()> {
        let stages = self.stages();
        foresee::check(&self.spec.source, &stages)?;
        foresee::check_classes(&self.spec.require, &stages)?;
        files::check(self.spec, &stages)
    }

    /// Every step, as far as it can be decided before anything has run.
    ///
    /// # Errors
    /// The errors of [`Planner::check`], and if the cache lacks what `--only` needs.
    pub fn all(&mut self) -> Result<Vec<Step<'s>>> {
        self.check()?;
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

    /// Checks that what the steps would publish can be published, as far as that is known before it is made.
    ///
    /// # Errors
    /// If a version exists with different content, or `latest` is a file or folder of the user's.
    pub fn check_datasets(&mut self, steps: &[Step<'s>]) -> Result<()> {
        for step in steps {
            if self.is_selected(step.stage) {
                self.check_dataset(step)?;
            }
        }
        Ok(())
    }

    fn check_dataset(&mut self, step: &Step<'s>) -> Result<()> {
        let Some(dataset) = step.stage.stage.dataset() else {
            return Ok(());
        };
        publish::check(self.cache.outputs(), dataset.name)?;
        let Some(folder) = publish::existing(self.cache.outputs(), dataset) else {
            return Ok(());
        };
        let difference = match &step.state {
            StepState::Cached(artifact) if publish::holds(&folder, artifact) => None,
            StepState::Cached(_) => Some("it has other images".to_owned()),
            StepState::ToRun => self.difference_to(&folder)?,
        };
        match difference {
            None => Ok(()),
            Some(difference) => Err(foresee::error(
                &self.spec.source,
                step.stage,
                Misfit::new(
                    format!(
                        "`version` {} is already published, with different content ({difference}): {}",
                        dataset.version.unwrap_or_default(),
                        folder.display()
                    ),
                    publish::ANOTHER_VERSION,
                ),
            )),
        }
    }

    /// A difference between the stages of the run and those that made the dataset in `folder`, as far as the
    /// cache still knows them.
    fn difference_to(&mut self, folder: &Path) -> Result<Option<String>> {
        let runs = records::that_published(self.cache.outputs(), folder)?;
        let Some(run) = runs.first() else {
            return Ok(None);
        };
        for stage in self.stages() {
            let recorded = run.record.stages.iter().find(|known| known.id == stage.id);
            let Some(recorded) = recorded else {
                return Ok(Some(format!("stage {} is new", stage.id)));
            };
            let wires = stage.from.iter().map(|(role, id)| (*role, id));
            if !wires.eq(recorded.from.iter().map(|(role, id)| (role.as_str(), id))) {
                return Ok(Some(format!("stage {} reads others", stage.id)));
            }
            let Some(mut old) = self.cache.ingredients(&recorded.folder) else {
                continue;
            };
            old.inputs.clear();
            let key = self.key(stage, &BTreeMap::new())?;
            let changes = changes(&old, &key, |_| None, &stage.from);
            if let Some(change) = changes.into_iter().next() {
                return Ok(Some(change));
            }
        }
        Ok(None)
    }

    /// What the stage `id` was made from when this pipeline last ran it or took it from the cache, and the
    /// folder of that result.
    fn last(&self, id: &str) -> Option<(PathBuf, Ingredients)> {
        let runs = records::of_pipeline(self.cache.outputs(), &self.spec.name);
        runs.take(MOST_RUNS).find_map(|run| {
            let recorded = run.stages.into_iter().find(|stage| stage.id == id)?;
            let ingredients = self.cache.ingredients(&recorded.folder)?;
            Some((self.cache.place_of(&recorded.folder), ingredients))
        })
    }

    fn decide(&self, stage: &StageSpec, key: &Key) -> Decision {
        if let Some(reason) = self.forced.get(stage.id.as_str()) {
            return Decision::run(vec![reason.clone()]);
        }
        let damage = match self.cache.lookup(&stage.id, key) {
            Lookup::Found(artifact) => {
                return Decision {
                    state: StepState::Cached(artifact),
                    reasons: Vec::new(),
                    changed: false,
                };
            }
            Lookup::Damaged(what) => Some(format!("earlier result damaged: {what}")),
            Lookup::Missing => None,
        };
        if let Some(damage) = damage {
            return Decision::run(vec![damage]);
        }
        let changes = self.last(&stage.id).map_or(Vec::new(), |(folder, old)| {
            let listed = |file: &str| Cache::listing(&folder, file);
            changes(&old, key, listed, &stage.from)
        });
        match changes.is_empty() {
            true => Decision::run(vec!["no earlier result".to_owned()]),
            false => Decision {
                changed: true,
                ..Decision::run(changes)
            },
        }
    }
}

/// Whether a stage runs, and why.
struct Decision {
    state: StepState,
    reasons: Vec<String>,
    changed: bool,
}

impl Decision {
    /// It runs, for these reasons.
    fn run(reasons: Vec<String>) -> Self {
        Decision {
            state: StepState::ToRun,
            reasons,
            changed: false,
        }
    }
}

/// The whole plan, without running anything.
///
/// # Errors
/// The errors of [`Planner::new`], [`Planner::all`] and [`Planner::check_datasets`].
pub fn plan<'s>(spec: &'s Spec, cache: &'s Cache, choice: &Choice) -> Result<Vec<Step<'s>>> {
    let mut planner = Planner::new(spec, cache, choice)?;
    let steps = planner.all()?;
    // A sweep publishes nothing.
    if spec.point.is_empty() {
        planner.check_datasets(&steps)?;
    }
    Ok(steps)
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
