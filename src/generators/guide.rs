//! igan: a picture that follows strokes, found among all that a generator can draw.
//! Zhu et al., Generative Visual Manipulation on the Natural Image Manifold (iGAN), 2016.
//! <https://arxiv.org/abs/1609.03552>
//!
//! The numbers that a picture is drawn from are moved until it has the colours of the strokes where these are, and edges
//! of the same directions (soft histograms of oriented gradients), and remain as likely as numbers that are drawn.
//! Deviations: the best of some random draws is the start, in place of an encoder; how likely the numbers are stands for
//! how real the picture looks, in place of the discriminator.

use burn::tensor::activation::relu;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor};
use image::{RgbImage, RgbaImage};

use super::adversary::Draws;
use super::kind::normal;
use super::matrix;
use crate::models::condition::tensor_of;
use crate::nn::batch::to_tensor;
use crate::nn::edge_map::{blurred, gradient};
use crate::seed::Stream;

/// How a guide is followed.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Random draws, of which the best is the start.
    pub draws: usize,
    /// Steps of Adam.
    pub steps: u64,
}

/// What a picture is to look like.
pub struct Guide {
    /// `[1, 3, height, width]` in −1..1.
    colours: Tensor<4>,
    /// `[1, 1, height, width]`: 1 where there is a stroke.
    mask: Tensor<4>,
}

/// A picture that was found, and how far it is from its guide.
pub struct Found {
    /// What it is drawn from.
    pub numbers: Vec<f32>,
    /// The error at the end.
    pub error: f64,
    /// That of the best of as many random draws as the search took steps, the start included.
    pub best_draw: f64,
}

/// Directions of edges that are told apart.
const DIRECTIONS: usize = 8;
/// Pixels of a cell, across and down.
const CELL: usize = 4;
/// Weights of edges and of unlikely numbers beside colours.
const EDGES: f64 = 0.5;
const UNLIKELY: f64 = 0.05;
const RATE: f64 = 0.05;

impl Guide {
    /// A guide from strokes on a transparent ground.
    pub fn new(strokes: &RgbaImage, device: &Device) -> Self {
        let (width, height) = strokes.dimensions();
        let colours = RgbImage::from_fn(width, height, |x, y| {
            let [r, g, b, _] = strokes.get_pixel(x, y).0;
            image::Rgb([r, g, b])
        });
        let mask = strokes
            .pixels()
            .map(|pixel| f32::from(u8::from(pixel.0[3] >= 128)));
        Guide {
            colours: to_tensor([&colours].into_iter(), device),
            mask: tensor_of(mask, [1, 1, height as usize, width as usize], device),
        }
    }

    /// How far each picture `[batch, 3, height, width]` is from it, `[batch]`: the mean absolute difference of colours
    /// and of directions of edges, where there are strokes.
    fn error(&self, pictures: Tensor<4>) -> Tensor<1> {
        let [batch, ..] = pictures.dims();
        let area = self.mask.clone().sum().reshape([1, 1, 1, 1]) + 1e-6;
        let difference =
            (pictures.clone() - self.colours.clone()).abs().mean_dim(1) * self.mask.clone();
        let colour = difference.sum_dim(2).sum_dim(3) / area;
        let known = pooled(self.mask.clone());
        let drawn = oriented(&(pictures.mean_dim(1) * self.mask.clone()));
        let given = oriented(&(self.colours.clone().mean_dim(1) * self.mask.clone()));
        let all = known.clone().sum().reshape([1, 1, 1, 1]) + 1e-6;
        let edges = ((drawn - given).abs() * known)
            .sum_dim(1)
            .sum_dim(2)
            .sum_dim(3)
            / all;
        (colour + edges * EDGES).reshape([batch])
    }

    /// Finds a picture of this condition.
    pub fn follow<G: Draws>(
        &self,
        network: &G,
        condition: &[f32],
        count: usize,
        search: Search,
        stream: &mut Stream,
    ) -> Found {
        let device = self.mask.device();
        let mut best: Option<(f64, Vec<f32>)> = None;
        let total = search.draws + search.steps as usize;
        let mut start = None;
        for number in 0..total {
            if number == search.draws {
                start.clone_from(&best);
            }
            let numbers = normal(count, stream);
            let rows = |row: &[f32]| matrix(&[row.to_vec()], &device);
            let picture = network.pictures(&rows(&numbers), &rows(condition));
            let error: f32 = self.error(picture).into_scalar();
            if best
                .as_ref()
                .is_none_or(|(least, _)| f64::from(error) < *least)
            {
                best = Some((f64::from(error), numbers));
            }
        }
        let (best_draw, best_numbers) = best.unwrap_or_default();
        let (_, from) = start.unwrap_or((best_draw, best_numbers));
        let (error, numbers) = self.descend(network, condition, from, search.steps);
        Found {
            numbers,
            error,
            best_draw,
        }
    }

    /// Moves numbers down the slope of the error, by Adam.
    fn descend<G: Draws>(
        &self,
        network: &G,
        condition: &[f32],
        from: Vec<f32>,
        steps: u64,
    ) -> (f64, Vec<f32>) {
        let device = self.mask.device();
        let training = device.clone().autodiff();
        let network = network.clone().no_grad().fork(&training);
        let condition = matrix(&[condition.to_vec()], &training);
        let guide = Guide {
            colours: self.colours.clone().to_device(&training),
            mask: self.mask.clone().to_device(&training),
        };
        let mut numbers = matrix(std::slice::from_ref(&from), &device);
        let (mut first, mut second) = (numbers.zeros_like(), numbers.zeros_like());
        let mut best = (f64::INFINITY, from);
        for step in 1..=steps + 1 {
            let x = numbers.clone().autodiff().require_grad();
            let error = guide.error(network.pictures(&x, &condition)).sum();
            let value: f32 = error.clone().into_scalar();
            if f64::from(value) < best.0 {
                let values = numbers.clone().into_data();
                best = (f64::from(value), values.try_to_vec().unwrap_or_default());
            }
            let unlikely = (x.clone().square().mean() - 1.0).square();
            let gradients = (error + unlikely * UNLIKELY).backward();
            let Some(gradient) = x.grad(&gradients).filter(|_| step <= steps) else {
                break;
            };
            first = first * 0.9 + gradient.clone() * 0.1;
            second = second * 0.999 + gradient.square() * 0.001;
            let [a, b] = [0.9_f64, 0.999].map(|decay| 1.0 - decay.powi(step as i32));
            let direction = (first.clone() / a) / ((second.clone() / b).sqrt() + 1e-8);
            numbers = numbers - direction * RATE;
        }
        best
    }
}

/// Soft histograms of the directions of edges, `[batch, directions, rows, columns]`, each cell of length 1 at most.
fn oriented(plane: &Tensor<4>) -> Tensor<4> {
    let [across, down] = gradient(blurred(plane.clone(), 1));
    let toward = |direction: usize| {
        let angle = std::f64::consts::TAU * direction as f64 / DIRECTIONS as f64;
        relu(across.clone() * angle.cos() + down.clone() * angle.sin())
    };
    let cells = pooled(Tensor::cat((0..DIRECTIONS).map(toward).collect(), 1));
    let length = (cells.clone().square().sum_dim(1) + 1e-3).sqrt();
    cells / length
}

fn pooled(planes: Tensor<4>) -> Tensor<4> {
    avg_pool2d(
        planes,
        AvgPoolOptions::new([CELL; 2]).with_stride([CELL; 2]),
    )
}
