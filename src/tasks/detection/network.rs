//! The network: FCOS on one level (Tian et al., FCOS: Fully Convolutional One-Stage Object Detection, 2019).
//!
//! Layers of convolution, batch norm and ReLU down to an eighth of the width of the stride-4 level, whose features
//! come back up and are added to it (as in Lin et al., Feature Pyramid Networks, 2017). Every location of that level
//! says how likely it is in the core of an object, how far it is to the sides of its box, and how well that box will
//! fit. Which class an object is of, a classifier reads from the pixels along its box, all scaled to one size (as the
//! second stage of Ren et al., Faster R-CNN, 2015, does from features). Deviations: one level instead of five, for
//! pictures in which objects are not of all sizes; the overlap of the box instead of centre-ness (as in Wu et al.,
//! IoU-aware Single-stage Object Detector, 2019); two stages, since classes that differ in small things, such as pips,
//! are read from objects of one size many times sooner than from whole frames.
//!
//! Batch norm by running averages reads a crop and the frame that it was cut from alike, which norms over a
//! picture do not.

use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};

use super::layers::{Layer, Layers, convolution};
use super::mask_head::{self, MaskHead};
use super::read;
use super::targets::STRIDE;
use crate::nn::convolution::{PaddedConv, SMALL, recogniser_products};
use crate::nn::init::{Init, initialise};
use crate::sample::Extent;
use crate::seed::Stream;
use crate::tasks::classification::network::Classifier;

/// The sides of what goes through the network are multiples of so many pixels.
pub(super) const DIVISOR: u32 = 32;

/// What each location says: the distances to an object's four sides, how well that box fits, whether there is one.
const OUTPUTS: usize = 6;

/// The distance to a side, in pixels, that an output of 0 stands for.
pub(super) const USUAL_DISTANCE: f32 = 16.0;

/// Subtracted from the logits of objects, so that a fresh network finds nothing: 1 in 100 (Lin et al. 2017).
const RARE: f32 = 4.6;

/// The network: `[batch, 3, height, width]` in −1..1, sides multiples of [`DIVISOR`], to
/// `[batch, 6, height / 4, width / 4]`, a classifier of views, and what draws masks of them, if anything does.
#[derive(Module, Debug)]
pub(super) struct Detector {
    /// Down to the level whose locations answer.
    fine: Vec<Layer>,
    /// Three times two layers, each pair at half the resolution of the one before.
    coarse: Vec<Layer>,
    /// From each pair to the channels of `fine`.
    lateral: Vec<PaddedConv>,
    mix: Layer,
    head: PaddedConv,
    reader: Classifier,
    masks: Option<MaskHead>,
}

/// What locations say, a row each.
pub(super) struct Said {
    /// Logit of an object there: `[locations, 1]`.
    pub object: Tensor<2>,
    /// To the left, upper, right and lower side of its box in pixels: `[locations, 4]`.
    pub distances: Tensor<2>,
    /// Logit of the overlap that this box will have with the true one: `[locations, 1]`.
    pub fit: Tensor<2>,
}

impl Said {
    /// How sure the detector is that there is an object and that its box fits, 0..1, `[locations, 1]`: the geometric
    /// mean of both.
    pub(super) fn scores(&self) -> Tensor<2> {
        (sigmoid(self.object.clone()) * sigmoid(self.fit.clone())).sqrt()
    }
}

impl Detector {
    /// An untrained detector of so many classes, which draws masks or not, with weights drawn from `stream`; so many
    /// `channels` in the first layer.
    pub(super) fn new(
        (classes, channels): (usize, usize),
        masks: bool,
        stream: &mut Stream,
        device: &Device,
    ) -> Self {
        let mut layers = Layers::new(device);
        let [once, twice, more] = [1, 2, 4].map(|times| times * channels);
        let most = 2 * more;
        let detector = Detector {
            fine: vec![
                layers.layer([3, once], 5, 2),
                layers.layer([once, twice], 3, 2),
                layers.layer([twice, twice], 3, 1),
            ],
            coarse: [[twice, more], [more, most], [most, most]]
                .into_iter()
                .flat_map(|[from, to]| [([from, to], 2), ([to, to], 1)])
                .map(|(channels, stride)| layers.layer(channels, 3, stride))
                .collect(),
            lateral: [more, most, most]
                .map(|from| convolution([from, twice], 1, 1, true, device))
                .into(),
            mix: layers.layer([twice, more], 3, 1),
            head: convolution([more, OUTPUTS], 3, 1, true, device),
            reader: Classifier::new(
                classes,
                Extent::square(read::SIDE),
                channels,
                stream,
                device,
            ),
            masks: masks.then(|| MaskHead::new(channels, &mut layers)),
        };
        initialise(detector, Init::He, stream, 1)
    }

    /// What all locations say, pictures and rows one after the other.
    pub(super) fn forward(&self, pictures: Tensor<4>) -> Said {
        let fine = self.fine.iter().fold(pictures, |x, layer| layer.forward(x));
        let [_, _, height, width] = fine.dims();
        let (mut x, mut sum) = (fine.clone(), fine);
        for (pair, lateral) in self.coarse.chunks(2).zip(&self.lateral) {
            x = pair.iter().fold(x, |x, layer| layer.forward(x));
            let options = InterpolateOptions::new(InterpolateMode::Nearest);
            let wide = options.with_output_size([height, width]);
            sum = sum + interpolate(lateral.forward(x.clone()), wide);
        }
        let said = self.head.forward(self.mix.forward(sum));
        let [batch, outputs, height, width] = said.dims();
        let locations = batch * height * width;
        Self::divided(said.permute([0, 2, 3, 1]).reshape([locations, outputs]))
    }

    fn divided(said: Tensor<2>) -> Said {
        let part = |first: usize, count: usize| said.clone().narrow(1, first, count);
        Said {
            object: part(5, 1) - RARE,
            distances: part(0, 4).clamp(-6.0, 6.0).exp() * USUAL_DISTANCE,
            fit: part(4, 1),
        }
    }

    /// Whether it draws masks.
    pub(super) fn draws(&self) -> bool {
        self.masks.is_some()
    }

    /// Logits of the masks of views, `[views, 1, SIDE, SIDE]`, if it draws any.
    pub(super) fn draw(&self, views: Tensor<4>) -> Option<Tensor<4>> {
        self.masks.as_ref().map(|head| head.forward(views))
    }

    /// Logits of the classes of views: `[views, 3, SIDE, SIDE]` to `[views, classes]`.
    pub(super) fn read(&self, views: Tensor<4>) -> Tensor<2> {
        self.reader.forward(views)
    }
}

/// Locations in a row, and rows, of a picture whose sides are multiples of [`DIVISOR`].
pub(super) fn grid(extent: Extent) -> [usize; 2] {
    [extent.width, extent.height].map(|side| (side / STRIDE) as usize)
}

/// The least extent that holds `extent` and can go through the network.
pub(super) fn padded(extent: Extent) -> Extent {
    let up = |side: u32| side.div_ceil(DIVISOR).max(1) * DIVISOR;
    Extent::new(up(extent.width), up(extent.height))
}

/// Work with which a picture of `extent` goes through it, which draws masks or not, in multiplications of larger
/// networks.
pub(in crate::tasks) fn products(extent: Extent, channels: usize, masks: bool) -> f64 {
    let pixels = padded(extent).area() as f64 / f64::from(STRIDE * STRIDE);
    let wide = channels as f64;
    // At a quarter of the width: the stem counts four times, then (2 + 4 + 8) · 9 c²; the pairs 9 · (8 + 16) c² over 4,
    // 9 · (32 + 64) c² over 16 and 9 · 128 c² over 64.
    let work = 4.0 * 75.0 * wide + (126.0 + 54.0 + 54.0 + 18.0) * wide * wide;
    let read = recogniser_products(Extent::square(read::SIDE), channels);
    let drawn = if masks {
        SMALL * mask_head::products(channels)
    } else {
        0.0
    };
    SMALL * pixels * work + read::EACH as f64 * (read + drawn)
}
