//! The generators, one file each: they learn what pictures of each class look like, and draw new ones from nothing but a
//! class and random numbers. Adding one means one new file and one line in [`GENERATORS`].

pub mod adversary;
pub mod animate;
pub mod coder;
pub mod dcgan;
pub mod fvbn;
pub mod gan;
pub mod gan3d;
pub mod guide;
pub mod kind;
mod mode_seeking;
pub mod pixelcnn;
pub mod stackgan;
pub mod stylegan2;
pub mod training;
pub mod vae;

#[cfg(test)]
mod tests;

pub use kind::{
    Batch, Generator, GeneratorKind, Learner, Model, Reads, Setting, Trains, between, generate,
};

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::artifact::files::write_json;
use crate::models;
use crate::models::adversarial::Arena;
use crate::models::settings::{AdversarialConfig, Shared};
use crate::models::weights::{load_weights, read_state, save_weights};
use crate::nn::device::Chosen;
use crate::nn::norm::NormKind;
use crate::registry::{Entry, Name};
use crate::sample::Extent;
use crate::stage::table::Tabled;
use crate::{Error, Result};

/// Every generator that `learn` can train.
pub const GENERATORS: &[GeneratorKind] = &[
    dcgan::GENERATOR,
    stylegan2::GENERATOR,
    gan::GENERATOR,
    stackgan::GENERATOR,
    vae::GENERATOR,
    pixelcnn::GENERATOR,
    fvbn::GENERATOR,
];

impl Entry for GeneratorKind {
    const ALL: &'static [GeneratorKind] = GENERATORS;
    const NOUN: &'static str = "generator";

    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

impl Tabled for GeneratorKind {
    fn check_table(&self, table: toml::de::ValueDeserializer) -> Result<(), toml::de::Error> {
        (self.parse)(table).map(|_| ())
    }
}

/// What a trained generator is, as its folder says in `generator.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trained {
    /// Its name in the registry.
    pub model: String,
    /// In the order by which it numbers them.
    pub classes: Vec<String>,
    /// In the order by which it numbers them, if it reads captions; else none.
    pub words: Vec<String>,
    /// Captions that it learned from, of each class, without repetitions; none if it reads no captions.
    pub captions: BTreeMap<String, Vec<String>>,
    /// Of its pictures.
    pub extent: Extent,
}

impl Trained {
    /// Writes the description into `folder`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(FILE), self)
    }

    /// Reads the description in `folder`, and loads the generator.
    ///
    /// # Errors
    /// If the folder holds none.
    pub fn load(folder: &Path, device: &Chosen) -> Result<(Trained, Box<dyn Generator>)> {
        let trained: Trained = read_state(folder, FILE)?;
        let unknown = || {
            let name = &trained.model;
            let problem = format!("is a generator `{name}`, which this program does not know");
            Error::failed(folder.display(), problem, "train it again")
        };
        let kind = Name::<GeneratorKind>::find(&trained.model).ok_or_else(unknown)?;
        let generator = (kind.entry().load)(folder, device)?;
        Ok((trained, generator))
    }

    /// Numbers in a condition.
    pub fn columns(&self) -> usize {
        match self.words.len() {
            0 => self.classes.len(),
            words => words,
        }
    }

    /// A caption that it learned from of this class, in turns; empty if it reads none.
    pub fn caption(&self, class: usize, turn: usize) -> &str {
        let captions = self.captions.get(&self.classes[class]);
        let captions = captions.filter(|captions| !captions.is_empty());
        captions.map_or("", |captions| &captions[turn % captions.len()])
    }

    /// The condition of a picture of this class, or with this caption if the generator reads captions; words that it
    /// does not know are left out.
    pub fn condition(&self, class: usize, caption: &str) -> Vec<f32> {
        let mut row = vec![0.0; self.columns()];
        if self.words.is_empty() {
            row[class] = 1.0;
        } else {
            let known = words(caption);
            let known = known.filter_map(|word| self.words.iter().position(|other| *other == word));
            known.for_each(|place| row[place] = 1.0);
        }
        row
    }
}

/// The words of a caption, in small letters.
pub fn words(caption: &str) -> impl Iterator<Item = String> {
    let parts = caption.split(|letter: char| !letter.is_alphanumeric());
    parts.filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Whether a caption has all words of the class's name.
pub fn names_class(caption: &str, class: &str) -> bool {
    let said: Vec<String> = words(caption).collect();
    words(class).all(|word| said.contains(&word))
}

const FILE: &str = "generator.json";

/// The files of a network: its shape, and its weights.
const NETWORK: [&str; 2] = ["network.json", "network.bpk"];

/// Writes what [`load_network`] reads.
fn save_network<M: Module>(shape: &impl Serialize, network: M, folder: &Path) -> Result<()> {
    write_json(&folder.join(NETWORK[0]), shape)?;
    save_weights(network, &folder.join(NETWORK[1]))
}

/// The network that `make` makes of the shape in `folder`, with its weights.
fn load_network<S: DeserializeOwned, M: Module>(
    folder: &Path,
    make: impl FnOnce(&S) -> M,
) -> Result<(S, M)> {
    let shape: S = read_state(folder, NETWORK[0])?;
    let network = load_weights(make(&shape), &folder.join(NETWORK[1]))?;
    Ok((shape, network))
}

/// Where a generator is trained whose layers have norms of this kind, and how it plays against a discriminator, if it has
/// one; those of discriminators have none.
///
/// # Errors
/// If the operating system gives no threads.
fn arena(norm: NormKind, config: &AdversarialConfig, setting: &Setting) -> Result<Arena> {
    let mut shared = Shared {
        adversarial: config.clone(),
        ..Shared::default()
    };
    (shared.generator.norm, shared.discriminator.norm) = (norm, NormKind::None);
    Arena::new(
        &shared,
        &models::Setting {
            device: setting.device,
            extent: setting.extent,
            seed: setting.seed,
            task: None,
            maps: &[],
        },
    )
}

/// Averaged weights, in the state of a training.
const AVERAGE: &str = "average.bpk";

fn save_average<M: Module>(average: M, folder: &Path) -> Result<()> {
    save_weights(average, &folder.join(AVERAGE))
}

fn load_average<M: Module>(average: M, folder: &Path) -> Result<M> {
    load_weights(average, &folder.join(AVERAGE))
}

/// Equally long rows as a matrix.
pub fn matrix(rows: &[Vec<f32>], device: &Device) -> Tensor<2> {
    let columns = rows.first().map_or(0, Vec::len);
    Tensor::from_data(
        TensorData::new(rows.concat(), [rows.len(), columns]),
        device,
    )
}
