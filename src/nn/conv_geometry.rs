//! The shape of a convolution, and the border it adds: a picture is padded (and doubled in size
//! first, where wanted) in one copy, and a gradient folded back likewise.

use rayon::prelude::*;

use super::transpose::transpose;
use super::zeros::zeros;

/// How a convolution looks beyond the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// Every pixel beyond it counts as zero.
    Zeros,
    /// Mirrored, the border pixel itself not repeated.
    Reflect,
}

/// The shape of a square convolution.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    /// Number of pictures computed together.
    pub batch: usize,
    /// Channels of each picture of the input.
    pub channels_in: usize,
    /// Channels of the output, one for each filter.
    pub channels_out: usize,
    /// Of the input, before it is enlarged.
    pub height: usize,
    /// Of the input, before it is enlarged.
    pub width: usize,
    /// How often each pixel is repeated, both ways, before the convolution.
    pub enlarge: usize,
    /// Side of the square kernel in pixels.
    pub kernel: usize,
    /// Step of the kernel in pixels, the same both ways.
    pub stride: usize,
    /// Pixels added on each of the four sides, after enlarging.
    pub padding: usize,
    /// What the added pixels hold.
    pub border: Border,
}

impl Geometry {
    fn height_padded(&self) -> usize {
        self.height * self.enlarge + 2 * self.padding
    }

    fn width_padded(&self) -> usize {
        self.width * self.enlarge + 2 * self.padding
    }

    /// Height of the output in pixels.
    pub fn height_out(&self) -> usize {
        (self.height_padded() - self.kernel) / self.stride + 1
    }

    /// Width of the output in pixels.
    pub fn width_out(&self) -> usize {
        (self.width_padded() - self.kernel) / self.stride + 1
    }

    pub(super) fn plane_out(&self) -> usize {
        self.height_out() * self.width_out()
    }

    pub(super) fn padded_plane(&self) -> usize {
        self.height_padded() * self.width_padded()
    }

    /// Products a number of the output sums up.
    pub(super) fn depth(&self) -> usize {
        self.channels_in * self.kernel * self.kernel
    }

    pub(super) fn size_in(&self) -> usize {
        self.channels_in * self.height * self.width
    }

    pub(super) fn size_padded(&self) -> usize {
        self.channels_in * self.padded_plane()
    }

    pub(super) fn size_out(&self) -> usize {
        self.channels_out * self.plane_out()
    }

    /// Where the window of each output position starts in a padded plane.
    pub(super) fn position_offsets(&self) -> Vec<usize> {
        let (width, stride) = (self.width_padded(), self.stride);
        (0..self.height_out())
            .flat_map(|y| (0..self.width_out()).map(move |x| (y * width + x) * stride))
            .collect()
    }

    /// Where a tap of the kernel, counted row by row, lies in the window.
    pub(super) fn tap_offset(&self, tap: usize) -> usize {
        tap / self.kernel * self.width_padded() + tap % self.kernel
    }

    /// The same for every channel and tap of a padded picture.
    pub(super) fn tap_offsets(&self) -> Vec<usize> {
        let taps = self.kernel * self.kernel;
        let offset = |i: usize| i / taps * self.padded_plane() + self.tap_offset(i % taps);
        (0..self.depth()).map(offset).collect()
    }

    /// For every padded coordinate the one of the input it shows; `None` is zero.
    fn sources(&self, length: usize) -> Vec<Option<usize>> {
        let enlarged = length * self.enlarge;
        let source = |padded: usize| {
            let at = if padded < self.padding {
                match self.border {
                    Border::Zeros => return None,
                    Border::Reflect => self.padding - padded,
                }
            } else if padded - self.padding < enlarged {
                padded - self.padding
            } else {
                match self.border {
                    Border::Zeros => return None,
                    Border::Reflect => 2 * enlarged - 2 + self.padding - padded,
                }
            };
            Some(at / self.enlarge)
        };
        (0..enlarged + 2 * self.padding).map(source).collect()
    }

    /// All planes of `[batch, in, height, width]`, enlarged and with their border.
    pub(super) fn pad(&self, input: &[f32]) -> Vec<f32> {
        let (rows, columns) = (self.sources(self.height), self.sources(self.width));
        let (width, inner) = (
            columns.len(),
            self.padding..self.padding + self.width * self.enlarge,
        );
        let mut padded = zeros(self.batch * self.size_padded());
        let planes = padded.par_chunks_mut(self.padded_plane());
        planes
            .zip(input.par_chunks(self.height * self.width))
            .for_each(|(padded, plane)| {
                for (line, row) in padded.chunks_exact_mut(width).zip(&rows) {
                    let Some(row) = row else { continue };
                    let from = &plane[row * self.width..][..self.width];
                    let read = |at: Option<usize>| at.map_or(0.0, |at| from[at]);
                    match self.enlarge {
                        1 => line[inner.clone()].copy_from_slice(from),
                        times => {
                            let pixels = line[inner.clone()].chunks_exact_mut(times);
                            pixels
                                .zip(from)
                                .for_each(|(pixels, from)| pixels.fill(*from));
                        }
                    }
                    for x in (0..inner.start).chain(inner.end..width) {
                        line[x] = read(columns[x]);
                    }
                }
            });
        padded
    }

    /// Adds up what `pad` made of each pixel: `padded` `[height, width, lanes]` with its border to
    /// the first `lanes` (or fewer) planes of `planes`.
    pub(super) fn fold(&self, padded: &[f32], lanes: usize, planes: &mut [f32]) {
        let (rows, columns) = (self.sources(self.height), self.sources(self.width));
        let (plane, width) = (self.height * self.width, self.width);
        let mut sums = vec![0.0; plane * lanes];
        let lines = padded.chunks_exact(columns.len() * lanes);
        for (line, row) in lines.zip(&rows) {
            let Some(row) = row else { continue };
            let sums = &mut sums[row * width * lanes..][..width * lanes];
            for (pixel, column) in line.chunks_exact(lanes).zip(&columns) {
                let Some(column) = column else { continue };
                let sums = &mut sums[column * lanes..][..lanes];
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += value;
                }
            }
        }
        let channels = planes.len() / plane;
        transpose(&sums, [plane, channels], lanes, planes, plane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_doubled_then_mirrored_and_folded_back() {
        let g = Geometry {
            batch: 1,
            channels_in: 1,
            channels_out: 1,
            height: 1,
            width: 2,
            enlarge: 2,
            kernel: 3,
            stride: 1,
            padding: 1,
            border: Border::Reflect,
        };
        let padded = g.pad(&[1.0, 2.0]);
        assert_eq!(padded, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0].repeat(4));
        let mut folded = [0.0; 2];
        g.fold(&padded, 1, &mut folded);
        assert_eq!(folded, [12.0, 24.0]);
    }
}
