//! Choosing where networks run: a real GPU if there is one, else the CPU.

use burn::tensor::Device;

use crate::stage::DeviceChoice;
use crate::{Error, Result};

/// A device to compute on, and what to call it.
#[derive(Debug, Clone)]
pub struct Chosen {
    pub device: Device,
    pub name: String,
    /// Whether it is the CPU, which is fastest with one small network a thread.
    pub cpu: bool,
}

/// The device for `choice`. `Auto` never picks a software rasteriser.
///
/// # Errors
/// Where the GPU asked for is not there, or this build lacks its runtime.
pub fn choose(choice: DeviceChoice) -> Result<Chosen> {
    let cpu = || Chosen {
        device: Device::flex(),
        name: "CPU (flex)".into(),
        cpu: true,
    };
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Auto => Ok(cards().into_iter().next().unwrap_or_else(cpu)),
        DeviceChoice::Gpu(index) => nth(cards(), index, "GPU"),
        DeviceChoice::Cuda(index) => cuda(index),
    }
}

/// Every device that `--device` can name, the CPU first.
pub fn list() -> Vec<(String, String)> {
    let cards = cards().into_iter().enumerate();
    std::iter::once(("cpu".to_string(), "CPU (flex, pure Rust)".to_string()))
        .chain(cards.map(|(i, card)| (format!("gpu:{i}"), card.name)))
        .collect()
}

fn nth(cards: Vec<Chosen>, index: usize, what: &str) -> Result<Chosen> {
    let count = cards.len();
    cards.into_iter().nth(index).ok_or_else(|| {
        Error::usage(
            format!("--device {}:{index}", what.to_lowercase()),
            format!("this machine has {count} {what}s that verismo can use"),
            "see `verismo devices`; --device cpu always works",
        )
    })
}

/// Real graphics cards; a software rasteriser is no card.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn cards() -> Vec<Chosen> {
    // A broken driver may panic while it is asked; then there is no card to use, and no message.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = std::panic::catch_unwind(Device::enumerate_physical).unwrap_or_default();
    std::panic::set_hook(hook);
    found
        .into_iter()
        .filter_map(|card| {
            let device = card.devices.into_iter().next()?;
            Some(Chosen {
                device,
                name: card.name,
                cpu: false,
            })
        })
        .collect()
}

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn cards() -> Vec<Chosen> {
    Vec::new()
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Chosen> {
    let device = std::panic::catch_unwind(|| Device::cuda(index)).map_err(|_| {
        Error::usage(
            format!("--device cuda:{index}"),
            "the CUDA runtime found no such GPU",
            "see `verismo devices`; --device cpu always works",
        )
    })?;
    Ok(Chosen {
        device,
        name: format!("CUDA {index}"),
        cpu: false,
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> Result<Chosen> {
    Err(Error::usage(
        format!("--device cuda:{index}"),
        "this build has no CUDA",
        "build with `--features cuda`, or use --device gpu",
    ))
}
