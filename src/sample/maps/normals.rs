//! Surface normals in camera coordinates.

use glam::{DMat2, DVec2, Vec3};

use super::{Follows, Layout, MapKind, Planes, Value, three};

/// The registry entry.
pub const MAP: MapKind = MapKind {
    name: "normals",
    about: "surface normals before the camera (x right, y down, z away), 8 bits for -1..1; black where nothing is",
    layout: Layout::Rgb8,
    nothing: [0; 3],
    follows: Follows::Turn(turn),
    mixed: false,
    planes: Planes {
        count: 3,
        of: |values| three(values, [0; 3], |value| normal(value).to_array()),
    },
};

/// The map value of a unit vector.
pub fn value(normal: Vec3) -> Value {
    normal
        .to_array()
        .map(|v| ((v + 1.0) * 127.5).round().clamp(0.0, 255.0) as u16)
}

/// The unit vector of a map value that is not black.
pub fn normal(value: Value) -> Vec3 {
    Vec3::from_array(value.map(|v| f32::from(v) / 127.5 - 1.0)).normalize_or_zero()
}

fn turn(from: Value, by: DMat2) -> Value {
    let old = normal(from);
    let turned = by * DVec2::new(old.x.into(), old.y.into());
    value(Vec3::new(turned.x as f32, turned.y as f32, old.z))
}
