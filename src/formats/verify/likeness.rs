//! Pictures that look the same: a perceptual hash of 256 bits (which of two neighbours of a tiny grey picture is
//! brighter), confirmed by the colours of an even smaller picture. A bit counts where the step is clear in one of the
//! pictures: on even grounds noise alone decides.

use image::RgbImage;
use rayon::prelude::*;

use super::Report;
use super::agreement::Record;

/// What a picture looks like.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fingerprint {
    bits: [u64; 4],
    /// Where the steps are clear.
    clear: [u64; 4],
    colours: Vec<u8>,
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
        let tiny = shrunk(pixels, 17, 16);
        let grey = |[r, g, b]: [f32; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
        let (mut bits, mut clear, mut change) = ([0; 4], [0; 4], 0.0);
        for place in 0..256 {
            let left = place / 16 * 17 + place % 16;
            let step = grey(tiny[left + 1]) - grey(tiny[left]);
            change += step.abs();
            bits[place / 64] |= u64::from(step > 0.0) << (place % 64);
            clear[place / 64] |= u64::from(step.abs() > CLEAR) << (place % 64);
        }
        let colours = shrunk(pixels, 8, 8).into_flattened().into_iter();
        Fingerprint {
            bits,
            clear,
            colours: colours.map(|value| value as u8).collect(),
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

/// Mean colours of `columns` × `rows` parts of a picture, row by row. Of a large picture some pixels are taken.
fn shrunk(pixels: &RgbImage, columns: u32, rows: u32) -> Vec<[f32; 3]> {
    const ENOUGH: u32 = 256;
    let (width, height) = pixels.dimensions();
    // Where a part holds no pixel, that at its upper left stands for it.
    let ends = |part: u32, parts: u32, side: u32| {
        let first = part * side / parts;
        (first, ((part + 1) * side / parts).max(first + 1))
    };
    let step = (width.min(height) / ENOUGH).max(1) as usize;
    let mut means = Vec::with_capacity((columns * rows) as usize);
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let (top, bottom) = ends(row, rows, height);
        let (left, right) = ends(column, columns, width);
        let (mut sum, mut count) = ([0_u32; 3], 0_u32);
        for y in (top..bottom).step_by(step) {
            let line =
                &pixels.as_raw()[3 * (y * width + left) as usize..3 * (y * width + right) as usize];
            for pixel in line.as_chunks::<3>().0.iter().step_by(step) {
                for (sum, value) in sum.iter_mut().zip(pixel) {
                    *sum += u32::from(*value);
                }
                count += 1;
            }
        }
        means.push(sum.map(|sum| sum as f32 / count as f32));
    }
    means
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
    let twin = |(number, record): (usize, &&Record)| {
        let likeness = record.likeness.as_ref()?;
        let earlier = others[..number]
            .iter()
            .filter(|other| other.split != record.split);
        let mut candidates = train.iter().chain(earlier);
        let twin = candidates.find(|other| {
            // Equal files have been found.
            let like = other
                .likeness
                .as_ref()
                .is_some_and(|other| other.is_like(likeness));
            like && other.content != record.content && other.split != record.split
        });
        twin.map(|twin| (number, *twin))
    };
    let twins: Vec<(usize, &Record)> = others.par_iter().enumerate().filter_map(twin).collect();
    for (number, twin) in twins {
        let split = twin.split.as_deref().unwrap_or("no split");
        let problem = format!("looks like {} in `{split}`", twin.file.display());
        report.doubt(others[number].doubt("duplicate", problem));
    }
}
