//! A discriminator that judges a picture at several depths and each of its regions by a measure of its own: the
//! pixels at several scales, and what the frozen task network sees of them at both of its depths.
//! Richter, AlHaija and Koltun, Enhancing Photorealism Enhancement, 2021; several scales as in Wang et al., 2018.
//!
//! Deviations: the task network of the renders in place of a VGG that knows photographs, since no pretrained network
//! is used; a score for objects and one for all else in place of a projection of the classes.

use burn::module::Module;
use burn::tensor::module::{adaptive_avg_pool2d, avg_pool2d};
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor};

use super::discriminates::Discriminates;
use super::task_network::Layers;
use crate::nn::discriminator::{DiscriminatorConfig, PatchDiscriminator, Verdict};
use crate::sample::Extent;

/// Scores of a place: as part of an object, and as part of all else.
const SCORES: usize = 2;

/// Judges pictures with their regions, `[batch, 4, height, width]`: colours in −1..1, and the share, 0..1, of
/// a pixel that is an object's.
#[derive(Module, Debug)]
pub struct RegionDiscriminator {
    /// Of the pixels, each at half the size of the one before.
    scales: Vec<PatchDiscriminator>,
    /// Of what the task network sees, the finest first.
    depths: Vec<PatchDiscriminator>,
    /// Frozen, on a device with autodiff.
    #[module(skip)]
    task: Option<Layers>,
}

impl RegionDiscriminator {
    /// For pictures of this extent, with burn's default weights.
    pub fn new(
        config: &DiscriminatorConfig,
        task: Option<Layers>,
        extent: Extent,
        device: &Device,
    ) -> Self {
        let [width, height] = [extent.width, extent.height].map(|side| side as usize);
        let seen = task.as_ref().map(|task| {
            let nothing = Tensor::zeros([1, 3, height, width], device);
            task.forward(nothing).maps
        });
        let depth = |map: Tensor<4>| config.pixel([map.dims()[1], SCORES], device);
        RegionDiscriminator {
            scales: (0..config.scales)
                .map(|_| config.scale([3, SCORES], extent, device))
                .collect(),
            depths: seen.into_iter().flatten().map(depth).collect(),
            task,
        }
    }
}

impl Discriminates for RegionDiscriminator {
    fn judge(&self, pictures: Tensor<4>) -> Verdict {
        let regions = pictures.clone().narrow(1, 3, 1);
        let pictures = pictures.narrow(1, 0, 3);
        let mut verdict = Verdict {
            scores: Vec::new(),
            features: Vec::new(),
        };
        let mut judge = |network: &PatchDiscriminator, x: Tensor<4>| {
            let scores = network.forward(x, |feature| verdict.features.push(feature));
            verdict.scores.push(of_region(scores, &regions));
        };
        let mut x = pictures.clone();
        for (number, scale) in self.scales.iter().enumerate() {
            if number > 0 {
                x = avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_stride([2, 2]));
            }
            judge(scale, x.clone());
        }
        let seen = self.task.as_ref().map(|task| task.forward(pictures).maps);
        for (depth, map) in self.depths.iter().zip(seen.into_iter().flatten()) {
            judge(depth, map);
        }
        verdict
    }

    fn renewed(self) -> Self {
        let renew = |networks: Vec<PatchDiscriminator>| {
            let networks = networks.into_iter();
            networks.map(PatchDiscriminator::renew).collect()
        };
        RegionDiscriminator {
            scales: renew(self.scales),
            depths: renew(self.depths),
            task: self.task,
        }
    }
}

/// Of the scores `[batch, 2, rows, columns]`, in each place that of its region.
fn of_region(scores: Tensor<4>, regions: &Tensor<4>) -> Tensor<4> {
    let [_, _, rows, columns] = scores.dims();
    let inside = adaptive_avg_pool2d(regions.clone(), [rows, columns]);
    let outside = -inside.clone() + 1.0;
    scores.clone().narrow(1, 0, 1) * inside + scores.narrow(1, 1, 1) * outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_the_score_of_its_region() {
        let device = Device::flex();
        let inside: Tensor<4> = Tensor::full([1, 1, 2, 2], 5.0, &device);
        let scores = Tensor::cat(vec![inside, Tensor::full([1, 1, 2, 2], -1.0, &device)], 1);
        let left: Tensor<4> = Tensor::ones([1, 1, 4, 2], &device);
        let regions = Tensor::cat(vec![left, Tensor::zeros([1, 1, 4, 2], &device)], 3);
        let chosen = of_region(scores, &regions).into_data();
        assert_eq!(chosen.as_slice::<f32>().unwrap(), [5.0, -1.0, 5.0, -1.0]);
    }
}
