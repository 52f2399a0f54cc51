//! What every model with a discriminator is told: its networks, the game that they play, and the losses
//! that keep labels true.

use super::adversarial::AdversarialConfig;
use super::label_safety::LabelSafetyConfig;
use crate::nn::discriminator::DiscriminatorConfig;
use crate::nn::generator::GeneratorConfig;

/// The settings that models have in common; what is a model's own is in its table.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Fakes kept for the discriminators.
    pub pool: usize,
    /// Decay of the averaged weights, a step.
    pub ema: f64,
    pub adversarial: AdversarialConfig,
    pub generator: GeneratorConfig,
    pub discriminator: DiscriminatorConfig,
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
        self.label_safety.check()?;
        self.generator.check()
    }
}
