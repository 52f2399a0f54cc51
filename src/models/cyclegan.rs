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
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::{Adapter, Batch, LabelEffect, ModelKind, Setting, Translator, save_weights};
use crate::nn::adam::adam;
use crate::nn::device::Chosen;
use crate::nn::ema;
use crate::nn::image_pool::ImagePool;
use crate::nn::init::{Init, initialise};
use crate::nn::losses::{l1, least_squares};
use crate::nn::patch_discriminator::PatchDiscriminator;
use crate::nn::resnet_generator::{GeneratorConfig, ResnetGenerator};
use crate::nn::workers::Workers;
use crate::{Error, Result};

/// The registry entry.
pub const MODEL: ModelKind = ModelKind {
    name: "cyclegan",
    about: "unpaired translation by two generators that invert each other",
    labels: LabelEffect::Kept,
    create: |config, setting| Ok(Box::new(CycleGan::new(config, setting)?)),
    load: |folder, device| Ok(Box::new(Generator::load(folder, device)?)),
};

/// Configuration of a CycleGAN.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CycleGanConfig {
    /// Weight of the cycle-consistency loss.
    pub cycle: f64,
    /// Weight of the identity loss: a photo given to the render-to-photo generator stays as it is.
    pub identity: f64,
}

impl Default for CycleGanConfig {
    fn default() -> Self {
        CycleGanConfig {
            cycle: 10.0,
            identity: 5.0,
        }
    }
}

/// The four networks, in one module so that one set of gradients serves all.
#[derive(Module, Debug)]
struct Generators {
    to_photo: ResnetGenerator,
    to_render: ResnetGenerator,
}

#[derive(Module, Debug)]
struct Discriminators {
    photo: PatchDiscriminator,
    render: PatchDiscriminator,
}

/// A CycleGAN in training.
struct CycleGan {
    config: TrainConfig,
    device: Device,
    generators: Generators,
    discriminators: Discriminators,
    average: ResnetGenerator,
    generator_optimiser: ModuleOptimizer,
    discriminator_optimiser: ModuleOptimizer,
    photo_pool: ImagePool,
    render_pool: ImagePool,
    workers: Workers,
}

/// What one shard hands back from the generators' step.
struct Shard {
    gradients: GradientsParams,
    fake_photos: Tensor<4>,
    fake_renders: Tensor<4>,
    losses: Vec<(&'static str, Tensor<1>)>,
}

impl CycleGan {
    fn new(config: &TrainConfig, setting: Setting) -> Result<Self> {
        let device = setting.device.device.clone().autodiff();
        let generators = Generators {
            to_photo: config.generator.init(&device),
            to_render: config.generator.init(&device),
        };
        let discriminators = Discriminators {
            photo: config.discriminator.init(setting.size, &device),
            render: config.discriminator.init(setting.size, &device),
        };
        let init = Init::Normal(0.02);
        let generators = initialise(generators, init, &mut setting.seed.stream(1 << 40), 1);
        let discriminators = initialise(
            discriminators,
            init,
            &mut setting.seed.stream((1 << 40) + 1),
            1 << 20,
        );
        Ok(CycleGan {
            config: config.clone(),
            average: generators.to_photo.valid(),
            generators,
            discriminators,
            generator_optimiser: adam(0.5, 0.999),
            discriminator_optimiser: adam(0.5, 0.999),
            photo_pool: ImagePool::new(config.pool, setting.seed.stream((1 << 40) + 2)),
            render_pool: ImagePool::new(config.pool, setting.seed.stream((1 << 40) + 3)),
            workers: Workers::for_device(setting.device)?,
            device,
        })
    }

    /// Splits two batches of equal length into one pair of shards a worker.
    fn shards(&self, a: Tensor<4>, b: Tensor<4>) -> Vec<(Tensor<4>, Tensor<4>, f64)> {
        let count = a.dims()[0];
        let size = count.div_ceil(self.workers.count());
        let halves = a.split(size, 0).into_iter().zip(b.split(size, 0));
        halves
            .map(|(a, b)| {
                let share = a.dims()[0] as f64 / count as f64;
                (a.to_device(&self.device), b.to_device(&self.device), share)
            })
            .collect()
    }

    /// Gradients of both generators on one shard; the losses are weighted by its share.
    fn generator_shard(&self, renders: Tensor<4>, photos: Tensor<4>, share: f64) -> Shard {
        let generators = self.generators.clone().fork(&self.device);
        let critics = self.discriminators.clone().no_grad().fork(&self.device);
        let count = renders.dims()[0];

        // A generator sees both domains in one pass: one to translate, one to leave as it is.
        let halves = |generator: &ResnetGenerator, other: &Tensor<4>, own: &Tensor<4>| {
            let both = generator.forward(Tensor::cat(vec![other.clone(), own.clone()], 0));
            let parts = both.split(count, 0);
            (parts[0].clone(), parts[1].clone())
        };
        let (fake_photos, same_photos) = halves(&generators.to_photo, &renders, &photos);
        let (fake_renders, same_renders) = halves(&generators.to_render, &photos, &renders);
        let back_renders = generators.to_render.forward(fake_photos.clone());
        let back_photos = generators.to_photo.forward(fake_renders.clone());

        let adversarial = least_squares(critics.photo.forward(fake_photos.clone()), 1.0)
            + least_squares(critics.render.forward(fake_renders.clone()), 1.0);
        let cycle = l1(back_renders, renders.clone()) + l1(back_photos, photos.clone());
        let identity = l1(same_photos, photos) + l1(same_renders, renders);
        let total = adversarial.clone()
            + cycle.clone().mul_scalar(self.config.cyclegan.cycle)
            + identity.clone().mul_scalar(self.config.cyclegan.identity);
        let gradients = total.mul_scalar(share).backward();
        Shard {
            gradients: GradientsParams::from_grads(gradients, &generators),
            fake_photos: fake_photos.without_autodiff(),
            fake_renders: fake_renders.without_autodiff(),
            losses: vec![
                ("adversarial", adversarial.mul_scalar(share)),
                ("cycle", cycle.mul_scalar(share)),
                ("identity", identity.mul_scalar(share)),
            ],
        }
    }

    /// Gradients of both discriminators on one shard of real and fake pictures.
    fn discriminator_shard(
        &self,
        real: (Tensor<4>, Tensor<4>),
        fake: (Tensor<4>, Tensor<4>),
        share: f64,
    ) -> (GradientsParams, Tensor<1>) {
        let critics = self.discriminators.clone().fork(&self.device);
        let loss = |critic: &PatchDiscriminator, real: Tensor<4>, fake: Tensor<4>| {
            let count = real.dims()[0];
            let scores = critic
                .forward(Tensor::cat(vec![real, fake], 0))
                .split(count, 0);
            (least_squares(scores[0].clone(), 1.0) + least_squares(scores[1].clone(), 0.0))
                .mul_scalar(0.5)
        };
        let total = (loss(&critics.photo, real.0, fake.0) + loss(&critics.render, real.1, fake.1))
            .mul_scalar(share);
        let gradients = total.backward();
        (GradientsParams::from_grads(gradients, &critics), total)
    }
}

impl Adapter for CycleGan {
    fn step(&mut self, batch: &Batch, rate: f64) -> BTreeMap<String, f64> {
        let (renders, photos) = (batch.renders.clone(), batch.photos.clone());
        let shards = self.shards(renders.clone(), photos.clone());
        let results = self
            .workers
            .run(shards, |(a, b, share)| self.generator_shard(a, b, share));
        let mut accumulator = GradientsAccumulator::new();
        let mut values = BTreeMap::new();
        let (mut fake_photos, mut fake_renders) = (Vec::new(), Vec::new());
        for shard in results {
            accumulator.accumulate(&self.generators, shard.gradients);
            fake_photos.push(shard.fake_photos);
            fake_renders.push(shard.fake_renders);
            for (name, loss) in shard.losses {
                *values.entry(name.to_string()).or_insert(0.0) += loss.into_scalar::<f32>() as f64;
            }
        }
        self.generators =
            self.generator_optimiser
                .step(rate, self.generators.clone(), accumulator.grads());

        let fake_photos = self.photo_pool.query(Tensor::cat(fake_photos, 0));
        let fake_renders = self.render_pool.query(Tensor::cat(fake_renders, 0));
        let shards = self
            .shards(photos, renders)
            .into_iter()
            .zip(self.shards(fake_photos, fake_renders))
            .collect();
        let results = self.workers.run(shards, |(real, fake)| {
            let ((photos, renders, share), (fake_photos, fake_renders, _)) = (real, fake);
            self.discriminator_shard((photos, renders), (fake_photos, fake_renders), share)
        });
        let mut accumulator = GradientsAccumulator::new();
        let mut discriminator = 0.0;
        for (gradients, loss) in results {
            accumulator.accumulate(&self.discriminators, gradients);
            discriminator += loss.into_scalar::<f32>() as f64;
        }
        values.insert("discriminator".into(), discriminator);
        self.discriminators = self.discriminator_optimiser.step(
            rate,
            self.discriminators.clone(),
            accumulator.grads(),
        );
        self.average = ema::update(
            self.average.clone(),
            &self.generators.to_photo,
            self.config.ema,
        );
        values
    }

    fn translate(&self, renders: Tensor<4>) -> Tensor<4> {
        self.average.forward(renders)
    }

    fn parameters(&self) -> usize {
        self.generators.num_params() + self.discriminators.num_params()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let path = folder.join("generator.json");
        let shape = serde_json::to_vec_pretty(&self.config.generator)
            .map_err(|e| Error::failed(path.display(), e, "report this as a bug"))?;
        std::fs::write(&path, shape).map_err(|e| Error::io(&path, e))?;
        save_weights(self.average.clone(), &folder.join("generator.bpk"))?;
        save_weights(self.generators.clone(), &folder.join("generators.bpk"))?;
        save_weights(
            self.discriminators.clone(),
            &folder.join("discriminators.bpk"),
        )
    }
}

/// The trained render-to-photo generator.
struct Generator {
    network: ResnetGenerator,
}

impl Generator {
    fn load(folder: &Path, device: &Chosen) -> Result<Self> {
        let path = folder.join("generator.json");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        let remedy = "remove the folder and train again";
        let shape: GeneratorConfig =
            serde_json::from_str(&text).map_err(|e| Error::failed(path.display(), e, remedy))?;
        let path = folder.join("generator.bpk");
        let network = shape
            .init(&device.device)
            .try_load_file(&path)
            .map_err(|e| Error::failed(path.display(), e, remedy))?;
        Ok(Generator { network })
    }
}

impl Translator for Generator {
    fn translate(&self, renders: Tensor<4>) -> Tensor<4> {
        self.network.forward(renders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::device;
    use crate::seed::Seed;
    use crate::stage::DeviceChoice;
    use burn::module::{ModuleVisitor, Param};
    use burn::tensor::{Distribution, Tolerance};

    fn model(workers: usize) -> CycleGan {
        let device = device::choose(DeviceChoice::Cpu).unwrap();
        let mut config = TrainConfig::default();
        config.generator.channels = 4;
        config.generator.blocks = 1;
        config.discriminator.channels = 4;
        let seed = Seed::new(1, "train");
        let setting = Setting {
            device: &device,
            size: 16,
            seed: &seed,
            task: None,
        };
        let mut model = CycleGan::new(&config, setting).unwrap();
        model.workers = Workers::with_count(workers).unwrap();
        model
    }

    fn pictures() -> Tensor<4> {
        let device = Device::flex();
        let ramp = Tensor::arange(0..4 * 3 * 16 * 16, &device).float();
        (ramp.reshape([4, 3, 16, 16]) * 0.37).sin()
    }

    fn batch() -> Batch {
        Batch {
            renders: pictures(),
            masks: Tensor::ones([4, 1, 16, 16], &Device::flex()),
            classes: vec![0; 4],
            photos: -pictures(),
        }
    }

    struct Count(usize);

    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.0 += 1;
        }
    }

    fn tensors<M: Module>(module: &M) -> usize {
        let mut count = Count(0);
        module.visit(&mut count);
        count.0
    }

    #[test]
    fn gradients_arrive_at_every_network_of_their_step_and_at_no_other() {
        let model = model(1);
        let device = &model.device;
        let (a, b) = (pictures().to_device(device), -pictures().to_device(device));
        let shard = model.generator_shard(a.clone(), b.clone(), 1.0);
        assert_eq!(shard.gradients.len(), tensors(&model.generators));
        let fakes = (shard.fake_photos, shard.fake_renders);
        let (gradients, _) = model.discriminator_shard((b, a), fakes, 1.0);
        assert_eq!(gradients.len(), tensors(&model.discriminators));
    }

    #[test]
    fn shards_add_up_to_the_same_step() {
        let (mut one, mut two) = (model(1), model(2));
        for _ in 0..2 {
            let a = one.step(&batch(), 1e-4);
            let b = two.step(&batch(), 1e-4);
            for (name, value) in a {
                assert!(
                    (value - b[&name]).abs() < 1e-3,
                    "{name}: {value}, {}",
                    b[&name]
                );
            }
        }
        let (a, b) = (one.translate(pictures()), two.translate(pictures()));
        a.into_data()
            .assert_approx_eq::<f32>(&b.into_data(), Tolerance::absolute(1e-3));
    }

    #[test]
    fn the_same_seed_saves_the_same_bytes() {
        let save = || {
            let folder = tempfile::tempdir().unwrap();
            let mut model = model(2);
            model.step(&batch(), 1e-3);
            model.save(folder.path()).unwrap();
            let files = crate::artifact::list_files(folder.path()).unwrap();
            assert_eq!(files.len(), 4);
            crate::artifact::digest(&files)
        };
        assert_eq!(save(), save());
    }

    #[test]
    fn a_saved_generator_translates_as_the_model_did() {
        let folder = tempfile::tempdir().unwrap();
        let mut model = model(1);
        model.step(&batch(), 1e-3);
        model.save(folder.path()).unwrap();
        let device = device::choose(DeviceChoice::Cpu).unwrap();
        let loaded = Generator::load(folder.path(), &device).unwrap();
        let random = Tensor::random(
            [1, 3, 16, 16],
            Distribution::Uniform(-1.0, 1.0),
            &device.device,
        );
        let (a, b) = (model.translate(random.clone()), loaded.translate(random));
        a.into_data()
            .assert_approx_eq::<f32>(&b.into_data(), Tolerance::absolute(1e-6));
    }
}
