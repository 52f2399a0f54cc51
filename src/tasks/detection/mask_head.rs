//! Masks of objects: a small network draws the object in the middle of a view.
//!
//! After the mask branch of He et al., Mask R-CNN, 2017: one mask for each box, drawn at one size and scaled to the box.
//! Deviations: it looks at the pixels along the box, as the classifier of views does, not at features of the frame, so
//! that outlines are as fine as the picture; it draws one mask, not one for each class; its features come from three
//! levels that are added (as in Lin et al., Feature Pyramid Networks, 2017), so that it sees the whole object and its edge.

use burn::module::Module;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Int, Tensor, TensorData};
use image::GrayImage;

use super::layers::{Layer, Layers, convolution};
use super::losses::cross_entropy;
use super::read;
use crate::nn::convolution::PaddedConv;
use crate::nn::resample::doubled;
use crate::sample::crop::Rectangle;
use crate::sample::{Extent, Mask};

/// The side of a drawn mask in pixels: that of a view.
const SIDE: usize = read::SIDE as usize;

/// The network: views `[batch, 3, SIDE, SIDE]` in −1..1 to logits of the masks, `[batch, 1, SIDE, SIDE]`.
#[derive(Module, Debug)]
pub(super) struct MaskHead {
    /// At half the side of the view, then a quarter, then an eighth: two layers each.
    levels: Vec<Layer>,
    /// From the two coarser levels to the channels of the first.
    lateral: Vec<PaddedConv>,
    mix: Layer,
    head: PaddedConv,
}

impl MaskHead {
    pub(super) fn new(channels: usize, layers: &mut Layers) -> Self {
        let [once, twice, more] = [1, 2, 4].map(|times| times * channels);
        MaskHead {
            levels: vec![
                layers.layer([3, once], 5, 2),
                layers.layer([once, twice], 3, 1),
                layers.layer([twice, more], 3, 2),
                layers.layer([more, more], 3, 1),
                layers.layer([more, more], 3, 2),
                layers.layer([more, more], 3, 1),
            ],
            lateral: [(); 2]
                .map(|()| convolution([more, twice], 1, 1, true, layers.device))
                .into(),
            mix: layers.layer([twice, twice], 3, 1),
            head: convolution([twice, 1], 3, 1, true, layers.device),
        }
    }

    pub(super) fn forward(&self, views: Tensor<4>) -> Tensor<4> {
        let mut levels = self.levels.chunks(2);
        let pair = |x: Tensor<4>, layers: &[Layer]| layers.iter().fold(x, |x, l| l.forward(x));
        let fine = pair(views, levels.next().unwrap_or_default());
        let [_, _, height, width] = fine.dims();
        let (mut x, mut sum) = (fine.clone(), fine);
        for (layers, lateral) in levels.zip(&self.lateral) {
            x = pair(x, layers);
            let wide = InterpolateOptions::new(InterpolateMode::Nearest);
            let wide = wide.with_output_size([height, width]);
            sum = sum + interpolate(lateral.forward(x.clone()), wide);
        }
        doubled(self.head.forward(self.mix.forward(sum)))
    }
}

/// Multiplications of a view: at half the side (75 c + (18 + 36) c²), at a quarter (72 + 144) c², at an eighth 288 c².
pub(super) fn products(channels: usize) -> f64 {
    let (wide, pixels) = (channels as f64, (SIDE * SIDE / 4) as f64);
    pixels * (75.0 * wide + (54.0 + 216.0 / 4.0 + 288.0 / 16.0) * wide * wide)
}

/// Binary cross entropy of drawn masks, as a mean over the pixels of the views whose mask is known; `None` if there is
/// none.
pub(super) fn loss(drawn: Tensor<4>, masks: &[Option<GrayImage>]) -> Option<Tensor<1>> {
    let known = masks.iter().enumerate();
    let known = known.filter_map(|(place, mask)| Some((place as i32, mask.as_ref()?)));
    let (places, masks): (Vec<i32>, Vec<&GrayImage>) = known.unzip();
    if places.is_empty() {
        return None;
    }
    let (device, pixels) = (drawn.device(), SIDE * SIDE);
    let wanted = masks.iter().flat_map(|mask| mask.as_raw());
    let wanted: Vec<f32> = wanted.map(|&value| f32::from(value) / 255.0).collect();
    let shape = [places.len(), pixels];
    let places = Tensor::<1, Int>::from_data(&places[..], &device);
    let drawn = drawn.select(0, places).reshape(shape);
    let wanted = Tensor::from_data(TensorData::new(wanted, shape), &device);
    Some(cross_entropy(drawn, wanted))
}

/// The mask in a picture of `extent` of which a view of `square` was drawn as these logits, row by row.
pub(super) fn mask(logits: &[f32], square: Rectangle, extent: Extent) -> Mask {
    let span = |start: i64, length: u32, picture: u32| {
        let within = |place: i64| place.clamp(0, i64::from(picture)) as u32;
        within(start)..within(start + i64::from(length))
    };
    let columns = span(square.left, square.extent.width, extent.width);
    let rows = span(square.top, square.extent.height, extent.height);
    // Where the middle of a pixel lies among those that were drawn: the two beside it, and how far it is to the second.
    let along = |pixel: u32, start: i64, length: u32| {
        let share = (f64::from(pixel) + 0.5 - start as f64) / f64::from(length);
        let place = (share * SIDE as f64 - 0.5).clamp(0.0, (SIDE - 1) as f64);
        let low = (place as usize).min(SIDE - 2);
        (low, (place - low as f64) as f32)
    };
    let mut bitmap = Vec::with_capacity(columns.len() * rows.len());
    for y in rows.clone() {
        let (row, down) = along(y, square.top, square.extent.height);
        for x in columns.clone() {
            let (column, right) = along(x, square.left, square.extent.width);
            let at = |row: usize, column: usize| logits[row * SIDE + column];
            let across = |row| at(row, column) * (1.0 - right) + at(row, column + 1) * right;
            bitmap.push(across(row) * (1.0 - down) + across(row + 1) * down > 0.0);
        }
    }
    let part = Extent::new(columns.len() as u32, rows.len() as u32);
    Mask::from_part(&bitmap, [columns.start, rows.start], part, extent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_mask_lies_where_its_view_does() {
        // The right half of the view is set.
        let logits: Vec<f32> = (0..SIDE * SIDE)
            .map(|place| if place % SIDE < SIDE / 2 { -1.0 } else { 1.0 })
            .collect();
        let square = |left, top, side| Rectangle {
            left,
            top,
            extent: Extent::square(side),
        };
        let extent = Extent::new(40, 30);
        let of = |square| mask(&logits, square, extent).bbox_xywh(30);
        assert_eq!(of(square(10, 4, 20)), Some([20.0, 4.0, 10.0, 20.0]));
        // As large as it was drawn, and larger than the picture.
        assert_eq!(of(square(0, 0, 48)), Some([24.0, 0.0, 16.0, 30.0]));
        assert_eq!(of(square(-30, -10, 100)), Some([20.0, 0.0, 20.0, 30.0]));
        // What was drawn to the right of the picture is lost.
        assert_eq!(of(square(30, 0, 20)), None);
        assert_eq!(of(square(-50, 0, 20)), None);
        let area = mask(&logits, square(30, 0, 20), extent).counts;
        assert_eq!(area.iter().sum::<u32>(), 1200);
    }

    #[test]
    fn only_masks_that_are_known_count() {
        let device = burn::tensor::Device::flex();
        let drawn = Tensor::<4>::zeros([2, 1, SIDE, SIDE], &device);
        let full = GrayImage::from_pixel(SIDE as u32, SIDE as u32, image::Luma([255]));
        assert!(loss(drawn.clone(), &[None, None]).is_none());
        let value: f32 = loss(drawn, &[None, Some(full)]).unwrap().into_scalar();
        assert!((value - 2.0_f32.ln()).abs() < 1e-6);
    }
}
