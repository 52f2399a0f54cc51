//! Instance normalisation with the activation that follows it, and the gradients of both, in one
//! sweep over each plane on the CPU.

use rayon::prelude::*;

use super::vectorised::vectorised;
use super::zeros::zeros;

/// What is normalised: `planes` planes, of which every `channels` in a row are one picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm<'a> {
    /// Scale and shift, a channel each.
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub epsilon: f32,
    /// Of the activation below zero: 1 is none, 0 is ReLU.
    pub slope: f32,
}

/// Mean and inverse standard deviation of a plane.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    mean: f32,
    scale: f32,
}

/// The gradients of everything that is normalised with.
#[derive(Debug)]
pub(super) struct NormGradients {
    pub x: Vec<f32>,
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
}

/// `x` `[batch, channels, plane]` to the same shape, and the moments of every plane.
pub(super) fn forward(x: &[f32], plane: usize, norm: Norm) -> (Vec<f32>, Vec<Moments>) {
    let mut output = zeros(x.len());
    let moments = output
        .par_chunks_mut(plane)
        .zip(x.par_chunks(plane))
        .enumerate()
        .map(|(i, (out, x))| {
            let channel = i % norm.gamma.len();
            let moments = moments(x, norm.epsilon);
            let scale = moments.scale * norm.gamma[channel];
            let shift = norm.beta[channel] - moments.mean * scale;
            activate(x, scale, shift, norm.slope, out);
            moments
        })
        .collect();
    (output, moments)
}

/// From the gradient of the output.
pub(super) fn backward(
    x: &[f32],
    moments: &[Moments],
    gradient: &[f32],
    plane: usize,
    norm: Norm,
) -> NormGradients {
    let channels = norm.gamma.len();
    let mut of_x = zeros(x.len());
    let sums: Vec<[f32; 2]> = of_x
        .par_chunks_mut(plane)
        .zip(x.par_chunks(plane).zip(gradient.par_chunks(plane)))
        .zip(moments)
        .enumerate()
        .map(|(i, ((out, (x, gradient)), moments))| {
            let (gamma, beta) = (norm.gamma[i % channels], norm.beta[i % channels]);
            let inner = Inner {
                scale: moments.scale,
                shift: -moments.mean * moments.scale,
                gamma,
                beta,
                slope: norm.slope,
            };
            let [sum, product] = gradient_sums(x, gradient, inner, out);
            let (share, factor) = (1.0 / plane as f32, gamma * moments.scale);
            let [a, b] = [sum * share, product * share];
            spread(x, inner, [factor, a, b], out);
            [sum, product]
        })
        .collect();
    let (mut of_gamma, mut of_beta) = (vec![0.0; channels], vec![0.0; channels]);
    for (i, [sum, product]) in sums.into_iter().enumerate() {
        of_gamma[i % channels] += product;
        of_beta[i % channels] += sum;
    }
    NormGradients {
        x: of_x,
        gamma: of_gamma,
        beta: of_beta,
    }
}

/// A number's way through norm and activation.
#[derive(Clone, Copy)]
struct Inner {
    scale: f32,
    shift: f32,
    gamma: f32,
    beta: f32,
    slope: f32,
}

/// Sums are kept apart by this many, so that they fill vector registers.
const LANES: usize = 32;

/// Σ `term`(x, y) over both slices, which are equally long.
#[inline(always)]
fn sum_of(x: &[f32], y: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (whole, whole_y) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let (rest, rest_y) = (whole.remainder(), whole_y.remainder());
    for (x, y) in whole.zip(whole_y) {
        for i in 0..LANES {
            sums[i] += term(x[i], y[i]);
        }
    }
    let rest: f32 = rest.iter().zip(rest_y).map(|(x, y)| term(*x, *y)).sum();
    sums.iter().sum::<f32>() + rest
}

vectorised! {
    fn moments(x: &[f32], epsilon: f32) -> Moments {
        let count = x.len() as f32;
        let mean = sum_of(x, x, |x, _| x) / count;
        let variance = sum_of(x, x, |x, _| (x - mean) * (x - mean)) / count;
        Moments { mean, scale: 1.0 / (variance + epsilon).sqrt() }
    }
}

vectorised! {
    fn activate(x: &[f32], scale: f32, shift: f32, slope: f32, out: &mut [f32]) {
        for (out, x) in out.iter_mut().zip(x) {
            let value = x * scale + shift;
            *out = if value > 0.0 { value } else { value * slope };
        }
    }
}

vectorised! {
    /// Puts the gradient before the activation into `out`; its sum, and that of its products with
    /// the normalised `x`.
    fn gradient_sums(x: &[f32], gradient: &[f32], inner: Inner, out: &mut [f32]) -> [f32; 2] {
        for ((out, x), gradient) in out.iter_mut().zip(x).zip(gradient) {
            let value = (x * inner.scale + inner.shift) * inner.gamma + inner.beta;
            *out = if value > 0.0 { *gradient } else { gradient * inner.slope };
        }
        let sum = sum_of(x, out, |_, gradient| gradient);
        let product = sum_of(x, out, |x, gradient| {
            (x * inner.scale + inner.shift) * gradient
        });
        [sum, product]
    }
}

vectorised! {
    /// The gradient of `x` from that before the activation.
    fn spread(x: &[f32], inner: Inner, factors: [f32; 3], out: &mut [f32]) {
        let [factor, mean, product] = factors;
        for (out, x) in out.iter_mut().zip(x) {
            let normalised = x * inner.scale + inner.shift;
            *out = factor * (*out - mean - normalised * product);
        }
    }
}
