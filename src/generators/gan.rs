//! gan: two perceptrons against each other, the first of all generative adversarial networks.
//! Goodfellow et al., Generative Adversarial Nets, 2014, <https://arxiv.org/abs/1406.2661>; both are told the class, as
//! in Mirza and Osindero, Conditional Generative Adversarial Nets, 2014, <https://arxiv.org/abs/1411.1784>.
//!
//! Binary cross entropy, non-saturating, one step of each in turn; the player who is much stronger slows down
//! (`adversarial.balance`). The class has weights of its own in the first layer of both, as in the second paper.
//! The discriminator leaves out units at random, others for every picture and step (`dropout`), as in the first paper:
//! without, the generator drew one picture of each class and no other. Deviations: leaky units in place of maxout; averaged
//! weights draw.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{leaky_relu, relu, tanh};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversary::{self, Adversary, Draws, stream_of};
use super::dcgan::check;
use super::kind::{self, GeneratorKind, Learner, Model, Reads, Setting};
use crate::Result;
use crate::models::discriminates::Discriminates;
use crate::models::settings::{AdversarialConfig, Balance};
use crate::nn::discriminator::{Slope, Verdict};
use crate::nn::init::{Init, initialise};
use crate::nn::losses::AdversarialLoss;
use crate::nn::norm::NormKind;
use crate::nn::projection_discriminator::classes_of;
use crate::sample::Extent;
use crate::seed::Stream;

/// The registry entry.
pub const GENERATOR: GeneratorKind = GeneratorKind {
    name: "gan",
    about: "two perceptrons, for small pictures",
    reads: Reads::Class,
    leaves_discriminator: false,
    parse: kind::parse::<GanConfig>,
    schema: kind::schema::<GanConfig>,
    load: adversary::load::<Painter>,
};

/// Configuration of `gan`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GanConfig {
    /// Numbers in a latent vector.
    pub latent: usize,
    /// Units in each hidden layer of both networks.
    pub units: usize,
    /// Share of the discriminator's units that are left out, 0..0.5.
    pub dropout: f64,
    /// How the game of both networks is played.
    pub adversarial: AdversarialConfig,
}

impl Default for GanConfig {
    fn default() -> Self {
        GanConfig {
            latent: 64,
            units: 512,
            dropout: 0.3,
            adversarial: AdversarialConfig {
                loss: AdversarialLoss::Bce,
                balance: Balance::Slow,
                ..AdversarialConfig::default()
            },
        }
    }
}

/// The shape of both perceptrons.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GanShape {
    latent: usize,
    classes: usize,
    units: usize,
    extent: Extent,
}

impl GanConfig {
    fn shape(&self, classes: usize, extent: Extent) -> GanShape {
        GanShape {
            latent: self.latent,
            classes,
            units: self.units,
            extent,
        }
    }
}

impl Model for GanConfig {
    fn check(&self) -> Result<(), String> {
        if self.units == 0 {
            return Err("`units` must be at least 1".into());
        }
        if !(0.0..=0.5).contains(&self.dropout) {
            return Err("`dropout` must lie in 0..0.5".into());
        }
        check(self.latent, self.units, Slope::Leaky, &self.adversarial)
    }

    fn check_extent(&self, extent: Extent) -> Result<(), String> {
        match extent.area() {
            ..=16_384 => Ok(()),
            _ => Err(format!(
                "a perceptron for pictures of {extent} would have a weight for every pixel and unit: choose pictures of \
                 at most 128×128, or another generator"
            )),
        }
    }

    fn products(&self, classes: usize, extent: Extent) -> f64 {
        let units = self.units as f64;
        let ends = (3 * extent.area() + self.latent + classes) as f64;
        3.0 * 5.0 * (units * units + units * ends)
    }

    fn create(&self, setting: &Setting) -> Result<Box<dyn Learner>> {
        let device = setting.device.device.clone().autodiff();
        let shape = self.shape(setting.columns, setting.extent);
        let networks = (
            Painter::of_shape(&shape, &device).initialised(&mut stream_of(setting, 0)),
            Perceptron::new(&shape, self.dropout, &device).initialised(&mut stream_of(setting, 1)),
        );
        let (config, create) = (&self.adversarial, Adversary::new);
        Ok(Box::new(create(
            shape,
            NormKind::None,
            config,
            setting,
            networks,
        )?))
    }
}

fn linear(from: usize, to: usize, device: &Device) -> Linear {
    LinearConfig::new(from, to).init(device)
}

/// What a class adds to the first layer, with weights as large as what the layer makes of its other input: a single
/// number among so many would hardly be seen.
fn initialised_classes(classes: Linear, stream: &mut Stream, first_id: u64) -> Linear {
    initialise(classes, Init::Normal(1.0), stream, first_id)
}

/// Draws pictures.
#[derive(Module, Debug)]
pub struct Painter {
    layers: Vec<Linear>,
    classes: Linear,
    head: Linear,
    size: [usize; 2],
}

impl Draws for Painter {
    type Shape = GanShape;

    fn of_shape(shape: &GanShape, device: &Device) -> Self {
        Painter {
            layers: vec![
                linear(shape.latent, shape.units, device),
                linear(shape.units, shape.units, device),
            ],
            classes: linear(shape.classes, shape.units, device),
            head: linear(shape.units, 3 * shape.extent.area(), device),
            size: [shape.extent.height, shape.extent.width].map(|side| side as usize),
        }
    }

    fn numbers(shape: &GanShape) -> usize {
        shape.latent
    }

    fn pictures(&self, numbers: &Tensor<2>, classes: &Tensor<2>) -> Tensor<4> {
        let first = self.layers[0].forward(numbers.clone());
        let mut x = relu(first + self.classes.forward(classes.clone()));
        for layer in &self.layers[1..] {
            x = relu(layer.forward(x));
        }
        let ([batch, _], [height, width]) = (numbers.dims(), self.size);
        tanh(self.head.forward(x)).reshape([batch, 3, height, width])
    }
}

impl Painter {
    /// With weights drawn from `stream`. The last ones are small, so that no value starts at its limit, where it would
    /// learn nothing.
    fn initialised(self, stream: &mut Stream) -> Self {
        let network = initialise(self, Init::He, stream, 1);
        Painter {
            classes: initialised_classes(network.classes, stream, 100),
            head: initialise(network.head, Init::Normal(0.02), stream, 200),
            ..network
        }
    }
}

/// Tells real pictures from drawn ones.
#[derive(Module, Debug)]
struct Perceptron {
    layers: Vec<Linear>,
    classes: Linear,
    head: Linear,
    count: usize,
    units: usize,
    dropout: f64,
}

impl Perceptron {
    fn new(shape: &GanShape, dropout: f64, device: &Device) -> Self {
        Perceptron {
            layers: vec![
                linear(3 * shape.extent.area(), shape.units, device),
                linear(shape.units, shape.units, device),
            ],
            classes: linear(shape.classes, shape.units, device),
            head: linear(shape.units, 1, device),
            count: shape.classes,
            units: shape.units,
            dropout,
        }
    }

    /// With weights drawn from `stream`.
    fn initialised(self, stream: &mut Stream) -> Self {
        let network = initialise(self, Init::He, stream, 1 << 20);
        Perceptron {
            classes: initialised_classes(network.classes, stream, (1 << 20) + 100),
            ..network
        }
    }
}

impl Discriminates for Perceptron {
    fn noise_planes(&self, area: usize) -> usize {
        match self.dropout {
            0.0 => 0,
            _ => (self.layers.len() * self.units).div_ceil(area),
        }
    }

    fn judge(&self, pictures: Tensor<4>) -> Verdict {
        let classes = classes_of(&pictures, self.count);
        let [batch, channels, ..] = pictures.dims();
        let flat = |from: usize, count: usize| {
            let planes = pictures.clone().narrow(1, from, count);
            planes.flatten::<2>(1, 3)
        };
        let noise = (channels > 4).then(|| flat(3, channels - 4));
        // What augmentation has moved out of the picture is 0, and kept.
        let kept = |x: Tensor<2>, layer: usize| match &noise {
            None => x,
            Some(noise) => {
                let own = noise.clone().narrow(1, layer * self.units, self.units);
                let is_kept = own.greater_equal_elem(2.0 * self.dropout - 1.0).float();
                x * is_kept / (1.0 - self.dropout)
            }
        };
        let mut x = self.layers[0].forward(flat(0, 3)) + self.classes.forward(classes);
        x = leaky_relu(x, 0.2);
        let mut features = vec![x.clone()];
        x = kept(x, 0);
        for (number, layer) in self.layers.iter().enumerate().skip(1) {
            x = leaky_relu(layer.forward(x), 0.2);
            features.push(x.clone());
            x = kept(x, number);
        }
        let planes = |x: Tensor<2>| {
            let [_, units] = x.dims();
            x.reshape([batch, units, 1, 1])
        };
        Verdict {
            scores: vec![planes(self.head.forward(x))],
            features: features.into_iter().map(planes).collect(),
        }
    }

    fn renewed(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a discriminator with this dropout says of four by four pixels of this grey, with noise of this value.
    fn score(dropout: f64, grey: f32, noise: f32) -> f32 {
        let config = GanConfig {
            units: 12,
            ..GanConfig::default()
        };
        let device = Device::flex().autodiff();
        let shape = config.shape(2, Extent::square(4));
        let mut stream = crate::seed::Seed::new(1, "learn").stream(0);
        let network = Perceptron::new(&shape, dropout, &device).initialised(&mut stream);
        let planes = network.noise_planes(16);
        let plane = |value: f32, count: usize| Tensor::full([1, count, 4, 4], value, &device);
        let mut parts = vec![plane(grey, 3)];
        if planes > 0 {
            parts.push(plane(noise, planes));
        }
        parts.push(plane(1.0, 1));
        let verdict = network.judge(Tensor::cat(parts, 1));
        verdict.scores[0].clone().into_scalar()
    }

    #[test]
    fn units_are_left_out_by_noise_and_the_others_weigh_more() {
        let whole = score(0.0, 0.5, 0.0);
        assert_ne!(whole, score(0.0, -0.5, 0.0));
        // All units left out: nothing of the picture arrives.
        assert_eq!(score(0.3, 0.5, -1.0), score(0.3, -0.5, -1.0));
        // What is moved out of the picture is 0, and kept, as what is above it.
        assert_eq!(score(0.5, 0.5, 0.0), score(0.5, 0.5, 0.9));
        assert_ne!(score(0.3, 0.5, 0.9), whole);
    }

    #[test]
    fn dropout_out_of_range_is_refused() {
        let check = |dropout| {
            let config = GanConfig {
                dropout,
                ..GanConfig::default()
            };
            config.check()
        };
        assert_eq!(check(0.0), Ok(()));
        assert_eq!(check(0.5), Ok(()));
        assert!(check(0.6).unwrap_err().contains("`dropout`"));
        assert!(check(f64::NAN).is_err());
    }
}
