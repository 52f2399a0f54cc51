//! The program as its users see it, command by command.

mod adapters;
mod additions;
mod commands;
mod datasets;
mod docs;
mod errors;
mod explain;
mod few;
mod first_hour;
mod fit;
mod foreign;
#[cfg(unix)]
mod generating;
mod golden;
mod interop;
mod kills;
mod layering;
mod models;
mod nightly;
mod photos;
mod planning;
mod project;
mod refusals;
mod running;
mod scenes;
mod selecting;
mod shapes;
mod starting;
mod trust;
mod verdict;
mod whole;
