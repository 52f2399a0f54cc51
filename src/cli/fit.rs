//! `verismo fit`: finds ranges with which a pipeline's renders look like its photos.
//!
//! Adds two stages to the pipeline in memory: a small version of its renders, and `fit` after it. Their
//! inputs come from the cache or are made, as in any run.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::run::{Machine, execute};
use super::{Chosen, columns, print_line};
use crate::artifact::{Artifact, settings};
use crate::pipeline::plan::Choice;
use crate::pipeline::spec::{Spec, StageSpec};
use crate::pipeline::suggest;
use crate::stages::STAGES;
use crate::stages::fit::LEAST_PICTURES;
use crate::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  verismo fit pipelines/dice.toml
  verismo fit pipelines/dice.toml --keep mesh.camera.roll_degrees --budget 60
  verismo run pipelines/dice.toml --settings outputs/fit/dice.toml
  verismo fit pipelines/dice.toml --settings outputs/fit/dice.toml      again, starting from there

Renders many small candidates; good initial ranges give better results. To fit the ranges in every
run, add a `fit` stage to the pipeline with `from = { renders = …, photos = … }`, and give the
render stage `from = { fit = … }`.";

/// Arguments of `fit`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Fit {
    #[command(flatten)]
    chosen: Chosen,

    /// The stage that renders [default: the one that `train` reads].
    #[arg(long, value_name = "ID")]
    renders: Option<String>,

    /// The stage with the photos to match [default: the one that `train` reads].
    #[arg(long, value_name = "ID")]
    photos: Option<String>,

    /// Do not change settings whose path starts with this, e.g. `mesh.camera`; can be repeated.
    #[arg(long, value_name = "SETTING")]
    keep: Vec<String>,

    /// Maximum number of candidates to render.
    #[arg(long, value_name = "N")]
    budget: Option<usize>,

    /// Number of renders per candidate.
    #[arg(long, value_name = "N")]
    pictures: Option<usize>,

    /// Where to write the settings; the picture goes next to it [default: `OUTPUTS/fit/NAME.toml`].
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,

    #[command(flatten)]
    machine: Machine,
}

/// Ids of the two added stages.
const DRAFT: &str = "fit_renders";
const FIT: &str = "fit_ranges";

impl Fit {
    pub(super) fn execute(self) -> Result<()> {
        if let Some(few) = self.pictures.filter(|n| *n < LEAST_PICTURES) {
            return Err(Error::usage(
                format!("--pictures {few}"),
                "is too small a number to compare with photos",
                format!("give {LEAST_PICTURES} or more"),
            ));
        }
        let plain = self.chosen.spec()?;
        let renders = self.stage(&plain, "renders", self.renders.as_deref())?;
        let photos = self.stage(&plain, "photos", self.photos.as_deref())?;
        let file = &self.chosen.pipeline;
        let text = std::fs::read_to_string(file).map_err(|e| Error::io(file, e))?;
        let text = format!("{text}\n{}", self.added(renders, photos));
        let mut spec = Spec::parse(file, &text, &self.chosen.sets()?, STAGES)?;
        spec.keep_up_to(FIT);
        spec.require.clear();
        spec.name = format!("{}-fit", plain.name);
        let (outputs, all) = (&self.chosen.outputs, Choice::default());
        let outcome = execute(&spec, outputs, &all, &self.machine);
        let Some(outcome) = outcome.map_err(|error| self.of_added(error))? else {
            return Ok(());
        };
        let record = outcome.record.stages.iter().find(|stage| stage.id == FIT);
        let Some(record) = record else {
            return Ok(());
        };
        let artifact = Artifact::open(&record.folder)?;
        let summary = &artifact.manifest.summary;
        let place = self.write(&plain.name, &renders.id, &artifact)?;
        if !self.machine.json {
            print_line(format_summary(summary));
            print_line(format!(
                "\nsettings: {}\npicture: {} (renders before, renders after, photos)\n  next: {}",
                match gained(summary) {
                    true => place.display().to_string(),
                    false => "none written".to_owned(),
                },
                place.with_extension("png").display(),
                self.next(summary, &place),
            ));
        }
        Ok(())
    }

    /// What to do with the result.
    fn next(&self, summary: &Value, place: &Path) -> String {
        let pipeline = self.chosen.pipeline.display();
        match gained(summary) {
            true => format!("verismo run {pipeline} --settings {}", place.display()),
            false => format!("verismo run {pipeline}, with the ranges as they are"),
        }
    }

    /// The stage `given`, or the one that `train` reads in `role`.
    fn stage<'s>(&self, spec: &'s Spec, role: &str, given: Option<&str>) -> Result<&'s StageSpec> {
        let ids: Vec<&str> = spec.stages.iter().map(|stage| stage.id.as_str()).collect();
        let read = || {
            let trains = spec
                .stages
                .iter()
                .filter(|stage| stage.kind.name == "train");
            let mut read = trains.filter_map(|train| train.from.get(role).map(String::as_str));
            read.next()
        };
        let id = given.or_else(read).ok_or_else(|| {
            let problem = format!("has no stage `train` that reads `{role}`");
            let remedy = format!("give the stage: --{role} ID; ids: {}", ids.join(", "));
            Error::usage(self.chosen.pipeline.display(), problem, remedy)
        })?;
        spec.stage(id).ok_or_else(|| {
            let problem = format!("the pipeline has no stage with the id `{id}`");
            Error::usage(
                format!("--{role} {id}"),
                problem,
                suggest::remedy(id, "ids", &ids),
            )
        })
    }

    /// An error in the added stages, which stand in no file, is one of the options that they were made from.
    fn of_added(&self, error: Error) -> Error {
        match error {
            Error::Pipeline {
                problem, remedy, ..
            } if problem.contains(&format!("`{FIT}`")) => {
                let subject = match self.budget {
                    Some(budget) if problem.contains("`budget`") => format!("--budget {budget}"),
                    _ => "fit".to_owned(),
                };
                Error::usage(subject, problem, remedy)
            }
            error => error,
        }
    }

    /// The two added stages, as TOML.
    fn added(&self, renders: &StageSpec, photos: &StageSpec) -> String {
        let from = |own: &[(&str, &str)]| {
            let backgrounds = renders
                .from
                .get("backgrounds")
                .map(|id| ("backgrounds", id.as_str()));
            let wires = own.iter().copied().chain(backgrounds);
            let wires: Vec<String> = wires
                .map(|(role, id)| format!("{role} = \"{id}\""))
                .collect();
            format!("from = {{ {} }}", wires.join(", "))
        };
        let kind = renders.kind.name;
        let mut lines = vec![
            format!(
                "[stages.{DRAFT}]\nuse = \"{kind}\"\nlike = \"{}\"",
                renders.id
            ),
            from(&[]),
            "count = 16".to_owned(),
            format!("[stages.{FIT}]\nuse = \"fit\""),
            from(&[("renders", DRAFT), ("photos", &photos.id)]),
            format!("keep = {:?}", self.keep),
        ];
        lines.extend(self.budget.map(|n| format!("budget = {n}")));
        lines.extend(self.pictures.map(|n| format!("pictures = {n}")));
        lines.join("\n") + "\n"
    }

    /// Writes settings, if they gained anything, and picture to the place that the user chose. A file of an earlier
    /// fit stays as it is if these gained nothing.
    fn write(&self, name: &str, renders: &str, artifact: &Artifact) -> Result<PathBuf> {
        let usual = || self.chosen.outputs.join("fit").join(format!("{name}.toml"));
        let place = self.write.clone().unwrap_or_else(usual);
        if let Some(folder) = place
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        }
        copy(
            &artifact.folder.join("sheet.png"),
            &place.with_extension("png"),
        )?;
        let summary = &artifact.manifest.summary;
        if !gained(summary) {
            return Ok(place);
        }
        let mut text = format!(
            "# Written by `verismo fit {}`.\n",
            self.chosen.pipeline.display()
        );
        if let Some(score) = format_score(summary) {
            text.push_str(&format!("# {score}\n"));
        }
        let settings = settings::read(artifact)?;
        text += &as_toml(&settings, &["stages", renders], &summary["changed"]);
        std::fs::write(&place, text).map_err(|e| Error::io(&place, e))?;
        Ok(place)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).map_err(|e| Error::io(to, e))?;
    Ok(())
}

/// Whether the renders came nearer to the photos, beyond the error.
fn gained(summary: &Value) -> bool {
    let changed = summary["changed"].as_array();
    changed.is_some_and(|changed| !changed.is_empty())
}

/// Nested settings as tables below `path`, each value with a comment that gives the old one, from the list `changed`.
fn as_toml(settings: &Value, path: &[&str], changed: &Value) -> String {
    let (mut own, mut below) = (String::new(), String::new());
    for (key, value) in settings.as_object().into_iter().flatten() {
        let inner: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        if value.is_object() {
            below.push_str(&as_toml(value, &inner, changed));
            continue;
        }
        let name = inner[2..].join(".");
        let changes = changed.as_array().into_iter().flatten();
        let before = changes.filter(|change| change["setting"] == name.as_str());
        let was: String = before
            .map(|change| format!("   # was {}", number(&change["before"])))
            .collect();
        own.push_str(&format!("{key} = {}{was}\n", number(value)));
    }
    match own.is_empty() {
        true => below,
        false => format!("\n[{}]\n{own}{below}", path.join(".")),
    }
}

/// A number or a range, with its significant digits.
fn number(value: &Value) -> String {
    let one = |value: &Value| {
        let number = value.as_f64().unwrap_or_default();
        let short: f64 = format!("{number:.3e}").parse().unwrap_or(number);
        format!("{short:?}")
    };
    match value.as_array() {
        Some(values) => format!(
            "[{}]",
            values.iter().map(one).collect::<Vec<_>>().join(", ")
        ),
        None => one(value),
    }
}

/// The result of the fit, for the terminal.
fn format_summary(summary: &Value) -> String {
    let list = |key: &str| summary[key].as_array().cloned().unwrap_or_default();
    let mut blocks = vec![match gained(summary) {
        true => format!("changed:\n{}", format_changes(&summary["changed"])),
        false => format_no_gain(summary),
    }];
    let unmatched: Vec<Vec<String>> = list("unmatched")
        .iter()
        .map(|one| {
            let three = |key: &str| {
                let quantiles = one[key].as_array().into_iter().flatten();
                quantiles
                    .map(|q| format!("{:.2}", q.as_f64().unwrap_or(f64::NAN)))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            vec![
                text(&one["feature"]),
                format!("{:.2}", one["ks"].as_f64().unwrap_or(f64::NAN)),
                three("renders"),
                three("photos"),
                text(&one["advice"]),
            ]
        })
        .collect();
    if !unmatched.is_empty() {
        let head = ["", "KS", "renders", "photos (10, 50, 90 %)", "suggestion"];
        let rows = [vec![head.map(String::from).to_vec()], unmatched].concat();
        blocks.push(format!("not matched:\n{}", columns(&rows)));
    }
    blocks.extend(format_score(summary));
    format!("\n{}", blocks.join("\n\n"))
}

/// Settings with their values before and after, in columns.
fn format_changes(changed: &Value) -> String {
    let changes = changed.as_array().into_iter().flatten();
    let row = |change: &Value| {
        let setting = change["setting"].as_str().unwrap_or_default().to_owned();
        let (before, after) = (number(&change["before"]), number(&change["after"]));
        vec![setting, before, "->".to_owned(), after]
    };
    columns(&changes.map(row).collect::<Vec<_>>())
}

/// What was tried and is not recommended.
fn format_no_gain(summary: &Value) -> String {
    let number = |pointer: &str| {
        summary
            .pointer(pointer)
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN)
    };
    let text = format!(
        "no better ranges were found, and none are recommended: the best ones come {:.3} ± {:.3} nearer to the \
         photos (mean distance {:.2}, {:.2} before), which is not a gain beyond the error",
        number("/gain/mean"),
        number("/gain/plus_minus"),
        number("/tried/distance"),
        number("/distance/before"),
    );
    match format_changes(&summary["tried"]["changed"]) {
        none if none.is_empty() => text,
        changes => format!("{text}\n\ntried:\n{changes}"),
    }
}

fn format_score(summary: &Value) -> Option<String> {
    let number = |pointer: &str| summary.pointer(pointer).and_then(Value::as_f64);
    Some(format!(
        "A classifier tells renders from photos in {:.1} ± {:.1} % of cases, {:.1} ± {:.1} % before \
         (50 is guessing); mean distance {:.2}, {:.2} before.",
        100.0 * number("/two_sample/after/accuracy")?,
        100.0 * number("/two_sample/after/plus_minus")?,
        100.0 * number("/two_sample/before/accuracy")?,
        100.0 * number("/two_sample/before/plus_minus")?,
        number("/distance/after")?,
        number("/distance/before")?,
    ))
}
