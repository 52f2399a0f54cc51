//! What every model with a discriminator is told: its networks, the game that they play, and the losses
//! that keep labels true.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nn::diff_augment::Change;
use crate::nn::discriminator::{DiscriminatorConfig, Slope};
use crate::nn::generator::GeneratorConfig;
use crate::nn::losses::AdversarialLoss;

/// The settings that models have in common; what is a model's own is in its table.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Fakes kept for the discriminators.
    pub pool: usize,
    /// Decay of the averaged weights, a step.
    pub ema: f64,
    /// Losses and balance of the game between generator and discriminator.
    pub adversarial: AdversarialConfig,
    /// Architecture of the network that translates renders.
    pub generator: GeneratorConfig,
    /// Architecture of the network that tells photos from translations.
    pub discriminator: DiscriminatorConfig,
    /// Losses that keep translations true to the labels of their renders.
    pub label_safety: LabelSafetyConfig,
}

impl Default for Shared {
    fn default() -> Self {
        Shared {
            pool: 50,
            ema: 0.995,
            adversarial: AdversarialConfig::default(),
            generator: GeneratorConfig::default(),
            discriminator: DiscriminatorConfig::default(),
            label_safety: LabelSafetyConfig::default(),
        }
    }
}

impl Shared {
    /// # Errors
    /// What is out of range, in words.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..1.0).contains(&self.ema) {
            return Err("`ema` must be at least 0 and below 1".into());
        }
        self.adversarial.check()?;
        self.discriminator.check()?;
        if self.adversarial.r1 > 0.0 && self.discriminator.slope != Slope::Smooth {
            return Err("adversarial: `r1` needs `discriminator.slope = \"smooth\"`".into());
        }
        self.label_safety.check()?;
        self.generator.check()
    }
}

/// How the game of generator and discriminator is played.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdversarialConfig {
    /// How scores become losses.
    pub loss: AdversarialLoss,
    /// Weight of the distance between the mean features that the discriminator sees in photos and in
    /// translations (Salimans et al. 2016); 0 for none.
    pub feature_matching: f64,
    /// The discriminator's learning rate as a multiple of the generator's (two time-scale update
    /// rule, Heusel et al. 2017).
    pub discriminator_rate: f64,
    /// Gradients of a network are scaled down to this common norm; 0 for never.
    pub clip_norm: f64,
    /// Parts that a batch is computed in, one after another: the same step in less memory, but that batch norm and feature
    /// matching see the pictures of a part alone.
    pub accumulate: usize,
    /// What the discriminator sees of pictures is changed at random, so that it cannot learn a few photos by heart
    /// (DiffAugment, Zhao et al. 2020): any of `colour`, `translation` and `cutout`.
    pub augment: Vec<Change>,
    /// Weight of the LeCam loss, which holds the scores of photos and translations together where photos are few
    /// (Tseng et al. 2021); 0 for none.
    pub lecam: f64,
    /// Weight of the gradient penalty R1 on photos (Mescheder et al. 2018); 0 for none. In `train` it needs
    /// `discriminator.slope = "smooth"`; of the generators, `stylegan2` has it.
    pub r1: f64,
    /// What becomes of a player who is much stronger than the other.
    pub balance: Balance,
    /// The discriminator is too strong from this share of right verdicts on, and too weak below one
    /// minus it; 0.5..1, where 0.5 is guessing.
    pub balance_at: f64,
}

/// What becomes of a player who is much stronger than the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// Nothing.
    None,
    /// Its learning rate falls in proportion, to zero where it always wins.
    Slow,
    /// It sits out until the other has caught up.
    Skip,
}

impl Default for AdversarialConfig {
    fn default() -> Self {
        AdversarialConfig {
            loss: AdversarialLoss::Lsgan,
            feature_matching: 0.0,
            discriminator_rate: 1.0,
            clip_norm: 0.0,
            accumulate: 1,
            augment: Vec::new(),
            lecam: 0.0,
            r1: 0.0,
            balance: Balance::None,
            balance_at: 0.85,
        }
    }
}

/// Parts of a batch; more are a slip of the pen.
const MOST_PARTS: usize = 4096;

impl AdversarialConfig {
    /// # Errors
    /// What is out of range, in words.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=MOST_PARTS).contains(&self.accumulate) {
            return Err(format!(
                "adversarial: `accumulate` must lie in 1..{MOST_PARTS}"
            ));
        }
        let weights = [
            ("clip_norm", self.clip_norm),
            ("feature_matching", self.feature_matching),
            ("lecam", self.lecam),
            ("r1", self.r1),
        ];
        check_rate("discriminator_rate", self.discriminator_rate)
            .and_then(|()| check_weights(weights))
            .map_err(|problem| format!("adversarial: {problem}"))?;
        if !(0.5..1.0).contains(&self.balance_at) {
            return Err("adversarial: `balance_at` must be at least 0.5 and below 1".into());
        }
        Ok(())
    }

    /// What the learning rates of generator and discriminator are multiplied by where the
    /// discriminator has this accuracy.
    pub fn paces(&self, accuracy: f64) -> (f64, f64) {
        let pace = |strength: f64| match self.balance {
            Balance::None => 1.0,
            Balance::Slow => ((1.0 - strength) / (1.0 - self.balance_at)).clamp(0.0, 1.0),
            Balance::Skip => f64::from(strength <= self.balance_at),
        };
        (pace(1.0 - accuracy), pace(accuracy))
    }
}

/// Weights of the losses that keep labels true. All are off by default.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LabelSafetyConfig {
    /// Weight of the mean absolute change of the objects' pixels.
    pub inside: f64,
    /// Weight of the mean absolute change of all other pixels.
    pub outside: f64,
    /// Weight of the relative change of the task network's features.
    pub perceptual: f64,
    /// Weight of the semantic consistency: the task network must read the same class.
    pub class: f64,
    /// What the class read from a translation is compared with.
    pub class_target: ClassTarget,
    /// Weight of the cross entropy of the mask that the task network reads from a translation.
    pub mask: f64,
    /// Weight of the Dice loss of that mask.
    pub dice: f64,
    /// Weight of the edge consistency, on and around the objects.
    pub edges: f64,
    /// Weight of the contrast lost along the objects' outlines.
    pub boundary: f64,
    /// Weight of the geometry guard: nothing may move, by parts of a pixel, nor be mirrored.
    pub geometry: f64,
    /// Weight of the change from a frame of a clip to the next one, along the motion that the map `flow` knows: what
    /// moves must not flicker (Lai et al. 2018). Renders are drawn in pairs of frames then.
    #[serde(skip_serializing_if = "is_zero")]
    pub temporal: f64,
}

/// Whether a setting is off, so that it need not be part of a cache key.
pub fn is_zero(weight: &f64) -> bool {
    *weight == 0.0
}

/// What a translation's class is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClassTarget {
    /// The render's label: the cross entropy.
    #[default]
    Label,
    /// What the task network reads in the render: the Kullback-Leibler divergence.
    Reading,
}

impl LabelSafetyConfig {
    /// # Errors
    /// What is out of range, in words.
    pub fn check(&self) -> Result<(), String> {
        check_weights(self.pixel_weights().into_iter().chain(self.task_weights()))
            .map_err(|problem| format!("label_safety: {problem}"))
    }

    /// The first loss above zero that reads labels which renders do not have, and what it reads; `has` says whether
    /// they have classes, and objects.
    pub fn reads_unknown(&self, has: [bool; 2]) -> Option<(&'static str, &'static str)> {
        let class = match self.class_target {
            ClassTarget::Label => self.class,
            ClassTarget::Reading => 0.0,
        };
        let [of_class, of_objects] = ["class", "objects"];
        let readers = [
            ("class", class, of_class, has[0]),
            ("inside", self.inside, of_objects, has[1]),
            ("edges", self.edges, of_objects, has[1]),
            ("boundary", self.boundary, of_objects, has[1]),
            ("geometry", self.geometry, of_objects, has[1]),
            ("mask", self.mask, of_objects, has[1]),
            ("dice", self.dice, of_objects, has[1]),
        ];
        let mut unknown = readers
            .into_iter()
            .filter(|(_, weight, _, has)| *weight > 0.0 && !has);
        unknown.next().map(|(loss, _, labels, _)| (loss, labels))
    }

    /// The weights of the losses that look at pixels alone, with the losses' names.
    pub fn pixel_weights(&self) -> [(&'static str, f64); 6] {
        [
            ("inside", self.inside),
            ("outside", self.outside),
            ("edges", self.edges),
            ("boundary", self.boundary),
            ("geometry", self.geometry),
            ("temporal", self.temporal),
        ]
    }

    /// The weights of the losses that ask the task network, with the losses' names.
    pub fn task_weights(&self) -> [(&'static str, f64); 4] {
        [
            ("perceptual", self.perceptual),
            ("class", self.class),
            ("mask", self.mask),
            ("dice", self.dice),
        ]
    }
}

/// Checks weights and other factors, each with the name of its setting.
///
/// # Errors
/// If one is not finite or below 0; the message names it.
pub fn check_weights<'a>(weights: impl IntoIterator<Item = (&'a str, f64)>) -> Result<(), String> {
    let wrong = |weight: f64| !weight.is_finite() || weight < 0.0;
    match weights.into_iter().find(|(_, weight)| wrong(*weight)) {
        Some((name, _)) => Err(format!("`{name}` must be finite and at least 0")),
        None => Ok(()),
    }
}

/// Checks a learning rate, the setting `name`.
///
/// # Errors
/// If it is not finite or not above 0.
pub fn check_rate(name: &str, rate: f64) -> Result<(), String> {
    if rate.is_finite() && rate > 0.0 {
        return Ok(());
    }
    Err(format!("`{name}` must be finite and above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_player_slows_down_or_sits_out() {
        let config = |balance| AdversarialConfig {
            balance,
            balance_at: 0.8,
            ..AdversarialConfig::default()
        };
        let near = |(a, b): (f64, f64), (c, d): (f64, f64)| {
            assert!((a - c).abs() + (b - d).abs() < 1e-9, "{a} {b}");
        };
        near(config(Balance::None).paces(1.0), (1.0, 1.0));
        let slow = config(Balance::Slow);
        near(slow.paces(0.7), (1.0, 1.0));
        near(slow.paces(0.9), (1.0, 0.5));
        near(slow.paces(1.0), (1.0, 0.0));
        near(slow.paces(0.1), (0.5, 1.0));
        let skip = config(Balance::Skip);
        near(skip.paces(0.81), (1.0, 0.0));
        near(skip.paces(0.19), (0.0, 1.0));
        near(skip.paces(0.5), (1.0, 1.0));
    }

    #[test]
    fn losses_that_read_unknown_labels_are_named() {
        let mut config = LabelSafetyConfig {
            outside: 1.0,
            perceptual: 1.0,
            ..LabelSafetyConfig::default()
        };
        assert_eq!(config.reads_unknown([false, false]), None);
        config.dice = 1.0;
        assert_eq!(config.reads_unknown([false, true]), None);
        assert_eq!(
            config.reads_unknown([true, false]),
            Some(("dice", "objects"))
        );
        config.class = 1.0;
        assert_eq!(
            config.reads_unknown([false, true]),
            Some(("class", "class"))
        );
        config.class_target = ClassTarget::Reading;
        assert_eq!(config.reads_unknown([false, true]), None);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let wrong = |change: &dyn Fn(&mut AdversarialConfig)| {
            let mut config = AdversarialConfig::default();
            assert!(config.check().is_ok());
            change(&mut config);
            config.check().unwrap_err()
        };
        assert!(wrong(&|c| c.accumulate = 0).contains("accumulate"));
        assert!(wrong(&|c| c.discriminator_rate = 0.0).contains("discriminator_rate"));
        for value in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(wrong(&|c| c.discriminator_rate = value).contains("discriminator_rate"));
            assert!(wrong(&|c| c.clip_norm = value).contains("clip_norm"));
            assert!(wrong(&|c| c.feature_matching = value).contains("feature_matching"));
            assert!(wrong(&|c| c.balance_at = value).contains("balance_at"));
        }
        assert!(wrong(&|c| c.balance_at = 1.0).contains("balance_at"));
    }

    #[test]
    fn every_weight_of_label_safety_must_be_finite_and_at_least_0() {
        let mut config = LabelSafetyConfig::default();
        assert_eq!(config.check(), Ok(()));
        for value in [-1.0, f64::NAN, f64::INFINITY] {
            config.edges = value;
            assert!(
                config
                    .check()
                    .unwrap_err()
                    .contains("label_safety: `edges`")
            );
            config.edges = 1.0;
            config.dice = value;
            assert!(config.check().unwrap_err().contains("label_safety: `dice`"));
            config.dice = 1.0;
        }
    }
}
