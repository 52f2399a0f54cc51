//! Random streams derived by hashing, so that sample N is the same for any thread count and part size.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

/// The portable generator used for every random draw.
pub type Stream = ChaCha8Rng;

/// 64 bits of a text's hash: as good as unique for millions of texts.
pub fn number(text: &str) -> u64 {
    let hash = *blake3::hash(text.as_bytes()).as_bytes();
    u64::from_le_bytes(std::array::from_fn(|byte| hash[byte]))
}

/// A draw from the normal distribution of mean 0 and deviation 1 (Box and Muller 1958).
pub fn standard_normal(stream: &mut Stream) -> f64 {
    // Maps the half-open range 0..1 to 0 < u ≤ 1, where the logarithm is finite.
    let u = 1.0 - stream.random::<f64>();
    let angle = std::f64::consts::TAU * stream.random::<f64>();
    (-2.0 * u.ln()).sqrt() * angle.cos()
}

/// The position of a stream, to continue it in another process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Position {
    seed: [u8; 32],
    /// Number of words drawn, as the low and high 64 bits.
    words: [u64; 2],
}

impl Position {
    /// The position of `stream`.
    pub fn of(stream: &Stream) -> Self {
        let words = stream.get_word_pos();
        Position {
            seed: stream.get_seed(),
            words: [words as u64, (words >> 64) as u64],
        }
    }

    /// A stream that continues from this position.
    pub fn stream(&self) -> Stream {
        let mut stream = Stream::from_seed(self.seed);
        let [low, high] = self.words.map(u128::from);
        stream.set_word_pos(high << 64 | low);
        stream
    }
}

/// The seed of one stage of one pipeline; the streams of its samples derive from it.
///
/// ```
/// use rand::RngExt;
/// use verismo::seed::Seed;
///
/// let draw = |index| Seed::new(1, "render").stream(index).random::<u64>();
/// assert_eq!(draw(12), draw(12));
/// assert_ne!(draw(12), draw(13));
/// ```
#[derive(Debug, Clone)]
pub struct Seed {
    hash: blake3::Hash,
}

impl Seed {
    /// Derives a stage's seed from the pipeline's `seed` and the stage's id.
    pub fn new(seed: u64, stage: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("verismo stage seed v1");
        hasher.update(&seed.to_le_bytes());
        hasher.update(stage.as_bytes());
        Seed {
            hash: hasher.finalize(),
        }
    }

    fn sample_hash(&self, index: u64) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(self.hash.as_bytes());
        hasher.update(&index.to_le_bytes());
        hasher.finalize()
    }

    /// The random stream of sample `index`.
    pub fn stream(&self, index: u64) -> Stream {
        Stream::from_seed(*self.sample_hash(index).as_bytes())
    }

    /// Another seed, for the n-th attempt at the same work.
    pub fn attempt(&self, number: u64) -> Seed {
        let mut hasher = blake3::Hasher::new_keyed(self.hash.as_bytes());
        hasher.update(b"attempt");
        hasher.update(&number.to_le_bytes());
        Seed {
            hash: hasher.finalize(),
        }
    }

    /// Identifies the stream of sample `index` in the provenance: 64 hexadecimal digits.
    pub fn hex(&self, index: u64) -> String {
        self.sample_hash(index).to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_goes_on_from_its_position() {
        let mut stream = Seed::new(1, "train").attempt(2).stream(7);
        for _ in 0..77 {
            let _: u32 = stream.random();
        }
        let text = serde_json::to_string(&Position::of(&stream)).unwrap();
        let mut again = serde_json::from_str::<Position>(&text).unwrap().stream();
        assert_eq!(stream.random::<u64>(), again.random::<u64>());
    }

    #[test]
    fn streams_differ_by_seed_stage_and_index() {
        let draw = |seed, stage, index| -> u64 { Seed::new(seed, stage).stream(index).random() };
        let base = draw(1, "render", 0);
        assert_eq!(base, draw(1, "render", 0));
        assert_ne!(base, draw(2, "render", 0));
        assert_ne!(base, draw(1, "augment", 0));
        assert_ne!(base, draw(1, "render", 1));
    }
}
