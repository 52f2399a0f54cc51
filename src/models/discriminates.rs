//! What a network must do to be a discriminator, whatever its layers.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::nn::discriminator::{Discriminator, Verdict};
use crate::seed::Stream;

/// A network that scores pictures, high for real ones.
pub trait Discriminates: Module + Sync {
    /// Judges `[batch, channels, height, width]`.
    fn judge(&self, pictures: Tensor<4>) -> Verdict;

    /// Before a step of its own, see [`Discriminator::renew`].
    fn renewed(self) -> Self;

    /// Without the units that `draws` leaves out of one step (dropout, Srivastava et al. 2014); most leave out none.
    fn thinned(self, _draws: &mut Stream) -> Self {
        self
    }
}

impl Discriminates for Discriminator {
    fn judge(&self, pictures: Tensor<4>) -> Verdict {
        self.forward(pictures)
    }

    fn renewed(self) -> Self {
        self.renew()
    }
}
