//! Seconds of one CycleGAN training step and of inference, by size and batch.
//!
//!     cargo bench --bench train_step

use std::time::Instant;

use burn::tensor::{Distribution, Tensor};
use verismo::models::config::TrainConfig;
use verismo::models::{Batch, MODELS, Setting};
use verismo::nn::device;
use verismo::seed::Seed;
use verismo::stage::DeviceChoice;

fn main() {
    let chosen = device::choose(DeviceChoice::Auto).expect("a device");
    println!("device: {}", chosen.name);
    println!("size batch channels blocks  step [s]  inference [s]");
    for (size, batch, channels, blocks) in [
        (32, 16, 32, 4),
        (64, 4, 16, 3),
        (64, 4, 32, 6),
        (128, 1, 32, 6),
        (256, 1, 64, 9),
    ] {
        let mut config = TrainConfig::default();
        config.generator.channels = channels;
        config.generator.blocks = blocks;
        config.discriminator.channels = channels;
        let seed = Seed::new(1, "bench");
        let setting = Setting {
            device: &chosen,
            size,
            seed: &seed,
            task: None,
        };
        let mut model = (MODELS[0].create)(&config, setting).expect("a model");
        let random = || {
            let shape = [batch, 3, size, size];
            Tensor::<4>::random(shape, Distribution::Uniform(-1.0, 1.0), &chosen.device)
        };
        let step = median(|| {
            let batch = Batch {
                renders: random(),
                masks: Tensor::ones([batch, 1, size, size], &chosen.device),
                classes: vec![0; batch],
                photos: random(),
            };
            model.step(&batch, 2e-4);
        });
        let inference = median(|| {
            model.translate(random()).into_data();
        });
        println!("{size:4} {batch:5} {channels:8} {blocks:6}  {step:8.3}  {inference:8.3}");
    }
}

/// Median of five runs after a warm-up, in seconds.
fn median(mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[2]
}
