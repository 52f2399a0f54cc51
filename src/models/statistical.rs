//! Models that need no training: they look at the photos once, keep numbers about them, and change
//! pictures by these.
//!
//! They are the honest baseline: what a trained model brings beyond them is what its training is
//! worth.

use std::collections::BTreeMap;
use std::path::Path;

use image::RgbImage;
use rand::RngExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::album::Album;
use super::learner::{Batch, Learner};
use super::translator::Translator;
use super::weights::read_state;
use crate::Result;
use crate::artifact::files::write_json;
use crate::sample::maps::Decoded;
use crate::seed::Stream;

/// What is known of the photos, and how pictures are changed by it.
pub trait Statistics: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Takes in one photo.
    fn look(&mut self, photo: &RgbImage);

    /// A render made to look like a photo; `stream` draws which.
    fn apply(&self, render: &RgbImage, stream: &mut Stream) -> RgbImage;
}

/// Draws one of the `nearest` photos, given how far each is from a render; 0 draws from all.
///
/// A photo of like colours, since one of unlike colours would turn a white die yellow.
pub fn draw(distances: impl Iterator<Item = f64>, nearest: usize, stream: &mut Stream) -> usize {
    let mut order: Vec<(f64, usize)> = distances.zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let among = if nearest == 0 {
        order.len()
    } else {
        nearest.min(order.len())
    };
    order[stream.random_range(0..among)].1
}

/// A model that learns by looking.
pub struct Statistical<S> {
    /// What is known of the photos looked at so far.
    pub statistics: S,
    /// Photos looked at, at most; evenly spread over all there are.
    pub most: usize,
}

/// What such a model learned.
pub struct Fitted<S>(S);

const FILE: &str = "statistics.json";

impl<S: Statistics> Fitted<S> {
    /// Reads what [`Learner::save`] wrote.
    ///
    /// # Errors
    /// If the folder holds no statistics of this kind.
    pub fn load(folder: &Path) -> Result<Self> {
        Ok(Fitted(read_state(folder, FILE)?))
    }
}

impl<S: Statistics> Learner for Statistical<S> {
    fn study(&mut self, photos: &Album) -> Result<bool> {
        for number in photos.spread(self.most) {
            self.statistics.look(&photos.get(number)?.picture);
        }
        Ok(false)
    }

    fn step(&mut self, _: &Batch, _: f64) -> BTreeMap<String, f64> {
        BTreeMap::new()
    }

    fn translator(&self) -> Box<dyn Translator> {
        Box::new(Fitted(self.statistics.clone()))
    }

    fn parameters(&self) -> usize {
        0
    }

    fn save(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(FILE), &self.statistics)
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        self.save(folder)
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.statistics = Fitted::load(folder)?.0;
        Ok(())
    }
}

impl<S: Statistics> Translator for Fitted<S> {
    fn translate(
        &self,
        renders: &[RgbImage],
        _: &[Decoded],
        streams: &mut [Stream],
    ) -> Vec<RgbImage> {
        let pairs = renders.iter().zip(streams);
        pairs
            .map(|(render, stream)| self.0.apply(render, stream))
            .collect()
    }

    fn is_local(&self) -> bool {
        false
    }
}
