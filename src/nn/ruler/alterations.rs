//! Ways to alter a picture that an encoder learns to recognise, so that its features tell colours, sharpness, noise
//! and contrast apart, not only what renders and photos of one pipeline happen to differ in.

use image::RgbImage;
use rand::RngExt;

use crate::seed::{Stream, standard_normal};

/// Alters a picture.
pub(super) type Alteration = fn(&mut RgbImage, &mut Stream);

/// All of them.
pub(super) const ALTERATIONS: &[Alteration] = &[invert, add_noise, exchange_channels, blur, bend];

/// Every colour becomes its opposite.
pub(super) fn invert(picture: &mut RgbImage, _: &mut Stream) {
    picture.iter_mut().for_each(|value| *value = 255 - *value);
}

/// Noise of its own in every pixel and channel.
pub(super) fn add_noise(picture: &mut RgbImage, stream: &mut Stream) {
    let deviation = stream.random_range(5.0..40.0);
    for value in picture.iter_mut() {
        let noisy = f64::from(*value) + deviation * standard_normal(stream);
        *value = noisy.round().clamp(0.0, 255.0) as u8;
    }
}

/// Red, green and blue change places.
pub(super) fn exchange_channels(picture: &mut RgbImage, stream: &mut Stream) {
    let turn = stream.random_range(1..=2);
    picture
        .pixels_mut()
        .for_each(|pixel| pixel.0.rotate_left(turn));
}

/// Smooths twice by (1, 2, 1) both ways.
pub(super) fn blur(picture: &mut RgbImage, _: &mut Stream) {
    let (width, height) = picture.dimensions();
    for (dx, dy) in [(1, 0), (0, 1), (1, 0), (0, 1)] {
        let sharp = picture.clone();
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            let before = sharp.get_pixel(x.saturating_sub(dx), y.saturating_sub(dy));
            let after = sharp.get_pixel((x + dx).min(width - 1), (y + dy).min(height - 1));
            for (channel, value) in pixel.0.iter_mut().enumerate() {
                let around = u16::from(before[channel]) + u16::from(after[channel]);
                *value = ((2 * u16::from(*value) + around + 2) / 4) as u8;
            }
        }
    }
}

/// Dark parts become darker or bright ones brighter.
pub(super) fn bend(picture: &mut RgbImage, stream: &mut Stream) {
    let exponent: f64 = match stream.random_bool(0.5) {
        true => stream.random_range(0.4..0.7),
        false => stream.random_range(1.4..2.5),
    };
    let curve: Vec<u8> = (0..=255)
        .map(|value| (255.0 * (f64::from(value) / 255.0).powf(exponent)).round() as u8)
        .collect();
    picture
        .iter_mut()
        .for_each(|value| *value = curve[usize::from(*value)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn every_alteration_changes_a_picture_and_keeps_its_size() {
        let picture = RgbImage::from_fn(9, 7, |x, y| image::Rgb([20 * x as u8, 30 * y as u8, 90]));
        for alter in ALTERATIONS {
            let mut altered = picture.clone();
            alter(&mut altered, &mut Seed::new(1, "alterations").stream(0));
            assert_eq!(altered.dimensions(), (9, 7));
            assert_ne!(altered, picture);
        }
    }
}
