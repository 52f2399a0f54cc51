//! A generator that reads G-buffers beside the picture: what the renderer knows of every pixel tells it what to
//! change.
//! Richter, AlHaija and Koltun, Enhancing Photorealism Enhancement, 2021. <https://arxiv.org/abs/2105.04619>
//!
//! An encoder turns the buffers into features at each resolution, objects and all else in streams of their own.
//! After the norm of each layer these scale and shift what the picture's stream sees (the paper's rendering-aware
//! denormalisation).
//! Deviations: the residual network of [`super::resnet_generator`], sized for small pictures, in place of HRNet; two
//! streams in place of one a class; scale and shift by one convolution of a pixel each, in place of residual ones.

use burn::module::Module;
use burn::tensor::activation::{relu, tanh};
use burn::tensor::{Device, Tensor};

use super::conv_kernel::Border;
use super::convolution::{PaddedConv, Precision};
use super::generator::{GeneratorConfig, corrected};
use super::norm::Activation;
use super::resnet_generator::ConvNorm;

/// The G-buffers that a [`GBufferGenerator`] reads.
#[derive(Debug, Clone, Copy)]
pub struct Buffers {
    /// Channels of all of them.
    pub planes: usize,
    /// The channel that is 1 on objects and 0 elsewhere, if there is one.
    pub objects: Option<usize>,
    /// Channels of the encoder.
    pub channels: usize,
}

/// Buffers to features, at each resolution of the generator.
#[derive(Module, Debug)]
pub struct BufferEncoder {
    /// For objects and for all else, or one for both.
    streams: Vec<PaddedConv>,
    /// The channel of objects, where there are two streams.
    objects: usize,
    down: Vec<PaddedConv>,
}

impl BufferEncoder {
    fn new(config: &GeneratorConfig, buffers: &Buffers, device: &Device) -> Self {
        let conv = |inputs: usize, stride: usize| {
            let channels = [inputs, buffers.channels];
            PaddedConv::new(channels, 3, stride, 1, Border::Reflect, true, device)
                .computing_in(config.precision)
        };
        let streams = if buffers.objects.is_some() { 2 } else { 1 };
        BufferEncoder {
            streams: (0..streams).map(|_| conv(buffers.planes, 1)).collect(),
            objects: buffers.objects.unwrap_or_default(),
            down: (0..config.downsamplings)
                .map(|_| conv(buffers.channels, 2))
                .collect(),
        }
    }

    /// `[batch, planes, height, width]` to features, the finest first.
    fn forward(&self, planes: Tensor<4>) -> Vec<Tensor<4>> {
        let seen = |stream: &PaddedConv| relu(stream.forward(planes.clone()));
        let finest = match &self.streams[..] {
            [object, other] => {
                let inside = planes.clone().narrow(1, self.objects, 1);
                let outside = -inside.clone() + 1.0;
                seen(object) * inside + seen(other) * outside
            }
            streams => seen(&streams[0]),
        };
        let mut features = vec![finest];
        for down in &self.down {
            let x = features[features.len() - 1].clone();
            features.push(relu(down.forward(x)));
        }
        features
    }
}

/// Convolution and norm, then scaled and shifted by what the buffers say of each place.
#[derive(Module, Debug)]
struct Modulated {
    conv: ConvNorm,
    scale: PaddedConv,
    shift: PaddedConv,
}

impl Modulated {
    fn new(conv: ConvNorm, features: usize, channels: usize, device: &Device) -> Self {
        let each = || {
            let channels = [features, channels];
            PaddedConv::new(channels, 1, 1, 0, Border::Zeros, true, device)
        };
        Modulated {
            conv,
            scale: each(),
            shift: each(),
        }
    }

    fn computing_in(self, precision: Precision) -> Self {
        Modulated {
            conv: self.conv.computing_in(precision),
            scale: self.scale.computing_in(precision),
            shift: self.shift.computing_in(precision),
        }
    }

    fn forward(&self, x: Tensor<4>, features: &Tensor<4>) -> Tensor<4> {
        let x = self.conv.forward(x, Activation::None);
        let scale = self.scale.forward(features.clone()) + 1.0;
        x * scale + self.shift.forward(features.clone())
    }
}

/// Two modulated layers, added to their input.
#[derive(Module, Debug)]
struct ModulatedBlock {
    first: Modulated,
    second: Modulated,
}

/// Maps renders, with what is known of their pixels, to photos.
#[derive(Module, Debug)]
pub struct GBufferGenerator {
    /// What reads the buffers.
    pub encoder: BufferEncoder,
    stem: Modulated,
    down: Vec<Modulated>,
    blocks: Vec<ModulatedBlock>,
    up: Vec<Modulated>,
    head: PaddedConv,
    residual: bool,
}

impl GBufferGenerator {
    /// A generator with burn's default weights; see [`crate::nn::init`]. Of `config`, all but `kind` counts.
    pub fn new(config: &GeneratorConfig, buffers: &Buffers, device: &Device) -> Self {
        let at = |level: usize| config.channels << level;
        let levels = config.downsamplings;
        let deepest = at(levels);
        let mut place = 0;
        let mut layer = |channels: [usize; 2], kernel, stride, times| {
            place += 1;
            let conv = ConvNorm::new(channels, kernel, stride, (config.norm, place), device);
            let conv = conv.enlarging(times);
            Modulated::new(conv, buffers.channels, channels[1], device)
                .computing_in(config.precision)
        };
        GBufferGenerator {
            encoder: BufferEncoder::new(config, buffers, device),
            stem: layer([3, config.channels], config.kernel, 1, 1),
            down: (0..levels)
                .map(|level| layer([at(level), at(level + 1)], 3, 2, 1))
                .collect(),
            blocks: (0..config.blocks)
                .map(|_| ModulatedBlock {
                    first: layer([deepest, deepest], 3, 1, 1),
                    second: layer([deepest, deepest], 3, 1, 1),
                })
                .collect(),
            up: (0..levels)
                .rev()
                .map(|level| layer([at(level + 1), at(level)], 3, 1, 2))
                .collect(),
            head: PaddedConv::new(
                [config.channels, 3],
                config.kernel,
                1,
                config.kernel / 2,
                Border::Reflect,
                true,
                device,
            )
            .computing_in(config.precision),
            residual: config.residual,
        }
    }

    /// Pictures `[batch, 3, height, width]` in −1..1 and `planes` `[batch, planes, height, width]` to pictures of the
    /// same shape. Height and width must be multiples of 2 to the power of `downsamplings`.
    pub fn forward(&self, input: Tensor<4>, planes: Tensor<4>) -> Tensor<4> {
        let features = self.encoder.forward(planes);
        let coarsest = &features[features.len() - 1];
        let mut x = relu(self.stem.forward(input.clone(), &features[0]));
        for (down, features) in self.down.iter().zip(&features[1..]) {
            x = relu(down.forward(x, features));
        }
        for ModulatedBlock { first, second } in &self.blocks {
            let inner = relu(first.forward(x.clone(), coarsest));
            x = x + second.forward(inner, coarsest);
        }
        for (up, features) in self.up.iter().zip(features.iter().rev().skip(1)) {
            x = relu(up.forward(x, features));
        }
        let output = self.head.forward(x);
        match self.residual {
            true => corrected(input, output),
            false => tanh(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::init::{Init, initialise};
    use crate::seed::Seed;

    fn ramp(channels: usize, device: &Device) -> Tensor<4> {
        let count = (2 * channels * 16 * 8) as i64;
        let values = Tensor::arange(0..count, device).float();
        values.reshape([2, channels, 8, 16]).mul_scalar(0.37).sin()
    }

    /// The largest change of pictures where and where not the buffers differ, with these objects.
    fn changes(objects: Option<usize>) -> f32 {
        let device = Device::flex();
        let config = GeneratorConfig {
            channels: 4,
            blocks: 1,
            ..GeneratorConfig::default()
        };
        let buffers = Buffers {
            planes: 3,
            objects,
            channels: 4,
        };
        let network = GBufferGenerator::new(&config, &buffers, &device.clone().autodiff());
        let mut stream = Seed::new(1, "x").stream(0);
        let network = initialise(network, Init::He, &mut stream, 1);
        let picture = ramp(3, &device.clone().autodiff());
        let planes = ramp(3, &device.autodiff());
        let (a, b) = (
            network.forward(picture.clone(), planes.clone()),
            network.forward(picture.clone(), planes * 0.3),
        );
        assert_eq!(a.dims(), picture.dims());
        (a - b).abs().max().into_scalar()
    }

    #[test]
    fn the_buffers_change_the_picture_in_one_stream_or_in_two() {
        for objects in [None, Some(1)] {
            let change = changes(objects);
            assert!(change > 1e-3, "{objects:?}: {change}");
        }
    }
}
