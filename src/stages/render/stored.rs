//! Pictures as photos are stored: as JPEG, and smaller than they are shown.

use image::{Rgb, RgbImage};
use rand::RngExt;

use crate::sample::colour::luma;
use crate::sample::image::{decode_rgb, resize};
use crate::seed::Stream;
use crate::{Error, Result};

/// Side of the squares that share one colour, and of JPEG's blocks of such squares, in pixels.
const COLOUR: u32 = 2;
const BLOCK: u32 = 16;

/// `picture` as a cut from a photo that showed it with `resolution` times its sides, 0..1, enlarged again. If there is
/// a quality, 1..100, the photo was a JPEG, whose blocks begin anywhere and whose colours have half the resolution, as
/// cameras store them.
///
/// # Errors
/// If JPEG fails, which it does not for pictures of at least one pixel.
pub(super) fn cut_from_photo(
    picture: RgbImage,
    resolution: f32,
    quality: Option<u8>,
    stream: &mut Stream,
) -> Result<RgbImage> {
    let (width, height) = picture.dimensions();
    let smaller = |side: u32| ((side as f32 * resolution).round() as u32).clamp(2.min(side), side);
    let size = (smaller(width), smaller(height));
    let mut photo = match size == (width, height) {
        true => picture,
        false => resize(&picture, size.0, size.1),
    };
    if let Some(quality) = quality {
        let from = [(); 2].map(|()| stream.random_range(0..BLOCK));
        photo = within_photo(&photo, from, quality)?;
    }
    match size == (width, height) {
        true => Ok(photo),
        false => Ok(resize(&photo, width, height)),
    }
}

/// Compresses `picture` as part of a photo in which it begins at `from`.
fn within_photo(picture: &RgbImage, [left, top]: [u32; 2], quality: u8) -> Result<RgbImage> {
    let (width, height) = picture.dimensions();
    // What surrounds it repeats its border.
    let photo = RgbImage::from_fn(left + width, top + height, |x, y| {
        let at = |place: u32, from: u32| place.saturating_sub(from);
        *picture.get_pixel(at(x, left), at(y, top))
    });
    let photo = compress(&coarse_colours(&photo), quality)?;
    Ok(image::imageops::crop_imm(&photo, left, top, width, height).to_image())
}

/// Colours are averaged over squares, brightness is kept.
fn coarse_colours(photo: &RgbImage) -> RgbImage {
    let (width, height) = photo.dimensions();
    let values = |x, y| {
        photo
            .get_pixel(x, y)
            .0
            .map(|value| f32::from(value) / 255.0)
    };
    RgbImage::from_fn(width, height, |x, y| {
        let [left, top] = [x, y].map(|place| place / COLOUR * COLOUR);
        let square = (top..(top + COLOUR).min(height))
            .flat_map(|y| (left..(left + COLOUR).min(width)).map(move |x| (x, y)));
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for (x, y) in square {
            let value = values(x, y);
            sum = std::array::from_fn(|i| sum[i] + value[i] - luma(value));
            count += 1.0;
        }
        let own = luma(values(x, y));
        Rgb(sum.map(|colour| ((own + colour / count) * 255.0).round().clamp(0.0, 255.0) as u8))
    })
}

/// A picture after it was stored as JPEG of this quality, 1..100.
///
/// # Errors
/// If it has no pixels or too many for JPEG.
pub(super) fn compress(photo: &RgbImage, quality: u8) -> Result<RgbImage> {
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, quality)
        .encode_image(photo)
        .map_err(|e| {
            Error::failed(
                "a rendered picture",
                format!("cannot be encoded as JPEG: {e}"),
                "set `jpeg_share` to 0",
            )
        })?;
    decode_rgb(&jpeg, "a rendered picture")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    /// A red and a blue half, with a grey edge between them.
    fn picture() -> RgbImage {
        RgbImage::from_fn(40, 30, |x, _| match x {
            0..19 => Rgb([200, 40, 40]),
            19..21 => Rgb([120, 120, 120]),
            _ => Rgb([30, 50, 190]),
        })
    }

    fn stored(resolution: f32, quality: Option<u8>) -> RgbImage {
        let mut stream = Seed::new(1, "stored").stream(0);
        cut_from_photo(picture(), resolution, quality, &mut stream).unwrap()
    }

    fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
        let sum: u32 = a
            .iter()
            .zip(b.iter())
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum();
        f64::from(sum) / f64::from(3 * a.width() * a.height())
    }

    #[test]
    fn a_photo_of_full_resolution_without_jpeg_is_the_picture() {
        assert_eq!(stored(1.0, None), picture());
    }

    #[test]
    fn lower_resolution_and_quality_lose_more_and_move_nothing() {
        let lost = [
            stored(1.0, Some(95)),
            stored(1.0, Some(30)),
            stored(0.5, Some(30)),
        ];
        for stored in &lost {
            assert_eq!(stored.dimensions(), (40, 30));
        }
        let lost = lost.map(|stored| difference(&stored, &picture()));
        assert!(lost.is_sorted() && lost[0] > 0.0, "{lost:?}");
        assert!(lost[2] < 20.0, "{lost:?}");
        // The edge stays in the middle.
        let low = stored(0.5, None);
        let red = |x| u32::from(low.get_pixel(x, 15)[0]);
        assert!(red(17) > 150 && red(22) < 90, "{} {}", red(17), red(22));
    }

    #[test]
    fn colours_are_coarse_and_brightness_is_not() {
        let coarse = coarse_colours(&picture());
        let light = |p: &RgbImage, x| luma(p.get_pixel(x, 10).0.map(f32::from));
        for x in 0..40 {
            assert!(
                (light(&coarse, x) - light(&picture(), x)).abs() < 2.0,
                "{x}"
            );
        }
        assert_ne!(coarse.get_pixel(19, 10), picture().get_pixel(19, 10));
    }
}
