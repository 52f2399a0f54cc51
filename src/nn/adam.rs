//! Adam whose step is one sweep over the weights on the CPU; elsewhere, burn's own.
//! Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015.

use burn::backend::Dispatch;
use burn::optim::{
    Adam, AdamConfig, AdamState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer,
    RecordState, StateSink, StateSource,
};
use burn::tensor::{Device, Tensor};

use super::weight_update::{AdamFactors, WeightOps, on_cpu};

/// Adam for a whole module, with these decays of the first and second moment and ε = 1e-8.
pub fn adam(beta_1: f32, beta_2: f32) -> ModuleOptimizer {
    let config = AdamConfig::new()
        .with_beta_1(beta_1)
        .with_beta_2(beta_2)
        .with_epsilon(EPSILON);
    ModuleOptimizer::from(OneSweepAdam {
        beta_1,
        beta_2,
        elsewhere: config.build(),
    })
}

const EPSILON: f32 = 1e-8;

#[derive(Clone)]
struct OneSweepAdam {
    beta_1: f32,
    beta_2: f32,
    elsewhere: Adam,
}

/// burn's state, which is loaded to the CPU: burn would load it to its default device, through graphics drivers that a
/// training on the CPU has nothing to do with. The next step takes it to the device of the weights.
#[derive(Clone)]
struct Moments<const D: usize>(AdamState<D>);

impl<const D: usize> RecordState for Moments<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        self.0.state_flatten(prefix, out);
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, _: &Device) -> Option<Self> {
        AdamState::state_unflatten(prefix, source, &Device::flex()).map(Moments)
    }
}

impl Optimizer for OneSweepAdam {
    type State<const D: usize> = Moments<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Moments<D>>,
    ) -> (Tensor<D>, Option<Moments<D>>) {
        if !on_cpu(&weight) || !on_cpu(&gradient) {
            let state = state.map(|Moments(state)| state);
            let (weight, state) = self.elsewhere.step(rate, weight, gradient, state);
            return (weight, state.map(Moments));
        }
        let (time, first, second) = match state {
            Some(Moments(AdamState { momentum })) => {
                (momentum.time, momentum.moment_1, momentum.moment_2)
            }
            None => (0, weight.zeros_like(), weight.zeros_like()),
        };
        let time = time + 1;
        let correction = |beta: f32| 1.0 - beta.powi(time as i32);
        let root = correction(self.beta_2).sqrt();
        let factors = AdamFactors {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            rate: rate as f32 * root / correction(self.beta_1),
            epsilon: EPSILON * root,
        };
        let (weight, first, second) = <Dispatch as WeightOps>::adam(
            weight.into_dispatch(),
            gradient.into_dispatch(),
            first.into_dispatch(),
            second.into_dispatch(),
            factors,
        );
        let [first, second] = [first, second].map(Tensor::from_dispatch);
        let momentum = AdaptiveMomentumState::new(time, first, second);
        (
            Tensor::from_dispatch(weight),
            Some(Moments(AdamState::new(momentum))),
        )
    }

    fn to_device<const D: usize>(state: Moments<D>, device: &Device) -> Moments<D> {
        Moments(Adam::to_device(state.0, device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::GradientsParams;
    use burn::tensor::Tolerance;

    /// Three steps end where burn's end.
    #[test]
    fn agrees_with_burn() {
        let device = Device::flex().autodiff();
        let start = LinearConfig::new(3, 5).init(&device);
        let _ = (
            start.weight.val(),
            start.bias.as_ref().map(burn::module::Param::val),
        );
        let run = |mut optimiser: ModuleOptimizer| {
            let mut linear: Linear = start.clone();
            for step in 0..3 {
                let x = Tensor::<2>::ones([2, 3], &device) * (step as f32 + 0.5);
                let loss = linear.forward(x).sin().sum();
                let gradients = GradientsParams::from_grads(loss.backward(), &linear);
                linear = optimiser.step(0.1, linear, gradients);
            }
            linear.weight.to_data()
        };
        let burns = AdamConfig::new().with_beta_1(0.5).with_epsilon(EPSILON);
        let (ours, theirs) = (run(adam(0.5, 0.999)), run(burns.init()));
        ours.assert_approx_eq::<f32>(&theirs, Tolerance::absolute(1e-5));
        assert_ne!(theirs, start.weight.to_data());
    }
}
