//! All figures of renders, translations and photos at once.

use serde::{Deserialize, Serialize};

use super::distance::Squared;
use super::manifold::Fidelity;
use super::network::Network;
use super::pictures::{SIDE, Sides};
use super::two_sample::told_apart;
use super::{Accuracy, Closed, Distance, Domains, FEWEST, MOST, Pictures, Ruler, two_sample};
use crate::Result;
use crate::nn::device::Chosen;
use crate::sample::Extent;
use crate::seed::Seed;

/// What is measured; of more than twice [`MOST`] pictures, so many.
pub struct Sets {
    /// Renders as they are.
    pub renders: Pictures,
    /// What became of them, if anything did.
    pub translations: Option<Pictures>,
    /// What they shall look like.
    pub photos: Pictures,
}

/// How one set stands to the photos.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sight {
    /// How well a classifier tells it from photos; `None` with too few pictures.
    pub two_sample: Option<Accuracy>,
    /// How far it is from the photos; `None` with too few pictures.
    pub distance: Option<Distance>,
}

/// How renders, translations and photos stand to the photos.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Photos to other photos: what a perfect translation would reach.
    pub photos: Sight,
    /// Renders as they are.
    pub renders: Sight,
    /// Translations, if there are any.
    pub translations: Option<Sight>,
    /// The share of the translations that the classifier takes for renders which tells renders from photos; `None`
    /// with too few pictures.
    #[serde(default)]
    pub taken_for_renders: Option<f64>,
    /// The share of the renders' distance that the translations have closed; `None` if it is not known.
    pub closed: Option<Closed>,
    /// Precision and recall of the renders; `None` beside translations, or with too few pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fidelity: Option<Fidelity>,
}

/// Measures all sets. Two encoders are trained, each on one half of renders and photos, and measure the other
/// half; so are two networks for each two-sample test. `tick` is called before every step.
///
/// # Errors
/// Those of `tick`, or if there are no threads.
pub fn measure(
    sets: &Sets,
    seed: &Seed,
    chosen: &Chosen,
    tick: &dyn Fn() -> Result<()>,
) -> Result<Figures> {
    let thinned = |set: &Pictures| set.thinned(2 * MOST);
    let (renders, photos) = (thinned(&sets.renders), thinned(&sets.photos));
    let translations = sets.translations.as_ref().map(thinned);
    let test = |first: &Pictures, second: &Pictures| {
        two_sample(first, second, &seed.attempt(1), chosen, tick)
    };
    let [some, others] = photos.halves(&seed.attempt(2));
    let before = [&renders, &photos];
    let before = told_apart(
        before,
        translations.as_ref(),
        &seed.attempt(1),
        chosen,
        tick,
    )?;
    let (before, taken_for_renders) = before.unzip();
    let mut figures = Figures {
        photos: Sight {
            two_sample: test(&some, &others)?,
            distance: None,
        },
        renders: Sight {
            two_sample: before,
            distance: None,
        },
        taken_for_renders: taken_for_renders.flatten(),
        ..Figures::default()
    };
    if let Some(translations) = &translations {
        figures.translations = Some(Sight {
            two_sample: test(translations, &photos)?,
            distance: None,
        });
    }
    if renders.len() < FEWEST || photos.len() < FEWEST {
        return Ok(figures);
    }
    let scenes: Vec<&Pictures> = [&renders].into_iter().chain(&translations).collect();
    let scenes = Sides::of(&scenes, &seed.attempt(3));
    let real = Sides::of(&[&photos], &seed.attempt(4));
    let (mut floors, mut ceilings, mut reached) = (Vec::new(), Vec::new(), Vec::new());
    let mut fidelities = Vec::new();
    for side in [0, 1] {
        let [known, measured] =
            [side, 1 - side].map(|side| (renders.on(&scenes, side), photos.on(&real, side)));
        let [known, measured] =
            [&known, &measured].map(|(renders, photos)| Domains { renders, photos });
        let seed = seed.attempt(5 + side as u64);
        let Some(ruler) = Ruler::learn(known, measured, &seed, chosen, tick)? else {
            return Ok(figures);
        };
        if translations.is_none() {
            fidelities.extend(ruler.fidelity);
        }
        if let Some(translations) = &translations {
            reached.push(ruler.squared(&translations.on(&scenes, 1 - side))?);
        }
        floors.push(ruler.floor);
        ceilings.push(ruler.ceiling);
    }
    figures.fidelity = Fidelity::mean(&fidelities);
    let [floor, ceiling, reached] = [floors, ceilings, reached].map(|all| Squared::mean(&all));
    figures.photos.distance = Some(floor.distance());
    figures.renders.distance = Some(ceiling.distance());
    if let Some(sight) = &mut figures.translations {
        sight.distance = Some(reached.distance());
        figures.closed = reached.closed(&ceiling, &floor);
    }
    Ok(figures)
}

impl Figures {
    /// Optimiser steps that [`measure`] takes at most, for progress.
    pub const STEPS: u64 = 6 * super::two_sample::STEPS + 2 * super::encoder::STEPS;

    /// Work of [`measure`] on pictures of `extent`, roughly, in multiplications of larger networks.
    pub fn products(extent: Extent) -> f64 {
        let side = extent.dimensions();
        let view = Extent::new(side.0.min(SIDE), side.1.min(SIDE));
        // The steps of encoders read about as many pictures as those of the tests.
        let read = Figures::STEPS as f64 * super::two_sample::BATCH as f64;
        // Forwards, and twice as much for the gradients.
        3.0 * read * Network::products(view)
    }

    /// In a line or two for people, one figure each; says so where there are too few pictures.
    pub fn in_words(&self) -> String {
        let Some(renders) = &self.renders.two_sample else {
            return format!(
                "too few pictures to measure how far they are from photos: {FEWEST} renders and as many photos are \
                 needed"
            );
        };
        let told = |accuracy: &Accuracy| {
            format!(
                "{:.0} ± {:.0} %",
                100.0 * accuracy.accuracy,
                100.0 * accuracy.plus_minus
            )
        };
        let mut text = format!(
            "a classifier tells renders from photos in {} of cases",
            told(renders)
        );
        let translations = self.translations.as_ref();
        if let Some(accuracy) = translations.and_then(|sight| sight.two_sample.as_ref()) {
            text += &format!(", translations from photos in {}", told(accuracy));
        }
        if let Some(share) = self.taken_for_renders {
            text += &format!(
                ", and takes {:.0} % of the translations for renders",
                100.0 * share
            );
        }
        if let Some(accuracy) = &self.photos.two_sample {
            text += &format!(" (photos from photos: {})", told(accuracy));
        }
        if let Some(closed) = self.closed {
            text += &format!(
                "; the translations close {:.0} % of the distance to the photos ({:.0} to {:.0} %)",
                100.0 * closed.share,
                100.0 * closed.low,
                100.0 * closed.high
            );
        }
        text
    }
}
