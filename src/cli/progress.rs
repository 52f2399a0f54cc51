//! Progress of a run: a bar a stage on a terminal, plain lines in a log, JSON lines for machines.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::duration;
use crate::pipeline::events::{Line, RunEvent};
use crate::stage::Event;

/// How progress is shown.
pub enum Style {
    Bars,
    Lines,
    Json,
}

impl Style {
    /// Bars where stderr is a terminal, else lines.
    pub fn for_terminal() -> Self {
        match std::io::stderr().is_terminal() {
            true => Style::Bars,
            false => Style::Lines,
        }
    }
}

/// Shows the events of a run.
pub struct Progress {
    style: Style,
    bars: MultiProgress,
    stage: Mutex<Option<Running>>,
}

/// The stage at work.
struct Running {
    id: String,
    began: Instant,
    /// When the last plain line was printed.
    told: Instant,
    bar: Option<ProgressBar>,
}

/// Between plain lines.
const EVERY: Duration = Duration::from_secs(10);

const TEMPLATE: &str = "  {prefix:15} {bar:20.cyan/dim} {pos}/{len} {per_sec} {msg} {eta} left";

impl Progress {
    pub fn new(style: Style) -> Self {
        Progress {
            style,
            bars: MultiProgress::new(),
            stage: Mutex::new(None),
        }
    }

    /// Shows one event.
    pub fn tell(&self, line: &Line) {
        if let Style::Json = self.style {
            let text = serde_json::to_string(line).unwrap_or_default();
            super::say(text);
            return;
        }
        let id = line.stage.as_deref().unwrap_or_default();
        match &line.event {
            RunEvent::Cached { count } => {
                self.print(&format!("  {id:15} cached{}", counted(*count)));
            }
            RunEvent::Start {
                position,
                stages,
                reason,
            } => {
                let of = format!("{position}/{stages}");
                self.print(&format!("  {id:15} runs ({of}): {reason}"));
                self.begin(id);
            }
            RunEvent::Done { seconds, count } => {
                self.finish();
                let rate = *count as f64 / seconds.max(1e-3);
                let rate = match count {
                    0 => String::new(),
                    _ => format!(", {rate:.1}/s"),
                };
                let time = duration(*seconds);
                self.print(&format!(
                    "  {id:15} done in {time}{}{rate}",
                    counted(*count)
                ));
            }
            RunEvent::Stage(event) => self.stage_event(id, event),
            RunEvent::Wait { text } => self.print(text),
            RunEvent::End { .. } => self.finish(),
            RunEvent::Run { .. } | RunEvent::Published { .. } => {}
        }
    }

    fn stage_event(&self, id: &str, event: &Event) {
        match event {
            Event::Progress { done, total, note } => self.advance(*done, *total, note),
            Event::Warning { text } => self.print(&format!("  {id:15} warning: {text}")),
            Event::Note { text } => self.print(&format!("  {id:15} {text}")),
            Event::Metric { .. } => {}
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.stage.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A line above the bars.
    fn print(&self, text: &str) {
        match self.style {
            // A terminal that has gone away is no reason to stop.
            Style::Bars => drop(self.bars.println(text)),
            _ => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }

    fn begin(&self, id: &str) {
        let bar = matches!(self.style, Style::Bars).then(|| {
            let bar = self.bars.add(ProgressBar::new(0));
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.set_prefix(id.to_owned());
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        *self.lock() = Some(Running {
            id: id.to_owned(),
            began: Instant::now(),
            told: Instant::now(),
            bar,
        });
    }

    fn advance(&self, done: u64, total: u64, note: &str) {
        let mut stage = self.lock();
        let Some(running) = stage.as_mut() else {
            return;
        };
        if let Some(bar) = &running.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(note.to_owned());
        } else if running.told.elapsed() >= EVERY {
            running.told = Instant::now();
            let rate = done as f64 / running.began.elapsed().as_secs_f64().max(1e-3);
            let left = duration(total.saturating_sub(done) as f64 / rate.max(1e-9));
            let id = &running.id;
            self.print(&format!(
                "  {id:15} {done}/{total} {rate:.1}/s {note} {left} left"
            ));
        }
    }

    fn finish(&self) {
        if let Some(bar) = self.lock().take().and_then(|running| running.bar) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }
}

/// `, 1800 samples`, or nothing for what has none.
fn counted(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => ", 1 sample".to_owned(),
        n => format!(", {n} samples"),
    }
}
