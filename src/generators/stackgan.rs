//! stackgan: a picture of what a caption says, first a small one, then a large one made of it.
//! Zhang et al., StackGAN: Text to Photo-realistic Image Synthesis with Stacked Generative Adversarial Networks, 2017.
//! <https://arxiv.org/abs/1612.03242>
//!
//! What a caption means to the first generator is drawn from a distribution around it; discriminators see pictures with
//! their captions, and also real pictures with captions of others, which they must tell from those with their own
//! (matching-aware). The first generator learns alone for `first_steps`, then the second on what the first draws.
//! Deviations: those of [`crate::nn::stacked_generator`]; the second generator reads the mean meaning of a caption; hinge
//! loss, spectral norm, projection of the words and DiffAugment; averaged weights draw.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use burn::module::Module;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Int, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversary::{self, Draws, drawer, stream_of};
use super::dcgan::{check, game};
use super::kind::{
    self, Batch, Generator, GeneratorKind, Learner, Model, Reads, Setting, Trains, normal, rows_of,
};
use super::mode_seeking::{PAIR, held_apart};
use super::{arena, load_average, matrix, save_average, save_network};
use crate::Result;
use crate::artifact::files::write_json;
use crate::models::adversarial::{Arena, Losses, Player};
use crate::models::condition::{check_halvings, halvings};
use crate::models::critic::Critic;
use crate::models::learner::{Divisible, part_of};
use crate::models::settings::{AdversarialConfig, check_weights};
use crate::models::weights::read_state;
use crate::nn::decoder::with_planes;
use crate::nn::discriminator::Slope;
use crate::nn::ema;
use crate::nn::init::{Init, initialise};
use crate::nn::norm::NormKind;
use crate::nn::projection_discriminator::{ProjectionDiscriminator, ProjectionShape};
use crate::nn::stacked_generator::{First, Second, Stack, StackShape};
use crate::sample::Extent;
use crate::seed::{Position, Stream};

/// The registry entry.
pub const GENERATOR: GeneratorKind = GeneratorKind {
    name: "stackgan",
    about: "pictures of what captions say, small ones first",
    reads: Reads::Caption,
    leaves_discriminator: false,
    parse: kind::parse::<StackganConfig>,
    schema: kind::schema::<StackganConfig>,
    load: adversary::load::<Stack>,
};

/// Configuration of `stackgan`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StackganConfig {
    /// Numbers in a latent vector.
    pub latent: usize,
    /// Numbers that a caption is summed up in.
    pub meaning: usize,
    /// Channels of the finest layers of all networks; coarser ones have up to eight times as many.
    pub channels: usize,
    /// Steps in which the first generator learns, before the second one does.
    pub first_steps: u64,
    /// Weight of the Kullback-Leibler divergence of what captions mean from the normal distribution.
    pub kl: f64,
    /// Weight of the loss that holds what the first generator draws of a caption apart (Mao et al. 2019); 0 for none.
    pub mode_seeking: f64,
    /// Divide the weights of the discriminators by their largest singular values.
    pub spectral: bool,
    /// How the game of generators and discriminators is played.
    pub adversarial: AdversarialConfig,
}

impl Default for StackganConfig {
    fn default() -> Self {
        StackganConfig {
            latent: 32,
            meaning: 32,
            channels: 16,
            first_steps: 2000,
            kl: 0.1,
            mode_seeking: 0.03,
            spectral: true,
            adversarial: game(),
        }
    }
}

impl StackganConfig {
    fn shape(&self, words: usize, extent: Extent) -> StackShape {
        let small = Extent::new(extent.width / 2, extent.height / 2);
        StackShape {
            words,
            latent: self.latent,
            meaning: self.meaning,
            channels: self.channels,
            levels: halvings(small),
            extent,
        }
    }

    fn critic(&self, words: usize, levels: usize, device: &Device) -> ProjectionDiscriminator {
        let shape = ProjectionShape {
            classes: words,
            channels: self.channels,
            levels,
            spectral: self.spectral,
            slope: Slope::Leaky,
            spread: false,
        };
        ProjectionDiscriminator::new(&shape, device)
    }
}

impl Model for StackganConfig {
    fn check(&self) -> Result<(), String> {
        if self.meaning == 0 || self.first_steps == 0 {
            return Err("`meaning` and `first_steps` must be at least 1".into());
        }
        check_weights([("kl", self.kl), ("mode_seeking", self.mode_seeking)])?;
        check(self.latent, self.channels, Slope::Leaky, &self.adversarial)
    }

    fn check_steps(&self, steps: u64) -> Result<(), String> {
        match self.first_steps < steps {
            true => Ok(()),
            false => Err(format!(
                "`first_steps` ({}) must be below `steps` ({steps}): the second generator learns in those that are left",
                self.first_steps
            )),
        }
    }

    fn check_extent(&self, extent: Extent) -> Result<(), String> {
        if extent.sides().iter().any(|(_, side)| side % 2 == 1) {
            return Err(format!(
                "pictures of {extent} cannot be halved: choose even sides"
            ));
        }
        let small = Extent::new(extent.width / 2, extent.height / 2);
        check_halvings(small, small)
            .map_err(|problem| format!("draws half of {extent} first: {problem}"))
    }

    fn products(&self, columns: usize, extent: Extent) -> f64 {
        3.0 * 4.0 * self.shape(columns, extent).products()
    }

    fn create(&self, setting: &Setting) -> Result<Box<dyn Learner>> {
        let device = setting.device.device.clone().autodiff();
        let shape = self.shape(setting.columns, setting.extent);
        let mut stack = Stack::new(&shape, &device);
        stack = Stack {
            first: initialise(
                stack.first,
                Init::Normal(0.02),
                &mut stream_of(setting, 0),
                1,
            ),
            second: initialise(
                stack.second,
                Init::Normal(0.02),
                &mut stream_of(setting, 1),
                1 << 18,
            ),
        };
        let critic = |number: u64, levels: usize| {
            let network = self.critic(shape.words, levels, &device);
            let mut weights = stream_of(setting, 2 + 2 * number);
            let network = initialise(network, Init::He, &mut weights, (20 + number) << 18);
            adversary::critic(
                network,
                &self.adversarial,
                stream_of(setting, 3 + 2 * number),
            )
        };
        let arena = arena(NormKind::None, &self.adversarial, setting)?;
        Ok(Box::new(Stackgan {
            critics: [critic(0, shape.levels), critic(1, shape.levels + 1)],
            average: stack.valid(),
            first: Player::new(stack.first, &self.adversarial),
            second: Player::new(stack.second, &self.adversarial),
            arena,
            config: self.clone(),
            ema: setting.ema,
            stream: stream_of(setting, 8),
            steps: 0,
            shape,
        }))
    }
}

/// The generator in training.
struct Stackgan {
    config: StackganConfig,
    shape: StackShape,
    arena: Arena,
    first: Player<First>,
    second: Player<Second>,
    average: Stack,
    critics: [Critic<ProjectionDiscriminator>; 2],
    ema: f64,
    /// Draws numbers.
    stream: Stream,
    steps: u64,
}

/// A batch with what its fakes are drawn from.
struct Round {
    numbers: Tensor<2>,
    words: Tensor<2>,
    /// With the planes of the words.
    real: Tensor<4>,
    /// What the first generator has drawn, where the second one learns.
    small: Option<Tensor<4>>,
}

impl Divisible for Round {
    fn count(&self) -> usize {
        self.real.dims()[0]
    }

    fn together(&self) -> usize {
        PAIR
    }

    fn part(&self, range: Range<usize>, device: &Device) -> Self {
        let cut = |pictures: &Tensor<4>| part_of(pictures, &range, device);
        Round {
            numbers: rows_of(&self.numbers, &range, device),
            words: rows_of(&self.words, &range, device),
            real: cut(&self.real),
            small: self.small.as_ref().map(cut),
        }
    }
}

impl Stackgan {
    fn round(&mut self, batch: &Batch, small: bool) -> Round {
        let count = batch.count();
        let each = Stack::numbers(&self.shape);
        let rows: Vec<Vec<f32>> = (0..count).map(|_| normal(each, &mut self.stream)).collect();
        let pictures = match small {
            true => halved(batch.pictures.clone()),
            false => batch.pictures.clone(),
        };
        Round {
            numbers: matrix(&rows, &batch.pictures.device()),
            words: batch.conditions.clone(),
            real: with_planes(pictures, &batch.conditions),
            small: None,
        }
    }

    /// One step of a discriminator: half of what it must not take for real are real pictures with captions of others,
    /// as far as the batch has captions with other words.
    fn judge(
        &mut self,
        stage: usize,
        round: &Round,
        drawn: Tensor<4>,
        rate: f64,
    ) -> [(String, f64); 2] {
        let words: Vec<f32> = round.words.to_data().iter().collect();
        let [_, columns] = round.words.dims();
        let pairs = mismatched(&words, columns);
        let drawn_rows: Vec<usize> = (0..round.count())
            .filter(|row| !pairs.iter().any(|(picture, _)| picture == row))
            .collect();
        let device = round.real.device();
        let places = |rows: Vec<usize>| {
            let rows: Vec<i32> = rows.into_iter().map(|row| row as i32).collect();
            Tensor::<1, Int>::from_data(rows.as_slice(), &device)
        };
        let mut fakes = vec![drawn.select(0, places(drawn_rows))];
        if !pairs.is_empty() {
            let (pictures, captions): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let colours = round.real.clone().narrow(1, 0, 3);
            let others = round.words.clone().select(0, places(captions));
            fakes.push(with_planes(colours.select(0, places(pictures)), &others));
        }
        let fake = Tensor::cat(fakes, 0);
        self.critics[stage].learn(&self.arena, round.real.clone(), fake, rate)
    }

    /// One step of the first generator.
    fn sketch(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let round = self.round(batch, true);
        let each = Stack::numbers(&self.shape);
        let (arena, critic, config) = (&self.arena, &self.critics[0], &self.config);
        let pace = critic.generator_pace(arena);
        let mut outcome = self
            .first
            .learn(arena, &round, rate * pace, |network, round| {
                let sketch = network.forward(&round.numbers, &round.words);
                let fake = with_planes(sketch.picture.clone(), &round.words);
                let loss = critic.judge(arena).loss(&round.real, fake.clone());
                let losses = Losses {
                    total: loss.clone() + sketch.divergence.clone() * config.kl,
                    named: vec![("adversarial", loss), ("meaning", sketch.divergence)],
                    fakes: vec![fake],
                };
                let draw = |numbers: &Tensor<2>| network.forward(numbers, &round.words).picture;
                let weight = config.mode_seeking;
                held_apart(losses, weight, sketch.picture, (&round.numbers, each), draw)
            });
        self.average.first = ema::update(self.average.first.clone(), &self.first.network, self.ema);
        if let Some(drawn) = outcome.fakes.pop() {
            outcome.values.extend(self.judge(0, &round, drawn, rate));
        }
        outcome.values
    }

    /// One step of the second generator.
    fn enlarge(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let mut round = self.round(batch, false);
        let sketch = self.average.first.forward(&round.numbers, &round.words);
        round.small = Some(sketch.picture);
        let (arena, critic) = (&self.arena, &self.critics[1]);
        let pace = critic.generator_pace(arena);
        let mut outcome = self
            .second
            .learn(arena, &round, rate * pace, |network, round| {
                let small = round
                    .small
                    .clone()
                    .unwrap_or_else(|| halved(round.real.clone()));
                let fake = with_planes(network.forward(small, &round.words), &round.words);
                let loss = critic.judge(arena).loss(&round.real, fake.clone());
                Losses {
                    total: loss.clone(),
                    named: vec![("adversarial", loss)],
                    fakes: vec![fake],
                }
            });
        self.average.second =
            ema::update(self.average.second.clone(), &self.second.network, self.ema);
        if let Some(drawn) = outcome.fakes.pop() {
            outcome.values.extend(self.judge(1, &round, drawn, rate));
        }
        outcome.values
    }
}

/// Pictures of the second half of a batch, each with the next one whose caption has other words; none where all have the
/// same. `words` has a row of so many `columns` for each picture.
fn mismatched(words: &[f32], columns: usize) -> Vec<(usize, usize)> {
    let rows: Vec<&[f32]> = words.chunks(columns.max(1)).collect();
    let count = rows.len();
    let other = |row: usize| {
        let mut after = (1..count).map(|shift| (row + shift) % count);
        after.find(|other| rows[*other] != rows[row])
    };
    (count / 2..count)
        .filter_map(|row| Some((row, other(row)?)))
        .collect()
}

/// Half as wide and high.
fn halved(pictures: Tensor<4>) -> Tensor<4> {
    avg_pool2d(pictures, AvgPoolOptions::new([2, 2]).with_stride([2, 2]))
}

impl Trains for Stackgan {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        self.steps += 1;
        match self.steps <= self.config.first_steps {
            true => self.sketch(batch, rate),
            false => self.enlarge(batch, rate),
        }
    }

    fn parameters(&self) -> usize {
        let generators = self.first.network.num_params() + self.second.network.num_params();
        let critics = self.critics.iter().map(Critic::parameters);
        generators + critics.sum::<usize>()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        save_network(&self.shape, self.average.clone(), folder)
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        self.first.save(folder, "first")?;
        self.second.save(folder, "second")?;
        for (number, critic) in self.critics.iter().enumerate() {
            critic.save(folder, &format!("discriminator-{number}"))?;
        }
        save_average(self.average.clone(), folder)?;
        let progress = (self.steps, Position::of(&self.stream));
        write_json(&folder.join(PROGRESS), &progress)
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.first.load(folder, "first")?;
        self.second.load(folder, "second")?;
        for (number, critic) in self.critics.iter_mut().enumerate() {
            critic.load(folder, &format!("discriminator-{number}"), &self.arena)?;
        }
        self.average = load_average(self.average.clone(), folder)?;
        let (steps, position): (u64, Position) = read_state(folder, PROGRESS)?;
        (self.steps, self.stream) = (steps, position.stream());
        Ok(())
    }
}

impl Learner for Stackgan {
    fn generator(&self) -> Box<dyn Generator> {
        let device = self.arena.device.clone().inner();
        drawer(self.shape.clone(), self.average.clone(), device)
    }
}

const PROGRESS: &str = "progress.json";

impl Draws for Stack {
    type Shape = StackShape;

    fn of_shape(shape: &StackShape, device: &Device) -> Self {
        Stack::new(shape, device)
    }

    fn numbers(shape: &StackShape) -> usize {
        shape.latent + shape.meaning
    }

    fn pictures(&self, numbers: &Tensor<2>, words: &Tensor<2>) -> Tensor<4> {
        self.forward(numbers, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_meet_captions_with_other_words_alone() {
        // The third and the fourth picture have the words of the first.
        let words = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0];
        assert_eq!(mismatched(&words, 2), [(2, 1), (3, 1)]);
        assert_eq!(mismatched(&[1.0; 8], 2), []);
    }

    #[test]
    fn steps_that_are_left_for_the_second_generator_are_asked_for() {
        let config = StackganConfig::default();
        assert!(config.check_steps(2001).is_ok());
        let refused = config.check_steps(2000).unwrap_err();
        assert!(refused.contains("first_steps"), "{refused}");
    }
}
