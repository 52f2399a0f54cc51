//! Depth along the optical axis.

use super::{Layout, MapKind};

/// Steps per metre: 0.1 mm each.
pub const STEPS: f32 = 10_000.0;

/// The registry entry.
pub const MAP: MapKind = MapKind {
    name: "depth",
    about: "distance along the optical axis, 16-bit grey, 0.1 mm a step; 65535 where nothing is",
    layout: Layout::Grey16,
    nothing: [u16::MAX, 0, 0],
    turn: None,
};

/// The map value of a depth in metres; infinite depth means nothing is there.
pub fn value(metres: f32) -> u16 {
    (metres * STEPS).round().min(65535.0) as u16
}
