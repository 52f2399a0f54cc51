//! `verismo run`: runs a pipeline with progress on the terminal.

use std::sync::atomic::{AtomicBool, Ordering};

use std::str::FromStr;

use clap::Args;

use super::progress::{Progress, Style};
use super::{Chosen, plan, say, summary};
use crate::nn::device;
use crate::pipeline::run::{Options, run};
use crate::stage::DeviceChoice;
use crate::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  verismo run pipelines/dice.toml
  verismo run pipelines/dice.toml --set train.steps=200 --set render.count=300
  verismo run pipelines/dice.toml --from augment         augment and all after it, anew
  verismo run pipelines/dice.toml --only render          just the renders, to look at them
  verismo run pipelines/dice.toml --dry-run              only say what would run
  verismo run pipelines/dice.toml --json | jq .event     events for machines

A second run with nothing changed takes everything from the cache. Ctrl-C stops at once and leaves
nothing half-made; finished stages are kept.";

/// Arguments of `run`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    #[command(flatten)]
    chosen: Chosen,

    /// Where networks run: auto, cpu, gpu, gpu:1, cuda, cuda:1.
    #[arg(long, default_value = "auto", value_parser = DeviceChoice::from_str)]
    device: DeviceChoice,

    /// Threads for everything else; all cores unless given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Only say what would run.
    #[arg(long)]
    dry_run: bool,

    /// Print events as JSON lines on stdout instead of bars and a summary.
    #[arg(long)]
    json: bool,
}

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

impl Run {
    pub fn execute(self) -> Result<()> {
        let spec = self.chosen.spec()?;
        if self.dry_run {
            return plan::show(&spec, &self.chosen, false);
        }
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .map_err(|e| Error::usage("--threads", e, "give a smaller number"))?;
        }
        stop_on_ctrl_c()?;
        let style = if self.json {
            Style::Json
        } else {
            Style::for_terminal()
        };
        let progress = Progress::new(style);
        let outcome = run(
            &spec,
            &Options {
                outputs: &self.chosen.outputs,
                choice: self.chosen.choice(),
                device: self.device,
                device_name: device::choose(self.device)?.name,
                interrupted: &INTERRUPTED,
                listener: &|line| progress.tell(line),
            },
        )?;
        if !self.json {
            say(summary::summary(&outcome));
        }
        Ok(())
    }
}

/// The first Ctrl-C asks the run to stop, the second stops it.
fn stop_on_ctrl_c() -> Result<()> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .map_err(|e| Error::failed("Ctrl-C", e, "start verismo in another terminal"))
}
