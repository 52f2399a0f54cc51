//! The colour of surfaces, without light and shadow.

use super::{Follows, Layout, MapKind, Planes, Value, three};
use crate::sample::colour::to_srgb;

/// The registry entry.
pub const MAP: MapKind = MapKind {
    name: "albedo",
    about: "colour of the surface without light and shadow, 8-bit sRGB; black where it is not known",
    layout: Layout::Rgb8,
    nothing: [0; 3],
    follows: Follows::Nothing,
    mixed: true,
    planes: Planes {
        count: 3,
        of: |values| {
            three(values, [0; 3], |value| {
                value.map(|v| f32::from(v) / 127.5 - 1.0)
            })
        },
    },
};

/// The map value of the share of light, 0..1, that a surface reflects. A black surface is one step brighter than
/// nothing.
pub fn value(reflected: [f32; 3]) -> Value {
    let value = reflected.map(|v| (to_srgb(v) * 255.0).round().clamp(0.0, 255.0) as u16);
    if value == MAP.nothing { [1; 3] } else { value }
}
