//! A classifier that begins with what a discriminator has learned to see: its features at all depths, averaged over the
//! picture, and a linear layer. Radford, Metz and Chintala, 2016, <https://arxiv.org/abs/1511.06434>, read features at all
//! depths as well. Deviations: averages in place of a grid of maxima, and all weights learn on.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::Reads;
use crate::nn::init::{Init, initialise};
use crate::nn::projection_discriminator::ProjectionDiscriminator;
use crate::seed::Stream;

/// Reads the class of a picture.
#[derive(Module, Debug)]
pub(super) struct Transferred {
    trunk: ProjectionDiscriminator,
    norm: LayerNorm,
    head: Linear,
}

impl Transferred {
    /// Begins with `trunk`; the linear layer with weights from the stream.
    pub(super) fn new(
        trunk: &ProjectionDiscriminator,
        classes: usize,
        stream: &mut Stream,
        device: &Device,
    ) -> Self {
        let features = trunk.feature_count();
        let head = LinearConfig::new(features, classes).init(device);
        Transferred {
            norm: LayerNormConfig::new(features).init(device),
            head: initialise(head, Init::Normal(0.02), stream, 1 << 30),
            // A copy that shares no node of the graph: recognisers that train side by side would wait for each other.
            trunk: trunk.clone().fork(device),
        }
    }
}

impl Reads for Transferred {
    fn logits(&self, pictures: Tensor<4>) -> Tensor<2> {
        self.head
            .forward(self.norm.forward(self.trunk.features(pictures)))
    }
}
