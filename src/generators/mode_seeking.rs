//! A loss that holds pictures apart that are drawn of one condition from different latent vectors.
//! Mao et al., Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis, 2019.
//! <https://arxiv.org/abs/1903.05628>

use burn::tensor::{Int, Tensor};

use crate::models::adversarial::Losses;

/// Pictures that are compared, which parts of a batch keep together.
pub(super) const PAIR: usize = 2;

/// The losses of what was drawn from `numbers`, of which so many make the latent vector, and of holding it apart with this
/// weight.
pub(super) fn held_apart(
    losses: Losses,
    weight: f64,
    drawn: Tensor<4>,
    numbers: (&Tensor<2>, usize),
    draw: impl FnOnce(&Tensor<2>) -> Tensor<4>,
) -> Losses {
    if weight == 0.0 {
        return losses;
    }
    let alike = mode_seeking(drawn, numbers, draw);
    let mut named = losses.named;
    named.push(("mode_seeking", alike.clone()));
    Losses {
        total: losses.total + alike * weight,
        named,
        ..losses
    }
}

/// How much less pictures differ than the latent vectors do that they are drawn from: each picture is compared with what
/// `draw` makes of its condition and its noise from the latent vector of its neighbour. In the paper it is the ratio of two
/// means over the batch, here the mean of the pictures' ratios, so that it is the same however a batch is parted between
/// pairs.
fn mode_seeking(
    drawn: Tensor<4>,
    (numbers, latent): (&Tensor<2>, usize),
    draw: impl FnOnce(&Tensor<2>) -> Tensor<4>,
) -> Tensor<1> {
    let [_, all] = numbers.dims();
    let own = numbers.clone().narrow(1, 0, latent);
    let others = neighbours(&own);
    let moved = match latent < all {
        true => Tensor::cat(
            vec![
                others.clone(),
                numbers.clone().narrow(1, latent, all - latent),
            ],
            1,
        ),
        false => others.clone(),
    };
    let apart = (draw(&moved) - drawn).abs().flatten::<2>(1, 3).mean_dim(1);
    let span = (others - own).abs().mean_dim(1);
    (span / (apart + 1e-2)).mean()
}

/// The rows of each pair exchanged; a last one without a partner stays.
fn neighbours(numbers: &Tensor<2>) -> Tensor<2> {
    let [count, _] = numbers.dims();
    let partner = |row: usize| if row ^ 1 < count { row ^ 1 } else { row };
    let rows: Vec<i32> = (0..count).map(|row| partner(row) as i32).collect();
    let rows = Tensor::<1, Int>::from_data(rows.as_slice(), &numbers.device());
    numbers.clone().select(0, rows)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn pictures_that_ignore_their_numbers_cost_most() {
        let device = Device::flex();
        let numbers = Tensor::<2>::from_data([[0.0, 1.0, 2.0], [3.0, 1.0, -1.0]], &device);
        let drawn = |numbers: &Tensor<2>, factor: f64| {
            let [count, _] = numbers.dims();
            (numbers.clone() * factor).reshape([count, 3, 1, 1])
        };
        let cost = |factor: f64| -> f32 {
            let draw = |numbers: &Tensor<2>| drawn(numbers, factor);
            mode_seeking(draw(&numbers), (&numbers, 3), draw).into_scalar()
        };
        // The numbers differ by 2 in the mean.
        assert!((cost(0.0) - 2.0 / 1e-2).abs() < 1e-3);
        assert!((cost(0.5) - 2.0 / 1.01).abs() < 1e-4);
        assert!(cost(1.0) < cost(0.5));
    }

    #[test]
    fn noise_of_pixels_keeps_no_pictures_apart() {
        let device = Device::flex();
        let numbers = Tensor::<2>::from_data([[0.0, 5.0], [3.0, -7.0]], &device);
        let cost = |column: usize| -> f32 {
            let draw = |numbers: &Tensor<2>| {
                let [count, _] = numbers.dims();
                numbers
                    .clone()
                    .narrow(1, column, 1)
                    .reshape([count, 1, 1, 1])
            };
            mode_seeking(draw(&numbers), (&numbers, 1), draw).into_scalar()
        };
        assert!((cost(0) - 3.0 / 3.01).abs() < 1e-4);
        assert!((cost(1) - 3.0 / 1e-2).abs() < 1e-2);
    }

    #[test]
    fn numbers_are_compared_with_those_of_their_neighbour() {
        let device = Device::flex();
        for (rows, expected) in [
            (vec![1.0f32, 2.0, 3.0, 4.0], vec![2.0f32, 1.0, 4.0, 3.0]),
            (vec![1.0, 2.0, 3.0], vec![2.0, 1.0, 3.0]),
            (vec![1.0], vec![1.0]),
        ] {
            let data = TensorData::new(rows.clone(), [rows.len(), 1]);
            let found = neighbours(&Tensor::from_data(data, &device));
            assert_eq!(found.into_data().try_to_vec::<f32>().unwrap(), expected);
        }
    }
}
