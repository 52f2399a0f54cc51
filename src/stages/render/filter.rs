//! Separable filters over pictures: resampling and the Gaussian blur.

use glam::Vec3A;

use crate::sample::Extent;

/// Three channels of a pixel.
pub(super) trait Pixel: Copy + Into<Vec3A> + From<Vec3A> {}

impl<P: Copy + Into<Vec3A> + From<Vec3A>> Pixel for P {}

/// Blurs by a Gaussian of `deviation` pixels; the margins repeat the outermost pixels.
pub(super) fn gaussian<P: Pixel>(pixels: &[P], extent: Extent, deviation: f32) -> Vec<P> {
    let reach = (3.0 * deviation).ceil();
    let bell = |distance: f32| (-0.5 * (distance / deviation).powi(2)).exp();
    let kernels = |length: u32| {
        let kernel = |i| Kernel::new(i as f32, reach, bell);
        (0..length).map(kernel).collect::<Vec<_>>()
    };
    let [columns, rows] = [extent.width, extent.height].map(kernels);
    separable(pixels, extent, &columns, &rows)
}

/// Resamples by a triangle filter, which averages when shrinking and interpolates when growing.
pub(super) fn resized<P: Pixel>(pixels: &[P], from: Extent, to: Extent) -> Vec<P> {
    let kernels = |from: u32, to: u32| {
        let ratio = from as f32 / to as f32;
        let reach = ratio.max(1.0);
        let kernel = |i| {
            let centre = (i as f32 + 0.5) * ratio - 0.5;
            Kernel::new(centre, reach, |distance| 1.0 - distance / reach)
        };
        (0..to).map(kernel).collect::<Vec<_>>()
    };
    let columns = kernels(from.width, to.width);
    let rows = kernels(from.height, to.height);
    separable(pixels, from, &columns, &rows)
}

/// Filters the rows of a picture of `extent` by a kernel for each new column, then the columns by
/// one for each new row.
fn separable<P: Pixel>(
    pixels: &[P],
    extent: Extent,
    columns: &[Kernel],
    rows: &[Kernel],
) -> Vec<P> {
    let (width, height) = (extent.width as usize, extent.height as usize);
    let mut narrowed = Vec::with_capacity(columns.len() * height);
    for row in pixels.chunks(width) {
        narrowed.extend(
            columns
                .iter()
                .map(|kernel| kernel.sum(width, |i| row[i].into())),
        );
    }
    let mut filtered = Vec::with_capacity(columns.len() * rows.len());
    for kernel in rows {
        let column = |x| P::from(kernel.sum(height, |i| narrowed[i * columns.len() + x]));
        filtered.extend((0..columns.len()).map(column));
    }
    filtered
}

/// Weights, which add up to 1, of pixels from `first` on; the edges go on outside.
struct Kernel {
    first: i64,
    weights: Vec<f32>,
}

impl Kernel {
    fn new(centre: f32, reach: f32, weight: impl Fn(f32) -> f32) -> Self {
        let first = (centre - reach).ceil() as i64;
        let last = (centre + reach).floor() as i64;
        let raw = (first..=last).map(|i| weight((i as f32 - centre).abs()).max(0.0));
        let mut weights: Vec<f32> = raw.collect();
        let sum: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Kernel { first, weights }
    }

    fn sum(&self, length: usize, pixel: impl Fn(usize) -> Vec3A) -> Vec3A {
        let mut sum = Vec3A::ZERO;
        for (i, &weight) in self.weights.iter().enumerate() {
            let place = (self.first + i as i64).clamp(0, length as i64 - 1);
            sum += pixel(place as usize) * weight;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent::new(30, 20);

    #[test]
    fn a_plain_picture_stays_plain() {
        let plain = vec![[0.3, 0.5, 0.7]; EXTENT.area()];
        let small = Extent::new(7, 5);
        let blurred = gaussian(&plain, EXTENT, 1.3);
        let shrunk = resized(&plain, EXTENT, small);
        assert_eq!((blurred.len(), shrunk.len()), (EXTENT.area(), small.area()));
        for pixel in blurred.iter().chain(&shrunk) {
            assert!((pixel[0] - 0.3).abs() < 1e-5 && (pixel[2] - 0.7).abs() < 1e-5);
        }
    }

    #[test]
    fn a_point_spreads_alike_in_both_directions() {
        let mut point = vec![Vec3A::ZERO; EXTENT.area()];
        let at = |x: usize, y: usize| y * 30 + x;
        point[at(15, 10)] = Vec3A::ONE;
        let blurred = gaussian(&point, EXTENT, 1.5);
        let sum: Vec3A = blurred.iter().sum();
        assert!((sum - Vec3A::ONE).abs().max_element() < 1e-4);
        let bell = (-0.5 * (2.0 / 1.5_f32).powi(2)).exp();
        for (x, y) in [(13, 10), (17, 10), (15, 8), (15, 12)] {
            assert!((blurred[at(x, y)].x / blurred[at(15, 10)].x - bell).abs() < 1e-4);
        }
    }
}
