//! How much memory a training takes, told before it starts instead of by a crash.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::config::TrainConfig;
use super::data::Data;
use crate::models::Learner;
use crate::nn::device::Chosen;
use crate::nn::norm::NormKind;
use crate::stage::{Context, Event};
use crate::{Error, Result};

/// Copies of a layer's output that a step holds at its peak, with what the norm after it keeps for its
/// gradients. Measured on the CPU, where the estimate was within 25 % of the peak for both generators,
/// all norms, and batches of 4 to 64 (0.26 to 1.4 GB).
fn copies(norm: NormKind) -> f64 {
    match norm {
        // One operation on the CPU that keeps its input alone.
        NormKind::Instance | NormKind::None => 1.4,
        NormKind::Batch | NormKind::Group => 3.0,
    }
}

/// Bytes that the program takes before the first step.
const BASE: f64 = 130e6;

/// Bytes at the peak of a training: activations, weights with their gradients and Adam's two averages,
/// and the pictures in memory.
pub(super) fn estimate(config: &TrainConfig, model: &dyn Learner, data: &Data) -> f64 {
    let seen = config.seen(data.extent);
    let passes = model.passes();
    let pictures = config.batch.div_ceil(config.adversarial.accumulate) as f64;
    let (generator, critic) = (&config.generator, &config.discriminator);
    let layers = (passes.generator * generator.outputs(seen)) as f64 * copies(generator.norm)
        + (passes.critic * critic.outputs(seen)) as f64 * copies(critic.norm);
    // Weights, gradients of each thread and their sum, two averages, and the averaged weights.
    let weights = 6.0 * model.parameters() as f64;
    let pool = 2.0 * (config.pool * 3 * seen.area()) as f64;
    let stored = (data.renders.memory() + data.photos.memory()) as f64;
    BASE + 4.0 * (pictures * layers + weights + pool) + stored
}

/// Tells the estimate, and refuses what the machine cannot hold.
///
/// # Errors
/// On a CPU, where the estimate is beyond the machine's memory.
pub(super) fn check(
    context: &Context,
    needed: f64,
    device: &Chosen,
    config: &TrainConfig,
) -> Result<()> {
    context.emit(Event::Note {
        text: format!("needs about {} of memory", gigabytes(needed)),
    });
    match machine() {
        Some(memory) if device.cpu && needed > memory => Err(Error::failed(
            context.id,
            format!(
                "would need about {} of memory, and this machine has {}",
                gigabytes(needed),
                gigabytes(memory)
            ),
            advice(config),
        )),
        _ => Ok(()),
    }
}

fn gigabytes(bytes: f64) -> String {
    format!("{:.1} GB", bytes / 1e9)
}

fn advice(config: &TrainConfig) -> String {
    let other =
        "lower `generator.channels` or `discriminator.channels`, or train on cuts with `crop`";
    match config.batch {
        parts if parts > config.adversarial.accumulate => format!(
            "set `adversarial.accumulate` to {parts} (the same step, a picture at a time), lower \
             `batch`, {other}"
        ),
        _ => other.to_owned(),
    }
}

/// Bytes of memory in this machine, where the system tells.
fn machine() -> Option<f64> {
    total(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn total(meminfo: &str) -> Option<f64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(1024.0 * kilobytes)
}

/// Does `work` on a GPU, whose driver panics where its memory ends.
///
/// # Errors
/// If it ended. Other panics are passed on.
pub(super) fn guarded<T>(
    context: &Context,
    config: &TrainConfig,
    work: impl FnOnce() -> T,
) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        if text.is_some_and(|text| is_out_of_memory(&text)) {
            return Error::failed(context.id, "the GPU has too little memory", advice(config));
        }
        resume_unwind(panic)
    })
}

fn is_out_of_memory(text: &str) -> bool {
    const WORDS: [&str; 6] = [
        "out of memory",
        "out_of_memory",
        "outofmemory",
        "not enough memory",
        "buffertoobig",
        "allocation",
    ];
    let text = text.to_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_s_memory_is_read() {
        assert_eq!(
            total("MemTotal:       16384 kB\nMemFree: 1 kB\n"),
            Some(16384.0 * 1024.0)
        );
        assert_eq!(total("nothing"), None);
    }

    #[test]
    fn parts_are_advised_where_there_can_be_more() {
        let mut config = TrainConfig::default();
        assert!(advice(&config).contains("`adversarial.accumulate` to 4"));
        config.adversarial.accumulate = 4;
        assert!(!advice(&config).contains("accumulate"));
    }

    #[test]
    fn what_drivers_say_is_understood() {
        for text in ["CUDA_ERROR_OUT_OF_MEMORY", "wgpu: Not enough memory left."] {
            assert!(is_out_of_memory(text));
        }
        assert!(!is_out_of_memory("index out of bounds"));
    }
}
