//! Models that draw pictures from a condition learn from that of photos and are given that of renders. If these are not
//! alike, a model that draws photos perfectly still draws renders badly; so it is told, before anything is trained.

use std::sync::Arc;

use image::RgbImage;
use image::imageops::crop_imm;

use super::data::Data;
use super::watch::{AT_ONCE, RULER};
use crate::Result;
use crate::models::Learner;
use crate::models::album::{Album, Example};
use crate::nn::device::Chosen;
use crate::nn::ruler::{Accuracy, MOST, Pictures, two_sample};
use crate::sample::Extent;
use crate::sample::maps::Decoded;
use crate::stage::{Context, Event};

/// Tells how well a classifier tells the renders' conditions from those of the photos; returns it for the summary.
/// Of photos, the middle is read where the model learns from cuts, since photos of many sizes fit no tensor. Nothing, where
/// the model reads the pictures themselves, or there are too few.
///
/// # Errors
/// If a picture cannot be read, or the run is interrupted.
pub(super) fn tell(
    context: &Context,
    model: &dyn Learner,
    data: &Data,
    (crop, device): (Option<Extent>, &Chosen),
) -> Result<Option<Accuracy>> {
    let renders = conditions(model, &data.renders, &data.render_groups, None)?;
    let cut = |picture: &RgbImage| match crop {
        Some(extent) => middle(picture, extent),
        None => picture.clone(),
    };
    let photos = conditions(model, &data.photos, &data.photo_groups, Some(&cut))?;
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

/// The middle of a picture, or all of what is smaller.
fn middle(picture: &RgbImage, extent: Extent) -> RgbImage {
    let sides = [
        (picture.width(), extent.width),
        (picture.height(), extent.height),
    ];
    let [(x, width), (y, height)] =
        sides.map(|(whole, part)| (whole.saturating_sub(part) / 2, part.min(whole)));
    crop_imm(picture, x, y, width, height).to_image()
}

/// What the model reads of an album's pictures; `cut` says what of photos.
fn conditions(
    model: &dyn Learner,
    album: &Album,
    groups: &[u64],
    cut: Option<&dyn Fn(&RgbImage) -> RgbImage>,
) -> Result<Option<Pictures>> {
    let numbers: Vec<usize> = album.spread(MOST).collect();
    let mut read: Vec<(RgbImage, u64)> = Vec::new();
    for numbers in numbers.chunks(AT_ONCE) {
        let examples: Result<Vec<Arc<Example>>> =
            numbers.iter().map(|number| album.get(*number)).collect();
        let examples = examples?;
        let pictures = examples.iter().map(|example| match cut {
            Some(cut) => cut(&example.picture),
            None => example.picture.clone(),
        });
        let pictures: Vec<RgbImage> = pictures.collect();
        let maps: Vec<Decoded> = examples.iter().map(|e| e.maps.clone()).collect();
        let Some(conditions) = model.condition(&pictures, cut.is_none().then_some(&maps[..]))
        else {
            return Ok(None);
        };
        let groups = numbers.iter().map(|number| groups[*number]);
        read.extend(conditions.into_iter().zip(groups));
    }
    Ok(Some(Pictures::new(&read)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_photos_of_any_shape_the_middle_is_read() {
        let photo = |width, height| {
            RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 0]))
        };
        for (width, height, corner) in [(40, 30, [12, 7, 0]), (16, 20, [0, 2, 0])] {
            let part = middle(&photo(width, height), Extent::square(16));
            assert_eq!(part.dimensions(), (16, 16));
            assert_eq!(part.get_pixel(0, 0).0, corner);
        }
    }
}
