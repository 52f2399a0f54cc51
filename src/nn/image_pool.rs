//! A history of generated pictures for the discriminator.
//! Shrivastava et al., Learning from Simulated and Unsupervised Images (SimGAN), 2017.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::artifact::files::{read_json, write_json};
use crate::seed::{Position, Stream};
use crate::{Error, Result};

/// Keeps up to `capacity` earlier fakes and hands them out in place of new ones half of the time.
pub struct ImagePool {
    capacity: usize,
    images: Vec<Tensor<4>>,
    stream: Stream,
}

/// What a saved pool needs beside its pictures.
#[derive(Serialize, Deserialize)]
struct Record {
    capacity: usize,
    /// Of one picture; zeros for an empty pool.
    dims: [usize; 4],
    position: Position,
}

impl ImagePool {
    /// An empty pool. Capacity 0 hands back what it is given.
    pub fn new(capacity: usize, stream: Stream) -> Self {
        ImagePool {
            capacity,
            images: Vec::with_capacity(capacity),
            stream,
        }
    }

    /// Swaps pictures of a batch `[batch, 3, height, width]` against earlier ones.
    pub fn query(&mut self, batch: Tensor<4>) -> Tensor<4> {
        if self.capacity == 0 {
            return batch;
        }
        let picked = batch
            .split(1, 0)
            .into_iter()
            .map(|image| self.query_one(image))
            .collect();
        Tensor::cat(picked, 0)
    }

    /// Writes pictures and random stream as `NAME.f32` and `NAME.json` into `folder`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: &Path, name: &str) -> Result<()> {
        let record = Record {
            capacity: self.capacity,
            dims: self.images.first().map_or([0; 4], burn::Tensor::dims),
            position: Position::of(&self.stream),
        };
        let mut bytes = Vec::new();
        for image in &self.images {
            let data = image.to_data_as::<f32>();
            let values = data.as_slice::<f32>().unwrap_or_default();
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        let path = folder.join(format!("{name}.f32"));
        std::fs::write(&path, bytes).map_err(|e| Error::io(&path, e))?;
        write_json(&folder.join(format!("{name}.json")), &record)
    }

    /// Loads what [`ImagePool::save`] wrote.
    ///
    /// # Errors
    /// If a file is missing or is not a pool.
    pub fn load(folder: &Path, name: &str, device: &Device) -> Result<Self> {
        let path = folder.join(format!("{name}.json"));
        let record: Record = read_json(&path, "remove the folder and train again")?;
        let path = folder.join(format!("{name}.f32"));
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let values: Vec<f32> = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let length: usize = record.dims.iter().product();
        let image = |values: &[f32]| {
            Tensor::from_data(TensorData::new(values.to_vec(), record.dims), device)
        };
        Ok(ImagePool {
            capacity: record.capacity,
            images: values.chunks_exact(length.max(1)).map(image).collect(),
            stream: record.position.stream(),
        })
    }

    fn query_one(&mut self, image: Tensor<4>) -> Tensor<4> {
        if self.images.len() < self.capacity {
            self.images.push(image.clone());
            return image;
        }
        if self.stream.random_bool(0.5) {
            let at = self.stream.random_range(0..self.capacity);
            return std::mem::replace(&mut self.images[at], image);
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use burn::tensor::Device;

    #[test]
    fn a_saved_pool_goes_on_as_before() {
        let device = Device::flex();
        let mut pool = ImagePool::new(3, Seed::new(1, "pool").stream(0));
        let image = |i: i32| Tensor::<4>::full([1, 3, 2, 2], i, &device);
        (0..9).for_each(|i| drop(pool.query(image(i))));
        let folder = tempfile::tempdir().unwrap();
        pool.save(folder.path(), "pool").unwrap();
        let mut again = ImagePool::load(folder.path(), "pool", &device).unwrap();
        for i in 9..30 {
            let (a, b) = (pool.query(image(i)), again.query(image(i)));
            assert_eq!(a.into_data(), b.into_data());
        }
    }

    #[test]
    fn a_full_pool_hands_out_old_pictures_about_half_of_the_time() {
        let device = Device::flex();
        let mut pool = ImagePool::new(4, Seed::new(1, "pool").stream(0));
        let mut old = 0;
        for i in 0..204 {
            let image = Tensor::<4>::full([1, 3, 1, 1], i as f32, &device);
            let value: f32 = pool.query(image).mean().into_scalar();
            old += usize::from(value != i as f32);
        }
        assert!((70..130).contains(&old), "{old} of 200");
    }
}
