//! The stages, in data-flow order. Adding one means one new folder and one line in [`STAGES`].

pub mod render;

pub mod augment;

pub mod split;

pub mod emit;

use crate::stage::StageKind;

/// Every stage that a pipeline file can use.
pub const STAGES: &[StageKind] = &[render::STAGE, augment::STAGE, split::STAGE, emit::STAGE];
