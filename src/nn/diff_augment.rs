//! Random changes of all pictures that a discriminator sees, through which gradients flow, so that it cannot learn
//! a few hundred photos by heart.
//! Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training, 2020.
//! <https://arxiv.org/abs/2006.10738>
//!
//! Key idea: real and fake pictures are changed alike, in the discriminator's step and in the generator's, so that
//! the changes do not become part of what the generator learns to make.

use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::seed::Stream;

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Brightness by up to 0.5 up or down, saturation by a factor of 0 to 2, contrast of 0.5 to 1.5.
    Colour,
    /// Moved by up to an eighth of each side; what is uncovered is 0.
    Translation,
    /// A rectangle of half of each side is 0.
    Cutout,
}

/// What was drawn for one picture: numbers of 0..1.
#[derive(Debug, Clone, Copy)]
struct Draw {
    brightness: f32,
    saturation: f32,
    contrast: f32,
    shift: [f64; 2],
    cut: [f64; 2],
}

impl Draw {
    fn new(stream: &mut Stream) -> Self {
        Draw {
            brightness: stream.random(),
            saturation: stream.random(),
            contrast: stream.random(),
            shift: stream.random(),
            cut: stream.random(),
        }
    }
}

/// The largest shift as a share of a side.
const FARTHEST: f64 = 1.0 / 8.0;

/// Changes `pictures` `[batch, channels, height, width]` in −1..1, of which colours are the first three channels,
/// each by draws of its own.
pub fn change_each(pictures: Tensor<4>, changes: &[Change], stream: &mut Stream) -> Tensor<4> {
    let draws: Vec<Draw> = (0..pictures.dims()[0]).map(|_| Draw::new(stream)).collect();
    apply(pictures, changes, &draws)
}

/// As [`change_each`], but all by the same draws, however many they are.
pub fn change_alike(pictures: Tensor<4>, changes: &[Change], stream: &mut Stream) -> Tensor<4> {
    let draws = vec![Draw::new(stream); pictures.dims()[0]];
    apply(pictures, changes, &draws)
}

fn apply(pictures: Tensor<4>, changes: &[Change], draws: &[Draw]) -> Tensor<4> {
    changes
        .iter()
        .fold(pictures, |pictures, change| match change {
            Change::Colour => colour(pictures, draws),
            Change::Translation => translate(pictures, draws),
            Change::Cutout => cut_out(pictures, draws),
        })
}

fn colour(pictures: Tensor<4>, draws: &[Draw]) -> Tensor<4> {
    let [batch, channels, _, _] = pictures.dims();
    let device = pictures.device();
    let column = |value: fn(&Draw) -> f32| -> Tensor<4> {
        let values: Vec<f32> = draws.iter().map(value).collect();
        Tensor::from_data(TensorData::new(values, [batch, 1, 1, 1]), &device)
    };
    let rest = pictures
        .clone()
        .slice([0..batch, channels.min(3)..channels]);
    let x = pictures.narrow(1, 0, 3) + column(|draw| draw.brightness - 0.5);
    let grey = x.clone().mean_dim(1);
    let x = (x - grey.clone()) * column(|draw| 2.0 * draw.saturation) + grey;
    let mean = x.clone().mean_dim(1).mean_dim(2).mean_dim(3);
    let x = (x - mean.clone()) * column(|draw| draw.contrast + 0.5) + mean;
    if channels > 3 {
        return Tensor::cat(vec![x, rest], 1);
    }
    x
}

fn translate(pictures: Tensor<4>, draws: &[Draw]) -> Tensor<4> {
    let [_, _, height, width] = pictures.dims();
    let moved = pictures.split(1, 0).into_iter().zip(draws);
    let moved = moved.map(|(picture, draw)| {
        let [dy, dx] = [(height, 0), (width, 1)].map(|(side, axis)| {
            let farthest = (side as f64 * FARTHEST).round();
            (farthest * (2.0 * draw.shift[axis] - 1.0)).round() as isize
        });
        shift(shift(picture, 2, dy), 3, dx)
    });
    Tensor::cat(moved.collect(), 0)
}

/// Moves a picture along dimension `dim`; zeros come in.
fn shift(picture: Tensor<4>, dim: usize, by: isize) -> Tensor<4> {
    let size = by.unsigned_abs();
    if size == 0 {
        return picture;
    }
    let mut dims = picture.dims();
    let kept = dims[dim] - size;
    dims[dim] = size;
    let zeros = Tensor::zeros(dims, &picture.device());
    if by > 0 {
        return Tensor::cat(vec![zeros, picture.narrow(dim, 0, kept)], dim);
    }
    Tensor::cat(vec![picture.narrow(dim, size, kept), zeros], dim)
}

fn cut_out(pictures: Tensor<4>, draws: &[Draw]) -> Tensor<4> {
    let [batch, _, height, width] = pictures.dims();
    let mut kept = vec![1.0f32; batch * height * width];
    for (plane, draw) in kept.chunks_exact_mut(height * width).zip(draws) {
        // Around a centre anywhere, so that part of the rectangle may lie outside.
        let [rows, columns] = [(height, 0), (width, 1)].map(|(side, axis)| {
            let centre = (draw.cut[axis] * (side + 1) as f64) as usize;
            centre.saturating_sub(side / 4)..(centre + side / 4).min(side)
        });
        for row in rows {
            plane[row * width..][columns.clone()].fill(0.0);
        }
    }
    let kept = TensorData::new(kept, [batch, 1, height, width]);
    let kept = Tensor::from_data(kept, &pictures.device());
    pictures * kept
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::seed::Seed;

    const ALL: [Change; 3] = [Change::Colour, Change::Translation, Change::Cutout];

    fn pictures(device: &Device) -> Tensor<4> {
        let ramp = Tensor::arange(0..3 * 4 * 16 * 8, device).float();
        (ramp.reshape([3, 4, 16, 8]) * 0.11).sin()
    }

    fn stream() -> Stream {
        Seed::new(1, "diff_augment").stream(0)
    }

    fn values(x: Tensor<4>) -> Vec<f32> {
        x.into_data().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn pictures_move_and_lose_a_rectangle_but_keep_their_shape() {
        let device = Device::flex();
        let ones = Tensor::<4>::ones([64, 3, 16, 8], &device);
        let share = |changes: &[Change]| -> f32 {
            let changed = change_each(ones.clone(), changes, &mut stream());
            assert_eq!(changed.dims(), [64, 3, 16, 8]);
            changed.mean().into_scalar()
        };
        assert_eq!(share(&[]), 1.0);
        let moved = share(&[Change::Translation]);
        assert!((0.8..0.99).contains(&moved), "{moved}");
        // A quarter of the picture, less what lies outside.
        let cut = share(&[Change::Cutout]);
        assert!((0.75..0.9).contains(&cut), "{cut}");
    }

    #[test]
    fn colours_change_and_other_channels_do_not() {
        let device = Device::flex();
        let changed = change_each(pictures(&device), &[Change::Colour], &mut stream());
        let part = |x: &Tensor<4>, from, count| values(x.clone().narrow(1, from, count));
        assert_eq!(part(&changed, 3, 1), part(&pictures(&device), 3, 1));
        assert_ne!(part(&changed, 0, 3), part(&pictures(&device), 0, 3));
    }

    #[test]
    fn changes_alike_are_the_same_for_any_part_of_a_batch() {
        let device = Device::flex();
        let whole = change_alike(pictures(&device), &ALL, &mut stream());
        let last = pictures(&device).narrow(0, 2, 1);
        let part = change_alike(last, &ALL, &mut stream());
        assert_eq!(values(whole.narrow(0, 2, 1)), values(part));
    }

    #[test]
    fn gradients_flow_through_what_is_kept() {
        let device = Device::flex().autodiff();
        let x = pictures(&device).require_grad();
        let changed = change_each(
            x.clone(),
            &[Change::Translation, Change::Cutout],
            &mut stream(),
        );
        let gradients = changed.sum().backward();
        let gradient = values(x.grad(&gradients).unwrap());
        assert!(gradient.contains(&0.0) && gradient.contains(&1.0));
    }
}
