//! How probable the values of a picture are, and how many bits they take.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, sigmoid};

/// Half the distance of two values of 8 bits in −1..1.
const HALF: f64 = 1.0 / 255.0;

/// The natural logarithm of the probability of each value: a logistic distribution of this mean and logarithm of the
/// scale, summed over the width of a value of 8 bits, and to infinity at both ends (Salimans et al., PixelCNN++, 2017,
/// <https://arxiv.org/abs/1701.05517>). All of one shape, values in −1..1.
pub fn log_probability<const D: usize>(
    values: Tensor<D>,
    mean: Tensor<D>,
    log_scale: Tensor<D>,
) -> Tensor<D> {
    let log_scale = log_scale.clamp_min(-7.0);
    let sharpness = (-log_scale.clone()).exp();
    let centred = values.clone() - mean;
    let above = (centred.clone() + HALF) * sharpness.clone();
    let below = (centred.clone() - HALF) * sharpness.clone();
    let lowest = log_sigmoid(above.clone());
    let highest = log_sigmoid(-below.clone());
    let share = sigmoid(above) - sigmoid(below);
    // Where the share is too small for its logarithm: the density times the width.
    let middle = centred * sharpness;
    let density =
        log_sigmoid(middle.clone()) + log_sigmoid(-middle) - log_scale + (2.0 * HALF).ln();
    let tiny = share.clone().lower_elem(1e-5);
    let inner = share.clamp_min(1e-12).log().mask_where(tiny, density);
    let inner = inner.mask_where(values.clone().lower_elem(-0.999), lowest);
    inner.mask_where(values.greater_elem(0.999), highest)
}

/// Nats a value in bits.
pub const BITS: f64 = std::f64::consts::LOG2_E;

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn probabilities_of_all_values_add_up_to_one() {
        let device = Device::flex();
        let values = Tensor::<1, burn::tensor::Int>::arange(0..256, &device).float();
        let values = values.clone() / 127.5 - 1.0;
        for (mean, log_scale) in [(0.0, -1.0), (-0.9, -3.0), (0.99, -5.0), (0.3, -9.0)] {
            let of = |value: f64| Tensor::<1>::ones([256], &device) * value;
            let all = log_probability(values.clone(), of(mean), of(log_scale));
            let sum: f32 = all.exp().sum().into_scalar();
            assert!((sum - 1.0).abs() < 2e-2, "{mean} {log_scale} {sum}");
        }
    }

    #[test]
    fn far_values_are_improbable_and_still_have_gradients() {
        let device = Device::flex().autodiff();
        let mean = Tensor::<1>::from_data([0.9, -0.9, 0.0], &device).require_grad();
        let scale = Tensor::<1>::from_data([-6.0; 3], &device);
        let values = Tensor::<1>::from_data([-0.5, 1.0, 0.0], &device);
        let all = log_probability(values, mean.clone(), scale);
        let found: Vec<f32> = all.to_data().try_to_vec().unwrap();
        assert!(found[0] < -100.0 && found[0].is_finite() && found[1] < -100.0);
        assert!(found[2] > -3.0);
        let gradient = mean.grad(&all.sum().backward()).unwrap();
        let gradient: Vec<f32> = gradient.into_data().try_to_vec().unwrap();
        assert!(gradient[0] < -1.0 && gradient[1] > 1.0 && gradient[2].abs() < 1e-3);
    }
}
