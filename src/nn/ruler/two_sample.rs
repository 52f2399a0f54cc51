//! The classifier two-sample test by a small network: how well a network that has never seen them tells two sets
//! of pictures apart. Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, 2017.
//!
//! It learns on one half and is tested on the other, and then the other way round. Pictures of one group (crops of
//! a photo, what was made from one render) lie in the same half. Both sets count alike, however large they are.

use image::RgbImage;
use image::imageops::flip_horizontal;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::network::{Network, Reading};
use super::pictures::{Member, Pictures, Sides};
use super::{FEWEST, MOST};
use crate::Result;
use crate::nn::device::Chosen;
use crate::seed::{Seed, Stream};

/// Optimiser steps of each half.
pub(super) const STEPS: u64 = 300;

/// Pictures of both sets together a step.
pub(super) const BATCH: usize = 64;

/// How well two sets are told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Share of right answers on pictures not learned from, the mean of both sets: 0.5 is guessing.
    pub accuracy: f64,
    /// Half the width of its 95 % interval: that of the binomial distribution, and half of what the two halves
    /// differ by.
    pub plus_minus: f64,
    /// The accuracy of each half.
    pub halves: [f64; 2],
    /// Pictures of each set.
    pub pictures: [usize; 2],
}

/// Tests two sets; `None` where one has fewer than [`FEWEST`] pictures, or all of one group. Sets of more than
/// [`MOST`] are thinned. `tick` is called before every step.
///
/// # Errors
/// Those of `tick`, or if there are no threads.
pub fn two_sample(
    first: &Pictures,
    second: &Pictures,
    seed: &Seed,
    chosen: &Chosen,
    tick: &dyn Fn() -> Result<()>,
) -> Result<Option<Accuracy>> {
    let told = told_apart([first, second], None, seed, chosen, tick)?;
    Ok(told.map(|(accuracy, _)| accuracy))
}

/// As [`two_sample`], with the share of `others` that the networks take for pictures of the first set. Each is asked
/// about those of the groups of both sets that it has not learned from.
pub(super) fn told_apart(
    [first, second]: [&Pictures; 2],
    others: Option<&Pictures>,
    seed: &Seed,
    chosen: &Chosen,
    tick: &dyn Fn() -> Result<()>,
) -> Result<Option<(Accuracy, Option<f64>)>> {
    let sets = [first.thinned(MOST), second.thinned(MOST)];
    let Some(extent) = sets[0]
        .extent()
        .filter(|_| sets.iter().all(|s| s.len() >= FEWEST))
    else {
        return Ok(None);
    };
    let sets = sets.map(|set| set.fitted(extent));
    let sides = Sides::of(&[&sets[0], &sets[1]], &seed.attempt(0));
    let halves = [0, 1].map(|side| sets.each_ref().map(|set| set.on(&sides, side)));
    if halves.iter().flatten().any(Pictures::is_empty) {
        return Ok(None);
    }
    let mut shares = [0.0; 2];
    let (mut taken, mut asked_others) = (0.0, 0);
    for (fold, share) in shares.iter_mut().enumerate() {
        let (known, asked) = (&halves[fold], &halves[1 - fold]);
        let mut stream = seed.attempt(1).stream(fold as u64);
        let device = chosen.device.clone().autodiff();
        let network = Network::new(2, extent, &mut stream, &device);
        let draw = || draw(known, &mut stream);
        let network = network.learn(STEPS, chosen, draw, tick)?;
        let mut right = [0.0; 2];
        for (class, (right, set)) in right.iter_mut().zip(asked).enumerate() {
            let readings = network.read(set, chosen)?;
            *right = readings
                .iter()
                .map(|reading| credit(reading, class))
                .sum::<f64>()
                / set.len() as f64;
        }
        *share = 0.5 * (right[0] + right[1]);
        let others = others.map(|others| others.on(&sides, 1 - fold).fitted(extent));
        if let Some(others) = others.filter(|others| !others.is_empty()) {
            let readings = network.read(&others, chosen)?;
            taken += readings
                .iter()
                .map(|reading| credit(reading, 0))
                .sum::<f64>();
            asked_others += others.len();
        }
    }
    let accuracy = 0.5 * (shares[0] + shares[1]);
    let pictures = sets.map(|set| set.len());
    // Each set has half of the weight.
    let variance = |count: usize| 0.25 * accuracy * (1.0 - accuracy) / count as f64;
    let deviation = (variance(pictures[0]) + variance(pictures[1])).sqrt();
    let accuracy = Accuracy {
        accuracy,
        plus_minus: 1.96 * deviation + 0.5 * (shares[0] - shares[1]).abs(),
        halves: shares,
        pictures,
    };
    let taken = (asked_others > 0).then(|| taken / asked_others as f64);
    Ok(Some((accuracy, taken)))
}

/// A batch, half of it from either set, with replacement.
fn draw(known: &[Pictures; 2], stream: &mut Stream) -> Vec<(RgbImage, usize)> {
    let mut batch = Vec::with_capacity(BATCH);
    for _ in 0..BATCH / 2 {
        for (class, set) in known.iter().enumerate() {
            batch.push((drawn(set.members(), stream), class));
        }
    }
    batch
}

/// A view of any member, mirrored or not.
pub(super) fn drawn(members: &[Member], stream: &mut Stream) -> RgbImage {
    let view = members[stream.random_range(0..members.len())].draw(stream);
    match stream.random_bool(0.5) {
        true => flip_horizontal(view),
        false => view.clone(),
    }
}

/// 1 for a right answer, a half where the network cannot decide.
fn credit(reading: &Reading, class: usize) -> f64 {
    let (own, other) = (reading.logits[class], reading.logits[1 - class]);
    if own > other {
        1.0
    } else if own < other {
        0.0
    } else {
        0.5
    }
}
