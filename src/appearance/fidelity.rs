//! How near a picture comes to the one that it should be, pixel by pixel: PSNR, and SSIM.
//! Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment: From Error Visibility to Structural Similarity, 2004.
//!
//! Both are of the brightness, over the whole picture; SSIM over all windows that lie within it.

use image::RgbImage;

use crate::sample::colour::luma;

/// Half the side of the window less a half, and its deviation, as in the paper.
const REACH: usize = 5;
const DEVIATION: f64 = 1.5;

/// Peak signal-to-noise ratio in dB of two pictures of one size; infinite for equal ones.
pub fn psnr(a: &RgbImage, b: &RgbImage) -> f64 {
    let (a, b) = (brightness(a), brightness(b));
    let squares: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares).log10()
}

/// Structural similarity, −1..1, of two pictures of one size; 1 for equal ones. NaN for pictures of less than 11 pixels
/// a side, which no window fits into.
pub fn ssim(a: &RgbImage, b: &RgbImage) -> f64 {
    let [steady, structure] = [0.01, 0.03].map(|k: f64| (k * 255.0).powi(2));
    let width = a.width() as usize;
    let (a, b) = (brightness(a), brightness(b));
    let smooth = |of: &dyn Fn(f64, f64) -> f64| {
        let values: Vec<f64> = a.iter().zip(&b).map(|(&a, &b)| of(a, b)).collect();
        smoothed(&values, width)
    };
    let means = [smooth(&|a, _| a), smooth(&|_, b| b)];
    let squares = [smooth(&|a, _| a * a), smooth(&|_, b| b * b)];
    let products = smooth(&|a, b| a * b);
    let one = |i: usize| {
        let [x, y] = [means[0][i], means[1][i]];
        let [vx, vy] = [squares[0][i] - x * x, squares[1][i] - y * y];
        let covariance = products[i] - x * y;
        (2.0 * x * y + steady) * (2.0 * covariance + structure)
            / ((x * x + y * y + steady) * (vx + vy + structure))
    };
    (0..products.len()).map(one).sum::<f64>() / products.len() as f64
}

/// 0..255, row by row.
fn brightness(picture: &RgbImage) -> Vec<f64> {
    let pixels = picture.pixels();
    pixels
        .map(|pixel| luma(pixel.0.map(f32::from)).into())
        .collect()
}

/// The means of rows of `width` values under a window of Gaussian weights, at every place where it lies within.
fn smoothed(values: &[f64], width: usize) -> Vec<f64> {
    let weight = |i: usize| (-(i as f64 - REACH as f64).powi(2) / (2.0 * DEVIATION.powi(2))).exp();
    let weights: Vec<f64> = (0..=2 * REACH).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    let mean = |window: &mut dyn Iterator<Item = f64>| {
        window.zip(&weights).map(|(v, w)| v * w).sum::<f64>() / sum
    };
    let inner = width.saturating_sub(2 * REACH);
    let height = values.len() / width.max(1);
    let mut rows = Vec::with_capacity(inner * height);
    for row in values.chunks_exact(width.max(1)) {
        rows.extend((0..inner).map(|x| mean(&mut row[x..].iter().copied())));
    }
    let places =
        (0..height.saturating_sub(2 * REACH)).flat_map(|y| (0..inner).map(move |x| (x, y)));
    places
        .map(|(x, y)| mean(&mut rows[y * inner + x..].iter().step_by(inner).copied()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: [u32; 2] = [32, 24];

    fn picture(of: impl Fn(i32, i32) -> i32) -> RgbImage {
        let [width, height] = EXTENT;
        let value = |x, y| of(x as i32, y as i32).clamp(0, 255) as u8;
        RgbImage::from_fn(width, height, |x, y| image::Rgb([value(x, y); 3]))
    }

    fn ramp(x: i32, y: i32) -> i32 {
        (7 * x + 3 * y) % 256
    }

    /// The values are those of scikit-image 0.26 with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`.
    #[test]
    fn both_are_those_of_another_implementation() {
        let a = picture(ramp);
        for (other, expected_ssim, expected_psnr) in [
            (
                picture(|x, y| ramp(x, y) + (5 * x + 11 * y) % 17 - 8),
                0.932_410_762_6,
                34.398_042_981_8,
            ),
            (
                picture(|x, y| 255 - ramp(x, y)),
                -0.492_842_663_5,
                5.468_721_910_6,
            ),
            (
                picture(|x, y| ramp(x, y) / 2),
                0.679_693_166_4,
                10.647_437_168_4,
            ),
        ] {
            assert!((ssim(&a, &other) - expected_ssim).abs() < 1e-6);
            assert!((psnr(&a, &other) - expected_psnr).abs() < 1e-6);
        }
    }

    #[test]
    fn equal_pictures_are_alike_and_tiny_ones_are_not_judged() {
        let a = picture(ramp);
        assert!((ssim(&a, &a) - 1.0).abs() < 1e-12);
        assert_eq!(psnr(&a, &a), f64::INFINITY);
        let tiny = RgbImage::new(10, 20);
        assert!(ssim(&tiny, &tiny).is_nan());
    }
}
