//! `verismo gc`: shows what the cache contains, and removes what no kept run or dataset needs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::{columns, print_line};
use crate::pipeline::gc::{self, CachedResult, Holdings};
use crate::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  verismo gc --dry-run
  verismo gc --keep-runs 10

Keeps the results of the newest runs of each pipeline, and of the run that made each version of a
dataset. Runs and datasets themselves are not removed; `keep = N` in a pipeline file limits the
versions of its dataset. Nothing is removed while a run is active.";

/// Arguments of `gc`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Gc {
    /// Only print what would be removed.
    #[arg(long)]
    dry_run: bool,

    /// Keep the results of the newest N runs of each pipeline.
    #[arg(long, value_name = "N", default_value_t = 3)]
    keep_runs: usize,

    /// The folder that contains the cache, runs and datasets.
    #[arg(long, value_name = "DIR", default_value = "outputs")]
    outputs: PathBuf,

    /// Print one JSON object: `runs`, `needed`, `unneeded`, `removed`.
    #[arg(long)]
    json: bool,
}

impl Gc {
    pub(super) fn execute(self) -> Result<()> {
        if !self.outputs.is_dir() {
            return Err(Error::usage(
                self.outputs.display(),
                "is not a folder",
                "give the folder that contains the cache, runs and datasets: --outputs DIR",
            ));
        }
        let holdings = match self.dry_run {
            true => gc::holdings(&self.outputs, self.keep_runs)?,
            false => gc::collect(&self.outputs, self.keep_runs)?,
        };
        if self.json {
            let mut object = serde_json::json!(holdings);
            object["removed"] = (!self.dry_run).into();
            print_line(object);
            return Ok(());
        }
        print_line(format_holdings(&holdings));
        let verb = if self.dry_run { "would free" } else { "freed" };
        print_line(format!("\n{verb} {}", bytes(sum(&holdings.unneeded))));
        Ok(())
    }
}

/// One row per stage: number and size of its results, needed and not.
fn format_holdings(holdings: &Holdings) -> String {
    let mut stages: BTreeMap<&str, [(usize, u64); 2]> = BTreeMap::new();
    for (list, entries) in [&holdings.needed, &holdings.unneeded].iter().enumerate() {
        for entry in *entries {
            let stage = entry.name.rsplit_once('-').map_or("", |(id, _)| id);
            let counted = &mut stages.entry(stage).or_default()[list];
            *counted = (counted.0 + 1, counted.1 + entry.bytes);
        }
    }
    let cell = |(results, size): (usize, u64)| match results {
        0 => "-".to_owned(),
        n => format!("{n}, {}", bytes(size)),
    };
    let row = |name: &str, [needed, rest]: [(usize, u64); 2]| {
        vec![name.to_owned(), cell(needed), cell(rest)]
    };
    let mut rows = vec![["", "needed", "not needed"].map(String::from).to_vec()];
    rows.extend(stages.into_iter().map(|(stage, counts)| row(stage, counts)));
    let total = |entries: &[CachedResult]| (entries.len(), sum(entries));
    let totals = [total(&holdings.needed), total(&holdings.unneeded)];
    rows.push(row("all", totals));
    let runs = holdings.runs;
    format!(
        "results in the cache; kept runs: {runs}\n\n{}",
        columns(&rows)
    )
}

fn sum(entries: &[CachedResult]) -> u64 {
    entries.iter().map(|entry| entry.bytes).sum()
}

/// `12 bytes`, `3.4 MiB (3565158 bytes)`.
fn bytes(size: u64) -> String {
    match size {
        0..10_240 => format!("{size} bytes"),
        _ => format!("{:.1} MiB ({size} bytes)", size as f64 / f64::from(1 << 20)),
    }
}
