//! The spectrum of a small window of a picture, and what stands out of it.

/// Side of a window in pixels.
pub(super) const SIDE: usize = 16;

/// Cells of the spectrum where layers leave grids of 2 and 4 pixels: row, column, and 2 where the cell has a twin
/// that holds half of the amplitude.
const GRIDS: [(usize, usize, f32); 8] = [
    (8, 8, 1.0),
    (8, 0, 1.0),
    (0, 8, 1.0),
    (4, 4, 2.0),
    (4, 0, 2.0),
    (0, 4, 2.0),
    (8, 4, 2.0),
    (4, 8, 2.0),
];

/// Values of the pixels of a window, or of the cells of its spectrum.
pub(super) type Window = [[f32; SIDE]; SIDE];

/// What a window is multiplied with, and the waves of its spectrum.
pub(super) struct Spectrometer {
    /// A Hann window whose squares add up to 1 over both axes.
    bell: [f32; SIDE],
    cosines: [f32; SIDE],
    sines: [f32; SIDE],
}

impl Spectrometer {
    pub(super) fn new() -> Self {
        let turn = |i: usize| 2.0 * std::f32::consts::PI * i as f32 / SIDE as f32;
        let bell: [f32; SIDE] = std::array::from_fn(|i| 0.5 - 0.5 * turn(i).cos());
        let length = bell.iter().map(|v| v * v).sum::<f32>().sqrt();
        Spectrometer {
            bell: bell.map(|v| v / length),
            cosines: std::array::from_fn(|i| turn(i).cos()),
            sines: std::array::from_fn(|i| turn(i).sin()),
        }
    }

    /// The power spectrum without the mean; white noise of variance v has v in every cell.
    pub(super) fn power(&self, window: &Window) -> Window {
        let weight = |y: usize, x: usize| (self.bell[y] * self.bell[x]).powi(2);
        let mut mean = 0.0;
        for (y, row) in window.iter().enumerate() {
            mean += row
                .iter()
                .enumerate()
                .map(|(x, v)| weight(y, x) * v)
                .sum::<f32>();
        }
        // Rows first; the other half of their waves mirrors this one.
        const HALF: usize = SIDE / 2 + 1;
        let mut rows = [[(0.0f32, 0.0f32); HALF]; SIDE];
        for (y, row) in window.iter().enumerate() {
            let mut own = [0.0; SIDE];
            for (x, value) in own.iter_mut().enumerate() {
                *value = (row[x] - mean) * self.bell[y] * self.bell[x];
            }
            for (wave, cell) in rows[y].iter_mut().enumerate() {
                for (x, value) in own.iter().enumerate() {
                    cell.0 += value * self.cosines[wave * x % SIDE];
                    cell.1 -= value * self.sines[wave * x % SIDE];
                }
            }
        }
        let mut power = [[0.0; SIDE]; SIDE];
        for u in 0..SIDE {
            for v in 0..HALF {
                let (mut real, mut imaginary) = (0.0, 0.0);
                for (y, row) in rows.iter().enumerate() {
                    let (cosine, sine) = (self.cosines[u * y % SIDE], self.sines[u * y % SIDE]);
                    real += row[v].0 * cosine + row[v].1 * sine;
                    imaginary += row[v].1 * cosine - row[v].0 * sine;
                }
                let squared = real * real + imaginary * imaginary;
                power[u][v] = squared;
                power[(SIDE - u) % SIDE][(SIDE - v) % SIDE] = squared;
            }
        }
        power
    }

    /// The amplitude of the strongest grid that stands out of the spectrum around it.
    pub(super) fn grid(&self, power: &Window) -> f32 {
        /// Distances, in cells, of what surrounds a peak: on its row and its column, since edges along an axis
        /// have all their power there.
        const AROUND: [usize; 4] = [2, 3, SIDE - 2, SIDE - 3];
        /// Times its surroundings that a peak must have.
        const STANDS_OUT: f32 = 3.0;
        let full = self.bell.iter().sum::<f32>().powi(4);
        let amplitude = |&(u, v, twins): &(usize, usize, f32)| {
            let cross = AROUND.map(|d| power[(u + d) % SIDE][v] + power[u][(v + d) % SIDE]);
            let mean = cross.iter().sum::<f32>() / (2 * AROUND.len()) as f32;
            twins * ((power[u][v] - STANDS_OUT * mean).max(0.0) / full).sqrt()
        };
        GRIDS.iter().map(amplitude).fold(0.0, f32::max)
    }
}

/// Mean amplitude at the highest frequencies, those beyond three quarters of what pixels can hold.
pub(super) fn finest(power: &Window) -> f32 {
    let is_high = |wave: usize| (SIDE * 3 / 8..=SIDE * 5 / 8).contains(&wave);
    let (mut sum, mut count) = (0.0, 0u8);
    for (u, row) in power.iter().enumerate() {
        for (_, cell) in row
            .iter()
            .enumerate()
            .filter(|(v, _)| is_high(u) || is_high(*v))
        {
            sum += cell;
            count += 1;
        }
    }
    (sum / f32::from(count)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, standard_normal};

    #[test]
    fn a_wave_has_its_amplitude_and_noise_its_variance() {
        let spectrometer = Spectrometer::new();
        let wave: Window =
            std::array::from_fn(|y| std::array::from_fn(|x| [0.1, -0.1][(x + y) % 2] + 0.4));
        assert!((spectrometer.grid(&spectrometer.power(&wave)) - 0.1).abs() < 1e-3);
        let mut stream = Seed::new(1, "noise").stream(0);
        let mut mean = 0.0;
        for _ in 0..50 {
            let noise: Window = std::array::from_fn(|_| {
                std::array::from_fn(|_| 0.1 * standard_normal(&mut stream) as f32)
            });
            mean += finest(&spectrometer.power(&noise)).powi(2) / 50.0;
        }
        assert!((mean - 0.01).abs() < 1e-3, "{mean}");
    }
}
