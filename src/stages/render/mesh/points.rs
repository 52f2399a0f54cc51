//! Where the samples of a pixel fall: points that cover the unit square evenly, however many there are.
//!
//! The first two dimensions of Sobol's sequence, shuffled and scrambled by hashes for each use (Owen's scrambling as
//! in Burley, "Practical Hash-based Owen Scrambling", 2020), so that what a sample draws for one use tells nothing
//! of what it draws for another. What comes after the first bounce is plain random.

use super::surface::{hash, unit};

/// One sample of one pixel, as a source of points.
#[derive(Clone, Copy)]
pub(super) struct Points {
    pub pixel: u32,
    pub sample: u32,
}

/// What a point of the unit square is for.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Pixel,
    Aperture,
    Exposure,
    Lamp,
    Sky,
    Bounce,
    Lobe,
}

impl Points {
    /// The point of this sample; those of the first 2^k samples have as many in every 2^k-th of the square.
    pub(super) fn at(self, purpose: Use) -> (f32, f32) {
        let seed = hash(self.pixel.wrapping_add(purpose as u32));
        let index = permuted(self.sample.reverse_bits(), seed).reverse_bits();
        let (x, y) = (hash(seed), hash(seed ^ 0x5bd1_e995));
        (
            unit(permuted(index, x).reverse_bits()),
            unit(permuted(second(index), y).reverse_bits()),
        )
    }

    /// A stream of random words for all that follows the first bounce.
    pub(super) fn rest(self) -> Random {
        Random(hash(self.pixel ^ hash(self.sample ^ 0x9e37_79b9)))
    }
}

/// Random words, each the hash of the one before.
pub(super) struct Random(u32);

impl Random {
    pub(super) fn word(&mut self) -> u32 {
        self.0 = hash(self.0);
        self.0
    }

    /// A number in 0..1.
    pub(super) fn number(&mut self) -> f32 {
        unit(self.word())
    }

    pub(super) fn pair(&mut self) -> (f32, f32) {
        (self.number(), self.number())
    }
}

/// Owen's scrambling of a number whose bits are reversed (Laine and Karras 2011, with Burley's constants).
fn permuted(bits: u32, seed: u32) -> u32 {
    let mut x = bits.wrapping_add(seed);
    for factor in [0x6c50_b47c, 0xb82f_1e52, 0xc7af_e638, 0x8d22_f6e6_u32] {
        x ^= x.wrapping_mul(factor);
    }
    x
}

/// The second dimension of Sobol's sequence, its bits reversed: the product with Pascal's triangle of odd and even.
fn second(index: u32) -> u32 {
    let mut x = index;
    x ^= (x >> 1) & 0x5555_5555;
    x ^= (x >> 2) & 0x3333_3333;
    x ^= (x >> 4) & 0x0f0f_0f0f;
    x ^= (x >> 8) & 0x00ff_00ff;
    x ^ ((x >> 16) & 0x0000_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_square_has_its_point() {
        for pixel in [3, 77, 4_000_000_000] {
            for (columns, rows) in [(16, 1), (8, 2), (4, 4), (2, 8), (1, 16)] {
                let mut found = [0; 16];
                for sample in 0..16 {
                    let (x, y) = Points { pixel, sample }.at(Use::Sky);
                    let cell = |v: f32, count: usize| (v * count as f32) as usize;
                    found[cell(y, rows) * columns + cell(x, columns)] += 1;
                }
                assert_eq!(found, [1; 16], "{columns} × {rows}");
            }
        }
    }

    #[test]
    fn two_uses_tell_nothing_of_each_other() {
        let mut quarters = [0; 4];
        for sample in 0..4096 {
            let points = Points { pixel: 9, sample };
            let halves =
                [Use::Sky, Use::Lamp].map(|purpose| usize::from(points.at(purpose).0 < 0.5));
            quarters[2 * halves[0] + halves[1]] += 1;
        }
        assert!(
            quarters.iter().all(|count| (900..1150).contains(count)),
            "{quarters:?}"
        );
    }
}
