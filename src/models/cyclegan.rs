//! CycleGAN: unpaired translation between renders and photos.
//! Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
//! 2017. <https://arxiv.org/abs/1703.10593>
//!
//! Key idea: two generators, each the other's inverse, against two patch discriminators.
//! Deviations: the averaged weights (EMA) of the render-to-photo generator translate; on the CPU a
//! batch is split into one shard a thread, whose gradients are added up, which is the same sum.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversarial::{Arena, Losses, Player};
use super::critic::{Critic, Judge};
use super::kind::{self, LabelEffect, Model, ModelKind};
use super::label_safety::LabelSafety;
use super::learner::{Batch, Learner, Passes, Setting};
use super::settings::{Shared, check_weights};
use super::translator::{Chain, Translator, load_translator, save_generator};
use super::weights::{load_weights, read_state, save_weights};
use crate::Result;
use crate::artifact::files::write_json;
use crate::nn::ema;
use crate::nn::generator::Generator;
use crate::nn::init::{Init, initialise};
use crate::nn::losses::l1;

/// The registry entry.
pub const MODEL: ModelKind = ModelKind {
    name: "cyclegan",
    about: "unpaired translation by two generators that invert each other",
    labels: LabelEffect::Kept,
    maps: &[],
    parse: kind::parse::<CycleGanConfig>,
    schema: kind::schema::<CycleGanConfig>,
    load: load_translator,
};

/// Configuration of a CycleGAN.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CycleGanConfig {
    /// Weight of the cycle-consistency loss.
    pub cycle: f64,
    /// Weight of the identity loss: a photo given to the render-to-photo generator stays as it is.
    pub identity: f64,
    /// Steps in which that weight falls in a line to 0: a start from the identity that does not hold the generator
    /// there; 0 keeps the weight.
    pub identity_steps: u64,
}

impl Default for CycleGanConfig {
    fn default() -> Self {
        CycleGanConfig {
            cycle: 10.0,
            identity: 5.0,
            identity_steps: 0,
        }
    }
}

impl Model for CycleGanConfig {
    fn check(&self) -> Result<(), String> {
        check_weights([("cycle", self.cycle), ("identity", self.identity)])
    }

    fn against_collapse(&self) -> &'static str {
        "raise `cyclegan.cycle` or `cyclegan.identity`"
    }

    fn against_inversion(&self) -> &'static str {
        "raise `cyclegan.identity`, keep `generator.residual` true"
    }

    fn create(&self, shared: &Shared, setting: Setting) -> Result<Box<dyn Learner>> {
        Ok(Box::new(CycleGan::new(self, shared, setting)?))
    }
}

/// Both generators, in one module so that one set of gradients serves both.
#[derive(Module, Debug)]
struct Generators {
    to_photo: Generator,
    to_render: Generator,
}

/// A CycleGAN in training.
struct CycleGan {
    config: CycleGanConfig,
    shared: Shared,
    arena: Arena,
    generators: Player<Generators>,
    photo_critic: Critic,
    render_critic: Critic,
    average: Generator,
    safety: LabelSafety,
    /// Steps so far.
    steps: u64,
}

impl CycleGan {
    fn new(config: &CycleGanConfig, shared: &Shared, setting: Setting) -> Result<Self> {
        let arena = Arena::new(shared, &setting)?;
        let device = &arena.device;
        let stream = |number: u64| setting.seed.stream((1 << 40) + number);
        let init = Init::Normal(0.02);
        let generators = Generators {
            to_photo: shared.generator.init(device),
            to_render: shared.generator.init(device),
        };
        let generators = initialise(generators, init, &mut stream(0), 1);
        let mut weights = stream(1);
        let mut critic = |first_id, pool| {
            let network = shared.discriminator.init(setting.extent, device);
            let network = initialise(network, init, &mut weights, first_id);
            Critic::new(network, shared, stream(pool))
        };
        Ok(CycleGan {
            photo_critic: critic(1 << 20, 2),
            render_critic: critic(1 << 21, 3),
            average: generators.to_photo.valid(),
            generators: Player::new(generators, &shared.adversarial),
            safety: LabelSafety::new(&shared.label_safety, &setting)?,
            config: config.clone(),
            shared: shared.clone(),
            steps: 0,
            arena,
        })
    }
}

impl CycleGanConfig {
    /// The weights of a step, counted from 0.
    fn at(&self, step: u64) -> CycleGanConfig {
        let left = match self.identity_steps {
            0 => 1.0,
            steps => 1.0 - (step as f64 / steps as f64).min(1.0),
        };
        CycleGanConfig {
            identity: self.identity * left,
            ..self.clone()
        }
    }
}

impl CycleGan {
    fn chain(&self, networks: Vec<Generator>) -> Chain {
        Chain::new(networks, self.arena.device.clone().inner())
    }
}

/// What both generators minimise on one shard, judged by the photos' and the renders' critic.
fn losses(
    config: &CycleGanConfig,
    [photo_judge, render_judge]: [Judge; 2],
    generators: &Generators,
    batch: &Batch,
) -> Losses {
    let (renders, photos) = (batch.renders.clone(), batch.photos.clone());
    let count = batch.classes.len();

    // A generator sees both domains in one pass: one to translate, one to leave as it is.
    let halves = |generator: &Generator, other: &Tensor<4>, own: &Tensor<4>| {
        let both = generator.forward(Tensor::cat(vec![other.clone(), own.clone()], 0));
        let parts = both.split(count, 0);
        (parts[0].clone(), parts[1].clone())
    };
    let (fake_photos, same_photos) = halves(&generators.to_photo, &renders, &photos);
    let (fake_renders, same_renders) = halves(&generators.to_render, &photos, &renders);
    let back_renders = generators.to_render.forward(fake_photos.clone());
    let back_photos = generators.to_photo.forward(fake_renders.clone());

    let adversarial = photo_judge.loss(&photos, fake_photos.clone())
        + render_judge.loss(&renders, fake_renders.clone());
    let cycle = l1(back_renders, renders.clone()) + l1(back_photos, photos.clone());
    let identity = l1(same_photos, photos) + l1(same_renders, renders);
    let total = adversarial.clone()
        + cycle.clone().mul_scalar(config.cycle)
        + identity.clone().mul_scalar(config.identity);
    Losses {
        total,
        named: vec![
            ("adversarial", adversarial),
            ("cycle", cycle),
            ("identity", identity),
        ],
        fakes: vec![fake_photos, fake_renders],
    }
}

impl Learner for CycleGan {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let arena = &self.arena;
        let critics = [&self.photo_critic, &self.render_critic];
        let paces = critics.map(|critic| critic.generator_pace(arena));
        let pace = f64::min(paces[0], paces[1]);
        let config = self.config.at(self.steps);
        self.steps += 1;
        let mut outcome = self
            .generators
            .learn(arena, batch, rate * pace, |generators, batch| {
                let judges = critics.map(|critic| critic.judge(arena));
                let losses = losses(&config, judges, generators, batch);
                self.safety.guard(batch, losses)
            });
        let average = self.average.clone();
        let live = &self.generators.network.to_photo;
        self.average = ema::update(average, live, self.shared.ema);

        let mut fakes = outcome.fakes.into_iter();
        let pairs = [
            (&mut self.photo_critic, &batch.photos),
            (&mut self.render_critic, &batch.renders),
        ];
        for ((critic, real), fake) in pairs.into_iter().zip(&mut fakes) {
            let [(_, loss), (_, accuracy)] = critic.learn(arena, real.clone(), fake, rate);
            *outcome.values.entry("discriminator".into()).or_default() += loss;
            *outcome.values.entry("accuracy".into()).or_default() += 0.5 * accuracy;
        }
        outcome.values
    }

    fn translator(&self) -> Box<dyn Translator> {
        Box::new(self.chain(vec![self.average.clone()]))
    }

    fn round_trip(&self) -> Option<Box<dyn Translator>> {
        let back = self.generators.network.to_render.valid();
        Some(Box::new(self.chain(vec![self.average.clone(), back])))
    }

    fn passes(&self) -> Passes {
        Passes {
            generator: 6,
            critic: 2,
        }
    }

    fn parameters(&self) -> usize {
        self.generators.network.num_params()
            + self.photo_critic.parameters()
            + self.render_critic.parameters()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        save_generator(&self.shared.generator, &self.average, folder)
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        save_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.generators.save(folder, "generators")?;
        self.photo_critic.save(folder, "photo-critic")?;
        self.render_critic.save(folder, "render-critic")?;
        write_json(&folder.join("steps.json"), &self.steps)
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.average = load_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.generators.load(folder, "generators")?;
        self.photo_critic
            .load(folder, "photo-critic", &self.arena)?;
        self.render_critic
            .load(folder, "render-critic", &self.arena)?;
        self.steps = read_state(folder, "steps.json")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::{batch, count_gradients, setting, shared};

    #[test]
    fn gradients_arrive_at_every_network_of_their_step() {
        let config = CycleGanConfig::default();
        let model = setting(|setting| CycleGan::new(&config, &shared(), setting).unwrap());
        let generators = model.generators.network.clone();
        let critics = [&model.photo_critic, &model.render_critic];
        let judges = critics.map(|critic| critic.judge(&model.arena));
        let losses = losses(&model.config, judges, &generators, &batch());
        let (arrived, all) = count_gradients(losses.total, &generators);
        assert_eq!(arrived, all);
    }

    #[test]
    fn the_identity_loss_fades() {
        let config = CycleGanConfig {
            identity: 4.0,
            identity_steps: 10,
            ..CycleGanConfig::default()
        };
        let weights = [0, 5, 10, 11].map(|step| config.at(step).identity);
        assert_eq!(weights, [4.0, 2.0, 0.0, 0.0]);
        assert_eq!(CycleGanConfig::default().at(10_000).identity, 5.0);
    }
}
