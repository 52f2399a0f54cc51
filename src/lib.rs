//! verismo turns renders of 2D and 3D models into labelled pictures that look like photographs.
//!
//! The modules, in the direction of the data; each may import only those listed before it.

pub mod error;
pub mod registry;
pub mod seed;

pub mod sample;

pub mod artifact;
pub mod stage;

pub mod appearance;
pub mod formats;

pub mod nn;

pub mod models;

pub mod generators;

pub mod tasks;

pub mod stages;

pub mod report;

pub mod pipeline;

pub mod cli;

#[cfg(test)]
mod testing;

pub use error::{Error, Result};
