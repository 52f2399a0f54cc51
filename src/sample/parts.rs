//! Parts of a picture in which nothing is doubtful and no object is cut, and samples of them.

use super::crop::{self, Rectangle};
use super::mapping::Border;
use super::{Extent, Sample, image};
use crate::Result;

/// The least width and height of a part, in pixels.
const LEAST: u32 = 64;

/// The boxes of objects in a picture: x, y, width, height in pixels.
#[derive(Debug, Clone, Default)]
pub struct Boxes {
    /// Of those that are surely known.
    pub sure: Vec<[f32; 4]>,
    /// Of those that are not.
    pub doubtful: Vec<[f32; 4]>,
}

/// Rectangles of a picture that hold sure objects, all of them whole, and nothing doubtful: the whole picture if there is
/// nothing doubtful in it, else such parts as hold many, and further ones for what these leave. Parts may overlap.
pub fn parts(boxes: &Boxes, picture: Extent) -> Vec<Rectangle> {
    let mut left: Vec<&[f32; 4]> = boxes.sure.iter().collect();
    let mut parts = Vec::new();
    while let Some(part) = part(boxes, &left, picture) {
        left.retain(|one| !part.holds(one));
        parts.push(part.rectangle());
    }
    parts
}

/// Whether a box lies in a part, whole.
pub fn holds(part: Rectangle, bbox_xywh: [f32; 4]) -> bool {
    Part::of(part).holds(&bbox_xywh)
}

/// A part of a sample, with the labels that lie in it; what is cut must not be among its objects. The sample itself, if
/// the part is all of it.
///
/// # Errors
/// If the picture or a map cannot be read.
pub fn cut_out(sample: &Sample, part: Rectangle) -> Result<Sample> {
    let mut cut = sample.clone();
    if part.extent == sample.extent {
        return Ok(cut);
    }
    let Rectangle { left, top, extent } = part;
    cut.image = image::encode_png(&crop::cut(&sample.pixels()?, part))?;
    cut.extent = extent;
    let mapping = part.mapping(sample.extent, extent);
    cut.labels = sample.labels.map(&mapping, Border::Replicate, &sample.id)?;
    let note = format!("part({left}, {top}, {extent})");
    cut.provenance.transforms.push(note);
    Ok(cut)
}

/// Cuts off what is doubtful or would be cut, each time on the side that leaves the most of `wanted`; `None` if none of
/// them is left.
fn part(boxes: &Boxes, wanted: &[&[f32; 4]], picture: Extent) -> Option<Part> {
    let mut part = Part {
        low: [0.0; 2],
        high: [picture.width as f32, picture.height as f32],
    };
    let held = |part: &Part| wanted.iter().filter(|one| part.holds(one)).count();
    loop {
        let is_cut = |one: &&[f32; 4]| part.touches(one) && !part.holds(one);
        let doubtful = boxes.doubtful.iter().find(|one| part.touches(one));
        let Some(obstacle) = doubtful.or_else(|| boxes.sure.iter().find(is_cut)) else {
            return (held(&part) > 0).then_some(part);
        };
        let without = part.without(obstacle).into_iter().filter(Part::is_large);
        part = without
            .filter(|part| held(part) > 0)
            .max_by(|a, b| (held(a).cmp(&held(b))).then(a.area().total_cmp(&b.area())))?;
    }
}

/// A rectangle of whole pixels.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Left and upper side.
    low: [f32; 2],
    /// Right and lower side.
    high: [f32; 2],
}

impl Part {
    fn of(rectangle: Rectangle) -> Self {
        let low = [rectangle.left as f32, rectangle.top as f32];
        let Extent { width, height } = rectangle.extent;
        Part {
            low,
            high: [low[0] + width as f32, low[1] + height as f32],
        }
    }

    fn rectangle(self) -> Rectangle {
        let side = |axis: usize| (self.high[axis] - self.low[axis]) as u32;
        Rectangle {
            left: self.low[0] as i64,
            top: self.low[1] as i64,
            extent: Extent::new(side(0), side(1)),
        }
    }

    fn holds(&self, one: &[f32; 4]) -> bool {
        (0..2).all(|axis| {
            let [low, high] = along(one, axis);
            low >= self.low[axis] && high <= self.high[axis]
        })
    }

    fn touches(&self, one: &[f32; 4]) -> bool {
        (0..2).all(|axis| {
            let [low, high] = along(one, axis);
            low < self.high[axis] && high > self.low[axis]
        })
    }

    /// What lies to the left of an object, to its right, above and below it.
    fn without(self, one: &[f32; 4]) -> Vec<Part> {
        let beside = |axis: usize| {
            let [low, high] = along(one, axis);
            let (mut before, mut after) = (self, self);
            before.high[axis] = low.floor();
            after.low[axis] = high.ceil();
            [before, after]
        };
        [beside(0), beside(1)].concat()
    }

    fn is_large(&self) -> bool {
        (0..2).all(|axis| self.high[axis] - self.low[axis] >= LEAST as f32)
    }

    fn area(&self) -> f32 {
        (self.high[0] - self.low[0]) * (self.high[1] - self.low[1])
    }
}

/// Where an object begins and ends along x (0) or y (1).
fn along(one: &[f32; 4], axis: usize) -> [f32; 2] {
    let start = one[axis];
    [start, start + one[axis + 2]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    fn at(x: f32, y: f32) -> [f32; 4] {
        [x, y, 20.0, 20.0]
    }

    fn within(part: Rectangle, boxes: &[[f32; 4]]) -> usize {
        boxes.iter().filter(|one| holds(part, **one)).count()
    }

    const PHOTO: Extent = Extent::new(300, 200);

    #[test]
    fn a_photo_without_doubts_joins_whole() {
        let sure = vec![at(10.0, 10.0), at(200.0, 100.0)];
        let boxes = Boxes {
            sure,
            ..Boxes::default()
        };
        let whole = Rectangle {
            left: 0,
            top: 0,
            extent: PHOTO,
        };
        assert_eq!(parts(&boxes, PHOTO), [whole]);
        assert_eq!(within(whole, &boxes.sure), 2);
        assert!(parts(&Boxes::default(), PHOTO).is_empty());
    }

    #[test]
    fn what_is_doubtful_is_cut_off_and_the_rest_joins_in_parts() {
        let boxes = Boxes {
            sure: vec![at(10.0, 10.0), at(40.0, 100.0), at(250.0, 50.0)],
            doubtful: vec![at(140.5, 90.5)],
        };
        let found = parts(&boxes, PHOTO);
        let sides: Vec<_> = found
            .iter()
            .map(|part| (part.left, part.top, part.extent.dimensions()))
            .collect();
        // As many objects lie above what is doubtful, but in a smaller part.
        assert_eq!(sides, [(0, 0, (140, 200)), (161, 0, (139, 200))]);
        assert_eq!(within(found[1], &boxes.sure), 1);
        // Too near to what is doubtful for a part of 64 pixels.
        let boxes = Boxes {
            sure: vec![at(10.0, 10.0)],
            doubtful: vec![at(40.0, 0.0), at(0.0, 40.0)],
        };
        assert!(parts(&boxes, PHOTO).is_empty());
    }

    #[test]
    fn parts_hold_no_doubt_and_cut_no_object() {
        let mut stream = crate::seed::Seed::new(1, "parts").stream(0);
        for _ in 0..200 {
            let mut some = |most: usize| -> Vec<[f32; 4]> {
                let count = stream.random_range(0..=most);
                let mut place = |length: f32| stream.random_range(0.0..length - 20.0);
                (0..count).map(|_| at(place(300.0), place(200.0))).collect()
            };
            let boxes = Boxes {
                sure: some(12),
                doubtful: some(4),
            };
            for rectangle in parts(&boxes, PHOTO) {
                let part = Part::of(rectangle);
                assert!(part.is_large() && within(rectangle, &boxes.sure) > 0);
                assert!(!boxes.doubtful.iter().any(|one| part.touches(one)));
                let cut = |one: &&[f32; 4]| part.touches(one) && !part.holds(one);
                assert_eq!(boxes.sure.iter().find(cut), None);
            }
        }
    }
}
