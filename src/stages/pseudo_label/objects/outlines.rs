//! Masks of what is believed: teachers draw each object in several views of its photo, and must agree.

use image::RgbImage;
use image::imageops::flip_horizontal;

use super::Belief;
use crate::sample::mask::overlap;
use crate::sample::{Extent, Mask};
use crate::tasks::Detection;
use crate::tasks::detection::{Finder, boxes};

/// Each drawing overlaps the pixels that most of them have by at least this much.
const AGREE: f64 = 0.75;

/// What is believed of a photo, with masks. An object whose drawings do not agree is doubtful; the box of another is
/// that of its mask.
pub(super) fn outlined(
    belief: &Belief,
    photo: &RgbImage,
    teachers: &[&Finder],
    mirror: bool,
) -> Belief {
    let extent: Extent = photo.dimensions().into();
    let Extent { width, height } = extent;
    let draw = |photo: &RgbImage, sure: &[Detection]| -> Vec<Vec<Mask>> {
        let each = teachers.iter();
        each.map(|teacher| teacher.masks(photo, sure)).collect()
    };
    let as_it_is = draw(photo, &belief.sure);
    let mut mirrored = Vec::new();
    if mirror {
        let turned = belief.sure.iter().map(|one| Detection {
            bbox_xywh: boxes::mirrored(one.bbox_xywh, width),
            ..*one
        });
        mirrored = draw(&flip_horizontal(photo), &turned.collect::<Vec<_>>());
    }
    let bitmaps = |place: usize| -> Vec<Vec<bool>> {
        let bitmap = |all: &Vec<Mask>| all[place].to_bitmap(width, height);
        let turned = |all: &Vec<Mask>| {
            let mut bitmap = bitmap(all);
            let rows = bitmap.chunks_exact_mut(width as usize);
            rows.for_each(<[bool]>::reverse);
            bitmap
        };
        let both = as_it_is.iter().map(bitmap);
        both.chain(mirrored.iter().map(turned)).collect()
    };
    let mut outlined = Belief {
        doubtful: belief.doubtful.clone(),
        ..Belief::default()
    };
    for (place, one) in belief.sure.iter().enumerate() {
        let mask = agreed(&bitmaps(place)).map(|bitmap| Mask::from_bitmap(&bitmap, width, height));
        let both = mask.and_then(|mask| Some((mask.bbox_xywh(height)?, mask)));
        match both {
            Some((bbox_xywh, mask)) => {
                outlined.sure.push(Detection { bbox_xywh, ..*one });
                outlined.masks.push(mask);
            }
            None => outlined.doubtful.push(*one),
        }
    }
    outlined
}

/// The pixels that most drawings have, if each agrees with them.
fn agreed(drawn: &[Vec<bool>]) -> Option<Vec<bool>> {
    let pixels = drawn.first()?.len();
    let most = |pixel: usize| 2 * drawn.iter().filter(|one| one[pixel]).count() > drawn.len();
    let mask: Vec<bool> = (0..pixels).map(most).collect();
    let agree = drawn.iter().all(|one| overlap(one, &mask) >= AGREE);
    agree.then_some(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_what_most_draw_and_all_nearly() {
        let row = |set: std::ops::Range<usize>| -> Vec<bool> {
            (0..20).map(|pixel| set.contains(&pixel)).collect()
        };
        let [a, b, c] = [row(0..10), row(1..11), row(1..10)];
        let mut drawn = vec![a, b, c];
        assert_eq!(agreed(&drawn), Some(row(1..10)));
        // One that drew something else casts doubt.
        drawn.push(row(6..14));
        assert_eq!(agreed(&drawn), None);
        assert_eq!(agreed(&[]), None);
        // Nothing drawn is no mask.
        assert_eq!(agreed(&vec![row(0..0); 2]), None);
    }
}
