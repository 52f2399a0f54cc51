//! A convolution with its padding built in: our kernels on the CPU, burn's elsewhere.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::module::conv2d;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData};

use super::conv_kernel::{self, Border, Geometry};

/// A square convolution that pads by `padding` pixels, mirrored or with zeros.
#[derive(Module, Debug)]
pub struct PaddedConv {
    conv: Conv2d,
    padding: usize,
    reflect: bool,
}

impl PaddedConv {
    /// From `channels[0]` to `channels[1]`, kernel and stride in pixels.
    pub fn new(
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        padding: usize,
        border: Border,
        bias: bool,
        device: &Device,
    ) -> Self {
        let conv = Conv2dConfig::new(channels, [kernel, kernel])
            .with_stride([stride, stride])
            .with_bias(bias)
            .init(device);
        PaddedConv {
            conv,
            padding,
            reflect: border == Border::Reflect,
        }
    }

    /// `[batch, in, height, width]` to `[batch, out, height_out, width_out]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.forward_with(x, self.weight())
    }

    /// `[out, in, kernel, kernel]`.
    pub fn weight(&self) -> Tensor<4> {
        self.conv.weight.val()
    }

    /// As [`PaddedConv::forward`], by another weight of the same shape.
    pub fn forward_with(&self, x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
        let ([stride, _], padding) = (self.conv.stride, self.padding);
        let bias = self.conv.bias.as_ref().map(|bias| bias.val());
        if x.device() == Device::flex() {
            let output = <Dispatch as PaddedConvOps>::padded_conv2d(
                x.into_dispatch(),
                weight.into_dispatch(),
                stride,
                padding,
                self.reflect,
            );
            let output = Tensor::<4>::from_dispatch(output);
            return match bias {
                Some(bias) => output + bias.reshape([1, -1, 1, 1]),
                None => output,
            };
        }
        let mode = if self.reflect {
            PadMode::Reflect
        } else {
            PadMode::Constant(0.0)
        };
        let x = x.pad([(padding, padding), (padding, padding)], mode);
        conv2d(
            x,
            weight,
            bias,
            ConvOptions::new([stride, stride], [0, 0], [1, 1], 1),
        )
    }
}

/// The operation that burn does not have, for the CPU backend and its autodiff.
#[backend_extension(Flex, Autodiff)]
pub trait PaddedConvOps: Backend {
    /// See [`conv_kernel::forward`].
    fn padded_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
        reflect: bool,
    ) -> FloatTensor<Self>;
}

#[derive(Debug, Clone)]
struct State {
    x: FlexTensor,
    weight: FlexTensor,
    stride: usize,
    padding: usize,
    reflect: bool,
}

fn geometry(
    x: &FlexTensor,
    weight: &FlexTensor,
    stride: usize,
    padding: usize,
    reflect: bool,
) -> Geometry {
    let [batch, channels_in, height, width] = x.shape().dims();
    let [channels_out, _, kernel, _] = weight.shape().dims();
    Geometry {
        batch,
        channels_in,
        channels_out,
        height,
        width,
        kernel,
        stride,
        padding,
        border: if reflect {
            Border::Reflect
        } else {
            Border::Zeros
        },
    }
}

fn tensor(values: Vec<f32>, shape: [usize; 4]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

impl PaddedConvOps for Flex {
    fn padded_conv2d(
        x: FlexTensor,
        weight: FlexTensor,
        stride: usize,
        padding: usize,
        reflect: bool,
    ) -> FlexTensor {
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let g = geometry(&x, &weight, stride, padding, reflect);
        let output = conv_kernel::forward(values(&x), values(&weight), g);
        tensor(
            output,
            [g.batch, g.channels_out, g.height_out(), g.width_out()],
        )
    }
}

/// The gradients of input and weight, where wanted.
fn gradients(
    state: &State,
    gradient: FlexTensor,
    [wants_x, wants_weight]: [bool; 2],
) -> [Option<FlexTensor>; 2] {
    let (x, weight) = (state.x.to_contiguous(), state.weight.to_contiguous());
    let gradient = gradient.to_contiguous();
    let g = geometry(&x, &weight, state.stride, state.padding, state.reflect);
    let of_x = wants_x.then(|| {
        let values = conv_kernel::input_gradient(values(&weight), values(&gradient), g);
        tensor(values, [g.batch, g.channels_in, g.height, g.width])
    });
    let of_weight = wants_weight.then(|| {
        let values = conv_kernel::weight_gradient(values(&x), values(&gradient), g);
        tensor(values, [g.channels_out, g.channels_in, g.kernel, g.kernel])
    });
    [of_x, of_weight]
}

/// The numbers of a contiguous f32 tensor.
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().unwrap_or_default()
}

impl<C: CheckpointStrategy> PaddedConvOps for Autodiff<Flex, C> {
    fn padded_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
        reflect: bool,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let output = Flex::padded_conv2d(x.clone(), weight.clone(), stride, padding, reflect);
        let prepared = PaddedConvBackward.prepare::<C>([x_node, weight_node]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let state = State {
                    x,
                    weight,
                    stride,
                    padding,
                    reflect,
                };
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

#[derive(Debug)]
struct PaddedConvBackward;

impl Backward<Flex, 2> for PaddedConvBackward {
    type State = State;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x, weight] = ops.parents;
        let gradient = grads.consume::<Flex>(&ops.node);
        let [of_x, of_weight] = gradients(&ops.state, gradient, [x.is_some(), weight.is_some()]);
        for (node, gradient) in [(x, of_x), (weight, of_weight)] {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    /// Output and both gradients agree with burn's own padding and convolution.
    #[test]
    fn agrees_with_burn() {
        let device = Device::flex().autodiff();
        for (kernel, stride, padding, border) in [
            (3, 1, 1, Border::Reflect),
            (3, 2, 1, Border::Reflect),
            (5, 1, 2, Border::Reflect),
            (4, 2, 1, Border::Zeros),
            (4, 1, 1, Border::Zeros),
            (1, 1, 0, Border::Zeros),
        ] {
            let conv = PaddedConv::new([3, 5], kernel, stride, padding, border, true, &device);
            let draw = || Tensor::<4>::random([2, 3, 10, 9], Distribution::Default, &device);
            let x = draw().require_grad();
            let ours = conv.forward(x.clone());
            let push = Tensor::random(ours.dims(), Distribution::Default, &device);
            let gradients = (ours.clone() * push.clone()).sum().backward();

            let y = Tensor::from_data(x.to_data(), &device).require_grad();
            let mode = match border {
                Border::Reflect => PadMode::Reflect,
                Border::Zeros => PadMode::Constant(0.0),
            };
            let padded = y
                .clone()
                .pad([(padding, padding), (padding, padding)], mode);
            let options = ConvOptions::new([stride, stride], [0, 0], [1, 1], 1);
            let (weight, bias) = (
                conv.conv.weight.val(),
                conv.conv.bias.as_ref().unwrap().val(),
            );
            let theirs = conv2d(padded, weight.clone(), Some(bias), options);
            let expected = (theirs.clone() * push).sum().backward();

            let same = |a: TensorData, b: TensorData| {
                a.assert_approx_eq::<f32>(&b, Tolerance::absolute(1e-4));
            };
            same(ours.to_data(), theirs.to_data());
            same(
                x.grad(&gradients).unwrap().to_data(),
                y.grad(&expected).unwrap().to_data(),
            );
            same(
                weight.grad(&gradients).unwrap().to_data(),
                weight.grad(&expected).unwrap().to_data(),
            );
        }
    }
}
