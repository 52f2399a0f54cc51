//! How pictures look, in numbers that need no label, and how two sets of pictures differ in them.
//!
//! [`FEATURES`] measures one picture, [`compare()`] sets two domains side by side, measure by measure, and [`fidelity`]
//! compares a picture with the one that it should be. How far the pictures as a whole are from photos, the ruler says
//! (`nn::ruler`).

pub mod compare;
pub mod describe;
pub mod features;
pub mod fidelity;
pub mod linear;

pub use compare::{Difference, compare};
pub use features::{FEATURES, Feature, Look, measure};
