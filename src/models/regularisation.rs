//! Losses that keep a discriminator from running away from its generator where photos are few.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::discriminates::Discriminates;

/// Steps between two penalties of the gradient, each of which counts as many times (Karras et al. 2020).
pub const R1_EVERY: u64 = 16;

/// The length of the step that differences are taken over, relative to that of the picture.
const RELATIVE_STEP: f64 = 5e-3;

/// Mean scores of real and fake pictures in the last steps.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Anchors {
    /// Of real pictures.
    pub real: f64,
    /// Of fake ones.
    pub fake: f64,
}

impl Anchors {
    /// The share that a step has in them.
    const MOMENTUM: f64 = 0.01;

    /// After a step with these mean scores.
    pub fn after(anchors: Option<Anchors>, real: f64, fake: f64) -> Anchors {
        let old = anchors.unwrap_or(Anchors { real, fake });
        Anchors {
            real: old.real + Self::MOMENTUM * (real - old.real),
            fake: old.fake + Self::MOMENTUM * (fake - old.fake),
        }
    }
}

/// Pulls the scores of real pictures towards the usual score of fakes, and those of fakes towards that of real
/// pictures: Tseng et al., Regularizing Generative Adversarial Networks under Limited Data (LeCam), 2021.
/// <https://arxiv.org/abs/2104.03310>
pub fn lecam(real: &Tensor<4>, fake: &Tensor<4>, anchors: Anchors) -> Tensor<1> {
    let square =
        |scores: &Tensor<4>, anchor: f64| scores.clone().sub_scalar(anchor).square().mean();
    square(real, anchors.fake) + square(fake, anchors.real)
}

/// A loss whose gradient is that of half the squared length of the gradient of a picture's mean score, a mean over
/// `pictures`: Mescheder et al., Which Training Methods for GANs do actually Converge? (R1), 2018.
/// <https://arxiv.org/abs/1801.04406>
///
/// With the gradient g taken as a constant, that is the derivative of the score along g, taken from two more passes:
/// \[D(x + εg) − D(x − εg)\] / 2ε. It holds only for networks whose activations are smooth
/// ([`crate::nn::discriminator::Slope::Smooth`]).
pub fn r1<D: Discriminates>(network: &D, pictures: &Tensor<4>) -> Tensor<1> {
    let count = pictures.dims()[0];
    let constant = network.clone().no_grad();
    let pictures = pictures.clone().without_autodiff();
    let x = pictures.clone().autodiff().require_grad();
    let gradients = mean_scores(&constant, x.clone()).sum().backward();
    let Some(gradient) = x.grad(&gradients) else {
        return mean_scores(network, pictures).mean() * 0.0;
    };
    let step = step_along(&gradient, &pictures);
    let ahead = pictures.clone() + gradient.clone() * step.clone();
    let behind = pictures - gradient * step.clone();
    let difference = match network.compares() {
        true => mean_scores(network, ahead) - mean_scores(network, behind),
        false => {
            let scores = mean_scores(network, Tensor::cat(vec![ahead, behind], 0));
            scores.clone().narrow(0, 0, count) - scores.narrow(0, count, count)
        }
    };
    (difference / (step.reshape([count]) * 2.0)).mean()
}

/// How far each picture is moved along its gradient, `[batch, 1, 1, 1]`. A plane that the score does not depend on smoothly,
/// such as that of the class, has no part in the picture's length.
fn step_along(gradient: &Tensor<4>, pictures: &Tensor<4>) -> Tensor<4> {
    let length = |x: Tensor<4>| x.square().sum_dim(1).sum_dim(2).sum_dim(3).sqrt() + 1e-12;
    let counts = gradient.clone().not_equal_elem(0.0).float();
    length(pictures.clone() * counts) / length(gradient.clone()) * RELATIVE_STEP
}

/// The mean score of each picture over its patches and scales: `[batch]`.
fn mean_scores<D: Discriminates>(network: &D, pictures: Tensor<4>) -> Tensor<1> {
    let count = pictures.dims()[0];
    let scores = network.judge(pictures).scores;
    let scales = scores.len() as f64;
    let mean = |score: Tensor<4>| score.mean_dim(1).mean_dim(2).mean_dim(3).reshape([count]);
    let sum = scores.into_iter().map(mean).reduce(|a, b| a + b);
    sum.expect("a discriminator has at least one scale") / scales
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::models::tests::batch_on;
    use crate::nn::discriminator::{Discriminator, DiscriminatorConfig, Slope};
    use crate::nn::init::{Init, initialise};
    use crate::sample::Extent;
    use crate::seed::Seed;

    fn network(slope: Slope, device: &Device) -> Discriminator {
        let config = DiscriminatorConfig {
            channels: 4,
            slope,
            ..DiscriminatorConfig::default()
        };
        let network = config.init(Extent::square(16), device);
        initialise(network, Init::He, &mut Seed::new(1, "r1").stream(0), 1)
    }

    /// The first weights of the first layer, and what a loss's gradient says of them.
    struct First<'a> {
        gradients: &'a burn::tensor::Gradients,
        found: Option<Vec<f32>>,
    }

    impl ModuleVisitor for First<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.found.is_none() {
                let gradient = param.val().grad(self.gradients).unwrap();
                self.found = gradient
                    .into_data()
                    .as_slice::<f32>()
                    .map(<[f32]>::to_vec)
                    .ok();
            }
        }
    }

    /// Moves the first parameter by `by` in its first places.
    struct Nudge {
        place: usize,
        by: f32,
        done: bool,
    }

    impl burn::module::ModuleMapper for Nudge {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if self.done {
                return param;
            }
            self.done = true;
            param.map(|tensor| {
                let (shape, device) = (tensor.dims(), tensor.device());
                let mut values = tensor.into_data().as_slice::<f32>().unwrap().to_vec();
                values[self.place] += self.by;
                Tensor::from_data(TensorData::new(values, shape), &device).require_grad()
            })
        }
    }

    fn half_square(network: &Discriminator, pictures: &Tensor<4>) -> f64 {
        let x = pictures.clone().require_grad();
        let gradients = mean_scores(&network.clone().no_grad(), x.clone())
            .sum()
            .backward();
        let gradient = x.grad(&gradients).unwrap().into_data();
        let squares = gradient.as_slice::<f32>().unwrap().iter();
        0.5 * squares.map(|g| f64::from(*g).powi(2)).sum::<f64>() / pictures.dims()[0] as f64
    }

    /// Against differences of the penalty itself, taken over weights of the real network.
    #[test]
    fn the_gradient_is_that_of_r1() {
        let device = Device::flex().autodiff();
        let network = network(Slope::Smooth, &device);
        let pictures = batch_on(&device).renders;
        let gradients = r1(&network, &pictures).backward();
        let mut first = First {
            gradients: &gradients,
            found: None,
        };
        network.visit(&mut first);
        let ours = first.found.unwrap();
        let scale = ours.iter().fold(0.0f32, |most, g| most.max(g.abs()));
        for place in [0, 7, 31, 100] {
            let moved = |by| {
                let mut nudge = Nudge {
                    place,
                    by,
                    done: false,
                };
                half_square(&network.clone().map(&mut nudge), &pictures)
            };
            let by = 1e-2;
            let theirs = (moved(by) - moved(-by)) / f64::from(2.0 * by);
            let error = (f64::from(ours[place]) - theirs).abs() / f64::from(scale);
            assert!(error < 0.02, "{place}: {} {theirs}", ours[place]);
        }
    }

    #[test]
    fn the_number_of_the_class_does_not_lengthen_the_step() {
        let device = Device::flex();
        let step = |class: f32| -> f32 {
            let picture = Tensor::<4>::from_data([[[[0.5, -0.5]], [[class, class]]]], &device);
            let gradient = Tensor::<4>::from_data([[[[1.0, 2.0]], [[0.0, 0.0]]]], &device);
            step_along(&gradient, &picture).into_scalar()
        };
        assert_eq!(step(1.0), step(43.0));
        assert!(step(1.0) > 0.0);
    }

    #[test]
    fn lecam_is_zero_where_the_scores_have_changed_sides() {
        let scores = |score: f32| Tensor::<4>::full([2, 1, 3, 3], score, &Device::flex());
        let anchors = Anchors {
            real: 0.9,
            fake: 0.2,
        };
        let loss =
            |real, fake| -> f32 { lecam(&scores(real), &scores(fake), anchors).into_scalar() };
        assert!(loss(0.2, 0.9) < 1e-9);
        assert!((loss(1.2, -0.1) - 2.0).abs() < 1e-5);
    }

    #[test]
    fn anchors_begin_with_the_first_scores_and_follow_slowly() {
        let first = Anchors::after(None, 0.8, 0.1);
        assert_eq!((first.real, first.fake), (0.8, 0.1));
        let next = Anchors::after(Some(first), 1.8, 0.1);
        assert!((next.real - 0.81).abs() < 1e-9);
    }
}
