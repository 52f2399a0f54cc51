//! Learning rates over the course of a training.

use serde::{Deserialize, Serialize};

use super::config::{Schedule, TrainConfig};

/// What the plateau schedule remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Plateau {
    best: Option<f64>,
    /// Looks since the best one.
    since: u64,
    /// How often the rate has fallen.
    falls: u32,
}

impl Plateau {
    /// Takes in what a look measured, the lower the better; the rate falls once `patience` looks in a
    /// row were no better than the best.
    pub(super) fn take_in(&mut self, measured: f64, patience: u64) {
        if self.best.is_none_or(|best| measured < best) {
            self.best = Some(measured);
            self.since = 0;
            return;
        }
        self.since += 1;
        if self.since >= patience {
            self.falls += 1;
            self.since = 0;
        }
    }
}

/// Whether the rates of the first steps would be others in a longer training.
pub(super) fn depends_on_steps(config: &TrainConfig) -> bool {
    match config.schedule {
        Schedule::Constant | Schedule::Plateau => false,
        Schedule::Linear | Schedule::Cosine => config.decay_from < 1.0,
        Schedule::Step => true,
    }
}

/// The learning rate of a step, counted from 0.
pub(super) fn rate(config: &TrainConfig, step: u64, plateau: &Plateau) -> f64 {
    let progress = step as f64 / config.steps as f64;
    // 0 while the rate is constant, then up to 1 at the end.
    let decay = ((progress - config.decay_from) / (1.0 - config.decay_from)).max(0.0);
    config.rate
        * match config.schedule {
            Schedule::Constant => 1.0,
            Schedule::Linear | Schedule::Cosine if progress <= config.decay_from => 1.0,
            Schedule::Linear => 1.0 - decay,
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * decay).cos()),
            Schedule::Step => {
                let falls = (progress / config.decay_every).floor();
                config.decay_factor.powf(falls)
            }
            Schedule::Plateau => config.decay_factor.powf(f64::from(plateau.falls)),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(config: &TrainConfig, step: u64) -> f64 {
        rate(config, step, &Plateau::default())
    }

    fn config(schedule: Schedule) -> TrainConfig {
        TrainConfig {
            schedule,
            rate: 2.0,
            steps: 100,
            ..TrainConfig::default()
        }
    }

    #[test]
    fn constant_then_linear_or_cosine() {
        let linear = config(Schedule::Linear);
        assert_eq!([0, 50].map(|step| at(&linear, step)), [2.0, 2.0]);
        assert!((at(&linear, 75) - 1.0).abs() < 1e-12);
        let never = TrainConfig {
            decay_from: 1.0,
            ..linear
        };
        assert_eq!(at(&never, 99), 2.0);
        let cosine = config(Schedule::Cosine);
        assert_eq!(at(&cosine, 50), 2.0);
        assert!((at(&cosine, 75) - 1.0).abs() < 1e-12);
        assert!(at(&cosine, 99) < 0.01);
        assert_eq!(at(&config(Schedule::Constant), 99), 2.0);
    }

    #[test]
    fn steps_fall_by_a_factor() {
        let step = config(Schedule::Step);
        assert_eq!(at(&step, 24), 2.0);
        assert!((at(&step, 25) - 0.2).abs() < 1e-12);
        assert!((at(&step, 99) - 0.002).abs() < 1e-12);
    }

    #[test]
    fn a_plateau_falls_where_nothing_improves() {
        let config = config(Schedule::Plateau);
        let mut plateau = Plateau::default();
        let mut rates = Vec::new();
        for measured in [5.0, 4.0, 4.5, 4.5, 3.0, 3.5, 3.2] {
            plateau.take_in(measured, 2);
            rates.push((rate(&config, 0, &plateau) * 1e6).round() / 1e6);
        }
        assert_eq!(rates, [2.0, 2.0, 2.0, 0.2, 0.2, 0.2, 0.02]);
    }
}
