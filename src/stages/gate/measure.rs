//! The scores of every sample.

use std::collections::BTreeMap;

use image::RgbImage;
use rayon::prelude::*;

use super::config::Gate;
use super::distance::Distribution;
use super::duplicates::{self, Pair, Thumbnail};
use super::judge::{Judge, Reading};
use super::measured::{CHUNK, Measured};
use super::picture::{self, Luminance};
use super::renders::Renders;
use super::speckle::{Texture, Usual};
use super::spectrum::Spectrometer;
use crate::Result;
use crate::artifact::{Artifact, parts};
use crate::sample::{Sample, Verdict, image::resize};
use crate::stage::{Context, Event};

/// How far around an object its edges belong to it, and how far its surroundings reach, as shares of
/// the picture's width.
const RIM: f32 = 0.04;
const SURROUNDINGS: f32 = 0.15;

/// Mean change per pixel, which no criterion judges: the verdict on the training does.
pub(super) const CHANGE: &str = "change";

/// What samples are measured with.
pub(super) struct Instruments {
    pub judge: Option<Judge>,
    pub photos: Option<Distribution>,
    spectrometer: Spectrometer,
    usual: Usual,
}

/// A sample and its render as pixels, of the same size.
pub(super) struct View {
    pub sample: Sample,
    pub output: RgbImage,
    pub render: RgbImage,
}

/// Scores of all samples of `input`, in their order; no reasons yet.
pub(super) fn all(gate: &Gate, context: &Context, input: &Artifact) -> Result<Vec<Verdict>> {
    let mut renders = Renders::index(context, context.input("renders")?)?;
    let photos = context.inputs.get("photos");
    let first = photos.map_or(0, |photos| photos.manifest.count);
    let total = first + input.manifest.count;
    let instruments = Instruments::new(gate, context, total)?;
    let (mut verdicts, mut pairs) = (Vec::new(), Vec::new());
    let mut earlier = Measured::of_earlier_runs(context);
    for path in input.parts() {
        let samples = parts::read_part(&path)?;
        let befores = renders.of(context, &samples)?;
        let (key, known) = earlier.known(&samples, &befores)?;
        let start = verdicts.len();
        verdicts.extend(known);
        let mut couples = samples.into_iter().zip(befores);
        let mut done = start;
        loop {
            let chunk: Vec<_> = couples.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            let views: Vec<View> = chunk
                .into_par_iter()
                .map(View::new)
                .collect::<Result<_>>()?;
            done += views.len();
            if verdicts.len() < done {
                verdicts.extend(instruments.measure(context, &views)?);
            }
            pairs.par_extend(views.par_iter().map(|view| Pair {
                render: Thumbnail::of(&view.render),
                output: Thumbnail::of(&view.output),
            }));
            context.progress(first + done as u64, total, "")?;
        }
        earlier.keep(context, &key, &verdicts[start..])?;
    }
    context.report_reused(earlier.taken, input.manifest.count, "samples");
    instruments.warn_of_misreadings(context, &verdicts);
    for (verdict, score) in verdicts.iter_mut().zip(duplicates::scores(&pairs)) {
        verdict.scores.insert("duplicate".into(), score);
    }
    Ok(verdicts)
}

impl View {
    pub(super) fn new((sample, render): (Sample, Sample)) -> Result<Self> {
        let (output, mut render) = (sample.pixels()?, render.pixels()?);
        if render.dimensions() != output.dimensions() {
            render = resize(&render, output.width(), output.height());
        }
        Ok(View {
            sample,
            output,
            render,
        })
    }

    /// What the pixels say without a look at the photos.
    pub(super) fn scores(&self) -> BTreeMap<&'static str, Option<f32>> {
        let (before, after) = (Luminance::of(&self.render), Luminance::of(&self.output));
        let mask = self.sample.object_mask();
        let rim = picture::around(&mask, RIM);
        let surroundings = picture::around(&mask, SURROUNDINGS);
        let (spread, clipped) = (before.spread(), picture::clipped(&self.render));
        BTreeMap::from([
            ("edges", before.edges().correlation(&after.edges(), &rim)),
            ("luminance", before.correlation(&after, &surroundings)),
            ("contrast", (spread > 0.0).then(|| after.spread() / spread)),
            (
                "clipped",
                Some((picture::clipped(&self.output) - clipped).max(0.0)),
            ),
            (CHANGE, Some(picture::change(&self.render, &self.output))),
        ])
    }
}

impl Instruments {
    /// `total` is the number of all pictures, photos and samples, for the progress.
    pub(super) fn new(gate: &Gate, context: &Context, total: u64) -> Result<Self> {
        let task = context.inputs.get("task");
        let mut instruments = Instruments {
            judge: task.map(|task| Judge::load(context, task)).transpose()?,
            photos: None,
            spectrometer: Spectrometer::new(),
            usual: Usual::of(&[], gate.photo_quantile),
        };
        if let Some(photos) = context.inputs.get("photos") {
            let (features, textures) = instruments.look_at(context, photos, total)?;
            instruments.usual = Usual::of(&textures, gate.photo_quantile);
            instruments.photos = Distribution::of(&features, gate.photo_quantile);
            if instruments.photos.is_none() {
                context.emit(Event::Warning {
                    text: format!(
                        "{} photos are too few, or too much alike, to judge by: `photo` is not measured",
                        features.len()
                    ),
                });
            }
        }
        Ok(instruments)
    }

    /// A task network that misreads renders lets most translations pass: the user must know.
    fn warn_of_misreadings(&self, context: &Context, verdicts: &[Verdict]) {
        /// Fewer renders read right than this share are worth a warning.
        const FEW: f64 = 0.5;
        let judged = verdicts.iter().filter(|v| v.scores.contains_key("label"));
        let share = judged.count() as f64 / verdicts.len().max(1) as f64;
        if self.judge.is_some() && share < FEW {
            context.emit(Event::Warning {
                text: format!(
                    "the task network reads {:.0} % of the renders right, and `label` is judged on \
                     those alone; raise `steps` of its stage",
                    100.0 * share
                ),
            });
        }
    }

    /// The features of all pictures of an artifact, and the textures of those that are large enough.
    fn look_at(
        &self,
        context: &Context,
        artifact: &Artifact,
        total: u64,
    ) -> Result<(Vec<Vec<f32>>, Vec<Texture>)> {
        let (mut features, mut textures) = (Vec::new(), Vec::new());
        for path in artifact.parts() {
            let samples = parts::read_part(&path)?;
            for chunk in samples.chunks(CHUNK) {
                let pictures: Vec<_> = chunk.iter().map(Sample::pixels).collect::<Result<_>>()?;
                let own = pictures
                    .par_iter()
                    .map(|picture| self.spectrometer.texture(picture));
                textures.extend(own.collect::<Vec<_>>().into_iter().flatten());
                features.extend(match &self.judge {
                    Some(judge) => {
                        let read = judge.read(context, &pictures)?;
                        read.into_iter().map(|reading| reading.features).collect()
                    }
                    None => pictures.par_iter().map(picture::looks).collect::<Vec<_>>(),
                });
                context.progress(features.len() as u64, total, "photos")?;
            }
        }
        Ok((features, textures))
    }

    /// What the pixels say.
    fn scores(&self, view: &View) -> BTreeMap<&'static str, Option<f32>> {
        let mut scores = view.scores();
        let textures =
            [&view.render, &view.output].map(|picture| self.spectrometer.texture(picture));
        if let [Some(render), Some(output)] = &textures {
            scores.insert("speckle", Some(self.usual.score(render, output)));
        }
        scores
    }

    fn measure(&self, context: &Context, views: &[View]) -> Result<Vec<Verdict>> {
        let mut scores: Vec<_> = views.par_iter().map(|view| self.scores(view)).collect();
        let mut features: Vec<Vec<f32>> = Vec::new();
        if let Some(judge) = &self.judge {
            let renders: Vec<RgbImage> = views.iter().map(|v| v.render.clone()).collect();
            let outputs: Vec<RgbImage> = views.iter().map(|v| v.output.clone()).collect();
            let before = judge.read(context, &renders)?;
            let after = judge.read(context, &outputs)?;
            let readings = before.iter().zip(&after);
            for ((view, scores), (before, after)) in views.iter().zip(&mut scores).zip(readings) {
                scores.insert("label", label(judge, view, before, after));
                scores.insert("mask", mask(judge, view, before, after));
            }
            features.extend(after.into_iter().map(|reading| reading.features));
        } else if self.photos.is_some() {
            features.par_extend(views.par_iter().map(|view| picture::looks(&view.output)));
        }
        if let Some(photos) = &self.photos {
            for (scores, features) in scores.iter_mut().zip(&features) {
                scores.insert("photo", Some(photos.distance(features)));
            }
        }
        let pairs = views.iter().zip(scores);
        Ok(pairs
            .map(|(view, scores)| verdict(&view.sample, scores))
            .collect())
    }
}

/// The scores of a sample, without reasons; what was not measured is left out.
pub(super) fn verdict(sample: &Sample, scores: BTreeMap<&str, Option<f32>>) -> Verdict {
    let measured = scores.into_iter();
    let measured = measured.filter_map(|(name, score)| Some((name.to_owned(), score?)));
    Verdict::of(sample, measured.collect())
}

/// Probability of the labelled class. A network that misreads the render is not asked.
fn label(judge: &Judge, view: &View, before: &Reading, after: &Reading) -> Option<f32> {
    let class = judge.class(view.sample.labels.class.as_deref()?)?;
    (before.best() == class).then(|| after.probabilities[class])
}

/// Overlap with the label's mask, as a share of the render's. A network that misses the object in
/// the render is not asked.
fn mask(judge: &Judge, view: &View, before: &Reading, after: &Reading) -> Option<f32> {
    /// Less overlap than this in the render is a miss.
    const SEEN: f32 = 0.5;
    let label = judge.cells(&view.sample.object_mask());
    let overlap = before.overlap(&label);
    (overlap >= SEEN).then(|| (after.overlap(&label) / overlap).min(1.0))
}
