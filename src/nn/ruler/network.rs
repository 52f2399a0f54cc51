//! The network of the ruler: a small classifier of pictures, whose inner values are also features.
//!
//! Three strided convolutions with group norm, mean and maximum over all places, one linear layer.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Int, Tensor};
use image::RgbImage;

use super::pictures::Pictures;
use crate::Result;
use crate::nn::adam::adam;
use crate::nn::batch;
use crate::nn::conv_layer::ConvLayer;
use crate::nn::convolution::{SMALL, stem};
use crate::nn::device::Chosen;
use crate::nn::init::{Init, initialise};
use crate::nn::workers::Workers;
use crate::sample::Extent;
use crate::seed::Stream;

/// Channels after the first layer; later ones have twice and four times as many.
const CHANNELS: usize = 16;

/// Values that describe a picture.
pub(super) const FEATURES: usize = 8 * CHANNELS;

/// Learning rate of Adam at the start; it falls to zero along a cosine.
const RATE: f64 = 3e-3;

/// Probability that the loss spreads over all classes, against overconfidence.
const SMOOTHING: f32 = 0.05;

/// Views that go through the network at once.
const AT_ONCE: usize = 32;

#[derive(Module, Debug)]
pub(super) struct Network {
    layers: Vec<ConvLayer>,
    head: Linear,
}

/// What the network makes of a picture.
pub(super) struct Reading {
    /// One a class.
    pub logits: Vec<f32>,
    /// [`FEATURES`] values.
    pub features: Vec<f32>,
}

impl Network {
    /// An untrained one for views of this extent.
    pub(super) fn new(
        classes: usize,
        extent: Extent,
        stream: &mut Stream,
        device: &Device,
    ) -> Self {
        let (kernel, _) = stem(extent);
        // Below 16 pixels there is no place left to be looked at after three strides.
        let stride = if extent.shorter() < 16 { 1 } else { 2 };
        let layer = |from: usize, to: usize, kernel, stride| {
            ConvLayer::new([from, to], kernel, stride, device)
        };
        let network = Network {
            layers: vec![
                layer(3, CHANNELS, kernel, stride),
                layer(CHANNELS, 2 * CHANNELS, 3, 2),
                layer(2 * CHANNELS, 4 * CHANNELS, 3, 2),
            ],
            head: LinearConfig::new(FEATURES, classes).init(device),
        };
        initialise(network, Init::He, stream, 1)
    }

    /// Work with which a view of `extent` goes through it, roughly, in multiplications of larger networks.
    pub(super) fn products(extent: Extent) -> f64 {
        let (kernel, _) = stem(extent);
        let halvings = if extent.shorter() < 16 { 0 } else { 1 };
        let pixels = extent.area() as f64 * 0.25_f64.powi(halvings);
        let channels = CHANNELS as f64;
        let first = (kernel * kernel) as f64 * 3.0 * channels;
        // 9 · 2c² / 4 and 9 · 8c² / 16.
        SMALL * pixels * (first + 9.0 * channels * channels)
    }

    /// Logits `[batch, classes]` and features `[batch, FEATURES]` of pictures `[batch, 3, height, width]`.
    fn forward(&self, pictures: Tensor<4>) -> [Tensor<2>; 2] {
        let x = self
            .layers
            .iter()
            .fold(pictures, |x, layer| layer.forward(x));
        let [batch, channels, height, width] = x.dims();
        let places = x.reshape([batch, channels, height * width]);
        let mean = places.clone().mean_dim(2).reshape([batch, channels]);
        let max = places.max_dim(2).reshape([batch, channels]);
        let features = Tensor::cat(vec![mean, max], 1);
        [self.head.forward(features.clone()), features]
    }

    /// Learns for `steps` from the batches that `draw` gives, each a list of views with their classes; `tick` is
    /// called before every step. The result is frozen.
    ///
    /// # Errors
    /// Those of `tick`, or if there are no threads.
    pub(super) fn learn(
        mut self,
        steps: u64,
        chosen: &Chosen,
        mut draw: impl FnMut() -> Vec<(RgbImage, usize)>,
        tick: &dyn Fn() -> Result<()>,
    ) -> Result<Self> {
        let device = chosen.device.clone().autodiff();
        let workers = Workers::for_shards(chosen)?;
        let mut optimiser = adam(0.9, 0.999);
        for step in 0..steps {
            tick()?;
            let drawn = draw();
            let shards = drawn.chunks(drawn.len().div_ceil(workers.shards()).max(1));
            let work = |shard: &[(RgbImage, usize)]| {
                let network = self.clone().fork(&device);
                let share = shard.len() as f64 / drawn.len() as f64;
                let loss = network.loss(shard, &device).mul_scalar(share);
                GradientsParams::from_grads(loss.backward(), &network)
            };
            let mut accumulator = GradientsAccumulator::new();
            workers.run_each(shards.collect(), work, |gradients| {
                accumulator.accumulate(&self, gradients);
            });
            let progress = step as f64 / steps as f64;
            let rate = RATE * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
            self = optimiser.step(rate, self, accumulator.grads());
        }
        Ok(self.valid())
    }

    fn loss(&self, shard: &[(RgbImage, usize)], device: &Device) -> Tensor<1> {
        let pictures = batch::to_tensor(shard.iter().map(|(view, _)| view), device);
        let classes: Vec<i32> = shard.iter().map(|(_, class)| *class as i32).collect();
        let classes = Tensor::<1, Int>::from_data(&classes[..], device);
        let [logits, _] = self.forward(pictures);
        CrossEntropyLossConfig::new()
            .with_smoothing(Some(SMOOTHING))
            .init(device)
            .forward(logits, classes)
    }

    /// Reads pictures, whose views all measure what the network was made for; each is read by all its views.
    ///
    /// # Errors
    /// If there are no threads.
    pub(super) fn read(&self, pictures: &Pictures, chosen: &Chosen) -> Result<Vec<Reading>> {
        let views = pictures.members().iter().enumerate();
        let views = views.flat_map(|(place, member)| member.views().map(move |view| (place, view)));
        let views: Vec<(usize, (&RgbImage, f32))> = views.collect();
        let workers = Workers::for_device(chosen)?;
        let read = workers.run(views.chunks(AT_ONCE).collect(), |views| {
            let pictures = views.iter().map(|(_, (view, _))| *view);
            let read = self.forward(batch::to_tensor(pictures, &chosen.device));
            read.map(|values| {
                let width = values.dims()[1];
                let data = values.into_data_as::<f32>();
                let rows = data.as_slice::<f32>().unwrap_or_default();
                rows.chunks_exact(width)
                    .map(<[f32]>::to_vec)
                    .collect::<Vec<_>>()
            })
        });
        let rows = read
            .into_iter()
            .flat_map(|[logits, features]| logits.into_iter().zip(features));
        let mut readings: Vec<Reading> = Vec::with_capacity(pictures.len());
        for ((place, (_, weight)), (logits, features)) in views.iter().zip(rows) {
            if readings.len() <= *place {
                readings.push(Reading {
                    logits: vec![0.0; logits.len()],
                    features: vec![0.0; features.len()],
                });
            }
            let reading = &mut readings[*place];
            for (sums, values) in [
                (&mut reading.logits, logits),
                (&mut reading.features, features),
            ] {
                sums.iter_mut()
                    .zip(values)
                    .for_each(|(sum, value)| *sum += weight * value);
            }
        }
        Ok(readings)
    }
}
