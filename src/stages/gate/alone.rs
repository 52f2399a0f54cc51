//! Samples that no render belongs to, such as those of `generate`: judged by what the task network reads in them and by
//! how far they are from the photos.

use std::collections::BTreeMap;

use image::RgbImage;
use rayon::prelude::*;

use super::config::Gate;
use super::judge::{Judge, Reading};
use super::measure::{Instruments, verdict};
use super::measured::CHUNK;
use super::picture;
use crate::artifact::{Artifact, parts};
use crate::sample::{Domain, Sample, Verdict};
use crate::stage::Context;
use crate::{Error, Result};

/// Scores of all samples of `input`, in their order; no reasons yet.
///
/// # Errors
/// If the samples are translations, a picture cannot be read, or the run is interrupted.
pub(super) fn all(gate: &Gate, context: &Context, input: &Artifact) -> Result<Vec<Verdict>> {
    let first = input.samples().next().transpose()?;
    if first.is_some_and(|sample| sample.provenance.domain == Domain::Translated) {
        return Err(Error::usage(
            context.id,
            "its samples are translations, which are judged beside their renders",
            "give it the role `renders`: the samples before translation",
        ));
    }
    let photos = context.inputs.get("photos");
    let first = photos.map_or(0, |photos| photos.manifest.count);
    let total = first + input.manifest.count;
    let instruments = Instruments::new(gate, context, total)?;
    let mut verdicts: Vec<Verdict> = Vec::new();
    for path in input.parts() {
        for samples in parts::read_part(&path)?.chunks(CHUNK) {
            verdicts.extend(measured(&instruments, context, samples)?);
            context.progress(first + verdicts.len() as u64, total, "")?;
        }
    }
    Ok(verdicts)
}

fn measured(
    instruments: &Instruments,
    context: &Context,
    samples: &[Sample],
) -> Result<Vec<Verdict>> {
    let pictures: Vec<RgbImage> = samples
        .par_iter()
        .map(Sample::pixels)
        .collect::<Result<_>>()?;
    let read = instruments.judge.as_ref().map(|judge| {
        let readings = judge.read(context, &pictures)?;
        Ok::<_, Error>((judge, readings))
    });
    let read = read.transpose()?;
    let judged = |(place, sample): (usize, &Sample)| {
        let picture = &pictures[place];
        let reading = read
            .as_ref()
            .map(|(judge, readings)| (*judge, &readings[place]));
        let mut scores = BTreeMap::from([("clipped", Some(picture::clipped(picture)))]);
        if let Some((judge, reading)) = reading {
            scores.insert("label", label(judge, sample, reading));
            scores.insert("mask", mask(judge, sample, reading));
        }
        if let Some(photos) = &instruments.photos {
            let distance = match reading {
                Some((_, reading)) => photos.distance(&reading.features),
                None => photos.distance(&picture::looks(picture)),
            };
            scores.insert("photo", Some(distance));
        }
        verdict(sample, scores)
    };
    Ok(samples.par_iter().enumerate().map(judged).collect())
}

/// Probability of the labelled class.
fn label(judge: &Judge, sample: &Sample, reading: &Reading) -> Option<f32> {
    let class = judge.class(sample.labels.class.as_deref()?)?;
    Some(reading.probabilities[class])
}

/// Overlap with the label's mask; `None` where no object is known.
fn mask(judge: &Judge, sample: &Sample, reading: &Reading) -> Option<f32> {
    let objects = sample.labels.objects.as_ref()?;
    let label = judge.cells(&sample.object_mask());
    (!objects.is_empty()).then(|| reading.overlap(&label))
}
