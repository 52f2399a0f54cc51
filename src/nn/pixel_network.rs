//! A network that tells how every value of a picture is distributed, given the values before it: row by row, from the
//! left.
//! Van den Oord et al., Conditional Image Generation with PixelCNN Decoders (gated PixelCNN), 2016.
//! <https://arxiv.org/abs/1606.05328>
//!
//! Two stacks of masked convolutions: one sees all rows above, the other the row itself up to the pixel, and what the
//! first has found. Values follow a mixture of logistic distributions whose means depend on the colours before them
//! (Salimans et al., PixelCNN++, 2017, <https://arxiv.org/abs/1701.05517>), in place of 256 separate probabilities.
//! Deviation: how much a colour depends on another is not limited, and begins with 1 on the colour before it, so that grey
//! pictures are grey from the start.

mod writer;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{log_softmax, sigmoid, tanh};
use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;
use serde::{Deserialize, Serialize};

use self::writer::Writer;
use super::conv_kernel::Border;
use super::convolution::PaddedConv;
use super::init::{Init, initialise};
use super::likelihood::log_probability;
use crate::sample::Extent;
use crate::seed::Stream;

/// The shape of a [`PixelNetwork`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PixelShape {
    /// Classes of pictures.
    pub classes: usize,
    /// Channels of all layers.
    pub channels: usize,
    /// Gated layers.
    pub layers: usize,
    /// Distributions that are mixed.
    pub mixtures: usize,
    /// Of the pictures.
    pub extent: Extent,
}

impl PixelShape {
    /// Numbers that describe the distribution of a pixel.
    fn outputs(&self) -> usize {
        10 * self.mixtures
    }

    /// Multiplications with which a picture is read, roughly.
    pub fn products(&self) -> f64 {
        let channels = self.channels as f64;
        let layer = 2.0 * 9.0 * 2.0 * channels * channels + 3.0 * channels * channels;
        self.extent.area() as f64 * self.layers as f64 * layer
    }
}

/// Kernels of the first layer and of the others.
const FIRST: usize = 5;
const OTHERS: usize = 3;

/// What a masked convolution sees of its middle row, and whether of the rows above.
#[derive(Debug, Clone, Copy)]
enum Sight {
    /// Rows above alone.
    Above,
    /// Rows above and the middle one.
    AboveAndRow,
    /// Of the middle row, what is left of the middle.
    Left,
    /// Of the middle row, the middle too.
    LeftAndMiddle,
}

impl Sight {
    fn sees(self, kernel: usize, row: usize, column: usize) -> bool {
        let middle = kernel / 2;
        match self {
            Sight::Above => row < middle,
            Sight::AboveAndRow => row <= middle,
            Sight::Left => row == middle && column < middle,
            Sight::LeftAndMiddle => row == middle && column <= middle,
        }
    }
}

/// A convolution some of whose weights are 0.
#[derive(Module, Debug)]
struct Masked {
    conv: PaddedConv,
    #[module(skip)]
    sight: Sight,
}

impl Masked {
    fn new(channels: [usize; 2], kernel: usize, sight: Sight, device: &Device) -> Self {
        let padding = kernel / 2;
        let conv = PaddedConv::new(channels, kernel, 1, padding, Border::Zeros, true, device);
        Masked { conv, sight }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.conv.weight();
        let [.., kernel] = weight.dims();
        let places = (0..kernel * kernel).map(|place| (place / kernel, place % kernel));
        let mask =
            places.map(|(row, column)| f32::from(u8::from(self.sight.sees(kernel, row, column))));
        let mask = TensorData::new(mask.collect::<Vec<f32>>(), [1, 1, kernel, kernel]);
        let mask = Tensor::from_data(mask, &weight.device());
        self.conv.forward_with(x, weight * mask)
    }
}

fn pixelwise(channels: [usize; 2], device: &Device) -> PaddedConv {
    PaddedConv::new(channels, 1, 1, 0, Border::Zeros, true, device)
}

/// Half of the channels opens what of the other half passes.
fn gated(x: Tensor<4>) -> Tensor<4> {
    let [_, channels, ..] = x.dims();
    let half = |from| x.clone().narrow(1, from, channels / 2);
    tanh(half(0)) * sigmoid(half(channels / 2))
}

#[derive(Module, Debug)]
struct Layer {
    above: Masked,
    along: Masked,
    /// From the rows above to the row.
    down: PaddedConv,
    out: PaddedConv,
    of_class: Linear,
}

impl Layer {
    fn new(shape: &PixelShape, first: bool, device: &Device) -> Self {
        let channels = shape.channels;
        let (from, kernel, sights) = match first {
            true => (3, FIRST, [Sight::Above, Sight::Left]),
            false => (channels, OTHERS, [Sight::AboveAndRow, Sight::LeftAndMiddle]),
        };
        let [above, along] =
            sights.map(|sight| Masked::new([from, 2 * channels], kernel, sight, device));
        Layer {
            above,
            along,
            down: pixelwise([2 * channels, 2 * channels], device),
            out: pixelwise([channels, channels], device),
            of_class: LinearConfig::new(shape.classes, 2 * channels)
                .with_bias(false)
                .init(device),
        }
    }

    fn of_class(&self, classes: &Tensor<2>) -> Tensor<4> {
        let row = self.of_class.forward(classes.clone());
        let [batch, channels] = row.dims();
        row.reshape([batch, channels, 1, 1])
    }
}

/// Tells how values are distributed.
#[derive(Module, Debug)]
pub struct PixelNetwork {
    layers: Vec<Layer>,
    head: PaddedConv,
    mixtures: usize,
}

impl PixelNetwork {
    /// A network with burn's default weights; see [`crate::nn::init`].
    pub fn new(shape: &PixelShape, device: &Device) -> Self {
        PixelNetwork {
            layers: (0..shape.layers)
                .map(|place| Layer::new(shape, place == 0, device))
                .collect(),
            head: pixelwise([shape.channels, shape.outputs()], device),
            mixtures: shape.mixtures,
        }
    }

    /// The same with weights drawn from `stream`; what it tells is nearly the same everywhere at first, and a pixel is
    /// grey.
    pub fn initialised(self, stream: &mut Stream) -> Self {
        let network = initialise(self, Init::He, stream, 1);
        let head = initialise(network.head, Init::Normal(0.02), stream, 1 << 20);
        PixelNetwork { head, ..network }
    }

    /// What every layer finds in the rows above each pixel, for the row itself.
    fn above(&self, pictures: Tensor<4>, classes: &Tensor<2>) -> Vec<Tensor<4>> {
        let mut x = pictures;
        let layers = self.layers.iter().map(|layer| {
            let seen = layer.above.forward(x.clone()) + layer.of_class(classes);
            x = gated(seen.clone());
            layer.down.forward(seen)
        });
        layers.collect()
    }

    /// The distributions of pixels `[batch, 3, rows, columns]`, given what is above them.
    fn along(&self, pictures: Tensor<4>, above: &[Tensor<4>], classes: &Tensor<2>) -> Tensor<4> {
        let mut x = pictures;
        for (place, (layer, above)) in self.layers.iter().zip(above).enumerate() {
            let seen = layer.along.forward(x.clone()) + above.clone() + layer.of_class(classes);
            let found = layer.out.forward(gated(seen));
            x = match place {
                0 => found,
                _ => x + found,
            };
        }
        self.head.forward(tanh(x))
    }

    /// The natural logarithm of the probability of every pixel, all three colours together,
    /// `[batch, 1, height, width]`, of pictures in −1..1.
    pub fn log_probability(&self, pictures: Tensor<4>, classes: &Tensor<2>) -> Tensor<4> {
        let above = self.above(pictures.clone(), classes);
        let told = self.along(pictures.clone(), &above, classes);
        let count = self.mixtures;
        let of = |place: usize| told.clone().narrow(1, place * count, count);
        let colour = |place: usize| pictures.clone().narrow(1, place, 1);
        let [red, green] = [colour(0), colour(1)];
        let means = [
            of(1),
            of(2) + (of(7) + 1.0) * red.clone(),
            of(3) + of(8) * red + (of(9) + 1.0) * green,
        ];
        let [batch, _, height, width] = pictures.dims();
        let all = [batch, count, height, width];
        let sum = means
            .into_iter()
            .enumerate()
            .map(|(place, mean)| log_probability(colour(place).expand(all), mean, of(4 + place)));
        let sum = sum
            .reduce(|a, b| a + b)
            .map(|sum| sum + log_softmax(of(0), 1));
        let sum = sum.unwrap_or_else(|| told.clone());
        let most = sum.clone().max_dim(1).detach();
        (sum - most.clone()).exp().sum_dim(1).log() + most
    }

    /// Draws one picture of a class, `[1, classes]`, value by value; `shape` is that of the network, which has no
    /// autodiff. Distributions are narrowed to `truncation` of their width.
    pub fn draw(
        &self,
        shape: &PixelShape,
        classes: &Tensor<2>,
        truncation: f64,
        stream: &mut Stream,
    ) -> RgbImage {
        let values = Writer::new(self, shape, classes).draw(truncation as f32, stream);
        let bytes = values
            .iter()
            .map(|value| ((value + 1.0) * 127.5).round() as u8);
        let Extent { width, height } = shape.extent;
        RgbImage::from_raw(width, height, bytes.collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    pub(super) fn shape() -> PixelShape {
        PixelShape {
            classes: 2,
            channels: 4,
            layers: 3,
            mixtures: 2,
            extent: Extent::new(7, 6),
        }
    }

    pub(super) fn network() -> PixelNetwork {
        let network = PixelNetwork::new(&shape(), &Device::flex().autodiff());
        initialise(network, Init::He, &mut Seed::new(1, "x").stream(0), 1).valid()
    }

    pub(super) fn class() -> Tensor<2> {
        Tensor::from_data([[0.0, 1.0]], &Device::flex())
    }

    #[test]
    fn no_pixel_sees_itself_or_one_behind_it() {
        let network = network();
        let of = |picture: &Tensor<4>| -> Vec<f32> {
            let above = network.above(picture.clone(), &class());
            let told = network.along(picture.clone(), &above, &class());
            told.sum_dim(1).into_data().try_to_vec().unwrap()
        };
        let picture = Tensor::<4>::zeros([1, 3, 6, 7], &Device::flex());
        let before = of(&picture);
        let changed = picture.slice_assign(
            [0..1, 0..3, 2..3, 3..4],
            Tensor::ones([1, 3, 1, 1], &Device::flex()),
        );
        let after = of(&changed);
        let place = 2 * 7 + 3;
        assert_eq!(before[..=place], after[..=place]);
        for neighbour in [place + 1, place + 6, place + 7, place + 8] {
            assert_ne!(before[neighbour], after[neighbour], "{neighbour}");
        }
    }
}
