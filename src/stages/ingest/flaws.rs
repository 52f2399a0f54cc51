//! What is wrong with a crop without making it unreadable: counted, so that the user is told once.

use image::RgbImage;

use crate::sample::Extent;
use crate::stage::{Context, Event};

/// What was found, with the photo that it was found in first.
#[derive(Default)]
pub(super) struct Flaws {
    enlarged: Count,
    one_colour: Count,
    black: Count,
}

#[derive(Default)]
struct Count {
    number: usize,
    first: String,
}

/// Flaws of one crop.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Flaw {
    enlarged: bool,
    one_colour: bool,
    black: bool,
}

impl Flaw {
    /// Of the pixels as they were cut, to become a picture of `size`, which has the same shape.
    pub(super) fn of(cut: &RgbImage, size: Extent) -> Self {
        let spread = |channel: usize| {
            let values = cut.pixels().map(|pixel| pixel.0[channel]);
            let ends = values.fold((u8::MAX, 0), |(low, high), v| (low.min(v), high.max(v)));
            ends.1.saturating_sub(ends.0)
        };
        Flaw {
            // Less is hardly to be seen.
            enlarged: 3 * cut.width() < 2 * size.width,
            // JPEG leaves a step or two of noise.
            one_colour: (0..3).all(|channel| spread(channel) <= 3),
            // The brightest of 12 bits in 16 is 1/16.
            black: cut.iter().all(|value| *value < 16),
        }
    }
}

impl Flaws {
    /// Counts the flaws of a crop from `photo`.
    pub(super) fn add(&mut self, flaw: Flaw, photo: &str) {
        for (count, is_so) in [
            (&mut self.enlarged, flaw.enlarged),
            (&mut self.one_colour, flaw.one_colour),
            (&mut self.black, flaw.black),
        ] {
            if is_so && count.number == 0 {
                photo.clone_into(&mut count.first);
            }
            count.number += usize::from(is_so);
        }
    }

    /// Warns of each flaw, of `crops` in all that became pictures of `size`.
    pub(super) fn report(&self, context: &Context, crops: usize, size: Extent) {
        let reasons = [
            (
                &self.enlarged,
                format!(
                    "were enlarged by more than half to {size} pixels, so they are blurred; lower \
                     `size` here and in the renders, or raise `min_side`"
                ),
            ),
            (
                &self.one_colour,
                "show one colour only; check the boxes, or take these photos out".to_owned(),
            ),
            (
                &self.black,
                "are almost black; pictures of 10 or 12 bits stored in 16 are to be brightened first"
                    .to_owned(),
            ),
        ];
        for (count, reason) in reasons.iter().filter(|(count, _)| count.number > 0) {
            let text = format!(
                "{} of {crops} crops {reason} (first: {})",
                count.number, count.first
            );
            context.emit(Event::Warning { text });
        }
    }
}
