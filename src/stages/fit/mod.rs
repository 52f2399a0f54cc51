//! fit: searches the ranges of the renders' randomisers with which renders look like the photos.
//!
//! No label is read. Both domains are measured (`appearance`); the search moves the ends of
//! all ranges so that the quantiles of every measure agree (`search`); a classifier two-sample test
//! (`nn::ruler`) tells how well that went, on pictures that the search has not seen. What could not be matched is
//! said in words.
//!
//! Stages do not know each other, so this one is generic over the stage `R` whose settings it fits:
//! it takes R's configuration as data from the artifact `renders`, changes numbers in it (`dials`),
//! and runs R on it (`candidate`). Any stage with a `count` would do; the registry says `render`.

mod candidate;
mod dials;
mod outcome;
mod search;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;

use rand::RngExt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::appearance::{Look, measure};
use crate::artifact::{Artifact, Kind};
use crate::nn::ruler;
use crate::seed::Seed;
use crate::stage::{
    Context, Event, Facts, Forecast, Givens, Input, Misfit, Stage, StageKind, parse,
};
use crate::{Error, Result};

use candidate::Candidates;
use dials::Panel;
use outcome::FitOutcome;
use search::{Search, Target};

/// Fewer pictures do not tell how a domain looks.
pub const LEAST_PICTURES: usize = 20;

/// The registry entry, for the stage R whose settings are fitted.
pub const fn kind<R: Stage + DeserializeOwned + 'static>() -> StageKind {
    StageKind {
        name: "fit",
        about: "ranges for the renders that make them look like the photos; labels are not read",
        version: 3,
        inputs: INPUTS,
        output: Kind::Settings,
        parse: parse::<Fit<R>>,
        schema: || schemars::schema_for!(Settings),
        exhibit: crate::stage::exhibit::nothing,
    }
}

/// What `fit` reads.
const INPUTS: &[Input] = &[
    Input::required(
        "renders",
        Kind::Samples,
        "renders with the ranges to begin with; a few are enough",
    ),
    Input::required("photos", Kind::Samples, "what renders should look like"),
    Input::optional(
        "backgrounds",
        Kind::Samples,
        "what the renders read as `backgrounds`, if they do",
    ),
];

/// Configuration of `fit`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Renders of each candidate.
    pub pictures: usize,
    /// Most candidates to render; 0 takes about twice as many as there are ends of ranges.
    pub budget: usize,
    /// Settings to leave as they are, by the beginning of their path, e.g. `mesh.camera`.
    pub keep: Vec<String>,
    /// Share of its width that every range keeps: variety is worth more than a close match.
    pub least_width: f64,
    /// Price of moving the end of a range by the range's width: small moves are preferred where
    /// several explain the photos alike.
    pub caution: f64,
    /// Most photos to measure, spread evenly.
    pub photos: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            pictures: 96,
            budget: 0,
            keep: Vec::new(),
            least_width: 0.75,
            caution: 0.002,
            photos: 2000,
        }
    }
}

impl Settings {
    /// What can be turned in the settings `config`.
    fn panel(&self, config: &Value) -> Panel {
        Panel::new(config, &self.keep, self.least_width)
    }

    /// Most candidates to render, where there are so many `ends` of ranges.
    ///
    /// # Errors
    /// Problem and remedy, if there is nothing to fit, or there may be fewer candidates than ends.
    fn budget(&self, ends: usize) -> Result<usize, (String, String)> {
        let budget = match self.budget {
            0 => 2 * ends + 30,
            given => given,
        };
        if ends == 0 {
            let problem = "finds no range to fit in the settings of `renders`";
            let remedy = "take entries out of `keep`, or write ranges as [lowest, highest] with lowest < highest";
            return Err((problem.into(), remedy.into()));
        }
        let least = ends + 5;
        if budget < least {
            return Err((
                format!(
                    "`budget` allows {budget} candidates, but each of {ends} ends of ranges needs one"
                ),
                format!("set `budget` to at least {least}, or keep more settings"),
            ));
        }
        Ok(budget)
    }
}

/// The stage: its settings, and whose ranges it fits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Fit<R> {
    settings: Settings,
    #[serde(skip)]
    renderer: PhantomData<fn() -> R>,
}

impl<R: Stage + DeserializeOwned> Stage for Fit<R> {
    fn check(&self) -> Result<(), String> {
        let settings = &self.settings;
        if settings.pictures < LEAST_PICTURES || settings.photos < LEAST_PICTURES {
            return Err(format!(
                "`pictures` and `photos` must be at least {LEAST_PICTURES}"
            ));
        }
        if !(0.0..=1.0).contains(&settings.least_width) {
            return Err("`least_width` must be between 0 and 1".into());
        }
        if !(0.0..=1.0).contains(&settings.caution) {
            return Err("`caution` must be between 0 and 1".into());
        }
        Ok(())
    }

    fn foresee(&self, inputs: &Givens) -> Result<Facts, Misfit> {
        let Some(renders) = inputs.get("renders") else {
            return Ok(Facts::default());
        };
        let ends = self.settings.panel(&renders.config()).ends();
        let Err((problem, remedy)) = self.settings.budget(ends) else {
            return Ok(Facts::default());
        };
        Err(Misfit::new(problem, remedy))
    }

    fn forecast(&self, inputs: &Givens) -> Forecast {
        let Some(renders) = inputs.get("renders") else {
            return Forecast::default();
        };
        let config = renders.config();
        let budget = self.settings.budget(self.settings.panel(&config).ends());
        let (Ok(budget), Ok(renderer)) = (budget, candidate::configured::<R>(&config)) else {
            return Forecast::default();
        };
        let draft = renderer.forecast(&Givens::default());
        let each = draft
            .count
            .zip(draft.effort)
            .map(|(count, effort)| effort.times(1.0 / count.max(1) as f64));
        // At the end three times as many are rendered before and after.
        let pictures = (self.settings.pictures * (budget + 6)) as f64;
        Forecast::new(None, each.map(|each| each.times(pictures)))
    }

    fn run(&self, context: &Context) -> Result<Value> {
        let photos = Photos::read(context, context.input("photos")?, self.settings.photos)?;
        let renders = context.input("renders")?;
        let config = &renders.manifest.config;
        let mut stream = context.seed.stream(0);
        let [known, unseen] = ["search", "test"].map(|name| Seed::new(stream.random(), name));
        let candidates = Candidates::<R>::new(context, self.settings.pictures);
        let panel = self.settings.panel(config);
        let ends = panel.ends();
        let budget = self.settings.budget(ends);
        let budget =
            budget.map_err(|(problem, remedy)| Error::usage(context.id, problem, remedy))?;
        context.emit(Event::Note {
            text: format!(
                "{} settings with {ends} ends, up to {budget} candidates of {} renders",
                panel.dials.len(),
                self.settings.pictures
            ),
        });
        let is_valid = |config: &Value| candidate::configured::<R>(config).is_ok();
        let mut search = Search::new(
            Target::new(&photos.looks),
            self.settings.caution,
            panel.inwards(),
        );
        let found = search.run(
            budget,
            &|x| panel.project(config, x, &is_valid),
            &mut |x| {
                let (config, _) = panel.project(config, x, &is_valid);
                candidates.looks(&config, &known)
            },
            &|done, note| context.progress(done as u64, budget as u64, note),
        )?;
        let weights: Vec<f64> = (0..ends)
            .map(|end| search.weight(end, found.x[end]))
            .collect();
        let x = panel.without_crumbs(&found.x, &weights);
        let (fitted, _) = panel.project(config, &x, &is_valid);
        tell_of_ends(context, &panel, &x);
        let count = 3 * self.settings.pictures;
        let before = candidates.pictures(config, &unseen, count)?;
        let after = candidates.pictures(&fitted, &unseen, count)?;
        let outcome = FitOutcome::new(&panel, config, fitted, &search, found.candidates);
        outcome.write(context, &before, &after, &photos)
    }
}

/// The photos that are matched.
struct Photos {
    looks: Vec<Look>,
    /// What the renders are told from.
    pictures: ruler::Pictures,
    /// The first few, for the picture.
    shown: Vec<image::RgbImage>,
}

impl Photos {
    /// Measures up to `most` photos.
    fn read(context: &Context, artifact: &Artifact, most: usize) -> Result<Self> {
        let stride = (artifact.manifest.count as usize).div_ceil(most).max(1);
        let samples: Vec<_> = artifact.samples().step_by(stride).collect::<Result<_>>()?;
        if samples.len() < LEAST_PICTURES {
            return Err(Error::failed(
                context.id,
                format!(
                    "has {} photos, too few to tell how photos look",
                    samples.len()
                ),
                format!(
                    "give at least {LEAST_PICTURES}, better some hundreds, or set the ranges by hand"
                ),
            ));
        }
        let pictures: Vec<image::RgbImage> = samples
            .par_iter()
            .map(super::super::sample::Sample::pixels)
            .collect::<Result<_>>()?;
        let looks = pictures.par_iter().map(measure).collect();
        let mut groups = ruler::Groups::default();
        samples.iter().for_each(|sample| groups.add(sample));
        let groups = groups.finish();
        let few = pictures.len().min(ruler::MOST);
        let told_from = ruler::Pictures::gather(few, |place| {
            let number = place * pictures.len() / few;
            Ok((pictures[number].clone(), groups[number]))
        })?;
        let every = (pictures.len() / outcome::SHOWN).max(1);
        Ok(Photos {
            looks,
            pictures: told_from,
            shown: pictures
                .into_iter()
                .step_by(every)
                .take(outcome::SHOWN)
                .collect(),
        })
    }
}

/// Names the settings that would have gone further.
fn tell_of_ends(context: &Context, panel: &Panel, x: &[f64]) {
    let far = panel
        .parts(x)
        .filter(|(_, part)| part.iter().any(|x| x.abs() >= dials::REACH));
    let names: Vec<String> = far.map(|(dial, _)| dial.name()).collect();
    if !names.is_empty() {
        let text = format!(
            "went as far as one fit may: {}; fit again from the settings found",
            names.join(", ")
        );
        context.emit(Event::Note { text });
    }
}
