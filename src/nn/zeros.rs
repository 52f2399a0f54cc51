//! Memory for results, cleared by all threads: for large pictures one thread would take as long as
//! some of the work that fills it.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Numbers that one thread clears at a time.
const CHUNK: usize = 1 << 16;

/// `count` zeros.
pub(super) fn zeros(count: usize) -> Vec<f32> {
    if count <= CHUNK {
        return vec![0.0; count];
    }
    let mut numbers = Vec::with_capacity(count);
    let free = &mut numbers.spare_capacity_mut()[..count];
    free.par_chunks_mut(CHUNK)
        .for_each(|chunk| chunk.fill(MaybeUninit::new(0.0)));
    // SAFETY: the first `count` numbers have just been written.
    unsafe { numbers.set_len(count) };
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_zero() {
        for count in [0, 5, CHUNK, 3 * CHUNK + 7] {
            let numbers = zeros(count);
            assert_eq!(numbers.len(), count);
            assert!(numbers.iter().all(|number| *number == 0.0));
        }
    }
}
