//! Views: what is along the box of an object, scaled to one size, from which its class is read.

use image::imageops::FilterType;
use image::{GrayImage, RgbImage};
use rand::RngExt;

use super::targets::LEAST_SIDE;
use crate::models::album::{Example, ObjectBox};
use crate::sample::crop::{Rectangle, around_box, cut};
use crate::sample::image::resize;
use crate::sample::{Extent, Mask};
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

/// Views of objects.
#[derive(Default)]
pub(super) struct Views {
    pub pictures: Vec<RgbImage>,
    pub classes: Vec<i32>,
    /// The masks as they lie in the views, 0..255, of those that are known.
    pub masks: Vec<Option<GrayImage>>,
}

/// The square around a box, x, y, width, height in pixels; `None` if it lies outside the picture.
pub(super) fn square([x, y, width, height]: [f32; 4], picture: Extent) -> Option<Rectangle> {
    let sides = [x, y, x + width, y + height].map(f64::from);
    around_box(sides, MARGIN, picture, Extent::square(SIDE))
}

/// What is in a square of a picture.
pub(super) fn view(picture: &RgbImage, square: Rectangle) -> RgbImage {
    resize(&cut(picture, square), SIDE, SIDE)
}

/// The part of a mask that is in a square of its picture.
fn mask_view(mask: &Mask, picture: Extent, square: Rectangle) -> GrayImage {
    let Extent { width, height } = picture;
    let bitmap = mask.to_bitmap(width, height);
    let set = |x, y| image::Luma([255 * u8::from(bitmap[(y * width + x) as usize])]);
    let whole = GrayImage::from_fn(width, height, set);
    image::imageops::resize(&cut(&whole, square), SIDE, SIDE, FilterType::Triangle)
}

/// Views of objects that are drawn among all in the pictures; none if there are no objects.
pub(super) fn draw(examples: &[&Example], stream: &mut Stream) -> Views {
    let is_read = |object: &ObjectBox| {
        let [_, _, width, height] = object.bbox_xywh;
        !object.doubtful && width.min(height) >= LEAST_SIDE
    };
    let all: Vec<(&Example, usize)> = examples
        .iter()
        .flat_map(|example| (0..example.objects.len()).map(|place| (*example, place)))
        .filter(|(example, place)| is_read(&example.objects[*place]))
        .collect();
    let mut views = Views::default();
    if all.is_empty() {
        return views;
    }
    for _ in 0..EACH * examples.len() {
        let (example, place) = all[stream.random_range(0..all.len())];
        let (object, picture) = (&example.objects[place], &example.picture);
        let extent: Extent = picture.dimensions().into();
        let Some(square) = square(moved(object.bbox_xywh, stream), extent) else {
            continue;
        };
        let mask = example.masks.get(place).and_then(Option::as_ref);
        views.pictures.push(view(picture, square));
        views.classes.push(object.class as i32);
        views
            .masks
            .push(mask.map(|mask| mask_view(mask, extent, square)));
    }
    views
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
    use crate::seed::Seed;
    use image::Rgb;

    #[test]
    fn views_show_their_object_at_one_size() {
        let mut picture = RgbImage::new(100, 60);
        for (x, y) in (40..60).flat_map(|x| (20..40).map(move |y| (x, y))) {
            picture.put_pixel(x, y, Rgb([255; 3]));
        }
        let extent = Extent::new(100, 60);
        let around = square([40.0, 20.0, 20.0, 20.0], extent).unwrap();
        let seen = view(&picture, around);
        assert_eq!(seen.dimensions(), (SIDE, SIDE));
        // A margin of a tenth on each side: four of 48 pixels.
        assert_eq!(
            [seen.get_pixel(1, 24)[0], seen.get_pixel(8, 24)[0]],
            [0, 255]
        );
        // Its mask looks alike.
        let part = Extent::square(20);
        let mask = Mask::from_part(&[true; 400], [40, 20], part, extent);
        let mask = mask_view(&mask, extent, around);
        assert_eq!(
            [mask.get_pixel(1, 24)[0], mask.get_pixel(8, 24)[0]],
            [0, 255]
        );
        assert!(square([120.0, 0.0, 5.0, 5.0], extent).is_none());
    }

    #[test]
    fn as_many_are_drawn_as_belong_to_the_pictures_and_none_that_are_doubtful() {
        let object = |class, doubtful| ObjectBox {
            doubtful,
            ..ObjectBox::new(class, [10.0, 10.0, 20.0, 20.0])
        };
        let example = |objects: Vec<ObjectBox>| Example {
            picture: RgbImage::new(60, 60),
            objects: objects.into(),
            masks: vec![Some(Mask {
                counts: vec![0, 3600],
            })],
            ..Example::default()
        };
        let mut stream = Seed::new(1, "views").stream(0);
        let examples = [
            example(vec![object(0, true), object(1, false)]),
            example(vec![ObjectBox::new(2, [0.0, 0.0, 2.0, 40.0])]),
        ];
        let views = draw(&examples.each_ref(), &mut stream);
        assert_eq!(views.pictures.len(), 2 * EACH);
        assert_eq!(views.classes, [1; 2 * EACH]);
        // Only the mask of the first is known.
        assert_eq!(views.masks, vec![None; 2 * EACH]);
        assert!(draw(&[&examples[1]], &mut stream).pictures.is_empty());
    }
}
