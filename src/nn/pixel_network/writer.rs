//! Drawing pixel by pixel: every layer is computed once at every pixel, and kept for those behind it.
//! Ramachandran et al., Fast Generation for Convolutional Autoregressive Models, 2017.
//! <https://arxiv.org/abs/1704.06001>
//!
//! On the CPU, in plain numbers: for a single pixel, a tensor costs more than what is in it.

use burn::tensor::Tensor;
use rand::RngExt;

use super::{Layer, Masked, PixelNetwork, PixelShape};
use crate::nn::convolution::PaddedConv;
use crate::nn::vectorised::vectorised;
use crate::seed::Stream;

vectorised! {
    /// Adds to `sums` what comes of `values` by weights `[values, sums]`.
    fn add_product(sums: &mut [f32], values: &[f32], weights: &[f32]) {
        for (value, weights) in values.iter().zip(weights.chunks_exact(sums.len())) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
    }
}

/// What one layer found, by rows, columns and channels.
struct Plane {
    width: usize,
    channels: usize,
    values: Vec<f32>,
}

impl Plane {
    fn new([width, height]: [usize; 2], channels: usize) -> Self {
        Plane {
            width,
            channels,
            values: vec![0.0; width * height * channels],
        }
    }

    fn at(&self, row: usize, column: usize) -> &[f32] {
        &self.values[(row * self.width + column) * self.channels..][..self.channels]
    }

    fn set(&mut self, row: usize, column: usize, values: impl IntoIterator<Item = f32>) {
        let from = (row * self.width + column) * self.channels;
        let cell = &mut self.values[from..][..self.channels];
        cell.iter_mut()
            .zip(values)
            .for_each(|(cell, value)| *cell = value);
    }
}

/// One of the weights' places in a kernel that is not masked.
struct Tap {
    /// Rows above, and columns to the right, of the pixel.
    up: usize,
    right: isize,
    /// `[in, out]`.
    weights: Vec<f32>,
}

/// A convolution, by its taps.
struct Taps {
    taps: Vec<Tap>,
    bias: Vec<f32>,
}

/// The values of a tensor; none if its device fails.
fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data_as::<f32>()
        .try_to_vec()
        .unwrap_or_default()
}

impl Taps {
    fn of(conv: &PaddedConv, sees: impl Fn(usize, usize, usize) -> bool) -> Self {
        let weight = conv.weight();
        let [to, from, kernel, _] = weight.dims();
        // A row of weights for each place of the kernel and number that comes in.
        let weights = numbers(weight.permute([2, 3, 1, 0]));
        let places = (0..kernel * kernel).zip(weights.chunks_exact(from * to));
        let taps = places.map(|(place, weights)| (place / kernel, place % kernel, weights));
        let taps = taps.filter(|(row, column, _)| sees(kernel, *row, *column));
        Taps {
            taps: taps
                .map(|(row, column, weights)| Tap {
                    up: kernel / 2 - row,
                    right: column as isize - (kernel / 2) as isize,
                    weights: weights.to_vec(),
                })
                .collect(),
            bias: conv.bias().map_or(vec![0.0; to], numbers),
        }
    }

    fn masked(masked: &Masked) -> Self {
        Taps::of(&masked.conv, |kernel, row, column| {
            masked.sight.sees(kernel, row, column)
        })
    }

    fn pixelwise(conv: &PaddedConv) -> Self {
        Taps::of(conv, |_, _, _| true)
    }

    /// What it finds around a pixel; there is nothing outside a plane.
    fn around(&self, plane: &Plane, row: usize, column: usize) -> Vec<f32> {
        let mut sums = self.bias.clone();
        for tap in &self.taps {
            let column = column.checked_add_signed(tap.right);
            let column = column.filter(|column| *column < plane.width);
            if let (Some(row), Some(column)) = (row.checked_sub(tap.up), column) {
                add_product(&mut sums, plane.at(row, column), &tap.weights);
            }
        }
        sums
    }

    /// What it finds at a pixel, if it has a single tap.
    fn here(&self, values: &[f32]) -> Vec<f32> {
        let mut sums = self.bias.clone();
        for tap in &self.taps {
            add_product(&mut sums, values, &tap.weights);
        }
        sums
    }
}

fn plus(mut sums: Vec<f32>, others: &[f32]) -> Vec<f32> {
    sums.iter_mut()
        .zip(others)
        .for_each(|(sum, other)| *sum += other);
    sums
}

/// As [`super::gated`].
fn gated(values: &[f32]) -> Vec<f32> {
    let (passes, opens) = values.split_at(values.len() / 2);
    let pairs = passes.iter().zip(opens);
    pairs
        .map(|(pass, open)| pass.tanh() / (1.0 + (-open).exp()))
        .collect()
}

/// A [`Layer`] in plain numbers, and what it has found so far.
struct Part {
    above: Taps,
    along: Taps,
    down: Taps,
    out: Taps,
    of_class: Vec<f32>,
    /// For the layer behind it.
    found_above: Plane,
    found_along: Plane,
    /// From the rows above to the row that is being drawn.
    passed_down: Plane,
}

impl Part {
    fn of(layer: &Layer, classes: &Tensor<2>, size: [usize; 2]) -> Self {
        let [above, along] = [&layer.above, &layer.along].map(Taps::masked);
        let [down, out] = [&layer.down, &layer.out].map(Taps::pixelwise);
        let channels = out.bias.len();
        Part {
            found_above: Plane::new(size, channels),
            found_along: Plane::new(size, channels),
            passed_down: Plane::new([size[0], 1], down.bias.len()),
            of_class: numbers(layer.of_class.forward(classes.clone())),
            above,
            along,
            down,
            out,
        }
    }
}

/// Draws one picture.
pub(super) struct Writer {
    parts: Vec<Part>,
    head: Taps,
    mixtures: usize,
    picture: Plane,
}

impl Writer {
    pub(super) fn new(network: &PixelNetwork, shape: &PixelShape, classes: &Tensor<2>) -> Self {
        let size = [shape.extent.width, shape.extent.height].map(|side| side as usize);
        let parts = network.layers.iter();
        Writer {
            parts: parts.map(|layer| Part::of(layer, classes, size)).collect(),
            head: Taps::pixelwise(&network.head),
            mixtures: shape.mixtures,
            picture: Plane::new(size, 3),
        }
    }

    /// The values of the picture in −1..1, by rows, columns and colours; distributions are narrowed to `truncation` of
    /// their width.
    pub(super) fn draw(mut self, truncation: f32, stream: &mut Stream) -> Vec<f32> {
        let width = self.picture.width;
        for row in 0..self.picture.values.len() / (3 * width) {
            self.look_up(row);
            for column in 0..width {
                let told = self.tell(row, column);
                let pixel = self.pixel(&told, truncation, stream);
                self.picture.set(row, column, pixel);
            }
        }
        self.picture.values
    }

    /// Finds in the rows above all that concerns this row.
    fn look_up(&mut self, row: usize) {
        for place in 0..self.parts.len() {
            let (before, behind) = self.parts.split_at_mut(place);
            let part = &mut behind[0];
            let plane = before
                .last()
                .map_or(&self.picture, |part| &part.found_above);
            for column in 0..plane.width {
                let seen = plus(part.above.around(plane, row, column), &part.of_class);
                part.found_above.set(row, column, gated(&seen));
                part.passed_down.set(0, column, part.down.here(&seen));
            }
        }
    }

    /// The distribution of a pixel, given those before it.
    fn tell(&mut self, row: usize, column: usize) -> Vec<f32> {
        for place in 0..self.parts.len() {
            let (before, behind) = self.parts.split_at_mut(place);
            let part = &mut behind[0];
            let plane = before
                .last()
                .map_or(&self.picture, |part| &part.found_along);
            let seen = part.along.around(plane, row, column);
            let seen = plus(seen, part.passed_down.at(0, column));
            let found = part.out.here(&gated(&plus(seen, &part.of_class)));
            let found = match before.last() {
                None => found,
                Some(last) => plus(found, last.found_along.at(row, column)),
            };
            part.found_along.set(row, column, found);
        }
        let last = self.parts.last();
        let found = last.map_or(&[][..], |part| part.found_along.at(row, column));
        let found: Vec<f32> = found.iter().map(|value| value.tanh()).collect();
        self.head.here(&found)
    }

    /// Draws a pixel from its distribution.
    fn pixel(&self, told: &[f32], truncation: f32, stream: &mut Stream) -> [f32; 3] {
        let count = self.mixtures;
        let uniform = |stream: &mut Stream| stream.random_range(1e-5..1.0 - 1e-5_f32);
        // The largest of logits with Gumbel noise is drawn by their softmax.
        let mut best = (0, f32::NEG_INFINITY);
        for (place, logit) in told[..count].iter().enumerate() {
            let score = logit - (-uniform(stream).ln()).ln();
            if score > best.1 {
                best = (place, score);
            }
        }
        let of = |place: usize| told[place * count + best.0];
        let mut draw = |mean: f32, log_scale: f32| {
            let u = uniform(stream);
            let value = mean + truncation * log_scale.max(-7.0).exp() * (u / (1.0 - u)).ln();
            // As a picture will hold it.
            ((value.clamp(-1.0, 1.0) + 1.0) * 127.5).round() / 127.5 - 1.0
        };
        let red = draw(of(1), of(4));
        let green = draw(of(2) + (of(7) + 1.0) * red, of(5));
        let blue = draw(of(3) + of(8) * red + (of(9) + 1.0) * green, of(6));
        [red, green, blue]
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{class, network, shape};
    use super::*;
    use crate::seed::Seed;

    /// What is told pixel by pixel is what the network tells of the whole picture.
    #[test]
    fn it_tells_what_the_network_tells() {
        let network = network();
        let mut writer = Writer::new(&network, &shape(), &class());
        let mut stream = Seed::new(1, "x").stream(0);
        let [width, height] = [7, 6];
        let mut told = vec![Vec::new(); 20];
        for row in 0..height {
            writer.look_up(row);
            for column in 0..width {
                let of = writer.tell(row, column);
                let planes = told.iter_mut().zip(&of);
                planes.for_each(|(plane, value)| plane.push(*value));
                let pixel = writer.pixel(&of, 1.0, &mut stream);
                writer.picture.set(row, column, pixel);
            }
        }
        let shape = [1, height, width, 3];
        let picture = burn::tensor::TensorData::new(writer.picture.values, shape);
        let picture = Tensor::<4>::from_data(picture, &class().device()).permute([0, 3, 1, 2]);
        let above = network.above(picture.clone(), &class());
        let expected = numbers(network.along(picture, &above, &class()));
        for (told, expected) in told.concat().iter().zip(&expected) {
            assert!((told - expected).abs() < 1e-4, "{told}, not {expected}");
        }
        assert_eq!(told.concat().len(), expected.len());
    }
}
