//! Adapters that need no training: they look at the photos once, keep numbers about them, and change
//! pictures by these.
//!
//! They are the honest baseline: what a trained model brings beyond them is what its training is
//! worth.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Tensor;
use image::RgbImage;
use rand::RngExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Adapter, Batch, Translator};
use crate::nn::batch;
use crate::seed::{Seed, Stream};
use crate::{Error, Result};

/// What is known of the photos, and how pictures are changed by it.
pub trait Statistics: Serialize + DeserializeOwned + Send + Sync {
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

/// An adapter made of statistics.
pub struct Statistical<S> {
    pub statistics: S,
    /// Photos looked at, at most; evenly spread over all there are.
    pub most: usize,
}

const FILE: &str = "statistics.json";

impl<S: Statistics> Statistical<S> {
    /// Reads what [`Adapter::save`] wrote.
    ///
    /// # Errors
    /// Where the folder holds no statistics of this kind.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        let remedy = "remove the folder and train again";
        let statistics =
            serde_json::from_str(&text).map_err(|e| Error::failed(path.display(), e, remedy))?;
        Ok(Statistical {
            statistics,
            most: 0,
        })
    }
}

impl<S: Statistics> Adapter for Statistical<S> {
    fn study(&mut self, photos: &[RgbImage]) -> bool {
        let count = self.most.min(photos.len());
        for index in 0..count {
            self.statistics.look(&photos[index * photos.len() / count]);
        }
        false
    }

    fn step(&mut self, _: &Batch, _: f64) -> BTreeMap<String, f64> {
        BTreeMap::new()
    }

    fn translate(&self, renders: Tensor<4>) -> Tensor<4> {
        let device = renders.device();
        let renders = batch::to_pictures(renders);
        let seed = Seed::new(0, "sheet");
        let mut streams: Vec<_> = (0..renders.len() as u64).map(|i| seed.stream(i)).collect();
        batch::to_tensor(
            Translator::translate(self, &renders, &mut streams).iter(),
            &device,
        )
    }

    fn parameters(&self) -> usize {
        0
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let text = serde_json::to_vec(&self.statistics)
            .map_err(|e| Error::failed(path.display(), e, "report this as a bug"))?;
        std::fs::write(&path, text).map_err(|e| Error::io(&path, e))
    }

    fn save_state(&self, folder: &Path) -> Result<()> {
        self.save(folder)
    }

    fn load_state(&mut self, folder: &Path) -> Result<()> {
        self.statistics = Self::load(folder)?.statistics;
        Ok(())
    }
}

impl<S: Statistics> Translator for Statistical<S> {
    fn translate(&self, renders: &[RgbImage], streams: &mut [Stream]) -> Vec<RgbImage> {
        let pairs = renders.iter().zip(streams);
        pairs
            .map(|(render, stream)| self.statistics.apply(render, stream))
            .collect()
    }
}
