//! The norm between a convolution and its activation, chosen by configuration.

use burn::module::{Module, Param, ParamId, RunningState};
use burn::nn::{GroupNorm, GroupNormConfig, Identity, InstanceNorm, InstanceNormConfig};
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::instance_norm::Activation;
use super::instance_norm::normalise;

/// Which statistics features are normalised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NormKind {
    /// Of each channel of each picture (Ulyanov et al. 2016).
    Instance,
    /// Of each channel over the batch (Ioffe and Szegedy 2015). Translates by running averages.
    Batch,
    /// Of up to 8 groups of channels of each picture (Wu and He 2018).
    Group,
    /// None; the convolutions then have biases.
    None,
}

/// A norm with a trainable scale and shift a channel.
#[derive(Module, Debug)]
pub enum Norm {
    /// By the statistics of each channel of each picture.
    Instance(InstanceNorm),
    /// By the statistics of each channel over the batch, or by running averages without gradients.
    Batch(BatchNorm),
    /// By the statistics of groups of channels of each picture.
    Group(GroupNorm),
    /// Passes features on unchanged.
    None(Identity),
}

impl NormKind {
    /// A norm of `channels`; `place` numbers the norms of one network.
    pub fn init(self, channels: usize, place: usize, device: &Device) -> Norm {
        match self {
            NormKind::Instance => Norm::Instance(InstanceNormConfig::new(channels).init(device)),
            NormKind::Batch => Norm::Batch(BatchNorm::new(channels, place, device)),
            NormKind::Group => {
                let groups = 1 << channels.trailing_zeros().min(3);
                Norm::Group(GroupNormConfig::new(groups, channels).init(device))
            }
            NormKind::None => Norm::None(Identity::new()),
        }
    }

    /// Whether the convolution before it needs a bias.
    pub fn wants_bias(self) -> bool {
        self == NormKind::None
    }
}

impl Norm {
    /// Norm, then activation, of `[batch, channels, height, width]`.
    pub fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        let x = match self {
            Norm::Instance(norm) => return normalise(norm, x, activation),
            Norm::Batch(norm) => norm.forward(x),
            Norm::Group(norm) => norm.forward(x),
            Norm::None(norm) => norm.forward(x),
        };
        activation.of(x)
    }
}

/// Batch norm: statistics of the batch where gradients can flow, else running averages.
///
/// burn's own numbers its averages at random, so that no two checkpoints would be alike.
#[derive(Module, Debug)]
pub struct BatchNorm {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
    mean: RunningState<Tensor<1>>,
    variance: RunningState<Tensor<1>>,
}

impl BatchNorm {
    const EPSILON: f64 = 1e-5;
    /// The share of a new batch in the running averages.
    const MOMENTUM: f64 = 0.1;

    fn new(channels: usize, place: usize, device: &Device) -> Self {
        let id = |offset| ParamId::from((1 << 48) + 2 * place as u64 + offset);
        let (zeros, ones) = (
            Tensor::zeros([channels], device),
            Tensor::ones([channels], device),
        );
        BatchNorm {
            gamma: Param::from_tensor(ones.clone()),
            beta: Param::from_tensor(zeros.clone()),
            mean: RunningState::with_id(id(0), zeros),
            variance: RunningState::with_id(id(1), ones),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let device = x.device();
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        if !x.is_autodiff() {
            let (mean, variance) = (self.mean.value(), self.variance.value());
            let (mean, variance) = (mean.to_device(&device), variance.to_device(&device));
            return batch_norm(x, gamma, beta, mean, variance, Self::EPSILON);
        }
        let result = batch_norm_train(x, gamma, beta, Self::EPSILON);
        for (state, new) in [(&self.mean, result.mean), (&self.variance, result.variance)] {
            let old = state.value_sync().to_device(&device);
            let kept = old.mul_scalar(1.0 - Self::MOMENTUM);
            state.update((kept + new.detach().mul_scalar(Self::MOMENTUM)).detach());
        }
        result.output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    fn spread(x: Tensor<4>) -> (f32, f32) {
        let mean: f32 = x.clone().mean().into_scalar();
        (mean, x.sub_scalar(mean).square().mean().into_scalar())
    }

    #[test]
    fn every_norm_but_none_centres_and_scales() {
        let device = Device::flex().autodiff();
        let x = Tensor::random([2, 8, 6, 6], Distribution::Normal(3.0, 2.0), &device);
        for kind in [NormKind::Instance, NormKind::Batch, NormKind::Group] {
            let (mean, variance) = spread(
                kind.init(8, 0, &device)
                    .forward(x.clone(), Activation::None),
            );
            assert!(
                mean.abs() < 1e-3 && (variance - 1.0).abs() < 1e-2,
                "{kind:?}"
            );
        }
        let (mean, _) = spread(
            NormKind::None
                .init(8, 0, &device)
                .forward(x, Activation::None),
        );
        assert!(mean > 2.0);
    }

    #[test]
    fn batch_norm_translates_a_picture_alike_whatever_is_beside_it() {
        let device = Device::flex().autodiff();
        let draw =
            |count| Tensor::random([count, 4, 5, 5], Distribution::Normal(3.0, 2.0), &device);
        let norm = NormKind::Batch.init(4, 0, &device);
        for _ in 0..60 {
            norm.forward(draw(8), Activation::None);
        }
        let frozen = norm.valid();
        let x = draw(4).without_autodiff();
        let frozen = |x| frozen.forward(x, Activation::None);
        let (mean, _) = spread(frozen(x.clone()));
        assert!(mean.abs() < 0.3, "{mean}");
        let together = frozen(x.clone()).narrow(0, 0, 1);
        let alone = frozen(x.narrow(0, 0, 1));
        assert_eq!(together.into_data(), alone.into_data());
    }
}
