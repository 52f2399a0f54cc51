//! How fast this machine is, beside the one that efforts are counted in seconds of. Measured once for each
//! output folder.

use std::path::Path;
use std::time::Duration;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::artifact::files::{read_json, write_json};
use crate::nn::speed::{products_per_second, undisturbed};
use crate::sample::image::{decode_rgb, encode_png};
use crate::stage::Effort;

/// The file with the measured speed, beside the cache.
const FILE: &str = "speed.json";

/// How long each of the two measurements takes.
const TIME: Duration = Duration::from_millis(400);

/// What the two measurements give on the machine of reference.
const REFERENCE: Speed = Speed {
    networks: 7.0e10,
    pictures: 9.0e7,
};

/// What a machine does in a second.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Speed {
    /// Multiplications of small convolutions and their gradients, on the CPU.
    networks: f64,
    /// Pixels encoded as PNG and decoded again.
    pictures: f64,
}

impl Speed {
    /// The speed noted beside the cache; otherwise measures it, which takes a second, and notes it if there is
    /// an output folder.
    pub(super) fn of_machine(outputs: &Path) -> Self {
        let path = outputs.join(FILE);
        let noted: Option<Speed> = read_json(&path, "").ok();
        noted.filter(Speed::is_plausible).unwrap_or_else(|| {
            let speed = Speed {
                networks: products_per_second(TIME),
                pictures: pixels_per_second(TIME),
            };
            // Without the note it is measured again.
            if outputs.is_dir() {
                let _ = write_json(&path, &speed);
            }
            speed
        })
    }

    fn is_plausible(&self) -> bool {
        let plausible = |speed: f64, usual: f64| (1e-4..1e4).contains(&(speed / usual));
        plausible(self.networks, REFERENCE.networks) && plausible(self.pictures, REFERENCE.pictures)
    }

    /// Seconds that the work takes on this machine's CPU.
    pub(super) fn seconds(&self, effort: Effort) -> f64 {
        let networks = Effort::products(effort.products).seconds();
        let others = Effort {
            products: 0.0,
            ..effort
        };
        networks * REFERENCE.networks / self.networks
            + others.seconds() * REFERENCE.pictures / self.pictures
    }
}

/// Pixels that all threads together encode and decode in a second.
fn pixels_per_second(time: Duration) -> f64 {
    const SIDE: u32 = 64;
    let picture = image::RgbImage::from_fn(SIDE, SIDE, |x, y| {
        // Noise, but not so much that nothing can be compressed.
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 5;
        image::Rgb([
            (x + noise % 7) as u8,
            (y + noise % 5) as u8,
            (noise % 11) as u8,
        ])
    });
    let rounds = |_| {
        let round = || drop(encode_png(&picture).and_then(|png| decode_rgb(&png, "speed")));
        f64::from(SIDE * SIDE) / undisturbed(time, round)
    };
    let threads = 0..rayon::current_num_threads();
    threads.into_par_iter().map(rounds).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_machine_half_as_fast_takes_twice_as_long() {
        let effort = Effort {
            products: 1e12,
            rays: 1e6,
            pixels: 1e6,
        };
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b, "{a} {b}");
        near(REFERENCE.seconds(effort), effort.seconds());
        let slow = Speed {
            networks: REFERENCE.networks / 2.0,
            pictures: REFERENCE.pictures / 2.0,
        };
        near(slow.seconds(effort), 2.0 * effort.seconds());
    }

    #[test]
    fn the_speed_is_measured_once_for_each_output_folder() {
        let outputs = tempfile::tempdir().unwrap();
        let measured = Speed::of_machine(outputs.path());
        assert!(measured.is_plausible(), "{measured:?}");
        let began = Instant::now();
        let noted = Speed::of_machine(outputs.path());
        assert!(began.elapsed() < TIME);
        assert_eq!(noted.networks, measured.networks);
        std::fs::write(
            outputs.path().join(FILE),
            r#"{"networks": 0, "pictures": 0}"#,
        )
        .unwrap();
        assert!(Speed::of_machine(outputs.path()).is_plausible());
    }
}
