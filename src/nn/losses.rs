//! Losses as scalars, each the mean over all elements.

use burn::tensor::Tensor;

/// Least-squares adversarial loss: mean (score − target)², target 1 for real and 0 for fake.
/// Mao et al., Least Squares Generative Adversarial Networks, 2017.
pub fn least_squares(scores: Tensor<4>, target: f32) -> Tensor<1> {
    scores.sub_scalar(target).square().mean()
}

/// Mean absolute difference of two pictures; both in −1..1.
pub fn l1(a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
    (a - b).abs().mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn value(loss: Tensor<1>) -> f32 {
        loss.into_scalar()
    }

    #[test]
    fn losses_are_zero_at_their_targets_and_grow() {
        let device = Device::flex();
        let ones = Tensor::<4>::ones([2, 1, 3, 3], &device);
        assert_eq!(value(least_squares(ones.clone(), 1.0)), 0.0);
        assert_eq!(value(least_squares(ones.clone(), 0.0)), 1.0);
        assert_eq!(value(l1(ones.clone(), ones.clone())), 0.0);
        assert_eq!(value(l1(ones.clone(), -ones)), 2.0);
    }
}
