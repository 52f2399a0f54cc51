//! Losses as scalars, each the mean over all elements.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, softplus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a discriminator's scores become losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AdversarialLoss {
    /// (score − target)², target 1 for real and 0 for fake.
    /// Mao et al., Least Squares Generative Adversarial Networks, 2017.
    Lsgan,
    /// Binary cross entropy of the scores as logits (Goodfellow et al. 2014; `vanilla` elsewhere).
    Bce,
    /// Scores are pushed beyond 1 for real and −1 for fake.
    /// Lim and Ye, Geometric GAN, 2017; Miyato et al. 2018.
    Hinge,
}

impl AdversarialLoss {
    /// What the generator minimises: low where its pictures score as real.
    pub fn generator(self, fake: Tensor<4>) -> Tensor<1> {
        match self {
            AdversarialLoss::Lsgan => least_squares(fake, 1.0),
            AdversarialLoss::Bce => softplus(-fake, 1.0).mean(),
            AdversarialLoss::Hinge => -fake.mean(),
        }
    }

    /// What the discriminator minimises: half for real pictures, half for fakes.
    pub fn discriminator(self, real: Tensor<4>, fake: Tensor<4>) -> Tensor<1> {
        let both = match self {
            AdversarialLoss::Lsgan => least_squares(real, 1.0) + least_squares(fake, 0.0),
            AdversarialLoss::Bce => softplus(-real, 1.0).mean() + softplus(fake, 1.0).mean(),
            AdversarialLoss::Hinge => relu(-real + 1.0).mean() + relu(fake + 1.0).mean(),
        };
        both.mul_scalar(0.5)
    }

    /// The score between fake and real.
    pub fn threshold(self) -> f32 {
        match self {
            AdversarialLoss::Lsgan => 0.5,
            AdversarialLoss::Bce | AdversarialLoss::Hinge => 0.0,
        }
    }

    /// Share of right verdicts, 0..1: 0.5 is guessing.
    pub fn accuracy(self, real: Tensor<4>, fake: Tensor<4>) -> Tensor<1> {
        let real = real.greater_elem(self.threshold()).float().mean();
        let fake = fake.lower_elem(self.threshold()).float().mean();
        (real + fake).mul_scalar(0.5)
    }
}

/// Mean (score − target)².
pub fn least_squares(scores: Tensor<4>, target: f32) -> Tensor<1> {
    scores.sub_scalar(target).square().mean()
}

/// Mean absolute difference of two pictures; both in −1..1.
pub fn l1(a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
    (a - b).abs().mean()
}

/// Distance of the mean features of two unpaired sets, layer by layer: the mean over channels of
/// |mean of `fake` − mean of `real`| (Salimans et al., Improved Techniques for Training GANs, 2016).
/// No gradient flows into `real`.
pub fn feature_matching(real: Vec<Tensor<4>>, fake: Vec<Tensor<4>>) -> Option<Tensor<1>> {
    let mean = |x: Tensor<4>| {
        let [batch, channels, height, width] = x.dims();
        let places = x.reshape([batch, channels, height * width]);
        places.mean_dim(2).mean_dim(0)
    };
    let layers = real.len().max(1) as f64;
    let distances = real.into_iter().zip(fake);
    let distances = distances.map(|(real, fake)| (mean(fake) - mean(real).detach()).abs().mean());
    let sum = distances.reduce(|a, b| a + b)?;
    Some(sum.div_scalar(layers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn value(loss: Tensor<1>) -> f32 {
        loss.into_scalar()
    }

    fn scores(score: f32) -> Tensor<4> {
        Tensor::full([2, 1, 3, 3], score, &Device::flex())
    }

    #[test]
    fn losses_are_zero_at_their_targets_and_grow() {
        let ones = scores(1.0);
        assert_eq!(value(least_squares(ones.clone(), 1.0)), 0.0);
        assert_eq!(value(least_squares(ones.clone(), 0.0)), 1.0);
        assert_eq!(value(l1(ones.clone(), ones.clone())), 0.0);
        assert_eq!(value(l1(ones.clone(), -ones)), 2.0);
    }

    #[test]
    fn adversarial_losses_are_those_of_the_papers() {
        use AdversarialLoss::*;
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-5, "{a} {b}");
        let log = |score: f32| (1.0 + (-score).exp()).ln();
        for score in [-2.0, -0.3, 0.0, 0.8, 3.0] {
            near(value(Lsgan.generator(scores(score))), (score - 1.0).powi(2));
            near(value(Bce.generator(scores(score))), log(score));
            near(value(Hinge.generator(scores(score))), -score);
            let loss =
                |kind: AdversarialLoss| value(kind.discriminator(scores(score), scores(0.2)));
            near(loss(Lsgan), 0.5 * ((score - 1.0).powi(2) + 0.04));
            near(loss(Bce), 0.5 * (log(score) + log(-0.2)));
            near(loss(Hinge), 0.5 * ((1.0 - score).max(0.0) + 1.2));
        }
    }

    #[test]
    fn accuracy_counts_both_sides() {
        for kind in [
            AdversarialLoss::Lsgan,
            AdversarialLoss::Bce,
            AdversarialLoss::Hinge,
        ] {
            assert_eq!(value(kind.accuracy(scores(0.9), scores(-0.9))), 1.0);
            assert_eq!(value(kind.accuracy(scores(0.9), scores(0.9))), 0.5);
            assert_eq!(value(kind.accuracy(scores(-0.9), scores(0.9))), 0.0);
        }
    }

    #[test]
    fn features_match_when_their_means_do() {
        let loss = |a, b| value(feature_matching(vec![scores(a)], vec![scores(b)]).unwrap());
        assert_eq!(loss(0.5, 0.5), 0.0);
        assert_eq!(loss(0.5, -1.0), 1.5);
        assert!(feature_matching(Vec::new(), Vec::new()).is_none());
    }
}
