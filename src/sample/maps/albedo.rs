//! The colour of surfaces, without light and shadow.

use super::{Layout, MapKind};

/// The registry entry.
pub const MAP: MapKind = MapKind {
    name: "albedo",
    about: "colour of the surface without light and shadow, 8-bit sRGB; black where nothing is",
    layout: Layout::Rgb8,
    nothing: [0; 3],
    turn: None,
};
