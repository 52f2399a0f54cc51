//! From a pipeline file to published results: read it, plan it, run what is not in the cache.

pub mod cache;
mod contents;
pub mod events;
mod files;
pub mod forecast;
mod foresee;
pub mod gc;
pub mod key;
mod lock;
mod making;
pub mod matrix;
pub mod memory;
mod mistakes;
pub mod plan;
mod positions;
pub mod provenance;
pub mod publish;
mod read;
pub mod records;
pub mod require;
pub mod rerender;
pub mod run;
mod set;
mod source;
pub mod spec;
mod speed;
pub mod suggest;
mod tables;
mod variables;
mod wiring;

#[cfg(test)]
mod tests;
