//! Choosing where networks run: CUDA if this build has it and a card does, else a real GPU through
//! wgpu, else the CPU.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;

use crate::sample::Extent;
use crate::stage::DeviceChoice;
use crate::{Error, Result};

/// What a build for the CPU alone says of GPUs.
const NO_CARDS: &str = "this build computes on the CPU alone";
const WITH_CARDS: &str = "for GPUs build with `--features wgpu`";

/// A device to compute on, and what to call it.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Without autodiff; training adds it.
    pub device: Device,
    /// A description for people and records, e.g. `CPU (flex)`.
    pub name: String,
    /// Whether it is the CPU, which is fastest with one small network a thread.
    pub cpu: bool,
}

impl Chosen {
    /// What to say before networks for pictures of `extent` train here, if the CPU may be faster: wgpu takes longer to
    /// begin a small operation than many cores to do it (BENCHMARKS.md, "Devices other than the CPU").
    pub fn drawback(&self, extent: Extent) -> Option<&'static str> {
        // No larger ones were measured.
        let is_small = extent.area() <= Extent::square(64).area();
        let is_slow = is_small && !self.cpu && !is_cuda(&self.device);
        is_slow.then_some(
            "networks for pictures this small may train faster on the CPU: compare --device cpu",
        )
    }
}

/// The device for `choice`. `Auto` never picks a software rasteriser.
///
/// # Errors
/// If the GPU asked for is not there, or this build lacks its runtime.
pub fn choose(choice: DeviceChoice) -> Result<Chosen> {
    let cpu = || Chosen {
        device: Device::flex(),
        name: "CPU (flex)".into(),
        cpu: true,
    };
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Auto => Ok(best().unwrap_or_else(cpu)),
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

/// What to say beside the list, if this build can use no GPU.
pub fn without_cards() -> Option<String> {
    (!reaches_cards()).then(|| format!("{NO_CARDS}; {WITH_CARDS}"))
}

fn reaches_cards() -> bool {
    cfg!(any(feature = "wgpu", feature = "cuda"))
}

fn nth(cards: Vec<Chosen>, index: usize, what: &str) -> Result<Chosen> {
    if !reaches_cards() {
        let device = format!("--device {}:{index}", what.to_lowercase());
        return Err(Error::usage(
            device,
            NO_CARDS,
            format!("{WITH_CARDS}, or use --device cpu"),
        ));
    }
    let count = cards.len();
    cards.into_iter().nth(index).ok_or_else(|| {
        Error::usage(
            format!("--device {}:{index}", what.to_lowercase()),
            format!("this machine has {count} {what}s that verismo can use"),
            "see `verismo devices`; --device cpu always works",
        )
    })
}

/// The first card that CUDA reaches, else the first of all.
fn best() -> Option<Chosen> {
    let mut cards = physical();
    let place = cards
        .iter()
        .position(|(_, devices)| devices.iter().any(is_cuda));
    let (name, devices) = if cards.is_empty() {
        return None;
    } else {
        cards.swap_remove(place.unwrap_or(0))
    };
    let cuda = devices.iter().find(|device| is_cuda(device)).cloned();
    let device = cuda.or_else(|| devices.into_iter().next())?;
    Some(Chosen {
        device,
        name,
        cpu: false,
    })
}

/// Real graphics cards as wgpu reaches them, or else CUDA.
fn cards() -> Vec<Chosen> {
    let chosen = |(name, devices): (String, Vec<Device>)| {
        let other = devices.iter().find(|device| !is_cuda(device)).cloned();
        let device = other.or_else(|| devices.into_iter().next())?;
        Some(Chosen {
            device,
            name,
            cpu: false,
        })
    };
    physical().into_iter().filter_map(chosen).collect()
}

#[cfg(feature = "cuda")]
fn is_cuda(device: &Device) -> bool {
    /// More cards are in no machine.
    const CARDS: usize = 16;
    (0..CARDS).any(|index| *device == Device::cuda(index))
}

#[cfg(not(feature = "cuda"))]
fn is_cuda(_: &Device) -> bool {
    false
}

/// Real graphics cards, each with the devices that reach it; a software rasteriser is not a card.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn physical() -> Vec<(String, Vec<Device>)> {
    // EGL fails if two threads open it at once.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // A broken driver may panic while it is asked; then there is no card to use, and no message.
    let found =
        crate::sample::input::guarded("graphics driver", "", || Ok(Device::enumerate_physical()));
    found
        .unwrap_or_default()
        .into_iter()
        .map(|card| (card.name, card.devices.into_iter().collect()))
        .collect()
}

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn physical() -> Vec<(String, Vec<Device>)> {
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
        "build with `--features cuda`; --device cpu always works",
    ))
}
