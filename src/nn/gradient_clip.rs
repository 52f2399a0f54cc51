//! Clipping by the norm of all gradients of a network together, as in
//! Pascanu et al., On the Difficulty of Training Recurrent Neural Networks, 2013.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Scales the gradients of `module` down so that their common Euclidean norm is at most `limit`.
pub fn clip_by_norm<M: Module>(
    gradients: GradientsParams,
    module: &M,
    limit: f64,
) -> GradientsParams {
    let mut squares = Squares {
        gradients: &gradients,
        sum: None,
    };
    module.visit(&mut squares);
    let norm = squares
        .sum
        .map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()).sqrt());
    // A norm that is not a number is left for the loop to find in the losses.
    if norm.is_nan() || norm <= limit {
        return gradients;
    }
    let mut scale = Scale {
        gradients,
        factor: limit / norm,
    };
    module.visit(&mut scale);
    scale.gradients
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let square = gradient.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + square,
                None => square,
            });
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let scaled = gradient.mul_scalar(self.factor);
            self.gradients.register(param.id, scaled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    #[test]
    fn only_gradients_beyond_the_limit_are_scaled() {
        let device = Device::flex().autodiff();
        let linear = LinearConfig::new(2, 1).init(&device);
        let gradients = || {
            let x = Tensor::<2>::from_floats([[3.0, 4.0]], &device);
            GradientsParams::from_grads(linear.forward(x).sum().backward(), &linear)
        };
        // The weight's gradient is (3, 4), the bias's 1.
        let norm = |gradients: GradientsParams| {
            let weight = gradients.get::<2>(linear.weight.id).unwrap();
            let bias = gradients
                .get::<1>(linear.bias.as_ref().unwrap().id)
                .unwrap();
            (weight.square().sum() + bias.square().sum())
                .into_scalar::<f32>()
                .sqrt()
        };
        assert!((norm(clip_by_norm(gradients(), &linear, 2.0)) - 2.0).abs() < 1e-5);
        assert!((norm(clip_by_norm(gradients(), &linear, 9.0)) - 26f32.sqrt()).abs() < 1e-5);
    }
}
