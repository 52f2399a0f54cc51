//! Exponential moving average of a network's weights.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::weight_update::blended;

/// `average` ← decay · `average` + (1 − decay) · `live`, parameter by parameter.
///
/// Both must come from the same initialised network, so that their parameter ids agree. The
/// result needs no gradients.
pub fn update<M: Module>(average: M, live: &M, decay: f64) -> M {
    let mut values = Collect(GradientsParams::new());
    live.valid().visit(&mut values);
    average.map(&mut Blend {
        live: values.0,
        decay,
    })
}

/// burn's container of tensors by parameter id, used here for weights.
struct Collect(GradientsParams);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.register(param.id, param.val());
    }
}

struct Blend {
    live: GradientsParams,
    decay: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.live.remove::<D>(param.id) {
            Some(live) => param.map(|average| blended(average, live, self.decay)),
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    #[test]
    fn the_average_moves_towards_the_live_weights() {
        let device = Device::flex();
        let live = LinearConfig::new(2, 2).with_bias(false).init(&device);
        let _ = live.weight.val();
        let live_weights: Vec<f32> = live.weight.to_data().try_to_vec().unwrap();
        let mut average = live.clone();
        average.weight = average.weight.map(|w| w.zeros_like());
        let average = update(average, &live, 0.75);
        let weights: Vec<f32> = average.weight.to_data().try_to_vec().unwrap();
        for (a, b) in weights.iter().zip(live_weights) {
            assert!((a - 0.25 * b).abs() < 1e-6);
        }
    }
}
