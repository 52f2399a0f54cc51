//! Takes the noise that few samples leave out of a picture, guided by what the pixels show.
//!
//! The edge-avoiding wavelet filter of Dammertz et al. 2010, with the widths that the samples' own variance asks for
//! (Schied et al. 2017): pixels are averaged with near ones of the same object, of about the same normal, whose light
//! differs by no more than noise does. Light on the body is averaged without its colour, which no sample is
//! uncertain of, so that textures stay sharp; pixels that show several things stay as they are.

use glam::Vec3A;

use crate::sample::Extent;
use crate::sample::colour::luminance;

/// Distances between taps of the passes.
const STEPS: [isize; 3] = [1, 2, 4];

/// Of taps at a distance of 0, 1 and 2.
const KERNEL: [f32; 3] = [0.375, 0.25, 0.0625];

/// Deviations by which near pixels may differ.
const SLACK: f32 = 5.0;

/// A standard error that nobody sees, as a share of white.
const UNSEEN: f32 = 2e-3;

/// Light, and the variance of its mean brightness.
#[derive(Clone, Copy, Default)]
pub(super) struct Noisy {
    pub light: Vec3A,
    pub variance: f32,
}

/// What a pixel shows, if it is of one thing alone.
#[derive(Clone, Copy, Default)]
pub(super) struct Guide {
    /// Number of the thing.
    pub thing: u32,
    pub normal: Vec3A,
    /// Share of the light that the body scatters.
    pub body: Vec3A,
}

/// Averages pixels that have a guide with those like them. `counts_body`: whether other bodies' light differs.
pub(super) fn denoise(
    pixels: &mut Vec<Noisy>,
    guides: &[Option<Guide>],
    size: Extent,
    counts_body: bool,
) {
    *pixels = despeckled(pixels, guides, size);
    for step in STEPS {
        let smooth = |i| match &guides[i] {
            Some(guide) => averaged(pixels, guides, size, (i, guide), (step, counts_body)),
            None => pixels[i],
        };
        *pixels = (0..size.area()).map(smooth).collect();
    }
}

/// Pixels that are brighter or darker than all those like them beside them become like one of these.
fn despeckled(pixels: &[Noisy], guides: &[Option<Guide>], size: Extent) -> Vec<Noisy> {
    let kept = |i: usize| {
        let Some(guide) = &guides[i] else {
            return pixels[i];
        };
        let (mut low, mut high, mut count) = (Vec3A::INFINITY, Vec3A::NEG_INFINITY, 0);
        for near in around(i, size, 1).filter(|&near| near != i) {
            if guides[near]
                .as_ref()
                .is_some_and(|g| g.thing == guide.thing)
            {
                low = low.min(pixels[near].light);
                high = high.max(pixels[near].light);
                count += 1;
            }
        }
        match count {
            0..3 => pixels[i],
            _ => Noisy {
                light: pixels[i].light.clamp(low, high),
                ..pixels[i]
            },
        }
    };
    (0..size.area()).map(kept).collect()
}

/// Numbers of the pixels within `reach` rows and columns of pixel `i`, row by row.
pub(super) fn around(i: usize, size: Extent, reach: usize) -> impl Iterator<Item = usize> {
    let (width, height) = (size.width as usize, size.height as usize);
    let near = move |v: usize, side: usize| v.saturating_sub(reach)..(v + reach + 1).min(side);
    let (columns, rows) = (near(i % width, width), near(i / width, height));
    rows.flat_map(move |y| columns.clone().map(move |x| y * width + x))
}

fn averaged(
    pixels: &[Noisy],
    guides: &[Option<Guide>],
    size: Extent,
    (i, guide): (usize, &Guide),
    (step, counts_body): (isize, bool),
) -> Noisy {
    let (width, height) = (size.width as isize, size.height as isize);
    let (column, row) = (i as isize % width, i as isize / width);
    let like = |at: usize| guides[at].as_ref().filter(|g| g.thing == guide.thing);
    let deviation = spread(pixels, i, size, |at| like(at).is_some()).sqrt();
    if deviation < UNSEEN {
        return pixels[i];
    }
    let brightness = |light: Vec3A| luminance(light.to_array());
    let own = brightness(pixels[i].light);
    let (mut sum, mut weights, mut variance) = (Vec3A::ZERO, 0.0, 0.0);
    for dy in -2..=2_isize {
        for dx in -2..=2_isize {
            let (x, y) = (column + dx * step, row + dy * step);
            if !(0..width).contains(&x) || !(0..height).contains(&y) {
                continue;
            }
            let at = (y * width + x) as usize;
            let Some(other) = like(at) else { continue };
            let differs = (brightness(pixels[at].light) - own).abs() / (SLACK * deviation);
            let facing = other.normal.dot(guide.normal).max(0.0).powi(32);
            let body = match counts_body {
                true => 10.0 * (other.body - guide.body).abs().max_element(),
                false => 0.0,
            };
            let weight = KERNEL[dx.unsigned_abs()]
                * KERNEL[dy.unsigned_abs()]
                * facing
                * (-differs - body).exp();
            sum += pixels[at].light * weight;
            weights += weight;
            variance += pixels[at].variance * weight * weight;
        }
    }
    // The pixel itself counts, so that the weights are no zero.
    let weights = weights.max(f32::MIN_POSITIVE);
    Noisy {
        light: sum / weights,
        variance: variance / (weights * weights),
    }
}

/// The variance on a pixel and those beside it, since few samples are uncertain of it, too.
fn spread(pixels: &[Noisy], i: usize, size: Extent, is_like: impl Fn(usize) -> bool) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0);
    for near in around(i, size, 1).filter(|&near| is_like(near)) {
        sum += pixels[near].variance;
        count += 1.0;
    }
    sum / f32::max(count, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::render::mesh::surface::{hash, unit};

    #[test]
    fn noise_goes_and_edges_stay() {
        let size = Extent::square(32);
        let guide = |i: usize| Guide {
            thing: u32::from(i % 32 >= 16),
            normal: Vec3A::Y,
            body: Vec3A::ONE,
        };
        let guides: Vec<Option<Guide>> = (0..1024).map(|i| Some(guide(i))).collect();
        let truth = |i: usize| 0.3 + 0.05 * guide(i).thing as f32;
        let mut pixels: Vec<Noisy> = (0..1024)
            .map(|i| Noisy {
                light: Vec3A::splat(truth(i) + 0.2 * (unit(hash(i as u32)) - 0.5)),
                variance: 0.04 / 12.0,
            })
            .collect();
        let error = |pixels: &[Noisy]| {
            let squares = pixels
                .iter()
                .enumerate()
                .map(|(i, p)| (p.light.x - truth(i)).powi(2));
            (squares.sum::<f32>() / 1024.0).sqrt()
        };
        let before = error(&pixels);
        denoise(&mut pixels, &guides, size, false);
        assert!(error(&pixels) < 0.3 * before, "{before} {}", error(&pixels));
    }
}
