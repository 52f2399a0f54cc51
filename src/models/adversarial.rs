//! What models with a discriminator share: the rules of the game, computing a batch in shards, and
//! players, which are networks with an optimiser. The discriminator itself is [`super::critic`].

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::critic::{Critic, Judge};

use super::settings::Shared;
use super::{Batch, Setting, load_weights, save_weights};
use crate::nn::adam::adam;
use crate::nn::gradient_clip::clip_by_norm;
use crate::nn::losses::AdversarialLoss;
use crate::nn::norm::NormKind;
use crate::nn::workers::Workers;
use crate::{Error, Result};

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
    /// Parts that a batch is computed in, one after another: the same step in less memory.
    pub accumulate: usize,
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
            balance: Balance::None,
            balance_at: 0.85,
        }
    }
}

impl AdversarialConfig {
    /// # Errors
    /// What is out of range, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.accumulate == 0 || self.discriminator_rate <= 0.0 {
            return Err(
                "adversarial: `accumulate` must be at least 1 and `discriminator_rate` \
                        above 0"
                    .into(),
            );
        }
        if self.clip_norm < 0.0 || self.feature_matching < 0.0 {
            return Err(
                "adversarial: `clip_norm` and `feature_matching` must not be below 0".into(),
            );
        }
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

/// Where steps are computed, and in which shards.
pub struct Arena {
    /// With autodiff.
    pub device: Device,
    pub config: AdversarialConfig,
    workers: Workers,
    /// Whether pictures of a batch depend on one another, so that threads must not part them.
    coupled: bool,
    /// Whether real and fake pictures must not share a batch.
    pub apart: bool,
}

impl Arena {
    /// # Errors
    /// Where the operating system gives no threads.
    pub fn new(shared: &Shared, setting: &Setting) -> Result<Self> {
        let batch_norm = |norm: NormKind| norm == NormKind::Batch;
        let apart = batch_norm(shared.discriminator.norm);
        Ok(Arena {
            device: setting.device.device.clone().autodiff(),
            coupled: apart
                || batch_norm(shared.generator.norm)
                || shared.adversarial.feature_matching > 0.0,
            apart,
            config: shared.adversarial.clone(),
            workers: Workers::for_device(setting.device)?,
        })
    }

    /// Computes in so many threads.
    #[cfg(test)]
    pub fn set_workers(&mut self, workers: Workers) {
        self.workers = workers;
    }

    /// Parts of a batch, each with its share of it, 0..1, on the device with autodiff.
    fn shards(&self, batch: &Batch) -> Vec<(Batch, f64)> {
        let count = batch.classes.len();
        let threads = if self.coupled {
            1
        } else {
            self.workers.count()
        };
        let size = count.div_ceil(threads * self.config.accumulate);
        let starts = (0..count).step_by(size);
        let shard = |start: usize| {
            let end = (start + size).min(count);
            let shard = batch.part(start..end).to_device(&self.device);
            (shard, (end - start) as f64 / count as f64)
        };
        starts.map(shard).collect()
    }
}

/// What a model makes of one shard of a batch; each loss is a mean over the shard.
pub struct Losses {
    /// What is minimised.
    pub total: Tensor<1>,
    /// For the curves.
    pub named: Vec<(&'static str, Tensor<1>)>,
    /// Pictures for the discriminators, one tensor for each of them.
    pub fakes: Vec<Tensor<4>>,
}

/// What came of a step.
pub struct Outcome {
    pub values: BTreeMap<String, f64>,
    /// As in [`Losses`], of the whole batch, without autodiff.
    pub fakes: Vec<Tensor<4>>,
}

/// A network, or several in one module, with its optimiser.
pub struct Player<M: Module> {
    pub network: M,
    optimiser: ModuleOptimizer,
    clip_norm: f64,
}

impl<M: Module + Sync> Player<M> {
    /// A player with Adam. `network` must be initialised on a device with autodiff.
    pub fn new(network: M, config: &AdversarialConfig) -> Self {
        Player {
            network,
            optimiser: adam(0.5, 0.999),
            clip_norm: config.clip_norm,
        }
    }

    /// One step at `rate` on the losses that `losses` computes of each shard. At rate 0 nothing
    /// moves, not even the optimiser's averages.
    pub fn learn(
        &mut self,
        arena: &Arena,
        batch: &Batch,
        rate: f64,
        losses: impl Fn(&M, &Batch) -> Losses + Sync,
    ) -> Outcome {
        let network = &self.network;
        let shards = arena.workers.run(arena.shards(batch), |(batch, share)| {
            shard_step(network.clone().fork(&arena.device), &batch, share, &losses)
        });
        let mut gradients = GradientsAccumulator::new();
        let mut outcome = Outcome {
            values: BTreeMap::new(),
            fakes: Vec::new(),
        };
        let mut fakes: Vec<Vec<Tensor<4>>> = Vec::new();
        for shard in shards {
            gradients.accumulate(&self.network, shard.gradients);
            for (name, value) in shard.values {
                *outcome.values.entry(name.to_owned()).or_default() += value;
            }
            fakes.resize(shard.fakes.len(), Vec::new());
            for (all, fake) in fakes.iter_mut().zip(shard.fakes) {
                all.push(fake);
            }
        }
        outcome.fakes = fakes.into_iter().map(|all| Tensor::cat(all, 0)).collect();
        if rate > 0.0 {
            self.apply(gradients.grads(), rate);
        }
        outcome
    }

    fn apply(&mut self, gradients: GradientsParams, rate: f64) {
        let gradients = if self.clip_norm > 0.0 {
            clip_by_norm(gradients, &self.network, self.clip_norm)
        } else {
            gradients
        };
        self.network = self.optimiser.step(rate, self.network.clone(), gradients);
    }

    /// Writes weights and the optimiser's state into `folder`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn save(&self, folder: &Path, name: &str) -> Result<()> {
        save_weights(self.network.clone(), &folder.join(format!("{name}.bpk")))?;
        let path = folder.join(format!("{name}-optimiser.bpk"));
        self.optimiser
            .save(&path)
            .map_err(|e| Error::failed(path.display(), e, "check the free space of the disk"))
    }

    /// Loads what [`Player::save`] wrote.
    ///
    /// # Errors
    /// Where the folder holds no such player.
    pub fn load(&mut self, folder: &Path, name: &str) -> Result<()> {
        let path = folder.join(format!("{name}.bpk"));
        self.network = load_weights(self.network.clone(), &path)?;
        let path = folder.join(format!("{name}-optimiser.bpk"));
        let loaded = self.optimiser.clone().load(&path);
        self.optimiser = loaded
            .map_err(|e| Error::failed(path.display(), e, "remove the folder and train again"))?;
        Ok(())
    }
}

/// What one shard hands back: gradients and values weighted by its share.
struct Shard {
    gradients: GradientsParams,
    values: Vec<(&'static str, f64)>,
    fakes: Vec<Tensor<4>>,
}

fn shard_step<M: Module>(
    network: M,
    batch: &Batch,
    share: f64,
    losses: impl Fn(&M, &Batch) -> Losses,
) -> Shard {
    let losses = losses(&network, batch);
    let (names, tensors): (Vec<_>, Vec<_>) = losses.named.into_iter().unzip();
    let gradients = losses.total.mul_scalar(share).backward();
    let gradients = GradientsParams::from_grads(gradients, &network);
    // Read together: on a GPU every reading waits for it.
    let values = if tensors.is_empty() {
        Vec::new()
    } else {
        let all = Tensor::cat(tensors, 0).into_data_as::<f32>();
        let all = all.as_slice::<f32>().unwrap_or_default().to_vec();
        all.into_iter().map(|v| f64::from(v) * share).collect()
    };
    Shard {
        gradients,
        values: names.into_iter().zip(values).collect(),
        fakes: losses
            .fakes
            .into_iter()
            .map(Tensor::without_autodiff)
            .collect(),
    }
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
    fn values_out_of_range_are_refused() {
        let wrong = |change: fn(&mut AdversarialConfig)| {
            let mut config = AdversarialConfig::default();
            assert!(config.check().is_ok());
            change(&mut config);
            config.check().unwrap_err()
        };
        assert!(wrong(|c| c.accumulate = 0).contains("accumulate"));
        assert!(wrong(|c| c.discriminator_rate = 0.0).contains("discriminator_rate"));
        assert!(wrong(|c| c.clip_norm = -1.0).contains("clip_norm"));
        assert!(wrong(|c| c.feature_matching = -1.0).contains("feature_matching"));
        assert!(wrong(|c| c.balance_at = 1.0).contains("balance_at"));
    }
}
