//! Losses that hold a translated picture's edges where the render has them.
//!
//! All compare brightness gradients by normalised correlation, after the normalised gradient fields
//! of Haber and Modersitzki, Intensity Gradient Based Registration and Fusion of Multi-modal Images,
//! 2006: contrast, colour and light may change, the place of an edge may not. Deviation: the sign
//! counts, since a pip that turns from dark to bright is a fault here.
//!
//! Pictures are `[batch, 3, height, width]` in −1..1, masks `[batch, 1, height, width]` in 0..1, and
//! each loss is a mean over pictures, so that the losses of shards add up.

use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

/// Squared gradients below this, about one grey level a pixel, count as noise.
const NOISE: f64 = 1e-4;

/// How far around an object its surroundings are watched too, in pixels.
const AROUND: usize = 2;

/// Shifts that the geometry loss compares with, in pixels.
const SHIFTS: [[isize; 2]; 8] = [
    [0, 1],
    [0, -1],
    [1, 0],
    [-1, 0],
    [0, 2],
    [0, -2],
    [2, 0],
    [-2, 0],
];

/// The largest of [`SHIFTS`].
const REACH: usize = 2;

/// By how much of the render's own fall the translation's similarity must fall under a shift. With
/// one half, a sharp picture may lie a quarter of a pixel off, or be somewhat less sharp.
const FALL: f64 = 0.5;

/// The gradient by central differences; two pixels less high and wide than the picture.
#[derive(Clone)]
struct Field {
    x: Tensor<4>,
    y: Tensor<4>,
}

impl Field {
    /// Channel by channel.
    fn of(pictures: &Tensor<4>) -> Field {
        let [batch, channels, height, width] = pictures.dims();
        let at = |y: usize, x: usize| {
            let rows = y..height - 2 + y;
            pictures
                .clone()
                .slice([0..batch, 0..channels, rows, x..width - 2 + x])
        };
        Field {
            x: (at(1, 2) - at(1, 0)).mul_scalar(0.5),
            y: (at(2, 1) - at(0, 1)).mul_scalar(0.5),
        }
    }

    /// Of the brightness.
    fn of_brightness(pictures: &Tensor<4>) -> Field {
        Field::of(&pictures.clone().mean_dim(1))
    }

    fn dot(&self, other: &Field) -> Tensor<4> {
        self.x.clone() * other.x.clone() + self.y.clone() * other.y.clone()
    }

    /// The part that lies `margin` pixels inside, moved by `shift` rows and columns.
    fn inner(&self, margin: usize, shift: [isize; 2]) -> Field {
        Field {
            x: inner(&self.x, margin, shift),
            y: inner(&self.y, margin, shift),
        }
    }
}

fn inner(x: &Tensor<4>, margin: usize, [down, right]: [isize; 2]) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    // A shift is never larger than the margin, so neither end leaves the tensor.
    let (top, left) = (
        margin.saturating_add_signed(-down),
        margin.saturating_add_signed(-right),
    );
    let rows = top..top + height - 2 * margin;
    x.clone()
        .slice([0..batch, 0..channels, rows, left..left + width - 2 * margin])
}

/// 1 on the objects and a little around them, where [`Field`]s have values.
fn watched(masks: &Tensor<4>) -> Tensor<4> {
    let kernel = 2 * AROUND + 1;
    let options = MaxPoolOptions::new([kernel, kernel])
        .with_stride([1, 1])
        .with_padding([AROUND, AROUND]);
    inner(&max_pool2d(masks.clone(), options), 1, [0, 0])
}

/// The mean over each picture's pixels, `[batch]`.
fn per_picture(x: Tensor<4>) -> Tensor<1> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels * height * width])
        .mean_dim(1)
        .reshape([batch])
}

/// Edge consistency: 1 − the correlation of the gradients on and around the objects, 0..2.
///
/// Zero for an unchanged picture; it grows where edges are lost, added, moved or inverted.
pub fn edge_consistency(renders: &Tensor<4>, pictures: &Tensor<4>, masks: &Tensor<4>) -> Tensor<1> {
    let weights = watched(masks);
    let area = per_picture(weights.clone()).add_scalar(1e-6);
    let mean = |x: Tensor<4>| per_picture(x * weights.clone()) / area.clone() + NOISE;
    let (from, to) = (
        Field::of_brightness(renders),
        Field::of_brightness(pictures),
    );
    let energies = mean(from.dot(&from)) * mean(to.dot(&to));
    (mean(from.dot(&to)) / energies.sqrt())
        .mul_scalar(-1.0)
        .add_scalar(1.0)
        .mean()
}

/// Boundary consistency: the share of the render's contrast across the objects' outlines that the
/// translation lost, 0..1.
///
/// Zero for an unchanged picture and for one of more contrast; it grows where an outline fades into
/// its surroundings or moves away from the mask's.
pub fn boundary_consistency(
    renders: &Tensor<4>,
    pictures: &Tensor<4>,
    masks: &Tensor<4>,
) -> Tensor<1> {
    let normal = Field::of(masks);
    let outline = normal.dot(&normal);
    // Steps of all three channels across the outline; the noise keeps roots differentiable.
    let across = |pictures: &Tensor<4>| {
        let field = Field::of(pictures);
        let step = field.x * normal.x.clone() + field.y * normal.y.clone();
        (step.square().sum_dim(1) + outline.clone() * NOISE + 1e-12).sqrt()
    };
    let (from, to) = (across(renders), across(pictures));
    let lost = (from.clone() - to).clamp_min(0.0);
    (per_picture(lost) / per_picture(from)).mean()
}

/// The geometry guard: content must lie where the render has it, by parts of a pixel.
///
/// In windows of a quarter of the picture the gradients of the translation are compared with those of
/// the render, of shifted renders, and of mirrored ones. Two terms: a rival that fits better than, or
/// nearly as well as, the render itself; and the squared displacement, in pixels², that a parabola
/// through the fits of the neighbouring shifts shows. Zero for an unchanged picture. How much the
/// translation keeps of the edges cancels out: contrast, texture or blur is not a displacement.
pub fn geometry(renders: &Tensor<4>, pictures: &Tensor<4>, masks: &Tensor<4>) -> Tensor<1> {
    let windows = Windows::new(masks);
    let whole = Field::of_brightness(renders);
    let render = whole.inner(REACH, [0, 0]);
    let picture = Field::of_brightness(pictures).inner(REACH, [0, 0]);
    let mirrored = [3, 2].map(|axis: i32| Field::of_brightness(&renders.clone().flip([axis])));
    let rivals: Vec<Fits> = SHIFTS
        .iter()
        .map(|shift| whole.inner(REACH, *shift))
        .chain(mirrored.iter().map(|field| field.inner(REACH, [0, 0])))
        .map(|rival| windows.fits(&rival, &render, &picture))
        .collect();
    let own = windows.fits(&render, &render, &picture);

    // What is left of the edges at their best place: the scale of every fit of the translation.
    let best = rivals.iter().fold(own.picture.clone(), |best, rival| {
        best.max_pair(rival.picture.clone())
    });
    let kept = best.detach().clamp_min(0.0);
    let mut faults = displacement(&own, &rivals[0], &rivals[1], &kept)
        + displacement(&own, &rivals[2], &rivals[3], &kept);
    for rival in &rivals {
        let due = (own.render.clone() - rival.render.clone()) * kept.clone() * FALL;
        let fault = (rival.picture.clone() - own.picture.clone() + due).clamp_min(0.0);
        faults = faults + fault / rivals.len() as f64;
    }
    let energy = windows.sum(render.dot(&render));
    let total = per_picture(faults * energy.clone());
    (total / (per_picture(energy) + NOISE * NOISE)).mean()
}

/// How well a rival fits the render and its translation: correlations, one a window.
struct Fits {
    render: Tensor<4>,
    picture: Tensor<4>,
}

/// The squared displacement along one axis, in pixels², from the fits of a shift by one pixel there
/// and of one back.
fn displacement(own: &Fits, there: &Fits, back: &Fits, kept: &Tensor<4>) -> Tensor<4> {
    /// Keeps windows apart in which nothing shows a displacement, e.g. along a straight edge.
    const FLAT: f64 = 0.1;
    let curvature = own.render.clone() * 2.0 - there.render.clone() - back.render.clone();
    let skew = (there.picture.clone() - back.picture.clone())
        - (there.render.clone() - back.render.clone()) * kept.clone();
    (skew / ((curvature * kept.clone()).add_scalar(FLAT) * 2.0)).square()
}

/// Overlapping squares of a quarter of the picture, of which only the watched pixels count.
struct Windows {
    weights: Tensor<4>,
    side: usize,
}

impl Windows {
    fn new(masks: &Tensor<4>) -> Self {
        let [_, _, height, width] = masks.dims();
        Windows {
            weights: inner(&watched(masks), REACH, [0, 0]),
            side: (height.min(width) / 4).max(2),
        }
    }

    fn sum(&self, x: Tensor<4>) -> Tensor<4> {
        let stride = self.side / 2;
        let options = AvgPoolOptions::new([self.side, self.side]).with_stride([stride, stride]);
        avg_pool2d(x * self.weights.clone(), options)
    }

    fn fits(&self, rival: &Field, render: &Field, picture: &Field) -> Fits {
        let energy = |field: &Field| self.sum(field.dot(field)) + NOISE;
        let rival_energy = energy(rival);
        let fit = |to: &Field| self.sum(rival.dot(to)) / (rival_energy.clone() * energy(to)).sqrt();
        Fits {
            render: fit(render),
            picture: fit(picture),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::batch;
    use burn::tensor::Device;
    use image::{GrayImage, Luma, Rgb, RgbImage};

    const SIDE: u32 = 32;

    /// A soft bright disc with two dark spots on a dark ground, its centre moved by `shift` pixels.
    fn scene(shift: [f32; 2], contrast: f32) -> Tensor<4> {
        let picture = RgbImage::from_fn(SIDE, SIDE, |x, y| {
            let (x, y) = (x as f32 + 0.5 - shift[0], y as f32 + 0.5 - shift[1]);
            let soft = |x0: f32, y0: f32, radius: f32| {
                (radius + 0.5 - (x - x0).hypot(y - y0)).clamp(0.0, 1.0)
            };
            let disc = soft(15.0, 17.0, 9.0) - 0.7 * soft(11.0, 14.0, 2.5);
            let value = 40.0 + contrast * 180.0 * (disc - 0.6 * soft(19.0, 20.0, 2.0));
            Rgb([value as u8; 3])
        });
        batch::to_tensor([&picture].into_iter(), &Device::flex())
    }

    fn mask() -> Tensor<4> {
        let mask = GrayImage::from_fn(SIDE, SIDE, |x, y| {
            let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
            Luma([if (x - 15.0).hypot(y - 17.0) < 9.0 {
                255
            } else {
                0
            }])
        });
        batch::masks_to_tensor([&mask].into_iter(), &Device::flex())
    }

    type Loss = fn(&Tensor<4>, &Tensor<4>, &Tensor<4>) -> Tensor<1>;

    fn value(loss: Loss, picture: &Tensor<4>) -> f32 {
        loss(&scene([0.0, 0.0], 1.0), picture, &mask()).into_scalar()
    }

    #[test]
    fn nothing_is_lost_in_an_unchanged_picture_or_a_duller_one() {
        let (same, dull) = (scene([0.0, 0.0], 1.0), scene([0.0, 0.0], 0.6));
        for loss in [edge_consistency, boundary_consistency, geometry] as [Loss; 3] {
            assert!(value(loss, &same).abs() < 1e-5);
        }
        assert!(value(edge_consistency, &dull) < 0.01);
        assert!(value(geometry, &dull) < 0.01);
    }

    #[test]
    fn lost_and_inverted_edges_count() {
        let flat = scene([0.0, 0.0], 0.0);
        let lost = value(edge_consistency, &flat);
        let inverted = value(edge_consistency, &-scene([0.0, 0.0], 1.0));
        assert!(lost > 0.8 && inverted > 1.8, "{lost}, {inverted}");
        assert!(value(boundary_consistency, &flat) > 0.9);
        assert!(value(boundary_consistency, &scene([0.0, 0.0], 0.5)) > 0.4);
    }

    #[test]
    fn every_loss_grows_with_a_shift_by_parts_of_a_pixel() {
        for loss in [edge_consistency, boundary_consistency, geometry] as [Loss; 3] {
            for axis in [[1.0, 0.0], [0.0, -1.0]] {
                let values: Vec<f32> = [0.0, 0.25, 0.5, 1.0, 2.0]
                    .map(|by| value(loss, &scene(axis.map(|a: f32| a * by), 1.0)))
                    .into();
                assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
            }
        }
    }

    #[test]
    fn a_shift_is_seen_in_a_duller_picture_as_in_a_bright_one() {
        let bright = value(geometry, &scene([0.5, 0.0], 1.0));
        let dull = value(geometry, &scene([0.5, 0.0], 0.5));
        assert!((bright / dull - 1.0).abs() < 0.1, "{bright}, {dull}");
    }

    #[test]
    fn a_mirrored_picture_counts() {
        for axis in [2, 3] {
            let mirrored = scene([0.0, 0.0], 1.0).flip([axis]);
            assert!(value(geometry, &mirrored) > 0.1);
        }
    }

    #[test]
    fn gradients_reach_the_translation_and_are_finite() {
        for loss in [edge_consistency, boundary_consistency, geometry] as [Loss; 3] {
            for contrast in [0.0, 1.0] {
                let picture = scene([0.3, 0.0], contrast).autodiff().require_grad();
                let value = loss(&scene([0.0, 0.0], 1.0), &picture, &mask());
                let gradient = picture.grad(&value.backward()).unwrap();
                let size: f32 = gradient.abs().sum().into_scalar();
                assert!(
                    size.is_finite() && (size > 0.0 || contrast == 0.0),
                    "{size}"
                );
            }
        }
    }
}
