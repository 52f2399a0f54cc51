//! The models, one file each. Adding one means one new file and one line in [`MODELS`].

pub mod adversarial;
pub mod album;
pub mod cartoon;
pub mod condition;
pub mod critic;
pub mod curves;
pub mod cut;
pub mod cyclegan;
pub mod discriminates;
pub mod fda;
pub mod features;
pub mod gbuffer;
pub mod histogram;
pub mod history;
pub mod kind;
pub mod label_safety;
pub mod learner;
pub mod matching;
pub mod pix2pix;
pub mod region_discriminator;
pub mod regularisation;
pub mod settings;
pub mod simgan;
pub mod spade;
pub mod srgan;
pub mod statistical;
pub mod task_network;
pub mod translator;
pub mod weights;

#[cfg(test)]
mod options_tests;
#[cfg(test)]
mod tests;

pub use kind::{LabelEffect, Model, ModelKind};
pub use learner::{Batch, Learner, Passes, Setting};
pub use translator::Translator;

use crate::registry::Entry;
use crate::stage::table::Tabled;

/// Every model that `train` can train.
pub const MODELS: &[ModelKind] = &[
    cyclegan::MODEL,
    cut::MODEL,
    cut::FAST,
    simgan::MODEL,
    gbuffer::MODEL,
    cartoon::MODEL,
    srgan::MODEL,
    pix2pix::MODEL,
    spade::MODEL,
    histogram::MODEL,
    fda::MODEL,
];

impl Entry for ModelKind {
    const ALL: &'static [ModelKind] = MODELS;
    const NOUN: &'static str = "model";

    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

impl Tabled for ModelKind {
    fn check_table(&self, table: toml::de::ValueDeserializer) -> Result<(), toml::de::Error> {
        (self.parse)(table).map(|_| ())
    }
}
