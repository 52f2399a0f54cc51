//! Pictures to tensors and back.

use burn::tensor::{Device, Tensor, TensorData};
use image::{GrayImage, RgbImage};

use crate::sample::Extent;
use crate::sample::maps::{Decoded, MapKind, Value, flow};

/// Stacks equally large pictures as `[batch, 3, height, width]`, values in −1..1.
///
/// `pictures` must not be empty.
pub fn to_tensor<'a>(
    pictures: impl ExactSizeIterator<Item = &'a RgbImage>,
    device: &Device,
) -> Tensor<4> {
    let count = pictures.len();
    let (mut width, mut height) = (0, 0);
    let mut values = Vec::new();
    for picture in pictures {
        (width, height) = (picture.width() as usize, picture.height() as usize);
        values.extend(colours(picture));
    }
    Tensor::from_data(TensorData::new(values, [count, 3, height, width]), device)
}

/// The values of a picture in −1..1, plane by plane.
pub fn colours(picture: &RgbImage) -> impl Iterator<Item = f32> {
    let plane = |channel: usize| picture.as_raw()[channel..].iter().step_by(3);
    let values = (0..3).flat_map(plane);
    values.map(|value| f32::from(*value) / 127.5 - 1.0)
}

/// Stacks equally large masks as `[batch, 1, height, width]`: 1 where they are 255, 0 where they are 0.
///
/// `masks` must not be empty.
pub fn masks_to_tensor<'a>(
    masks: impl ExactSizeIterator<Item = &'a GrayImage>,
    device: &Device,
) -> Tensor<4> {
    let count = masks.len();
    let (mut width, mut height) = (0, 0);
    let mut values = Vec::new();
    for mask in masks {
        (width, height) = (mask.width() as usize, mask.height() as usize);
        values.extend(mask.as_raw().iter().map(|&v| f32::from(v) / 255.0));
    }
    Tensor::from_data(TensorData::new(values, [count, 1, height, width]), device)
}

/// Stacks the planes of maps as `[batch, channels, height, width]`: those of `kinds` in their order, 0 where a
/// sample does not have one. All samples are of this extent.
///
/// `samples` must not be empty.
pub fn maps_to_tensor<'a>(
    samples: impl ExactSizeIterator<Item = &'a Decoded>,
    kinds: &[&'static MapKind],
    extent: Extent,
    device: &Device,
) -> Tensor<4> {
    let count = samples.len();
    let mut numbers = Vec::new();
    for maps in samples {
        for kind in kinds {
            let planes = kind.planes;
            match maps.iter().find(|(other, _)| other.name == kind.name) {
                Some((_, values)) => numbers.extend((planes.of)(values)),
                None => numbers.resize(numbers.len() + planes.count * extent.area(), 0.0),
            }
        }
    }
    let channels: usize = kinds.iter().map(|kind| kind.planes.count).sum();
    let [width, height] = [extent.width, extent.height].map(|side| side as usize);
    Tensor::from_data(
        TensorData::new(numbers, [count, channels, height, width]),
        device,
    )
}

/// Stacks values of the map `flow` as `[batch, 3, height, width]`: x to the right and y down in pixels, and 1 where the next
/// frame shows the pixel's point, too; all 0 where it does not, and for pictures without the map.
///
/// `flows` must not be empty.
pub fn flows_to_tensor<'a>(
    flows: impl ExactSizeIterator<Item = Option<&'a [Value]>>,
    extent: Extent,
    device: &Device,
) -> Tensor<4> {
    let count = flows.len();
    let mut numbers = vec![0.0; 3 * count * extent.area()];
    for (planes, flow) in numbers.chunks_exact_mut(3 * extent.area()).zip(flows) {
        for (place, value) in flow.into_iter().flatten().enumerate() {
            if let Some([right, down]) = flow::seen_again(*value) {
                for (plane, number) in [right, down, 1.0].into_iter().enumerate() {
                    planes[plane * extent.area() + place] = number;
                }
            }
        }
    }
    let [width, height] = [extent.width, extent.height].map(|side| side as usize);
    Tensor::from_data(TensorData::new(numbers, [count, 3, height, width]), device)
}

/// Splits `[batch, 3, height, width]`, values in −1..1, into pictures; values beyond are clipped.
pub fn to_pictures(tensor: Tensor<4>) -> Vec<RgbImage> {
    let [_, _, height, width] = tensor.dims();
    let values = tensor.into_data_as::<f32>();
    let values = values.as_slice::<f32>().unwrap_or_default();
    let plane = height * width;
    values
        .chunks_exact(3 * plane)
        .map(|picture| {
            RgbImage::from_fn(width as u32, height as u32, |x, y| {
                let at = y as usize * width + x as usize;
                image::Rgb([0, 1, 2].map(|channel| {
                    let value = picture[channel * plane + at];
                    ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8
                }))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_survive_the_round_trip() {
        let picture = RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8 * 50, y as u8 * 90, 255]));
        let tensor = to_tensor([&picture, &picture].into_iter(), &Device::flex());
        assert_eq!(tensor.dims(), [2, 3, 3, 5]);
        assert_eq!(to_pictures(tensor), vec![picture.clone(), picture]);
    }

    #[test]
    fn only_what_is_seen_again_moves() {
        let values = [
            flow::value([1.5, -2.0], true),
            flow::value([3.0, 0.0], false),
        ];
        let flows = [Some(&values[..]), None];
        let tensor = flows_to_tensor(flows.into_iter(), Extent::new(2, 1), &Device::flex());
        assert_eq!(tensor.dims(), [2, 3, 1, 2]);
        let numbers: Vec<f32> = tensor.into_data_as::<f32>().try_into_vec().unwrap();
        let first = [1.5, 0.0, -2.0, 0.0, 1.0, 0.0];
        assert_eq!(numbers, [first, [0.0; 6]].concat());
    }
}
