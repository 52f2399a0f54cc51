//! Makes one result: locks it and its inputs, runs the stage in a folder of its own, and moves that into the
//! cache.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::cache::{Cache, Lookup};
use super::contents::Contents;
use super::events::{Events, RunEvent};
use super::forecast;
use super::key::Key;
use super::lock::{Lock, Purpose};
use super::memory::PeakMemory;
use super::spec::{Spec, StageSpec};
use crate::artifact::resume::Resume;
use crate::artifact::{Artifact, Cost};
use crate::seed::Seed;
use crate::stage::{Context, DeviceChoice, Share, finding};
use crate::{Error, Result};

/// What all stages of a run have in common.
pub(super) struct Maker<'a> {
    pub(super) spec: &'a Spec,
    pub(super) outputs: &'a Path,
    pub(super) cache: &'a Cache,
    pub(super) device: DeviceChoice,
    pub(super) device_name: &'a str,
    pub(super) interrupted: &'a AtomicBool,
    pub(super) events: &'a Events<'a>,
}

impl Maker<'_> {
    /// Locks the result in `folder`, on behalf of the stage `id`.
    ///
    /// # Errors
    /// If the run is interrupted while it waits, or the lock file cannot be written.
    pub(super) fn lock(&self, folder: &Path, id: &str, purpose: Purpose) -> Result<Lock> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let notify = |text: &str| {
            let event = RunEvent::Wait { text: text.into() };
            self.events.emit(Some(id), event);
        };
        let check = || check_interrupt(self.interrupted);
        Lock::of_result(self.outputs, &name, purpose, notify, check)
    }

    /// The result of a stage, and whether it came from the cache: if another run makes the same result, waits for
    /// it and takes that.
    ///
    /// # Errors
    /// The errors of the stage, and if the result cannot be written.
    pub(super) fn result(
        &self,
        stage: &StageSpec,
        key: &Key,
        made: &BTreeMap<String, Artifact>,
        forced: bool,
    ) -> Result<(Artifact, bool)> {
        let inputs = stage.from.values().filter_map(|id| made.get(id));
        let _inputs: Vec<Lock> = inputs
            .map(|input| self.lock(&input.folder, &stage.id, Purpose::Read))
            .collect::<Result<_>>()?;
        let _own = self.lock(&self.cache.place(&stage.id, key), &stage.id, Purpose::Make)?;
        if !forced && let Lookup::Found(artifact) = self.cache.lookup(&stage.id, key) {
            let count = artifact.manifest.count;
            let event = RunEvent::Cached { count };
            self.events.emit(Some(&stage.id), event);
            return Ok((*artifact, true));
        }
        Ok((self.make(stage, key, made, forced)?, false))
    }

    fn make(
        &self,
        stage: &StageSpec,
        key: &Key,
        made: &BTreeMap<String, Artifact>,
        forced: bool,
    ) -> Result<Artifact> {
        let (began, memory) = (Instant::now(), PeakMemory::measure());
        let work = self.cache.begin(&stage.id, key)?;
        let contents = match stage.stage.files().is_empty() {
            true => Contents::default(),
            false => Contents::open(self.cache.folder()),
        };
        let contents = Mutex::new(contents);
        let check = || {
            let mut contents = contents.lock().unwrap_or_else(PoisonError::into_inner);
            contents.look_again();
            key.check_files(stage, &mut contents)
        };
        let ingredients = key.on_device(self.device_name);
        let resume = Resume::new(self.cache.folder(), &stage.id, ingredients, forced, &check);
        let inputs = stage
            .from
            .iter()
            .filter_map(|(role, id)| Some((*role, made.get(id)?.clone())));
        let context = Context {
            id: &stage.id,
            seed: Seed::new(self.spec.seed, &stage.id),
            inputs: inputs.collect(),
            share: Share::All,
            out: work.folder(),
            resume: Some(&resume),
            part_size: self.spec.part_size,
            device: self.device,
            events: &|event| self.events.emit(Some(&stage.id), RunEvent::Stage(event)),
            interrupted: self.interrupted,
        };
        let mut summary = run_stage(stage, &context)?;
        let inputs = context.inputs.values();
        let earlier = finding::up_to(inputs.map(|input| &input.manifest.summary));
        finding::record_earlier(&mut summary, &earlier);
        check_interrupt(self.interrupted)?;
        check()?;
        let cost = Cost {
            seconds: began.elapsed().as_secs_f64(),
            peak_memory: memory.bytes(),
            since_start: memory.since_start,
            taken_over: resume.taken_over(),
            effort: forecast::effort(self.spec, stage, &context.inputs),
        };
        let artifact = work.publish(key, stage.kind.output, summary, cost)?;
        resume.finished();
        let done = RunEvent::Done {
            seconds: cost.seconds,
            count: artifact.manifest.count,
        };
        self.events.emit(Some(&stage.id), done);
        Ok(artifact)
    }
}

/// Runs the stage and catches panics, so that the run's record is still written.
fn run_stage(stage: &StageSpec, context: &Context) -> Result<serde_json::Value> {
    catch_unwind(AssertUnwindSafe(|| stage.stage.run(context))).unwrap_or_else(|_| {
        Err(Error::failed(
            format!("stage `{}`", stage.id),
            "stopped by a bug in verismo",
            "please report it with the message above and the pipeline file",
        ))
    })
}

/// # Errors
/// [`Error::Interrupted`] if the run is to stop.
pub(super) fn check_interrupt(interrupted: &AtomicBool) -> Result<()> {
    match interrupted.load(Ordering::Relaxed) {
        true => Err(Error::Interrupted),
        false => Ok(()),
    }
}
