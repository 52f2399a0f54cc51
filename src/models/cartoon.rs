//! CartoonGAN: renders become drawings, whose edges are clear.
//! Chen, Lai and Liu, CartoonGAN: Generative Adversarial Networks for Photo Cartoonization, CVPR 2018.
//!
//! Key idea: the discriminator also sees the drawings with their edges smoothed, as fakes, and so learns that clear
//! edges make a drawing, which cover too few pixels to be noticed otherwise. A content loss holds the translation to
//! its render, in features that leave the style free. The generator first learns to reproduce the content alone.
//! Deviations: features of the task network, which learned from the renders, in place of VGG; without a task network
//! the pixels. Edges are where the brightness has a gradient, not those of Canny's detector. The drawings count
//! twice in the discriminator's step, once against each kind of fake; averaged weights (EMA) translate.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adversarial::{Arena, Losses, Player};
use super::critic::{Critic, Judge};
use super::kind::{self, LabelEffect, Model, ModelKind};
use super::label_safety::{LabelSafety, frozen, perceptual};
use super::learner::{Batch, Learner, Passes, Setting};
use super::settings::{Shared, check_weights};
use super::task_network::Layers;
use super::translator::{Chain, Translator, load_translator, save_generator};
use super::weights::{load_weights, save_weights};
use crate::Result;
use crate::artifact::files::{read_json, write_json};
use crate::nn::edges::smooth_edges;
use crate::nn::ema;
use crate::nn::generator::Generator;
use crate::nn::init::{Init, initialise};
use crate::nn::losses::l1;

/// The registry entry.
pub const MODEL: ModelKind = ModelKind {
    name: "cartoon",
    about: "drawings or paintings as the photos: clear edges, free colours, the content of the render",
    labels: LabelEffect::Kept,
    maps: &[],
    parse: kind::parse::<CartoonConfig>,
    schema: kind::schema::<CartoonConfig>,
    load: load_translator,
};

/// Configuration of CartoonGAN.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CartoonConfig {
    /// Weight of the change of what the task network sees, relative to the render; without a task network, of the
    /// mean absolute change of the pixels.
    pub content: f64,
    /// Steps at the beginning that learn from the content alone.
    pub warm_up: u64,
}

impl Default for CartoonConfig {
    fn default() -> Self {
        CartoonConfig {
            content: 2.0,
            warm_up: 100,
        }
    }
}

impl Model for CartoonConfig {
    fn check(&self) -> Result<(), String> {
        check_weights([("content", self.content)])
    }

    fn against_collapse(&self) -> &'static str {
        "raise `cartoon.content`"
    }

    fn against_inversion(&self) -> &'static str {
        "raise `cartoon.content`, keep `generator.residual` true"
    }

    fn create(&self, shared: &Shared, setting: Setting) -> Result<Box<dyn Learner>> {
        Ok(Box::new(CartoonGan::new(self, shared, setting)?))
    }
}

/// A CartoonGAN in training.
struct CartoonGan {
    config: CartoonConfig,
    shared: Shared,
    arena: Arena,
    generator: Player<Generator>,
    critic: Critic,
    average: Generator,
    safety: LabelSafety,
    /// Frozen.
    task: Option<Layers>,
    /// Steps so far.
    steps: u64,
}

impl CartoonGan {
    fn new(config: &CartoonConfig, shared: &Shared, setting: Setting) -> Result<Self> {
        let arena = Arena::new(shared, &setting)?;
        let device = &arena.device;
        let stream = |number: u64| setting.seed.stream((1 << 40) + number);
        let init = Init::Normal(0.02);
        let generator = shared.generator.init(device);
        let generator = initialise(generator, init, &mut stream(0), 1);
        let critic = shared.discriminator.init(setting.extent, device);
        let critic = initialise(critic, init, &mut stream(1), 1 << 20);
        Ok(CartoonGan {
            average: generator.valid(),
            generator: Player::new(generator, &shared.adversarial),
            critic: Critic::new(critic, shared, stream(2)),
            safety: LabelSafety::new(&shared.label_safety, &setting)?,
            task: setting.task.map(|task| frozen(&task.layers, device)),
            config: config.clone(),
            shared: shared.clone(),
            steps: 0,
            arena,
        })
    }
}

/// What the generator minimises on one shard; without a judge, the change of the content alone.
fn losses(
    config: &CartoonConfig,
    judge: Option<&Judge>,
    task: Option<&Layers>,
    generator: &Generator,
    batch: &Batch,
) -> Losses {
    let drawn = generator.forward(batch.renders.clone());
    let content = match task {
        Some(task) => perceptual(
            &task.forward(batch.renders.clone()),
            &task.forward(drawn.clone()),
        ),
        None => l1(drawn.clone(), batch.renders.clone()),
    };
    let weighted = content.clone() * config.content;
    let mut losses = Losses {
        total: weighted.clone(),
        named: vec![("content", content)],
        fakes: vec![drawn.clone()],
    };
    if let Some(judge) = judge {
        let adversarial = judge.loss(&batch.photos, drawn);
        losses.total = weighted + adversarial.clone();
        losses.named.push(("adversarial", adversarial));
    }
    losses
}

impl Learner for CartoonGan {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let competes = self.steps >= self.config.warm_up;
        self.steps += 1;
        let (arena, critic) = (&self.arena, &mut self.critic);
        let pace = critic.generator_pace(arena);
        let mut outcome = self
            .generator
            .learn(arena, batch, rate * pace, |generator, batch| {
                let judge = competes.then(|| critic.judge(arena));
                let task = self.task.as_ref();
                let losses = losses(&self.config, judge.as_ref(), task, generator, batch);
                self.safety.guard(batch, losses)
            });
        let average = self.average.clone();
        self.average = ema::update(average, &self.generator.network, self.shared.ema);
        if let (true, Some(drawn)) = (competes, outcome.fakes.pop()) {
            let photos = batch.photos.clone();
            let fakes = Tensor::cat(vec![drawn, smooth_edges(&photos)], 0);
            let real = Tensor::cat(vec![photos.clone(), photos], 0);
            let (loss, accuracy) = critic.learn(arena, real, fakes, rate);
            outcome.values.insert("discriminator".into(), loss);
            outcome.values.insert("accuracy".into(), accuracy);
        }
        outcome.values
    }

    fn translator(&self) -> Box<dyn Translator> {
        let device = self.arena.device.clone().inner();
        Box::new(Chain::new(vec![self.average.clone()], device))
    }

    fn passes(&self) -> Passes {
        Passes {
            generator: 1,
            critic: 2,
        }
    }

    fn parameters(&self) -> usize {
        self.generator.network.num_params() + self.critic.parameters()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        save_generator(&self.shared.generator, &self.average, folder)
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        save_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.generator.save(folder, "generator")?;
        self.critic.save(folder, "critic")?;
        write_json(&folder.join("steps.json"), &self.steps)
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.average = load_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.generator.load(folder, "generator")?;
        self.critic.load(folder, "critic", &self.arena)?;
        self.steps = read_json(
            &folder.join("steps.json"),
            "remove the folder and train again",
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::{batch, count_gradients, setting, shared};

    fn model(config: &CartoonConfig) -> CartoonGan {
        setting(|setting| CartoonGan::new(config, &shared(), setting).unwrap())
    }

    #[test]
    fn gradients_arrive_at_the_generator_with_and_without_a_judge() {
        let model = model(&CartoonConfig::default());
        let judge = model.critic.judge(&model.arena);
        for judge in [Some(&judge), None] {
            let generator = model.generator.network.clone();
            let losses = losses(&model.config, judge, None, &generator, &batch());
            let (arrived, all) = count_gradients(losses.total, &generator);
            assert_eq!(arrived, all);
        }
    }

    #[test]
    fn the_discriminator_learns_once_the_generator_has_warmed_up() {
        let mut model = model(&CartoonConfig {
            warm_up: 2,
            ..CartoonConfig::default()
        });
        let judged = [0, 1, 2].map(|_| model.step(&batch(), 1e-3).contains_key("discriminator"));
        assert_eq!(judged, [false, false, true]);
    }
}
