//! What models with a discriminator share: computing a batch in shards, and players, which are networks
//! with an optimiser. The discriminator itself is [`super::critic`].

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};

use super::learner::{Divisible, Setting};
use super::settings::{AdversarialConfig, Shared};
use super::weights::{TRAIN_AGAIN, load_weights, save_weights};
use crate::nn::adam::adam;
use crate::nn::gradient_clip::clip_by_norm;
use crate::nn::norm::NormKind;
use crate::nn::workers::Workers;
use crate::{Error, Result};

/// Where steps are computed, and in which shards.
pub struct Arena {
    /// With autodiff.
    pub device: Device,
    /// How generator and discriminator compete: losses, balance, parts of a batch.
    pub config: AdversarialConfig,
    workers: Workers,
    /// Whether pictures of a batch depend on one another, so that threads must not part them.
    coupled: bool,
    /// Whether real and fake pictures must not share a batch.
    pub apart: bool,
}

impl Arena {
    /// # Errors
    /// If the operating system gives no threads.
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
            workers: Workers::for_shards(setting.device)?,
        })
    }

    /// The same, where pictures of a batch depend on one another: threads do not part them, and real and fake ones are
    /// judged apart.
    pub fn with_whole_batches(self) -> Self {
        Arena {
            coupled: true,
            apart: true,
            ..self
        }
    }

    /// Parts of a batch, each with its share of it, 0..1, on the device with autodiff.
    fn shards<B: Divisible>(&self, batch: &B) -> Vec<(B, f64)> {
        let count = batch.count();
        let shards = if self.coupled {
            1
        } else {
            self.workers.shards()
        };
        let size = count
            .div_ceil(shards * self.config.accumulate)
            .next_multiple_of(batch.together());
        let starts = (0..count).step_by(size);
        let shard = |start: usize| {
            let end = (start + size).min(count);
            let shard = batch.part(start..end, &self.device);
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
pub struct StepOutcome {
    /// The named losses of [`Losses`], each a mean over the whole batch.
    pub values: BTreeMap<String, f64>,
    /// As in [`Losses`], of the whole batch, without autodiff.
    pub fakes: Vec<Tensor<4>>,
}

/// A network, or several in one module, with its optimiser.
pub struct Player<M: Module> {
    /// Carries its weights on the device with autodiff.
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
    pub fn learn<B: Divisible>(
        &mut self,
        arena: &Arena,
        batch: &B,
        rate: f64,
        losses: impl Fn(&M, &B) -> Losses + Sync,
    ) -> StepOutcome {
        let network = &self.network;
        let step = |(batch, share)| {
            shard_step(network.clone().fork(&arena.device), &batch, share, &losses)
        };
        let mut gradients = GradientsAccumulator::new();
        let mut outcome = StepOutcome {
            values: BTreeMap::new(),
            fakes: Vec::new(),
        };
        let mut fakes: Vec<Vec<Tensor<4>>> = Vec::new();
        arena.workers.run_each(arena.shards(batch), step, |shard| {
            gradients.accumulate(network, shard.gradients);
            for (name, value) in shard.values {
                *outcome.values.entry(name.to_owned()).or_default() += value;
            }
            fakes.resize(shard.fakes.len(), Vec::new());
            for (all, fake) in fakes.iter_mut().zip(shard.fakes) {
                all.push(fake);
            }
        });
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
    /// If a file cannot be written.
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
    /// If the folder holds no such player.
    pub fn load(&mut self, folder: &Path, name: &str) -> Result<()> {
        let path = folder.join(format!("{name}.bpk"));
        self.network = load_weights(self.network.clone(), &path)?;
        let path = folder.join(format!("{name}-optimiser.bpk"));
        let loaded = self.optimiser.clone().load(&path);
        self.optimiser = loaded.map_err(|e| Error::failed(path.display(), e, TRAIN_AGAIN))?;
        Ok(())
    }
}

/// What one shard hands back: gradients and values weighted by its share.
struct Shard {
    gradients: GradientsParams,
    values: Vec<(&'static str, f64)>,
    fakes: Vec<Tensor<4>>,
}

fn shard_step<M: Module, B>(
    network: M,
    batch: &B,
    share: f64,
    losses: impl Fn(&M, &B) -> Losses,
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
