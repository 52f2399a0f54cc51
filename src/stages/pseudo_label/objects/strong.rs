//! How students see photos: with other colours and with patches over them, so that they do not learn by heart what
//! their teachers read. Nothing moves.

use image::{Rgb, RgbImage};
use rand::RngExt;

use crate::seed::Stream;

/// Patches over a photo, at most, and their sides as shares of the photo's shorter side.
const PATCHES: usize = 6;
const SIDES: std::ops::Range<f32> = 0.02..0.08;

/// An altered copy: brightness, contrast and balance of the channels, sometimes grey, and grey patches.
pub(super) fn strong(photo: &RgbImage, stream: &mut Stream) -> RgbImage {
    let contrast = stream.random_range(0.6..1.4);
    let gains: [f32; 3] = std::array::from_fn(|_| contrast * stream.random_range(0.85..1.15));
    let shift = stream.random_range(-40.0..40.0);
    let is_grey = stream.random_bool(0.15);
    let mut copy = photo.clone();
    for Rgb(pixel) in copy.pixels_mut() {
        let mut values = pixel.map(f32::from);
        if is_grey {
            values = [values.iter().sum::<f32>() / 3.0; 3];
        }
        for ((channel, value), gain) in pixel.iter_mut().zip(values).zip(gains) {
            *channel = ((value - 128.0) * gain + 128.0 + shift)
                .round()
                .clamp(0.0, 255.0) as u8;
        }
    }
    let (width, height) = copy.dimensions();
    for _ in 0..stream.random_range(0..=PATCHES) {
        let mut side = || ((width.min(height) as f32 * stream.random_range(SIDES)) as u32).max(1);
        let (patch_width, patch_height) = (side(), side());
        let left = stream.random_range(0..width.saturating_sub(patch_width).max(1));
        let top = stream.random_range(0..height.saturating_sub(patch_height).max(1));
        let grey = Rgb([stream.random(); 3]);
        for y in top..(top + patch_height).min(height) {
            for x in left..(left + patch_width).min(width) {
                copy.put_pixel(x, y, grey);
            }
        }
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn copies_differ_and_keep_their_size() {
        let mut stream = Seed::new(1, "strong").stream(0);
        for (width, height) in [(40, 30), (1, 1), (3, 200)] {
            let photo = RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 90]));
            let [a, b] = [(); 2].map(|()| strong(&photo, &mut stream));
            assert_eq!(a.dimensions(), photo.dimensions());
            assert_ne!(a, b);
        }
    }
}
