//! Between burn's CPU tensors and slices of numbers, for operations of our own.

use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;

/// The numbers of a contiguous f32 tensor; none of any other.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().unwrap_or_default()
}

/// A tensor that takes over `values`.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// The same to change; a tensor that shares its numbers gets its own first.
pub(super) fn values_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    *tensor = tensor.to_contiguous();
    let (start, end) = tensor.layout().contiguous_offsets().unwrap_or_default();
    &mut tensor.storage_mut::<f32>()[start..end]
}
