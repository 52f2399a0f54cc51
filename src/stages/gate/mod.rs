//! gate: keeps the translations that still show their label and could be photos; rejects the others.
//!
//! Every sample gets scores (`criteria`); one that fails any criterion is rejected, with its
//! reasons. The parts hold the kept samples alone, so that whatever reads them trains on nothing
//! else. Beside them lie `rejected-*.parquet`, which are parts of the rejected, and
//! `verdicts.parquet`, a row for each sample of the input; `emit` and the report read that. Scores
//! are measured against the render of the same sample, so that a render translated to itself passes
//! whatever a network thinks of it. Without renders, as for generated pictures, the criteria that compare with them do
//! not count. Labels of real photos are not read.

mod alone;
mod clips;
mod config;
mod criteria;
mod distance;
mod duplicates;
mod exhibit;
mod findings;
mod judge;
mod loss;
mod measure;
mod measured;
mod objects;
mod picture;
mod renders;
mod ruler;
mod speckle;
mod spectrum;

#[cfg(test)]
mod tests;

use serde_json::json;

use crate::Result;
use crate::artifact::{self, Artifact, Kind, parts, verdicts};
use crate::nn::ruler::Figures;
use crate::sample::{Sample, Verdict};
use crate::stage::finding;
use crate::stage::{
    Context, Effort, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, parse,
};

pub use config::{Gate, Spoiled};
use criteria::CRITERIA;
use objects::Faults;
use renders::Renders;

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "gate",
    about: "rejects translations that lost their label or do not look like a photo",
    version: 4,
    inputs: &[
        Input::required(
            "samples",
            Kind::Samples,
            "translated renders, or generated pictures",
        ),
        Input::optional("renders", Kind::Samples, "the same before translation"),
        Input::optional("photos", Kind::Samples, "what they should look like"),
        Input::optional("task", Kind::Task, "the task network, to read their labels"),
    ],
    output: Kind::Judged,
    parse: parse::<Gate>,
    schema: || schemars::schema_for!(Gate),
    exhibit: exhibit::exhibit,
};

impl Stage for Gate {
    fn check(&self) -> Result<(), String> {
        let shares = [
            ("label", self.label),
            ("mask", self.mask),
            ("clipped", self.clipped),
            ("duplicate", self.duplicate),
            ("photo_quantile", self.photo_quantile),
            ("max_lost", self.max_lost),
        ];
        for (key, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("`{key}` is a share; give a number from 0 to 1"));
            }
        }
        for (key, value) in [("edges", self.edges), ("luminance", self.luminance)] {
            if !(-1.0..=1.0).contains(&value) {
                return Err(format!(
                    "`{key}` is a correlation; give a number from -1 to 1"
                ));
            }
        }
        if ![self.contrast, self.speckle, self.photo]
            .iter()
            .all(|&limit| limit >= 0.0)
        {
            return Err("`contrast`, `speckle` and `photo` must be 0 or more".into());
        }
        Ok(())
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        if inputs.get("renders").is_none() {
            self.check_alone(inputs)?;
        }
        // Without a task network, pictures of any size can be compared.
        if inputs.get("task").is_some() {
            inputs.common_extent(&["task", "samples", "photos"])?;
        }
        Ok(inputs.facts("samples"))
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        // A picture is compared in several ways, and its render with it.
        const WAYS: f64 = 2.0;
        let pixels = ["samples", "renders", "photos"].map(|role| inputs.pixels(role));
        let pixels: Option<f64> = pixels.into_iter().sum();
        let extent = inputs.facts("samples").extent;
        let has = |role: &str| inputs.get(role).is_some();
        let extent = extent.filter(|_| self.ruler && has("photos") && has("renders"));
        let ruler = Effort::products(extent.map_or(0.0, Figures::products));
        Forecast::new(
            inputs.count("samples"),
            pixels.map(|pixels| Effort::pixels(WAYS * pixels).and(ruler)),
        )
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let input = context.input("samples")?;
        let has_renders = context.inputs.contains_key("renders");
        let measured = match has_renders {
            true => measure::all(self, context, input)?,
            false => alone::all(self, context, input)?,
        };
        let mut verdicts: Vec<Verdict> = measured.into_iter().map(|m| self.judge(m)).collect();
        let faults = Faults::find(self, context, input, &mut verdicts)?;
        loss::check(self, context, &verdicts)?;
        write(context, input, &verdicts, &faults)?;
        verdicts::write(&context.out.join(verdicts::FILE), &verdicts)?;
        let figures = match self.ruler && has_renders {
            true => ruler::figures(context)?,
            false => None,
        };
        let mut summary = self.summary(&verdicts);
        summary["ruler"] = json!(figures);
        if self.objects.is_some() {
            summary["objects"] = faults.summary();
        }
        if has_renders && let Some(flicker) = clips::flicker(context)? {
            summary["flicker"] = json!(flicker);
        }
        let findings = findings::findings(&summary);
        finding::record(&mut summary, &findings);
        Ok(summary)
    }
}

impl Gate {
    /// What cannot be judged without renders.
    fn check_alone(&self, inputs: &Givens) -> Result<(), Misfit> {
        if inputs.get("photos").is_none() && inputs.get("task").is_none() {
            return Err(Misfit::new(
                "has nothing to judge by",
                "give it `renders`, the samples before translation; or, for samples that were not translated, `photos`, \
                 `task` or both",
            ));
        }
        match self.objects {
            None => Ok(()),
            Some(_) => Err(Misfit::new(
                "`objects` compares each object with its render",
                "give it `renders`, the samples before translation, or leave out `objects`",
            )),
        }
    }

    /// Names the criteria that a measured sample fails.
    fn judge(&self, mut measured: Verdict) -> Verdict {
        let failed = CRITERIA.iter().filter(|criterion| {
            let score = measured.scores.get(criterion.name);
            score.is_some_and(|&score| criterion.fails(self, score))
        });
        measured.reasons = failed.map(|criterion| criterion.name.to_owned()).collect();
        measured
    }

    fn summary(&self, verdicts: &[Verdict]) -> serde_json::Value {
        let kept = verdicts.iter().filter(|v| v.is_kept()).count();
        let criteria: serde_json::Map<_, _> = CRITERIA
            .iter()
            .map(|criterion| {
                let failed = |v: &&Verdict| v.reasons.iter().any(|r| r == criterion.name);
                let judged = |v: &&Verdict| v.scores.contains_key(criterion.name);
                let entry = json!({
                    "about": criterion.about,
                    "limit": (criterion.limit)(self),
                    "rejects": if criterion.rejects_above { "above" } else { "below" },
                    "judged": verdicts.iter().filter(judged).count(),
                    "rejected": verdicts.iter().filter(failed).count(),
                });
                (criterion.name.to_owned(), entry)
            })
            .collect();
        let rejected = verdicts.len() - kept;
        let changes = verdicts
            .iter()
            .filter_map(|v| v.scores.get(measure::CHANGE));
        let changes: Vec<f64> = changes.map(|&change| f64::from(change)).collect();
        let mean = changes.iter().sum::<f64>() / changes.len() as f64;
        let change = (!changes.is_empty()).then_some(mean);
        json!({
            "kept": kept, "rejected": rejected, "criteria": criteria, "change": change,
            "rejected_share": rejected as f64 / verdicts.len().max(1) as f64,
        })
    }
}

/// Writes the kept samples as parts, with their spoiled objects mended, and the rejected beside them; `verdicts` are in
/// the samples' order.
fn write(context: &Context, input: &Artifact, verdicts: &[Verdict], faults: &Faults) -> Result<()> {
    let mut verdicts = verdicts.iter().zip(&faults.of);
    let mut renders = match faults.of.iter().all(Vec::is_empty) {
        true => None,
        false => Some(Renders::index(context, context.input("renders")?)?),
    };
    for (number, path) in input.parts().enumerate() {
        let (mut kept, mut rejected) = (Vec::new(), Vec::new());
        for (mut sample, (verdict, faults)) in
            parts::read_part(&path)?.into_iter().zip(&mut verdicts)
        {
            if let (Some(renders), true, false) =
                (&mut renders, verdict.is_kept(), faults.is_empty())
            {
                let render = renders
                    .of(context, std::slice::from_ref(&sample))?
                    .remove(0);
                sample = objects::mended(sample, render, faults)?;
            }
            sample.provenance.gate = Some(verdict.note());
            if verdict.is_kept() {
                kept.push(sample);
            } else {
                rejected.push(sample);
            }
        }
        let put = |name: String, samples: &[Sample]| match samples {
            [] => Ok(()),
            _ => parts::write_part(&context.out.join(name), samples),
        };
        put(artifact::part_name(number), &kept)?;
        put(format!("rejected-{number:05}.parquet"), &rejected)?;
        context.check_interrupt()?;
    }
    Ok(())
}
