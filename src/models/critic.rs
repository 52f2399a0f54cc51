//! The discriminator's side of the game: its step on real pictures and remembered fakes, and its
//! judgement for the generator.

use std::ops::Range;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::adversarial::{Arena, Losses, Player};
use super::learner::{Divisible, part_of};
use super::settings::{AdversarialConfig, Shared};
use crate::nn::discriminator::{Discriminator, Verdict};
use crate::nn::image_pool::ImagePool;
use crate::nn::losses::{AdversarialLoss, feature_matching, l1};
use crate::seed::Stream;
use crate::{Error, Result};

/// A network that scores pictures, high for real ones.
pub trait Discriminates: Module + Sync {
    /// Judges `[batch, channels, height, width]`.
    fn judge(&self, pictures: Tensor<4>) -> Verdict;

    /// Before a step of its own, see [`Discriminator::renew`].
    fn renewed(self) -> Self;
}

impl Discriminates for Discriminator {
    fn judge(&self, pictures: Tensor<4>) -> Verdict {
        self.forward(pictures)
    }

    fn renewed(self) -> Self {
        self.renew()
    }
}

/// A discriminator in training, with the fakes that it remembers.
pub struct Critic<D: Discriminates = Discriminator> {
    player: Player<D>,
    pool: ImagePool,
    /// Running share of right verdicts.
    accuracy: f64,
}

/// Equally many real and fake pictures, to be told apart.
struct Pair {
    real: Tensor<4>,
    fake: Tensor<4>,
}

impl Divisible for Pair {
    fn count(&self) -> usize {
        self.real.dims()[0]
    }

    fn part(&self, range: Range<usize>, device: &Device) -> Self {
        let cut = |pictures| part_of(pictures, &range, device);
        Pair {
            real: cut(&self.real),
            fake: cut(&self.fake),
        }
    }
}

/// A discriminator that judges and does not learn, for the generator's losses.
pub struct Judge<D: Discriminates = Discriminator> {
    network: D,
    config: AdversarialConfig,
}

impl<D: Discriminates> Critic<D> {
    /// `network` must be initialised on a device with autodiff; `stream` draws for the pool.
    pub fn new(network: D, shared: &Shared, stream: Stream) -> Self {
        Critic {
            player: Player::new(network, &shared.adversarial),
            pool: ImagePool::new(shared.pool, stream),
            accuracy: 0.5,
        }
    }

    /// A frozen copy, to be called in the closure of [`Player::learn`].
    pub fn judge(&self, arena: &Arena) -> Judge<D> {
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
        let pair = Pair { real, fake };
        let (_, pace) = arena.config.paces(self.accuracy);
        let rate = rate * pace * arena.config.discriminator_rate;
        self.player.network = self.player.network.clone().renewed();
        let (kind, apart) = (arena.config.loss, arena.apart);
        let outcome = self.player.learn(arena, &pair, rate, |network, pair| {
            critic_losses(network, pair, kind, apart)
        });
        let (loss, accuracy) = (outcome.values["loss"], outcome.values["accuracy"]);
        // About the last ten steps.
        self.accuracy += 0.1 * (accuracy - self.accuracy);
        (loss, accuracy)
    }

    /// What the generator's rate is to be multiplied by, 0..1; see `Balance`.
    pub fn generator_pace(&self, arena: &Arena) -> f64 {
        arena.config.paces(self.accuracy).0
    }

    /// The number of trainable weights of the discriminator.
    pub fn parameters(&self) -> usize {
        self.player.network.num_params()
    }

    /// Writes network, optimiser, pool and balance into `folder`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: &Path, name: &str) -> Result<()> {
        self.player.save(folder, name)?;
        self.pool.save(folder, &format!("{name}-pool"))?;
        let path = folder.join(format!("{name}-accuracy"));
        std::fs::write(&path, self.accuracy.to_le_bytes()).map_err(|e| Error::io(&path, e))
    }

    /// Loads what [`Critic::save`] wrote.
    ///
    /// # Errors
    /// If the folder holds no such critic.
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

impl<D: Discriminates> Judge<D> {
    /// What judges.
    #[cfg(test)]
    pub(super) fn network(&self) -> &D {
        &self.network
    }

    /// The generator's adversarial loss on `fake`, and the mean absolute difference of what the discriminator sees in
    /// each of them and in the picture of `real` that it should be (Wang et al., pix2pixHD, 2018).
    pub fn paired_loss(&self, real: &Tensor<4>, fake: Tensor<4>) -> [Tensor<1>; 2] {
        let verdict = self.network.judge(fake);
        let loss = mean_over(verdict.scores, |score| self.config.loss.generator(score));
        let seen = self.network.judge(real.clone()).features;
        let pairs: Vec<_> = seen.into_iter().zip(verdict.features).collect();
        let difference = mean_over(pairs, |(real, fake)| l1(real.detach(), fake));
        [loss, difference]
    }

    /// The generator's adversarial loss on `fake`, feature matching with `real` included.
    pub fn loss(&self, real: &Tensor<4>, fake: Tensor<4>) -> Tensor<1> {
        let verdict = self.network.judge(fake);
        let loss = mean_over(verdict.scores, |score| self.config.loss.generator(score));
        if self.config.feature_matching == 0.0 {
            return loss;
        }
        let seen = self.network.judge(real.clone()).features;
        match feature_matching(seen, verdict.features) {
            Some(distance) => loss + distance.mul_scalar(self.config.feature_matching),
            None => loss,
        }
    }
}

/// Losses of a discriminator on a pair.
fn critic_losses<D: Discriminates>(
    network: &D,
    pair: &Pair,
    kind: AdversarialLoss,
    apart: bool,
) -> Losses {
    let (real, fake) = (pair.real.clone(), pair.fake.clone());
    let scores: Vec<(Tensor<4>, Tensor<4>)> = if apart {
        let (real, fake) = (network.judge(real).scores, network.judge(fake).scores);
        real.into_iter().zip(fake).collect()
    } else {
        let count = pair.count();
        let scores = network.judge(Tensor::cat(vec![real, fake], 0)).scores;
        let halves = |score: Tensor<4>| {
            let parts = score.split(count, 0);
            (parts[0].clone(), parts[1].clone())
        };
        scores.into_iter().map(halves).collect()
    };
    let accuracy = mean_over(scores.clone(), |(real, fake)| {
        kind.accuracy(real.without_autodiff(), fake.without_autodiff())
    });
    let total = mean_over(scores, |(real, fake)| kind.discriminator(real, fake));
    Losses {
        named: vec![
            ("loss", total.clone().without_autodiff()),
            ("accuracy", accuracy),
        ],
        total,
        fakes: Vec::new(),
    }
}

fn mean_over<S>(scores: Vec<S>, loss: impl Fn(S) -> Tensor<1>) -> Tensor<1> {
    let count = scores.len() as f64;
    let sum = scores.into_iter().map(loss).reduce(|a, b| a + b);
    sum.expect("a discriminator has at least one scale")
        .div_scalar(count)
}
