//! What a user of the program sees, command by command.

mod adapters;
mod commands;
mod errors;
mod fit;
mod kills;
mod layering;
mod project;
mod running;
mod whole;
