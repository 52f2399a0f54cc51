//! Learning rates over the course of a training.

/// Constant, then falling in a line to zero at the end (Zhu et al. 2017).
///
/// `decay_from` is the share of `steps` after which it falls; `step` counts from 0.
pub fn linear(rate: f64, decay_from: f64, step: u64, steps: u64) -> f64 {
    let progress = step as f64 / steps as f64;
    if progress <= decay_from {
        rate
    } else {
        rate * (1.0 - progress) / (1.0 - decay_from)
    }
}

#[cfg(test)]
mod tests {
    use super::linear;

    #[test]
    fn constant_then_linear() {
        assert_eq!(linear(2.0, 0.5, 0, 100), 2.0);
        assert_eq!(linear(2.0, 0.5, 50, 100), 2.0);
        assert!((linear(2.0, 0.5, 75, 100) - 1.0).abs() < 1e-12);
        assert_eq!(linear(2.0, 1.0, 99, 100), 2.0);
    }
}
