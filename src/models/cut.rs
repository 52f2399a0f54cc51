//! CUT and FastCUT: one-sided unpaired translation that keeps the content of every patch.
//! Park et al., Contrastive Learning for Unpaired Image-to-Image Translation, 2020.
//! <https://arxiv.org/abs/2007.15651>
//!
//! Key idea (PatchNCE): among the generator's own features of the render, those of a patch of the
//! translation must resemble the same patch's more than any other's. No way back has to be learned.
//! CUT asks the same of photos, which must stay as they are; FastCUT does not, weighs the loss more,
//! and mirrors half of the renders on their way through the generator.
//! Deviations: features of the render carry no gradient at all; the positions of patches are drawn
//! once a step for the whole batch; the averaged weights (EMA) translate.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::RngExt;
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
use crate::nn::patch_nce::{PatchHead, patch_nce};
use crate::sample::Extent;
use crate::seed::{Position, Stream};

/// The registry entry of CUT.
pub const MODEL: ModelKind = ModelKind {
    name: "cut",
    about: "one-sided translation in which every patch keeps its content",
    labels: LabelEffect::Kept,
    maps: &[],
    parse: kind::parse::<CutConfig>,
    schema: kind::schema::<CutConfig>,
    load: load_translator,
};

/// The registry entry of FastCUT.
pub const FAST: ModelKind = ModelKind {
    name: "fastcut",
    about: "CUT without its identity loss: faster, closer to the render's content",
    labels: LabelEffect::Kept,
    maps: &[],
    parse: kind::parse::<FastCutConfig>,
    schema: kind::schema::<FastCutConfig>,
    load: load_translator,
};

/// Configuration of CUT.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CutConfig {
    /// Weight of the contrastive loss between render and translation.
    pub nce: f64,
    /// Weight of the contrastive loss between a photo and what becomes of it; 0 for none.
    pub identity: f64,
    /// Patches compared at each depth, at most.
    pub patches: usize,
    /// Channels of the space in which patches are compared.
    pub channels: usize,
    /// Temperature of the comparison: small ones ask for a clear winner.
    pub temperature: f64,
}

/// Configuration of FastCUT.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FastCutConfig {
    /// Weight of the contrastive loss between render and translation.
    pub nce: f64,
    /// Mirror half of the renders for the generator, and its features back for the comparison.
    pub flip: bool,
    /// Patches compared at each depth, at most.
    pub patches: usize,
    /// Channels of the space in which patches are compared.
    pub channels: usize,
    /// Temperature of the comparison: small ones ask for a clear winner.
    pub temperature: f64,
}

impl Default for CutConfig {
    fn default() -> Self {
        CutConfig {
            nce: 0.5,
            identity: 0.5,
            patches: 256,
            channels: 64,
            temperature: 0.07,
        }
    }
}

impl Default for FastCutConfig {
    fn default() -> Self {
        FastCutConfig {
            nce: 10.0,
            flip: true,
            patches: 256,
            channels: 64,
            temperature: 0.07,
        }
    }
}

impl Model for CutConfig {
    fn check(&self) -> Result<(), String> {
        check_weights([("identity", self.identity)])?;
        Way::of_cut(self).check()
    }

    fn against_collapse(&self) -> &'static str {
        "raise `cut.nce` or `cut.identity`"
    }

    fn against_inversion(&self) -> &'static str {
        "raise `cut.identity`, keep `generator.residual` true"
    }

    fn create(&self, shared: &Shared, setting: Setting) -> Result<Box<dyn Learner>> {
        Ok(Box::new(Cut::new(Way::of_cut(self), shared, setting)?))
    }
}

impl Model for FastCutConfig {
    fn check(&self) -> Result<(), String> {
        Way::of_fast(self).check()
    }

    fn against_collapse(&self) -> &'static str {
        "raise `fastcut.nce`"
    }

    fn against_inversion(&self) -> &'static str {
        "raise `fastcut.nce`, keep `generator.residual` true"
    }

    fn create(&self, shared: &Shared, setting: Setting) -> Result<Box<dyn Learner>> {
        Ok(Box::new(Cut::new(Way::of_fast(self), shared, setting)?))
    }
}

/// The settings of both, where FastCUT has no identity loss and CUT mirrors nothing.
#[derive(Debug, Clone, Copy)]
struct Way {
    nce: f64,
    identity: f64,
    flip: bool,
    patches: usize,
    channels: usize,
    temperature: f64,
}

impl Way {
    fn of_cut(config: &CutConfig) -> Way {
        Way {
            nce: config.nce,
            identity: config.identity,
            flip: false,
            patches: config.patches,
            channels: config.channels,
            temperature: config.temperature,
        }
    }

    fn of_fast(config: &FastCutConfig) -> Way {
        Way {
            nce: config.nce,
            identity: 0.0,
            flip: config.flip,
            patches: config.patches,
            channels: config.channels,
            temperature: config.temperature,
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.patches < 2 || self.channels == 0 {
            return Err("`patches` must be at least 2, `channels` 1".into());
        }
        if !self.temperature.is_finite() || self.temperature < 0.01 {
            return Err("`temperature` must be finite and at least 0.01".into());
        }
        check_weights([("nce", self.nce)])
    }
}

/// The generator and one head for each depth of its features, trained together.
#[derive(Module, Debug)]
struct Networks {
    generator: Generator,
    heads: Vec<PatchHead>,
}

impl Networks {
    fn new(way: Way, shared: &Shared, extent: Extent, device: &Device) -> (Self, Vec<usize>) {
        let generator = shared.generator.init(device);
        // The features of a black picture tell channels and sizes.
        let [width, height] = [extent.width, extent.height].map(|side| side as usize);
        let black = Tensor::zeros([1, 3, height, width], device);
        let shapes: Vec<[usize; 4]> = generator.features(black).iter().map(Tensor::dims).collect();
        let head =
            |[_, channels, _, _]: &[usize; 4]| PatchHead::new(*channels, way.channels, device);
        let networks = Networks {
            generator,
            heads: shapes.iter().map(head).collect(),
        };
        (networks, shapes.iter().map(|[_, _, h, w]| h * w).collect())
    }

    /// Features of `pictures` at the positions of `patches`, mirrored first where `flip` is set:
    /// `[batch, patches, channels]` of length 1, one tensor a depth.
    fn embed(&self, pictures: Tensor<4>, patches: &[Vec<i32>], flip: bool) -> Vec<Tensor<3>> {
        let features = self.generator.features(pictures);
        let depths = features.into_iter().zip(&self.heads).zip(patches);
        depths
            .map(|((x, head), patches)| {
                let x = if flip { x.flip([3]) } else { x };
                head.forward(x, patches)
            })
            .collect()
    }
}

/// A CUT in training.
struct Cut {
    way: Way,
    shared: Shared,
    arena: Arena,
    networks: Player<Networks>,
    critic: Critic,
    average: Generator,
    safety: LabelSafety,
    /// Places at each depth of the features.
    places: Vec<usize>,
    /// Draws patches and mirrorings.
    stream: Stream,
}

/// What is drawn for one step.
struct Draw {
    /// Positions at each depth.
    patches: Vec<Vec<i32>>,
    flip: bool,
}

impl Cut {
    fn new(way: Way, shared: &Shared, setting: Setting) -> Result<Self> {
        let arena = Arena::new(shared, &setting)?;
        let device = &arena.device;
        let stream = |number: u64| setting.seed.stream((1 << 40) + number);
        let init = Init::Normal(0.02);
        let (networks, places) = Networks::new(way, shared, setting.extent, device);
        let networks = initialise(networks, init, &mut stream(0), 1);
        let critic = shared.discriminator.init(setting.extent, device);
        let critic = initialise(critic, init, &mut stream(1), 1 << 20);
        Ok(Cut {
            average: networks.generator.valid(),
            networks: Player::new(networks, &shared.adversarial),
            critic: Critic::new(critic, shared, stream(2)),
            safety: LabelSafety::new(&shared.label_safety, &setting)?,
            places,
            stream: stream(3),
            shared: shared.clone(),
            way,
            arena,
        })
    }

    fn draw(&mut self) -> Draw {
        let most = self.way.patches;
        let stream = &mut self.stream;
        let patches = self.places.iter().map(|&places| {
            let mut all: Vec<i32> = (0..places as i32).collect();
            for at in 0..most.min(places) {
                let other = stream.random_range(at..places);
                all.swap(at, other);
            }
            all.truncate(most);
            all
        });
        Draw {
            patches: patches.collect(),
            flip: self.way.flip && self.stream.random_bool(0.5),
        }
    }
}

/// What generator and heads minimise on one shard.
fn losses(way: Way, draw: &Draw, judge: &Judge, networks: &Networks, batch: &Batch) -> Losses {
    let (renders, photos) = (batch.renders.clone(), batch.photos.clone());
    let count = batch.classes.len();
    let turn = |x: Tensor<4>| if draw.flip { x.flip([3]) } else { x };
    let keeper = networks.valid();
    let nce = |from: Tensor<4>, to: Tensor<4>, flip: bool| {
        let keys = keeper.embed(from.without_autodiff(), &draw.patches, false);
        let queries = networks.embed(to, &draw.patches, flip);
        let depths = keys.len() as f64;
        let pairs = queries.into_iter().zip(keys);
        let losses = pairs.map(|(query, key)| patch_nce(query, key, way.temperature));
        let sum = losses.reduce(|a, b| a + b);
        sum.expect("a generator has at least its first layer") / depths
    };

    let (seen, same) = if way.identity > 0.0 {
        let both = networks
            .generator
            .forward(Tensor::cat(vec![turn(renders.clone()), photos.clone()], 0));
        let parts = both.split(count, 0);
        (parts[0].clone(), Some(parts[1].clone()))
    } else {
        (networks.generator.forward(turn(renders.clone())), None)
    };
    let adversarial = judge.loss(&photos, seen.clone());
    let content = nce(renders, seen.clone(), draw.flip);
    let mut losses = Losses {
        total: adversarial.clone() + content.clone() * way.nce,
        named: vec![("adversarial", adversarial), ("nce", content)],
        fakes: vec![turn(seen)],
    };
    if let Some(same) = same {
        let identity = nce(photos, same, false);
        losses.total = losses.total + identity.clone() * way.identity;
        losses.named.push(("identity", identity));
    }
    losses
}

impl Learner for Cut {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let draw = self.draw();
        let (arena, critic) = (&self.arena, &mut self.critic);
        let rate_here = rate * critic.generator_pace(arena);
        let mut outcome = self
            .networks
            .learn(arena, batch, rate_here, |networks, batch| {
                let judge = critic.judge(arena);
                let losses = losses(self.way, &draw, &judge, networks, batch);
                self.safety.guard(batch, losses)
            });
        let average = self.average.clone();
        let live = &self.networks.network.generator;
        self.average = ema::update(average, live, self.shared.ema);
        for fake in outcome.fakes {
            outcome
                .values
                .extend(critic.learn(arena, batch.photos.clone(), fake, rate));
        }
        outcome.values
    }

    fn translator(&self) -> Box<dyn Translator> {
        let device = self.arena.device.clone().inner();
        Box::new(Chain::new(vec![self.average.clone()], device))
    }

    fn passes(&self) -> Passes {
        // A translation, and its way through the encoder again; both for photos too.
        Passes {
            generator: if self.way.identity > 0.0 { 4 } else { 2 },
            critic: 1,
        }
    }

    fn parameters(&self) -> usize {
        self.networks.network.num_params() + self.critic.parameters()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        save_generator(&self.shared.generator, &self.average, folder)
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        save_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.networks.save(folder, "networks")?;
        self.critic.save(folder, "critic")?;
        write_json(&folder.join("draws.json"), &Position::of(&self.stream))
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.average = load_weights(self.average.clone(), &folder.join("average.bpk"))?;
        self.networks.load(folder, "networks")?;
        self.critic.load(folder, "critic", &self.arena)?;
        self.stream = read_state::<Position>(folder, "draws.json")?.stream();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::{batch, count_gradients, setting, shared};

    fn model(way: Way) -> Cut {
        let small = Way {
            channels: 8,
            patches: 20,
            ..way
        };
        setting(|setting| Cut::new(small, &shared(), setting).unwrap())
    }

    fn ways() -> [Way; 2] {
        let (cut, fast) = (CutConfig::default(), FastCutConfig::default());
        [Way::of_cut(&cut), Way::of_fast(&fast)]
    }

    #[test]
    fn gradients_arrive_at_generator_and_heads() {
        for way in ways() {
            let mut model = model(way);
            let draw = model.draw();
            let networks = model.networks.network.clone();
            let judge = model.critic.judge(&model.arena);
            let losses = losses(model.way, &draw, &judge, &networks, &batch());
            let (arrived, all) = count_gradients(losses.total, &networks);
            assert_eq!(arrived, all);
        }
    }

    #[test]
    fn mirrored_renders_come_back_as_they_went_in() {
        let mut model = model(ways()[1]);
        let networks = model.networks.network.clone();
        let judge = model.critic.judge(&model.arena);
        let way = model.way;
        let run = |draw: &Draw| losses(way, draw, &judge, &networks, &batch());
        let mut draw = model.draw();
        for flip in [false, true] {
            draw.flip = flip;
            let losses = run(&draw);
            // An untrained generator changes next to nothing.
            let change: f32 = (losses.fakes[0].clone() - batch().renders)
                .abs()
                .mean()
                .into_scalar();
            assert!(change < 0.05, "{change}");
        }
    }

    #[test]
    fn every_position_is_drawn_once_and_no_more_than_asked() {
        let mut model = model(ways()[0]);
        for (patches, places) in model.draw().patches.into_iter().zip(&model.places) {
            let different: std::collections::BTreeSet<_> = patches.iter().collect();
            assert_eq!(different.len(), patches.len());
            assert_eq!(patches.len(), 20.min(*places));
            assert!(patches.iter().all(|&at| (at as usize) < *places));
        }
    }
}
