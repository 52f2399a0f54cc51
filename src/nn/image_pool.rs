//! A history of generated pictures for the discriminator.
//! Shrivastava et al., Learning from Simulated and Unsupervised Images (SimGAN), 2017.

use burn::tensor::Tensor;
use rand::RngExt;

use crate::seed::Stream;

/// Keeps up to `capacity` earlier fakes and hands them out in place of new ones half of the time.
pub struct ImagePool {
    capacity: usize,
    images: Vec<Tensor<4>>,
    stream: Stream,
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
