//! How pictures look, in numbers that need no label, and how two sets of pictures differ in them.
//!
//! [`FEATURES`] measures one picture, [`compare()`] sets two domains side by side, [`c2st`] tells how
//! easily a classifier tells them apart.

pub mod c2st;
pub mod compare;
pub mod features;
pub mod linear;
mod stumps;

pub use compare::{Difference, compare};
pub use features::{FEATURES, Feature, Look, measure};
