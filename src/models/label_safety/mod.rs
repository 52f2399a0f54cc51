//! Losses under which a translated render must still show its label.
//!
//! - self-regularisation, inside and outside the mask: Shrivastava et al., Learning from Simulated
//!   and Unsupervised Images through Adversarial Training (SimGAN), 2017; over the features of a
//!   network: Johnson et al., Perceptual Losses for Real-Time Style Transfer, 2016.
//! - semantic consistency: Hoffman et al., CyCADA: Cycle-Consistent Adversarial Domain Adaptation,
//!   2018. Deviation: the frozen network also reads the mask, and its features serve as the
//!   perceptual ones, since no network that saw real labels may be used.
//! - edges, boundary, geometry: see [`crate::nn::edges`].
//! - temporal, between frames of a clip: Lai et al., Learning Blind Video Temporal Consistency, 2018, their
//!   short-term loss. Deviation: the renderer knows motion and occlusion, so that nothing is estimated.
//!
//! Every loss is a mean over pictures, so that the losses of shards add up. A weight of 0 turns a loss
//! off and costs nothing.

use burn::module::Module;
use burn::tensor::activation::{log_softmax, relu, sigmoid, softmax, softplus};
use burn::tensor::{Device, Int, Tensor};

use super::adversarial::Losses;
use super::learner::{Batch, Setting};
use super::settings::{ClassTarget, LabelSafetyConfig};
use super::task_network::{Layers, Reading, TaskNetwork, mask_targets};
use crate::nn::{edges, warp};
use crate::sample::Extent;
use crate::{Error, Result};

/// One loss of a step: its name, its weight and its value before weighting.
type Term = (&'static str, f64, Tensor<1>);

/// The losses, with the frozen network that some of them ask.
pub struct LabelSafety {
    config: LabelSafetyConfig,
    task: Option<Layers>,
    /// Of the mask that the network reads.
    mask_extent: Extent,
}

impl LabelSafety {
    /// # Errors
    /// If a loss needs the task network and there is none, or one for pictures of another size.
    pub fn new(config: &LabelSafetyConfig, setting: &Setting) -> Result<Self> {
        let asked = config.task_weights().into_iter().find(|(_, w)| *w > 0.0);
        let wrong = |name: &str, problem: String, remedy: &str| {
            Error::usage(format!("label_safety.{name}"), problem, remedy)
        };
        let task = match (asked, setting.task) {
            (None, _) => None,
            (Some((name, _)), Some(task)) => {
                let remedy = "train the task network on renders of the same `size`";
                task.check_extent(setting.extent)
                    .map_err(|problem| wrong(name, problem, remedy))?;
                Some(task)
            }
            (Some((name, _)), None) => {
                return Err(wrong(
                    name,
                    "asks the task network, but the stage has none".into(),
                    "add a stage with `use = \"task\"` and give it to `train` by \
                     `from = { …, task = \"STAGE\" }`, or set the weight to 0",
                ));
            }
        };
        let device = setting.device.device.clone().autodiff();
        Ok(LabelSafety {
            config: config.clone(),
            task: task.map(|task| frozen(&task.layers, &device)),
            mask_extent: task.map_or(Extent::square(1), TaskNetwork::mask_extent),
        })
    }

    /// Whether any loss has a weight above zero.
    pub fn is_on(&self) -> bool {
        let config = &self.config;
        let mut weights = config
            .pixel_weights()
            .into_iter()
            .chain(config.task_weights());
        weights.any(|(_, weight)| weight > 0.0)
    }

    /// A model's losses on a batch with these added; its first fakes are the batch's renders translated.
    pub fn guard(&self, batch: &Batch, mut losses: Losses) -> Losses {
        for (name, weight, value) in self.terms(batch, &losses.fakes[0]) {
            losses.total = losses.total + value.clone().mul_scalar(weight);
            losses.named.push((name, value));
        }
        losses
    }

    /// Every loss of a weight above zero, for the translations of a batch's renders.
    fn terms(&self, batch: &Batch, translations: &Tensor<4>) -> Vec<Term> {
        let (renders, masks) = (&batch.renders, &batch.masks);
        let mut terms = Vec::new();
        for (name, weight) in self.config.pixel_weights() {
            if weight == 0.0 {
                continue;
            }
            let loss = match name {
                "inside" => masked_l1(renders, translations, masks.clone()),
                "outside" => masked_l1(renders, translations, masks.clone() * -1.0 + 1.0),
                "edges" => edges::edge_consistency(renders, translations, masks),
                "boundary" => edges::boundary_consistency(renders, translations, masks),
                "temporal" => match &batch.motion {
                    Some(motion) => temporal(translations, motion),
                    None => continue,
                },
                _ => edges::geometry(renders, translations, masks),
            };
            terms.push((name, weight, loss));
        }
        if let Some(task) = &self.task {
            terms.extend(self.task_terms(task, batch, translations));
        }
        terms
    }

    fn task_terms(&self, task: &Layers, batch: &Batch, translations: &Tensor<4>) -> Vec<Term> {
        let config = &self.config;
        let reading = task.forward(translations.clone());
        let render = (config.perceptual > 0.0
            || (config.class > 0.0 && config.class_target == ClassTarget::Reading))
            .then(|| task.forward(batch.renders.clone()));
        let masks = mask_targets(batch.masks.clone(), self.mask_extent);
        let mut terms = Vec::new();
        if let (true, Some(render)) = (config.perceptual > 0.0, &render) {
            terms.push((
                "perceptual",
                config.perceptual,
                perceptual(render, &reading),
            ));
        }
        if config.class > 0.0 {
            let loss = match (config.class_target, &render) {
                (ClassTarget::Reading, Some(render)) => divergence(render, &reading),
                _ => cross_entropy(&reading, &batch.classes),
            };
            terms.push(("class", config.class, loss));
        }
        if config.mask > 0.0 {
            let loss = mask_cross_entropy(reading.mask_logits.clone(), masks.clone());
            terms.push(("mask", config.mask, loss));
        }
        if config.dice > 0.0 {
            terms.push(("dice", config.dice, dice(reading.mask_logits, masks)));
        }
        terms
    }
}

/// The network's weights as constants that gradients flow past.
pub fn frozen(layers: &Layers, device: &Device) -> Layers {
    layers.clone().no_grad().train().fork(device)
}

/// Mean absolute difference where `weights` `[batch, 1, height, width]` are 1; 0 where none are.
fn masked_l1(a: &Tensor<4>, b: &Tensor<4>, weights: Tensor<4>) -> Tensor<1> {
    let area = flat(weights.clone()).sum_dim(1).clamp_min(1.0);
    let difference = (a.clone() - b.clone()).abs().mean_dim(1) * weights;
    (flat(difference).sum_dim(1) / area).mean()
}

/// Mean absolute difference between what the first of each pair of frames shows and what the second shows where
/// it went, over what both show.
fn temporal(translations: &Tensor<4>, motion: &Tensor<4>) -> Tensor<1> {
    let [batch, channels, height, width] = translations.dims();
    let pairs = translations.clone();
    let pairs = pairs.reshape([batch / 2, 2 * channels, height, width]);
    let [first, second] = [0, channels].map(|start| pairs.clone().narrow(1, start, channels));
    let motion = motion.clone().reshape([batch / 2, 6, height, width]);
    let (there, inside) = warp::looked_up(second, motion.clone().narrow(1, 0, 2));
    masked_l1(&first, &there, motion.narrow(1, 2, 1) * inside)
}

/// `[batch, everything else]`.
fn flat(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels * height * width])
}

/// Mean absolute difference of feature maps relative to the render's, averaged over the depths.
pub fn perceptual(render: &Reading, translation: &Reading) -> Tensor<1> {
    let depths = render.maps.len() as f64;
    let relative = render.maps.iter().zip(&translation.maps).map(|(a, b)| {
        let size = flat(a.clone().abs()).mean_dim(1) + 1e-6;
        (flat((a.clone() - b.clone()).abs()).mean_dim(1) / size).mean()
    });
    match relative.reduce(|a, b| a + b) {
        Some(sum) => sum / depths,
        None => translation.class_logits.clone().mean() * 0.0,
    }
}

/// Cross entropy of the classes read against the labels.
fn cross_entropy(reading: &Reading, classes: &[usize]) -> Tensor<1> {
    let classes: Vec<i32> = classes.iter().map(|&class| class as i32).collect();
    let logs = log_softmax(reading.class_logits.clone(), 1);
    let count = classes.len();
    let picks = Tensor::<1, Int>::from_data(&classes[..], &logs.device()).reshape([count, 1]);
    -logs.gather(1, picks).mean()
}

/// How far the classes read in a translation are from those read in its render.
fn divergence(render: &Reading, translation: &Reading) -> Tensor<1> {
    let truth = softmax(render.class_logits.clone(), 1);
    let logs = log_softmax(render.class_logits.clone(), 1)
        - log_softmax(translation.class_logits.clone(), 1);
    (truth * logs).sum_dim(1).mean()
}

/// Binary cross entropy of logits against 0..1: log(1 + exp(x)) − x·t, written so that it cannot
/// overflow.
fn mask_cross_entropy(logits: Tensor<4>, targets: Tensor<4>) -> Tensor<1> {
    let x = logits;
    (relu(x.clone()) - x.clone() * targets + softplus(-x.abs(), 1.0)).mean()
}

/// 1 − 2·overlap / (found + true), a picture at a time: Milletari et al., V-Net, 2016.
fn dice(logits: Tensor<4>, targets: Tensor<4>) -> Tensor<1> {
    let found = flat(sigmoid(logits));
    let truth = flat(targets);
    let overlap = (found.clone() * truth.clone()).sum_dim(1) * 2.0 + 1.0;
    let both = (found + truth).sum_dim(1) + 1.0;
    -(overlap / both).mean() + 1.0
}

#[cfg(test)]
mod tests;
