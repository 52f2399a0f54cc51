//! How the tests of the proofs count: sound pictures that are doubted, and faults that are found.
//!
//! `VERISMO_PROOFS` is the number of pictures of each kind, `cargo test --release --lib proof -- --nocapture` shows
//! the counts.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::sample::{Extent, Mask, Object};

/// Pictures of each kind.
pub(super) fn pictures() -> u64 {
    let wanted = std::env::var("VERISMO_PROOFS").ok();
    wanted.and_then(|count| count.parse().ok()).unwrap_or(60)
}

/// What became of one picture.
pub(super) struct Trial {
    alarm: Option<String>,
    changed: bool,
    found: bool,
    drawn: Duration,
    proved: Duration,
}

impl Trial {
    /// Draws labels, proves them with `fault`, and once more after `change`, which says whether it changed any.
    pub(super) fn of<L>(
        index: u64,
        draw: impl FnOnce() -> L,
        fault: impl Fn(&L) -> Option<String>,
        change: impl FnOnce(&mut L) -> bool,
    ) -> Self {
        let start = Instant::now();
        let mut labels = draw();
        let drawn = start.elapsed();
        let alarm = fault(&labels).map(|fault| format!("{index}: {fault}"));
        let proved = start.elapsed() - drawn;
        let changed = change(&mut labels);
        Trial {
            alarm,
            changed,
            found: changed && fault(&labels).is_some(),
            drawn,
            proved,
        }
    }
}

/// Proves all [`pictures`] of a kind, which must be sound.
pub(super) fn assert_sound(name: &str, of: impl Fn(u64) -> Trial + Sync) {
    let trials = all(of);
    let each = |time: fn(&Trial) -> Duration| {
        let sum: Duration = trials.iter().map(time).sum();
        1e3 * sum.as_secs_f64() / trials.len() as f64
    };
    let alarms: Vec<&String> = trials.iter().filter_map(|t| t.alarm.as_ref()).collect();
    println!(
        "{name}: {} of {} doubted; {:.2} ms drawn and labelled, {:.2} ms proved, each",
        alarms.len(),
        trials.len(),
        each(|trial| trial.drawn),
        each(|trial| trial.proved),
    );
    assert!(alarms.is_empty(), "{name}: {alarms:#?}");
}

/// Proves all [`pictures`], each with the fault called `name`, which must be found in 999 of 1000.
pub(super) fn assert_found(name: &str, of: impl Fn(u64) -> Trial + Sync) {
    let trials = all(of);
    let changed = trials.iter().filter(|trial| trial.changed).count();
    let found = trials.iter().filter(|trial| trial.found).count();
    println!("{name}: {found} of {changed} found");
    assert!(
        changed > 0 && found as f64 >= 0.999 * changed as f64,
        "{name}: {found} of {changed}"
    );
}

fn all(of: impl Fn(u64) -> Trial + Sync) -> Vec<Trial> {
    let all = (0..pictures()).into_par_iter();
    all.map(&of).collect()
}

/// Moves the mask of an object to the right by a pixel, with its box. Whether that changed it.
pub(super) fn move_mask(object: &mut Object, size: Extent) -> bool {
    let old = object.mask.clone();
    let bitmap = old.as_ref().unwrap().to_bitmap(size.width, size.height);
    let width = size.width as usize;
    let moved: Vec<bool> = (0..bitmap.len())
        .map(|i| i % width > 0 && bitmap[i - 1])
        .collect();
    let mask = Mask::from_bitmap(&moved, size.width, size.height);
    object.bbox_xywh = mask.bbox_xywh(size.height).unwrap_or_default();
    object.mask = Some(mask);
    object.mask != old
}

/// Exchanges the places of two keypoints of an object.
pub(super) fn exchange(object: &mut Object, [first, second]: [usize; 2]) {
    let place = |object: &Object, i: usize| (object.keypoints[i].x, object.keypoints[i].y);
    let (a, b) = (place(object, first), place(object, second));
    (object.keypoints[first].x, object.keypoints[first].y) = b;
    (object.keypoints[second].x, object.keypoints[second].y) = a;
}
