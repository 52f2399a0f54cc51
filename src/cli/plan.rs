//! `verismo plan`: the stages of a pipeline, which are cached, which would run, and why.

use std::path::Path;

use clap::Args;

use super::comparison::format_settings;
use super::{Chosen, StageChoice, columns, duration, print_line};
use crate::Result;
use crate::pipeline::cache::Cache;
use crate::pipeline::plan::{Choice, Step, plan};
use crate::pipeline::spec::Spec;

const EXAMPLES: &str = "\
Examples:
  verismo plan pipelines/dice.toml
  verismo plan pipelines/dice.toml --set augment.copies=3 --explain";

/// Arguments of `plan`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Plan {
    #[command(flatten)]
    chosen: Chosen,

    #[command(flatten)]
    stages: StageChoice,

    /// Print each key, its ingredients, and everything that changed.
    #[arg(long)]
    explain: bool,
}

impl Plan {
    pub(super) fn execute(self) -> Result<()> {
        let choice = self.stages.into();
        for spec in self.chosen.points()? {
            if !spec.point.is_empty() {
                print_line(format!("\n{}", format_settings(&spec.point)));
            }
            show(&spec, &self.chosen.outputs, &choice, self.explain)?;
        }
        Ok(())
    }
}

/// Prints the plan.
pub(super) fn show(spec: &Spec, outputs: &Path, choice: &Choice, explain: bool) -> Result<()> {
    let cache = Cache::new(outputs);
    let steps = plan(spec, &cache, choice)?;
    let rows: Vec<Vec<String>> = steps.iter().map(row).collect();
    print_line(format!("{}: {} stages\n", spec.name, steps.len()));
    print_line(columns(&rows));
    let to_run: Vec<&Step> = steps.iter().filter(|step| !step.is_cached()).collect();
    print_line(match to_run.len() {
        0 => "\neverything is cached".to_owned(),
        n => format!("\n{n} to run{}, {} cached", time(&to_run), steps.len() - n),
    });
    if explain {
        steps.iter().for_each(explain_step);
    }
    Ok(())
}

/// How long `to_run` will take in total, as far as it can be estimated.
fn time(to_run: &[&Step]) -> String {
    let known: Vec<f64> = to_run.iter().filter_map(|step| step.estimate).collect();
    let total = duration(known.iter().sum());
    match to_run.len() - known.len() {
        _ if known.is_empty() => String::new(),
        0 => format!(" in about {total}"),
        n => format!(" in about {total}, plus {n} that never ran before"),
    }
}

fn row(step: &Step) -> Vec<String> {
    let stage = step.stage;
    let inputs: Vec<&str> = stage.from.values().map(String::as_str).collect();
    let state = match step.is_cached() {
        true => "cached",
        false => "will run",
    };
    let reasons = match &step.reasons[..] {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third}, and {} more", rest.len())
        }
        few => few.join(", "),
    };
    let reads = match inputs.is_empty() {
        true => String::new(),
        false => format!("<- {}", inputs.join(", ")),
    };
    let time = step
        .estimate
        .map_or(String::new(), |seconds| format!("~ {}", duration(seconds)));
    vec![stage.id.clone(), reads, state.to_owned(), time, reasons]
}

fn explain_step(step: &Step) {
    print_line(format!("\n{} ({})", step.stage.id, step.stage.kind.name));
    let Some(key) = &step.key else {
        print_line("  key      unknown until its inputs are made");
        step.reasons
            .iter()
            .for_each(|r| print_line(format!("  why      {r}")));
        return;
    };
    print_line(format!("  key      {}", key.hash));
    print_line(format!(
        "  code     {} version {}, seed {}",
        key.ingredients.stage, key.ingredients.version, key.ingredients.seed
    ));
    print_line(format!("  config   {}", key.ingredients.config));
    for (role, digest) in &key.ingredients.inputs {
        let id = step
            .stage
            .from
            .get(role.as_str())
            .map_or("", String::as_str);
        print_line(format!("  input    {role} = {id} {}", &digest[..16]));
    }
    for (file, hash) in &key.ingredients.files {
        print_line(format!("  file     {file} {}", &hash[..16]));
    }
    match step.is_cached() {
        true => print_line("  why      cached"),
        false => step
            .reasons
            .iter()
            .for_each(|r| print_line(format!("  why      {r}"))),
    }
}
