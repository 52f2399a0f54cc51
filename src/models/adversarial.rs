//! What models with a discriminator share: computing a batch in shards, optimisers with clipping, the
//! discriminator's step with its pool of fakes, and the balance of the two players.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::{Batch, Setting, load_weights, save_weights};
use crate::nn::adam::adam;
use crate::nn::discriminator::Discriminator;
use crate::nn::gradient_clip::clip_by_norm;
use crate::nn::image_pool::ImagePool;
use crate::nn::losses::{AdversarialLoss, feature_matching};
use crate::nn::norm::NormKind;
use crate::nn::workers::Workers;
use crate::seed::Stream;
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
    fn paces(&self, accuracy: f64) -> (f64, f64) {
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
    apart: bool,
}

impl Arena {
    /// # Errors
    /// Where the operating system gives no threads.
    pub fn new(config: &TrainConfig, setting: &Setting) -> Result<Self> {
        let batch_norm = |norm: NormKind| norm == NormKind::Batch;
        let apart = batch_norm(config.discriminator.norm);
        Ok(Arena {
            device: setting.device.device.clone().autodiff(),
            coupled: apart
                || batch_norm(config.generator.norm)
                || config.adversarial.feature_matching > 0.0,
            apart,
            config: config.adversarial.clone(),
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

/// A discriminator in training, with the fakes that it remembers.
pub struct Critic {
    player: Player<Discriminator>,
    pool: ImagePool,
    /// Running share of right verdicts.
    accuracy: f64,
}

/// A discriminator that judges and does not learn, for the generator's losses.
pub struct Judge {
    network: Discriminator,
    config: AdversarialConfig,
}

impl Critic {
    /// `network` must be initialised on a device with autodiff; `stream` draws for the pool.
    pub fn new(network: Discriminator, config: &TrainConfig, stream: Stream) -> Self {
        Critic {
            player: Player::new(network, &config.adversarial),
            pool: ImagePool::new(config.pool, stream),
            accuracy: 0.5,
        }
    }

    /// A frozen copy, to be called in the closure of [`Player::learn`].
    pub fn judge(&self, arena: &Arena) -> Judge {
        Judge {
            network: self.player.network.clone().no_grad().fork(&arena.device),
            config: arena.config.clone(),
        }
    }

    /// One step at `rate`, the generator's: tells `real` pictures from `fake` ones, some of which are
    /// exchanged for earlier ones. Returns its loss and its accuracy.
    pub fn learn(
        &mut self,
        arena: &Arena,
        real: Tensor<4>,
        fake: Tensor<4>,
        rate: f64,
    ) -> (f64, f64) {
        let fake = self.pool.query(fake);
        let batch = Batch::of_pair(real, fake);
        let (_, pace) = arena.config.paces(self.accuracy);
        let rate = rate * pace * arena.config.discriminator_rate;
        self.player.network = self.player.network.clone().renew();
        let (kind, apart) = (arena.config.loss, arena.apart);
        let outcome = self.player.learn(arena, &batch, rate, |network, pair| {
            critic_losses(network, pair, kind, apart)
        });
        let (loss, accuracy) = (outcome.values["loss"], outcome.values["accuracy"]);
        // About the last ten steps.
        self.accuracy += 0.1 * (accuracy - self.accuracy);
        (loss, accuracy)
    }

    /// What the generator's rate is to be multiplied by, 0..1; see [`Balance`].
    pub fn generator_pace(&self, arena: &Arena) -> f64 {
        arena.config.paces(self.accuracy).0
    }

    pub fn parameters(&self) -> usize {
        self.player.network.num_params()
    }

    /// Writes network, optimiser, pool and balance into `folder`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn save(&self, folder: &Path, name: &str) -> Result<()> {
        self.player.save(folder, name)?;
        self.pool.save(folder, &format!("{name}-pool"))?;
        let path = folder.join(format!("{name}-accuracy"));
        std::fs::write(&path, self.accuracy.to_le_bytes()).map_err(|e| Error::io(&path, e))
    }

    /// Loads what [`Critic::save`] wrote.
    ///
    /// # Errors
    /// Where the folder holds no such critic.
    pub fn load(&mut self, folder: &Path, name: &str, arena: &Arena) -> Result<()> {
        self.player.load(folder, name)?;
        let device = arena.device.clone().inner();
        self.pool = ImagePool::load(folder, &format!("{name}-pool"), &device)?;
        let path = folder.join(format!("{name}-accuracy"));
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let bytes = bytes.try_into().map_err(|_| {
            let remedy = "remove the folder and train again";
            Error::failed(path.display(), "is cut off", remedy)
        })?;
        self.accuracy = f64::from_le_bytes(bytes);
        Ok(())
    }
}

impl Judge {
    /// The generator's adversarial loss on `fake`, feature matching with `real` included.
    pub fn loss(&self, real: &Tensor<4>, fake: Tensor<4>) -> Tensor<1> {
        let verdict = self.network.forward(fake);
        let loss = mean_over_scales(verdict.scores, |score| self.config.loss.generator(score));
        if self.config.feature_matching == 0.0 {
            return loss;
        }
        let seen = self.network.forward(real.clone()).features;
        match feature_matching(seen, verdict.features) {
            Some(distance) => loss + distance.mul_scalar(self.config.feature_matching),
            None => loss,
        }
    }
}

/// Losses of a discriminator on real pictures (`photos`) and fake ones (`renders`).
fn critic_losses(
    network: &Discriminator,
    pair: &Batch,
    kind: AdversarialLoss,
    apart: bool,
) -> Losses {
    let (real, fake) = (pair.photos.clone(), pair.renders.clone());
    let scores: Vec<(Tensor<4>, Tensor<4>)> = if apart {
        let (real, fake) = (network.forward(real).scores, network.forward(fake).scores);
        real.into_iter().zip(fake).collect()
    } else {
        let count = pair.classes.len();
        let scores = network.forward(Tensor::cat(vec![real, fake], 0)).scores;
        let halves = |score: Tensor<4>| {
            let parts = score.split(count, 0);
            (parts[0].clone(), parts[1].clone())
        };
        scores.into_iter().map(halves).collect()
    };
    let accuracy = mean_over_scales(scores.clone(), |(real, fake)| {
        kind.accuracy(real.without_autodiff(), fake.without_autodiff())
    });
    let total = mean_over_scales(scores, |(real, fake)| kind.discriminator(real, fake));
    Losses {
        named: vec![
            ("loss", total.clone().without_autodiff()),
            ("accuracy", accuracy),
        ],
        total,
        fakes: Vec::new(),
    }
}

fn mean_over_scales<S>(scores: Vec<S>, loss: impl Fn(S) -> Tensor<1>) -> Tensor<1> {
    let count = scores.len() as f64;
    let sum = scores.into_iter().map(loss).reduce(|a, b| a + b);
    sum.expect("a discriminator has at least one scale")
        .div_scalar(count)
}
