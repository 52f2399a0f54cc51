//! The program as its users see it, command by command.

mod adapters;
mod commands;
mod datasets;
mod docs;
mod errors;
mod explain;
mod fit;
#[cfg(unix)]
mod golden;
mod interop;
mod kills;
mod layering;
mod nightly;
mod project;
mod running;
mod shapes;
mod trust;
mod whole;
