//! The ruler: how far sets of pictures are from photos. Stages that train, judge or choose by how real pictures
//! look all measure with it, so that their figures agree.
//!
//! Two measures, of which neither reads a label:
//!
//! - [`two_sample()`]: how well a small network that has never seen them tells two sets apart; 0.5 is guessing. It
//!   sees whatever can be seen, so it says whether anything is left to improve, but not how much was improved.
//! - [`Ruler`]: a kernel distance over the features of an encoder that is trained for these renders and photos. It
//!   says how far there is to go, and what share of the way a translation has made.
//!
//! [`measure`] takes both measures of renders, translations and photos, each from halves that were not learned from.
//!
//! ```no_run
//! # use verismo::nn::{device, ruler::{MOST, Pictures, Sets, measure}};
//! # use verismo::{seed::Seed, stage::DeviceChoice, artifact::Artifact};
//! # fn show(renders: &Artifact, translations: &Artifact, photos: &Artifact) -> verismo::Result<()> {
//! let device = device::choose(DeviceChoice::Cpu)?;
//! let read = |artifact| Pictures::of_artifact(artifact, 2 * MOST);
//! let sets = Sets {
//!     renders: read(renders)?,
//!     translations: Some(read(translations)?),
//!     photos: read(photos)?,
//! };
//! let figures = measure(&sets, &Seed::new(1, "ruler"), &device, &|| Ok(()))?;
//! println!("{}", figures.in_words());
//! # Ok(())
//! # }
//! ```
//!
//! Results are the same for any number of threads.

mod alterations;
mod distance;
mod encoder;
mod figures;
mod manifold;
mod network;
mod pictures;
#[cfg(test)]
mod tests;
mod two_sample;

pub use distance::{Closed, Distance};
pub use figures::{Figures, Sets, Sight, measure};
pub use manifold::Fidelity;
pub use pictures::{Groups, Pictures};
pub use two_sample::{Accuracy, two_sample};

use crate::Result;
use crate::nn::device::Chosen;
use crate::seed::Seed;
use distance::{Embedded, Squared};
use encoder::Encoder;
#[cfg(test)]
use pictures::Sides;

/// Pictures of a set that are measured at most; more are thinned evenly.
pub const MOST: usize = 700;

/// Fewer pictures of a set than this are too few to measure.
pub const FEWEST: usize = 40;

/// A trained encoder, and what it makes of photos and renders that it has not learned from.
pub struct Ruler {
    encoder: Encoder,
    /// The mean of the features of renders and photos.
    centre: Vec<f64>,
    photos: Embedded,
    floor: Squared,
    ceiling: Squared,
    fidelity: Option<Fidelity>,
}

/// Renders and photos.
#[derive(Clone, Copy)]
pub struct Domains<'p> {
    /// Renders as they are.
    pub renders: &'p Pictures,
    /// Photos.
    pub photos: &'p Pictures,
}

impl Ruler {
    /// Optimiser steps that [`Ruler::learn`] takes, for progress.
    pub const STEPS: u64 = encoder::STEPS;

    /// Trains an encoder on `known` and lays it on `measured`, which should have no group with them in common.
    /// `None` where there are too few: each set needs half of [`FEWEST`], the measured ones of four groups.
    /// `tick` is called before each of its [`Ruler::STEPS`] steps.
    ///
    /// # Errors
    /// Those of `tick`, or if there are no threads.
    pub fn learn(
        known: Domains,
        measured: Domains,
        seed: &Seed,
        chosen: &Chosen,
        tick: &dyn Fn() -> Result<()>,
    ) -> Result<Option<Self>> {
        let sets = [
            known.renders,
            known.photos,
            measured.renders,
            measured.photos,
        ];
        let enough = sets.iter().all(|set| set.len() >= FEWEST / 2);
        let Some(extent) = sets[0].extent().filter(|_| enough) else {
            return Ok(None);
        };
        let [known_renders, known_photos, renders, photos] = sets.map(|set| set.thinned(MOST));
        if [&renders, &photos].iter().any(|set| set.groups() < 4) {
            return Ok(None);
        }
        let encoder = Encoder::learn([&known_renders, &known_photos], extent, seed, chosen, tick)?;
        let features = [&renders, &photos].map(|set| encoder.features(set));
        let [render_features, photo_features] = features;
        let (render_features, photo_features) = (render_features?, photo_features?);
        let means = [&render_features, &photo_features].map(|features| encoder::mean(features));
        let centre: Vec<f64> = (means[0].iter().zip(&means[1]))
            .map(|(a, b)| 0.5 * (a + b))
            .collect();
        let embed =
            |features, set: &Pictures| Embedded::new(features, set.group_of_each(), &centre);
        let renders = embed(render_features, &renders);
        let photos = embed(photo_features, &photos);
        let [some, others] = photos.halves();
        Ok(Some(Ruler {
            floor: Squared::between(&some, &others),
            ceiling: Squared::between(&renders, &photos),
            fidelity: Fidelity::of(&renders.members(), &photos.members()),
            encoder,
            centre,
            photos,
        }))
    }

    /// Names the encoder: distances of another one do not compare.
    pub fn name(&self) -> String {
        format!("distance/{}", self.encoder.hash())
    }

    /// Photos from other photos: near 0.
    pub fn floor(&self) -> Distance {
        self.floor.distance()
    }

    /// Renders as they are from photos.
    pub fn ceiling(&self) -> Distance {
        self.ceiling.distance()
    }

    /// The distance of pictures from the photos, and the share of the renders' way that they have made; the latter
    /// `None` where the renders cannot be told from the photos.
    ///
    /// # Errors
    /// If there are no threads.
    pub fn measure(&self, pictures: &Pictures) -> Result<(Distance, Option<Closed>)> {
        let squared = self.squared(pictures)?;
        Ok((
            squared.distance(),
            squared.closed(&self.ceiling, &self.floor),
        ))
    }

    fn squared(&self, pictures: &Pictures) -> Result<Squared> {
        let features = self.encoder.features(pictures)?;
        let embedded = Embedded::new(features, pictures.group_of_each(), &self.centre);
        Ok(Squared::between(&embedded, &self.photos))
    }
}
