//! Bicubic resampling of batches, as two matrix products that gradients pass.
//! Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981, with his a = −1/2.
//!
//! Pixels are areas: the middle of a picture stays its middle. Where it shrinks, the kernel is as much wider, so that
//! nothing aliases; beyond the border, the outermost pixels count.

use burn::tensor::{Device, Tensor, TensorData};

/// `[batch, channels, height, width]` at another height and width.
pub fn resample(pictures: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [_, _, from_height, from_width] = pictures.dims();
    let device = pictures.device();
    let rows = matrix(from_height, height, &device);
    let columns = matrix(from_width, width, &device).swap_dims(2, 3);
    rows.matmul(pictures).matmul(columns)
}

/// What takes `from` values in a line to `to`, `[1, 1, to, from]`.
fn matrix(from: usize, to: usize, device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(weights(from, to), [1, 1, to, from]), device)
}

fn weights(from: usize, to: usize) -> Vec<f32> {
    let step = from as f64 / to as f64;
    let wide = step.max(1.0);
    let mut all = vec![0.0; to * from];
    for (place, row) in all.chunks_exact_mut(from).enumerate() {
        let centre = (place as f64 + 0.5) * step - 0.5;
        let [first, last] = [centre - 2.0 * wide, centre + 2.0 * wide];
        let reached = first.ceil() as i64..=last.floor() as i64;
        let reached: Vec<(i64, f64)> = reached
            .map(|at| (at, keys((at as f64 - centre) / wide)))
            .collect();
        let sum: f64 = reached.iter().map(|(_, weight)| weight).sum();
        for (at, weight) in reached {
            row[at.clamp(0, from as i64 - 1) as usize] += (weight / sum) as f32;
        }
    }
    all
}

/// The cubic kernel, zero from 2 on.
fn keys(x: f64) -> f64 {
    match x.abs() {
        x if x < 1.0 => 1.5 * x.powi(3) - 2.5 * x.powi(2) + 1.0,
        x if x < 2.0 => -0.5 * x.powi(3) + 2.5 * x.powi(2) - 4.0 * x + 2.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;
    use crate::nn::batch::{to_pictures, to_tensor};
    use crate::sample::image::resize;

    #[test]
    fn known_weights() {
        let near = |found: &[f32], expected: &[f32]| {
            let mut pairs = found.iter().zip(expected);
            assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        };
        // Of twice as many, every other lies a quarter of a pixel before a pixel's middle.
        let row = [-0.023_437_5, 0.226_562_5, 0.867_187_5, -0.070_312_5];
        near(&weights(8, 16)[8 * 8..][2..6], &row);
        let row = [-0.011_718_75, -0.035_156_25, 0.113_281_25, 0.433_593_75];
        near(&weights(16, 8)[3 * 16..][3..7], &row);
        assert_eq!(weights(5, 5)[6], 1.0);
    }

    #[test]
    fn it_agrees_with_the_resizing_of_pictures() {
        let picture = RgbImage::from_fn(24, 16, |x, y| {
            image::Rgb([(9 * x) as u8, (x * y % 200) as u8, 255 - (13 * y) as u8])
        });
        let tensor = to_tensor([&picture].into_iter(), &Device::flex());
        // At the border the other one leaves out what lies beyond.
        for ([width, height], border) in [([12, 8], 2), ([48, 32], 4), ([96, 64], 8)] {
            let ours = to_pictures(resample(tensor.clone(), [height, width])).remove(0);
            let theirs = resize(&picture, width as u32, height as u32);
            let inner = |(x, y, _): &(u32, u32, &image::Rgb<u8>)| {
                let within =
                    |place: u32, side: usize| (border..side as u32 - border).contains(&place);
                within(*x, width) && within(*y, height)
            };
            for (x, y, pixel) in theirs.enumerate_pixels().filter(inner) {
                let pairs = pixel.0.into_iter().zip(ours.get_pixel(x, y).0);
                let worst = pairs.map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0);
                assert!(worst <= 2, "{width}×{height}, {x}, {y}: {worst}");
            }
        }
    }
}
