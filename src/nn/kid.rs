//! The kernel inception distance between two sets of pictures, over features of any encoder.
//! Bińkowski et al., Demystifying MMD GANs, 2018. <https://arxiv.org/abs/1801.01401>
//!
//! The unbiased squared maximum mean discrepancy with the kernel (x·y / d + 1)³, averaged over blocks;
//! it may be a little below zero. Deviations: blocks are disjoint instead of drawn, and since the
//! encoder is not Inception, values compare only with those of the same encoder.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// The features of one picture.
pub type Features = Vec<f32>;

/// A distance, and how well it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kid {
    /// Squared maximum mean discrepancy over all blocks; near 0 for alike sets, possibly below.
    pub mean: f64,
    /// Standard error of the mean over the blocks; 0 for a single block.
    pub error: f64,
}

/// Pictures of each set in a block.
const BLOCK: usize = 32;

/// The distance of two sets of at least two pictures each.
pub fn kid(a: &[Features], b: &[Features]) -> Kid {
    let blocks = (a.len().min(b.len()) / BLOCK).max(1);
    // Every n-th picture, so that the order of the sets does not matter much.
    let block = |set: &[Features], number| -> Vec<Features> {
        set.iter().skip(number).step_by(blocks).cloned().collect()
    };
    let values: Vec<f64> = (0..blocks)
        .map(|number| squared_mmd(&block(a, number), &block(b, number)))
        .collect();
    let count = blocks as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    Kid {
        mean,
        error: (variance / count).sqrt(),
    }
}

/// The unbiased estimate of the squared maximum mean discrepancy.
fn squared_mmd(a: &[Features], b: &[Features]) -> f64 {
    let within = |set: &[Features]| {
        let mut sum = 0.0;
        for (i, x) in set.iter().enumerate() {
            sum += set[..i].iter().map(|y| kernel(x, y)).sum::<f64>();
        }
        2.0 * sum / (set.len() * (set.len() - 1)) as f64
    };
    let pairs = a.iter().flat_map(|x| b.iter().map(move |y| kernel(x, y)));
    let between = pairs.sum::<f64>() / (a.len() * b.len()) as f64;
    within(a) + within(b) - 2.0 * between
}

fn kernel(x: &[f32], y: &[f32]) -> f64 {
    let product: f64 = x
        .iter()
        .zip(y)
        .map(|(x, y)| f64::from(*x) * f64::from(*y))
        .sum();
    (product / x.len() as f64 + 1.0).powi(3)
}

/// What names an encoder: the first 8 hexadecimal digits of its weights' hash.
pub fn encoder_hash<M: Module>(encoder: &M) -> String {
    let mut hash = Hash(blake3::Hasher::new());
    encoder.visit(&mut hash);
    hash.0.finalize().to_hex()[..8].to_owned()
}

struct Hash(blake3::Hasher);

impl ModuleVisitor for Hash {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.val().into_data_as::<f32>();
        for value in data.as_slice::<f32>().unwrap_or_default() {
            self.0.update(&value.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, standard_normal};

    fn draw(count: u64, shift: f64, seed: u64) -> Vec<Features> {
        let seed = Seed::new(seed, "features");
        let row = |index| -> Features {
            let mut stream = seed.stream(index);
            (0..16)
                .map(|_| (standard_normal(&mut stream) + shift) as f32)
                .collect()
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn a_small_example_by_hand() {
        // k(1,1) = 8, k(0,·) = 1, k(1,2) = 27, k(2,2) = 125 with one feature.
        let set = |values: &[f32]| -> Vec<Features> { values.iter().map(|v| vec![*v]).collect() };
        let value = kid(&set(&[0.0, 1.0]), &set(&[1.0, 2.0])).mean;
        // Within a: 1, within b: 27, between: (1 + 1 + 8 + 27) / 4.
        assert!((value - (1.0 + 27.0 - 2.0 * 9.25)).abs() < 1e-9, "{value}");
    }

    #[test]
    fn alike_sets_are_near_zero_and_others_far() {
        let base = draw(256, 0.0, 1);
        let same = kid(&base, &draw(256, 0.0, 2));
        assert!(same.mean.abs() < 4.0 * same.error.max(1e-3), "{same:?}");
        let (near, far) = (
            kid(&base, &draw(256, 0.3, 3)),
            kid(&base, &draw(256, 0.9, 3)),
        );
        assert!(
            near.mean > same.mean.abs() && far.mean > 3.0 * near.mean,
            "{near:?} {far:?}"
        );
    }

    /// The estimate is unbiased: over many small sets of one distribution its mean is about zero.
    #[test]
    fn the_estimate_is_unbiased() {
        let values: Vec<f64> = (0..200)
            .map(|i| kid(&draw(8, 0.0, 2 * i + 10), &draw(8, 0.0, 2 * i + 11)).mean)
            .collect();
        let mean = values.iter().sum::<f64>() / 200.0;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 199.0).sqrt();
        assert!(
            mean.abs() < 3.0 * deviation / 200f64.sqrt(),
            "{mean} ± {deviation}"
        );
    }

    #[test]
    fn other_weights_have_another_hash() {
        let device = burn::tensor::Device::flex();
        let network = || burn::nn::LinearConfig::new(3, 2).init(&device);
        let (a, b) = (network(), network());
        assert_eq!(encoder_hash(&a), encoder_hash(&a.clone()));
        assert_ne!(encoder_hash(&a), encoder_hash(&b));
        assert_eq!(encoder_hash(&a).len(), 8);
    }
}
