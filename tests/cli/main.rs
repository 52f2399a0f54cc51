//! The program as its users see it, command by command.

mod adapters;
mod commands;
mod docs;
mod errors;
mod explain;
mod fit;
#[cfg(unix)]
mod golden;
mod kills;
mod layering;
mod nightly;
mod project;
mod running;
mod shapes;
mod trust;
mod verdict;
mod whole;
