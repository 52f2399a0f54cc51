//! From a pipeline file to published results: read it, plan it, run what is not in the cache.

pub mod cache;
mod contents;
mod estimate;
pub mod events;
pub mod key;
mod lock;
pub mod plan;
mod publish;
mod reader;
pub mod run;
mod source;
pub mod spec;
pub mod suggest;
mod wiring;

#[cfg(test)]
mod tests;
