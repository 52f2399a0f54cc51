//! Convolution and its gradients on the CPU, by blocks of products that read the padded picture in
//! place (`block_product`). Nothing is gathered into a matrix, and no convolution has a
//! kernel of the size of a picture, as burn's gradient of the weights does.
//!
//! Results do not depend on the number of threads: each number is summed in one order.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::block_product::{Block, Scattered};
pub use super::conv_geometry::{Border, Geometry};
use super::transpose::transpose;
use super::zeros::zeros;

/// Positions of the output computed at once: 256 rows of sums stay in the first two caches.
const POSITIONS: usize = 256;
/// Products summed up before the next rows of sums: their panel of weights stays in the first cache.
const PRODUCTS: usize = 144;
/// Distance of channels in a part of a gradient; no power of two, which would put all of them into
/// the same few lines of the cache.
const STRIDE: usize = POSITIONS + 16;

/// `input` `[batch, in, height, width]`, `weight` `[out, in, kernel, kernel]` and a `bias` for each
/// channel to `[batch, out, height_out, width_out]`.
pub fn forward(input: &[f32], weight: &[f32], bias: Option<&[f32]>, g: Geometry) -> Vec<f32> {
    let (block, depth, plane) = (Block::new(g.channels_out), g.depth(), g.plane_out());
    let padded = g.pad(input);
    let (positions, taps) = (g.position_offsets(), g.tap_offsets());
    let lines = lines(POSITIONS, block.width);
    let mut output = zeros(g.batch * g.size_out());
    let pictures = output.par_chunks_mut(g.size_out());
    let inputs = padded.par_chunks(g.size_padded());
    let packed = pack(weight, [g.channels_out, depth], block.width);
    pictures.zip(inputs).for_each(|(picture, input)| {
        let panels = packed.par_chunks(depth * block.width);
        let outputs = picture.par_chunks_mut(block.width * plane);
        outputs
            .zip(panels)
            .enumerate()
            .for_each(|(i, (out, panel))| {
                let start = bias.map(|bias| &bias[i * block.width..]);
                let start = padded_panel(start.unwrap_or_default(), block.width);
                let channels = out.len() / plane;
                // Held for the short transposition only.
                let out = Mutex::new(out);
                let chunks = positions.par_chunks(POSITIONS).enumerate();
                chunks.for_each(|(number, rows)| {
                    let mut sums = start.repeat(rows.len());
                    let weights = panel.chunks(PRODUCTS * block.width);
                    for (columns, weights) in taps.chunks(PRODUCTS).zip(weights) {
                        let a = Scattered {
                            values: input,
                            rows,
                            columns,
                        };
                        block.multiply(a, weights, &mut sums, &lines[..rows.len()], true);
                    }
                    let shape = [rows.len(), channels];
                    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                    let out = &mut out[number * POSITIONS..];
                    transpose(&sums, shape, block.width, out, plane);
                });
            });
    });
    output
}

/// The gradient of the input, from the gradient of the output.
pub fn input_gradient(weight: &[f32], gradient: &[f32], g: Geometry) -> Vec<f32> {
    let block = Block::for_parts(g.channels_in, g.batch);
    let (taps, width, plane) = (g.kernel * g.kernel, block.width, g.plane_out());
    let packed = pack_by_tap(weight, g, width);
    let rows: Vec<usize> = (0..POSITIONS).collect();
    let channels = lines(g.channels_out, STRIDE);
    let targets: Vec<usize> = g.position_offsets().iter().map(|at| at * width).collect();
    let mut input = zeros(g.batch * g.size_in());
    let pictures = input.par_chunks_mut(g.size_in());
    let gradients = gradient.par_chunks(g.size_out());
    pictures.zip(gradients).for_each(|(picture, gradient)| {
        let panels = packed.par_chunks(taps * g.channels_out * width);
        let outputs = picture.par_chunks_mut(width * g.height * g.width);
        outputs.zip(panels).for_each(|(out, panel)| {
            // Channels innermost, so that a tap's products are added as they come.
            let mut padded = vec![0.0; g.padded_plane() * width];
            let mut part = vec![0.0; g.channels_out * STRIDE];
            for (number, targets) in targets.chunks(POSITIONS).enumerate() {
                let planes = gradient
                    .chunks_exact(plane)
                    .zip(part.chunks_exact_mut(STRIDE));
                for (from, to) in planes {
                    let from = &from[number * POSITIONS..][..targets.len()];
                    to[..from.len()].copy_from_slice(from);
                }
                let weights = panel.chunks_exact(g.channels_out * width);
                for (tap, weights) in weights.enumerate() {
                    let a = Scattered {
                        values: &part,
                        rows: &rows[..targets.len()],
                        columns: &channels,
                    };
                    let start = g.tap_offset(tap) * width;
                    block.multiply(a, weights, &mut padded[start..], targets, true);
                }
            }
            g.fold(&padded, width, out);
        });
    });
    input
}

/// The gradient of the weight, from the input and the gradient of the output.
pub fn weight_gradient(input: &[f32], gradient: &[f32], g: Geometry) -> Vec<f32> {
    let (block, depth, plane) = (Block::new(g.channels_out), g.depth(), g.plane_out());
    let (width, size) = (block.width, g.size_padded());
    let padded = g.pad(input);
    let (within, taps) = (g.position_offsets(), g.tap_offsets());
    let at = |position: usize| position / plane * size + within[position % plane];
    let positions: Vec<usize> = (0..g.batch * plane).map(at).collect();
    let lines = lines(depth, width);
    let mut weight = vec![0.0; g.channels_out * depth];
    // Where there are fewer panels than threads, the taps of a panel are parted too.
    let parts = rayon::current_num_threads().div_ceil(g.channels_out.div_ceil(width));
    let part = depth.div_ceil(parts);
    let panels = weight.par_chunks_mut(width * depth).enumerate();
    panels.for_each(|(panel, out)| {
        let channels = out.len() / depth;
        let out = Mutex::new(out);
        let taps = taps.par_chunks(part).enumerate();
        taps.for_each(|(number, taps)| {
            let mut total = vec![0.0; taps.len() * width];
            let mut values = vec![0.0; POSITIONS * width];
            for (chunk, columns) in positions.chunks(POSITIONS).enumerate() {
                let range = chunk * POSITIONS..chunk * POSITIONS + columns.len();
                channels_last(
                    gradient,
                    g,
                    panel * width..panel * width + channels,
                    range,
                    &mut values,
                    width,
                );
                let a = Scattered {
                    values: &padded,
                    rows: taps,
                    columns,
                };
                block.multiply(a, &values, &mut total, &lines[..taps.len()], chunk > 0);
            }
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            let shape = [taps.len(), channels];
            transpose(&total, shape, width, &mut out[number * part..], depth);
        });
    });
    weight
}

/// Some channels of `positions`, counted over the whole batch, in lines of `width`.
fn channels_last(
    gradient: &[f32],
    g: Geometry,
    channels: Range<usize>,
    positions: Range<usize>,
    lines: &mut [f32],
    width: usize,
) {
    let plane = g.plane_out();
    let mut at = positions.start;
    while at < positions.end {
        let (picture, first) = (at / plane, at % plane);
        let count = (plane - first).min(positions.end - at);
        transpose(
            &gradient[picture * g.size_out() + channels.start * plane + first..],
            [channels.len(), count],
            plane,
            &mut lines[(at - positions.start) * width..],
            width,
        );
        at += count;
    }
}

/// Where `count` lines of `length` start.
fn lines(count: usize, length: usize) -> Vec<usize> {
    (0..count).map(|i| i * length).collect()
}

/// The gradient of the bias: each channel's sum of the gradient of the output.
pub fn bias_gradient(gradient: &[f32], g: Geometry) -> Vec<f32> {
    let mut bias = vec![0.0; g.channels_out];
    for picture in gradient.chunks_exact(g.size_out()) {
        for (sum, plane) in bias.iter_mut().zip(picture.chunks_exact(g.plane_out())) {
            *sum += plane.iter().sum::<f32>();
        }
    }
    bias
}

/// Panels of `width` rows of a `[rows, columns]` matrix, column by column; the last one is filled up
/// with zeros.
fn pack(matrix: &[f32], [rows, columns]: [usize; 2], width: usize) -> Vec<f32> {
    let mut panels = vec![0.0; rows.next_multiple_of(width) * columns];
    let out = panels.par_chunks_mut(width * columns);
    out.zip(matrix.par_chunks(width * columns))
        .for_each(|(out, lines)| {
            let shape = [lines.len() / columns, columns];
            transpose(lines, shape, columns, out, width);
        });
    panels
}

/// The weights as `[panel of input channels, tap, out, width]`.
fn pack_by_tap(weight: &[f32], g: Geometry, width: usize) -> Vec<f32> {
    let (taps, channels_out) = (g.kernel * g.kernel, g.channels_out);
    let panels = g.channels_in.div_ceil(width);
    let mut packed = vec![0.0; panels * taps * channels_out * width];
    let out = packed.par_chunks_mut(taps * channels_out * width);
    out.enumerate().for_each(|(panel, out)| {
        let first = panel * width;
        let channels = width.min(g.channels_in - first);
        for (channel, weight) in weight.chunks_exact(g.depth()).enumerate() {
            let (from, to) = (&weight[first * taps..], &mut out[channel * width..]);
            transpose(from, [channels, taps], taps, to, channels_out * width);
        }
    });
    packed
}

/// The first `width` numbers of `values`, filled up with zeros.
fn padded_panel(values: &[f32], width: usize) -> Vec<f32> {
    let mut panel = vec![0.0; width];
    let count = values.len().min(width);
    panel[..count].copy_from_slice(&values[..count]);
    panel
}
