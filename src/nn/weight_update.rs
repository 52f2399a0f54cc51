//! What happens to every weight in every step, in one sweep on the CPU: Adam, and the running
//! average. burn makes a dozen sweeps through memory of it.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use super::flex::{values, values_mut};
use super::vectorised::vectorised;

/// Numbers that one thread changes at a time.
const CHUNK: usize = 1 << 14;

/// The factors of one step of Adam, the corrections of its first steps included.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdamFactors {
    pub beta_1: f32,
    pub beta_2: f32,
    pub rate: f32,
    pub epsilon: f32,
}

/// Operations on weights, which no gradient ever flows through.
#[backend_extension(Flex)]
pub(super) trait WeightOps: Backend {
    /// New weight and moments from the old ones and the gradient.
    fn adam(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        factors: AdamFactors,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// `decay` · `average` + (1 − `decay`) · `live`.
    fn blend(average: FloatTensor<Self>, live: FloatTensor<Self>, decay: f32) -> FloatTensor<Self>;
}

impl WeightOps for Flex {
    fn adam(
        mut weight: FlexTensor,
        gradient: FlexTensor,
        mut moment_1: FlexTensor,
        mut moment_2: FlexTensor,
        factors: AdamFactors,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let gradient = gradient.to_contiguous();
        let moments = values_mut(&mut moment_1)
            .par_chunks_mut(CHUNK)
            .zip(values_mut(&mut moment_2).par_chunks_mut(CHUNK));
        values_mut(&mut weight)
            .par_chunks_mut(CHUNK)
            .zip(values(&gradient).par_chunks(CHUNK))
            .zip(moments)
            .for_each(|((weight, gradient), (first, second))| {
                adam(weight, gradient, first, second, factors);
            });
        (weight, moment_1, moment_2)
    }

    fn blend(mut average: FlexTensor, live: FlexTensor, decay: f32) -> FlexTensor {
        let live = live.to_contiguous();
        values_mut(&mut average)
            .par_chunks_mut(CHUNK)
            .zip(values(&live).par_chunks(CHUNK))
            .for_each(|(average, live)| blend(average, live, decay));
        average
    }
}

vectorised! {
    fn adam(
        weight: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
        factors: AdamFactors,
    ) {
        let AdamFactors { beta_1, beta_2, rate, epsilon } = factors;
        let moments = first.iter_mut().zip(second);
        for ((weight, gradient), (first, second)) in weight.iter_mut().zip(gradient).zip(moments) {
            *first = beta_1 * *first + (1.0 - beta_1) * gradient;
            *second = beta_2 * *second + (1.0 - beta_2) * gradient * gradient;
            *weight -= rate * *first / (second.sqrt() + epsilon);
        }
    }
}

vectorised! {
    fn blend(average: &mut [f32], live: &[f32], decay: f32) {
        for (average, live) in average.iter_mut().zip(live) {
            *average = decay * *average + (1.0 - decay) * live;
        }
    }
}

/// `decay` · `average` + (1 − `decay`) · `live`, of equal shape.
pub(super) fn blended<const D: usize>(
    average: Tensor<D>,
    live: Tensor<D>,
    decay: f64,
) -> Tensor<D> {
    if on_cpu(&average) && on_cpu(&live) {
        let (average, live) = (average.into_dispatch(), live.into_dispatch());
        let blended = <Dispatch as WeightOps>::blend(average, live, decay as f32);
        return Tensor::from_dispatch(blended);
    }
    average.mul_scalar(decay) + live.mul_scalar(1.0 - decay)
}

/// Whether our own operations can take a tensor.
pub(super) fn on_cpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.device() == Device::flex()
}
