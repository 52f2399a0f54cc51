//! The contrastive loss over patches.
//! Park et al., Contrastive Learning for Unpaired Image-to-Image Translation, 2020.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};

/// Two layers that carry features into the space where patches are compared.
#[derive(Module, Debug)]
pub struct PatchHead {
    first: Linear,
    second: Linear,
}

impl PatchHead {
    /// From features of `channels` to vectors of `width`.
    pub fn new(channels: usize, width: usize, device: &Device) -> Self {
        PatchHead {
            first: LinearConfig::new(channels, width).init(device),
            second: LinearConfig::new(width, width).init(device),
        }
    }

    /// Features `[batch, channels, height, width]` at these positions, row by row, as vectors of
    /// length 1: `[batch, positions, width]`.
    pub fn forward(&self, features: Tensor<4>, positions: &[i32]) -> Tensor<3> {
        let [batch, channels, height, width] = features.dims();
        let at = Tensor::<1, Int>::from_data(positions, &features.device());
        let x = features
            .reshape([batch, channels, height * width])
            .select(2, at);
        let x = relu(self.first.forward(x.swap_dims(1, 2)));
        let x = self.second.forward(x);
        let length = x.clone().square().sum_dim(2).add_scalar(1e-8).sqrt();
        x / length
    }
}

/// Cross entropy of finding each query's own key among those of its picture; both are `[batch,
/// patches, width]` of length 1.
pub fn patch_nce(queries: Tensor<3>, keys: Tensor<3>, temperature: f64) -> Tensor<1> {
    let own = (queries.clone() * keys.clone()).sum_dim(2);
    // Similarities are at most 1, which is taken off so that no exponential overflows.
    let all = (queries.matmul(keys.swap_dims(1, 2)) - 1.0) / temperature;
    let all = all.exp().sum_dim(2).log();
    (all - (own - 1.0) / temperature).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    fn unit(x: Tensor<3>) -> Tensor<3> {
        x.clone() / x.square().sum_dim(2).sqrt()
    }

    #[test]
    fn patches_are_found_among_the_others() {
        let device = Device::flex();
        let keys = unit(Tensor::random(
            [2, 8, 16],
            Distribution::Normal(0.0, 1.0),
            &device,
        ));
        let nce = |queries: Tensor<3>| patch_nce(queries, keys.clone(), 0.07).into_scalar::<f32>();
        let (same, mirrored) = (nce(keys.clone()), nce(keys.clone().flip([1])));
        assert!(same < 0.5 && mirrored > 3.0, "{same}, {mirrored}");
        // Queries that say nothing: every key is as likely as the next.
        let blind = nce(unit(Tensor::ones([2, 8, 16], &device)) * 0.0);
        assert!((blind - 8f32.ln()).abs() < 1e-4, "{blind}");
    }
}
