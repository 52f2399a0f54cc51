//! CartoonGAN: gives pictures the flat colours and clear edges of cartoons, or the look of any other folder of art.
//! Chen, Lai and Liu, CartoonGAN: Generative Adversarial Networks for Photo Cartoonization, 2018.
//! <https://openaccess.thecvf.com/content_cvpr_2018/html/Chen_CartoonGAN_Generative_Adversarial_CVPR_2018_paper.html>
//!
//! Key idea: the discriminator also counts cartoons with blurred edges as fakes, so that the generator must draw clear
//! ones ([`crate::nn::smoothing`]); a loss over the features of a network, which cares little about style, keeps the
//! content; the first steps train with this loss alone.
//! Deviations: the task network in place of VGG, or the pixels without one; both kinds of fakes together weigh as much
//! as the cartoons; the shared generator, which starts as the identity, and patch discriminator; averaged weights (EMA)
//! translate.

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
use super::weights::{load_weights, read_state, save_weights};
use crate::Result;
use crate::artifact::files::write_json;
use crate::nn::ema;
use crate::nn::generator::Generator;
use crate::nn::init::{Init, initialise};
use crate::nn::losses::l1;
use crate::nn::smoothing::with_blurred_edges;

/// The registry entry.
pub const MODEL: ModelKind = ModelKind {
    name: "cartoon",
    about: "flat colours and clear edges, as in a folder of cartoons or paintings",
    labels: LabelEffect::Kept,
    maps: &[],
    parse: kind::parse::<CartoonConfig>,
    schema: kind::schema::<CartoonConfig>,
    load: load_translator,
};

/// Configuration of `cartoon`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CartoonConfig {
    /// Weight of the change of what the task network sees, relative to the render; without a task network, of the
    /// mean absolute change of the pixels.
    pub content: f64,
    /// Steps in which only the content counts, before the discriminator joins.
    pub pretrain: u64,
}

impl Default for CartoonConfig {
    fn default() -> Self {
        CartoonConfig {
            content: 2.0,
            pretrain: 50,
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
        Ok(Box::new(Cartoon::new(self, shared, setting)?))
    }
}

/// A CartoonGAN in training.
struct Cartoon {
    config: CartoonConfig,
    shared: Shared,
    arena: Arena,
    generator: Player<Generator>,
    critic: Critic,
    average: Generator,
    safety: LabelSafety,
    /// Frozen.
    task: Option<Layers>,
    /// Steps taken.
    steps: u64,
}

impl Cartoon {
    fn new(config: &CartoonConfig, shared: &Shared, setting: Setting) -> Result<Self> {
        let arena = Arena::new(shared, &setting)?;
        let device = &arena.device;
        let stream = |number: u64| setting.seed.stream((1 << 40) + number);
        let init = Init::Normal(0.02);
        let generator = initialise(shared.generator.init(device), init, &mut stream(0), 1);
        let critic = shared.discriminator.init(setting.extent, device);
        let critic = initialise(critic, init, &mut stream(1), 1 << 20);
        Ok(Cartoon {
            average: generator.valid(),
            generator: Player::new(generator, &shared.adversarial),
            critic: Critic::new(critic, shared, stream(2)),
            safety: LabelSafety::new(&shared.label_safety, &setting)?,
            task: setting.task.map(|task| frozen(&task.layers, device)),
            config: config.clone(),
            shared: shared.clone(),
            arena,
            steps: 0,
        })
    }
}

/// What the generator minimises on one shard: the content alone while there is nothing that judges.
fn losses(
    config: &CartoonConfig,
    (judge, task): (Option<&Judge>, Option<&Layers>),
    generator: &Generator,
    batch: &Batch,
) -> Losses {
    let renders = &batch.renders;
    let drawn = generator.forward(renders.clone());
    let content = match task {
        Some(task) => perceptual(&task.forward(renders.clone()), &task.forward(drawn.clone())),
        None => l1(drawn.clone(), renders.clone()),
    };
    let mut total = content.clone() * config.content;
    let mut named = vec![("content", content)];
    if let Some(judge) = judge {
        let adversarial = judge.loss(&batch.photos, drawn.clone());
        total = total + adversarial.clone();
        named.push(("adversarial", adversarial));
    }
    Losses {
        total,
        named,
        fakes: vec![drawn],
    }
}

impl Learner for Cartoon {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let (arena, critic) = (&self.arena, &mut self.critic);
        let plays = self.steps >= self.config.pretrain;
        let pace = match plays {
            true => critic.generator_pace(arena),
            false => 1.0,
        };
        let mut outcome = self
            .generator
            .learn(arena, batch, rate * pace, |generator, batch| {
                let judge = plays.then(|| critic.judge(arena));
                let others = (judge.as_ref(), self.task.as_ref());
                let losses = losses(&self.config, others, generator, batch);
                self.safety.guard(batch, losses)
            });
        self.steps += 1;
        let average = self.average.clone();
        self.average = ema::update(average, &self.generator.network, self.shared.ema);
        if let Some(drawn) = outcome.fakes.pop().filter(|_| plays) {
            let cartoons = &batch.photos;
            // Every cartoon stands against a drawn picture and against one with blurred edges.
            let real = Tensor::cat(vec![cartoons.clone(); 2], 0);
            let fake = Tensor::cat(vec![drawn, with_blurred_edges(cartoons.clone())], 0);
            outcome.values.extend(critic.learn(arena, real, fake, rate));
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
        write_json(&folder.join("steps.json"), &self.steps)?;
        save_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.generator.save(folder, "generator")?;
        self.critic.save(folder, "critic")
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.steps = read_state(folder, "steps.json")?;
        self.average = load_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.generator.load(folder, "generator")?;
        self.critic.load(folder, "critic", &self.arena)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::{batch, count_gradients, saved, setting, shared};

    fn model(pretrain: u64) -> Cartoon {
        let config = CartoonConfig {
            pretrain,
            ..CartoonConfig::default()
        };
        setting(|setting| Cartoon::new(&config, &shared(), setting).unwrap())
    }

    #[test]
    fn gradients_arrive_at_the_whole_generator_and_at_nothing_that_judges() {
        let model = model(0);
        let generator = model.generator.network.clone();
        let judge = model.critic.judge(&model.arena);
        for judge in [None, Some(&judge)] {
            let losses = losses(&model.config, (judge, None), &generator, &batch());
            let (arrived, all) = count_gradients(losses.total, &generator);
            assert_eq!(arrived, all);
        }
        let losses = losses(&model.config, (Some(&judge), None), &generator, &batch());
        assert_eq!(count_gradients(losses.total, judge.network()).0, 0);
    }

    #[test]
    fn the_discriminator_joins_after_the_pretraining_and_a_loaded_state_goes_on() {
        let (mut whole, mut first) = (model(1), model(1));
        for model in [&mut whole, &mut first] {
            let values = model.step(&batch(), 1e-3);
            assert_eq!(values.keys().collect::<Vec<_>>(), ["content"]);
        }
        let folder = tempfile::tempdir().unwrap();
        first.save_state(folder.path()).unwrap();
        let mut second = model(1);
        second.load_state(folder.path()).unwrap();
        let values = whole.step(&batch(), 1e-3);
        assert!(values.contains_key("discriminator"));
        assert_eq!(values, second.step(&batch(), 1e-3));
        assert_eq!(saved(&whole), saved(&second));
    }

    #[test]
    fn the_content_loss_keeps_the_render() {
        let change = |content: f64| {
            let config = CartoonConfig {
                content,
                pretrain: 0,
            };
            let mut model = setting(|setting| Cartoon::new(&config, &shared(), setting).unwrap());
            for _ in 0..8 {
                model.step(&batch(), 3e-3);
            }
            let drawn = model.generator.network.valid().forward(batch().renders);
            l1(drawn, batch().renders).into_scalar::<f32>()
        };
        let (free, held) = (change(0.0), change(100.0));
        assert!(held < 0.6 * free, "{held}, {free}");
    }
}
