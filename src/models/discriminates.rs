//! What a network must do to be a discriminator, whatever its layers.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::nn::discriminator::{Discriminator, Verdict};

/// A network that scores pictures, high for real ones.
pub trait Discriminates: Module + Sync {
    /// Judges `[batch, channels, height, width]`.
    fn judge(&self, pictures: Tensor<4>) -> Verdict;

    /// Planes of noise in −1..1 that it reads after the channels of a picture of this area, drawn for each picture and
    /// step.
    fn noise_planes(&self, _area: usize) -> usize {
        0
    }

    /// Whether its score of a picture depends on the others in the batch.
    fn compares(&self) -> bool {
        false
    }

    /// Before a step of its own, see [`Discriminator::renew`].
    fn renewed(self) -> Self;
}

impl Discriminates for Discriminator {
    fn judge(&self, pictures: Tensor<4>) -> Verdict {
        self.forward(pictures)
    }

    fn renewed(self) -> Self {
        self.renew()
    }
}
