//! The command line: arguments, progress, summaries. Only this module writes to the terminal.

mod comparison;
mod consequences;
mod convert;
mod dataset;
mod diff;
mod explain;
mod fit;
mod gc;
mod inspect;
mod lettering;
mod list;
mod logs;
mod matrix;
mod new;
mod plan;
mod progress;
mod run;
mod schema;
mod shell;
mod summary;
mod values;
mod verify;

use std::io::Write;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::nn::{device, memory};
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
  verismo inspect parts/cup.glb              size, materials and classes of a model, from all sides
  verismo fit pipelines/dice.toml            ranges with which the renders look like the photos
  verismo new cups --models parts --photos photos/cups       a commented pipeline for your own
  verismo completions bash > ~/.local/share/bash-completion/completions/verismo

Exit codes: 0 done, 1 failed, 2 wrong command line or pipeline file, 3 done but the results do not meet
the pipeline's requirements, 130 interrupted.";

/// Turns renders of 2D and 3D models into labelled pictures that look like photographs.
#[derive(Parser)]
#[command(version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Log what is done to stderr, -vv in more detail; `RUST_LOG` gives finer control.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Run a pipeline; results that are in the cache are reused.
    Run(run::Run),
    /// Show what a run would do, stage by stage, and why.
    Plan(plan::Plan),
    /// Find ranges with which a pipeline's renders look like its photos.
    Fit(fit::Fit),
    /// Write a commented pipeline file as a starting point.
    New(new::New),
    /// Show counts, statistics and pictures of an artifact, a part or a dataset.
    Inspect(inspect::Inspect),
    /// Trace an image of a dataset back to its model, seed, render and checkpoint.
    Explain(explain::Explain),
    /// Show what changed from one dataset to another.
    Diff(diff::Diff),
    /// Write a dataset in another format.
    Convert(convert::Convert),
    /// Check a dataset: files, checksums, boxes against masks, keypoints, classes, splits.
    Verify(verify::Verify),
    /// Remove results that no kept run or dataset needs from the cache.
    Gc(gc::Gc),
    /// List what pipelines can use: stages, models and more.
    List(list::List),
    /// Print the JSON Schema of pipeline files, for editors.
    #[command(after_help = "Example:\n  verismo schema > pipeline.schema.json")]
    Schema,
    /// List the devices that networks can run on.
    Devices,
    /// Print completions for a shell.
    Completions(shell::Completions),
    /// Write the manual pages.
    Man(shell::Man),
}

/// A pipeline and its settings.
#[derive(Args)]
struct Chosen {
    /// The pipeline file.
    pipeline: PathBuf,

    /// Change a setting for this run, e.g. `augment.copies=3`; can be repeated.
    ///
    /// The value is TOML (`3`, `true`, `[1, 2]`), otherwise a string. Settings in a table of a stage:
    /// `train.cyclegan.identity=2.0`. Settings of the pipeline itself: `seed=7`, `variables.photos=PATH`,
    /// `require.evaluate.adapted.mean=">= 0.9"`. Stages that are `like` the changed one change too.
    #[arg(long = "set", value_name = "STAGE.KEY=VALUE")]
    set: Vec<String>,

    /// Apply the settings in this TOML file, such as one written by `verismo fit`; can be repeated. `--set`
    /// overrides it.
    #[arg(long, value_name = "FILE")]
    settings: Vec<PathBuf>,

    /// The folder that contains the cache, runs and datasets.
    #[arg(long, value_name = "DIR", default_value = "outputs")]
    outputs: PathBuf,
}

/// Which stages to run.
#[derive(Args)]
struct StageChoice {
    /// Run this stage and everything that depends on it again.
    #[arg(long, value_name = "ID")]
    from: Option<String>,

    /// Run only this stage, with inputs from the cache; can be repeated.
    #[arg(long, value_name = "ID")]
    only: Vec<String>,

    /// Run this stage again even if it is cached; can be repeated.
    #[arg(long, value_name = "ID")]
    force: Vec<String>,
}

impl Chosen {
    fn spec(&self) -> Result<Spec> {
        Spec::read(&self.pipeline, &self.sets()?, STAGES)
    }

    /// One spec for every point of the pipeline's matrix, or just one without a matrix.
    fn points(&self) -> Result<Vec<Spec>> {
        Spec::read_points(&self.pipeline, &self.sets()?, STAGES)
    }

    /// The settings files as `--set` arguments, followed by the `--set` arguments.
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

/// Converts a settings file to `--set` arguments.
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

/// Parses the command line, runs the command, and reports errors.
pub fn main() -> ExitCode {
    memory::keep_freed_memory();
    std::panic::set_hook(Box::new(report_fault));
    let cli = Cli::parse();
    match catch_unwind(|| logs::begin(cli.verbose).and_then(|()| dispatch(cli.command))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
        // The panic hook has already printed the message.
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
        Command::Convert(convert) => convert.execute(),
        Command::Verify(verify) => verify.execute(),
        Command::Gc(gc) => gc.execute(),
        Command::List(list) => list.execute(),
        Command::Schema => schema::execute(),
        Command::Completions(completions) => completions.execute(Cli::command()),
        Command::Man(man) => man.execute(Cli::command()),
        Command::Devices => {
            let rows = device::list()
                .into_iter()
                .map(|(name, about)| vec![name, about]);
            print_line(columns(&rows.collect::<Vec<_>>()));
            if let Some(text) = device::without_cards() {
                print_line(text);
            }
            Ok(())
        }
    }
}

/// Reports a panic to the user, whichever thread it occurs in.
fn report_fault(info: &std::panic::PanicHookInfo) {
    let message = info.payload_as_str().unwrap_or("no message");
    let place = info
        .location()
        .map_or(String::new(), |l| format!(" ({}:{})", l.file(), l.line()));
    let _ = writeln!(
        std::io::stderr(),
        "error: a bug in verismo: {message}{place}\n  help: please report it with this \
         message, the command and the pipeline file"
    );
}

/// Prints to stdout. A closed pipe (`| head`) is not an error; a full disk ends the program.
fn print_line(text: impl std::fmt::Display) {
    match writeln!(std::io::stdout(), "{text}") {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            let _ = writeln!(std::io::stderr(), "error: stdout: {e}");
            std::process::exit(1);
        }
        _ => {}
    }
}

/// Rows in columns, each as wide on screen as its longest cell, separated by two spaces.
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

/// The error for a file that a command cannot read.
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
        Cli::command().debug_assert();
    }
}
