//! The events of a run: sent to a listener and written to `events.jsonl`.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::artifact::run::Judgement;
use crate::stage::Event;
use crate::{Error, Result};

/// One line of `events.jsonl`.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Seconds since the run began.
    pub time: f64,
    /// The stage's id; absent for events of the whole run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Its fields stand in the line itself, beside `time` and `stage`.
    #[serde(flatten)]
    pub event: RunEvent,
}

impl Line {
    /// An event `seconds` after the run began.
    pub fn new(seconds: f64, stage: Option<&str>, event: RunEvent) -> Self {
        Line {
            time: (seconds * 1e3).round() / 1e3,
            stage: stage.map(str::to_owned),
            event,
        }
    }
}

/// Something that happens in a run.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum RunEvent {
    /// Another run of this pipeline must finish first; `text` says which.
    Wait {
        /// For the user, with the other run's holder if it is known.
        text: String,
    },
    /// The run begins; its folder exists.
    Run {
        /// Name of the pipeline, as in its file.
        pipeline: String,
        /// `outputs/runs/PIPELINE/RUN`.
        folder: String,
    },
    /// A stage is taken from the cache.
    Cached {
        /// Number of samples in the result; 0 if it holds none.
        count: u64,
    },
    /// A stage begins; `reason` says why it runs.
    Start {
        /// Place of the stage among those of the run, counted from 1.
        position: usize,
        /// Number of stages of the run, cached ones included.
        stages: usize,
        /// The reasons of the plan, separated by commas, or `damaged` if a cached result was unsound.
        reason: String,
    },
    /// A stage has finished successfully.
    Done {
        /// Wall-clock time that the stage took.
        seconds: f64,
        /// Number of samples in the result; 0 if it holds none.
        count: u64,
    },
    /// A dataset is published; `new` is false if the same version already was.
    Published {
        /// `outputs/datasets/NAME/VERSION`.
        folder: String,
        /// Whether this run published the version.
        new: bool,
    },
    /// One of the pipeline's requirements, checked before anything is published.
    Required(Judgement),
    /// The run has ended.
    End {
        /// As in `run.json`, in lower case, e.g. `done`.
        status: String,
        /// Wall-clock time of the whole run.
        seconds: f64,
        /// Message of the error that ended the run; absent if all went well.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// An event of the stage itself.
    #[serde(untagged)]
    Stage(Event),
}

/// Receives events.
pub type Listener<'a> = &'a (dyn Fn(&Line) + Sync);

/// Passes events on: to the listener at most ten progress events per second, to the file at most one.
pub struct Events<'a> {
    began: Instant,
    listener: Listener<'a>,
    output: Mutex<Output>,
}

struct Output {
    file: Option<File>,
    shown: Option<Instant>,
    written: Option<Instant>,
    warnings: Vec<String>,
}

impl<'a> Events<'a> {
    /// Creates the file.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path, listener: Listener<'a>) -> Result<Self> {
        let file = File::create(path).map_err(|e| Error::io(path, e))?;
        Ok(Events {
            began: Instant::now(),
            listener,
            output: Mutex::new(Output {
                file: Some(file),
                shown: None,
                written: None,
                warnings: Vec::new(),
            }),
        })
    }

    /// Seconds since the run began.
    pub fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// The warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        self.lock().warnings.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Output> {
        // The output stays usable if a listener panicked.
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an event.
    pub fn emit(&self, stage: Option<&str>, event: RunEvent) {
        if let RunEvent::Stage(Event::Metric { step, values }) = &event {
            tracing::debug!(stage, step, ?values, "metric");
        }
        let mut output = self.lock();
        let (show, write) = match &event {
            // Only progress counts towards the rate: a metric must not suppress the progress after it.
            RunEvent::Stage(Event::Progress { done, total, .. }) if done < total => {
                let due = |last: &mut Option<Instant>, every| {
                    let due = last.is_none_or(|last| last.elapsed() >= every);
                    if due {
                        *last = Some(Instant::now());
                    }
                    due
                };
                let show = due(&mut output.shown, Duration::from_millis(100));
                (show, due(&mut output.written, Duration::from_secs(1)))
            }
            RunEvent::Stage(Event::Warning { text }) => {
                output.warnings.push(text.clone());
                (true, true)
            }
            _ => (true, true),
        };
        if !show && !write {
            return;
        }
        let line = Line::new(self.seconds(), stage, event);
        if write {
            let text = serde_json::to_string(&line).unwrap_or_default();
            // A full disk must not end the work in progress; the work will report it itself.
            let failed = output.file.as_mut().map(|file| writeln!(file, "{text}"));
            if let Some(Err(_)) = failed {
                output.file = None;
            }
        }
        if show {
            (self.listener)(&line);
        }
    }
}
