//! A discriminator that knows the class of a picture: it scores how real it looks, and how much like its class.
//! Miyato and Koyama, cGANs with Projection Discriminator, 2018. <https://arxiv.org/abs/1802.05637>
//!
//! The class is read from a plane behind the colours, so that a picture carries it wherever it goes: the class number
//! plus one, 0 where there is no picture. Several planes stand for words of a caption instead, 1 for each that is said.
//! Deviations: strided convolutions instead of residual blocks. The spread of features over the pictures of a class
//! can be shown to it (minibatch standard deviation: Karras et al., Progressive Growing of GANs, 2018, where it is that of
//! all pictures, which hides that those of a class are alike).

use burn::module::Module;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::conv_kernel::Border;
use super::convolution::PaddedConv;
use super::discriminator::{Slope, Verdict};
use super::spectral_norm::SpectralConv;

/// The shape of a [`ProjectionDiscriminator`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProjectionShape {
    /// Classes of pictures.
    pub classes: usize,
    /// Channels of the finest layer; coarser ones have up to eight times as many.
    pub channels: usize,
    /// How often the resolution is halved.
    pub levels: usize,
    /// Whether weights are divided by their largest singular values.
    pub spectral: bool,
    /// What becomes of values below zero.
    pub slope: Slope,
    /// Whether the spread over the pictures of a class is shown.
    pub spread: bool,
}

/// Scores pictures with a plane of their class.
#[derive(Module, Debug)]
pub struct ProjectionDiscriminator {
    layers: Vec<SpectralConv>,
    head: SpectralConv,
    classes: SpectralConv,
    count: usize,
    spread: bool,
    #[module(skip)]
    slope: Slope,
}

impl ProjectionShape {
    /// Channels of the layer that sees pictures halved so often.
    pub fn at(&self, level: usize) -> usize {
        self.channels << level.min(3)
    }
}

impl ProjectionDiscriminator {
    /// A discriminator with burn's default weights; see [`crate::nn::init`].
    pub fn new(shape: &ProjectionShape, device: &Device) -> Self {
        let at = |level: usize| shape.at(level);
        let conv = |channels, kernel, stride| {
            let padding = usize::from(kernel > 1);
            let conv = PaddedConv::new(
                channels,
                kernel,
                stride,
                padding,
                Border::Zeros,
                true,
                device,
            );
            SpectralConv::new(conv, shape.spectral, device)
        };
        let mut layers = vec![conv([3, at(0)], 3, 1)];
        layers.extend((0..shape.levels).map(|level| conv([at(level), at(level + 1)], 4, 2)));
        let last = at(shape.levels);
        layers.push(conv([last + usize::from(shape.spread), last], 3, 1));
        ProjectionDiscriminator {
            layers,
            head: conv([last, 1], 1, 1),
            classes: conv([shape.classes, last], 1, 1),
            count: shape.classes,
            spread: shape.spread,
            slope: shape.slope,
        }
    }

    /// Judges `[batch, 3 + planes, height, width]`: colours in −1..1, and the plane of the class, or those of words. One
    /// score a picture.
    pub fn forward(&self, input: Tensor<4>) -> Verdict {
        let [batch, channels, height, width] = input.dims();
        let classes = match channels - 3 {
            1 => classes_of(&input, self.count),
            planes => {
                let planes = input.clone().narrow(1, 3, planes);
                planes
                    .reshape([batch, channels - 3, height * width])
                    .max_dim(2)
                    .reshape([batch, channels - 3])
            }
        };
        let activation = self.slope.activation();
        let mut x = input.narrow(1, 0, 3);
        let mut features = Vec::new();
        let last = self.layers.len() - 1;
        for (place, layer) in self.layers.iter().enumerate() {
            if place == last && self.spread {
                x = with_spread(x, &classes);
            }
            x = activation.of(layer.forward(x));
            features.push(x.clone());
        }
        let seen = x.sum_dim(2).sum_dim(3);
        let classes = classes.reshape([batch as i32, -1, 1, 1]);
        let like_class = (self.classes.forward(classes) * seen.clone()).sum_dim(1);
        let score = self.head.forward(seen) + like_class;
        Verdict {
            scores: vec![score],
            features,
        }
    }

    /// Whether it sees how much the pictures of a class differ in a batch.
    pub fn has_spread(&self) -> bool {
        self.spread
    }

    /// What it sees in pictures `[batch, 3, height, width]`, whatever their class: the features of all layers, each
    /// averaged over the picture, `[batch, features]`.
    pub fn features(&self, pictures: Tensor<4>) -> Tensor<2> {
        let mean = |x: Tensor<4>| {
            let [batch, channels, ..] = x.dims();
            x.mean_dim(2).mean_dim(3).reshape([batch, channels])
        };
        Tensor::cat(self.maps(pictures).into_iter().map(mean).collect(), 1)
    }

    /// The same, but of each layer the largest in 4 × 4 cells of the picture, `[batch, features]`: what Radford, Metz and
    /// Chintala classify pictures by.
    pub fn pooled(&self, pictures: Tensor<4>) -> Tensor<2> {
        let cells = |x: Tensor<4>| {
            let [_, _, height, width] = x.dims();
            let cell = [height, width].map(|side| side.div_ceil(4));
            let options = MaxPoolOptions::new(cell).with_ceil_mode(true);
            max_pool2d(x, options).flatten::<2>(1, 3)
        };
        Tensor::cat(self.maps(pictures).into_iter().map(cells).collect(), 1)
    }

    /// The same before they are averaged, `[batch, features, height, width]` a layer. The first sees all pixels, each of
    /// the others but the last half as many a side.
    pub fn maps(&self, pictures: Tensor<4>) -> Vec<Tensor<4>> {
        let [batch, _, height, width] = pictures.dims();
        let none = Tensor::zeros([batch, 1, height, width], &pictures.device());
        self.forward(Tensor::cat(vec![pictures, none], 1)).features
    }

    /// Numbers that [`ProjectionDiscriminator::features`] gives of a picture.
    pub fn feature_count(&self) -> usize {
        self.layers.iter().map(SpectralConv::outputs).sum()
    }

    /// Takes the power iterations of spectral normalisation one step on.
    pub fn renew(self) -> Self {
        ProjectionDiscriminator {
            layers: self.layers.into_iter().map(SpectralConv::renew).collect(),
            head: self.head.renew(),
            classes: self.classes.renew(),
            ..self
        }
    }
}

/// The classes in the last plane of pictures, `[batch, classes]`: a 1 in the place of each, none where it is 0.
pub fn classes_of(pictures: &Tensor<4>, classes: usize) -> Tensor<2> {
    let [batch, channels, height, width] = pictures.dims();
    let plane = pictures.clone().narrow(1, channels - 1, 1);
    // What augmentation has moved out of the picture is 0.
    let numbers = plane.reshape([batch, height * width]).max_dim(1);
    let column = |number: usize| numbers.clone().equal_elem(number as f32 + 1.0).float();
    Tensor::cat((0..classes).map(column).collect(), 1)
}

/// With a plane of the mean standard deviation over those pictures of the batch that share the class of a picture. Classes
/// are `[batch, classes]`; of captions, others count as far as they share its words.
fn with_spread(x: Tensor<4>, classes: &Tensor<2>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let shared = classes.clone().matmul(classes.clone().transpose());
    let share = shared.clone() / (shared.sum_dim(1) + 1e-8);
    let values = x.clone().reshape([batch, channels * height * width]);
    let centred = values.clone() - share.clone().matmul(values);
    let spread = (share.matmul(centred.square()) + 1e-8).sqrt().mean_dim(1);
    let plane = spread
        .reshape([batch, 1, 1, 1])
        .expand([batch, 1, height, width]);
    Tensor::cat(vec![x, plane], 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::init::{Init, initialise};
    use crate::seed::Seed;

    #[test]
    fn a_picture_carries_its_class_even_where_it_was_moved() {
        let device = Device::flex();
        let plane = |value: f32| Tensor::<4>::ones([1, 1, 2, 2], &device) * value;
        let moved = Tensor::cat(
            vec![plane(0.0).narrow(3, 0, 1), plane(3.0).narrow(3, 0, 1)],
            3,
        );
        let planes = Tensor::cat(vec![plane(1.0), moved, plane(0.0)], 0);
        let found: Vec<f32> = classes_of(&planes, 3).into_data().try_to_vec().unwrap();
        assert_eq!(found, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_class_and_the_other_pictures_change_the_score() {
        let device = Device::flex();
        let shape = |spread| ProjectionShape {
            classes: 2,
            channels: 4,
            levels: 1,
            spectral: true,
            slope: Slope::Leaky,
            spread,
        };
        let picture = Tensor::arange(0..3 * 64, &device).float().sin();
        let picture = picture.reshape([1, 3, 8, 8]);
        let of = |class: f32, factor: f32| {
            let plane = Tensor::ones([1, 1, 8, 8], &device) * class;
            Tensor::cat(vec![picture.clone() * factor, plane], 1)
        };
        for spread in [false, true] {
            let network = ProjectionDiscriminator::new(&shape(spread), &device.clone().autodiff());
            let mut stream = Seed::new(1, "x").stream(0);
            let network = initialise(network, Init::He, &mut stream, 1)
                .renew()
                .valid();
            let first = |pictures: Vec<Tensor<4>>| -> f32 {
                let scores = network.forward(Tensor::cat(pictures, 0)).scores;
                scores[0].clone().narrow(0, 0, 1).into_scalar()
            };
            let alone = first(vec![of(1.0, 1.0)]);
            assert!((alone - first(vec![of(2.0, 1.0)])).abs() > 1e-4);
            let beside = |other| first(vec![of(1.0, 1.0), other]);
            let changed = (alone - beside(of(1.0, -3.0))).abs() > 1e-6;
            assert_eq!(changed, spread);
            // That of another class says nothing.
            assert!((alone - beside(of(2.0, -3.0))).abs() < 1e-6);
        }
    }
}
