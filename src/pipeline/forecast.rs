//! How long the stages of a plan will take: from earlier results of the stage, from those of other stages of
//! its kind, or else from the speed of the machine.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::cache::Cache;
use super::foresee::givens;
use super::key::{Ingredients, Key, distance};
use super::plan::{Step, StepState};
use super::spec::{Spec, StageSpec};
use super::speed::Speed;
use crate::artifact::resume::{FOLDER, Resume};
use crate::artifact::{Artifact, Cost, MANIFEST};
use crate::stage::{Effort, Givens};

/// How many earlier results to consider, newest first.
const MOST: usize = 20;

/// Settings to which the time is proportional, for results of versions that did not note their effort.
const PROPORTIONAL: [&str; 2] = ["steps", "count"];

/// How long a stage will take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Time {
    /// Seconds for what is left to do.
    pub seconds: f64,
    /// Whether it follows from work of another kind or on other machines, not from this stage's own results.
    pub rough: bool,
    /// The share of the work that earlier runs have done, 0..1.
    pub done: f64,
}

/// The times of all `steps`; `None` for those that are cached, and where nothing is known. `device` names the
/// device that networks will run on; it is only asked if there is work to resume.
pub fn times(
    spec: &Spec,
    cache: &Cache,
    steps: &[Step],
    device: &dyn Fn() -> Option<String>,
) -> Vec<Option<Time>> {
    let forecaster = Forecaster {
        cache,
        device,
        named: OnceCell::new(),
        speed: OnceCell::new(),
    };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut cached: BTreeMap<&str, &Artifact> = BTreeMap::new();
    let mut times = Vec::new();
    for step in steps {
        let id = step.stage.id.as_str();
        times.push(match &step.state {
            StepState::Cached(artifact) => {
                counts.insert(id.to_owned(), artifact.manifest.count);
                cached.insert(id, artifact);
                None
            }
            StepState::ToRun => {
                let mut givens = givens(step.stage, &spec.stages, &counts);
                for given in givens.0.values_mut() {
                    given.artifact = cached.get(given.id).copied();
                }
                let forecast = step.stage.stage.forecast(&givens);
                counts.extend(forecast.count.map(|count| (id.to_owned(), count)));
                forecaster.time(step, &givens, forecast.effort)
            }
        });
    }
    times
}

/// Seconds of reference that all work of the stage takes, with these inputs; 0 if that is not known.
pub(super) fn effort(
    spec: &Spec,
    stage: &StageSpec,
    inputs: &BTreeMap<&'static str, Artifact>,
) -> f64 {
    let counts = inputs.iter().filter_map(|(role, artifact)| {
        let id = stage.from.get(role)?;
        Some((id.clone(), artifact.manifest.count))
    });
    let givens = givens(stage, &spec.stages, &counts.collect());
    let effort = stage.stage.forecast(&givens).effort;
    effort.map_or(0.0, Effort::seconds)
}

struct Forecaster<'a> {
    cache: &'a Cache,
    device: &'a dyn Fn() -> Option<String>,
    named: OnceCell<Option<String>>,
    speed: OnceCell<Speed>,
}

impl Forecaster<'_> {
    fn time(&self, step: &Step, givens: &Givens, effort: Option<Effort>) -> Option<Time> {
        let id = &step.stage.id;
        let wanted = Work {
            config: &step.ingredients.config,
            effort: effort.map_or(0.0, Effort::seconds),
        };
        let own = read_all(self.cache.results(id));
        let own = seconds(&own, &step.ingredients.stage, wanted);
        let others = || {
            seconds_of_kind(
                &read_all(self.cache.all_results()),
                &step.ingredients,
                wanted,
            )
        };
        let machine = || {
            let effort = effort?;
            let speed = self
                .speed
                .get_or_init(|| Speed::of_machine(self.cache.outputs()));
            Some(speed.seconds(effort))
        };
        let whole = own.or_else(others).or_else(machine)?;
        let done = match &step.key {
            Some(key) => self.done(step.stage, key, givens),
            None => 0.0,
        };
        Some(Time {
            seconds: whole * (1.0 - done),
            rough: own.is_none(),
            done,
        })
    }

    /// The share of the work that earlier runs have done.
    fn done(&self, stage: &StageSpec, key: &Key, givens: &Givens) -> f64 {
        if !has_scope(self.cache.folder(), &stage.id) {
            return 0.0;
        }
        let device = self.named.get_or_init(self.device);
        let Some(device) = device else {
            return 0.0;
        };
        let unused = || Ok(());
        let ingredients = key.on_device(device);
        let resume = Resume::new(self.cache.folder(), &stage.id, ingredients, false, &unused);
        stage.stage.left_over(&resume, givens).clamp(0.0, 1.0)
    }
}

/// Whether earlier runs of the stage have left anything.
fn has_scope(cache: &Path, id: &str) -> bool {
    let prefix = format!("{id}-");
    let mut scopes = fs::read_dir(cache.join(FOLDER))
        .into_iter()
        .flatten()
        .flatten();
    scopes.any(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
}

/// What is to be done.
#[derive(Clone, Copy)]
struct Work<'a> {
    config: &'a Value,
    /// Seconds of reference; 0 if that is not known.
    effort: f64,
}

/// What an earlier result tells about the time.
#[derive(Deserialize)]
struct Earlier {
    stage: String,
    config: Value,
    cost: Cost,
}

fn read_all(folders: Vec<PathBuf>) -> Vec<Earlier> {
    let read = |folder: PathBuf| -> Option<Earlier> {
        let text = fs::read(folder.join(MANIFEST)).ok()?;
        serde_json::from_slice(&text).ok()
    };
    folders.into_iter().take(MOST).filter_map(read).collect()
}

/// Seconds for all of the work, from the earlier result of the stage with the most similar settings.
fn seconds(earlier: &[Earlier], stage: &str, wanted: Work) -> Option<f64> {
    let own = earlier.iter().filter(|earlier| earlier.stage == stage);
    own.filter_map(|earlier| {
        let differ = distance(&earlier.config, wanted.config);
        Some((differ, scaled(earlier, wanted)?))
    })
    // Takes the first of equals, which is the newest.
    .min_by_key(|(differ, _)| *differ)
    .map(|(_, seconds)| seconds)
}

/// Seconds for all of the work, from the newest result of the same kind of stage that notes its effort.
fn seconds_of_kind(earlier: &[Earlier], ingredients: &Ingredients, wanted: Work) -> Option<f64> {
    let mut alike = earlier.iter().filter(|earlier| {
        earlier.stage == ingredients.stage && earlier.cost.effort > 0.0 && wanted.effort > 0.0
    });
    alike.find_map(|earlier| scaled(earlier, wanted))
}

/// Seconds for all of the work, scaled from an earlier result.
fn scaled(earlier: &Earlier, wanted: Work) -> Option<f64> {
    let done = 1.0 - earlier.cost.taken_over;
    if done < 0.05 {
        // Most of the measured time was not the work itself.
        return None;
    }
    let number = |config: &Value| {
        let value = PROPORTIONAL.iter().find_map(|key| config.get(key));
        value.and_then(Value::as_f64).filter(|value| *value > 0.0)
    };
    let ratio = match (number(&earlier.config), number(wanted.config)) {
        _ if earlier.cost.effort > 0.0 && wanted.effort > 0.0 => {
            wanted.effort / earlier.cost.effort
        }
        (Some(before), Some(now)) => now / before,
        _ => 1.0,
    };
    Some(earlier.cost.seconds / done * ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn earlier(taken_over: f64, effort: f64) -> Earlier {
        Earlier {
            stage: "train".into(),
            config: json!({"steps": 100, "rate": 1.0}),
            cost: Cost {
                seconds: 30.0,
                taken_over,
                effort,
                ..Cost::default()
            },
        }
    }

    #[test]
    fn time_grows_with_steps_and_counts_work_that_was_taken_over() {
        let config = json!({"steps": 200, "rate": 2.0});
        let wanted = Work {
            config: &config,
            effort: 0.0,
        };
        assert_eq!(scaled(&earlier(0.0, 0.0), wanted), Some(60.0));
        assert_eq!(scaled(&earlier(0.5, 0.0), wanted), Some(120.0));
        assert_eq!(scaled(&earlier(1.0, 0.0), wanted), None);
        let unknown = Work {
            config: &json!({}),
            effort: 0.0,
        };
        assert_eq!(scaled(&earlier(0.0, 0.0), unknown), Some(30.0));
    }

    #[test]
    fn where_efforts_are_known_they_count() {
        let config = json!({"steps": 200, "batch": 8});
        let wanted = Work {
            config: &config,
            effort: 40.0,
        };
        assert_eq!(scaled(&earlier(0.0, 10.0), wanted), Some(120.0));
        let ingredients = |stage: &str| Ingredients {
            stage: stage.into(),
            version: 1,
            id: "other".into(),
            config: config.clone(),
            seed: 1,
            inputs: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        let known = [earlier(0.0, 0.0), earlier(0.0, 20.0)];
        let found = |stage| seconds_of_kind(&known, &ingredients(stage), wanted);
        assert_eq!(found("train"), Some(60.0));
        assert_eq!(found("task"), None);
    }
}
