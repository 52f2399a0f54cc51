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
mod planning;
mod project;
mod refusals;
mod running;
mod shapes;
mod starting;
mod trust;
mod whole;
