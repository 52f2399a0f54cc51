//! Spectral normalisation: a convolution whose weight is divided by its largest singular value.
//! Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018.
//! <https://arxiv.org/abs/1802.05957>
//!
//! Each forward pass takes one power iteration from the kept vector u; u and v count as constants, so
//! gradients flow through W / (uᵀ W v). Deviation: u is renewed once an optimiser step instead of in
//! every pass, since the shards of a batch run side by side and must not depend on their order.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::convolution::PaddedConv;

/// A convolution, with spectral normalisation where it has a `u`.
#[derive(Module, Debug)]
pub struct SpectralConv {
    conv: PaddedConv,
    /// The estimate of the first left singular vector, `[channels_out]`; any length.
    u: Option<Param<Tensor<1>>>,
}

impl SpectralConv {
    /// Wraps `conv`; without `spectral` it behaves exactly like the plain convolution.
    pub fn new(conv: PaddedConv, spectral: bool, device: &Device) -> Self {
        let channels = conv.weight().dims()[0];
        // Ones, which the initialiser of networks leaves as they are; the weights are random.
        let u = spectral.then(|| Param::from_tensor(Tensor::ones([channels], device)));
        SpectralConv { conv, u }
    }

    /// Channels that it puts out.
    pub fn outputs(&self) -> usize {
        self.conv.weight().dims()[0]
    }

    /// As [`PaddedConv::forward`].
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.conv.weight();
        let Some(u) = &self.u else {
            return self.conv.forward(x);
        };
        let (u, v) = iterate(weight.clone().detach(), u.val().detach());
        let sigma = u.matmul(matrix(weight.clone())).matmul(v);
        self.conv
            .forward_with(x, weight / sigma.reshape([1, 1, 1, 1]))
    }

    /// The same with `u` one power iteration on.
    pub fn renew(self) -> Self {
        let weight = self.conv.weight().detach();
        let u = self.u.map(|u| {
            let (next, _) = iterate(weight, u.val().detach());
            let [_, channels] = next.dims();
            u.map(|_| next.reshape([channels]))
        });
        SpectralConv { u, ..self }
    }
}

/// `[out, in, kernel, kernel]` as `[out, in · kernel²]`.
fn matrix(weight: Tensor<4>) -> Tensor<2> {
    weight.flatten(1, 3)
}

/// One power iteration from `u`: the next u as a row, v as a column, both of length 1.
fn iterate(weight: Tensor<4>, u: Tensor<1>) -> (Tensor<2>, Tensor<2>) {
    let weight = matrix(weight);
    let unit = |x: Tensor<2>| {
        let norm = x.clone().square().sum().sqrt().add_scalar(1e-12);
        x / norm.reshape([1, 1])
    };
    let v = unit(u.reshape([1, -1]).matmul(weight.clone())).transpose();
    let u = unit(weight.matmul(v.clone()).transpose());
    (u, v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::conv_kernel::Border;

    fn conv(device: &Device) -> SpectralConv {
        let conv = PaddedConv::new([3, 4], 3, 1, 1, Border::Zeros, true, device);
        SpectralConv::new(conv, true, device)
    }

    /// The largest singular value by many iterations on WᵀW in f64.
    fn largest(weight: &Tensor<4>) -> f64 {
        let [rows, ..] = weight.dims();
        let values: Vec<f32> = weight.to_data().try_to_vec().unwrap();
        let columns = values.len() / rows;
        let at = |r: usize, c: usize| f64::from(values[r * columns + c]);
        let mut v = vec![1.0; columns];
        let mut sigma = 0.0;
        for _ in 0..2000 {
            let wv: Vec<f64> = (0..rows)
                .map(|r| (0..columns).map(|c| at(r, c) * v[c]).sum())
                .collect();
            v = (0..columns)
                .map(|c| (0..rows).map(|r| at(r, c) * wv[r]).sum())
                .collect();
            let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            v.iter_mut().for_each(|x| *x /= norm);
            sigma = norm.sqrt();
        }
        sigma
    }

    #[test]
    fn the_weight_in_use_comes_to_have_norm_one() {
        let device = Device::flex().autodiff();
        let mut conv = conv(&device);
        for _ in 0..60 {
            conv = conv.renew();
        }
        let (weight, u) = (conv.conv.weight(), conv.u.as_ref().unwrap().val());
        let (u, v) = iterate(weight.clone().detach(), u.detach());
        let sigma: f32 = u.matmul(matrix(weight.clone())).matmul(v).into_scalar();
        let expected = largest(&weight);
        assert!(
            (f64::from(sigma) - expected).abs() < 1e-3,
            "{sigma} {expected}"
        );
    }

    /// The gradient through the division agrees with finite differences, u and v held.
    #[test]
    fn gradients_flow_through_the_norm() {
        let device = Device::flex().autodiff();
        let conv = {
            let mut conv = conv(&device);
            for _ in 0..200 {
                conv = conv.renew();
            }
            conv
        };
        let weight = conv.conv.weight();
        let (u, v) = iterate(
            weight.clone().detach(),
            conv.u.as_ref().unwrap().val().detach(),
        );
        let push = Tensor::arange(0..108, &device)
            .float()
            .reshape([4, 3, 3, 3])
            .sin();
        let loss = |weight: Tensor<4>| {
            let sigma = u.clone().matmul(matrix(weight.clone())).matmul(v.clone());
            (weight / sigma.reshape([1, 1, 1, 1]) * push.clone()).sum()
        };
        let gradient = weight.grad(&loss(weight.clone()).backward()).unwrap();
        let gradient: Vec<f32> = gradient.to_data().try_to_vec().unwrap();
        for at in [0, 17, 63, 107] {
            let nudged = |by: f32| -> f32 {
                let mut values: Vec<f32> = weight.to_data().try_to_vec().unwrap();
                values[at] += by;
                let data = burn::tensor::TensorData::new(values, [4, 3, 3, 3]);
                loss(Tensor::from_data(data, &device)).into_scalar()
            };
            let expected = (nudged(1e-2) - nudged(-1e-2)) / 2e-2;
            assert!(
                (gradient[at] - expected).abs() < 2e-2,
                "{} {expected}",
                gradient[at]
            );
        }
    }
}
