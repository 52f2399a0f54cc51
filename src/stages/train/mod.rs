//! train: learns to make renders look like photos, from unpaired pictures and without labels.

mod schedule;

use std::collections::BTreeMap;

use image::RgbImage;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifact::{Artifact, Kind};
use crate::models::{Adapter, MODELS, Setting, cyclegan::CycleGanConfig};
use crate::nn::{batch, device};
use crate::sample::image::contact_sheet;
use crate::seed::Stream;
use crate::stage::{Context, Event, Input, Stage, StageKind, parse};
use crate::{Error, Result};

/// The registry entry.
pub const STAGE: StageKind = StageKind {
    name: "train",
    about: "learns to make renders look like photos; labels are not read",
    version: 1,
    inputs: &[
        Input::required("renders", Kind::Samples, "what to change"),
        Input::required("photos", Kind::Samples, "what it shall look like"),
    ],
    output: Kind::Checkpoint,
    parse: parse::<Train>,
    schema: || schemars::schema_for!(Train),
};

/// Configuration of `train`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    /// The architecture; see `verismo list models`.
    pub model: Model,
    /// Optimiser steps.
    pub steps: u64,
    /// Pictures of each domain a step.
    pub batch: usize,
    /// Learning rate of Adam; constant, then falling to zero in a line.
    pub rate: f64,
    /// The share of the steps after which the rate falls.
    pub decay_from: f64,
    /// Mirror pictures at random.
    pub flip: bool,
    /// Turn pictures by multiples of 90° at random.
    pub turn: bool,
    /// A sheet of examples is written every so many steps; 0 for never.
    pub sheet_every: u64,
    /// The model's own settings.
    pub cyclegan: CycleGanConfig,
}

/// The models that can be named.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    CycleGan,
}

impl Default for Train {
    fn default() -> Self {
        Train {
            model: Model::CycleGan,
            steps: 1000,
            batch: 4,
            rate: 2e-4,
            decay_from: 0.5,
            flip: true,
            turn: false,
            sheet_every: 250,
            cyclegan: CycleGanConfig::default(),
        }
    }
}

impl Stage for Train {
    fn check(&self) -> Result<(), String> {
        if self.steps == 0 || self.batch == 0 {
            return Err("`steps` and `batch` must be at least 1".into());
        }
        if !(0.0..=1.0).contains(&self.decay_from) || self.rate <= 0.0 {
            return Err("`decay_from` must lie in 0..1 and `rate` above 0".into());
        }
        self.cyclegan.generator.check()
    }

    fn run(&self, context: &Context) -> Result<serde_json::Value> {
        let renders = pictures(context.input("renders")?)?;
        let photos = pictures(context.input("photos")?)?;
        let size = common_size(context, &renders, &photos)?;
        let Model::CycleGan = self.model;
        let kind = &MODELS[0];
        let chosen = device::choose(context.device)?;
        let mut model = (kind.create)(
            &self.cyclegan,
            Setting {
                device: &chosen,
                size,
                seed: &context.seed,
            },
        )?;
        context.emit(Event::Note {
            text: format!(
                "{} with {:.2} M parameters on {}",
                kind.name,
                model.parameters() as f64 / 1e6,
                chosen.name
            ),
        });
        let history = self.fit(context, model.as_mut(), &renders, &photos, &chosen.device)?;
        model.save(context.out)?;
        let path = context.out.join("history.json");
        std::fs::write(&path, json!({ "steps": history }).to_string())
            .map_err(|e| Error::io(&path, e))?;
        Ok(json!({
            "model": kind.name,
            "device": chosen.name,
            "steps": self.steps,
            "parameters": model.parameters(),
            "last": history.last(),
        }))
    }
}

/// A point of the loss curves: the mean since the point before.
#[derive(Debug, Clone, Serialize)]
struct Point {
    step: u64,
    values: BTreeMap<String, f64>,
}

/// Steps between two points of the loss curves.
const HISTORY_EVERY: u64 = 10;

impl Train {
    /// The training loop. It knows batches, the schedule and the clock, but no model.
    fn fit(
        &self,
        context: &Context,
        model: &mut dyn Adapter,
        renders: &[RgbImage],
        photos: &[RgbImage],
        device: &burn::tensor::Device,
    ) -> Result<Vec<Point>> {
        let mut stream = context.seed.stream(0);
        let mut history = Vec::new();
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        let mut summed = 0;
        for step in 1..=self.steps {
            let a = self.draw(renders, &mut stream);
            let b = self.draw(photos, &mut stream);
            let rate = schedule::linear(self.rate, self.decay_from, step - 1, self.steps);
            let values = model.step(
                batch::to_tensor(a.iter(), device),
                batch::to_tensor(b.iter(), device),
                rate,
            );
            for (name, value) in values {
                if !value.is_finite() {
                    return Err(diverged(context, &name, step));
                }
                *sums.entry(name).or_default() += value;
            }
            summed += 1;
            if step % HISTORY_EVERY == 0 || step == self.steps {
                let mean = |(name, sum): (String, f64)| (name, sum / f64::from(summed));
                let values: BTreeMap<_, _> =
                    std::mem::take(&mut sums).into_iter().map(mean).collect();
                context.emit(Event::Metric {
                    step,
                    values: values.clone(),
                });
                context.progress(step, self.steps, losses_in_words(&values))?;
                history.push(Point { step, values });
                summed = 0;
            } else {
                context.check_interrupt()?;
            }
            if self.sheet_every > 0 && (step % self.sheet_every == 0 || step == self.steps) {
                sheet(context, model, renders, device, step)?;
            }
        }
        Ok(history)
    }

    /// A batch drawn with replacement, mirrored and turned as the configuration allows.
    fn draw(&self, pictures: &[RgbImage], stream: &mut Stream) -> Vec<RgbImage> {
        use image::imageops::{flip_horizontal, rotate90, rotate180, rotate270};
        (0..self.batch)
            .map(|_| {
                let picture = &pictures[stream.random_range(0..pictures.len())];
                let flipped;
                let picture = if self.flip && stream.random_bool(0.5) {
                    flipped = flip_horizontal(picture);
                    &flipped
                } else {
                    picture
                };
                match if self.turn {
                    stream.random_range(0..4)
                } else {
                    0
                } {
                    1 => rotate90(picture),
                    2 => rotate180(picture),
                    3 => rotate270(picture),
                    _ => picture.clone(),
                }
            })
            .collect()
    }
}

/// All pictures of an artifact in memory: 12 kB for one of 64×64.
fn pictures(artifact: &Artifact) -> Result<Vec<RgbImage>> {
    artifact.samples().map(|sample| sample?.pixels()).collect()
}

/// The side that all pictures share.
fn common_size(context: &Context, renders: &[RgbImage], photos: &[RgbImage]) -> Result<usize> {
    /// Fewer photos than this are learned by heart.
    const FEWEST: usize = 10;
    if photos.len() < FEWEST || renders.len() < FEWEST {
        return Err(Error::failed(
            context.id,
            format!(
                "has {} renders and {} photos, and needs at least {FEWEST} of each",
                renders.len(),
                photos.len()
            ),
            "add photos to the folder, or raise `count` of the render stage",
        ));
    }
    let size = renders[0].width();
    let other = renders
        .iter()
        .chain(photos)
        .find(|picture| picture.dimensions() != (size, size));
    match other {
        Some(picture) => Err(Error::failed(
            context.id,
            format!(
                "renders are {size}×{size}, but there is a picture of {}×{}",
                picture.width(),
                picture.height()
            ),
            "give `render` and `ingest` the same `size`",
        )),
        None => Ok(size as usize),
    }
}

fn diverged(context: &Context, loss: &str, step: u64) -> Error {
    Error::failed(
        context.id,
        format!("the {loss} loss is no longer finite at step {step}"),
        "lower `rate`, or choose another `seed`",
    )
}

fn losses_in_words(values: &BTreeMap<String, f64>) -> String {
    let word = |(name, value): (&String, &f64)| {
        let short: String = name.chars().take(3).collect();
        format!("{short} {value:.3}")
    };
    values.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Writes renders (upper rows) above their translations, eight pairs.
fn sheet(
    context: &Context,
    model: &dyn Adapter,
    renders: &[RgbImage],
    device: &burn::tensor::Device,
    step: u64,
) -> Result<()> {
    let shown: Vec<&RgbImage> = renders.iter().take(16).collect();
    let translated =
        batch::to_pictures(model.translate(batch::to_tensor(shown.iter().copied(), device)));
    let cells: Vec<RgbImage> = shown.into_iter().cloned().chain(translated).collect();
    let size = cells[0].width();
    let path = context.out.join(format!("sheet-{step:06}.png"));
    contact_sheet(&cells, 16, size).save(&path).map_err(|e| {
        Error::failed(
            path.display(),
            e,
            "check the free space and the permissions",
        )
    })
}
