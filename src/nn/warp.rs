//! Pictures looked up where a motion leads, bilinear: the backward warping of Jaderberg et al., Spatial Transformer
//! Networks, 2015, as gathers, which gradients pass on every device.

use burn::tensor::{Int, Tensor};

/// What `pictures` `[batch, channels, height, width]` show where each pixel went by `motion` `[batch, 2, height, width]`,
/// x to the right and y down in pixels; and `[batch, 1, height, width]`, 1 where that lies within the picture, else 0.
///
/// Gradients reach the pictures, not the motion. Beyond the border, the outermost pixels count.
pub fn looked_up(pictures: Tensor<4>, motion: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let [batch, channels, height, width] = pictures.dims();
    let device = pictures.device();
    let motion = motion.detach();
    let places = |axis: usize, count: usize, shape: [usize; 4]| {
        let own = Tensor::<1, Int>::arange(0..count as i64, &device).float();
        own.reshape(shape) + motion.clone().narrow(1, axis, 1)
    };
    let x = places(0, width, [1, 1, 1, width]);
    let y = places(1, height, [1, 1, height, 1]);
    let within = |place: &Tensor<4>, count: usize| {
        let low = place.clone().greater_equal_elem(-0.5).float();
        low * place.clone().lower_elem(count as f64 - 0.5).float()
    };
    let inside = within(&x, width) * within(&y, height);
    let [left, top] = [&x, &y].map(|place| place.clone().floor());
    let flat = pictures.reshape([batch, channels, height * width]);
    let corner = |right: f64, down: f64| {
        let [column, row] = [left.clone() + right, top.clone() + down];
        let near = |place: &Tensor<4>, at: &Tensor<4>| -(place.clone() - at.clone()).abs() + 1.0;
        let weight = near(&x, &column) * near(&y, &row);
        let last = |count: usize| count as f64 - 1.0;
        let number = row.clamp(0.0, last(height)) * width as f64 + column.clamp(0.0, last(width));
        let number = number.int().reshape([batch, 1, height * width]);
        let values = flat.clone().gather(2, number.repeat_dim(1, channels));
        values.reshape([batch, channels, height, width]) * weight
    };
    let mixed = corner(0.0, 0.0) + corner(1.0, 0.0) + corner(0.0, 1.0) + corner(1.0, 1.0);
    (mixed, inside)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn tensor(values: Vec<f32>, shape: [usize; 4], device: &Device) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// Two pictures of 3 by 2 pixels, the second ten times as bright.
    fn pictures(device: &Device) -> Tensor<4> {
        let one = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let both = one.into_iter().chain(one.map(|value| 10.0 * value));
        tensor(both.collect(), [2, 1, 2, 3], device)
    }

    /// The same motion everywhere in both.
    fn motion([x, y]: [f32; 2], device: &Device) -> Tensor<4> {
        let one = [[x; 6], [y; 6]].concat();
        tensor([one.clone(), one].concat(), [2, 2, 2, 3], device)
    }

    #[test]
    fn values_lie_where_the_motion_leads_and_between_pixels() {
        let device = Device::flex();
        let found = |way| {
            let (mixed, inside) = looked_up(pictures(&device), motion(way, &device));
            let values = |tensor: Tensor<4>| tensor.into_data_as::<f32>().try_into_vec().unwrap();
            (values(mixed), values(inside))
        };
        let (still, all) = found([0.0, 0.0]);
        let twice: Vec<f32> = pictures(&device)
            .into_data_as::<f32>()
            .try_into_vec()
            .unwrap();
        assert_eq!((still, all), (twice, vec![1.0; 12]));
        let (right, inside) = found([1.0, 0.0]);
        assert_eq!(right[..6], [1.0, 2.0, 2.0, 4.0, 5.0, 5.0]);
        assert_eq!(right[6..9], [10.0, 20.0, 20.0]);
        assert_eq!(inside[..6], [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
        let (between, inside) = found([0.5, 0.25]);
        assert_eq!(between[..2], [1.25, 2.25]);
        // The last column is half a pixel from the border, which is outside.
        assert_eq!(inside[..3], [1.0, 1.0, 0.0]);
    }

    #[test]
    fn gradients_reach_the_pixels_that_are_looked_up() {
        let device = Device::flex().autodiff();
        let pictures = pictures(&device).require_grad();
        let (mixed, inside) = looked_up(pictures.clone(), motion([1.0, 0.0], &device));
        let gradients = (mixed * inside).sum().backward();
        let found = pictures.grad(&gradients).unwrap();
        let found: Vec<f32> = found.into_data_as::<f32>().try_into_vec().unwrap();
        assert_eq!(found[..6], [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    }
}
