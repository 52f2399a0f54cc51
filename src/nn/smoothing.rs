//! Pictures with blurred edges, the third kind of picture of CartoonGAN.
//! Chen, Lai and Liu, CartoonGAN: Generative Adversarial Networks for Photo Cartoonization, 2018.
//!
//! Where the brightness changes fast, and a little around it, a picture gives way to its blurred version. Deviation:
//! the gradient above a limit in place of Canny's detector.

use burn::tensor::Tensor;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;

use super::edge_map::{blurred, gradient};

/// The brightness of pictures in −1..1 changes by more than this a pixel at an edge.
const STEEP: f64 = 0.15;

/// How far around an edge pixels are blurred.
const AROUND: usize = 2;

/// Means of 3 × 3 pixels, one after the other: a blur with a deviation of 1.4 pixels.
const BLURS: usize = 3;

/// Pictures `[batch, 3, height, width]` with their edges blurred.
pub fn with_blurred_edges(pictures: Tensor<4>) -> Tensor<4> {
    let edges = edges(&pictures);
    let soft = blurred(pictures.clone(), BLURS);
    pictures.clone() + (soft - pictures) * edges
}

/// 1 at edges and a little around them, else 0: `[batch, 1, height, width]`.
fn edges(pictures: &Tensor<4>) -> Tensor<4> {
    let [across, down] = gradient(pictures.clone().mean_dim(1));
    let steep = (across.square() + down.square()).greater_elem(STEEP * STEEP);
    let kernel = 2 * AROUND + 1;
    let options = MaxPoolOptions::new([kernel, kernel])
        .with_stride([1, 1])
        .with_padding([AROUND, AROUND]);
    max_pool2d(steep.float(), options)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// A dark half and a bright half, `[1, 3, 16, 16]`.
    fn halves() -> Tensor<4> {
        let value = |i: usize| if i % 16 < 8 { -0.5 } else { 0.5 };
        let values: Vec<f32> = (0..3 * 256).map(value).collect();
        Tensor::from_data(TensorData::new(values, [1, 3, 16, 16]), &Device::flex())
    }

    #[test]
    fn edges_are_blurred_and_all_else_stays() {
        let smooth = with_blurred_edges(halves()).into_data_as::<f32>();
        let row = &smooth.as_slice::<f32>().unwrap()[5 * 16..6 * 16];
        assert!(row[..5].iter().all(|value| *value == -0.5), "{row:?}");
        assert!(row[11..].iter().all(|value| *value == 0.5), "{row:?}");
        assert!(row[7] > -0.3 && row[8] < 0.3, "{row:?}");
        assert!(row.windows(2).all(|pair| pair[0] <= pair[1]), "{row:?}");
    }
}
