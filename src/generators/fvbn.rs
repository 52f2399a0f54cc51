//! fvbn: a fully visible belief network, the simplest network that knows the probability of a picture: every value
//! follows a distribution whose mean is a weighted sum of the values before it.
//! Frey, Hinton and Dayan, Does the wake-sleep algorithm produce good density estimators?, 1996; masked weights as in
//! Germain et al., MADE: Masked Autoencoder for Distribution Estimation, 2015. <https://arxiv.org/abs/1502.03509>
//!
//! Deviations: values of 8 bits by logistic distributions in place of black and white by sigmoids; the class adds to the
//! means and scales.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use image::RgbImage;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversary::stream_of;
use super::coder::{self, Coder, Codes};
use super::kind::{self, Batch, GeneratorKind, Learner, Model, Reads, Setting};
use crate::Result;
use crate::nn::init::{Init, initialise};
use crate::nn::likelihood::log_probability;
use crate::sample::Extent;
use crate::seed::Stream;

/// The registry entry.
pub const GENERATOR: GeneratorKind = GeneratorKind {
    name: "fvbn",
    about: "value by value, each a weighted sum of those before; for tiny pictures",
    reads: Reads::Class,
    leaves_discriminator: false,
    parse: kind::parse::<FvbnConfig>,
    schema: kind::schema::<FvbnConfig>,
    load: coder::load::<BeliefNetwork>,
};

/// Configuration of `fvbn`: there is nothing to choose.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FvbnConfig {}

/// What a [`BeliefNetwork`] is made for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BeliefShape {
    classes: usize,
    extent: Extent,
}

/// Pictures of more pixels would have too many weights, one for every pair of values.
const MOST: usize = 32 * 32;

impl Model for FvbnConfig {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn check_extent(&self, extent: Extent) -> Result<(), String> {
        match extent.area() {
            ..=MOST => Ok(()),
            _ => Err(format!(
                "has a weight for every pair of values, too many for pictures of {extent}: choose pictures of at most \
                 32×32"
            )),
        }
    }

    fn products(&self, _: usize, extent: Extent) -> f64 {
        3.0 * (3.0 * extent.area() as f64).powi(2)
    }

    fn create(&self, setting: &Setting) -> Result<Box<dyn Learner>> {
        let device = setting.device.device.clone().autodiff();
        let shape = BeliefShape {
            classes: setting.columns,
            extent: setting.extent,
        };
        let network = BeliefNetwork::of_shape(&shape, &device);
        let weights = Init::Normal(0.1 / (3.0 * setting.extent.area() as f32));
        let network = initialise(network, weights, &mut stream_of(setting, 0), 1);
        Ok(Box::new(Coder::new(shape, network, setting)?))
    }
}

/// Values are in the order of rows, columns and colours.
#[derive(Module, Debug)]
pub struct BeliefNetwork {
    /// `[values before, values]`, of which only those above the diagonal count.
    weights: Param<Tensor<2>>,
    means: Linear,
    log_scales: Linear,
}

impl BeliefNetwork {
    fn masked(&self) -> Tensor<2> {
        self.weights.val().triu(1)
    }
}

impl Codes for BeliefNetwork {
    type Shape = BeliefShape;

    fn of_shape(shape: &BeliefShape, device: &Device) -> Self {
        let values = 3 * shape.extent.area();
        let of_class = || LinearConfig::new(shape.classes, values);
        BeliefNetwork {
            weights: Param::from_tensor(Tensor::zeros([values, values], device)),
            means: of_class().init(device),
            log_scales: of_class().init(device),
        }
    }

    fn log_probability(&self, batch: &Batch) -> Tensor<1> {
        let Batch {
            pictures,
            conditions,
        } = batch;
        let values = pictures.clone().permute([0, 2, 3, 1]).flatten::<2>(1, 3);
        let means = values.clone().matmul(self.masked()) + self.means.forward(conditions.clone());
        let log_scales = self.log_scales.forward(conditions.clone()) - 2.0;
        log_probability(values, means, log_scales).mean()
    }

    fn picture(
        &self,
        shape: &BeliefShape,
        class: &Tensor<2>,
        truncation: f64,
        stream: &mut Stream,
    ) -> RgbImage {
        let row = |linear: &Linear| {
            let values = linear.forward(class.clone()).into_data();
            values.try_to_vec::<f32>().unwrap_or_default()
        };
        // A mean gathers what the values before it add, one after another.
        let (mut means, scales) = (row(&self.means), row(&self.log_scales));
        let weights = self.weights.val().into_data();
        let weights = weights.try_to_vec::<f32>().unwrap_or_default();
        let count = means.len();
        let mut bytes = Vec::with_capacity(count);
        for place in 0..count {
            let u = stream.random_range(1e-5..1.0 - 1e-5_f32);
            let scale = (scales[place] - 2.0).max(-7.0).exp() * truncation as f32;
            let value = means[place] + scale * (u / (1.0 - u)).ln();
            let byte = ((value.clamp(-1.0, 1.0) + 1.0) * 127.5).round();
            bytes.push(byte as u8);
            let value = byte / 127.5 - 1.0;
            let row = &weights[place * count..][..count];
            for (mean, weight) in means[place + 1..].iter_mut().zip(&row[place + 1..]) {
                *mean += value * weight;
            }
        }
        let picture = RgbImage::from_raw(shape.extent.width, shape.extent.height, bytes);
        picture.unwrap_or_default()
    }
}
