//! Pictures with blurred edges, the third kind of picture of CartoonGAN.
//! Chen, Lai and Liu, CartoonGAN: Generative Adversarial Networks for Photo Cartoonization, 2018.
//!
//! Where the brightness changes fast, and a little around it, a picture gives way to its blurred version. Deviation:
//! the gradient above a limit in place of Canny's detector.

use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, TensorData};

/// The brightness of pictures in −1..1 changes by more than this a pixel at an edge.
const STEEP: f64 = 0.15;

/// How far around an edge pixels are blurred.
const AROUND: usize = 2;

/// Deviation of the blur in pixels.
const BLUR: f64 = 1.5;

/// Pictures `[batch, 3, height, width]` with their edges blurred.
pub fn with_blurred_edges(pictures: Tensor<4>) -> Tensor<4> {
    let edges = edges(&pictures);
    let blurred = filtered(&pictures, Some(&blur), Some(&blur));
    pictures.clone() + (blurred - pictures) * edges
}

/// 1 at edges and a little around them, else 0: `[batch, 1, height, width]`.
fn edges(pictures: &Tensor<4>) -> Tensor<4> {
    let brightness = pictures.clone().mean_dim(1);
    let across = filtered(&brightness, None, Some(&slope));
    let down = filtered(&brightness, Some(&slope), None);
    let steep = (across.square() + down.square()).greater_elem(STEEP * STEEP);
    let kernel = 2 * AROUND + 1;
    let options = MaxPoolOptions::new([kernel, kernel])
        .with_stride([1, 1])
        .with_padding([AROUND, AROUND]);
    max_pool2d(steep.float(), options)
}

/// The weights of a value at a place by its distance from the place that is computed.
type Filter = dyn Fn(i64) -> f64;

fn blur(distance: i64) -> f64 {
    (-(distance as f64 / BLUR).powi(2) / 2.0).exp()
}

/// Central differences.
fn slope(distance: i64) -> f64 {
    match distance {
        1 => 0.5,
        -1 => -0.5,
        _ => 0.0,
    }
}

/// Columns filtered by `down`, rows by `across`; beyond the border, the outermost pixels count.
fn filtered(pictures: &Tensor<4>, down: Option<&Filter>, across: Option<&Filter>) -> Tensor<4> {
    let [_, _, height, width] = pictures.dims();
    let device = pictures.device();
    let mut x = pictures.clone();
    if let Some(filter) = down {
        x = matrix(height, filter, &device).matmul(x);
    }
    if let Some(filter) = across {
        x = x.matmul(matrix(width, filter, &device).swap_dims(2, 3));
    }
    x
}

/// `[1, 1, side, side]`; weights that do not add up to 0 are made to add up to 1.
fn matrix(side: usize, filter: &Filter, device: &Device) -> Tensor<4> {
    const REACH: i64 = 5;
    let sum: f64 = (-REACH..=REACH).map(filter).sum();
    let sum = if sum.abs() < 1e-9 { 1.0 } else { sum };
    let mut weights = vec![0.0f32; side * side];
    for (place, row) in weights.chunks_exact_mut(side).enumerate() {
        for distance in -REACH..=REACH {
            let at = (place as i64 + distance).clamp(0, side as i64 - 1);
            row[at as usize] += (filter(distance) / sum) as f32;
        }
    }
    Tensor::from_data(TensorData::new(weights, [1, 1, side, side]), device)
}

#[cfg(test)]
mod tests {
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
