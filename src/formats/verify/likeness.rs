//! Pictures that look the same: a perceptual hash of 256 bits (which of two neighbours of a tiny grey picture is
//! brighter), confirmed by the colours of an even smaller picture.

use image::RgbImage;
use image::imageops::{FilterType, resize, thumbnail};
use rayon::prelude::*;

use super::Report;
use super::agreement::Record;

/// What a picture looks like.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fingerprint {
    bits: [u64; 4],
    colours: Vec<u8>,
    /// Whether there is enough to see to tell it from others.
    is_plain: bool,
}

/// Bits of 256 that may differ between pictures that look the same.
const BITS: u32 = 10;

/// Mean difference of colours, of 255, between pictures that look the same.
const COLOURS: u32 = 6;

/// Pairs of pictures that are compared, at most; beyond, only equal files are found.
const MOST_PAIRS: u64 = 40_000_000_000;

impl Fingerprint {
    pub(super) fn of(pixels: &RgbImage) -> Self {
        let (width, height) = pixels.dimensions();
        // Large pictures are first made small in a fast way.
        let small = match width.max(height) > 256 {
            true => thumbnail(pixels, 128, 128),
            false => pixels.clone(),
        };
        let tiny = resize(&small, 17, 16, FilterType::Triangle);
        let grey = |x: u32, y: u32| {
            let [r, g, b] = tiny.get_pixel(x, y).0.map(i32::from);
            299 * r + 587 * g + 114 * b
        };
        let mut bits = [0; 4];
        let mut change = 0_i64;
        for place in 0..256 {
            let (x, y) = (place % 16, place / 16);
            let step = grey(x + 1, y) - grey(x, y);
            change += i64::from(step.abs());
            bits[place as usize / 64] |= u64::from(step > 0) << (place % 64);
        }
        Fingerprint {
            bits,
            colours: resize(&small, 8, 8, FilterType::Triangle).into_raw(),
            is_plain: change < 256 * 3 * 1000,
        }
    }

    fn is_like(&self, other: &Fingerprint) -> bool {
        let mut differing = 0;
        for (a, b) in self.bits.iter().zip(other.bits) {
            differing += (a ^ b).count_ones();
            if differing > BITS {
                return false;
            }
        }
        let both = self.colours.iter().zip(&other.colours);
        let difference: u32 = both.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        !self.is_plain && !other.is_plain && difference <= COLOURS * self.colours.len() as u32
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
