//! What a network must do to be a discriminator, whatever its layers.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::nn::discriminator::{Discriminator, Verdict};

/// A network that scores pictures, high for real ones.
pub trait Discriminates: Module + Sync {
    /// Judges `[batch, channels, height, width]`.
    fn judge(&self, pictures: Tensor<4>) -> Verdict;

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
