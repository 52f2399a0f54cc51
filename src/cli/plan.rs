//! `verismo plan`: the stages of a pipeline, which are cached, which would run, and why.

use std::path::Path;
use std::str::FromStr;

use clap::Args;

use super::comparison::format_settings;
use super::{Chosen, StageChoice, columns, consequences, duration, print_line, values};
use crate::Result;
use crate::nn::device;
use crate::pipeline::cache::Cache;
use crate::pipeline::forecast::{Time, times};
use crate::pipeline::plan::{Choice, Step, plan};
use crate::pipeline::spec::Spec;
use crate::report::format::plural;
use crate::stage::DeviceChoice;

const EXAMPLES: &str = "\
Examples:
  verismo plan pipelines/dice.toml
  verismo plan pipelines/dice.toml --set augment.copies=3     what this change would cost
  verismo plan pipelines/dice.toml --set augment.copies=3 --explain

Nothing is run. What a run would refuse is refused here, with exit code 2: files that are missing or of a
kind that cannot be read, stages that do not fit together, a dataset's version that exists already. Times
come from earlier runs; before the first one they are rough, told from the amount of work.";

/// Arguments of `plan`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Plan {
    #[command(flatten)]
    chosen: Chosen,

    #[command(flatten)]
    stages: StageChoice,

    /// Device that networks would run on: auto, cpu, gpu, gpu:1, cuda, cuda:1.
    #[arg(long, default_value = "auto", value_parser = DeviceChoice::from_str)]
    device: DeviceChoice,

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
            let outputs = &self.chosen.outputs;
            show(&spec, outputs, &choice, self.device, self.explain)?;
        }
        Ok(())
    }
}

/// Prints the plan.
pub(super) fn show(
    spec: &Spec,
    outputs: &Path,
    choice: &Choice,
    device: DeviceChoice,
    explain: bool,
) -> Result<()> {
    let cache = Cache::new(outputs);
    let steps = plan(spec, &cache, choice)?;
    if device != DeviceChoice::Auto {
        device::choose(device)?;
    }
    let device = || device::choose(device).ok().map(|chosen| chosen.name);
    let times = times(spec, &cache, &steps, &device);
    let rows: Vec<Vec<String>> = steps.iter().zip(&times).map(row).collect();
    let stages = plural(steps.len() as u64, "stage");
    print_line(format!("{}: {stages}\n", spec.name));
    print_line(columns(&rows));
    let to_run: Vec<Option<Time>> = steps
        .iter()
        .zip(&times)
        .filter(|(step, _)| !step.is_cached())
        .map(|(_, time)| *time)
        .collect();
    print_line(match to_run.len() {
        0 => "\neverything is cached".to_owned(),
        n => format!("\n{n} to run{}, {} cached", total(&to_run), steps.len() - n),
    });
    if times.iter().flatten().any(|time| time.rough) {
        print_line(
            "rough: told from the amount of work and the speed of this machine's CPU; after a run, times \
             are measured",
        );
    }
    for line in consequences::of_changes(&steps, &times) {
        print_line(line);
    }
    if explain {
        steps.iter().for_each(explain_step);
    }
    Ok(())
}

/// How long stages will take in total, as far as that is known.
pub(super) fn total(times: &[Option<Time>]) -> String {
    let known: Vec<Time> = times.iter().copied().flatten().collect();
    let seconds = duration(known.iter().map(|time| time.seconds).sum());
    let rough = match known.iter().any(|time| time.rough) {
        true => "roughly",
        false => "about",
    };
    match times.len() - known.len() {
        _ if known.is_empty() => String::new(),
        0 => format!(" in {rough} {seconds}"),
        n => format!(" in {rough} {seconds}, plus {n} whose time is not known"),
    }
}

fn row((step, time): (&Step, &Option<Time>)) -> Vec<String> {
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
    let time = time.map_or(String::new(), format_time);
    vec![stage.id.clone(), reads, state.to_owned(), time, reasons]
}

fn format_time(time: Time) -> String {
    let mut text = format!("~ {}", duration(time.seconds));
    if time.rough {
        text += " (rough)";
    }
    if time.done >= 0.005 {
        text += &format!(", {:.0} % is done", 100.0 * time.done);
    }
    text
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
    for line in values::lines(&key.ingredients.config) {
        print_line(format!("  config   {line}"));
    }
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
