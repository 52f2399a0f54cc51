//! From a pipeline file to published results: read it, plan it, run what is not in the cache.

pub mod cache;
pub mod events;
pub mod key;
pub mod memory;
pub mod plan;
pub mod provenance;
mod publish;
mod reader;
pub mod rerender;
pub mod run;
mod source;
pub mod spec;
pub mod suggest;
mod wiring;

#[cfg(test)]
mod tests;
