//! `verismo plan`: the stages, what is cached, what would run and why.

use clap::Args;

use super::comparison::settings_in_words;
use super::{Chosen, columns, say};
use crate::Result;
use crate::pipeline::cache::Cache;
use crate::pipeline::plan::{Step, plan};
use crate::pipeline::spec::Spec;

const EXAMPLES: &str = "\
Examples:
  verismo plan pipelines/dice.toml
  verismo plan pipelines/dice.toml --set augment.copies=3 --explain";

/// Arguments of `plan`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Plan {
    #[command(flatten)]
    chosen: Chosen,

    /// Print each key, what it is made of, and everything that changed.
    #[arg(long)]
    explain: bool,
}

impl Plan {
    pub fn execute(self) -> Result<()> {
        for spec in self.chosen.points()? {
            if !spec.point.is_empty() {
                say(format!("\n{}", settings_in_words(&spec.point)));
            }
            show(&spec, &self.chosen, self.explain)?;
        }
        Ok(())
    }
}

/// Prints the plan.
pub fn show(spec: &Spec, chosen: &Chosen, explain: bool) -> Result<()> {
    let cache = Cache::new(&chosen.outputs);
    let steps = plan(spec, &cache, &chosen.choice())?;
    let rows: Vec<Vec<String>> = steps.iter().map(row).collect();
    say(format!("{}: {} stages\n", spec.name, steps.len()));
    say(columns(&rows));
    let to_run = steps.iter().filter(|step| !step.is_cached()).count();
    say(match to_run {
        0 => "\neverything is cached".to_owned(),
        n => format!("\n{n} to run, {} cached", steps.len() - n),
    });
    if explain {
        steps.iter().for_each(explain_step);
    }
    Ok(())
}

fn row(step: &Step) -> Vec<String> {
    let stage = step.stage;
    let inputs: Vec<&str> = stage.from.values().map(String::as_str).collect();
    let state = match step.is_cached() {
        true => "cached",
        false => "will run",
    };
    let why = match &step.reasons[..] {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third}, and {} more", rest.len())
        }
        few => few.join(", "),
    };
    let reads = match inputs.is_empty() {
        true => String::new(),
        false => format!("<- {}", inputs.join(", ")),
    };
    vec![stage.id.clone(), reads, state.to_owned(), why]
}

fn explain_step(step: &Step) {
    say(format!("\n{} ({})", step.stage.id, step.stage.kind.name));
    let Some(key) = &step.key else {
        say("  key      known once its inputs are made");
        step.reasons
            .iter()
            .for_each(|r| say(format!("  why      {r}")));
        return;
    };
    say(format!("  key      {}", key.hash));
    say(format!(
        "  code     {} version {}, seed {}",
        key.ingredients.stage, key.ingredients.version, key.ingredients.seed
    ));
    say(format!("  config   {}", key.ingredients.config));
    for (role, digest) in &key.ingredients.inputs {
        let id = step
            .stage
            .from
            .get(role.as_str())
            .map_or("", String::as_str);
        say(format!("  input    {role} = {id} {}", &digest[..16]));
    }
    for (file, hash) in &key.ingredients.files {
        say(format!("  file     {file} {}", &hash[..16]));
    }
    match step.is_cached() {
        true => say("  why      cached"),
        false => step
            .reasons
            .iter()
            .for_each(|r| say(format!("  why      {r}"))),
    }
}
