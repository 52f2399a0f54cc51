//! `verismo run`: runs a pipeline and shows its progress on the terminal.

use std::sync::atomic::{AtomicBool, Ordering};

use std::path::Path;
use std::str::FromStr;

use clap::Args;

use super::progress::{Progress, Style};
use super::{Chosen, StageChoice, matrix, plan, print_line, summary};
use crate::nn::device;
use crate::pipeline::plan::Choice;
use crate::pipeline::run::{Options, Outcome, run};
use crate::pipeline::spec::Spec;
use crate::stage::DeviceChoice;
use crate::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  verismo run pipelines/dice.toml
  verismo run pipelines/dice.toml --set train.steps=200 --set render.count=300
  verismo run pipelines/dice.toml --from augment         run augment and everything after it again
  verismo run pipelines/dice.toml --only render          just the renders, to look at them
  verismo run pipelines/dice.toml --dry-run              only show what would run
  verismo run pipelines/dice.toml --json | jq .event     events for machines

A pipeline with a `[matrix]`, such as `\"train.steps\" = [200, 400]`, runs at every point of the
grid, publishes nothing and ends in a table that compares them.

Exit codes: 0 done, 1 failed, 2 wrong command line or pipeline file, 3 done but the results do not meet
`[require]` (nothing was published), 130 interrupted.

A second run with nothing changed takes everything from the cache. Ctrl-C stops the run and leaves
nothing half-finished; the next run resumes at the first missing part, or at the last training step.";

/// Arguments of `run`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Run {
    #[command(flatten)]
    chosen: Chosen,

    #[command(flatten)]
    stages: StageChoice,

    #[command(flatten)]
    machine: Machine,
}

/// How to run and show progress.
#[derive(Args)]
pub(super) struct Machine {
    /// Device for networks: auto, cpu, gpu, gpu:1, cuda, cuda:1.
    #[arg(long, default_value = "auto", value_parser = DeviceChoice::from_str)]
    pub device: DeviceChoice,

    /// Threads for everything else [default: all cores].
    #[arg(long, visible_alias = "jobs", value_name = "N", value_parser = threads)]
    threads: Option<usize>,

    /// Only show what would run.
    #[arg(long)]
    pub dry_run: bool,

    /// Print events as JSON lines on stdout, instead of bars and a summary.
    #[arg(long)]
    pub json: bool,
}

fn threads(text: &str) -> Result<usize, String> {
    const MOST: usize = 1024;
    match text.parse() {
        Ok(threads) if (1..=MOST).contains(&threads) => Ok(threads),
        _ => Err(format!("give a number from 1 to {MOST}")),
    }
}

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

impl Run {
    pub(super) fn execute(self) -> Result<()> {
        let points = self.chosen.points()?;
        let (outputs, choice) = (&self.chosen.outputs, self.stages.into());
        let outcome = match &points[..] {
            [spec] if spec.point.is_empty() => execute(spec, outputs, &choice, &self.machine)?,
            points => return matrix::execute(points, outputs, &choice, &self.machine),
        };
        let Some(outcome) = outcome else {
            return Ok(());
        };
        if !self.machine.json {
            print_line(summary::summary(&outcome));
        }
        outcome.unmet.map_or(Ok(()), Err)
    }
}

/// Runs `spec` with progress on the terminal; `None` for a dry run.
///
/// # Errors
/// The errors of [`run`], and if the machine cannot be used as requested.
pub(super) fn execute(
    spec: &Spec,
    outputs: &Path,
    choice: &Choice,
    machine: &Machine,
) -> Result<Option<Outcome>> {
    if machine.dry_run {
        plan::show(spec, outputs, choice, machine.device, false)?;
        return Ok(None);
    }
    prepare(machine)?;
    run_once(spec, outputs, choice, machine, true).map(Some)
}

/// Sets up threads and Ctrl-C, once per process.
///
/// # Errors
/// If the machine cannot be used as requested.
pub(super) fn prepare(machine: &Machine) -> Result<()> {
    if let Some(threads) = machine.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .map_err(|e| Error::usage("--threads", e, "give a smaller number"))?;
    }
    stop_on_ctrl_c()
}

/// Runs `spec` after [`prepare`] has been called.
///
/// # Errors
/// The errors of [`run`].
pub(super) fn run_once(
    spec: &Spec,
    outputs: &Path,
    choice: &Choice,
    machine: &Machine,
    publish: bool,
) -> Result<Outcome> {
    let style = if machine.json {
        Style::Json
    } else {
        Style::for_terminal()
    };
    let progress = Progress::new(style);
    let options = Options {
        outputs,
        choice: choice.clone(),
        device: machine.device,
        device_name: device::choose(machine.device)?.name,
        interrupted: &INTERRUPTED,
        listener: &|line| progress.tell(line),
        publish,
    };
    run(spec, &options)
}

/// An error after a Ctrl-C that [`stop_on_ctrl_c`] has caught.
pub(super) fn check_interrupt() -> Result<()> {
    match INTERRUPTED.load(Ordering::Relaxed) {
        true => Err(Error::Interrupted),
        false => Ok(()),
    }
}

/// The first Ctrl-C or SIGTERM asks the run to stop, the second stops it.
pub(super) fn stop_on_ctrl_c() -> Result<()> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .map_err(|e| Error::failed("Ctrl-C", e, "start verismo in another terminal"))
}
