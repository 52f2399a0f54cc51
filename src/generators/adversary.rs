//! What generators with a discriminator share: their training, and drawing with what it leaves.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use image::{RgbImage, RgbaImage};
use rand::RngExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::guide::{Found, Guide, Search};
use super::kind::{Batch, Generator, Learner, Setting, Trains, normal, rows_of};
use super::mode_seeking::{PAIR, held_apart};
use super::{arena, load_average, load_network, matrix, save_average, save_network};
use crate::artifact::Artifact;
use crate::artifact::files::write_json;
use crate::models::adversarial::{Arena, Losses, Player};
use crate::models::critic::{Critic, Judge};
use crate::models::discriminates::Discriminates;
use crate::models::learner::{Divisible, part_of};
use crate::models::settings::{AdversarialConfig, Shared};
use crate::models::weights::{load_weights, read_state, save_weights};
use crate::nn::batch::to_pictures;
use crate::nn::decoder::with_planes;
use crate::nn::device::Chosen;
use crate::nn::ema;
use crate::nn::norm::NormKind;
use crate::nn::projection_discriminator::{ProjectionDiscriminator, ProjectionShape};
use crate::seed::{Position, Stream};
use crate::stage::LEAVES_DISCRIMINATOR;
use crate::{Error, Result};

/// A network that draws pictures.
pub trait Draws: Module + Sync {
    /// What it is made from.
    type Shape: Serialize + DeserializeOwned + Clone + Send + Sync;

    /// With burn's default weights.
    fn of_shape(shape: &Self::Shape, device: &Device) -> Self;

    /// Numbers that it draws a picture from.
    fn numbers(shape: &Self::Shape) -> usize;

    /// How many of them, the first ones, make the latent vector; the rest is noise of pixels.
    fn latent(shape: &Self::Shape) -> usize {
        Self::numbers(shape)
    }

    /// Pictures `[batch, 3, height, width]`, or volumes, whose slices are the channels, from numbers `[batch, numbers]` and
    /// classes `[batch, classes]`.
    fn pictures(&self, numbers: &Tensor<2>, classes: &Tensor<2>) -> Tensor<4>;

    /// The same, nearer to the mean: 0..1, see [`Generator::draw`].
    fn truncated(&self, numbers: &Tensor<2>, classes: &Tensor<2>, truncation: f64) -> Tensor<4> {
        self.pictures(&(numbers.clone() * truncation), classes)
    }
}

/// A generator and its discriminator in training.
pub struct Adversary<G: Draws, D: Discriminates> {
    shape: G::Shape,
    arena: Arena,
    player: Player<G>,
    average: G,
    critic: Critic<D>,
    /// What its discriminator is made from, if it is worth keeping.
    critic_shape: Option<ProjectionShape>,
    /// Weight of the loss that holds pictures apart.
    mode_seeking: f64,
    ema: f64,
    /// Draws numbers.
    stream: Stream,
}

/// A discriminator in training that sees every fake once: what is drawn is new every time.
pub fn critic<D: Discriminates>(
    network: D,
    config: &AdversarialConfig,
    stream: Stream,
) -> Critic<D> {
    let shared = Shared {
        pool: 0,
        adversarial: config.clone(),
        ..Shared::default()
    };
    Critic::new(network, &shared, stream)
}

/// The streams of a setting, away from those of batches.
pub fn stream_of(setting: &Setting, number: u64) -> Stream {
    setting.seed.stream((1 << 40) + number)
}

impl<G: Draws, D: Discriminates> Adversary<G, D> {
    /// With initialised networks on a device with autodiff; `norm` is that of the generator's layers.
    ///
    /// # Errors
    /// If the operating system gives no threads.
    pub fn new(
        shape: G::Shape,
        norm: NormKind,
        config: &AdversarialConfig,
        setting: &Setting,
        networks: (G, D),
    ) -> Result<Self> {
        let (generator, discriminator) = networks;
        let stream = stream_of(setting, 3);
        let mut arena = arena(norm, config, setting)?;
        if discriminator.compares() {
            arena = arena.with_whole_batches();
        }
        Ok(Adversary {
            shape,
            average: generator.valid(),
            player: Player::new(generator, config),
            critic: critic(discriminator, config, stream),
            critic_shape: None,
            mode_seeking: 0.0,
            ema: setting.ema,
            stream: stream_of(setting, 4),
            arena,
        })
    }

    /// The same, whose pictures of a class are held apart with this weight.
    pub fn mode_seeking(self, weight: f64) -> Self {
        Adversary {
            mode_seeking: weight,
            ..self
        }
    }

    /// The averaged generator, on [`Adversary::device`].
    pub fn average(&self) -> &G {
        &self.average
    }

    /// Numbers that it draws from.
    pub fn numbers(&self) -> usize {
        G::numbers(&self.shape)
    }

    /// Where the averaged generator draws, without autodiff.
    pub fn device(&self) -> Device {
        self.arena.device.clone().inner()
    }
}

impl<G: Draws> Adversary<G, ProjectionDiscriminator> {
    /// The same, which keeps its discriminator, made from this shape, for recognisers to begin with.
    pub fn keeping(self, shape: ProjectionShape) -> Self {
        Adversary {
            critic_shape: Some(shape),
            ..self
        }
    }
}

/// A batch with what its fakes are drawn from.
struct Round {
    numbers: Tensor<2>,
    classes: Tensor<2>,
    real: Tensor<4>,
    /// What the discriminator reads beside the fakes, if it does.
    noise: Option<Tensor<4>>,
    /// Numbers of a latent vector.
    latent: usize,
    /// Pictures that are compared with each other.
    together: usize,
}

impl Divisible for Round {
    fn count(&self) -> usize {
        self.real.dims()[0]
    }

    fn together(&self) -> usize {
        self.together
    }

    fn part(&self, range: Range<usize>, device: &Device) -> Self {
        Round {
            numbers: rows_of(&self.numbers, &range, device),
            classes: rows_of(&self.classes, &range, device),
            real: part_of(&self.real, &range, device),
            noise: self
                .noise
                .as_ref()
                .map(|noise| part_of(noise, &range, device)),
            latent: self.latent,
            together: self.together,
        }
    }
}

/// Noise in −1..1 in so many planes for each of these pictures.
fn noise_for(pictures: &Tensor<4>, planes: usize, stream: &mut Stream) -> Option<Tensor<4>> {
    let [batch, _, height, width] = pictures.dims();
    (planes > 0).then(|| {
        let count = batch * planes * height * width;
        let values: Vec<f32> = (0..count).map(|_| stream.random_range(-1.0..1.0)).collect();
        let shape = [batch, planes, height, width];
        Tensor::from_data(TensorData::new(values, shape), &pictures.device())
    })
}

/// Pictures with their noise, if there is any, and a plane of their class, as
/// [`crate::nn::projection_discriminator`] reads it.
fn with_class(pictures: Tensor<4>, noise: Option<Tensor<4>>, classes: &Tensor<2>) -> Tensor<4> {
    let pictures = match noise {
        None => pictures,
        Some(noise) => Tensor::cat(vec![pictures, noise], 1),
    };
    let [_, count] = classes.dims();
    let number = |class: usize| classes.clone().narrow(1, class, 1) * (class + 1) as f32;
    let sum = (1..count).fold(number(0), |sum, class| sum + number(class));
    with_planes(pictures, &sum)
}

fn losses<G: Draws, D: Discriminates>(
    judge: &Judge<D>,
    network: &G,
    round: &Round,
    weight: f64,
) -> Losses {
    let drawn = network.pictures(&round.numbers, &round.classes);
    let fake = with_class(drawn.clone(), round.noise.clone(), &round.classes);
    let loss = judge.loss(&round.real, fake.clone());
    let losses = Losses {
        total: loss.clone(),
        named: vec![("adversarial", loss)],
        fakes: vec![fake],
    };
    let draw = |numbers: &Tensor<2>| network.pictures(numbers, &round.classes);
    held_apart(losses, weight, drawn, (&round.numbers, round.latent), draw)
}

impl<G: Draws + 'static, D: Discriminates + 'static> Trains for Adversary<G, D> {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let (count, numbers) = (batch.count(), self.numbers());
        let rows: Vec<Vec<f32>> = (0..count)
            .map(|_| normal(numbers, &mut self.stream))
            .collect();
        let (arena, critic, weight) = (&self.arena, &mut self.critic, self.mode_seeking);
        let (pictures, classes) = (&batch.pictures, &batch.conditions);
        let [.., height, width] = pictures.dims();
        let planes = critic.network().noise_planes(height * width);
        let mut noise = || noise_for(pictures, planes, &mut self.stream);
        let round = Round {
            numbers: matrix(&rows, &pictures.device()),
            classes: classes.clone(),
            noise: noise(),
            real: with_class(pictures.clone(), noise(), classes),
            latent: G::latent(&self.shape),
            together: if weight > 0.0 { PAIR } else { 1 },
        };
        let pace = critic.generator_pace(arena);
        let mut outcome = self
            .player
            .learn(arena, &round, rate * pace, |network, round| {
                losses(&critic.judge(arena), network, round, weight)
            });
        self.average = ema::update(self.average.clone(), &self.player.network, self.ema);
        if let Some(fake) = outcome.fakes.pop() {
            outcome
                .values
                .extend(critic.learn(arena, round.real, fake, rate));
        }
        outcome.values
    }

    fn parameters(&self) -> usize {
        self.player.network.num_params() + self.critic.parameters()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        save_network(&self.shape, self.average.clone(), folder)?;
        if let Some(shape) = &self.critic_shape {
            write_json(&folder.join(CRITIC[0]), shape)?;
            save_weights(self.critic.network().valid(), &folder.join(CRITIC[1]))?;
        }
        Ok(())
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        self.player.save(folder, "generator")?;
        self.critic.save(folder, "discriminator")?;
        save_average(self.average.clone(), folder)?;
        write_json(&folder.join(STREAM), &Position::of(&self.stream))
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.player.load(folder, "generator")?;
        self.critic.load(folder, "discriminator", &self.arena)?;
        self.average = load_average(self.average.clone(), folder)?;
        let position: Position = read_state(folder, STREAM)?;
        self.stream = position.stream();
        Ok(())
    }
}

impl<G: Draws + 'static, D: Discriminates + 'static> Learner for Adversary<G, D> {
    fn generator(&self) -> Box<dyn Generator> {
        drawer(self.shape.clone(), self.average.clone(), self.device())
    }
}

/// The files of a discriminator.
const CRITIC: [&str; 2] = ["discriminator.json", "discriminator.bpk"];

/// The discriminator that the training of a generator left, on a device with autodiff, for other networks to begin with,
/// and its shape.
///
/// # Errors
/// If it left none, or its files hold something else.
pub fn discriminator_of(
    generator: &Artifact,
    device: &Chosen,
) -> Result<(ProjectionShape, ProjectionDiscriminator)> {
    let folder = &generator.folder;
    if !folder.join(CRITIC[0]).exists() {
        return Err(Error::failed(
            folder.display(),
            "holds no discriminator that another network could begin with",
            LEAVES_DISCRIMINATOR,
        ));
    }
    let shape: ProjectionShape = read_state(folder, CRITIC[0])?;
    let network = ProjectionDiscriminator::new(&shape, &device.device.clone().autodiff());
    let network = load_weights(network, &folder.join(CRITIC[1]))?;
    Ok((shape, network))
}

const STREAM: &str = "stream.json";

/// A trained network that draws.
struct Drawer<G: Draws> {
    network: G,
    shape: G::Shape,
    device: Device,
}

impl<G: Draws> Generator for Drawer<G> {
    fn numbers(&self) -> usize {
        G::numbers(&self.shape)
    }

    fn draw(
        &self,
        conditions: &[Vec<f32>],
        numbers: &[Vec<f32>],
        truncation: f64,
        _: &mut [Stream],
    ) -> Vec<RgbImage> {
        if conditions.is_empty() {
            return Vec::new();
        }
        let classes = matrix(conditions, &self.device);
        let numbers = matrix(numbers, &self.device);
        to_pictures(self.network.truncated(&numbers, &classes, truncation))
    }

    fn follow(
        &self,
        strokes: &RgbaImage,
        condition: &[f32],
        search: Search,
        stream: &mut Stream,
    ) -> Option<Found> {
        let guide = Guide::new(strokes, &self.device);
        let count = G::numbers(&self.shape);
        Some(guide.follow(&self.network, condition, count, search, stream))
    }
}

/// Loads what [`Trains::save`] of an [`Adversary`], or of another model that draws by such a network, wrote.
///
/// # Errors
/// If the folder holds no such network.
pub fn load<G: Draws + 'static>(folder: &Path, device: &Chosen) -> Result<Box<dyn Generator>> {
    let device = device.device.clone();
    let (shape, network) = load_network(folder, |shape| G::of_shape(shape, &device))?;
    Ok(drawer::<G>(shape, network, device))
}

/// Draws with a network on its device, which has no autodiff.
pub fn drawer<G: Draws + 'static>(
    shape: G::Shape,
    network: G,
    device: Device,
) -> Box<dyn Generator> {
    Box::new(Drawer {
        network,
        shape,
        device,
    })
}
