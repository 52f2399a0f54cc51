//! What the task network sees pictures with: layers of its own, or those of a discriminator that has learned what
//! pictures look like.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::nn::conv_layer::ConvLayer;
use crate::nn::convolution::stem;
use crate::nn::projection_discriminator::{ProjectionDiscriminator, ProjectionShape};
use crate::sample::Extent;

/// The layers, from a picture to fine and coarse features.
// There is one of them a network.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub(super) enum Encoder {
    /// Untrained layers.
    Own(Own),
    /// A discriminator's.
    Given(Given),
}

/// Layers of its own.
#[derive(Module, Debug)]
pub(super) struct Own {
    stem: ConvLayer,
    early: Vec<ConvLayer>,
    late: Vec<ConvLayer>,
}

/// The layers of a discriminator.
#[derive(Module, Debug)]
pub(super) struct Given {
    trunk: ProjectionDiscriminator,
    /// Which of them sees as finely as the mask is.
    fine: usize,
}

/// What an encoder is made from, beside the extent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum EncoderShape {
    /// Channels after the first layer.
    Own(usize),
    /// Of the discriminator.
    Given(ProjectionShape),
}

/// Which layer of a discriminator sees as finely as the mask is: each but the first halves the sides.
fn fine_layer(extent: Extent) -> usize {
    super::mask_cell(extent).ilog2() as usize
}

impl EncoderShape {
    /// Checks whether a discriminator has layers enough for pictures of this extent.
    ///
    /// # Errors
    /// If it has not, in words.
    pub(super) fn check(&self, extent: Extent) -> Result<(), String> {
        match self {
            EncoderShape::Given(shape) if shape.levels <= fine_layer(extent) => Err(format!(
                "the discriminator halves pictures {} times, and those of {extent} are to be halved {} times",
                shape.levels,
                fine_layer(extent) + 1
            )),
            _ => Ok(()),
        }
    }

    /// Channels of fine and of coarse features.
    pub(super) fn channels(&self, extent: Extent) -> [usize; 2] {
        match self {
            EncoderShape::Own(channels) => [2 * channels, 4 * channels],
            EncoderShape::Given(shape) => [0, 1].map(|more| shape.at(fine_layer(extent) + more)),
        }
    }

    /// An encoder with burn's default weights.
    pub(super) fn init(&self, extent: Extent, device: &Device) -> Encoder {
        match self {
            EncoderShape::Own(channels) => Encoder::Own(Own::new(extent, *channels, device)),
            EncoderShape::Given(shape) => Encoder::Given(Given {
                trunk: ProjectionDiscriminator::new(shape, device),
                fine: fine_layer(extent),
            }),
        }
    }
}

impl Own {
    fn new(extent: Extent, channels: usize, device: &Device) -> Self {
        let (kernel, stride) = stem(extent);
        let layer =
            |from, to, stride| ConvLayer::new([from * channels, to * channels], 3, stride, device);
        Own {
            stem: ConvLayer::new([3, channels], kernel, stride, device),
            early: vec![layer(1, 2, 2), layer(2, 2, 1)],
            late: vec![layer(2, 4, 2), layer(4, 4, 1)],
        }
    }
}

impl Encoder {
    /// The same with the weights of this discriminator, if it is made for one.
    pub(super) fn beginning_with(self, trunk: &ProjectionDiscriminator, device: &Device) -> Self {
        match self {
            Encoder::Given(Given { fine, .. }) => Encoder::Given(Given {
                trunk: trunk.clone().fork(device),
                fine,
            }),
            own => own,
        }
    }

    /// Fine features, as many as the mask has values, and coarse ones, of pictures `[batch, 3, height, width]` in −1..1.
    pub(super) fn forward(&self, pictures: Tensor<4>) -> [Tensor<4>; 2] {
        match self {
            Encoder::Own(Own { stem, early, late }) => {
                let through =
                    |layers: &[ConvLayer], x| layers.iter().fold(x, |x, layer| layer.forward(x));
                let fine = through(early, stem.forward(pictures));
                [fine.clone(), through(late, fine)]
            }
            Encoder::Given(Given { trunk, fine }) => {
                let mut maps = trunk.maps(pictures).into_iter().skip(*fine);
                [(); 2].map(|()| maps.next().expect("its shape was checked"))
            }
        }
    }
}
