//! Views: what is along the box of an object, scaled to one size, from which its class is read.

use image::RgbImage;
use rand::RngExt;

use super::targets::LEAST_SIDE;
use crate::models::album::{Example, ObjectBox};
use crate::sample::Extent;
use crate::sample::crop::{around_box, cut};
use crate::sample::image::resize;
use crate::seed::Stream;

/// The side of a view in pixels.
pub(super) const SIDE: u32 = 48;

/// What lies around a box belongs to the view up to this share of its longer side.
const MARGIN: f64 = 0.1;

/// Views that are learned from for each picture.
pub(super) const EACH: usize = 4;

/// Boxes that are found are not quite right, so those that are learned from are moved by up to this share of their sides,
/// and their sides are multiplied or divided by up to e to this power.
const MOVED: f32 = 0.1;
const SCALED: f32 = 0.2;

/// The square around a box, x, y, width, height in pixels; `None` if it lies outside the picture.
pub(super) fn view(picture: &RgbImage, [x, y, width, height]: [f32; 4]) -> Option<RgbImage> {
    let sides = [x, y, x + width, y + height].map(f64::from);
    let extent: Extent = picture.dimensions().into();
    let square = around_box(sides, MARGIN, extent, Extent::square(SIDE))?;
    Some(resize(&cut(picture, square), SIDE, SIDE))
}

/// Views of objects that are drawn among all in the pictures, with their classes; none if there are no objects.
pub(super) fn draw(examples: &[&Example], stream: &mut Stream) -> (Vec<RgbImage>, Vec<i32>) {
    let is_read = |object: &ObjectBox| {
        let [_, _, width, height] = object.bbox_xywh;
        !object.doubtful && width.min(height) >= LEAST_SIDE
    };
    let all: Vec<(&RgbImage, &ObjectBox)> = examples
        .iter()
        .flat_map(|example| {
            example
                .objects
                .iter()
                .map(|object| (&example.picture, object))
        })
        .filter(|(_, object)| is_read(object))
        .collect();
    if all.is_empty() {
        return Default::default();
    }
    let views = (0..EACH * examples.len()).filter_map(|_| {
        let (picture, object) = all[stream.random_range(0..all.len())];
        let view = view(picture, moved(object.bbox_xywh, stream))?;
        Some((view, object.class as i32))
    });
    views.unzip()
}

/// A box about where `bbox` is.
fn moved([x, y, width, height]: [f32; 4], stream: &mut Stream) -> [f32; 4] {
    let mut within = |most: f32| stream.random_range(-most..=most);
    let middle = [
        x + width * (0.5 + within(MOVED)),
        y + height * (0.5 + within(MOVED)),
    ];
    let [width, height] = [width, height].map(|side| side * within(SCALED).exp());
    [
        middle[0] - width / 2.0,
        middle[1] - height / 2.0,
        width,
        height,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::maps::Decoded;
    use crate::seed::Seed;
    use image::Rgb;

    #[test]
    fn views_show_their_object_at_one_size() {
        let mut picture = RgbImage::new(100, 60);
        for (x, y) in (40..60).flat_map(|x| (20..40).map(move |y| (x, y))) {
            picture.put_pixel(x, y, Rgb([255; 3]));
        }
        let seen = view(&picture, [40.0, 20.0, 20.0, 20.0]).unwrap();
        assert_eq!(seen.dimensions(), (SIDE, SIDE));
        // A margin of a tenth on each side: four of 48 pixels.
        assert_eq!(
            [seen.get_pixel(1, 24)[0], seen.get_pixel(8, 24)[0]],
            [0, 255]
        );
        assert!(view(&picture, [120.0, 0.0, 5.0, 5.0]).is_none());
    }

    #[test]
    fn as_many_are_drawn_as_belong_to_the_pictures_and_none_that_are_doubtful() {
        let object = |class, doubtful| ObjectBox {
            doubtful,
            ..ObjectBox::new(class, [10.0, 10.0, 20.0, 20.0])
        };
        let example = |objects: Vec<ObjectBox>| Example {
            picture: RgbImage::new(60, 60),
            mask: image::GrayImage::default(),
            maps: Decoded::default(),
            objects: objects.into(),
        };
        let mut stream = Seed::new(1, "views").stream(0);
        let examples = [
            example(vec![object(0, true), object(1, false)]),
            example(vec![ObjectBox::new(2, [0.0, 0.0, 2.0, 40.0])]),
        ];
        let (views, classes) = draw(&examples.each_ref(), &mut stream);
        assert_eq!((views.len(), classes), (2 * EACH, vec![1; 2 * EACH]));
        assert!(draw(&[&examples[1]], &mut stream).0.is_empty());
    }
}
