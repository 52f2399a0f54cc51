//! Depth along the optical axis.

use super::{Follows, Layout, MapKind, Planes, Value};

/// Metres a step where the objects of a picture are neither tiny nor far away.
pub const STEP: f32 = 1e-4;

/// The largest value that is a distance.
const MOST: f32 = 65_534.0;

/// The registry entry.
pub const MAP: MapKind = MapKind {
    name: "depth",
    about: "distance along the optical axis, 16-bit grey; `depth_step` in the manifest is a step in metres; \
            65535 where nothing is",
    layout: Layout::Grey16,
    nothing: [u16::MAX, 0, 0],
    follows: Follows::Nothing,
    mixed: false,
    planes: Planes {
        count: 1,
        of: relief,
    },
};

/// The step, in metres, of a map in which `farthest` metres must have a value: 0.1 mm, or a power of ten more
/// or less where that is too fine, or coarser than it must be a hundred times.
pub fn step(farthest: f32) -> f32 {
    let (mut step, most) = (STEP, farthest.clamp(1e-9, 1e30));
    while most > MOST * step {
        step *= 10.0;
    }
    while 100.0 * most <= MOST * step {
        step /= 10.0;
    }
    // The nearest number to the power of ten, whatever the products were rounded to.
    format!("{step:.0e}").parse().unwrap_or(step)
}

/// The map value of a depth in metres, in a map of this `step`; infinite depth means nothing is there.
pub fn value(metres: f32, step: f32) -> u16 {
    (metres / step).round().min(65535.0) as u16
}

/// Nearness over that of all that a picture shows: 0 at its mean, a third for a standard deviation, at most 1. So it
/// depends on no unit and no step.
fn relief(values: &[Value]) -> Vec<f32> {
    let known = |value: &&Value| **value != MAP.nothing;
    let count = values.iter().filter(known).count().max(1) as f32;
    let mean = |of: &dyn Fn(f32) -> f32| {
        let all = values.iter().filter(known);
        all.map(|value| of(value[0].into())).sum::<f32>() / count
    };
    let middle = mean(&|v| v);
    let deviation = mean(&|v| (v - middle).powi(2)).sqrt().max(1e-3);
    let nearness = |value: &Value| match known(&value) {
        true => ((middle - f32::from(value[0])) / (3.0 * deviation)).clamp(-1.0, 1.0),
        false => 0.0,
    };
    values.iter().map(nearness).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_as_fine_as_the_farthest_point_allows() {
        for (farthest, wanted) in [
            (0.3, 1e-4),
            (6.5, 1e-4),
            (6.6, 1e-3),
            (272.0, 1e-2),
            (1e7, 1e3),
            (0.07, 1e-4),
            (0.06, 1e-5),
            (3e-5, 1e-8),
        ] {
            assert_eq!(step(farthest), wanted, "{farthest}");
            assert!(value(farthest, wanted) < u16::MAX);
        }
        assert_eq!(value(f32::INFINITY, step(1.0)), u16::MAX);
    }
}
