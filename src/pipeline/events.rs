//! What a run tells while it works: to whoever listens, and to `events.jsonl`.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
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
    #[serde(flatten)]
    pub event: RunEvent,
}

impl Line {
    /// `seconds` after the run began.
    pub fn new(seconds: f64, stage: Option<&str>, event: RunEvent) -> Self {
        Line {
            time: (seconds * 1e3).round() / 1e3,
            stage: stage.map(str::to_owned),
            event,
        }
    }
}

/// What happens in a run.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum RunEvent {
    /// Another run of this pipeline must end first; in words, whose.
    Wait { text: String },
    /// The run begins; its folder is there.
    Run { pipeline: String, folder: String },
    /// A stage is taken from the cache.
    Cached { count: u64 },
    /// A stage begins; in words, why it runs.
    Start {
        position: usize,
        stages: usize,
        reason: String,
    },
    /// A stage has ended well.
    Done { seconds: f64, count: u64 },
    /// A dataset is there; `new` is false where the same version already was.
    Published { folder: String, new: bool },
    /// One of the pipeline's requirements, judged before anything is published.
    Required(Judgement),
    /// The run has ended.
    End {
        status: String,
        seconds: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// What the stage itself says.
    #[serde(untagged)]
    Stage(Event),
}

/// Where events go.
pub type Listener<'a> = &'a (dyn Fn(&Line) + Sync);

/// Passes events on: to the listener at most ten progress events a second, to the file one.
pub struct Events<'a> {
    began: Instant,
    listener: Listener<'a>,
    state: Mutex<State>,
}

struct State {
    file: Option<File>,
    told: Option<Instant>,
    written: Option<Instant>,
    warnings: Vec<String>,
}

impl<'a> Events<'a> {
    /// Opens the file.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn create(path: &Path, listener: Listener<'a>) -> Result<Self> {
        let file = File::create(path).map_err(|e| Error::io(path, e))?;
        Ok(Events {
            began: Instant::now(),
            listener,
            state: Mutex::new(State {
                file: Some(file),
                told: None,
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

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A listener that panicked leaves the state usable.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Tells of an event.
    pub fn emit(&self, stage: Option<&str>, event: RunEvent) {
        if let RunEvent::Stage(Event::Metric { step, values }) = &event {
            tracing::debug!(stage, step, ?values, "metric");
        }
        let mut state = self.lock();
        let (tell, write) = match &event {
            // Only progress counts for the rate: a metric must not silence the progress after it.
            RunEvent::Stage(Event::Progress { done, total, .. }) if done < total => {
                let due = |last: &mut Option<Instant>, every| {
                    let due = last.is_none_or(|last| last.elapsed() >= every);
                    if due {
                        *last = Some(Instant::now());
                    }
                    due
                };
                let tell = due(&mut state.told, Duration::from_millis(100));
                (tell, due(&mut state.written, Duration::from_secs(1)))
            }
            RunEvent::Stage(Event::Warning { text }) => {
                state.warnings.push(text.clone());
                (true, true)
            }
            _ => (true, true),
        };
        if !tell && !write {
            return;
        }
        let line = Line::new(self.seconds(), stage, event);
        if write {
            let text = serde_json::to_string(&line).unwrap_or_default();
            // A full disk must not end the work that is going on: it will say so itself.
            let failed = state.file.as_mut().map(|file| writeln!(file, "{text}"));
            if let Some(Err(_)) = failed {
                state.file = None;
            }
        }
        if tell {
            (self.listener)(&line);
        }
    }
}
