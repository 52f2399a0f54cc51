//! The losses of a detector.

use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, softplus};

/// Of every logit against a target of 0 or 1, weighted location by location and summed: easy answers count little.
/// Lin et al., Focal Loss for Dense Object Detection, 2017, with α = 0.25 and γ = 2.
///
/// `[locations, classes]` each, `weights` `[locations, 1]`.
pub(super) fn focal(logits: Tensor<2>, targets: Tensor<2>, weights: Tensor<2>) -> Tensor<1> {
    const ALPHA: f32 = 0.25;
    let probability = sigmoid(logits.clone());
    let entropy = softplus(logits.clone(), 1.0) - logits * targets.clone();
    // |target − probability| is 1 − p of the right answer, as targets are 0 or 1.
    let wrong = (targets.clone() - probability).abs();
    let alpha = targets * (2.0 * ALPHA - 1.0) + (1.0 - ALPHA);
    (alpha * wrong.square() * entropy * weights).sum()
}

/// 1 − GIoU of boxes that are given by the distances of a common point to their left, upper, right and lower side,
/// and their overlap: each a column. Rezatofighi et al., Generalized Intersection over Union, 2019.
pub(super) fn giou(found: Tensor<2>, truth: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let sides = |distances: Tensor<2>| {
        let along = |first: usize| {
            distances.clone().narrow(1, first, 1) + distances.clone().narrow(1, first + 2, 1)
        };
        along(0) * along(1)
    };
    let common = sides(found.clone().min_pair(truth.clone()));
    let around = sides(found.clone().max_pair(truth.clone()));
    let either = sides(found) + sides(truth) - common.clone();
    let iou = common / either.clone().clamp_min(1e-6);
    let empty = (around.clone() - either) / around.clamp_min(1e-6);
    ((empty - iou.clone()) + 1.0, iou)
}

/// Binary cross entropy of logits against targets 0..1, as a mean.
pub(super) fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    (softplus(logits.clone(), 1.0) - logits * targets).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn value(tensor: Tensor<1>) -> f32 {
        tensor.into_scalar()
    }

    #[test]
    fn focal_loss_by_hand() {
        let device = Device::flex();
        let of = |rows: [[f32; 2]; 2]| Tensor::<2>::from_floats(rows, &device);
        let logits = of([[0.0, -2.0], [1.5, 0.3]]);
        let targets = of([[1.0, 0.0], [0.0, 1.0]]);
        let weights = Tensor::<2>::from_floats([[1.0], [0.0]], &device);
        // 0.25 · 0.5² · ln 2, and 0.75 · p² · −ln(1 − p) with p = 1 / (1 + e²); the second row does not count.
        let p = 1.0 / (1.0 + 2.0_f32.exp());
        let wanted = 0.25 * 0.25 * 2.0_f32.ln() + 0.75 * p * p * -(1.0 - p).ln();
        let found = value(focal(logits, targets, weights));
        assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
    }

    #[test]
    fn overlaps_of_boxes_by_hand() {
        let device = Device::flex();
        // The same box; one half as wide; one beside it, which shares a side.
        let truth = Tensor::<2>::from_floats([[2.0, 2.0, 2.0, 2.0]; 3], &device);
        let found = [
            [2.0, 2.0, 2.0, 2.0],
            [0.0, 2.0, 2.0, 2.0],
            [-2.0, 2.0, 6.0, 2.0],
        ];
        let (loss, iou) = giou(Tensor::from_floats(found, &device), truth);
        let numbers = |x: Tensor<2>| x.into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(numbers(iou), [1.0, 0.5, 0.0]);
        assert_eq!(numbers(loss), [0.0, 0.5, 1.0]);
    }

    #[test]
    fn cross_entropy_is_least_at_its_target() {
        let device = Device::flex();
        let at = |logit: f32| {
            let column = |value: f32| Tensor::<2>::from_floats([[value]], &device);
            value(cross_entropy(column(logit), column(0.7)))
        };
        let best = (0.7_f32 / 0.3).ln();
        assert!(at(best) < at(best + 0.1) && at(best) < at(best - 0.1));
        let entropy = -(0.7 * 0.7_f32.ln() + 0.3 * 0.3_f32.ln());
        assert!((at(best) - entropy).abs() < 1e-6);
    }
}
