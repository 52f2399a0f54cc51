//! A norm whose scale and shift depend on the class of the picture.
//! de Vries et al., Modulating early visual processing by language (conditional batch norm), 2017.
//! <https://arxiv.org/abs/1707.00683>

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::norm::{Activation, Norm, NormKind};

/// A norm with a change of scale and shift for each class.
#[derive(Module, Debug)]
pub struct ClassNorm {
    norm: Norm,
    scale: Linear,
    shift: Linear,
}

impl ClassNorm {
    /// For `channels` of pictures of so many classes; `place` numbers the norms of one network.
    pub fn new(
        kind: NormKind,
        [classes, channels]: [usize; 2],
        place: usize,
        device: &Device,
    ) -> Self {
        let of_class = || LinearConfig::new(classes, channels).with_bias(false);
        ClassNorm {
            norm: kind.init(channels, place, device),
            scale: of_class().init(device),
            shift: of_class().init(device),
        }
    }

    /// Norm, then activation, of `[batch, channels, height, width]`; `classes` holds a 1 in the place of each picture's
    /// class, `[batch, classes]`.
    pub fn forward(&self, x: Tensor<4>, classes: &Tensor<2>, activation: Activation) -> Tensor<4> {
        let [batch, channels, _, _] = x.dims();
        let of = |table: &Linear| {
            let row = table.forward(classes.clone());
            row.reshape([batch, channels, 1, 1])
        };
        let x = self.norm.forward(x, Activation::None);
        activation.of(x * (of(&self.scale) + 1.0) + of(&self.shift))
    }
}
