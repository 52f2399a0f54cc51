//! The training of the task network, and its test on renders held out.

use std::sync::Arc;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::activation::{relu, softplus};
use burn::tensor::{Device, Int, Tensor};
use image::RgbImage;
use rand::RngExt;

use super::Task;
use crate::Result;
use crate::models::album::{Album, Example};
use crate::models::task_network::{Layers, Score, TaskNetwork, mask_targets};
use crate::nn::adam::adam;
use crate::nn::batch;
use crate::nn::device::Chosen;
use crate::nn::workers::Workers;
use crate::sample::Extent;
use crate::stage::{Context, Event};
use crate::tasks::Recipe;

/// Steps between two reports.
const REPORT_EVERY: u64 = 10;

/// An example with its class.
type Drawn = (Arc<Example>, usize);

/// Trains `network`, whose weights lie on a device with autodiff.
pub(super) fn train(
    config: &Task,
    context: &Context,
    chosen: &Chosen,
    mut network: TaskNetwork,
    examples: &Album,
) -> Result<TaskNetwork> {
    let device = chosen.device.clone().autodiff();
    let workers = Workers::for_shards(chosen)?;
    let mut optimiser = adam(0.9, 0.999);
    let recipe = Recipe {
        steps: config.steps,
        rate: config.rate,
    };
    let mut stream = context.seed.stream(0);
    let extent = network.mask_extent();
    for step in 1..=config.steps {
        let numbers = (0..config.batch).map(|_| stream.random_range(0..examples.len()));
        let drawn = examples.examples(numbers)?;
        let size = config.batch.div_ceil(workers.shards());
        let shards = drawn.chunks(size).collect();
        let work = |shard: &[Drawn]| {
            let layers = network.layers.clone().fork(&device);
            let share = shard.len() as f64 / config.batch as f64;
            let (class, mask) = losses(&layers, shard, extent, &device);
            let total = (class.clone() + mask.clone().mul_scalar(config.mask)).mul_scalar(share);
            let gradients = GradientsParams::from_grads(total.backward(), &layers);
            let value = |loss: Tensor<1>| f64::from(loss.into_scalar::<f32>()) * share;
            (gradients, value(class), value(mask))
        };
        let mut accumulator = GradientsAccumulator::new();
        let (mut class, mut mask) = (0.0, 0.0);
        workers.run_each(shards, work, |result| {
            accumulator.accumulate(&network.layers, result.0);
            class += result.1;
            mask += result.2;
        });
        let rate = recipe.rate_at(step - 1);
        network.layers = optimiser.step(rate, network.layers, accumulator.grads());
        if step % REPORT_EVERY == 0 || step == config.steps {
            let values = [("class", class), ("mask", mask)];
            context.emit(Event::Metric {
                step,
                values: values.map(|(name, value)| (name.to_string(), value)).into(),
            });
            context.progress(step, config.steps, format!("cla {class:.3} mas {mask:.3}"))?;
        }
    }
    network.layers = network.layers.valid();
    Ok(network)
}

/// Cross entropy of the classes, and binary cross entropy of the masks.
fn losses(
    layers: &Layers,
    shard: &[Drawn],
    mask_extent: Extent,
    device: &Device,
) -> (Tensor<1>, Tensor<1>) {
    let pictures = batch::to_tensor(shard.iter().map(|(e, _)| &e.picture), device);
    let masks = batch::masks_to_tensor(shard.iter().map(|(e, _)| &e.mask), device);
    let masks = mask_targets(masks, mask_extent);
    let classes: Vec<i32> = shard.iter().map(|(_, class)| *class as i32).collect();
    let classes = Tensor::<1, Int>::from_data(&classes[..], device);
    let reading = layers.forward(pictures);
    let class = CrossEntropyLossConfig::new()
        .init(device)
        .forward(reading.class_logits, classes);
    // log(1 + exp(x)) − x·t, written so that it cannot overflow.
    let x = reading.mask_logits;
    let mask = relu(x.clone()) - x.clone() * masks + softplus(-x.abs(), 1.0);
    (class, mask.mean())
}

/// How well `network` reads `examples`.
///
/// # Errors
/// If one cannot be read.
pub(super) fn test(network: &TaskNetwork, examples: &Album, chosen: &Chosen) -> Result<Score> {
    /// Pictures that go through the network at once.
    const AT_ONCE: usize = 64;
    let mut score = Score::default();
    for first in (0..examples.len()).step_by(AT_ONCE) {
        let read = examples.examples(first..examples.len().min(first + AT_ONCE))?;
        let pictures: Vec<&RgbImage> = read.iter().map(|(e, _)| &e.picture).collect();
        score += network.score(&pictures, &read, &chosen.device);
    }
    Ok(score)
}
