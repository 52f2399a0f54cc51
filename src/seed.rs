//! Random streams derived by hash, so that sample N is the same for any thread count and part size.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The portable generator behind every random draw.
pub type Stream = ChaCha8Rng;

/// The seed of one stage of one pipeline, from which the streams of its samples derive.
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

    /// What identifies that stream, for the provenance: 64 hexadecimal digits.
    pub fn hex(&self, index: u64) -> String {
        self.sample_hash(index).to_hex().to_string()
    }

    /// 64 bits for libraries that take nothing longer.
    pub fn word(&self, index: u64) -> u64 {
        let hash = self.sample_hash(index);
        let (word, _) = hash.as_bytes().split_at(8);
        u64::from_le_bytes(word.try_into().expect("a hash has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

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
