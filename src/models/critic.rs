//! The discriminator's side of the game: its step on real pictures and remembered fakes, and its
//! judgement for the generator.

use std::ops::Range;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::adversarial::{Arena, Losses, Player};
use super::discriminates::Discriminates;
use super::learner::{Divisible, part_of};
use super::regularisation::{Anchors, R1_EVERY, lecam, r1};
use super::settings::{AdversarialConfig, Shared};
use super::weights::read_state;
use crate::Result;
use crate::artifact::files::write_json;
use crate::nn::diff_augment::{change_alike, change_each};
use crate::nn::discriminator::Discriminator;
use crate::nn::image_pool::ImagePool;
use crate::nn::losses::{feature_matching, l1};
use crate::seed::{Position, Stream};

/// A discriminator in training, with the fakes that it remembers.
pub struct Critic<D: Discriminates = Discriminator> {
    player: Player<D>,
    pool: ImagePool,
    /// Draws the changes of the pictures that it sees.
    draws: Stream,
    standing: Standing,
}

/// What is known of a discriminator's last steps.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Standing {
    /// Running share of right verdicts.
    accuracy: f64,
    /// Once there was a step.
    anchors: Option<Anchors>,
    steps: u64,
}

/// What of a critic is saved as JSON.
#[derive(Serialize, Deserialize)]
struct Record {
    standing: Standing,
    draws: Position,
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
    draws: Stream,
}

impl<D: Discriminates> Critic<D> {
    /// `network` must be initialised on a device with autodiff; `stream` draws for the pool.
    pub fn new(network: D, shared: &Shared, stream: Stream) -> Self {
        // Far behind what the pool will ever draw.
        let mut draws = stream.clone();
        draws.set_word_pos(1 << 60);
        Critic {
            player: Player::new(network, &shared.adversarial),
            pool: ImagePool::new(shared.pool, stream),
            draws,
            standing: Standing {
                accuracy: 0.5,
                anchors: None,
                steps: 0,
            },
        }
    }

    /// A frozen copy, to be called in the closure of [`Player::learn`].
    pub fn judge(&self, arena: &Arena) -> Judge<D> {
        Judge {
            network: self.player.network.clone().no_grad().fork(&arena.device),
            config: arena.config.clone(),
            draws: self.draws.clone(),
        }
    }

    /// One step at `rate`, the generator's: tells `real` pictures from `fake` ones, some of which are
    /// exchanged for earlier ones. Returns its loss and its accuracy, with the names of their curves.
    pub fn learn(
        &mut self,
        arena: &Arena,
        real: Tensor<4>,
        fake: Tensor<4>,
        rate: f64,
    ) -> [(String, f64); 2] {
        let config = &arena.config;
        let fake = self.pool.query(fake);
        let mut changed = |pictures| change_each(pictures, &config.augment, &mut self.draws);
        let pair = Pair {
            real: changed(real),
            fake: changed(fake),
        };
        let standing = self.standing;
        let (_, pace) = config.paces(standing.accuracy);
        let rate = rate * pace * config.discriminator_rate;
        self.player.network = self.player.network.clone().renewed();
        let outcome = self.player.learn(arena, &pair, rate, |network, pair| {
            critic_losses(network, pair, arena, standing)
        });
        let [loss, accuracy, real, fake] =
            ["loss", "accuracy", "real", "fake"].map(|name| outcome.values[name]);
        self.standing = Standing {
            // About the last ten steps.
            accuracy: standing.accuracy + 0.1 * (accuracy - standing.accuracy),
            anchors: Some(Anchors::after(standing.anchors, real, fake)),
            steps: standing.steps + 1,
        };
        [("discriminator", loss), ("accuracy", accuracy)]
            .map(|(name, value)| (name.to_owned(), value))
    }

    /// What the generator's rate is to be multiplied by, 0..1; see `Balance`.
    pub fn generator_pace(&self, arena: &Arena) -> f64 {
        arena.config.paces(self.standing.accuracy).0
    }

    /// The discriminator as it is.
    pub fn network(&self) -> &D {
        &self.player.network
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
        let record = Record {
            standing: self.standing,
            draws: Position::of(&self.draws),
        };
        write_json(&folder.join(format!("{name}.json")), &record)
    }

    /// Loads what [`Critic::save`] wrote.
    ///
    /// # Errors
    /// If the folder holds no such critic.
    pub fn load(&mut self, folder: &Path, name: &str, arena: &Arena) -> Result<()> {
        self.player.load(folder, name)?;
        let device = arena.device.clone().inner();
        self.pool = ImagePool::load(folder, &format!("{name}-pool"), &device)?;
        let record: Record = read_state(folder, &format!("{name}.json"))?;
        (self.standing, self.draws) = (record.standing, record.draws.stream());
        Ok(())
    }
}

impl<D: Discriminates> Judge<D> {
    /// What judges.
    #[cfg(test)]
    pub(super) fn network(&self) -> &D {
        &self.network
    }

    /// A function that changes pictures of a step as they are shown to the discriminator: all alike, so that they can be
    /// computed in any parts.
    fn shown(&self) -> impl Fn(Tensor<4>) -> Tensor<4> {
        |pictures| change_alike(pictures, &self.config.augment, &mut self.draws.clone())
    }

    /// The generator's adversarial loss on `fake`, and the mean absolute difference of what the discriminator sees in
    /// each of them and in the picture of `real` that it should be (Wang et al., pix2pixHD, 2018).
    pub fn paired_loss(&self, real: &Tensor<4>, fake: Tensor<4>) -> [Tensor<1>; 2] {
        let shown = self.shown();
        let verdict = self.network.judge(shown(fake));
        let loss = mean_over(&verdict.scores, |score| self.config.loss.generator(score));
        let seen = self.network.judge(shown(real.clone())).features;
        let pairs: Vec<_> = seen.into_iter().zip(verdict.features).collect();
        let difference = mean_over(&pairs, |(real, fake)| l1(real.detach(), fake));
        [loss, difference]
    }

    /// The generator's adversarial loss on `fake`, feature matching with `real` included.
    pub fn loss(&self, real: &Tensor<4>, fake: Tensor<4>) -> Tensor<1> {
        let shown = self.shown();
        let verdict = self.network.judge(shown(fake));
        let loss = mean_over(&verdict.scores, |score| self.config.loss.generator(score));
        if self.config.feature_matching == 0.0 {
            return loss;
        }
        let seen = self.network.judge(shown(real.clone())).features;
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
    arena: &Arena,
    standing: Standing,
) -> Losses {
    let (config, kind) = (&arena.config, arena.config.loss);
    let scores = scores(network, pair, arena.apart);
    let accuracy = mean_over(&scores, |[real, fake]| {
        kind.accuracy(real.without_autodiff(), fake.without_autodiff())
    });
    let means = [0, 1].map(|side| {
        mean_over(&scores, |pair: [Tensor<4>; 2]| {
            pair[side].clone().without_autodiff().mean()
        })
    });
    let loss = mean_over(&scores, |[real, fake]| kind.discriminator(real, fake));
    let mut total = loss.clone();
    if let (true, Some(anchors)) = (config.lecam > 0.0, standing.anchors) {
        let pull = mean_over(&scores, |[real, fake]| lecam(&real, &fake, anchors));
        total = total + pull.mul_scalar(config.lecam);
    }
    if config.r1 > 0.0 && standing.steps.is_multiple_of(R1_EVERY) {
        total = total + r1(network, &pair.real).mul_scalar(config.r1 * R1_EVERY as f64);
    }
    let [real, fake] = means;
    Losses {
        total,
        named: vec![
            ("loss", loss.without_autodiff()),
            ("accuracy", accuracy),
            ("real", real),
            ("fake", fake),
        ],
        fakes: Vec::new(),
    }
}

/// Of the real and of the fake pictures, a scale each.
fn scores<D: Discriminates>(network: &D, pair: &Pair, apart: bool) -> Vec<[Tensor<4>; 2]> {
    let (real, fake) = (pair.real.clone(), pair.fake.clone());
    if apart {
        let (real, fake) = (network.judge(real).scores, network.judge(fake).scores);
        return real.into_iter().zip(fake).map(Into::into).collect();
    }
    let count = pair.count();
    let both = network.judge(Tensor::cat(vec![real, fake], 0)).scores;
    let halves = |score: Tensor<4>| [0, count].map(|from| score.clone().narrow(0, from, count));
    both.into_iter().map(halves).collect()
}

fn mean_over<S: Clone>(scores: &[S], loss: impl Fn(S) -> Tensor<1>) -> Tensor<1> {
    let count = scores.len() as f64;
    let sum = scores.iter().cloned().map(loss).reduce(|a, b| a + b);
    sum.expect("a discriminator has at least one scale")
        .div_scalar(count)
}
