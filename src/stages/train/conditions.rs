//! Models that draw pictures from a condition learn from that of photos and are given that of renders. If these are not
//! alike, a model that draws photos perfectly still draws renders badly; so it is told, before anything is trained.

use std::sync::Arc;

use image::RgbImage;

use super::data::Data;
use super::watch::{AT_ONCE, RULER};
use crate::Result;
use crate::models::Learner;
use crate::models::album::{Album, Example};
use crate::nn::device::Chosen;
use crate::nn::ruler::{Accuracy, MOST, Pictures, two_sample};
use crate::sample::maps::Decoded;
use crate::stage::{Context, Event};

/// Tells how well a classifier tells the renders' conditions from those of the photos; returns it for the summary.
/// Nothing, where the model reads the pictures themselves, or there are too few.
///
/// # Errors
/// If a picture cannot be read, or the run is interrupted.
pub(super) fn tell(
    context: &Context,
    model: &dyn Learner,
    data: &Data,
    device: &Chosen,
) -> Result<Option<Accuracy>> {
    let renders = conditions(model, &data.renders, &data.render_groups, true)?;
    let photos = conditions(model, &data.photos, &data.photo_groups, false)?;
    let (Some(renders), Some(photos)) = (renders, photos) else {
        return Ok(None);
    };
    let seed = context.seed.attempt(RULER + 1);
    let told = two_sample(&renders, &photos, &seed, device, &|| {
        context.check_interrupt()
    })?;
    if let Some(told) = &told {
        context.emit(Event::Note {
            text: format!(
                "a classifier tells what the model is to draw renders from, and what it learns to draw photos from, \
                 apart in {:.0} ± {:.0} % of cases (50 % = alike)",
                100.0 * told.accuracy,
                100.0 * told.plus_minus
            ),
        });
    }
    Ok(told)
}

/// What the model reads of an album's pictures.
fn conditions(
    model: &dyn Learner,
    album: &Album,
    groups: &[u64],
    are_renders: bool,
) -> Result<Option<Pictures>> {
    let numbers: Vec<usize> = album.spread(MOST).collect();
    let mut read: Vec<(RgbImage, u64)> = Vec::new();
    for numbers in numbers.chunks(AT_ONCE) {
        let examples: Result<Vec<Arc<Example>>> =
            numbers.iter().map(|number| album.get(*number)).collect();
        let examples = examples?;
        let pictures: Vec<RgbImage> = examples.iter().map(|e| e.picture.clone()).collect();
        let maps: Vec<Decoded> = examples.iter().map(|e| e.maps.clone()).collect();
        let Some(conditions) = model.condition(&pictures, are_renders.then_some(&maps[..])) else {
            return Ok(None);
        };
        let groups = numbers.iter().map(|number| groups[*number]);
        read.extend(conditions.into_iter().zip(groups));
    }
    Ok(Some(Pictures::new(&read)))
}
