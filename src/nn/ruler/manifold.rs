//! How many pictures of one set could be of another: precision and recall. Kynkäänniemi et al., Improved Precision and
//! Recall Metric for Assessing Generative Models, 2019. <https://arxiv.org/abs/1904.06991>
//!
//! A picture could be of a set if it is as near to one of its pictures as that one's third neighbour in the set is.
//! Deviation: features of the ruler's encoder, centred and of length 1, in place of VGG's.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::encoder::Features;

/// The neighbour of a picture that says how far its surroundings reach.
const NEIGHBOUR: usize = 3;

/// How renders stand to photos, or what a generator draws to what it learned from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// The share of the renders that could be photos, 0..1: low where they look like none.
    pub precision: f64,
    /// The share of the photos that could be renders, 0..1: low where these vary too little.
    pub recall: f64,
}

impl Fidelity {
    /// `None` with fewer pictures in a set than have a third neighbour.
    pub(super) fn of(renders: &[&Features], photos: &[&Features]) -> Option<Self> {
        if renders.len().min(photos.len()) <= NEIGHBOUR {
            return None;
        }
        Some(Fidelity {
            precision: share_in(photos, renders),
            recall: share_in(renders, photos),
        })
    }

    /// Of several measurements.
    pub(super) fn mean(all: &[Self]) -> Option<Self> {
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        (!all.is_empty()).then(|| Fidelity {
            precision: mean(|one| one.precision),
            recall: mean(|one| one.recall),
        })
    }
}

/// The share of `pictures` that could be of `set`.
fn share_in(set: &[&Features], pictures: &[&Features]) -> f64 {
    let reaches = set.par_iter().map(|one| {
        let mut distances: Vec<f32> = set.iter().map(|other| squared(one, other)).collect();
        // Itself comes first.
        *distances
            .select_nth_unstable_by(NEIGHBOUR, f32::total_cmp)
            .1
    });
    let reaches: Vec<f32> = reaches.collect();
    let could_be = |picture: &&&Features| {
        let mut pairs = set.iter().zip(&reaches);
        pairs.any(|(one, reach)| squared(one, picture) <= *reach)
    };
    pictures.par_iter().filter(could_be).count() as f64 / pictures.len() as f64
}

fn squared(a: &Features, b: &Features) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_varies_too_little_has_precision_without_recall() {
        let line = |from: f32, to: f32| -> Vec<Features> {
            let at = |step: u16| from + (to - from) * f32::from(step) / 100.0;
            (0..=100).map(|step| vec![at(step), 0.0]).collect()
        };
        let of = |renders: &[Features], photos: &[Features]| {
            let [renders, photos] = [renders, photos].map(|set| set.iter().collect::<Vec<_>>());
            Fidelity::of(&renders, &photos).unwrap()
        };
        let whole = line(0.0, 10.0);
        let same = of(&whole, &whole);
        assert_eq!([same.precision, same.recall], [1.0, 1.0]);
        let narrow = of(&line(2.0, 4.0), &whole);
        assert_eq!(narrow.precision, 1.0);
        assert!((0.15..0.3).contains(&narrow.recall), "{narrow:?}");
        let elsewhere = of(&line(20.0, 30.0), &whole);
        assert_eq!([elsewhere.precision, elsewhere.recall], [0.0, 0.0]);
        let few: Vec<&Features> = whole.iter().take(3).collect();
        assert_eq!(Fidelity::of(&few, &few), None);
    }
}
