//! Linear support vector machines, one for each class against all others, with the squared hinge loss and small weights
//! preferred, as LIBLINEAR has them: Fan et al., LIBLINEAR: A Library for Large Linear Classification, 2008.
//!
//! They are fitted by gradient descent with momentum (Nesterov, 1983), which needs no random numbers.

use burn::tensor::activation::relu;
use burn::tensor::{Tensor, TensorData};

/// Fitted machines.
pub struct LinearSvm {
    mean: Tensor<2>,
    deviation: Tensor<2>,
    /// `[features + 1, classes]`; the last row is the bias.
    weights: Tensor<2>,
}

/// Weight of the squared weights beside the mean loss.
const SMALL: f64 = 1e-4;
const STEPS: usize = 500;

impl LinearSvm {
    /// Machines for `count` classes, fitted to `features` `[examples, features]` and the class of each, on a device
    /// without autodiff.
    pub fn fit(features: Tensor<2>, classes: &[usize], count: usize) -> Self {
        let device = features.device();
        let mean = features.clone().mean_dim(0);
        let spread = (features.clone() - mean.clone()).square().mean_dim(0);
        let deviation = spread.sqrt() + 1e-6;
        let side = |class: usize, other: usize| if class == other { 1.0_f32 } else { -1.0 };
        let sides = classes
            .iter()
            .flat_map(|class| (0..count).map(|other| side(*class, other)));
        let sides = TensorData::new(sides.collect::<Vec<_>>(), [classes.len(), count]);
        let sides = Tensor::<2>::from_data(sides, &device);
        let [_, columns] = features.dims();
        let mut machines = LinearSvm {
            mean,
            deviation,
            weights: Tensor::zeros([columns + 1, count], &device),
        };
        let rows = machines.rows(features);
        // The squares of a row add up to 2 in the mean, so that no curvature is larger than 4.
        let rate = 1.0 / (4.0 + SMALL);
        let (mut ahead, mut momentum) = (machines.weights.clone(), 1.0_f64);
        for _ in 0..STEPS {
            let lacking = relu(1.0 - sides.clone() * rows.clone().matmul(ahead.clone()));
            let slope = rows.clone().transpose().matmul(sides.clone() * lacking);
            let slope = ahead.clone() * SMALL - slope * (2.0 / classes.len() as f64);
            let weights = ahead - slope * rate;
            let next = f64::midpoint(1.0, (1.0 + 4.0 * momentum.powi(2)).sqrt());
            let moved = weights.clone() - machines.weights;
            ahead = weights.clone() + moved * ((momentum - 1.0) / next);
            (machines.weights, momentum) = (weights, next);
        }
        machines
    }

    /// The class that each row of features lies deepest in.
    pub fn predict(&self, features: Tensor<2>) -> Vec<usize> {
        let best = self.rows(features).matmul(self.weights.clone()).argmax(1);
        let best = best.into_data_as::<i32>();
        let best = best.as_slice::<i32>().unwrap_or_default();
        best.iter().map(|class| *class as usize).collect()
    }

    /// Features of one scale, and a 1 for the bias.
    fn rows(&self, features: Tensor<2>) -> Tensor<2> {
        let [count, columns] = features.dims();
        let scaled = (features - self.mean.clone()) / self.deviation.clone();
        let scaled = scaled / (columns as f64).sqrt();
        let ones = Tensor::ones([count, 1], &scaled.device());
        Tensor::cat(vec![scaled, ones], 1)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use rand::RngExt;

    use super::*;
    use crate::seed::Seed;

    /// Three classes in two features that tell them apart, and one that tells nothing.
    #[test]
    fn classes_that_a_plane_parts_are_told_apart() {
        let mut stream = Seed::new(1, "x").stream(0);
        let centres = [[0.0, 5.0], [40.0, 0.0], [-40.0, -5.0]];
        let mut draw = |count: usize| {
            let classes: Vec<usize> = (0..count).map(|number| number % 3).collect();
            let noise = |stream: &mut crate::seed::Stream| stream.random_range(-1.5..1.5_f32);
            let rows = classes.iter().flat_map(|class| {
                let [x, y] = centres[*class];
                [
                    x + 8.0 * noise(&mut stream),
                    y + noise(&mut stream),
                    noise(&mut stream),
                ]
            });
            let rows = TensorData::new(rows.collect::<Vec<_>>(), [count, 3]);
            (Tensor::<2>::from_data(rows, &Device::flex()), classes)
        };
        let (features, classes) = draw(90);
        let machines = LinearSvm::fit(features, &classes, 3);
        let (features, classes) = draw(300);
        assert_eq!(machines.predict(features), classes);
    }
}
