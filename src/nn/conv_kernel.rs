//! Convolution and its gradients on the CPU: im2col in tiles that stay in the cache, and gemm.
//!
//! Padding (zeros or mirrored) is part of the gathering, so no padded copy of the input exists.
//! The gradient of the weights is a gemm over the same tiles, instead of a
//! convolution whose kernel is the size of a picture, which burn's CPU backend computes slowly for
//! small batches.

use rayon::prelude::*;

/// How a convolution looks beyond the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    Zeros,
    /// Mirrored, the border pixel itself not repeated.
    Reflect,
}

/// The shape of a square convolution.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    pub batch: usize,
    pub channels_in: usize,
    pub channels_out: usize,
    pub height: usize,
    pub width: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub border: Border,
}

/// Positions gathered at once: with 32 channels and a 3×3 kernel 590 kB.
const TILE: usize = 512;

impl Geometry {
    pub fn height_out(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    pub fn width_out(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Rows of the gathered matrix: one a channel and kernel position.
    fn depth(&self) -> usize {
        self.channels_in * self.kernel * self.kernel
    }

    fn size_in(&self) -> usize {
        self.channels_in * self.height * self.width
    }

    fn size_out(&self) -> usize {
        self.channels_out * self.height_out() * self.width_out()
    }

    /// Rows of output a tile.
    fn rows(&self) -> usize {
        (TILE / self.width_out()).clamp(1, self.height_out())
    }

    /// Where a padded coordinate reads from; `None` is zero.
    fn source(&self, padded: usize, length: usize) -> Option<usize> {
        let at = padded as isize - self.padding as isize;
        if (0..length as isize).contains(&at) {
            return Some(at as usize);
        }
        match self.border {
            Border::Zeros => None,
            Border::Reflect if at < 0 => Some(at.unsigned_abs()),
            Border::Reflect => Some(2 * length - 2 - at as usize),
        }
    }

    /// Calls `visit(row of the gathered matrix, first position in the tile, input plane offset,
    /// kernel column)` for every row segment of output rows `from..to`.
    fn segments(
        &self,
        from: usize,
        to: usize,
        mut visit: impl FnMut(usize, usize, Option<usize>, usize),
    ) {
        let width_out = self.width_out();
        for channel in 0..self.channels_in {
            for ky in 0..self.kernel {
                for kx in 0..self.kernel {
                    let row = (channel * self.kernel + ky) * self.kernel + kx;
                    for y in from..to {
                        let source = self.source(y * self.stride + ky, self.height);
                        let plane = source.map(|y| (channel * self.height + y) * self.width);
                        visit(row, (y - from) * width_out, plane, kx);
                    }
                }
            }
        }
    }

    /// For each kernel column, where each output column reads from.
    fn columns(&self) -> Vec<Vec<Option<usize>>> {
        let column = |kx: usize| {
            let outputs = 0..self.width_out();
            outputs
                .map(|x| self.source(x * self.stride + kx, self.width))
                .collect()
        };
        (0..self.kernel).map(column).collect()
    }

    /// The output columns that read the input in an unbroken run, for stride 1.
    fn straight(&self, kx: usize) -> std::ops::Range<usize> {
        if self.stride != 1 {
            return 0..0;
        }
        let first = self.padding.saturating_sub(kx);
        let last = (self.width + self.padding - kx).min(self.width_out());
        first..last.max(first)
    }

    /// Gathers output rows `from..to` of one picture into `tile`, `depth` rows of `count`.
    fn gather(
        &self,
        input: &[f32],
        columns: &[Vec<Option<usize>>],
        from: usize,
        to: usize,
        tile: &mut [f32],
    ) {
        let width_out = self.width_out();
        let count = (to - from) * width_out;
        self.segments(from, to, |row, first, plane, kx| {
            let out = &mut tile[row * count + first..][..width_out];
            let Some(plane) = plane else {
                out.fill(0.0);
                return;
            };
            let line = &input[plane..plane + self.width];
            let straight = self.straight(kx);
            let read = |x: usize| columns[kx][x].map_or(0.0, |at| line[at]);
            for x in (0..straight.start).chain(straight.end..width_out) {
                out[x] = read(x);
            }
            if !straight.is_empty() {
                let start = straight.start + kx - self.padding;
                let length = straight.len();
                out[straight].copy_from_slice(&line[start..start + length]);
            }
        });
    }

    /// Adds a tile back to where it was gathered from.
    fn scatter(
        &self,
        tile: &[f32],
        columns: &[Vec<Option<usize>>],
        from: usize,
        to: usize,
        input: &mut [f32],
    ) {
        let width_out = self.width_out();
        let count = (to - from) * width_out;
        self.segments(from, to, |row, first, plane, kx| {
            let Some(plane) = plane else { return };
            let values = &tile[row * count + first..][..width_out];
            let line = &mut input[plane..plane + self.width];
            let straight = self.straight(kx);
            for x in (0..straight.start).chain(straight.end..width_out) {
                if let Some(at) = columns[kx][x] {
                    line[at] += values[x];
                }
            }
            if !straight.is_empty() {
                let start = straight.start + kx - self.padding;
                let target = &mut line[start..start + straight.len()];
                for (sum, value) in target.iter_mut().zip(&values[straight]) {
                    *sum += value;
                }
            }
        });
    }

    /// The tiles of one picture as ranges of output rows.
    fn tiles(&self) -> impl Iterator<Item = (usize, usize)> {
        let (rows, height) = (self.rows(), self.height_out());
        (0..height)
            .step_by(rows)
            .map(move |from| (from, (from + rows).min(height)))
    }

    fn new_tile(&self) -> Vec<f32> {
        vec![0.0; self.depth() * self.rows() * self.width_out()]
    }
}

/// `input` `[batch, in, height, width]` and `weight` `[out, in, kernel, kernel]` to
/// `[batch, out, height_out, width_out]`.
pub fn forward(input: &[f32], weight: &[f32], g: Geometry) -> Vec<f32> {
    let plane = g.height_out() * g.width_out();
    let columns = g.columns();
    let mut output = vec![0.0; g.batch * g.size_out()];
    output
        .par_chunks_mut(g.size_out())
        .zip(input.par_chunks(g.size_in()))
        .for_each(|(output, input)| {
            let mut tile = g.new_tile();
            for (from, to) in g.tiles() {
                g.gather(input, &columns, from, to, &mut tile);
                let count = (to - from) * g.width_out();
                multiply(
                    Matrix::rows(weight, g.channels_out, g.depth()),
                    Matrix::rows(&tile, g.depth(), count),
                    &mut output[from * g.width_out()..],
                    plane,
                    false,
                );
            }
        });
    output
}

/// The gradient of the input, from the gradient of the output.
pub fn input_gradient(weight: &[f32], gradient: &[f32], g: Geometry) -> Vec<f32> {
    let plane = g.height_out() * g.width_out();
    let columns = g.columns();
    let mut input = vec![0.0; g.batch * g.size_in()];
    input
        .par_chunks_mut(g.size_in())
        .zip(gradient.par_chunks(g.size_out()))
        .for_each(|(input, gradient)| {
            let mut tile = g.new_tile();
            for (from, to) in g.tiles() {
                let count = (to - from) * g.width_out();
                multiply(
                    Matrix::rows(weight, g.channels_out, g.depth()).transposed(),
                    Matrix::strided(
                        &gradient[from * g.width_out()..],
                        g.channels_out,
                        count,
                        plane,
                    ),
                    &mut tile,
                    count,
                    false,
                );
                g.scatter(&tile, &columns, from, to, input);
            }
        });
    input
}

/// The gradient of the weight, from the input and the gradient of the output.
pub fn weight_gradient(input: &[f32], gradient: &[f32], g: Geometry) -> Vec<f32> {
    let plane = g.height_out() * g.width_out();
    let columns = g.columns();
    let parts: Vec<Vec<f32>> = input
        .par_chunks(g.size_in())
        .zip(gradient.par_chunks(g.size_out()))
        .map(|(input, gradient)| {
            let mut tile = g.new_tile();
            let mut sum = vec![0.0; g.channels_out * g.depth()];
            for (number, (from, to)) in g.tiles().enumerate() {
                g.gather(input, &columns, from, to, &mut tile);
                let count = (to - from) * g.width_out();
                multiply(
                    Matrix::strided(
                        &gradient[from * g.width_out()..],
                        g.channels_out,
                        count,
                        plane,
                    ),
                    Matrix::rows(&tile, g.depth(), count).transposed(),
                    &mut sum,
                    g.depth(),
                    number > 0,
                );
            }
            sum
        })
        .collect();
    // In the order of the batch, so that the sum does not depend on the threads.
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    for part in parts {
        for (sum, value) in total.iter_mut().zip(part) {
            *sum += value;
        }
    }
    total
}

/// A view of a matrix.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    fn rows(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    fn strided(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Matrix {
            values,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    fn transposed(self) -> Self {
        Matrix {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// One more than the largest index it reads.
    fn reach(&self) -> usize {
        (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride + 1
    }
}

/// `out` = a·b, or `out` + a·b; `out` has rows of `stride`.
fn multiply(a: Matrix, b: Matrix, out: &mut [f32], stride: usize, add: bool) {
    assert_eq!(a.columns, b.rows);
    assert!(a.reach() <= a.values.len() && b.reach() <= b.values.len());
    assert!((a.rows - 1) * stride + b.columns <= out.len());
    // SAFETY: the assertions above hold every index that gemm reads or writes inside its slice,
    // and `out` is borrowed mutably, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            stride as isize,
            add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
