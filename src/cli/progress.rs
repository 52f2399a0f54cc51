//! Progress of a run: one bar per stage on a terminal, plain lines in a log, JSON lines for machines.
//!
//! A bar fits the terminal's width; the most important part comes first and is cut off last.

use std::io::{IsTerminal, Write};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::duration;
use crate::pipeline::events::{Line, RunEvent};
use crate::stage::Event;

/// How to show progress.
pub(super) enum Style {
    Bars,
    Lines,
    Json,
}

impl Style {
    /// Bars if stderr is a terminal, otherwise lines.
    pub(super) fn for_terminal() -> Self {
        match std::io::stderr().is_terminal() {
            true => Style::Bars,
            false => Style::Lines,
        }
    }
}

/// The bars on stderr, shared with everything else that writes there.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Writes to stderr above the bars: each write clears them and redraws them below it.
pub(super) struct AboveBars;

impl Write for AboveBars {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        BARS.suspend(|| std::io::stderr().write_all(text))?;
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Shows the events of a run.
pub(super) struct Progress {
    style: Style,
    stage: Mutex<Option<Running>>,
}

/// The running stage.
struct Running {
    id: String,
    /// When the current count started, and at how many units. A stage may start counting several times.
    first: Option<(u64, Instant)>,
    /// Units done at the last event.
    done: u64,
    /// When the next plain line is due.
    due: Instant,
    bar: Option<ProgressBar>,
    /// What the bar shows.
    shown: &'static str,
}

/// Time before the first plain line of a stage, and between later ones.
const FIRST: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_secs(10);

/// Templates of a bar, by minimum width of the terminal in columns; `wide_msg` takes the remaining space.
const TEMPLATES: [(u16, &str); 3] = [
    (
        72,
        "  {prefix:15} {bar:20.cyan/dim} {percent:>3}% {eta} left  {pos}/{len} {rate} {wide_msg}",
    ),
    (36, "  {prefix} {percent}% {eta} left {rate} {wide_msg}"),
    (0, "{percent}% {eta} {wide_msg}"),
];

/// The same, before the stage reports a count.
const UNCOUNTED: [(u16, &str); 2] = [
    (36, "  {prefix:15} running for {elapsed} {wide_msg}"),
    (0, "{elapsed} {wide_msg}"),
];

/// The template for a terminal with this many columns.
fn fitting(templates: &[(u16, &'static str)], columns: u16) -> &'static str {
    let mut fits = templates.iter().filter(|(least, _)| columns >= *least);
    fits.next().map_or("{wide_msg}", |(_, template)| template)
}

impl Progress {
    pub(super) fn new(style: Style) -> Self {
        Progress {
            style,
            stage: Mutex::new(None),
        }
    }

    /// Shows one event.
    pub(super) fn tell(&self, line: &Line) {
        if let Style::Json = self.style {
            let text = serde_json::to_string(line).unwrap_or_default();
            super::print_line(text);
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
            RunEvent::End { .. } | RunEvent::Published { .. } => self.finish(),
            RunEvent::Run { .. } | RunEvent::Required(_) => {}
        }
    }

    fn stage_event(&self, id: &str, event: &Event) {
        match event {
            Event::Progress { done, total, note } => {
                // Publishing reports progress without a start event.
                if self.lock().is_none() {
                    self.begin(id);
                }
                self.advance(*done, *total, note);
            }
            Event::Warning { text } => self.print(&format!("  {id:15} warning: {text}")),
            Event::Note { text } => self.print(&format!("  {id:15} {text}")),
            Event::Metric { .. } => {}
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a line above the bars.
    fn print(&self, text: &str) {
        match self.style {
            // A closed terminal must not stop the run.
            Style::Bars => BARS.suspend(|| drop(writeln!(std::io::stderr(), "{text}"))),
            _ => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }

    fn begin(&self, id: &str) {
        let bar = matches!(self.style, Style::Bars).then(|| {
            let bar = BARS.add(ProgressBar::new(0));
            bar.set_prefix(id.to_owned());
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        let mut running = Running {
            id: id.to_owned(),
            first: None,
            done: 0,
            due: Instant::now() + FIRST,
            bar,
            shown: "",
        };
        running.show(&UNCOUNTED, "");
        *self.lock() = Some(running);
    }

    fn advance(&self, done: u64, total: u64, note: &str) {
        let mut stage = self.lock();
        let Some(running) = stage.as_mut() else {
            return;
        };
        // Threads report out of order; only a drop by half is a new count.
        if done < running.done / 2 {
            running.first = None;
        }
        running.done = done;
        let now = Instant::now();
        let (base, since) = *running.first.get_or_insert((done, now));
        if let Some(bar) = &running.bar {
            bar.set_length(total);
            bar.set_position(done);
            running.show(&TEMPLATES, note);
        } else if now >= running.due {
            running.due = now + EVERY;
            let seconds = now.duration_since(since).as_secs_f64();
            let rate = done.saturating_sub(base) as f64 / seconds.max(1e-3);
            let pace = match done > base {
                true => {
                    let left = total.saturating_sub(done) as f64 / rate;
                    format!(", {rate:.1}/s, {} left", duration(left))
                }
                false => String::new(),
            };
            let percent = 100 * done / total.max(1);
            let note = match note.is_empty() {
                true => String::new(),
                false => format!(", {note}"),
            };
            let id = &running.id;
            self.print(&format!("  {id:15} {percent}% {done}/{total}{pace}{note}"));
        }
    }

    fn finish(&self) {
        if let Some(bar) = self.lock().take().and_then(|running| running.bar) {
            bar.finish_and_clear();
            BARS.remove(&bar);
        }
    }
}

impl Running {
    /// Sets the bar's message to `note`, with the template that fits the terminal's current width.
    fn show(&mut self, templates: &[(u16, &'static str)], note: &str) {
        let Some(bar) = &self.bar else {
            return;
        };
        let (_, columns) = console::Term::stderr().size();
        let template = fitting(templates, columns);
        if template != self.shown {
            self.shown = template;
            if let Ok(style) = ProgressStyle::with_template(template) {
                let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
                    // A bar that cannot be written must not stop the run.
                    let _ = write!(text, "{:.1}/s", state.per_sec());
                };
                bar.set_style(style.progress_chars("━╸─").with_key("rate", rate));
            }
        }
        // If there is no room for the prefix, the message names the stage.
        bar.set_message(match template.contains("prefix") {
            true => note.to_owned(),
            false => format!("{} {note}", self.id),
        });
    }
}

/// `, 1800 samples`, or nothing if there are none.
fn counted(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => ", 1 sample".to_owned(),
        n => format!(", {n} samples"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_has_a_template_that_can_be_drawn() {
        for templates in [&TEMPLATES[..], &UNCOUNTED[..]] {
            for columns in [0, 20, 40, 80, 200] {
                let template = fitting(templates, columns);
                assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
                assert!(template.ends_with("{wide_msg}"));
            }
        }
        assert_ne!(fitting(&TEMPLATES, 80), fitting(&TEMPLATES, 40));
    }
}
