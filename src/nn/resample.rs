//! Resampling of batches, as two matrix products that gradients pass on every device: bicubic (Keys, Cubic Convolution
//! Interpolation for Digital Image Processing, 1981, with his a = −1/2) or linear.
//!
//! Pixels are areas: the middle of a picture stays its middle. Where it shrinks, the kernel is as much wider, so that
//! nothing aliases; beyond the border, the outermost pixels count.

use burn::tensor::{Tensor, TensorData};

/// What a value between others is made of.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    /// The weight of a value so far away.
    weight: fn(f64) -> f64,
    /// From here on it is zero.
    reach: f64,
}

const CUBIC: Kernel = Kernel {
    weight: keys,
    reach: 2.0,
};

const LINEAR: Kernel = Kernel {
    weight: |x| 1.0 - x.abs(),
    reach: 1.0,
};

/// `[batch, channels, height, width]` at another height and width, bicubic.
pub fn resample(pictures: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    resampled(pictures, size, CUBIC)
}

/// Twice as wide and high, linear.
pub fn doubled(pictures: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = pictures.dims();
    resampled(pictures, [2 * height, 2 * width], LINEAR)
}

fn resampled(pictures: Tensor<4>, [height, width]: [usize; 2], kernel: Kernel) -> Tensor<4> {
    let [_, _, from_height, from_width] = pictures.dims();
    let device = pictures.device();
    let matrix = |from: usize, to: usize| -> Tensor<4> {
        Tensor::from_data(
            TensorData::new(weights(from, to, kernel), [1, 1, to, from]),
            &device,
        )
    };
    let columns = matrix(from_width, width).swap_dims(2, 3);
    matrix(from_height, height).matmul(pictures).matmul(columns)
}

/// What takes `from` values in a line to `to`: a row for each of these.
fn weights(from: usize, to: usize, kernel: Kernel) -> Vec<f32> {
    let step = from as f64 / to as f64;
    let wide = step.max(1.0);
    let mut all = vec![0.0; to * from];
    for (place, row) in all.chunks_exact_mut(from).enumerate() {
        let centre = (place as f64 + 0.5) * step - 0.5;
        let reach = kernel.reach * wide;
        let [first, last] = [centre - reach, centre + reach];
        let reached = first.ceil() as i64..=last.floor() as i64;
        let reached: Vec<(i64, f64)> = reached
            .map(|at| (at, (kernel.weight)((at as f64 - centre) / wide)))
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
    use burn::tensor::Device;
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
        near(&weights(8, 16, CUBIC)[8 * 8..][2..6], &row);
        let row = [-0.011_718_75, -0.035_156_25, 0.113_281_25, 0.433_593_75];
        near(&weights(16, 8, CUBIC)[3 * 16..][3..7], &row);
        assert_eq!(weights(5, 5, CUBIC)[6], 1.0);
        near(
            &weights(2, 4, LINEAR),
            &[1.0, 0.0, 0.75, 0.25, 0.25, 0.75, 0.0, 1.0],
        );
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
