//! Executes a pipeline stage by stage and records the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use super::cache::Cache;
use super::events::{Events, Line, Listener, RunEvent};
use super::lock::{Lock, Purpose};
use super::making::{Maker, check_interrupt};
use super::plan::{Choice, Planner, StepState};
use super::spec::{Spec, StageSpec};
use super::{gc, publish, require};
use crate::artifact::Artifact;
use crate::artifact::files::{remove_at_once, temporary, write_flushed};
use crate::artifact::run::{FailedStage, RunRecord, StageRecord, Status};
use crate::report;
use crate::stage::exhibit::Figure;
use crate::stage::{DatasetName, DeviceChoice, Event};
use crate::{Error, Result};

/// Options of a run.
pub struct Options<'a> {
    /// The folder that contains the cache, runs and datasets.
    pub outputs: &'a Path,
    /// Which stages to run, besides those that have changed.
    pub choice: Choice,
    /// What the user asked for; it is resolved when a stage needs networks.
    pub device: DeviceChoice,
    /// A description of the device, for the record.
    pub device_name: String,
    /// Set from outside to stop the run.
    pub interrupted: &'a AtomicBool,
    /// Called with every event worth showing, possibly from several threads.
    pub listener: Listener<'a>,
    /// Whether to publish datasets once all requirements are met.
    pub publish: bool,
}

/// The result of a run whose stages have all finished.
pub struct Outcome {
    /// As written to `run.json`.
    pub record: RunRecord,
    /// `outputs/runs/PIPELINE/RUN`.
    pub folder: PathBuf,
    /// What the stages exhibit in figures, each with the id of its stage.
    pub figures: Vec<(String, Figure)>,
    /// [`Error::Unmet`] if the results do not meet the pipeline's requirements; nothing was published then.
    pub unmet: Option<Error>,
}

/// Runs a pipeline.
///
/// # Errors
/// The first error of a stage or of publishing. The run's folder records it, finished stages stay in the
/// cache, and published datasets are unchanged.
pub fn run(spec: &Spec, options: &Options) -> Result<Outcome> {
    let cache = Cache::new(options.outputs);
    Planner::new(spec, &cache, &options.choice)?.check()?;
    check_writable(options.outputs)?;
    let _lock = Lock::wait(
        options.outputs,
        &spec.name,
        |text| {
            let event = RunEvent::Wait { text: text.into() };
            (options.listener)(&Line::new(0.0, None, event));
        },
        || check_interrupt(options.interrupted),
    )?;
    cache.prepare()?;
    let _in_use = gc::hold(options.outputs)?;
    // Before any work, everything is checked that `plan` checks.
    let mut planner = Planner::new(spec, &cache, &options.choice)?;
    let steps = planner.all()?;
    if options.publish {
        planner.check_datasets(&steps)?;
    }

    let started = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let (name, folder) = create_folder(options.outputs, &spec.name, started)?;
    let toml = folder.join("pipeline.toml");
    fs::write(&toml, spec.resolved_toml()?).map_err(|e| Error::io(&toml, e))?;
    let events = Events::create(&folder.join("events.jsonl"), options.listener)?;
    let mut running = ActiveRun {
        spec,
        options,
        maker: Maker {
            spec,
            outputs: options.outputs,
            cache: &cache,
            device: options.device,
            device_name: &options.device_name,
            interrupted: options.interrupted,
            events: &events,
        },
        events: &events,
        record: RunRecord {
            schema: 1,
            pipeline: spec.name.clone(),
            run: name,
            status: Status::Running,
            started,
            seconds: 0.0,
            device: options.device_name.clone(),
            stages: Vec::new(),
            metrics: BTreeMap::new(),
            datasets: BTreeMap::new(),
            warnings: Vec::new(),
            requirements: Vec::new(),
            error: None,
            failed: None,
        },
        folder,
        current: None,
        checked: BTreeSet::new(),
    };
    let result = running.work(&mut planner);
    let ended = running.end(&result);
    let unmet = match result {
        Err(error @ Error::Unmet { .. }) => Some(error),
        other => other.map(|()| None)?,
    };
    Ok(Outcome {
        record: running.record,
        folder: running.folder,
        figures: ended?,
        unmet,
    })
}

struct ActiveRun<'a> {
    spec: &'a Spec,
    options: &'a Options<'a>,
    maker: Maker<'a>,
    events: &'a Events<'a>,
    record: RunRecord,
    folder: PathBuf,
    /// The stage that is being made or taken from the cache.
    current: Option<&'a StageSpec>,
    /// Stages whose results this run has made or compared with their description.
    checked: BTreeSet<String>,
}

impl<'a> ActiveRun<'a> {
    fn work(&mut self, planner: &mut Planner<'a>) -> Result<()> {
        self.events.emit(
            None,
            RunEvent::Run {
                pipeline: self.spec.name.clone(),
                folder: self.folder.display().to_string(),
            },
        );
        self.save()?;
        if let Some(runs) = self.folder.parent() {
            publish::point_latest(runs, &self.record.run)?;
        }
        let mut made = BTreeMap::new();
        let stages = planner.stages();
        for (position, &stage) in stages.iter().enumerate() {
            check_interrupt(self.options.interrupted)?;
            self.current = Some(stage);
            planner.look_again();
            let mut step = planner.step(stage, &made)?;
            if !step.is_cached() {
                for id in stage.from.values() {
                    self.heal(id, planner, &mut made)?;
                }
                step = planner.step(stage, &made)?;
            }
            let artifact = match (step.state, step.key) {
                (StepState::Cached(artifact), _) => {
                    let folder = artifact.folder.display();
                    tracing::debug!(stage = stage.id, %folder, "from the cache");
                    let count = artifact.manifest.count;
                    self.events
                        .emit(Some(&stage.id), RunEvent::Cached { count });
                    self.note(stage, &artifact, true);
                    *artifact
                }
                (StepState::ToRun, Some(key)) => {
                    tracing::debug!(stage = stage.id, key = key.short(), inputs = ?key.ingredients.inputs, "runs");
                    let start = RunEvent::Start {
                        position: position + 1,
                        stages: stages.len(),
                        reason: step.reasons.join(", "),
                    };
                    self.events.emit(Some(&stage.id), start);
                    let forced = planner.is_forced(stage);
                    let (artifact, cached) = self.maker.result(stage, &key, &made, forced)?;
                    self.note(stage, &artifact, cached);
                    artifact
                }
                // In the spec's order, every input is made before the stage that reads it.
                (StepState::ToRun, None) => unreachable!("an input of `{}` was not made", stage.id),
            };
            made.insert(stage.id.clone(), artifact);
            self.current = None;
            self.save()?;
        }
        check_interrupt(self.options.interrupted)?;
        let datasets = datasets(planner, self.options);
        let whole = self.options.choice.only.is_empty();
        if self.options.publish && (whole || !datasets.is_empty()) {
            self.require()?;
            for (stage, dataset) in datasets {
                if !publish::is_published(&made[&stage.id], dataset, self.options.outputs) {
                    self.heal(&stage.id, planner, &mut made)?;
                }
                self.publish(&stage.id, dataset, &made[&stage.id])?;
            }
        }
        Ok(())
    }

    /// Checks the results against the pipeline's requirements.
    fn require(&mut self) -> Result<()> {
        let judged = require::judge(&self.spec.require, &self.record)?;
        self.record.requirements.clone_from(&judged);
        for judgement in &judged {
            self.events
                .emit(None, RunEvent::Required(judgement.clone()));
        }
        require::all_met(&self.spec.name, &judged, &self.folder)
    }

    /// Makes the result of the stage `id` again if its files have changed since they were made, and before it
    /// those of its inputs.
    fn heal(
        &mut self,
        id: &str,
        planner: &mut Planner<'a>,
        made: &mut BTreeMap<String, Artifact>,
    ) -> Result<()> {
        if !self.checked.insert(id.to_owned()) {
            return Ok(());
        }
        let Some(damage) = made[id].damage() else {
            return Ok(());
        };
        let stages = planner.stages();
        let Some(position) = stages.iter().position(|stage| stage.id == id) else {
            return Ok(());
        };
        let stage = stages[position];
        let text = format!("its result in the cache is damaged ({damage}) and is made again");
        let warning = RunEvent::Stage(Event::Warning { text });
        self.events.emit(Some(id), warning);
        for input in stage.from.values() {
            self.heal(input, planner, made)?;
        }
        let key = planner.key(stage, made)?;
        {
            let _lock = self.maker.lock(&made[id].folder, id, Purpose::Make)?;
            // Another run may have made it again meanwhile.
            if made[id].damage().is_some() {
                remove_at_once(&made[id].folder)?;
            }
        }
        let start = RunEvent::Start {
            position: position + 1,
            stages: stages.len(),
            reason: "damaged".to_owned(),
        };
        self.events.emit(Some(id), start);
        let (artifact, cached) = self.maker.result(stage, &key, made, false)?;
        self.note(stage, &artifact, cached);
        made.insert(id.to_owned(), artifact);
        Ok(())
    }

    fn publish(&mut self, id: &str, dataset: DatasetName, artifact: &Artifact) -> Result<()> {
        let progress = |done, total| {
            let note = "publishing".to_owned();
            let event = Event::Progress { done, total, note };
            self.events.emit(Some(id), RunEvent::Stage(event));
        };
        let _lock = self.maker.lock(&artifact.folder, id, Purpose::Read)?;
        let published = publish::publish(artifact, dataset, self.options.outputs, &progress)?;
        let event = RunEvent::Published {
            folder: published.folder.display().to_string(),
            new: published.new,
        };
        self.events.emit(Some(id), event);
        if let (Some(keep), Some(shelf)) = (self.spec.keep, published.folder.parent()) {
            for version in publish::retain(shelf, keep)? {
                let text = format!("removed version {version} of the dataset (keep = {keep})");
                self.events
                    .emit(Some(id), RunEvent::Stage(Event::Note { text }));
            }
        }
        self.record
            .datasets
            .insert(published.name, published.folder);
        Ok(())
    }

    /// Adds a stage to the record, in the place of an earlier entry if there is one.
    fn note(&mut self, stage: &StageSpec, artifact: &Artifact, cached: bool) {
        let manifest = &artifact.manifest;
        if manifest.summary.as_object().is_some_and(|s| !s.is_empty()) {
            self.record
                .metrics
                .insert(stage.id.clone(), manifest.summary.clone());
        }
        if !cached {
            self.checked.insert(stage.id.clone());
        }
        let record = StageRecord {
            id: stage.id.clone(),
            stage: stage.kind.name.to_owned(),
            from: wires(stage),
            cached,
            cost: manifest.cost,
            key: manifest.key.clone(),
            folder: artifact.folder.clone(),
            count: manifest.count,
            classes: manifest.classes.clone(),
        };
        let mut known = self.record.stages.iter_mut();
        match known.find(|known| known.id == stage.id) {
            Some(known) => *known = record,
            None => self.record.stages.push(record),
        }
    }

    /// Writes `run.json` in one step.
    fn save(&mut self) -> Result<()> {
        self.record.seconds = self.events.seconds();
        self.record.warnings = self.events.warnings();
        let text = serde_json::to_string_pretty(&self.record)
            .expect("a record has string keys and JSON values");
        let (new, path) = (
            self.folder.join(temporary("run.json")),
            self.folder.join("run.json"),
        );
        write_flushed(&new, &text)?;
        fs::rename(&new, &path).map_err(|e| Error::io(&path, e))
    }

    /// Closes the record: status, report, last event. Returns what the stages exhibit in figures.
    fn end(&mut self, result: &Result<()>) -> Result<Vec<(String, Figure)>> {
        self.record.status = match result {
            Ok(()) => Status::Done,
            Err(Error::Interrupted) => Status::Interrupted,
            Err(Error::Unmet { .. }) => Status::Unmet,
            Err(_) => Status::Failed,
        };
        self.record.error = result.as_ref().err().map(ToString::to_string);
        let failed = self.current.zip(self.record.error.clone());
        self.record.failed = failed.map(|(stage, reason)| FailedStage {
            id: stage.id.clone(),
            stage: stage.kind.name.to_owned(),
            from: wires(stage),
            reason,
        });
        let saved = self.save();
        let kinds: Vec<_> = self.spec.stages.iter().map(|stage| stage.kind).collect();
        let reported = report::write(&self.record, &kinds, &self.folder.join("report.html"));
        self.events.emit(
            None,
            RunEvent::End {
                status: format!("{:?}", self.record.status).to_lowercase(),
                seconds: self.record.seconds,
                error: self.record.error.clone(),
            },
        );
        saved.and(reported)
    }
}

/// Role to stage id.
fn wires(stage: &StageSpec) -> BTreeMap<String, String> {
    let from = stage.from.iter();
    from.map(|(role, id)| (role.to_string(), id.clone()))
        .collect()
}

/// The stages whose datasets this run publishes.
fn datasets<'s>(planner: &Planner<'s>, options: &Options) -> Vec<(&'s StageSpec, DatasetName<'s>)> {
    let chosen = |stage: &&StageSpec| options.publish && planner.is_selected(stage);
    let stages = planner.stages().into_iter().filter(chosen);
    stages
        .filter_map(|stage| Some((stage, stage.stage.dataset()?)))
        .collect()
}

/// Fails early if the output folder cannot be written.
fn check_writable(outputs: &Path) -> Result<()> {
    let probe = outputs.join(temporary("probe"));
    fs::create_dir_all(outputs)
        .and_then(|()| fs::write(&probe, b"verismo"))
        .map_err(|e| {
            Error::failed(
                outputs.display(),
                format!("the output folder cannot be written to: {e}"),
                "check its free space and permissions, or choose another folder with --outputs",
            )
        })?;
    // A run that is just starting may already have removed it.
    let _ = fs::remove_file(&probe);
    Ok(())
}

/// Creates `outputs/runs/PIPELINE/RUN`, where RUN is the time, with a number appended if that is taken.
fn create_folder(outputs: &Path, pipeline: &str, started: u64) -> Result<(String, PathBuf)> {
    let runs = outputs.join("runs").join(pipeline);
    fs::create_dir_all(&runs).map_err(|e| Error::io(&runs, e))?;
    let stamp = utc_stamp(started);
    for attempt in 1u32.. {
        let name = match attempt {
            1 => stamp.clone(),
            n => format!("{stamp}-{n}"),
        };
        let folder = runs.join(&name);
        match fs::create_dir(&folder) {
            Ok(()) => return Ok((name, folder)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::io(&folder, e)),
        }
    }
    unreachable!("one second holds fewer than four billion runs")
}

/// Seconds since 1970 as `20261122-004512`, in UTC.
pub fn utc_stamp(seconds: u64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds as i64, 0).unwrap_or_default();
    time.format("%Y%m%d-%H%M%S").to_string()
}
