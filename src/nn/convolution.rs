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
use burn::tensor::module::{conv2d, interpolate};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions, PadMode};
use burn::tensor::{Device, FloatDType, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conv_kernel::{self, Border, Geometry};
use super::flex::{tensor, values};
use crate::sample::Extent;

/// What convolutions compute in. Weights, norms and losses are f32 throughout (Micikevicius et al.,
/// Mixed Precision Training, 2018).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    F32,
    /// bfloat16 where the device has it, else 32 bits.
    Bf16,
}

impl Precision {
    /// Whether `device` can: the CPU has kernels for 32 bits only.
    pub fn is_on(self, device: &Device) -> bool {
        match self {
            Precision::F32 => true,
            Precision::Bf16 => *device != Device::flex() && device.supports_dtype(FloatDType::BF16),
        }
    }
}

/// Kernel and stride of a network's first layer: below 48 pixels none can be spared.
pub fn stem(extent: Extent) -> (usize, usize) {
    if extent.shorter() >= 48 {
        (5, 2)
    } else {
        (3, 1)
    }
}

/// In small networks, norms, activations and moving values take as long again as the multiplications.
pub const SMALL: f64 = 2.0;

/// Work with which a picture of `extent` goes through a small recogniser, roughly, in multiplications of larger networks:
/// [`stem`] with so many `channels`, and four convolutions whose resolution is halved, and whose channels are doubled,
/// twice.
pub fn recogniser_products(extent: Extent, channels: usize) -> f64 {
    let (kernel, stride) = stem(extent);
    let pixels = extent.area() as f64 / (stride * stride) as f64;
    let channels = channels as f64;
    let first = (kernel * kernel) as f64 * 3.0 * channels;
    // 9 · (2c² + 4c²) / 4 and 9 · (8c² + 16c²) / 16.
    SMALL * pixels * (first + 27.0 * channels * channels)
}

/// A square convolution that pads by `padding` pixels, mirrored or with zeros.
#[derive(Module, Debug)]
pub struct PaddedConv {
    conv: Conv2d,
    padding: usize,
    reflect: bool,
    enlarge: usize,
    half: bool,
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
            enlarge: 1,
            half: false,
        }
    }

    /// The same, in this precision where the device has it.
    pub fn computing_in(self, precision: Precision) -> Self {
        let half = precision == Precision::Bf16 && precision.is_on(&self.weight().device());
        PaddedConv { half, ..self }
    }

    /// The same, but of a picture whose pixels are first repeated `times` times both ways
    /// (nearest-neighbour enlargement).
    pub fn enlarging(self, times: usize) -> Self {
        PaddedConv {
            enlarge: times,
            ..self
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

    /// What it adds to every channel, `[out]`, if it does.
    pub fn bias(&self) -> Option<Tensor<1>> {
        self.conv.bias.as_ref().map(burn::module::Param::val)
    }

    /// As [`PaddedConv::forward`], by another weight of the same shape.
    pub fn forward_with(&self, x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
        if x.device() != Device::flex() {
            return if self.half {
                let half = FloatDType::BF16;
                let output = self.forward_by_burn(x.cast(half), weight.cast(half));
                output.cast(FloatDType::F32)
            } else {
                self.forward_by_burn(x, weight)
            };
        }
        let window = Window {
            stride: self.conv.stride[0],
            padding: self.padding,
            enlarge: self.enlarge,
            border: if self.reflect {
                Border::Reflect
            } else {
                Border::Zeros
            },
        };
        // No bias is an empty one: the operation takes no optional tensors.
        let bias = self.bias();
        let bias = bias.unwrap_or_else(|| Tensor::empty([0], &Device::flex()));
        let output = <Dispatch as PaddedConvOps>::padded_conv2d(
            x.into_dispatch(),
            weight.into_dispatch(),
            bias.into_dispatch(),
            window,
        );
        Tensor::from_dispatch(output)
    }

    /// The same by burn's own operations, in the precision of `x` and `weight`.
    fn forward_by_burn(&self, x: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
        let bias = self.conv.bias.as_ref().map(burn::module::Param::val);
        let bias = bias.map(|bias| bias.cast(x.dtype()));
        let padding = self.padding;
        let x = if self.enlarge > 1 {
            let options = InterpolateOptions::new(InterpolateMode::Nearest);
            interpolate(x, options.with_scale_factor([self.enlarge as f32; 2]))
        } else {
            x
        };
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
            ConvOptions::new(self.conv.stride, [0, 0], [1, 1], 1),
        )
    }
}

/// How a convolution moves over its input.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Step of the kernel in pixels, the same both ways.
    pub stride: usize,
    /// Pixels added on each of the four sides, after enlarging.
    pub padding: usize,
    /// How often each pixel is repeated, both ways, before the convolution; 1 leaves the input as it is.
    pub enlarge: usize,
    /// What the added pixels hold.
    pub border: Border,
}

/// The operation that burn does not have, for the CPU backend and its autodiff.
#[backend_extension(Flex, Autodiff)]
pub trait PaddedConvOps: Backend {
    /// See [`conv_kernel::forward`]; an empty `bias` is none.
    fn padded_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        window: Window,
    ) -> FloatTensor<Self>;
}

#[derive(Debug, Clone)]
struct Forward {
    x: FlexTensor,
    weight: FlexTensor,
    window: Window,
}

fn geometry(x: &FlexTensor, weight: &FlexTensor, window: Window) -> Geometry {
    let [batch, channels_in, height, width] = x.shape().dims();
    let [channels_out, _, kernel, _] = weight.shape().dims();
    Geometry {
        batch,
        channels_in,
        channels_out,
        height,
        width,
        kernel,
        enlarge: window.enlarge,
        stride: window.stride,
        padding: window.padding,
        border: window.border,
    }
}

impl PaddedConvOps for Flex {
    fn padded_conv2d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        window: Window,
    ) -> FlexTensor {
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let bias = bias.to_contiguous();
        let g = geometry(&x, &weight, window);
        let bias = Some(values(&bias)).filter(|bias| !bias.is_empty());
        let output = conv_kernel::forward(values(&x), values(&weight), bias, g);
        tensor(
            output,
            [g.batch, g.channels_out, g.height_out(), g.width_out()],
        )
    }
}

/// The gradients of input, weight and bias, where wanted.
fn gradients(
    state: &Forward,
    gradient: FlexTensor,
    [wants_x, wants_weight, wants_bias]: [bool; 3],
) -> [Option<FlexTensor>; 3] {
    let (x, weight) = (state.x.to_contiguous(), state.weight.to_contiguous());
    let gradient = gradient.to_contiguous();
    let g = geometry(&x, &weight, state.window);
    let gradient = values(&gradient);
    let of_x = wants_x.then(|| {
        let values = conv_kernel::input_gradient(values(&weight), gradient, g);
        tensor(values, [g.batch, g.channels_in, g.height, g.width])
    });
    let of_weight = wants_weight.then(|| {
        let values = conv_kernel::weight_gradient(values(&x), gradient, g);
        tensor(values, [g.channels_out, g.channels_in, g.kernel, g.kernel])
    });
    let of_bias = wants_bias.then(|| {
        let values = conv_kernel::bias_gradient(gradient, g);
        tensor(values, [g.channels_out])
    });
    [of_x, of_weight, of_bias]
}

impl<C: CheckpointStrategy> PaddedConvOps for Autodiff<Flex, C> {
    fn padded_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        window: Window,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let (bias, bias_node) = bias.into_parts();
        let output = Flex::padded_conv2d(x.clone(), weight.clone(), bias, window);
        let prepared = PaddedConvBackward.prepare::<C>([x_node, weight_node, bias_node]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(Forward { x, weight, window }, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

#[derive(Debug)]
struct PaddedConvBackward;

impl Backward<Flex, 3> for PaddedConvBackward {
    type State = Forward;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = gradients(&ops.state, gradient, wanted);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, TensorData, Tolerance};

    /// What other devices do in bfloat16 gives the same, but for rounding.
    #[test]
    fn half_precision_is_near() {
        let device = Device::flex().autodiff();
        let conv = PaddedConv::new([8, 4], 3, 2, 1, Border::Reflect, true, &device).enlarging(2);
        let x = Tensor::<4>::random([2, 8, 10, 9], Distribution::Default, &device).require_grad();
        let whole = conv.forward(x.clone());
        let half = FloatDType::BF16;
        let halved = conv.forward_by_burn(x.clone().cast(half), conv.weight().cast(half));
        let halved = halved.cast(FloatDType::F32);
        let gradient = |output: Tensor<4>| {
            let gradients = output.powi_scalar(2).mean().backward();
            let of = [x.grad(&gradients), conv.weight().grad(&gradients)];
            of.map(|gradient| gradient.unwrap().to_data())
        };
        let near = |a: TensorData, b: TensorData| {
            a.assert_approx_eq::<f32>(&b, Tolerance::rel_abs(2e-2, 1e-2));
        };
        near(whole.to_data(), halved.to_data());
        for (a, b) in gradient(whole).into_iter().zip(gradient(halved)) {
            near(a, b);
        }
    }

    /// Output and all gradients agree with burn's own enlargement, padding and convolution.
    #[test]
    fn agrees_with_burn() {
        for (kernel, stride, padding, enlarge, border) in [
            (3, 1, 1, 1, Border::Reflect),
            (3, 1, 1, 2, Border::Reflect),
            (3, 2, 1, 1, Border::Reflect),
            (5, 1, 2, 1, Border::Reflect),
            (4, 2, 1, 1, Border::Zeros),
            (4, 1, 1, 2, Border::Zeros),
            (1, 1, 0, 1, Border::Zeros),
        ] {
            // Fewer channels than a register has numbers, and more than a panel.
            for (channels, batch) in [([3, 5], 2), ([37, 18], 1), ([18, 37], 2), ([2, 1], 1)] {
                let device = Device::flex().autodiff();
                let conv =
                    PaddedConv::new(channels, kernel, stride, padding, border, true, &device);
                check(
                    &conv.enlarging(enlarge),
                    [batch, channels[0], 10, 9],
                    &device,
                );
            }
        }
    }

    fn check(conv: &PaddedConv, shape: [usize; 4], device: &Device) {
        let x = Tensor::<4>::random(shape, Distribution::Default, device).require_grad();
        let ours = conv.forward(x.clone());
        let push = Tensor::random(ours.dims(), Distribution::Default, device);
        let gradients = (ours.clone() * push.clone()).sum().backward();

        let y = Tensor::from_data(x.to_data(), device).require_grad();
        let bias = conv.conv.bias.as_ref().unwrap().val();
        let weight = conv.weight();
        let theirs = conv.forward_by_burn(y.clone(), weight.clone());
        let expected = (theirs.clone() * push).sum().backward();

        let same = |a: TensorData, b: TensorData| {
            a.assert_approx_eq::<f32>(&b, Tolerance::rel_abs(1e-4, 1e-4));
        };
        same(ours.to_data(), theirs.to_data());
        let pairs = [
            (x.grad(&gradients), y.grad(&expected)),
            (weight.grad(&gradients), weight.grad(&expected)),
        ];
        for (a, b) in pairs {
            same(a.unwrap().to_data(), b.unwrap().to_data());
        }
        let (a, b) = (bias.grad(&gradients), bias.grad(&expected));
        same(a.unwrap().to_data(), b.unwrap().to_data());
    }
}
