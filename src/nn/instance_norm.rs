//! Instance normalisation and the activation after it, as one operation on the CPU.
//! Ulyanov et al., Instance Normalization: The Missing Ingredient for Fast Stylization, 2016.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::nn::InstanceNorm;
use burn::tensor::activation::{leaky_relu, relu, softplus};
use burn::tensor::{Device, Tensor};

use super::flex::{tensor, values};
use super::norm_kernel::{self, Moments, Norm};

/// What follows a norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// The normalised values are passed on unchanged.
    None,
    /// Values below zero become zero.
    Relu,
    /// With this slope below zero.
    LeakyRelu(f64),
    /// 0.2 x + 0.2 log(1 + exp(4 x)): a leaky ReLU without its corner.
    SmoothLeakyRelu,
}

impl Activation {
    /// Of each value.
    pub fn of(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Activation::None => x,
            Activation::Relu => relu(x),
            Activation::LeakyRelu(slope) => leaky_relu(x, slope),
            Activation::SmoothLeakyRelu => (x.clone() + softplus(x, 4.0) * 4.0) * 0.2,
        }
    }
}

/// `norm`, then `activation`, of `[batch, channels, height, width]`.
pub fn normalise(norm: &InstanceNorm, x: Tensor<4>, activation: Activation) -> Tensor<4> {
    let parameters = norm.gamma.as_ref().zip(norm.beta.as_ref());
    if let (true, Some((gamma, beta))) = (x.device() == Device::flex(), parameters) {
        let (slope, after) = match activation {
            Activation::Relu => (0.0, Activation::None),
            Activation::LeakyRelu(slope) => (slope as f32, Activation::None),
            other => (1.0, other),
        };
        let output = <Dispatch as NormOps>::instance_norm(
            x.into_dispatch(),
            gamma.val().into_dispatch(),
            beta.val().into_dispatch(),
            norm.epsilon as f32,
            slope,
        );
        return after.of(Tensor::from_dispatch(output));
    }
    activation.of(norm.forward(x))
}

/// The operation that burn makes of a dozen others, for the CPU backend and its autodiff.
#[backend_extension(Flex, Autodiff)]
pub trait NormOps: Backend {
    /// Normalises each plane, scales it by `gamma`, shifts it by `beta`, and multiplies what is
    /// below zero by `slope`.
    fn instance_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        slope: f32,
    ) -> FloatTensor<Self>;
}

#[derive(Debug, Clone)]
struct Normalised {
    x: FlexTensor,
    gamma: FlexTensor,
    beta: FlexTensor,
    moments: Vec<Moments>,
    epsilon: f32,
    slope: f32,
}

impl Normalised {
    /// Runs the operation; what its gradient needs, and its output.
    fn new([x, gamma, beta]: [FlexTensor; 3], epsilon: f32, slope: f32) -> (Self, FlexTensor) {
        let mut state = Normalised {
            x: x.to_contiguous(),
            gamma: gamma.to_contiguous(),
            beta: beta.to_contiguous(),
            moments: Vec::new(),
            epsilon,
            slope,
        };
        let x = values(&state.x);
        let (output, moments) = norm_kernel::forward(x, state.plane(), state.norm());
        let output = tensor(output, state.shape());
        state.moments = moments;
        (state, output)
    }

    fn shape(&self) -> [usize; 4] {
        self.x.shape().dims()
    }

    fn plane(&self) -> usize {
        let [_, _, height, width] = self.shape();
        height * width
    }

    fn norm(&self) -> Norm<'_> {
        Norm {
            gamma: values(&self.gamma),
            beta: values(&self.beta),
            epsilon: self.epsilon,
            slope: self.slope,
        }
    }
}

impl NormOps for Flex {
    fn instance_norm(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        epsilon: f32,
        slope: f32,
    ) -> FlexTensor {
        Normalised::new([x, gamma, beta], epsilon, slope).1
    }
}

impl<C: CheckpointStrategy> NormOps for Autodiff<Flex, C> {
    fn instance_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        slope: f32,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (gamma, gamma_node) = gamma.into_parts();
        let (beta, beta_node) = beta.into_parts();
        let (state, output) = Normalised::new([x, gamma, beta], epsilon, slope);
        let prepared = NormBackward.prepare::<C>([x_node, gamma_node, beta_node]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(state, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

#[derive(Debug)]
struct NormBackward;

impl Backward<Flex, 3> for NormBackward {
    type State = Normalised;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let state = &ops.state;
        let gradients = norm_kernel::backward(
            values(&state.x),
            &state.moments,
            values(&gradient),
            state.plane(),
            state.norm(),
        );
        let channels = gradients.gamma.len();
        let gradients = [
            tensor(gradients.x, state.shape()),
            tensor(gradients.gamma, [channels]),
            tensor(gradients.beta, [channels]),
        ];
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::nn::InstanceNormConfig;
    use burn::tensor::{Distribution, TensorData, Tolerance};

    /// Output and all gradients agree with burn's own norm and activation.
    #[test]
    fn agrees_with_burn() {
        let device = Device::flex().autodiff();
        let random = |shape| Tensor::<4>::random(shape, Distribution::Default, &device);
        let activations = [
            Activation::None,
            Activation::Relu,
            Activation::LeakyRelu(0.2),
            Activation::SmoothLeakyRelu,
        ];
        for (activation, shape) in activations
            .into_iter()
            .flat_map(|activation| [[1, 3, 1, 5], [2, 5, 9, 7]].map(|shape| (activation, shape)))
        {
            let mut norm = InstanceNormConfig::new(shape[1]).init(&device);
            let vector = || random([shape[1], 1, 1, 1]).reshape([-1]).detach();
            norm.gamma = Some(Param::from_tensor(vector() + 0.5));
            norm.beta = Some(Param::from_tensor(vector() - 0.5));
            let parameters = [&norm.gamma, &norm.beta].map(|p| p.as_ref().unwrap().val());
            let x = random(shape).require_grad();
            let push = random(shape);
            let run = |y: Tensor<4>| {
                let gradients = (y.clone() * push.clone()).sum().backward();
                let of_parameters = parameters.each_ref().map(|p| p.grad(&gradients).unwrap());
                let [gamma, beta] = of_parameters.map(|p| p.to_data());
                [
                    y.to_data(),
                    x.grad(&gradients).unwrap().to_data(),
                    gamma,
                    beta,
                ]
            };
            let ours = run(normalise(&norm, x.clone(), activation));
            let theirs = run(activation.of(norm.forward(x.clone())));
            let same = |(a, b): (TensorData, TensorData)| {
                a.assert_approx_eq::<f32>(&b, Tolerance::rel_abs(1e-4, 1e-4));
            };
            ours.into_iter().zip(theirs).for_each(same);
        }
    }
}
