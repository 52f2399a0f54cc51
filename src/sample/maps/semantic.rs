//! The class of every pixel.

use super::{Layout, MapKind};

/// The registry entry.
pub const MAP: MapKind = MapKind {
    name: "semantic",
    about: "class of every pixel, 16-bit grey: 0 for none, else its place among the sorted classes from 1",
    layout: Layout::Grey16,
    nothing: [0; 3],
    turn: None,
};
