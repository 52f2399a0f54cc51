//! The training of the task network, and its test on renders held out.

use std::sync::Arc;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::activation::{relu, softplus};
use burn::tensor::{Device, Int, Tensor};
use rand::RngExt;

use super::Task;
use crate::Result;
use crate::models::album::{Album, Example};
use crate::models::task_network::{Layers, TaskNetwork, mask_targets};
use crate::nn::adam::adam;
use crate::nn::batch;
use crate::nn::device::Chosen;
use crate::nn::workers::Workers;
use crate::sample::Extent;
use crate::stage::{Context, Event};

/// Steps between two reports.
const REPORT_EVERY: u64 = 10;

/// An example with its class.
type Drawn = (Arc<Example>, usize);

fn numbered(examples: &Album, numbers: &[usize]) -> Result<Vec<Drawn>> {
    let numbers = numbers.iter();
    numbers
        .map(|&number| Ok((examples.get(number)?, examples.class(number))))
        .collect()
}

/// Trains `network`, whose weights lie on a device with autodiff.
pub fn train(
    config: &Task,
    context: &Context,
    chosen: &Chosen,
    mut network: TaskNetwork,
    examples: &Album,
) -> Result<TaskNetwork> {
    let device = chosen.device.clone().autodiff();
    let workers = Workers::for_device(chosen)?;
    let mut optimiser = adam(0.9, 0.999);
    let mut stream = context.seed.stream(0);
    let extent = network.mask_extent();
    for step in 1..=config.steps {
        let numbers: Vec<usize> = (0..config.batch)
            .map(|_| stream.random_range(0..examples.len()))
            .collect();
        let drawn = numbered(examples, &numbers)?;
        let size = config.batch.div_ceil(workers.count());
        let shards = drawn.chunks(size).collect();
        let results = workers.run(shards, |shard: &[Drawn]| {
            let layers = network.layers.clone().fork(&device);
            let share = shard.len() as f64 / config.batch as f64;
            let (class, mask) = losses(&layers, shard, extent, &device);
            let total = (class.clone() + mask.clone().mul_scalar(config.mask)).mul_scalar(share);
            let gradients = GradientsParams::from_grads(total.backward(), &layers);
            let value = |loss: Tensor<1>| loss.into_scalar::<f32>() as f64 * share;
            (gradients, value(class), value(mask))
        });
        let mut accumulator = GradientsAccumulator::new();
        let (mut class, mut mask) = (0.0, 0.0);
        for result in results {
            accumulator.accumulate(&network.layers, result.0);
            class += result.1;
            mask += result.2;
        }
        let progress = (step - 1) as f64 / config.steps as f64;
        let rate = config.rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
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

/// How well held-out renders are read.
pub struct Score {
    /// Share of right classes, 0..1.
    pub accuracy: f64,
    /// Intersection over union of all masks taken together, 0..1.
    pub mask_iou: f64,
}

/// Reads `examples` and compares.
///
/// # Errors
/// If one cannot be read.
pub fn test(network: &TaskNetwork, examples: &Album, chosen: &Chosen) -> Result<Score> {
    let extent = network.mask_extent();
    let (mut right, mut common, mut either) = (0, 0.0, 0.0);
    let numbers: Vec<usize> = (0..examples.len()).collect();
    for numbers in numbers.chunks(64) {
        let chunk = numbered(examples, numbers)?;
        let pictures = batch::to_tensor(chunk.iter().map(|(e, _)| &e.picture), &chosen.device);
        let masks = batch::masks_to_tensor(chunk.iter().map(|(e, _)| &e.mask), &chosen.device);
        let truth = mask_targets(masks, extent).greater_elem(0.5).float();
        let reading = network.layers.forward(pictures);
        let found = reading.mask_logits.greater_elem(0.0).float();
        common += sum(truth.clone() * found.clone());
        either += sum((truth + found).greater_elem(0.5).float());
        let best = reading.class_logits.argmax(1).into_data_as::<i32>();
        let best = best.as_slice::<i32>().unwrap_or_default();
        right += chunk
            .iter()
            .zip(best)
            .filter(|((_, class), best)| *class as i32 == **best)
            .count();
    }
    Ok(Score {
        accuracy: right as f64 / examples.len().max(1) as f64,
        mask_iou: common / f64::max(either, 1.0),
    })
}

fn sum(x: Tensor<4>) -> f64 {
    f64::from(x.sum().into_scalar::<f32>())
}
