//! The inner loop of our convolution: a matrix product whose left operand is read from wherever it
//! lies.
//!
//! A convolution, the gradient of its input and the gradient of its weights are all
//! `c[i][j] += Σ_k a[rows[i] + columns[k]] · b[k][j]`. The left operand is a picture that is read
//! through two lists of offsets, one number at a time, so it is never gathered into a matrix; the
//! right one lies in panels as wide as two vector registers. Georganas et al., Anatomy of
//! High-Performance Deep Learning Convolutions on SIMD Architectures, 2018, has the idea.

/// How many rows the largest block has.
const TALLEST: usize = 8;

/// A block of accumulators that fits this machine's registers, and the code that fills it.
#[derive(Clone, Copy)]
pub(super) struct Block {
    height: usize,
    /// Columns of a panel of `b` and of a row of `c`.
    pub width: usize,
    run: Run,
}

type Run = unsafe fn(Pointers, &[usize], &[usize; TALLEST], &[usize; TALLEST], bool);

#[derive(Clone, Copy)]
struct Pointers {
    a: *const f32,
    b: *const f32,
    c: *mut f32,
}

/// A left operand: element (i, k) is `values[rows[i] + columns[k]]`.
#[derive(Clone, Copy)]
pub(super) struct Scattered<'a> {
    pub values: &'a [f32],
    pub rows: &'a [usize],
    pub columns: &'a [usize],
}

impl Block {
    /// The block for results of `columns` columns: narrow where half of a wide one would be idle.
    pub(super) fn new(columns: usize) -> Self {
        let (narrow, wide) = Self::pair();
        if columns.div_ceil(narrow.width).is_multiple_of(2) {
            wide
        } else {
            narrow
        }
    }

    /// The same, but narrow too where the panels of `parts` products would be fewer than threads.
    pub(super) fn for_parts(columns: usize, parts: usize) -> Self {
        let block = Self::new(columns);
        if parts * columns.div_ceil(block.width) < rayon::current_num_threads() {
            return Self::pair().0;
        }
        block
    }

    #[cfg(target_arch = "x86_64")]
    fn pair() -> (Self, Self) {
        if is_x86_feature_detected!("avx512f") {
            x86::AVX512
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            x86::AVX2
        } else {
            PORTABLE
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn pair() -> (Self, Self) {
        PORTABLE
    }

    /// `c[c_rows[i]..][..width]` = (or += with `add`) Σ_k a(i, k) · `b[k · width..][..width]`.
    ///
    /// Rows of `c` must not overlap unless they are the same.
    pub(super) fn multiply(
        &self,
        a: Scattered,
        b: &[f32],
        c: &mut [f32],
        c_rows: &[usize],
        add: bool,
    ) {
        let last = |offsets: &[usize]| offsets.iter().max().copied().unwrap_or(0);
        let last_column = last(a.columns);
        assert_eq!(a.rows.len(), c_rows.len());
        assert!(last(a.rows) + last_column < a.values.len());
        assert!(a.columns.len() * self.width <= b.len());
        assert!(last(c_rows) + self.width <= c.len());
        let pointers = Pointers {
            a: a.values.as_ptr(),
            b: b.as_ptr(),
            c: c.as_mut_ptr(),
        };
        let mut rows = [0; TALLEST];
        let mut targets = [0; TALLEST];
        for (from, to) in a.rows.chunks(self.height).zip(c_rows.chunks(self.height)) {
            // A short last block repeats its last row: computed twice, stored twice alike.
            for i in 0..self.height {
                rows[i] = from[i.min(from.len() - 1)];
                targets[i] = to[i.min(to.len() - 1)];
            }
            // SAFETY: the assertions hold every offset that the block reads or writes inside its
            // slice, and `c` is borrowed mutably, so it overlaps neither operand. `pair` has
            // checked that this machine has the instructions.
            unsafe { (self.run)(pointers, a.columns, &rows, &targets, add) }
        }
    }
}

/// A vector register of numbers.
trait Lanes: Copy {
    const WIDTH: usize;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    /// `self` + a · b.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
}

/// The block of `H` rows and `W` registers.
///
/// # Safety
/// Every offset must be in bounds, and the machine must have the instructions of `L`.
#[inline(always)]
unsafe fn block<L: Lanes, const H: usize, const W: usize>(
    at: Pointers,
    columns: &[usize],
    rows: &[usize; TALLEST],
    c_rows: &[usize; TALLEST],
    add: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[L::splat(0.0); W]; H];
        if add {
            for (sums, row) in sums.iter_mut().zip(c_rows) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(at.c.add(row + i * L::WIDTH));
                }
            }
        }
        let mut row = [at.a; H];
        for (pointer, offset) in row.iter_mut().zip(rows) {
            *pointer = at.a.add(*offset);
        }
        let mut b = at.b;
        for column in columns {
            let mut right = [L::splat(0.0); W];
            for (i, lanes) in right.iter_mut().enumerate() {
                *lanes = L::load(b.add(i * L::WIDTH));
            }
            for (sums, row) in sums.iter_mut().zip(row) {
                let left = L::splat(*row.add(*column));
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = sum.add_product(left, right);
                }
            }
            b = b.add(W * L::WIDTH);
        }
        for (sums, row) in sums.iter().zip(c_rows) {
            for (i, sum) in sums.iter().enumerate() {
                sum.store(at.c.add(row + i * L::WIDTH));
            }
        }
    }
}

/// Four numbers, which every compiler target that matters has registers for.
type Four = [f32; 4];

impl Lanes for Four {
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise; no alignment is needed.
        unsafe { from.cast::<Four>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { to.cast::<Four>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|i| self[i] + a[i] * b[i])
    }
}

const PORTABLE: (Block, Block) = (
    Block {
        height: 4,
        width: 4,
        run: block::<Four, 4, 1>,
    },
    Block {
        height: 4,
        width: 8,
        run: block::<Four, 4, 2>,
    },
);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Block, Lanes, Pointers, TALLEST, block};
    use std::arch::x86_64::{
        __m256, __m512, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
    };

    impl Lanes for __m512 {
        const WIDTH: usize = 16;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller's promise, here and below.
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as above.
            unsafe { _mm512_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: as above.
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm512_fmadd_ps(a, b, self) }
        }
    }

    impl Lanes for __m256 {
        const WIDTH: usize = 8;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller's promise, here and below.
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as above.
            unsafe { _mm256_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: as above.
            unsafe { _mm256_set1_ps(value) }
        }

        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: as above.
            unsafe { _mm256_fmadd_ps(a, b, self) }
        }
    }

    /// A block as a function that is compiled for an instruction set.
    macro_rules! compiled {
        ($name:ident, $features:literal, $lanes:ty, $height:literal, $registers:literal) => {
            #[target_feature(enable = $features)]
            unsafe fn $name(
                at: Pointers,
                columns: &[usize],
                rows: &[usize; TALLEST],
                c_rows: &[usize; TALLEST],
                add: bool,
            ) {
                // SAFETY: the caller's promise.
                unsafe { block::<$lanes, $height, $registers>(at, columns, rows, c_rows, add) }
            }
        };
    }

    compiled!(avx512_8x16, "avx512f", __m512, 8, 1);
    compiled!(avx512_8x32, "avx512f", __m512, 8, 2);
    compiled!(avx2_6x8, "avx2,fma", __m256, 6, 1);
    compiled!(avx2_6x16, "avx2,fma", __m256, 6, 2);

    pub(super) const AVX512: (Block, Block) = (
        Block {
            height: 8,
            width: 16,
            run: avx512_8x16,
        },
        Block {
            height: 8,
            width: 32,
            run: avx512_8x32,
        },
    );

    pub(super) const AVX2: (Block, Block) = (
        Block {
            height: 6,
            width: 8,
            run: avx2_6x8,
        },
        Block {
            height: 6,
            width: 16,
            run: avx2_6x16,
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks() -> Vec<Block> {
        let mut all = vec![PORTABLE.0, PORTABLE.1];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.extend([x86::AVX2.0, x86::AVX2.1]);
            }
            if is_x86_feature_detected!("avx512f") {
                all.extend([x86::AVX512.0, x86::AVX512.1]);
            }
        }
        all
    }

    /// Every block agrees with three nested loops, also where the last one is short.
    #[test]
    fn every_block_multiplies() {
        let number = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 50.0;
        let values: Vec<f32> = (0..200).map(number).collect();
        let rows: Vec<usize> = (0..11).map(|i| i * 3).collect();
        let columns: Vec<usize> = (0..7).map(|k| k * 5 % 13).collect();
        for block in blocks() {
            let b: Vec<f32> = (0..7 * block.width).map(number).collect();
            let c_rows: Vec<usize> = (0..11).map(|i| (10 - i) * block.width).collect();
            let mut c = vec![1.0; 11 * block.width];
            let a = Scattered {
                values: &values,
                rows: &rows,
                columns: &columns,
            };
            block.multiply(a, &b, &mut c, &c_rows, false);
            block.multiply(a, &b, &mut c, &c_rows, true);
            for (i, c_row) in c_rows.iter().enumerate() {
                for j in 0..block.width {
                    let product = |k: usize| values[rows[i] + columns[k]] * b[k * block.width + j];
                    let expected = 2.0 * (0..7).map(product).sum::<f32>();
                    assert!((c[c_row + j] - expected).abs() < 1e-4);
                }
            }
        }
    }
}
