//! Random draws from ranges.

use rand::RngExt;

use crate::seed::{Stream, standard_normal};

/// [lowest, highest].
pub(super) type Range = [f64; 2];

/// Evenly from `range`.
pub(super) fn uniform([low, high]: Range, stream: &mut Stream) -> f32 {
    (low + (high - low) * stream.random::<f64>()) as f32
}

/// Evenly on a logarithmic scale from `range`, whose ends are above 0.
pub(super) fn log_uniform([low, high]: Range, stream: &mut Stream) -> f32 {
    (low.ln() + (high / low).ln() * stream.random::<f64>()).exp() as f32
}

/// From the normal distribution of mean 0 and deviation 1, for pixels.
pub(super) fn normal(stream: &mut Stream) -> f32 {
    standard_normal(stream) as f32
}

/// True with `probability`.
pub(super) fn chance(probability: f64, stream: &mut Stream) -> bool {
    stream.random::<f64>() < probability
}

/// A direction in the picture, evenly from the circle.
pub(super) fn direction(stream: &mut Stream) -> glam::Vec2 {
    glam::Vec2::from_angle(std::f32::consts::TAU * stream.random::<f32>())
}

/// Checks that both ends of a range lie within `bounds` and in order.
///
/// # Errors
/// A sentence that names the field.
pub(super) fn check_range(name: &str, [low, high]: Range, bounds: Range) -> Result<(), String> {
    let [least, most] = bounds;
    if least <= low && low <= high && high <= most {
        return Ok(());
    }
    Err(format!(
        "`{name}` must be [lowest, highest] within {least} to {most}, not [{low}, {high}]"
    ))
}

/// Checks that a probability is one.
///
/// # Errors
/// A sentence that names the field.
pub(super) fn check_share(name: &str, share: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    Err(format!("`{name}` must be between 0 and 1, not {share}"))
}
