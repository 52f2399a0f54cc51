//! What a detector learns from at once: a part of a picture, or all of it, with what is seen of its objects.

use image::{Rgb, RgbImage};
use rand::RngExt;

use super::Seen;
use super::boxes::{area, clipped};
use crate::models::album::{Example, ObjectBox};
use crate::sample::Extent;
use crate::seed::Stream;

/// What is beyond the picture: 0 for the network.
pub(super) const BEYOND: Rgb<u8> = Rgb([127; 3]);

/// A part of a picture.
pub(super) struct Cut<'a> {
    picture: &'a RgbImage,
    /// Its upper left corner in the picture.
    corner: [u32; 2],
    /// Of the part.
    pub extent: Extent,
    /// The objects of which a part is in it, in its pixels.
    pub seen: Vec<Seen>,
}

impl<'a> Cut<'a> {
    /// A square of this side, or all of the picture. Half of the squares hold an object that is drawn among all; the
    /// others lie anywhere.
    pub(super) fn draw(example: &'a Example, side: Option<u32>, stream: &mut Stream) -> Self {
        let picture = &example.picture;
        let whole: Extent = picture.dimensions().into();
        let Some(side) = side else {
            return Cut::new(example, [0, 0], whole);
        };
        let around = stream.random_bool(0.5) && !example.objects.is_empty();
        let bbox = around.then(|| {
            let place = stream.random_range(0..example.objects.len());
            example.objects[place].bbox_xywh
        });
        let mut corner = |axis: usize, length: u32| {
            let along = bbox.map(|bbox| [bbox[axis], bbox[axis] + bbox[axis + 2]]);
            start(along, length, side, stream)
        };
        let corner = [corner(0, whole.width), corner(1, whole.height)];
        Cut::new(
            example,
            corner,
            Extent::new(side.min(whole.width), side.min(whole.height)),
        )
    }

    fn new(example: &'a Example, corner: [u32; 2], extent: Extent) -> Self {
        let [left, top] = corner.map(|place| place as f32);
        let frame = [extent.width, extent.height].map(|side| side as f32);
        let seen = |object: &ObjectBox| {
            let [x, y, w, h] = object.bbox_xywh;
            let bbox_xywh = clipped([x - left, y - top, w, h], frame);
            let inside = area(bbox_xywh) / area(object.bbox_xywh);
            (inside > 0.0).then(|| {
                let object = ObjectBox {
                    bbox_xywh,
                    ..*object
                };
                Seen::new(object, inside)
            })
        };
        Cut {
            picture: &example.picture,
            corner,
            extent,
            seen: example.objects.iter().filter_map(seen).collect(),
        }
    }

    /// Its pixels, and to the right of and below them as much as is wanting.
    pub(super) fn pixels(&self, extent: Extent) -> RgbImage {
        let part = image::imageops::crop_imm(
            self.picture,
            self.corner[0],
            self.corner[1],
            self.extent.width,
            self.extent.height,
        );
        let mut pixels = RgbImage::from_pixel(extent.width, extent.height, BEYOND);
        image::imageops::replace(&mut pixels, &*part, 0, 0);
        pixels
    }
}

/// Where a part of `side` pixels begins that lies in a picture of `length` and holds what lies at `along`, as far as
/// it can.
fn start(along: Option<[f32; 2]>, length: u32, side: u32, stream: &mut Stream) -> u32 {
    let last = length.saturating_sub(side);
    let [first, last] = match along {
        None => [0, last],
        Some([low, high]) => {
            let first = (high.ceil() as u32).saturating_sub(side).min(last);
            [first, (low.max(0.0) as u32).min(last).max(first)]
        }
    };
    stream.random_range(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn example(width: u32, height: u32, bbox_xywh: [f32; 4]) -> Example {
        Example {
            picture: RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 0])),
            objects: vec![ObjectBox::new(1, bbox_xywh)].into(),
            ..Example::default()
        }
    }

    #[test]
    fn half_of_the_parts_hold_the_object_whole() {
        let mut stream = Seed::new(1, "cuts").stream(0);
        let example = example(200, 100, [150.0, 10.0, 20.0, 30.0]);
        let mut whole = 0;
        for _ in 0..200 {
            let cut = Cut::draw(&example, Some(64), &mut stream);
            let [left, top] = cut.corner;
            assert!(left + 64 <= 200 && top + 64 <= 100);
            let pixels = cut.pixels(Extent::square(64));
            assert_eq!(
                pixels.get_pixel(3, 5),
                &Rgb([left as u8 + 3, top as u8 + 5, 0])
            );
            for seen in &cut.seen {
                let [x, y, w, h] = seen.object.bbox_xywh;
                assert!(x >= 0.0 && y >= 0.0 && x + w <= 64.0 && y + h <= 64.0);
                whole += u32::from([w, h] == [20.0, 30.0]);
            }
        }
        assert!((90..170).contains(&whole), "{whole}");
    }

    #[test]
    fn pictures_that_are_smaller_are_taken_whole() {
        let mut stream = Seed::new(1, "cuts").stream(0);
        let example = example(20, 70, [0.0, 0.0, 300.0, 300.0]);
        let cut = Cut::draw(&example, Some(64), &mut stream);
        assert_eq!((cut.extent, cut.corner[0]), (Extent::new(20, 64), 0));
        let pixels = cut.pixels(Extent::square(64));
        assert_eq!(pixels.get_pixel(19, 0)[0], 19);
        assert_eq!(pixels.get_pixel(20, 0), &BEYOND);
        // Too little of the object is left for it to be wanted.
        assert!(!cut.seen[0].wanted);
    }
}
