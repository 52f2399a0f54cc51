//! Linear scales of charts. Every coordinate that they give is finite.

/// A linear map from values to pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    pub from: f64,
    pub to: f64,
}

impl Scale {
    /// Spans the finite ones of `values`, with a little room if they are all alike.
    pub(super) fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if !(high - low).is_normal() {
            let room = 0.5 * low.abs().max(1e-3);
            (low, high) = (
                (low - room).max(f64::MIN / 4.0),
                (high + room).min(f64::MAX / 4.0),
            );
        }
        let limit = f64::MAX / 4.0;
        let (low, high) = (low.clamp(-limit, limit), high.clamp(-limit, limit));
        Scale {
            low,
            high,
            from,
            to,
        }
    }

    /// The pixel of `value`, held inside the chart; what is not a number lies at the start.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        if share.is_nan() {
            return self.from;
        }
        self.from + share * (self.to - self.from)
    }

    /// About `wanted` round numbers inside the span, 1, 2 or 5 times a power of ten apart.
    pub(super) fn ticks(&self, wanted: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / wanted.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let factor = [1.0, 2.0, 5.0, 10.0].into_iter();
        let step = factor.map(|f| f * power).find(|s| *s >= rough);
        let step = step.filter(|s| s.is_normal()).unwrap_or(rough);
        let first = (self.low / step).ceil();
        (0..=2 * wanted)
            .map(|i| (first + i as f64) * step)
            .take_while(|tick| *tick <= self.high + 1e-9 * step)
            .collect()
    }
}

/// A coordinate with a tenth of a pixel.
pub(super) fn px(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::super::format::number;
    use super::*;

    #[test]
    fn values_map_to_pixels_and_stay_inside() {
        let scale = Scale::over([2.0, 4.0].into_iter(), 100.0, 0.0);
        assert_eq!(
            [2.0, 3.0, 4.0, 9.0].map(|v| scale.at(v)),
            [100.0, 50.0, 0.0, 0.0]
        );
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let ticks = Scale::over([0.13, 1.07].into_iter(), 0.0, 1.0).ticks(5);
        let shown: Vec<String> = ticks.into_iter().map(number).collect();
        assert_eq!(shown, ["0.2", "0.4", "0.6", "0.8", "1"]);
    }
}
