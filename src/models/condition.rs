//! What models share that draw pictures from a condition, such as edges or objects, instead of from a render's colours:
//! where the objects are, in photos as the task network sees them, in renders as their labels say, and how often such
//! networks halve a picture.

use burn::module::Module;
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::module::{avg_pool2d, interpolate};
use burn::tensor::ops::{AvgPoolOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;

use super::learner::Setting;
use super::task_network::{Layers, mask_cell};
use crate::nn::batch::{maps_to_tensor, to_pictures};
use crate::sample::Extent;
use crate::sample::maps::{Decoded, objects};
use crate::{Error, Result};

/// What is wrong if a model that reads objects is given no task network, and the remedy.
pub const NO_TASK: [&str; 2] = [
    "learns from photos what objects look like, and asks the task network where they are, but the stage has none",
    "add a stage with `use = \"task\"` and give it to `train` by `from = { …, task = \"STAGE\" }`, or choose what reads \
     no objects, such as `model = \"pix2pix\"` with `pix2pix.condition = \"edges\"`",
];

/// The frozen task network, where it tells what a photo shows.
pub struct Seer {
    layers: Layers,
}

/// What it sees.
pub struct Sight {
    /// How much of each pixel is an object's, `[batch, 1, height, width]`, 0..1.
    pub mask: Tensor<4>,
    /// How probable each class is, `[batch, classes]`, 0..1.
    pub classes: Tensor<2>,
}

impl Seer {
    /// # Errors
    /// If there is no task network, or one for pictures of another size; the message names `model`.
    pub fn new(model: &str, setting: &Setting) -> Result<Self> {
        let [problem, remedy] = NO_TASK;
        let task = setting
            .task
            .ok_or_else(|| Error::usage(model, problem, remedy))?;
        task.check_extent(setting.extent).map_err(|problem| {
            let remedy = "train the task network on renders of the same `size`";
            Error::usage(model, problem, remedy)
        })?;
        Ok(Seer {
            layers: task.layers.valid().fork(&setting.device.device),
        })
    }

    /// Looks at photos `[batch, 3, height, width]` in −1..1, without autodiff.
    pub fn see(&self, photos: &Tensor<4>) -> Sight {
        let [_, _, height, width] = photos.dims();
        let reading = self.layers.forward(photos.clone());
        Sight {
            mask: enlarged(sigmoid(reading.mask_logits), [height, width]),
            classes: softmax(reading.class_logits, 1),
        }
    }
}

/// Planes of exact masks, `[batch, channels, height, width]`, as soft as the task network would see them.
pub fn softened(planes: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = planes.dims();
    let cell = mask_cell(Extent::new(width as u32, height as u32));
    enlarged(
        avg_pool2d(planes, AvgPoolOptions::new([cell, cell])),
        [height, width],
    )
}

fn enlarged(planes: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
    interpolate(planes, options.with_output_size(size))
}

/// The map of objects that [`super::Translator::classes`] asks for, `[batch, 1, height, width]`; 0 where none is given.
pub fn numbers(renders: &[RgbImage], maps: &[Decoded], device: &Device) -> Tensor<4> {
    let extent = renders
        .first()
        .map_or(Extent::square(1), |render| render.dimensions().into());
    let none = vec![Decoded::new(); renders.len()];
    let maps = if maps.is_empty() { &none } else { maps };
    maps_to_tensor(maps.iter(), &[&objects::MAP], extent, device)
}

/// Planes `[batch, channels, height, width]` in 0..1 to look at, each in a colour of its own, the first in white.
pub fn in_colours(planes: Tensor<4>) -> Vec<RgbImage> {
    let [_, channels, _, _] = planes.dims();
    // Hues a golden angle apart.
    let wave = |plane: usize, third: usize| {
        let angle = 2.4 * plane as f32 + std::f32::consts::TAU / 3.0 * third as f32;
        0.5 + 0.5 * angle.cos()
    };
    let coloured = [0, 1, 2].map(|third| {
        let weight = |plane| if plane == 0 { 1.0 } else { wave(plane, third) };
        let weights = (0..channels).map(weight);
        let weights = tensor_of(weights, [1, channels, 1, 1], &planes.device());
        (planes.clone() * weights).sum_dim(1)
    });
    to_pictures(Tensor::cat(coloured.into(), 1) * 2.0 - 1.0)
}

/// Numbers as a tensor of this shape.
pub fn tensor_of<const D: usize>(
    values: impl Iterator<Item = f32>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
}

/// How often a network halves pictures of this extent: to a side of 4 pixels or a little more, and five times at most.
pub fn halvings(extent: Extent) -> usize {
    let halved = |times: usize| {
        let sides = extent.sides().map(|(_, side)| side);
        sides
            .iter()
            .all(|side| side.is_multiple_of(1 << times) && side >> times >= 4)
    };
    (1..=5).take_while(|times| halved(*times)).count()
}

/// Checks whether a network that halves pictures as [`halvings`] says sees enough of those of `seen`, on which it
/// trains, and can read those of `whole`.
///
/// # Errors
/// Which size is wrong and what to choose, in words.
pub fn check_halvings(whole: Extent, seen: Extent) -> Result<(), String> {
    let times = halvings(seen).max(2);
    match [seen, whole].into_iter().find(|e| halvings(*e) < times) {
        Some(extent) => Err(format!(
            "pictures of {extent} cannot be halved {times} times: choose sides that are multiples of {}, at least {}",
            1 << times,
            4 << times
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::{batch, cpu, setting_on, task};

    #[test]
    fn objects_of_photos_and_of_renders_are_seen_alike_softly() {
        let task = task();
        let seer = setting_on(&cpu(), Some(&task), |setting| {
            Seer::new("x", &setting).unwrap()
        });
        let sight = seer.see(&batch().photos);
        assert_eq!(sight.mask.dims(), [4, 1, 16, 16]);
        assert_eq!(sight.classes.dims(), [4, 2]);
        let sums: f32 = sight.classes.sum().into_scalar();
        assert!((sums - 4.0).abs() < 1e-4);
        // The left half of a picture.
        let device = Device::flex();
        let left = Tensor::ones([1, 1, 16, 8], &device);
        let mask = Tensor::cat(vec![left.clone(), left * 0.0], 3);
        let soft = softened(mask);
        let row: Vec<f32> = soft
            .slice([0..1, 0..1, 3..4, 0..16])
            .into_data()
            .try_to_vec()
            .unwrap();
        assert_eq!((row[0], row[15]), (1.0, 0.0));
        assert!(
            row[7] < 1.0 && row[7] > 0.5 && row[8] > 0.0 && row[8] < 0.5,
            "{row:?}"
        );
    }

    #[test]
    fn without_a_task_network_the_remedy_is_told() {
        let problem = setting_on(&cpu(), None, |setting| {
            Seer::new("spade", &setting).err().unwrap()
        });
        let problem = problem.to_string();
        assert!(
            problem.contains("spade") && problem.contains("use = \"task\""),
            "{problem}"
        );
    }

    #[test]
    fn pictures_are_halved_down_to_four_pixels_and_others_are_refused() {
        for (sides, times) in [
            ([64, 64], 4),
            ([64, 48], 3),
            ([16, 24], 2),
            ([32, 32], 3),
            ([512, 512], 5),
            ([18, 18], 1),
            ([25, 64], 0),
        ] {
            assert_eq!(
                halvings(Extent::new(sides[0], sides[1])),
                times,
                "{sides:?}"
            );
        }
        let square = Extent::square;
        assert_eq!(check_halvings(square(128), square(64)), Ok(()));
        let problem = check_halvings(square(18), square(18)).unwrap_err();
        assert!(
            problem.contains("18×18 cannot be halved 2 times"),
            "{problem}"
        );
        let problem = check_halvings(square(72), square(64)).unwrap_err();
        assert!(
            problem.contains("72×72 cannot be halved 4 times"),
            "{problem}"
        );
    }
}
