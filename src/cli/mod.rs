//! The command line: arguments, progress, summaries. Only this module draws on the terminal.

mod comparison;
mod dataset;
mod diff;
mod explain;
mod fit;
mod gc;
mod inspect;
mod list;
mod logs;
mod matrix;
mod new;
mod plan;
mod progress;
mod run;
mod schema;
mod summary;

use std::io::Write;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::nn::device;
use crate::pipeline::plan::Choice;
use crate::pipeline::spec::Spec;
use crate::report::format::duration;
use crate::stages::STAGES;
use crate::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  verismo run pipelines/dice.toml            render, learn, translate, publish, measure
  verismo plan pipelines/dice.toml           what is cached, what would run and why
  verismo run pipelines/dice.toml --set render.count=3000
  verismo inspect outputs/datasets/dice/latest
  verismo fit pipelines/dice.toml            ranges with which the renders look like the photos
  verismo new screws                         a commented pipeline for your own models and photos

Exit codes: 0 done, 1 failed, 2 wrong command line or pipeline file, 3 done but the results are not
what the pipeline requires, 130 interrupted.";

/// Turns renders of 2D and 3D models into labelled pictures that look like photographs.
#[derive(Parser)]
#[command(version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Log on stderr what is done, -vv in detail; RUST_LOG chooses more finely.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Run a pipeline: what is in the cache is taken from there, the rest is made.
    Run(run::Run),
    /// Show what a run would do, stage by stage, and why.
    Plan(plan::Plan),
    /// Search the ranges with which a pipeline's renders look like its photos.
    Fit(fit::Fit),
    /// Write a commented pipeline file to start from.
    New(new::New),
    /// Count and draw what an artifact, a part or a dataset holds.
    Inspect(inspect::Inspect),
    /// Trace an image of a dataset back to model, seed, render and checkpoint.
    Explain(explain::Explain),
    /// Show what changed from one dataset to another.
    Diff(diff::Diff),
    /// Remove from the cache what no kept run or dataset needs.
    Gc(gc::Gc),
    /// List what pipelines can use.
    List(list::List),
    /// Print the JSON Schema of pipeline files, for editors.
    #[command(after_help = "Example:\n  verismo schema > pipeline.schema.json")]
    Schema,
    /// List the devices that networks can run on.
    Devices,
}

/// Which pipeline, with which settings.
#[derive(Args)]
struct Chosen {
    /// The pipeline file.
    pipeline: PathBuf,

    /// Change a setting for this run, e.g. `augment.copies=3`; may be given again.
    ///
    /// The value is TOML (`3`, `true`, `[1, 2]`), else taken as a string. Settings in a table of a
    /// stage: `train.cyclegan.identity=2.0`. The pipeline's own: `seed=7`, `variables.photos=PATH`,
    /// `require.evaluate.adapted.mean=">= 0.9"`. Stages that are `like` the one changed change too.
    #[arg(long = "set", value_name = "STAGE.KEY=VALUE")]
    set: Vec<String>,

    /// Lay the settings of this TOML file over the pipeline's, such as `verismo fit` writes; may be
    /// given again. `--set` goes before them.
    #[arg(long, value_name = "FILE")]
    settings: Vec<PathBuf>,

    /// The folder of cache, runs and datasets.
    #[arg(long, value_name = "DIR", default_value = "outputs")]
    outputs: PathBuf,
}

/// Which of its stages.
#[derive(Args)]
struct StageChoice {
    /// Run this stage and all that follow from it anew.
    #[arg(long, value_name = "ID")]
    from: Option<String>,

    /// Run just this stage, with inputs from the cache; may be given again.
    #[arg(long, value_name = "ID")]
    only: Vec<String>,

    /// Run this stage anew though it is cached; may be given again.
    #[arg(long, value_name = "ID")]
    force: Vec<String>,
}

impl Chosen {
    fn spec(&self) -> Result<Spec> {
        Spec::read(&self.pipeline, &self.sets()?, STAGES)
    }

    /// A spec for every point of the pipeline's matrix, or just one.
    fn points(&self) -> Result<Vec<Spec>> {
        Spec::read_points(&self.pipeline, &self.sets()?, STAGES)
    }

    /// The files of settings, then the `--set` arguments.
    fn sets(&self) -> Result<Vec<String>> {
        let mut sets = Vec::new();
        for file in &self.settings {
            sets.extend(settings_of(file)?);
        }
        sets.extend_from_slice(&self.set);
        Ok(sets)
    }
}

impl From<StageChoice> for Choice {
    fn from(StageChoice { from, only, force }: StageChoice) -> Self {
        Choice { from, only, force }
    }
}

/// A file of settings as `--set` arguments.
fn settings_of(file: &std::path::Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).map_err(|e| Error::io(file, e))?;
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        Error::usage(
            file.display(),
            e.message(),
            "give a TOML file with tables `[stages.ID]`",
        )
    })?;
    let mut sets = Vec::new();
    flatten("", &table, &mut sets);
    Ok(sets)
}

fn flatten(path: &str, table: &toml::Table, sets: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => flatten(&format!("{path}{key}."), inner, sets),
            other => sets.push(format!("{path}{key}={other}")),
        }
    }
}

/// Parses the command line, does what it asks, and says how it went.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_fault));
    let cli = Cli::parse();
    match catch_unwind(|| logs::begin(cli.verbose).and_then(|()| dispatch(cli.command))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
        // The hook has told the user.
        Err(_) => ExitCode::from(1),
    }
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Run(run) => run.execute(),
        Command::Plan(plan) => plan.execute(),
        Command::Fit(fit) => fit.execute(),
        Command::New(new) => new.execute(),
        Command::Inspect(inspect) => inspect.execute(),
        Command::Explain(explain) => explain.execute(),
        Command::Diff(diff) => diff.execute(),
        Command::Gc(gc) => gc.execute(),
        Command::List(list) => list.execute(),
        Command::Schema => schema::execute(),
        Command::Devices => {
            let rows = device::list()
                .into_iter()
                .map(|(name, about)| vec![name, about]);
            say(columns(&rows.collect::<Vec<_>>()));
            Ok(())
        }
    }
}

/// What a user sees of a panic, whichever thread it is in.
fn report_fault(info: &std::panic::PanicHookInfo) {
    let message = info.payload_as_str().unwrap_or("no message");
    let place = info
        .location()
        .map_or(String::new(), |l| format!(" ({}:{})", l.file(), l.line()));
    let _ = writeln!(
        std::io::stderr(),
        "error: a fault in verismo itself: {message}{place}\n  help: please report it with this \
         message, the command and the pipeline file"
    );
}

/// Prints to stdout. A reader that has gone away (`| head`) is no error; a full disk ends the program.
fn say(text: impl std::fmt::Display) {
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            let _ = writeln!(std::io::stderr(), "error: stdout: {e}");
            std::process::exit(1);
        }
        _ => {}
    }
}

/// Rows in columns as wide on the screen as their longest cell, two spaces apart.
fn columns(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = console::measure_text_width(cell);
            match widths.get_mut(column) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded: Vec<_> = cells
            .map(|(cell, &width)| console::pad_str(cell, width, console::Alignment::Left, None))
            .collect();
        format!("  {}", padded.join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The error for a file that is not what a command reads.
fn unreadable(path: &std::path::Path, problem: &str) -> Error {
    Error::usage(
        path.display(),
        problem,
        "give an artifact's folder (outputs/cache/…), a part file, or a dataset (outputs/datasets/NAME/latest)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
