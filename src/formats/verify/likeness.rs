//! Pictures that look the same: a perceptual hash of 256 bits (which of two neighbours of a tiny grey picture is
//! brighter), confirmed by the colours of an even smaller picture. A bit counts where the step is clear in one of the
//! pictures: on even grounds noise alone decides.

use image::RgbImage;
use rayon::prelude::*;

use super::Report;
use super::agreement::Record;
use crate::sample::colour::luma;

/// What a picture looks like.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fingerprint {
    bits: [u64; 4],
    /// Where the steps are clear.
    clear: [u64; 4],
    colours: Vec<u8>,
    /// Of all these.
    sum: u32,
    /// Whether there is enough to see to tell it from others.
    is_plain: bool,
}

/// Clear bits that may differ between pictures that look the same.
const BITS: u32 = 2;

/// Grey levels, of 255, by which neighbours differ clearly.
const CLEAR: f32 = 3.0;

/// Grey levels by which neighbours differ in the mean, at least, where there is enough to see.
const PLAIN: f32 = 3.0;

/// Mean difference of colours, of 255, between pictures that look the same.
const COLOURS: u32 = 6;

/// Pairs of pictures that are compared, at most; beyond, only equal files are found.
const MOST_PAIRS: u64 = 40_000_000_000;

impl Fingerprint {
    pub(super) fn of(pixels: &RgbImage) -> Self {
        let bands = Bands::of(pixels, 16);
        let tiny = bands.means(17, 1);
        let (mut bits, mut clear, mut change) = ([0; 4], [0; 4], 0.0);
        for place in 0..256 {
            let left = place / 16 * 17 + place % 16;
            let step = luma(tiny[left + 1]) - luma(tiny[left]);
            change += step.abs();
            bits[place / 64] |= u64::from(step > 0.0) << (place % 64);
            clear[place / 64] |= u64::from(step.abs() > CLEAR) << (place % 64);
        }
        let colours = bands.means(8, 2).into_flattened().into_iter();
        let colours: Vec<u8> = colours.map(|value| value as u8).collect();
        Fingerprint {
            bits,
            clear,
            sum: colours.iter().map(|&value| u32::from(value)).sum(),
            colours,
            is_plain: change < 256.0 * PLAIN,
        }
    }

    fn is_like(&self, other: &Fingerprint) -> bool {
        let mut differing = 0;
        for i in 0..4 {
            let clear = self.clear[i] | other.clear[i];
            differing += ((self.bits[i] ^ other.bits[i]) & clear).count_ones();
            if differing > BITS {
                return false;
            }
        }
        let both = self.colours.iter().zip(&other.colours);
        let difference: u32 = both.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        !self.is_plain && !other.is_plain && difference <= COLOURS * self.colours.len() as u32
    }
}

/// Sums of the columns of a picture, in bands of rows from top to bottom; of a large picture some pixels are taken.
struct Bands {
    /// Pixels of a row.
    width: usize,
    /// Red, green and blue of each column, summed, and the number of rows, for each band.
    sums: Vec<(Vec<u32>, u32)>,
}

/// Where part `part` of `parts` of a side begins and ends. Where a part holds no pixel, that at its upper left stands
/// for it.
fn ends(part: usize, parts: usize, side: usize) -> (usize, usize) {
    let first = part * side / parts;
    (first, ((part + 1) * side / parts).max(first + 1))
}

impl Bands {
    fn of(pixels: &RgbImage, bands: usize) -> Self {
        const ENOUGH: u32 = 256;
        let (width, height) = pixels.dimensions();
        let step = (width.min(height) / ENOUGH).max(1) as usize;
        let rows: Vec<&[u8]> = pixels
            .chunks_exact(3 * width as usize)
            .step_by(step)
            .collect();
        let width = (width as usize).div_ceil(step);
        let sum = |band| {
            let (first, end) = ends(band, bands, rows.len());
            let mut sums = vec![0_u32; 3 * width];
            for row in &rows[first..end] {
                if step == 1 {
                    sums.iter_mut()
                        .zip(*row)
                        .for_each(|(sum, value)| *sum += u32::from(*value));
                    continue;
                }
                let picked = row.as_chunks::<3>().0.iter().step_by(step);
                for (sum, value) in sums.iter_mut().zip(picked.flatten()) {
                    *sum += u32::from(*value);
                }
            }
            (sums, (end - first) as u32)
        };
        Bands {
            width,
            sums: (0..bands).map(sum).collect(),
        }
    }

    /// Mean colours of `columns` parts of so many bands together, row by row.
    fn means(&self, columns: usize, together: usize) -> Vec<[f32; 3]> {
        let mut means = Vec::with_capacity(columns * self.sums.len() / together);
        for bands in self.sums.chunks(together) {
            // Bands of a picture with fewer rows than bands are its rows again.
            let rows: u32 = bands.iter().map(|(_, rows)| rows).sum();
            for column in 0..columns {
                let (left, right) = ends(column, columns, self.width);
                let mut sum = [0_u32; 3];
                for (sums, _) in bands {
                    for pixel in sums[3 * left..3 * right].as_chunks::<3>().0 {
                        for (sum, value) in sum.iter_mut().zip(pixel) {
                            *sum += value;
                        }
                    }
                }
                let count = (rows as usize * (right - left)) as f32;
                means.push(sum.map(|sum| sum as f32 / count));
            }
        }
        means
    }
}

/// Doubts pictures that look like one in another split, and files that are the same as another.
pub(super) fn check(records: &[Record], report: &mut Report) {
    let mut order: Vec<&Record> = records.iter().filter(|r| r.likeness.is_some()).collect();
    order.sort_by(|a, b| a.content.cmp(&b.content).then(a.file.cmp(&b.file)));
    for pair in order
        .windows(2)
        .filter(|pair| pair[0].content == pair[1].content)
    {
        let problem = format!("is the same file as {}", pair[0].file.display());
        report.doubt(pair[1].doubt("duplicate", problem));
    }
    let (train, others): (Vec<&Record>, Vec<&Record>) = order
        .into_iter()
        .partition(|r| r.split.as_deref() == Some("train"));
    let pairs = (train.len() + others.len()) as u64 * others.len() as u64;
    if pairs > MOST_PAIRS {
        let text = "too many pictures to compare all of them; only equal files were looked for";
        report.remarks.push(text.to_owned());
        return;
    }
    // Pictures whose colours differ little differ as little in their sum, so that most pairs need not be looked at.
    let all: Vec<&Record> = train.iter().chain(&others).copied().collect();
    let sum = |record: &Record| record.likeness.as_ref().map_or(0, |likeness| likeness.sum);
    let mut by_sum: Vec<(u32, usize)> = all.iter().map(|record| sum(record)).zip(0..).collect();
    by_sum.sort_unstable();
    let twin = |number: usize| {
        let record = all[number];
        let likeness = record.likeness.as_ref()?;
        let most = COLOURS * likeness.colours.len() as u32;
        let (least, most) = (likeness.sum.saturating_sub(most), likeness.sum + most);
        let first = by_sum.partition_point(|(sum, _)| *sum < least);
        let near = by_sum[first..].iter().take_while(|(sum, _)| *sum <= most);
        let earlier = near
            .map(|(_, other)| *other)
            .filter(|other| *other < number);
        let twins = earlier.filter(|other| {
            let other = all[*other];
            // Equal files have been found.
            let differs = other.content != record.content && other.split != record.split;
            differs
                && other
                    .likeness
                    .as_ref()
                    .is_some_and(|other| other.is_like(likeness))
        });
        Some((record, all[twins.min()?]))
    };
    let numbers = train.len()..all.len();
    let twins: Vec<(&Record, &Record)> = numbers.into_par_iter().filter_map(twin).collect();
    for (record, twin) in twins {
        let split = twin.split.as_deref().unwrap_or("no split");
        let problem = format!("looks like {} in `{split}`", twin.file.display());
        report.doubt(record.doubt("duplicate", problem));
    }
}
